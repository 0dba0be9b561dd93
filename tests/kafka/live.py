#!/usr/bin/env python3
"""Views as they happen, from a seeded generator: so many a second, for a while, keyed by user, with the time at which they are sent.

    python3 tests/kafka/live.py --bootstrap HOST:PORT --topic TOPIC [--per-second 5000] [--seconds 60]
"""

import argparse
import itertools
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))
import confluent  # noqa: E402

confluent.enter()

from confluent_kafka import Producer  # noqa: E402

ITEMS, USERS = 20_000, 5_000
SKEW = 0.9
SLICE_S = 0.01


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--per-second", type=int, default=5_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rnd = random.Random(arguments.seed)
    count = arguments.per_second * arguments.seconds
    weights = list(itertools.accumulate(1 / (rank + 10) ** SKEW for rank in range(ITEMS)))
    # Drawn before the clock starts: only sending is left to do.
    items = rnd.choices(range(ITEMS), cum_weights=weights, k=count)
    users = rnd.choices(range(USERS), k=count)
    producer = Producer({"bootstrap.servers": arguments.bootstrap, "linger.ms": 5, "enable.idempotence": True})
    producer.list_topics(arguments.topic)
    began, sent, latest_s = time.monotonic(), 0, 0.0
    while sent < count:
        due = min(count, int((time.monotonic() - began) * arguments.per_second))
        latest_s = max(latest_s, (due - sent) / arguments.per_second)
        for number in range(sent, due):
            now_ms = time.time_ns() // 1_000_000
            user = f"u{users[number]}"
            value = f'{{"event_id":"{number}","type":"view","user":"{user}","ts":{now_ms},"item":"i{items[number]}"}}'
            producer.produce(arguments.topic, value, user, timestamp=now_ms)
        sent = max(sent, due)
        producer.poll(0)
        time.sleep(SLICE_S)
    left = producer.flush(60)
    took = time.monotonic() - began
    print(f"{sent} views in {took:.1f} s, at most {latest_s:.2f} s behind time, {left} without answer")
    sys.exit(1 if left else 0)


main()
