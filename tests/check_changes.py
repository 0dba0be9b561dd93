#!/usr/bin/env python3
"""Checks the records of `samenloop replay --changes`: every score from its own record, and that each record is news.

usage: check_changes.py CHANGES.jsonl [--step 1.0] [--shown 10]

* score = 100 x lower end of the 95 % Wilson interval of weight / anchor_weight, to 0.001; confidence, lift and llr_root
  from weight, anchor_weight, other_weight and contexts alone;
* consecutive records of a key differ in shown entries or their order, or in a score by more than --step; the first record
  of a key is no tombstone, and no tombstone follows another;
* (epoch, sequence) of a key rises, and its as_of never goes back.

Own code, nothing shared with the program. Exit status 0 only where nothing is wrong and at least one record was checked."""
import argparse, json, math, sys

Z = 1.96


def wilson(k, a):
    p = k / a
    z2 = Z * Z
    root = math.sqrt(max(p * (1 - p), 0.0) / a + z2 / (4 * a * a))
    return max(0.0, (p + z2 / (2 * a) - Z * root) / (1 + z2 / a))


def llr_root(k, a, b, n):
    """Signed root of Dunning's G2, as a sum of observed x ln(observed / expected)."""
    total = max(n - a - b + k, 0.0) + a + b - k
    g2 = 0.0
    for seen, row, column in ((k, a, b), (a - k, a, total - b), (b - k, total - a, b), (max(n - a - b + k, 0.0), total - a, total - b)):
        if seen > 0 and row > 0 and column > 0:
            g2 += seen * math.log(seen * total / (row * column))
    return math.copysign(math.sqrt(max(2 * g2, 0.0)), k * n - a * b)


def near(want, got, relative, absolute=0.0):
    return abs(want - got) <= max(absolute, relative * max(abs(want), abs(got)))


def entry_faults(e):
    k, a, b, n = (e[name] for name in ("weight", "anchor_weight", "other_weight", "contexts"))
    if not (0 < k <= a * (1 + 1e-8) and k <= b * (1 + 1e-8)):
        yield f"weight {k} is not within anchor {a} and other {b}"
    if not near(100 * wilson(k, a), e["score"], 0, 0.00101):
        yield f"score {e['score']}, recomputed {100 * wilson(k, a):.4f}"
    if not near(k / a, e["confidence"], 5.1e-6):  # six digits
        yield f"confidence {e['confidence']}, recomputed {k / a}"
    if not near(k * n / (a * b), e["lift"], 5.1e-6):  # six digits
        yield f"lift {e['lift']}, recomputed {k * n / (a * b)}"
    # Near independence G2 is a small difference of large numbers: 9 digits of the weights bear so many of the root.
    if not near(llr_root(k, a, b, n), e["llr_root"], 1e-3, 0.02):
        yield f"llr_root {e['llr_root']}, recomputed {llr_root(k, a, b, n)}"
    if not (isinstance(e["support"], int) and e["support"] > 0):
        yield f"support {e['support']}"


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("changes")
    ap.add_argument("--step", type=float, default=1.0)
    ap.add_argument("--shown", type=int, default=10)
    a = ap.parse_args()
    last, stamp, records, scores, bad = {}, {}, 0, 0, 0

    def fault(line, key, what):
        nonlocal bad
        bad += 1
        if bad <= 20:
            print(f"line {line}, {key}: {what}")

    with open(a.changes, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            r = json.loads(line)
            key = (r["shop"], r["list"], r["item"])
            records += 1
            is_gone = r.get("tombstone", False)
            shown = [(e["item"], e["score"]) for e in r["entries"]]
            if is_gone != (not shown):
                fault(number, key, "a tombstone shows nothing, and nothing else does")
            if len(shown) > a.shown or len({item for item, _ in shown}) != len(shown) or r["item"] in dict(shown):
                fault(number, key, "too many entries, one twice, or the anchor itself")
            for e in r["entries"] + r["reserve"]:
                scores += 1
                for what in entry_faults(e):
                    fault(number, key, f"{e['item']}: {what}")
            before, as_of = last.get(key, ([], None))
            moved = [item for item, _ in before] != [item for item, _ in shown]
            moved = moved or any(abs(old - new) > a.step + 1e-9 for (_, old), (_, new) in zip(before, shown))
            if not moved:
                fault(number, key, "nothing new: " + ("the list is still gone" if is_gone else f"{before} -> {shown}"))
            if as_of is not None and r["as_of"] < as_of:
                fault(number, key, f"as_of goes back from {as_of} to {r['as_of']}")
            if stamp.get(key, (-1, -1)) >= (r["epoch"], r["sequence"]):
                fault(number, key, f"{(r['epoch'], r['sequence'])} does not come after {stamp[key]}")
            stamp[key] = (r["epoch"], r["sequence"])
            last[key] = (shown, r["as_of"])
    print(f"{records} records of {len(last)} keys, {scores} scores recomputed, {bad} wrong")
    sys.exit(0 if records and not bad else 1)


if __name__ == "__main__":
    main()
