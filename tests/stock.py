"""The shop of tests/stock, which see there. Run by it."""

import argparse
import collections
import contextlib
import json
import math
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing

TESTS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS / "interop"), str(TESTS / "kafka")]
import confluent  # noqa: E402

confluent.enter()

import service  # noqa: E402
import stock_lists  # noqa: E402
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from service import Failed, Service, Source  # noqa: E402

PROGRAM = pathlib.Path(os.environ["SAMENLOOP"]).resolve()
SHOP, LOW_STOCK = "main", 3
SETTINGS = ("publish.rest_after=2s", "snapshots.interval=15s")
# Exact totals go out at rest, and only when they have come, and nothing behind them, lists are ranked by them: several times rest_after.
REST_S = 10
SESSION_S = 6
# How long the one that is killed is away, and when: a share of the whole time.
AWAY_S, KILL_AT = 5, 0.4
READY_MAX_S = 120
# What is sold out stays so at least this long, so that each delay can be seen; and no more than this share of all items is.
OUT_MIN_S, OUT_SHARE = 5, 0.25
# Changes of quantity that leave little.
LITTLE_SHARE = 0.05
GROUP, VISITORS, SESSION_VIEWS = 10, 300, 12
BACKLOG_MS, BACKLOG_END_MS = 4 * 86_400_000, 2 * 3_600_000
SLICE_S, LOOK_S = 0.005, 0.1
QUIET = {"log_level": 2}
DELAY_MAX_S = 1.0


def name_of(number):
    return f"item-{number:05}"


class Shop:
    """Visitors who view, and buy in pairs that are planted: each item has a partner, and nine others of its group."""

    def __init__(self, seed, items):
        self.draw, self.items = random.Random(seed), items
        self.visitors, self.users, self.events = [], 0, 0

    def visitor(self):
        self.users += 1
        # Some groups are met far more often than others.
        group = int(self.items // GROUP * self.draw.random() ** 2)
        return {"user": f"user-{self.users}", "group": group, "left": self.draw.randint(3, SESSION_VIEWS), "seen": []}

    def any_of(self, visitor):
        if self.draw.random() < 0.8:
            return min(visitor["group"] * GROUP + self.draw.randrange(GROUP), self.items - 1)
        return int(self.items * self.draw.random() ** 2)

    def event(self, ts):
        """The next one, as (user, bytes)."""
        while len(self.visitors) < VISITORS:
            self.visitors.append(self.visitor())
        place = self.draw.randrange(VISITORS)
        visitor = self.visitors[place]
        self.events += 1
        base = {"event_id": f"e{self.events}", "user": visitor["user"], "ts": ts}
        if visitor["left"] > 0:
            visitor["left"] -= 1
            item = self.any_of(visitor)
            visitor["seen"].append(item)
            kind = "cart" if self.draw.random() < 0.1 else "view"
            event = {**base, "type": kind, "item": name_of(item)}
        else:
            basket = set(self.draw.sample(visitor["seen"], min(2, len(visitor["seen"]))))
            basket |= {one ^ 1 for one in list(basket) if self.draw.random() < 0.7 and one ^ 1 < self.items}
            event = {**base, "type": "order", "order_id": f"o{self.events}", "lines": [{"item": name_of(one)} for one in sorted(basket)]}
            # Some come back, and buy again: what is bought across orders.
            again = self.visitor()
            self.visitors[place] = {**again, "user": visitor["user"]} if self.draw.random() < 0.5 else again
        return visitor["user"], json.dumps(event, separators=(",", ":")).encode()


class Stock:
    """What there is of each item, how it changes, and when each change was acknowledged."""

    def __init__(self, seed, items, crossing):
        self.draw, self.items, self.crossing = random.Random(seed + 1), items, crossing
        # Of each item that is sold out: since when.
        self.out = {}
        self.sent = collections.Counter()
        # (item, whether it is sold out from then on, produced, acknowledged): changes of that only.
        self.turns = []

    def first(self):
        """Of every item, before anything else."""
        for number in range(self.items):
            yield number, {"quantity": self.draw.randint(4, 200)}

    def next(self):
        """The next change: item, value (None: a tombstone), and whether it is sold out now; None where that has not changed."""
        now = time.monotonic()
        if self.draw.random() < self.crossing:
            is_full = len(self.out) >= OUT_SHARE * self.items
            if is_full or (self.out and self.draw.random() < 0.3):
                number = next(iter(self.out))  # the one that has been out for longest
                if now - self.out[number] > OUT_MIN_S:
                    del self.out[number]
                    back = [None, {"quantity": self.draw.randint(4, 200)}, {"state": "in"}, {"quantity": 9, "state": "in"}]
                    return number, self.draw.choice(back), False
            number = self.draw.randrange(self.items)
            if number not in self.out and not is_full:
                self.out[number] = now
                return number, self.draw.choice([{"quantity": 0}, {"quantity": -2}, {"state": "out"}, {"quantity": 5, "state": "out"}]), True
        number = self.draw.randrange(self.items)
        if number in self.out:
            return number, {"quantity": -self.draw.randrange(4)}, None
        little = self.draw.random() < LITTLE_SHARE
        return number, {"quantity": self.draw.randint(1, LOW_STOCK) if little else self.draw.randint(LOW_STOCK + 1, 200)}, None


def bytes_of(number, value):
    return None if value is None else json.dumps({"item": name_of(number), **value}).encode()


class Record(typing.NamedTuple):
    """One of the lists topic: its list, (epoch, sequence), its own time, when it was read, and what it shows."""

    key: str
    partition: int
    stamp: tuple
    at: float
    read: float
    shown: tuple


class Follower(threading.Thread):
    """Reads the lists topic from its start, and notes what each record showed, and when."""

    def __init__(self, bootstrap, topic, partitions):
        super().__init__(daemon=True)
        self.ended, self.failed, self.records = threading.Event(), None, []
        settings = {"bootstrap.servers": bootstrap, "group.id": "follower", "enable.auto.commit": False, **QUIET}
        self.consumer = Consumer({**settings, "fetch.wait.max.ms": 10})
        self.consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])

    def run(self):
        try:
            while True:
                message = self.consumer.poll(0.2)
                if message is None:
                    if self.ended.is_set():
                        return
                elif message.error():
                    raise Failed(str(message.error()))
                else:
                    self.note(message, time.time())
        except Exception as error:  # said by whoever waits for this thread
            self.failed = error

    def note(self, message, read_s):
        headers = dict(message.headers())
        stamp = int(headers["samenloop.epoch"]), int(headers["samenloop.sequence"])
        shown = ()
        if message.value() is not None:
            shown = tuple(sys.intern(entry["item"]) for entry in json.loads(message.value())["entries"])
        at = message.timestamp()[1] / 1000
        self.records.append(Record(sys.intern(message.key().decode()), message.partition(), stamp, at, read_s, shown))


