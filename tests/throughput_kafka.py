"""`tests/throughput kafka` and `tests/throughput paced`, which see there. Run by it.

samenloop runs on one core, the broker on another, both alone there as far as this script can say. CPU is read from /proc, for the
program and the broker apart. Whether anything was appended is seen by the size of the broker's files, which costs neither anything.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

TESTS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS / "interop"), str(TESTS / "kafka")]
import confluent  # noqa: E402

confluent.enter()

from confluent_kafka import Producer  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # noqa: E402
from confluent_kafka import TopicPartition  # noqa: E402
from service import end, free_port  # noqa: E402

PARTITIONS = 4
LISTS_LENGTH = 20
LOGS = ("events", "pairs", "totals", "lists")
LOOK_S = 0.02
# Longer than the silence that brings everything up (publish.rest_after): what is published then belongs to the work.
QUIET_S = 13
START_MAX_S = 60
RUN_MAX_S = 600
FEED_SLICE_S = 0.01
# What our own clients would say of a broker that has just started, or is about to end.
QUIET = {"log_level": 2}
TICKS = os.sysconf("SC_CLK_TCK")
PROGRAM_CORE, BROKER_CORE = 0, 1
DATA_SPAN_MS = 31 * 86_400_000
# What this is to reach at least, and at most: lists an event; multiples of the bare loop.
LISTS_MIN, PROGRAM_MAX, BROKER_MAX = 0.18, 10, 6


class Failed(Exception):
    """A round could not be measured."""


@contextlib.contextmanager
def on_core(core):
    """What is started in the block runs on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} if core in before else before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid):
    """What a process has used of the processors, children not counted."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Broker:
    """An Apache Kafka of our own."""

    def __init__(self, stack, folder, java_options=""):
        self.folder = folder / "broker"
        self.folder.mkdir()
        with on_core(BROKER_CORE):
            # It ends with its standard input, so also when this process is killed.
            self.process = subprocess.Popen(
                [TESTS / "kafka/broker-up", str(free_port(2)), self.folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **({"JDK_JAVA_OPTIONS": java_options} if java_options else {})},
            )
        stack.callback(lambda: (self.process.stdin.close(), self.process.wait(START_MAX_S)))
        self.bootstrap = self.process.stdout.readline().strip() or sys.exit("the broker did not start")
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, **QUIET})

    def cpu_s(self):
        return cpu_s(self.process.pid)

    def create(self, topic):
        for made in self.admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
            made.result()

    def bytes_of(self, topic):
        """As they stand on disk, that is compressed."""
        return sum(
            file.stat().st_size for number in range(PARTITIONS) for file in (self.folder / "data" / f"{topic}-{number}").glob("*.log")
        )

    def records_of(self, topic):
        asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(PARTITIONS)}
        return sum(answer.result().offset for answer in self.admin.list_offsets(asked).values())

    def sizes(self, prefix):
        """Of each log: records, bytes on disk."""
        return {log: (self.records_of(prefix + log), self.bytes_of(prefix + log)) for log in LOGS}


class Program:
    """One instance of samenloop over topics of its own."""

    def __init__(self, stack, broker, given, folder, prefix, source):
        self.broker, self.prefix = broker, prefix
        config = folder / f"{prefix}toml"
        config.write_text(
            f'[kafka]\n"bootstrap.servers" = "{broker.bootstrap}"\n[topics]\nprefix = "{prefix}"\n[output]\nformat = "json"\n'
            f"[lists.viewed-together]\nlength = {LISTS_LENGTH}\n"
            f"[logs]\nevents_partitions = {PARTITIONS}\npairs_partitions = {PARTITIONS}\n"
            f'[[source]]\nname = "shop"\ntopic = "{source}"\n'
        )
        command = [given.samenloop, "--config", config]
        made = subprocess.run([*command, "topics", "--create"], capture_output=True, text=True)
        if made.returncode != 0:
            raise Failed(f"samenloop topics --create: {made.stdout}{made.stderr}")
        self.port, self.log = free_port(), folder / f"{prefix}log"
        sets = [part for setting in given.settings for part in ("--set", setting)]
        self.began_s, self.broker_s = time.monotonic(), broker.cpu_s()
        with on_core(PROGRAM_CORE), open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*command, "run", "--set", f"http.listen=127.0.0.1:{self.port}", *sets],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        stack.callback(end, self.process, signal.SIGKILL)

    def used(self):
        """Seconds since the start: of the wall, of the program's CPU, of the broker's."""
        return time.monotonic() - self.began_s, cpu_s(self.process.pid), self.broker.cpu_s() - self.broker_s

    def get(self, path):
        return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60).read().decode()

    def metrics(self):
        """All metrics, summed over their labels; of the logs' each log apart."""
        sums = {}
        for line in self.get("/metrics").splitlines():
            if not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                name = series if series.startswith("samenloop_log_") else series.split("{")[0]
                sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    def is_at_rest(self):
        """Ready, and nothing left to read."""
        if self.process.poll() is not None:
            raise Failed(f"samenloop ended with {self.process.returncode}:\n{self.tail()}")
        try:
            self.get("/readyz")
            return self.metrics()["samenloop_lag_records"] == 0
        except (urllib.error.URLError, OSError):
            return False

    def wait_for_last_list(self):
        """Waits until the lists topic has not grown for a while and nothing is left to read; what had been used when it grew
        last. Nobody is asked before that."""
        seen, used, quiet_since = -1, None, time.monotonic()
        while time.monotonic() - self.began_s < RUN_MAX_S:
            size = self.broker.bytes_of(self.prefix + "lists")
            if size != seen:
                seen, used, quiet_since = size, self.used(), time.monotonic()
            elif time.monotonic() - quiet_since > QUIET_S:
                if seen > 0 and self.is_at_rest():
                    return used
                quiet_since = time.monotonic()
            time.sleep(LOOK_S)
        raise Failed(f"no end after {RUN_MAX_S} s:\n{self.tail()}")

    def stop(self):
        code = end(self.process)
        if code != 0:
            raise Failed(f"exit code {code} after SIGTERM:\n{self.tail()}")

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])


