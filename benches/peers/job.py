"""The job as README.md defines it: its events, a recount of them, and what makes a peer's lists right. No broker, nothing but Python.

    python3 benches/peers/job.py generate EVENTS        # JSON lines
    python3 benches/peers/job.py recount FILE           # the lists of a file of events, one JSON line each
"""

import heapq
import itertools
import json
import math
import random
import subprocess
import sys

GAP_MS = 30 * 60_000
LONGEST_MS = 4 * 3_600_000
SESSION_MAX = 50
WINDOW = 20
MIN_SUPPORT = 1
LENGTH = 20
WEIGHTS = [1 / math.sqrt(distance) for distance in range(1, WINDOW + 1)]

# Peers add up weights of 32 or 64 bits in orders of their own, and samenloop's fade by one part in ten thousand a month.
TOLERANCE = 2e-3

START_MS = 1_767_225_600_000  # 2026-01-01
BETWEEN_MS = 200
DAY_MS = 86_400_000
SESSIONS_AT_ONCE = 2_000
VIEWS_EACH = 6
CLUSTER = 40
ZIPF = 1.05


def generate(count, catalogue=0, seed=1):
    """(user, record) of so many views: sessions around clusters of items, which are drawn by Zipf's law, as the items in them are. One in
    ten is of an item that the session has seen, one session in three of a user who has been there before."""
    draw = random.Random(seed)
    catalogue = catalogue or max(CLUSTER, count // 2)
    clusters = max(1, catalogue // CLUSTER)
    popular = list(itertools.accumulate(1 / (rank + 1) ** ZIPF for rank in range(clusters)))
    inside = list(itertools.accumulate(1 / (rank + 1) ** 0.8 for rank in range(CLUSTER)))
    users = 0

    def session():
        nonlocal users
        if users > SESSIONS_AT_ONCE and draw.random() < 1 / 3:
            user = draw.randrange(users)
        else:
            user, users = users, users + 1
        return [user, draw.choices(range(clusters), cum_weights=popular)[0], []]

    open_ones = [session() for _ in range(min(SESSIONS_AT_ONCE, max(1, count // 20)))]
    for number in range(count):
        place = draw.randrange(len(open_ones))
        if draw.random() < 1 / VIEWS_EACH:
            open_ones[place] = session()
        user, cluster, seen = open_ones[place]
        if seen and draw.random() < 0.1:
            item = draw.choice(seen)
        else:
            # One in eight is from elsewhere.
            home = cluster if draw.random() < 0.875 else draw.choices(range(clusters), cum_weights=popular)[0]
            item = home * CLUSTER + draw.choices(range(CLUSTER), cum_weights=inside)[0]
            seen.append(item)
        yield record(f"u{user}", f"sku-{item:07}", START_MS + number * BETWEEN_MS, f"e{number}")


def record(user, item, time, event_id):
    return user, json.dumps(
        {"event_id": event_id, "type": "view", "user": user, "ts": time, "item": item}, separators=(",", ":")
    ).encode()


def of_file(path, count):
    """(user, record) of the views in a file of samenloop's own form, again and again, each time by other users and after the last, until
    there are enough."""
    command = ["zstd", "-dcq", path] if str(path).endswith(".zst") else ["cat", path]
    lines = subprocess.run(command, capture_output=True, check=True).stdout.splitlines()
    views = [event for event in map(json.loads, lines) if event["type"] == "view"]
    span = views[-1]["ts"] - views[0]["ts"] + DAY_MS
    made = 0
    for copy in itertools.count():
        for event in views:
            if made == count:
                return
            made += 1
            yield record(f"{event['user']}-{copy}", event["item"], event["ts"] + copy * span, f"e{made}")


class Recount:
    """What the definition says, from the events of each user in their order."""

    def __init__(self):
        self.sessions, self.rows, self.updates = {}, {}, 0

    def view(self, user, item, time):
        session = self.sessions.get(user)
        if session is not None and session[1] - time > GAP_MS:
            return
        if session is None or time - session[1] > GAP_MS or time - session[0] > LONGEST_MS:
            session = self.sessions[user] = [time, time, []]
        session[1] = max(session[1], time)
        items = session[2]
        if item in items or len(items) == SESSION_MAX:
            return
        for weight, other in zip(WEIGHTS, reversed(items)):
            for anchor, met in ((item, other), (other, item)):
                pair = self.rows.setdefault(anchor, {}).setdefault(met, [0.0, 0])
                pair[0] += weight
                pair[1] += 1
                self.updates += 1
        items.append(item)

    def add(self, records):
        for _, value in records:
            event = json.loads(value)
            self.view(event["user"], event["item"], event["ts"])
        return self

    def lists(self):
        """Of each item that has a list: (item, weight, support), the heaviest first."""
        lists = {}
        for anchor, row in self.rows.items():
            met = [(-weight, item, support) for item, (weight, support) in row.items() if support >= MIN_SUPPORT]
            if met:
                lists[anchor] = [(item, -weight, support) for weight, item, support in heapq.nsmallest(LENGTH, met)]
        return lists


class Wrong(Exception):
    """A peer computes something else."""


def check(recount, published):
    """Holds lists (item → entries, each an item, a weight, a support) against a recount; returns the overlap, which is 1 but for ties.

    Which of several items of one weight have the last places may differ. Supports are integers and may not."""
    wanted = recount.lists()
    if wanted.keys() != published.keys():
        missing, more = wanted.keys() - published.keys(), published.keys() - wanted.keys()
        raise Wrong(f"{len(missing)} of {len(wanted)} lists are missing, {len(more)} too many: {sorted(missing)[:3]} {sorted(more)[:3]}")
    right = places = 0
    for anchor, entries in published.items():
        expected, row = wanted[anchor], recount.rows[anchor]
        if len(entries) != len(expected) or len({item for item, _, _ in entries}) != len(entries):
            raise Wrong(f"{anchor}: {len(entries)} entries, not {len(expected)}")
        places += len(expected)
        before = math.inf
        for item, weight, support in entries:
            exact = row.get(item)
            if exact is None or exact[1] != support:
                raise Wrong(f"{anchor}: {item} with a support of {support}, not {exact and exact[1]}")
            if abs(weight - exact[0]) > TOLERANCE * exact[0]:
                raise Wrong(f"{anchor}: {item} weighs {weight}, not {exact[0]}")
            if weight > before * (1 + TOLERANCE):
                raise Wrong(f"{anchor}: {item} stands below what weighs less")
            before = weight
            right += exact[0] >= expected[-1][1] * (1 - TOLERANCE)
    if right != places:
        raise Wrong(f"{places - right} of {places} places are of items that weigh less than others")
    return sum(
        len({entry[0] for entry in published[anchor]} & {entry[0] for entry in entries}) for anchor, entries in wanted.items()
    ) / max(1, places)


def main(arguments):
    match arguments:
        case ["generate", count]:
            for _, value in generate(int(count)):
                sys.stdout.buffer.write(value + b"\n")
        case ["recount", path]:
            with open(path, "rb") as lines:
                recount = Recount().add((None, line) for line in lines)
            for item, entries in sorted(recount.lists().items()):
                named = [{"item": other, "weight": weight, "support": support} for other, weight, support in entries]
                print(json.dumps({"item": item, "entries": named}))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