class Run(Service):
    """Instances, and what is produced for them."""

    def __init__(self, stack, bootstrap, folder, given):
        service.PARTITIONS, service.REST_S = given.partitions, REST_S
        settings = (*SETTINGS, f"snapshots.url={folder / 'store'}", *given.settings)
        super().__init__(stack, bootstrap, PROGRAM, folder, "stock", [Source("shop")], settings)
        text = self.config.read_text()
        more = f'"session.timeout.ms" = {SESSION_S * 1000}\n"heartbeat.interval.ms" = 500\n[topics]'
        topics = ["stock", "catalogue"] if given.start else ["stock"]
        facts = f"[facts]\nlow_stock = {LOW_STOCK}\n"
        facts += "".join(f'[facts.{topic}]\ntopic = "{self.topic(topic)}"\n' for topic in topics)
        self.config.write_text(text.replace("[topics]", more, 1) + facts)
        new = [NewTopic(self.topic(topic), given.partitions, 1, config={"cleanup.policy": "compact"}) for topic in topics]
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for made in admin.create_topics(new).values():
            made.result()
        self.failed, self.used = [], collections.Counter()

    def stop(self):
        """SIGTERM for all at once: one by one, each would take over what the former leaves. Each must end by itself, with 0."""
        processes = list(self.instances.values())
        self.instances.clear()
        for process in processes:
            process.send_signal(signal.SIGTERM)
        until, codes = time.monotonic() + service.STOP_MAX_S, []
        for process in processes:
            try:
                codes.append(process.wait(max(0.0, until - time.monotonic())))
            except subprocess.TimeoutExpired:
                codes.append(service.end(process, signal.SIGKILL))
        if any(codes):
            raise Failed(f"exit codes after SIGTERM: {codes}")

    def producer(self):
        return Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 2, "enable.idempotence": True, **QUIET})

    def fill(self, topic, records):
        producer = self.producer()
        for key, value in records:
            while len(producer) > 50_000:
                producer.poll(0.05)
            producer.produce(self.topic(topic), value, key)
        if producer.flush(60):
            raise Failed(f"{topic}: not all records were taken")

    def paced(self, topic, rate, seconds, make, done):
        """Produces at a rate; `make` gives the next (key, value, what `done` is told of it when it is acknowledged, or None)."""
        producer, began, sent = self.producer(), time.monotonic(), 0

        def acknowledged(about):
            def told(error, message):
                if error:
                    self.failed.append(error)
                else:
                    done(*about, about[-1] + message.latency())

            return told

        try:
            while (passed := time.monotonic() - began) < seconds:
                while sent < passed * rate:
                    key, value, about = make()
                    if about is None:
                        producer.produce(self.topic(topic), value, key)
                    else:
                        producer.produce(self.topic(topic), value, key, on_delivery=acknowledged((*about, time.time())))
                    sent += 1
                producer.poll(0)
                time.sleep(SLICE_S)
            if producer.flush(60):
                raise Failed(f"{topic}: not all records were taken")
        except Exception as error:  # said by whoever waits for this thread
            self.failed.append(error)

    def wait_ready(self):
        began = time.monotonic()
        while time.monotonic() - began < READY_MAX_S:
            if self.all_metrics() is not None:
                return time.monotonic() - began
            time.sleep(LOOK_S)
        raise Failed(f"not ready within {READY_MAX_S} s: {getattr(self, 'not_ready', '')}")

    def last_stock(self):
        """The last fact of each item, as the topic has it."""
        last = {message.key().decode(): message.value() for message in self.records("stock")}
        return [json.loads(value) for value in last.values() if value is not None]


