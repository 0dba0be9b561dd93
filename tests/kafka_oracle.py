"""The checks of tests/kafka_oracle, which see there. Run by it."""

import collections
import contextlib
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS / "interop"), str(TESTS / "kafka")]
import confluent  # noqa: E402

confluent.enter()

from confluent_kafka import KafkaException  # noqa: E402
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy  # noqa: E402
from confluent_kafka.schema_registry.avro import AvroSerializer  # noqa: E402
from confluent_kafka.serialization import MessageField, SerializationContext  # noqa: E402
from service import Failed, Service, Source, broker, registry  # noqa: E402

SHARED = pathlib.Path(os.environ["SHARED"]).resolve()
ORACLE = SHARED / "oracle"
PROGRAM = pathlib.Path(os.environ["SAMENLOOP"]).resolve()
# The recount has no bound of rows; relist's tolerance is finer than the step that is news; rest comes sooner.
EXACT = ("counting.row_max=0", "publish.min_score_step=0", "publish.rest_after=2s")
RANK = {"view": 0, "cart": 1, "order": 2}
SOURCE_OF = {"view": "views", "cart": "carts", "order": "orders"}
ONE = [Source("shop")]
THREE = [Source(name) for name in SOURCE_OF.values()]
FAILURES = (Failed, KafkaException, OSError, subprocess.SubprocessError)
SHARE_MIN = 0.2
LIVE_PER_SECOND = 5_000
DELAY_P99_MAX_MS = 1_000
# Smaller sets hold too little for their keys to spread evenly.
SHARED_EVENTS_MIN = 10_000
GENERATED = {
    "generate": ["--events", "100000", "--seed", "1"],
    "lives": ["--events", "100000", "--seed", "2", "--lives"],
    "calm": ["--events", "100000", "--seed", "3", "--calm"],
}
# What other programs write: tests/interop/produce.py and its mapping.
FOREIGN = """format = "avro"
[source.fields]
shop = ["/shop", { constant = "main" }]
item = ["/article", "/product/sku"]
line_item = ["/article", "/product/sku"]
user = ["/user", "/customer"]"""


class Events:
    """A set: its lines, the events in them, and what the recount makes of them in the order they stand in."""

    def __init__(self, folder, name, lines):
        self.path, self.lines = folder / f"{name}.jsonl", lines
        self.path.write_bytes(b"".join(line + b"\n" for line in lines))
        self.events = [json.loads(line) for line in lines]
        self.latest_ms = max(event["ts"] for event in self.events)
        self.counts = folder / f"{name}.tsv"
        with open(self.counts, "wb") as counts:
            subprocess.run([sys.executable, ORACLE / "recount_life.py", self.path], stdout=counts, check=True)


