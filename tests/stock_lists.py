"""What lists must be, from counts and the last stock of each item: by the rules of docs/lists.md, without a line of the program's.

    tests/stock_lists.py COUNTS LISTS STOCK [--length 10] [--low 3]

COUNTS as `/v1/counts` tells them, LISTS one JSON object a line, STOCK one JSON object a line as on the topic, the last of each item. Prints what
is wrong. For relations without a bound, default settings, facts of stock only.
"""

import argparse
import collections
import json
import math
import sys

Z = 1.96
# Of each list: relation, specificity, min_support, min_llr_root, lift_above_one. As samenloop.toml has them.
LISTS = {
    "bought-together": ("bought_together", 0.5, 3, 2.5, True),
    "also-bought": ("also_bought", 0.5, 3, 2.5, True),
    "bought-after-viewing": ("viewed_then_bought", 0.25, 3, 2.5, True),
    "viewed-together": ("viewed_together", 0.25, 1, None, False),
    "carted-together": ("carted_together", 0.25, 2, None, False),
}
# A candidate this near to a gate may be in or out; neighbours this near in rank may stand either way.
NEAR_GATE, NEAR_RANK, RANK_STEP = 1e-6, 1.001, 0.002
# What moves a published score is a step of a point (publish.min_score_step).
SCORE_STEP = 1.0 + 0.02
TOLD_MAX = 20
OUT, LOW, IN = "out", "low", "in"


def stock_of(value, low):
    """The state that a fact says; none is in stock."""
    if value is None:
        return IN
    states = [value["state"]] if "state" in value else []
    if "quantity" in value:
        states.append(OUT if value["quantity"] <= 0 else LOW if value["quantity"] <= low else IN)
    return min(states, key=[OUT, LOW, IN].index)


def score_of(k, a):
    """100 × the lower end of the Wilson interval of k / a."""
    return max(0.0, 100 * (k + Z * Z / 2 - Z * math.sqrt(max(0.0, k * (a - k) / a) + Z * Z / 4)) / (a + Z * Z))


def root_of(k, a, b, n):
    """The signed square root of G² of the four cells."""
    cells = [[k, max(a - k, 0.0)], [max(b - k, 0.0), max(n - a - b + k, 0.0)]]
    whole = sum(map(sum, cells))
    g2 = 0.0
    for row in range(2):
        for column in range(2):
            seen = cells[row][column]
            if seen > 0:
                expected = sum(cells[row]) * (cells[0][column] + cells[1][column]) / whole
                g2 += 2 * seen * math.log(seen / expected)
    return math.copysign(math.sqrt(max(g2, 0.0)), k / a - b / n)


class Counts:
    """Counts as they are told: rows, totals by role, contexts."""

    def __init__(self, path):
        self.rows, self.totals, self.contexts = collections.defaultdict(list), {}, {}
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                kind, shop, relation, one, other, support, weight = line.rstrip("\n").split("\t")
                if kind == "pair":
                    self.rows[shop, relation, one].append((other, int(support), float(weight)))
                elif kind == "total":
                    for role in ("anchor", "other") if other == "both" else (other,):
                        self.totals[shop, relation, one, role] = float(weight)
                elif kind == "contexts":
                    self.contexts[shop, relation] = float(weight)

    def candidates(self, name, shop, anchor):
        """Of each neighbour that passes the gates of evidence: rank value, score, whether it passes for sure."""
        relation, specificity, min_support, min_root, above_chance = LISTS[name]
        a, n = self.totals.get((shop, relation, anchor, "anchor"), 0.0), self.contexts[shop, relation]
        found = {}
        for other, support, weight in self.rows[shop, relation, anchor]:
            b = self.totals.get((shop, relation, other, "other"), 0.0)
            if other == anchor or support < min_support or a <= 0 or b <= 0:
                continue
            k = min(weight, a, b)
            gates = [(root_of(k, a, b, n), min_root)] if min_root is not None else []
            gates += [(k / a / (b / n), 1.0)] if above_chance else []
            if all(value >= bound * (1 - NEAR_GATE) for value, bound in gates):
                score = score_of(k, a)
                is_sure = all(value > bound * (1 + NEAR_GATE) for value, bound in gates)
                found[other] = (score * (n / b) ** specificity, score, is_sure)
        return found


