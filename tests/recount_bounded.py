#!/usr/bin/env python3
"""The recount of the oracle with rows that are bounded: which neighbours stay, and what they have counted since they came. Plain, slow, no
shared code with the program. `tests/oracle bounded` compares the program with it, as it runs by default.

usage: recount_bounded.py ORACLE_DIR EVENTS.jsonl[.zst] [--row-max 256] [--min-weight 0.05] > counts.tsv

The rule: a row makes room only when a new neighbour finds it full. All that has decayed below min_weight goes; where nothing has, the lightest
sixteenth of the bound. Of equals those go whose XXH3 of shop, 0xFF and item is lowest, then by name. Weights are compared by 24 bits, and held
with 40. To the bit, order matters: so it counts what one partition counts, in the order of the file.
"""
import argparse, json, struct, sys
from collections import defaultdict

MASK = (1 << 64) - 1
# The first bytes of the secret of XXH3 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c")
SHARE = 16


def secret(at):
    return struct.unpack_from("<Q", SECRET, at)[0]


def xxh3(data):
    """XXH3, 64 bits, seed 0, of 4 to 16 bytes."""
    size = len(data)
    if 4 <= size <= 8:
        first, last = struct.unpack_from("<I", data)[0], struct.unpack_from("<I", data, size - 4)[0]
        h = (last + (first << 32)) ^ secret(8) ^ secret(16)
        turned = lambda by: (h << by | h >> (64 - by)) & MASK
        h ^= turned(49) ^ turned(24)
        h = h * 0x9FB21C651E98DF25 & MASK
        h ^= (h >> 35) + size
        h = h * 0x9FB21C651E98DF25 & MASK
        return h ^ h >> 28
    if 9 <= size <= 16:
        low = struct.unpack_from("<Q", data)[0] ^ secret(24) ^ secret(32)
        high = struct.unpack_from("<Q", data, size - 8)[0] ^ secret(40) ^ secret(48)
        product = low * high
        swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
        h = (size + swapped + high + ((product & MASK) ^ product >> 64)) & MASK
        h = (h ^ h >> 37) * 0x165667919E3779F9 & MASK
        return h ^ h >> 32
    raise SystemExit(f"{data!r}: only shops and items of 3 to 15 bytes together")


def bits(number):
    return struct.unpack("<Q", struct.pack("<d", number))[0]


def number(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def held(weight):
    return number((bits(weight) + (1 << 12)) >> 13 << 13)


def read(weight):
    return number(bits(weight) >> 29 << 29)


class Names(dict):
    """Fingerprints, by shop and item."""
    def __missing__(self, key):
        shop, item = key
        self[key] = xxh3(shop.encode() + b"\xff" + item.encode())
        return self[key]


def bounded(recount_life, row_max, min_weight):
    class Bounded(recount_life.Recount):
        def __init__(self, rules):
            super().__init__(rules)
            self.bounded = defaultdict(dict)  # (shop, relation, anchor) -> other -> [support, weight]
            self.landmarks, self.growths, self.names, self.gone = {}, {}, Names(), 0

        def growth(self, relation, ts):
            """What an event at ts weighs, from a landmark of whole half-lives."""
            known = self.growths.get(relation)
            if known is None or known[0] != ts:
                half_life = self.r["half_life_" + relation]
                whole, part = divmod(ts, half_life)
                known = ts, 2.0 ** (part / half_life) * 2.0 ** (whole - self.landmarks.setdefault(relation, whole))
                self.growths[relation] = known
            return known[1]

        def add(self, table, key, relation, ts, support=1, w=1.0):
            if table is not self.pairs:
                return super().add(table, key, relation, ts, support, w)
            shop, relation, anchor, other = key
            row, weight = self.bounded[shop, relation, anchor], self.growth(relation, ts) * w
            cell = row.get(other)
            if w < 0:
                if cell:
                    cell[0] = max(0, cell[0] + support)
                    left = cell[1] + weight
                    if cell[0] == 0 and left <= -weight * 2.0 ** -24:
                        del row[other]
                    else:
                        cell[1] = held(max(left, sys.float_info.min))
                return
            if cell is None:
                if row_max and len(row) >= row_max:
                    self.make_room(shop, relation, row)
                cell = row[other] = [0, 0.0]
            cell[0] += support
            cell[1] = held(cell[1] + weight)

        def make_room(self, shop, relation, row):
            faded = min_weight * self.growth(relation, self.latest)
            # Bits of positive numbers are in the order of the numbers.
            packed = struct.pack(f"<{len(row)}d", *(weight for _, weight in row.values()))
            kept = [bits >> 29 for bits in struct.unpack(f"<{len(row)}Q", packed)]
            gone = []
            if number(min(kept) << 29) < faded:
                gone = [other for other, bits in zip(row, kept) if number(bits << 29) < faded]
            else:
                lightest = sorted(zip(kept, (self.names[shop, other] for other in row), row))
                gone = [other for *_, other in lightest[: max(1, row_max // SHARE)]]
            self.gone += len(gone)
            for other in gone:
                del row[other]

        def rows(self, as_of):
            for (shop, relation, anchor), row in self.bounded.items():
                ahead = self.landmarks[relation] - self.landmark / self.r["half_life_" + relation]
                for other, (support, weight) in row.items():
                    self.pairs[shop, relation, anchor, other] = [support, read(weight) * 2.0 ** ahead]
            return super().rows(as_of)

    return Bounded


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("oracle")
    ap.add_argument("events")
    ap.add_argument("--row-max", type=int, default=256)
    ap.add_argument("--min-weight", type=float, default=0.05)
    a = ap.parse_args()
    sys.path.insert(0, a.oracle)
    import recount_life
    recount = bounded(recount_life, a.row_max, a.min_weight)(dict(recount_life.RULES))
    for line in recount_life.lines(a.events):
        recount.event(json.loads(line))
    for kind, shop, relation, x, y, support, weight in sorted(recount.rows(recount.latest)):
        print(kind, shop, relation, x, y, support, f"{weight:.15g}", sep="\t")
    print(f"{recount.gone} pairs made room", file=sys.stderr)


if __name__ == "__main__":
    main()