def spans(records):
    """Of each item, where it was shown: (list, from, until, until as read), by the records' times. Late records of former owners are
    dropped, as docs/lists.md says."""
    newest, shown, of_item = {}, {}, collections.defaultdict(list)
    for key, _, stamp, at, read, items in records:
        if key in newest and newest[key] >= stamp:
            continue
        newest[key] = stamp
        since, now = shown.setdefault(key, {}), set(items)
        for item in [item for item in since if item not in now]:
            of_item[item].append((key, since.pop(item), at, read))
        for item in now:
            since.setdefault(item, at)
    for key, since in shown.items():
        for item, at in since.items():
            of_item[item].append((key, at, math.inf, math.inf))
    return of_item


def outs(turns):
    """Each time that an item was sold out: (item, produced, acknowledged, when it was produced that it is back)."""
    of_item = collections.defaultdict(list)
    for turn in sorted(turns, key=lambda turn: turn[2]):
        of_item[turn[0]].append(turn)
    for item, its in of_item.items():
        for number, (_, is_out, produced, acknowledged) in enumerate(its):
            if is_out:
                yield item, produced, acknowledged, its[number + 1][2] if number + 1 < len(its) else math.inf


def share(values, part):
    return sorted(values)[min(len(values) - 1, math.ceil(part * len(values)) - 1)] if values else math.nan


def tell_delays(what, delays):
    """Prints p50, p99 and most of (by the records' own times, as read); returns the 99th percentile of the former."""
    own, read = [one for one, _ in delays], [other for _, other in delays]
    figures = " / ".join(f"{share(own, part):.3f}" for part in (0.5, 0.99, 1))
    print(f"{what}: {len(own)} × list, p50 / p99 / most {figures} s; as read here {share(read, 0.5):.3f} / {share(read, 0.99):.3f} s", flush=True)
    return share(own, 0.99)


def delays_of(sold_out, of_item, window):
    """From the acknowledgement of a sold-out to the record of each list that showed it and no longer does: while all instances were there, and
    while one was away. And how many lists still showed it when it came back, or at the end."""
    whole, away, still = [], [], 0
    for item, produced, acknowledged, back in sold_out:
        for _, since, until, read in of_item.get(item, ()):
            if until <= produced or since >= back:
                continue
            still += until > back or until == math.inf
            delay = tuple(max(0.0, min(end, back) - acknowledged) for end in (until, read))
            # What begins or ends while one is away is its doing.
            (away if acknowledged < window[1] and acknowledged + delay[0] > window[0] else whole).append(delay)
    return whole, away, still