def wrong_in(got, found, stock, length):
    """What is wrong with one list, of these candidates; None is nothing."""
    shown = [entry["item"] for entry in got["entries"]]
    for entry in got["entries"] + got["reserve"]:
        if stock.get(entry["item"], IN) == OUT:
            return f"{entry['item']} is sold out{'' if entry['item'] in shown else ' (reserve)'}"
    there = {item: figures for item, figures in found.items() if stock.get(item, IN) != OUT}
    sure = sum(is_sure for _, _, is_sure in there.values())
    if not min(sure, length) <= len(shown) <= min(len(there), length):
        return f"{len(shown)} shown, of {sure} to {len(there)} that may be"
    if len(set(shown)) != len(shown):
        return "an item stands twice"
    for entry in got["entries"]:
        if entry["item"] not in there:
            return f"{entry['item']} is no candidate"
        if abs(entry["score"] - there[entry["item"]][1]) > SCORE_STEP:
            return f"{entry['item']} has score {entry['score']}, not {there[entry['item']][1]:.3f}"
    # What is low stands behind all of which there is enough; within both, rank decides, and nobody better is left out.
    is_low = [stock.get(item, IN) == LOW for item in shown]
    if is_low != sorted(is_low):
        return "something low stands before something of which there is enough"
    for low in (False, True):
        last = math.inf
        for item, of_low in zip(shown, is_low):
            if of_low == low:
                if there[item][0] > last * NEAR_RANK + RANK_STEP:
                    return f"{item}: rank value {there[item][0]:.4f} behind {last:.4f}"
                last = there[item][0]
        left_out = [
            rank for item, (rank, _, is_sure) in there.items() if is_sure and item not in shown and (stock.get(item, IN) == LOW) == low
        ]
        if low is False and any(is_low) and left_out:
            return "something of which there is enough is left out for something low"
        if len(shown) == length and last < math.inf and max(left_out, default=0.0) > last * NEAR_RANK + RANK_STEP:
            return f"left out: rank value {max(left_out):.4f}, the last one shown has {last:.4f}"
    return None


def check(counts_path, lists_path, stock, length=10):
    """Prints what is wrong; returns how many lists there are, entries they show, sold-out items turned away, and how many are wrong."""
    counts = Counts(counts_path)
    expected = {(shop, name, one) for name, rule in LISTS.items() for shop, relation, one in list(counts.rows) if relation == rule[0]}
    wrong = lists = entries = away = 0

    def tell(key, what):
        nonlocal wrong
        wrong += 1
        if wrong <= TOLD_MAX:
            print("        wrong:", "/".join(key), what)

    with open(lists_path, encoding="utf-8") as lines:
        for line in lines:
            got = json.loads(line)
            key = got["shop"], got["list"], got["item"]
            lists, entries = lists + 1, entries + len(got["entries"])
            if key not in expected:
                tell(key, "no counts are behind it")
                continue
            expected.discard(key)
            found = counts.candidates(key[1], key[0], key[2])
            away += sum(stock.get(item, IN) == OUT for item in found)
            what = wrong_in(got, found, stock, length)
            if what:
                tell(key, what)
    for key in sorted(expected):
        found = counts.candidates(key[1], key[0], key[2])
        if any(is_sure and stock.get(item, IN) != OUT for item, (_, _, is_sure) in found.items()):
            tell(key, "is missing")
    return lists, entries, away, wrong


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("counts")
    arguments.add_argument("lists")
    arguments.add_argument("stock")
    arguments.add_argument("--length", type=int, default=10)
    arguments.add_argument("--low", type=float, default=3)
    given = arguments.parse_args()
    with open(given.stock, encoding="utf-8") as lines:
        stock = {fact["item"]: stock_of(fact, given.low) for fact in map(json.loads, lines)}
    lists, entries, away, wrong = check(given.counts, given.lists, stock, given.length)
    print(f"{lists} lists, {entries} entries, {away} sold-out candidates turned away, {wrong} wrong")
    return 1 if wrong or not lists else 0


if __name__ == "__main__":
    sys.exit(main())