class Checks:
    """Runs what was asked for, and tells how it went."""

    def __init__(self, stack, wanted):
        self.wanted = wanted
        keep = os.environ.get("KEEP")
        self.folder = pathlib.Path(keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="kafka-oracle-")))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bootstrap = broker(stack)
        self.passed = self.failed = 0
        self.sets = {}

    def is_wanted(self, name):
        return any(part in name for part in self.wanted) or not self.wanted

    def check(self, name, function, *arguments):
        """Passes when `function` returns what to print, and fails when it raises Failed."""
        began = time.monotonic()
        try:
            said = function(*arguments)
        except FAILURES as error:
            self.failed += 1
            print(f"FAILED  {name}", *str(error).strip().splitlines(), sep="\n        ", flush=True)
            return
        self.passed += 1
        print(f"ok      {name}: {said} ({time.monotonic() - began:.0f} s)", flush=True)

    def events(self, name):
        """A set by its name; `NAME sorted` is its events in the order in which sources of one type each are merged."""
        if name not in self.sets:
            if name.endswith(" sorted"):
                plain = self.events(name.removesuffix(" sorted"))
                pairs = sorted(zip(plain.events, plain.lines), key=lambda pair: (pair[0]["ts"], RANK[pair[0]["type"]]))
                lines = [line for _, line in pairs]
            elif name in GENERATED:
                made = subprocess.run(
                    [sys.executable, ORACLE / "generate.py", *GENERATED[name]], capture_output=True, check=True
                )
                lines = made.stdout.splitlines()
            else:
                packed = SHARED / "data" / name / "events.jsonl.zst"
                lines = subprocess.run(["zstd", "-dcq", packed], capture_output=True, check=True).stdout.splitlines()
            self.sets[name] = Events(self.folder, name.replace(" ", "-"), lines)
        return self.sets[name]

    @contextlib.contextmanager
    def service(self, name, sources, settings=EXACT, registry=None):
        """A service that ends with the block."""
        with contextlib.ExitStack() as stack:
            plain = "".join(sign if sign.isalnum() else "-" for sign in name)
            yield Service(stack, self.bootstrap, PROGRAM, self.folder, plain, sources, settings, registry)

    def scene(self, name, function, *arguments):
        """Plays a scene of several checks, if it is wanted. What keeps it from going on is a failed check."""
        if not self.is_wanted(name):
            return
        try:
            function(self, name, *arguments)
        except FAILURES as error:
            self.failed += 1
            # Ending the service may have failed too: what failed first says more.
            first = error.__context__ if isinstance(error.__context__, FAILURES) else error
            print(f"FAILED  {name}, on the way", *str(first).strip().splitlines(), sep="\n        ", flush=True)

    def hold(self, name, service, events, kinds="pair,total,contexts,tally"):
        """After rest: the counts, the lists."""
        counts, lists = service.folder / f"{service.prefix}counts.tsv", service.folder / f"{service.prefix}lists.jsonl"
        service.write_counts(events.latest_ms, counts)
        service.write_lists(lists)
        self.check(f"{name}, counts", closing_line, "compare.py", events.counts, counts, "--kinds", kinds)
        self.check(f"{name}, lists", closing_line, "relist.py", events.counts, lists)


def backlog(checks, name, set_name, fill, sources, registry=None, counted=None):
    """The whole backlog is there before two instances start."""
    events = checks.events(set_name)
    counted = checks.events(counted or set_name)
    with checks.service(name, sources, registry=registry) as service:
        fill(service, events)
        run_two(service)
        checks.check(f"{name}, run", lambda: f"{len(events.lines)} events, at rest after {service.wait_for_rest():.0f} s")
        checks.hold(name, service, counted)
        if len(events.lines) >= SHARED_EVENTS_MIN:
            checks.check(f"{name}, shares", shares_hold, service)


def run_two(service):
    for number in (0, 1):
        service.start(number)