def real_views(path, count):
    """(key, value) of real views, again and again, each time a month later and by other users, until there are enough."""
    lines = subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout.splitlines()
    events = [json.loads(line) for line in lines]
    records = []
    for copy in range(count // len(events) + 1):
        for event in events[: count - len(records)]:
            user = f"{event['user']}-{copy}"
            again = {**event, "event_id": f"{event['event_id']}-{copy}", "user": user, "ts": event["ts"] + copy * DATA_SPAN_MS}
            records.append((user, json.dumps(again, separators=(",", ":")).encode()))
    return records


def demo_events(given, folder, count, *flags):
    """(key, value) of the demo's shop; damaged lines, which have no user, are left out."""
    path = folder / "demo.jsonl"
    command = [given.samenloop, "--quiet", "demo", *flags, "--events", str(count), "--write", path]
    subprocess.run(command, check=True, capture_output=True)
    records = []
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            records.append((str(json.loads(line)["user"]), line))
    return records


def load(broker, topic, records):
    producer = Producer(
        {"bootstrap.servers": broker.bootstrap, **QUIET, "linger.ms": 50, "enable.idempotence": True, "compression.type": "lz4"}
    )
    for key, value in records:
        while len(producer) > 50_000:
            producer.poll(0.05)
        producer.produce(topic, value, key)
    if producer.flush(60):
        raise Failed(f"{topic}: not all records were taken")


def bare_loop(broker, given, topic, count):
    """CPU µs a record of the bare loop, and of the broker meanwhile."""
    before = broker.cpu_s()
    with on_core(PROGRAM_CORE):
        done = subprocess.run(
            [given.consume, "--bootstrap", broker.bootstrap, "--topic", topic], capture_output=True, text=True
        )
    if done.returncode != 0:
        raise Failed(done.stderr)
    said = json.loads(done.stdout)
    if said["records"] != count:
        raise Failed(f"the bare loop read {said['records']} records of {count}")
    return said["cpu_ns"] / 1000 / count, (broker.cpu_s() - before) * 1e6 / count


class Round:
    """What one round gave, per event."""

    def __init__(self, broker, given, folder, number, source, count):
        self.bare_us, self.bare_broker_us = bare_loop(broker, given, source, count)
        prefix = f"round-{number}."
        with contextlib.ExitStack() as stack:
            program = Program(stack, broker, given, folder, prefix, source)
            wall_s, program_s, broker_s = program.wait_for_last_list()
            self.metrics, self.sizes = program.metrics(), broker.sizes(prefix)
            program.stop()
        accepted = self.metrics["samenloop_events_total"] + self.metrics.get("samenloop_rejects_total", 0)
        if accepted != count:
            raise Failed(f"{accepted:.0f} of {count} events arrived")
        self.events_a_second = count / wall_s
        self.program_us, self.broker_us = program_s * 1e6 / count, broker_s * 1e6 / count
        self.program_times, self.broker_times = self.program_us / self.bare_us, self.broker_us / self.bare_us
        self.lists = self.sizes["lists"][0]
        self.lists_an_event = self.lists / count

    def blocks(self, log):
        """Records of a log, bytes on disk, and bytes before compression, without keys and headers."""
        return (*self.sizes[log], self.metrics.get(f'samenloop_log_bytes_total{{log="{log}"}}', 0))


def kafka(given, stack, folder):
    """The whole backlog is there before the program starts."""
    broker = Broker(stack, folder, given.java)
    data = pathlib.Path(given.data)
    if data.is_file():
        records, what = real_views(data, given.events), f"views of {data.parent.name}"
    else:
        records, what = demo_events(given, folder, given.events, "--views-only"), "views of the demo's shop"
    broker.create("views")
    load(broker, "views", records)
    count = len(records)
    size = sum(len(key) + len(value) for key, value in records)
    del records
    print(
        f"{count} {what}, {size / count:.0f} bytes each, {PARTITIONS} + {PARTITIONS} partitions, lists of {LISTS_LENGTH}, JSON; "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at start"
    )
    if given.settings:
        print("set: " + ", ".join(given.settings))
    print(f"{'':8}{'program µs':>12}{'broker µs':>12}{'bare µs':>10}{'(broker)':>10}{'× bare':>9}{'broker ×':>10}{'events/s':>10}{'lists':>9}", flush=True)
    rounds = []
    for number in range(given.warm + given.rounds):
        got = Round(broker, given, folder, number, "views", count)
        if number < given.warm:
            line(f"warm {number + 1}", [got], min)
            continue
        rounds.append(got)
        line(f"round {number + 1 - given.warm}", [got], min)
    for name, of in (("least", min), ("median", statistics.median)):
        line(name, rounds, of)
    median = statistics.median
    lists = median([got.lists_an_event for got in rounds])
    print(f"lists an event {lists:.3f}" + ("" if lists >= LISTS_MIN else f": fewer than {LISTS_MIN}, so the figures are of less work"))
    print(f"{'an event':10}{'records':>10}{'bytes':>10}{'uncompressed':>14}")
    for log in LOGS:
        parts = [median(part) / count for part in zip(*(got.blocks(log) for got in rounds))]
        print(f"{log:10}{parts[0]:10.4f}{parts[1]:10.1f}{parts[2]:14.1f}")
    times = [median([got.program_times for got in rounds]), median([got.broker_times for got in rounds])]
    holds = times[0] <= PROGRAM_MAX and times[1] <= BROKER_MAX and lists >= LISTS_MIN
    print(f"to reach: program ≤ {PROGRAM_MAX} ×, broker ≤ {BROKER_MAX} ×, lists ≥ {LISTS_MIN} an event: {'reached' if holds else 'not reached'}")
    return holds or not given.strict


def line(name, rounds, of):
    value = lambda attribute: of([getattr(got, attribute) for got in rounds])  # noqa: E731
    print(
        f"{name:8}{value('program_us'):12.2f}{value('broker_us'):12.2f}{value('bare_us'):10.3f}{value('bare_broker_us'):10.3f}"
        f"{value('program_times'):9.1f}{value('broker_times'):10.1f}{value('events_a_second'):10.0f}{value('lists'):9.0f}",
        flush=True,
    )


def paced(given, stack, folder):
    """One instance that runs; events come at a rate, each for a while, with the time at which they are sent."""
    broker = Broker(stack, folder, given.java)
    broker.create("shop")
    program = Program(stack, broker, given, folder, "paced.", "shop")
    while not program.is_at_rest():
        if time.monotonic() - program.began_s > START_MAX_S:
            raise Failed(f"not ready after {START_MAX_S} s:\n{program.tail()}")
        time.sleep(0.2)
    count = int(sum(rate * given.seconds for rate in given.rates))
    records = iter(demo_events(given, folder, count + count // 20 + 1000))
    print(f"events of the demo's shop, {given.seconds} s each, {PARTITIONS} + {PARTITIONS} partitions, JSON; load {os.getloadavg()[0]:.1f}")
    heads = "".join(f"{log + ' ' + unit:>15}" for log in LOGS for unit in ("records", "bytes"))
    print(f"{'events/s':>10}{heads}{'program s/min':>15}{'broker s/min':>15}")
    for rate in (0, *given.rates):
        before, used = broker.sizes(program.prefix), program.used()
        began, sent = time.monotonic(), feed(broker, records, rate, given.seconds)
        time.sleep(max(0.0, began + given.seconds - time.monotonic()))
        wall, cpu, broker_cpu = (after - before for after, before in zip(program.used(), used))
        sizes = broker.sizes(program.prefix)
        per = sent or wall / 60
        parts = "".join(f"{(sizes[log][part] - before[log][part]) / per:15.3f}" for log in LOGS for part in (0, 1))
        print(f"{rate or 'idle':>10}{parts}{cpu * 60 / wall:15.2f}{broker_cpu * 60 / wall:15.2f}", flush=True)
        if program.process.poll() is not None:
            raise Failed(program.tail())
    print("records and bytes (on disk) are an event; where it is idle, a minute")
    program.stop()
    return True


def feed(broker, records, rate, seconds):
    """Sends so many a second, each with its time, one by one as a shop does. Returns how many."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, **QUIET, "linger.ms": 5, "enable.idempotence": True})
    began, sent, whole = time.monotonic(), 0, rate * seconds
    while sent < whole:
        due = min(whole, int((time.monotonic() - began) * rate) + 1)
        for key, value in (next(records) for _ in range(due - sent)):
            producer.produce("shop", value, key)
        sent = due
        producer.poll(0)
        time.sleep(FEED_SLICE_S)
    if producer.flush(60):
        raise Failed("not all events were taken")
    return sent


def main():
    parser = argparse.ArgumentParser(prog="tests/throughput", description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=("kafka", "paced"))
    parser.add_argument("--events", type=int, default=700_000, help="of kafka [700000]")
    parser.add_argument("--rounds", type=int, default=3, help="of kafka [3]")
    parser.add_argument(
        "--warm", type=int, default=2, help="of kafka: rounds before those, not counted: a broker that has just started compiles itself [2]"
    )
    parser.add_argument("--rates", type=lambda text: [int(rate) for rate in text.split(",")], default=[20, 200, 2_000, 20_000])
    parser.add_argument("--seconds", type=int, default=60, help="of paced, for each rate [60]")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="a setting of samenloop")
    parser.add_argument("--data", default=f"{os.environ.get('SHARED', '../shared')}/data/serenade_bol/events.jsonl.zst")
    parser.add_argument("--java", default="", help="options of the broker's Java")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when what is to be reached is not")
    parser.add_argument("--samenloop", required=True)
    parser.add_argument("--consume", required=True)
    given = parser.parse_args()
    # By SIGTERM too, all that was started ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="samenloop-throughput-")))
        try:
            return 0 if {"kafka": kafka, "paced": paced}[given.mode](given, stack, folder) else 1
        except Failed as failed:
            print(f"FAILED: {failed}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
