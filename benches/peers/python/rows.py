"""Sessions and rows of ../README.md, as the peers in Python have them."""

import heapq
import math
import os

import orjson

GAP_MS = 30 * 60_000
LONGEST_MS = 4 * 3_600_000
SESSION_MAX = 50
WINDOW = 20
MIN_SUPPORT = 1
LENGTH = 20
SILENCE_S = 1
FLUSH_UPDATES = int(os.environ.get("PEER_FLUSH_UPDATES", "0")) or math.inf
WEIGHTS = [1 / math.sqrt(distance) for distance in range(1, WINDOW + 1)]


class Session:
    """The open session of a user."""

    __slots__ = ("first", "latest", "items")

    def __init__(self):
        self.first = self.latest = 0
        self.items = []

    def view(self, item, time):
        """The items that a new one met, the nearest first; none where nothing is counted."""
        if self.items:
            since = time - self.latest
            if since < -GAP_MS:
                return None
            if since > GAP_MS or time - self.first > LONGEST_MS:
                self.items = []
        if not self.items:
            self.first = self.latest = time
        elif time > self.latest:
            self.latest = time
        items = self.items
        if item in items or len(items) == SESSION_MAX:
            return None
        met = items[: -WINDOW - 1 : -1]
        items.append(item)
        return met


class Rows:
    """Pairs by anchor: a list of weight and support each."""

    def __init__(self):
        self.rows, self.dirty, self.updates = {}, set(), 0

    def add(self, centre, met):
        rows = self.rows
        own = rows.get(centre)
        if own is None:
            own = rows[centre] = {}
        for weight, other in zip(WEIGHTS, met):
            pair = own.get(other)
            if pair is None:
                own[other] = [weight, 1]
            else:
                pair[0] += weight
                pair[1] += 1
            row = rows.get(other)
            if row is None:
                row = rows[other] = {}
            pair = row.get(centre)
            if pair is None:
                row[centre] = [weight, 1]
            else:
                pair[0] += weight
                pair[1] += 1
        self.dirty.add(centre)
        self.dirty.update(met)
        self.updates += 2 * len(met)

    def take_lists(self):
        """(key, value) of each list that has changed."""
        for anchor in self.dirty:
            met = [(-weight, item, support) for item, (weight, support) in self.rows[anchor].items() if support >= MIN_SUPPORT]
            if met:
                top = heapq.nsmallest(LENGTH, met) if len(met) > LENGTH else sorted(met)
                entries = [{"item": item, "weight": -weight, "support": support} for weight, item, support in top]
                yield anchor.encode(), orjson.dumps({"item": anchor, "entries": entries})
        self.dirty.clear()