def closing_line(script, *arguments):
    """The closing line of one of the oracle's programs, if it is content."""
    done = subprocess.run([sys.executable, ORACLE / script, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stdout + done.stderr)
    return done.stdout.splitlines()[-1]


def shares_hold(service):
    """Each instance did its part of each stage's work."""
    shares = service.shares()
    text = ", ".join(f"{stage} " + "/".join(f"{share:.0%}" for share in of) for stage, of in shares.items())
    if min(itertools.chain(*shares.values())) < SHARE_MIN:
        raise Failed(f"an instance handled less than {SHARE_MIN:.0%} of a stage's records: {text}")
    return text


# How a backlog comes to the topics.


def by_user(service, events):
    service.produce("shop", [(event["user"], line) for event, line in zip(events.events, events.lines)])


def by_type(service, events):
    """A topic a type, each with another key: views by visitor, orders by their number, carts by nothing."""
    records = {name: [] for name in SOURCE_OF.values()}
    for event, line in zip(events.events, events.lines):
        key = {"view": event["user"], "cart": None, "order": event.get("order_id")}[event["type"]]
        records[SOURCE_OF[event["type"]]].append((key, line))
    for name, of_source in records.items():
        service.produce(name, of_source)


def avro_by_user(service, events):
    """By the schemas in schemas/, through the registry."""
    client = SchemaRegistryClient({"url": service.registry})
    options = {"auto.register.schemas": True, "subject.name.strategy": topic_record_subject_name_strategy}
    schemas = {kind: (TESTS.parent / f"schemas/{kind}.avsc").read_text() for kind in RANK}
    serializers = {kind: AvroSerializer(client, schema, conf=options) for kind, schema in schemas.items()}
    context = SerializationContext(service.topic("shop"), MessageField.VALUE)
    service.produce("shop", ((event["user"], serializers[event["type"]](event, context)) for event in events.events))


def avro_of_others(service, events):
    """By schemas of another program, which take turns."""
    command = [sys.executable, TESTS / "interop/produce.py", "--bootstrap", service.bootstrap, "--registry", service.registry]
    command += ["--versions", "renamed,new", "--topic", service.topic("shop"), events.path]
    subprocess.run(command, check=True, capture_output=True)


# One of two is killed.


def fed(service, events, on_half=lambda: None):
    """Half of the events are there before the start, the others come while the service works: something is under way
    whenever `on_half` is called."""
    records = [(event["user"], line) for event, line in zip(events.events, events.lines)]
    half = len(records) // 2
    service.produce("shop", records[:half])
    run_two(service)
    while not (service.all_metrics() or {}).get("samenloop_windows_events_total"):
        time.sleep(0.2)
    feeding = threading.Thread(target=service.produce, args=("shop", records[half:], half / 6))
    feeding.start()
    time.sleep(3)
    on_half()
    feeding.join()
    return f"{len(records)} events, at rest {service.wait_for_rest():.0f} s after the last"


def unchanged(service):
    """How many records of the lists topic show just what the record of their key before shows."""
    shown, records, again = {}, 0, []
    for message in service.records("lists"):
        value = message.value()
        now = value and [(entry["item"], entry["score"]) for entry in json.loads(value)["entries"]]
        records += 1
        if message.key() in shown and shown[message.key()] == now:
            again.append(f"{message.key()} at {message.partition()}/{message.offset()}: {now}")
        shown[message.key()] = now
    if again:
        raise Failed("\n".join([f"{len(again)} of {records} lists show what stood there before", *again[:5]]))
    return f"{records} records, each other than the one before of its key"


def killed(checks, name, set_name):
    events = checks.events(set_name)
    with checks.service(f"{name}, undisturbed", ONE) as service:
        checks.check(f"{name}, undisturbed run", fed, service, events)
        calm_bytes = service.bytes_of("pairs")
    with checks.service(name, ONE) as service:

        def kill():
            service.kill(0)
            time.sleep(1)
            service.start(0)

        checks.check(f"{name}, run", fed, service, events, kill)
        # What became of an event is told by the process that counted it.
        checks.hold(name, service, events, "pair,total,contexts")

        def growth():
            grown = service.bytes_of("pairs") / calm_bytes - 1
            if grown >= 0.2:
                raise Failed(f"{grown:+.1%}")
            return f"{grown:+.1%} of {calm_bytes} bytes"

        checks.check(f"{name}, growth of the pairs log", growth)
        checks.check(f"{name}, lists published again", unchanged, service)


# Late events in three topics.
#
# The recount takes events as they arrived; the merge takes a partition's events in their order, and those of several by
# their time. So a late event comes earlier than it arrived, somewhere between its time and its arrival, relative to events
# of its user in *other* partitions: views against orders (viewed_then_bought), and carts, which have no key, against each
# other and orders (carted_together). Views of a user share a partition, and no order is late: the other relations must be
# equal. How much can change, the recount tells itself, given all events in the order of their times.

KEPT_IN_ORDER = ("viewed_together", "bought_together", "also_bought")
# An order between the two may differ from either.
SORTED_TIMES_MAX = 2


def differing(want, got):
    """Rows of two counts that differ as compare.py tells, of each relation, and how many rows there are."""

    def load(path):
        rows = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            *key, support, weight = line.split("\t")
            if key[0] != "tally":
                rows[tuple(key)] = (int(support), float(weight))
        return rows

    want, got = load(want), load(got)
    differ, whole = collections.Counter(), collections.Counter()
    for key in want.keys() | got.keys():
        one, other = want.get(key, (0, 0.0)), got.get(key, (0, 0.0))
        bound = (1e-5 if key[0] == "pair" else 1e-9) * max(one[1], other[1])
        whole[key[2]] += 1
        differ[key[2]] += one[0] != other[0] or abs(one[1] - other[1]) > bound
    return differ, whole


def late_in_three(checks, name):
    events = checks.events("generate")
    with checks.service(name, THREE) as service:
        by_type(service, events)
        run_two(service)
        checks.check(f"{name}, run", lambda: f"{len(events.lines)} events, at rest after {service.wait_for_rest():.0f} s")
        counts = service.folder / f"{service.prefix}counts.tsv"
        service.write_counts(events.latest_ms, counts)
        differ, whole = differing(events.counts, counts)
        by_sorting, _ = differing(events.counts, checks.events("generate sorted").counts)
        checks.check(f"{name}, rows that late events change", explained, differ, whole, by_sorting)


def explained(differ, whole, by_sorting):
    text = ", ".join(f"{relation} {differ[relation]} of {whole[relation]}" for relation in sorted(whole))
    text += f"; {sum(differ.values()) / sum(whole.values()):.3%} of all"
    for relation in whole:
        most = 0 if relation in KEPT_IN_ORDER else SORTED_TIMES_MAX * by_sorting[relation]
        if differ[relation] > most:
            raise Failed(f"{relation}: {differ[relation]} rows differ, {most} can be explained; {text}")
    return text


# Live.


def of_the_demo(service):
    """The demo's shop: views, carts and orders of a wholesaler's many customers, at LIVE_PER_SECOND for a minute."""
    events = service.folder / "demo.jsonl"
    made = [PROGRAM, "demo", "--events", str(60 * LIVE_PER_SECOND), "--write", str(events)]
    subprocess.run(made, check=True, capture_output=True)
    feed = [TESTS / "kafka/feed", service.topic("shop"), events, "--bootstrap", service.bootstrap]
    return [*feed, "--rate", str(LIVE_PER_SECOND)]


def of_the_restless(service):
    """5,000 users, each of whom looks at another product every second: every session is full, every row is busy."""
    return [sys.executable, TESTS / "kafka/live.py", "--bootstrap", service.bootstrap, "--topic", service.topic("shop")]


def live(checks, name, feed_of):
    """One instance, defaults, events as they come. The delay: from the oldest source record behind a list record to that."""
    with checks.service(name, ONE, ()) as service:
        service.start(0)
        service.wait_for_rest()
        feed, before_s = feed_of(service), service.processor_seconds(0)
        fed = subprocess.run(feed, capture_output=True, text=True)
        used_s = service.processor_seconds(0) - before_s
        if fed.returncode != 0:
            raise Failed(fed.stdout + fed.stderr)
        service.wait_for_rest()
        checks.check(f"{name}, delay", delay_holds, service)
        print(f"        {fed.stdout.strip()}; samenloop used {used_s:.1f} s of the processors meanwhile", flush=True)


def delay_holds(service):
    delays, without = [], 0
    for message in service.records("lists"):
        since = dict(message.headers()).get("samenloop.since")
        if since is None:
            without += 1
        else:
            delays.append(message.timestamp()[1] - int(since))
    if not delays:
        raise Failed("no lists with a time from which they are late")
    delays.sort()
    at = lambda share: delays[min(len(delays) - 1, int(share * len(delays)))]  # noqa: E731
    text = f"{len(delays)} lists ({without} more at rest), ms: p50 {at(0.5)}, p90 {at(0.9)}, p99 {at(0.99)}, max {delays[-1]}"
    if at(0.99) >= DELAY_P99_MAX_MS:
        raise Failed(text)
    return text


def main():
    wanted = sys.argv[1:]
    # By SIGTERM too, all that was started ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        checks = Checks(stack, wanted)
        for name in ("otto_sample", "serenade_bol", "onlineretail", "generate", "lives"):
            checks.scene(f"JSON {name}", backlog, name, by_user, ONE)
        for name, fill, settings in (
            ("serenade_bol", avro_of_others, FOREIGN),
            ("generate", avro_by_user, 'format = "avro"'),
        ):
            url = registry(stack)
            checks.scene(f"Avro {name}", backlog, name, fill, [Source("shop", settings)], url)
        for name in ("otto_sample", "calm"):
            checks.scene(f"three topics, {name}", backlog, name, by_type, THREE, None, f"{name} sorted")
        checks.scene("three topics, generate", late_in_three)
        for name in ("serenade_bol", "lives"):
            checks.scene(f"killed, {name}", killed, name)
        # Takes minutes, and the machine for itself: only when it is named.
        if any(part.startswith("live") for part in wanted):
            checks.scene("live, the demo's shop", live, of_the_demo)
            checks.scene("live, restless", live, of_the_restless)
        print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


main()