def shown_after_restart(records, sold_out, restarted):
    """How many records are of owners who came after the restart, how many items had been sold out before it and still were, and where
    the former show the latter."""
    before = collections.defaultdict(lambda: -1)
    for record in records:
        if record.at < restarted:
            before[record.partition] = max(before[record.partition], record.stamp[0])
    back_at = {item: back for item, _, acknowledged, back in sold_out if acknowledged < restarted < back}
    new = [record for record in records if record.at >= restarted and record.stamp[0] > before[record.partition]]
    bad = [(record, item) for record in new for item in record.shown if record.at < back_at.get(item, -math.inf)]
    return len(new), len(back_at), bad


def live(run, given, shop, stock):
    """Events and changes of stock for the time given, one instance killed in the middle. Returns when it was killed, started, ready."""
    seconds = given.minutes * 60

    def event():
        return *shop.event(int(time.time() * 1000)), None

    def change():
        number, value, turn = stock.next()
        stock.sent["all"] += 1
        stock.sent["tombstones"] += value is None
        return f"{SHOP}/{name_of(number)}", bytes_of(number, value), None if turn is None else (name_of(number), turn)

    def turned(item, is_out, produced, acknowledged):
        stock.turns.append((item, is_out, produced, acknowledged))

    threads = [
        threading.Thread(target=run.paced, args=("shop", given.rate, seconds, event, lambda *_: None), daemon=True),
        threading.Thread(target=run.paced, args=("stock", given.stock_rate / 60, seconds, change, turned), daemon=True),
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(seconds * KILL_AT)
    number = given.instances - 1
    used = {one: run.processor_seconds(one) for one in run.instances}
    print(f"killed after {time.monotonic() - began:.0f} s; processors used by then: " + ", ".join(f"{one:.1f} s" for one in used.values()))
    killed = time.time()
    run.kill(number)
    time.sleep(AWAY_S)
    restarted = time.time()
    run.start(number)
    took = run.wait_ready()
    ready = time.time()
    print(f"started again after {AWAY_S} s, all ready {took:.1f} s later; load {os.getloadavg()[0]:.1f}", flush=True)
    for thread in threads:
        thread.join()
    if run.failed:
        raise Failed(f"producing: {run.failed[0]}")
    return killed, restarted, ready


def product(number):
    """What a catalogue says of an item."""
    of = {"item": name_of(number), "category": ["Shop", f"Group {number % 500}"], "brand": f"Brand {number % 200}"}
    return json.dumps({**of, "price": 1 + number % 100 / 4, "currency": "EUR", "name": f"A thing for the house {number}"}).encode()


def start_with_facts(run, given):
    """How long one instance takes to be ready with facts about so many items, and what they take of its memory; `given.rounds` times."""
    stock = Stock(given.seed, given.start, given.crossing)
    run.fill("stock", ((f"{SHOP}/{name_of(number)}", bytes_of(number, value)) for number, value in stock.first()))
    run.fill("catalogue", ((f"{SHOP}/{name_of(number)}", product(number)) for number in range(given.start)))
    seconds = []
    for _ in range(given.rounds):
        run.start(0)
        seconds.append(run.wait_ready())
        of = [line.rsplit(" ", 1) for line in run.get(0, "/metrics").splitlines() if not line.startswith("#")]
        known, resident = (float(dict(of)[name]) for name in ("samenloop_facts_items", "process_resident_memory_bytes"))
        held = sum(float(size) for name, size in of if name.startswith("samenloop_state_bytes{") and '"facts"' in name)
        print(
            f"{known:.0f} items known: ready after {seconds[-1]:.2f} s, {run.processor_seconds(0):.1f} s of the processor; {held / max(known, 1):.0f} bytes an item; "
            f"resident {resident / 1e6:.0f} MB; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        if known != given.start:
            raise Failed(f"{known:.0f} items are known, {given.start} were told")
        run.stop()
    print(f"ready after {sorted(seconds)[len(seconds) // 2]:.2f} s, the median of {given.rounds}")
    return False


def measure(run, given, folder, bootstrap):
    shop, stock = Shop(given.seed, given.items), Stock(given.seed, given.items, given.crossing)
    began_ms = int(time.time() * 1000) - BACKLOG_MS - BACKLOG_END_MS
    run.fill("shop", (shop.event(began_ms + number * BACKLOG_MS // max(given.warm, 1)) for number in range(given.warm)))
    run.fill("stock", ((f"{SHOP}/{name_of(number)}", bytes_of(number, value)) for number, value in stock.first()))
    follower = Follower(bootstrap, run.topic("lists"), given.partitions)
    follower.start()
    for number in range(given.instances):
        run.start(number)
    print(f"ready after {run.wait_ready():.1f} s, at rest {run.wait_for_rest():.1f} s later; load {os.getloadavg()[0]:.1f}", flush=True)
    killed, restarted, ready = live(run, given, shop, stock)
    print(f"at rest {run.wait_for_rest():.1f} s after the last; load {os.getloadavg()[0]:.1f}", flush=True)
    facts = run.last_stock()
    counts, lists = folder / "counts.tsv", folder / "lists.jsonl"
    run.write_counts(int(time.time() * 1000), counts)
    run.write_lists(lists)
    (folder / "stock.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts))
    follower.ended.set()
    follower.join(60)
    if follower.failed or follower.is_alive():
        raise Failed(f"the lists could not be followed: {follower.failed}")

    sold_out, of_item = list(outs(stock.turns)), spans(follower.records)
    print(
        f"{shop.events} events, {stock.sent['all']} changes of stock ({stock.sent['tombstones']} tombstones), {len(sold_out)} times sold out; "
        f"{len(follower.records)} records of lists"
    )
    whole, away, still = delays_of(sold_out, of_item, (killed, ready))
    p99 = tell_delays("from sold out to the list", whole)
    tell_delays("the same, while one was away", away)
    print(f"still shown when back in stock, or at the end: {still}")
    new, before, bad = shown_after_restart(follower.records, sold_out, restarted)
    print(f"after the restart: {new} records of new owners; of {before} sold out before it and still so they show {len(bad)}")
    for record, item in bad[: stock_lists.TOLD_MAX]:
        print(f"        shown: {item} in {record.key}, {record.at - restarted:.2f} s after the restart")

    known = {fact["item"]: stock_lists.stock_of(fact, LOW_STOCK) for fact in facts}
    states = collections.Counter(known.values())
    print(f"at the end {states['out']} items sold out, {states['low']} low, {given.items - len(known)} without a fact")
    count, entries, turned_away, wrong = stock_lists.check(counts, lists, known)
    print(f"{count} lists, {entries} entries, {turned_away} sold-out candidates turned away: {wrong} lists wrong", flush=True)
    slow = given.strict and not p99 <= DELAY_MAX_S
    return bool(wrong or bad or not count or not new or not turned_away or slow)


def main():
    arguments = argparse.ArgumentParser(prog="tests/stock")
    arguments.add_argument("--minutes", type=float, default=3)
    arguments.add_argument("--stock-rate", type=float, default=10_000)
    arguments.add_argument("--crossing", type=float, default=0.2)
    arguments.add_argument("--rate", type=float, default=2_000)
    arguments.add_argument("--items", type=int, default=2_000)
    arguments.add_argument("--warm", type=int, default=200_000)
    arguments.add_argument("--partitions", type=int, default=7)
    arguments.add_argument("--instances", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--strict", action="store_true")
    arguments.add_argument("--start", type=int)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    given = arguments.parse_args()
    print(
        f"seed {given.seed}: {given.rate:g} events a second, {given.stock_rate:g} changes of stock a minute, {given.minutes:g} minutes, {given.items} items, "
        f"{given.partitions} partitions, {given.instances} instances; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    # A signal ends it as an exception would: what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        kept = os.environ.get("KEEP")
        folder = pathlib.Path(kept or stack.enter_context(tempfile.TemporaryDirectory(prefix="samenloop-stock-")))
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "store", ignore_errors=True)
        try:
            bootstrap = service.broker(stack)
            run = Run(stack, bootstrap, folder, given)
            is_wrong = start_with_facts(run, given) if given.start else measure(run, given, folder, bootstrap)
            run.stop()
        except Failed as failed:
            print(f"FAILED: {failed}", file=sys.stderr)
            return 1
    print("WRONG" if is_wrong else "right", flush=True)
    return 1 if is_wrong else 0


sys.exit(main())
