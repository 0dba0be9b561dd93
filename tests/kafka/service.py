"""samenloop as a service on a real broker, driven from a script: topics, records, instances, what they say and what they wrote.

Everything listens on loopback, on free ports, and ends with the `ExitStack` it was started in.
"""

import collections
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
import typing
import urllib.error
import urllib.request

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTITIONS = 7
START_MAX_S = 60
REST_MAX_S = 240
STOP_MAX_S = 60
SILENCE_MAX_S = 30
# Longer than any pause of work, and than the time by which metrics are behind.
REST_S = 4
BIG_RECORD_BYTES = 40 << 20
STAGES = {
    "intake": "samenloop_events_total",
    "windows": "samenloop_windows_events_total",
    "rows": "samenloop_pair_updates_total",
}
WATCHED = (*STAGES.values(), "samenloop_lag_records", "samenloop_lists_published_total", "samenloop_tombstones_total")


class Failed(Exception):
    """A check does not hold, or could not be made."""


def free_port(run=1):
    """The first of `run` free ports that follow each other."""
    while True:
        port = random.randrange(20_000, 32_000)
        sockets = [socket.socket() for _ in range(run)]
        try:
            for number, each in enumerate(sockets):
                each.bind(("127.0.0.1", port + number))
            return port
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()


def end(process, how=signal.SIGTERM):
    """Ends a process that we started; returns its exit code."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        return process.wait(STOP_MAX_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def broker(stack):
    """The address of the broker of SAMENLOOP_TEST_BOOTSTRAP, or of one that ends with `stack`."""
    given = os.environ.get("SAMENLOOP_TEST_BOOTSTRAP")
    if given:
        return given
    # It ends with its standard input, so also when this process is killed.
    process = subprocess.Popen(
        [ROOT / "tests/kafka/broker-up", str(free_port(2))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Kafka's own default. By 0 the first instance may have read a small backlog before the second has joined.
        env={**os.environ, "SAMENLOOP_TEST_REBALANCE_DELAY_MS": "3000"},
    )
    stack.callback(lambda: (process.stdin.close(), process.wait(STOP_MAX_S)))
    return process.stdout.readline().strip() or sys.exit("the broker did not start")


def registry(stack):
    """The URL of a schema registry in memory that ends with `stack`."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "tests/interop/registry.py", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    stack.callback(end, process)
    return process.stdout.readline().strip() or sys.exit("the registry did not start")


class Source(typing.NamedTuple):
    """A source: its name, and lines of its table in the settings."""

    name: str
    settings: str = ""


class Service:
    """Instances of samenloop that share topics behind one prefix."""

    replication = 1

    def __init__(self, stack, bootstrap, program, folder, name, sources, settings=(), registry=None):
        self.bootstrap, self.program, self.folder = bootstrap, program, pathlib.Path(folder)
        # Another prefix each run: a broker that was there before may keep topics of an earlier one.
        self.prefix = f"oracle-{os.getpid()}-{name}."
        self.registry, self.instances, self.ports = registry, {}, {}
        self.settings = [part for setting in settings for part in ("--set", setting)]
        self.config = self.folder / f"{name}.toml"
        kind = "avro" if registry else "json"
        text = f'[kafka]\n"bootstrap.servers" = "{bootstrap}"\n[topics]\nprefix = "{self.prefix}"\n[output]\nformat = "{kind}"\n'
        text += f'[registry]\nurl = "{registry}"\n' if registry else ""
        for source in sources:
            text += f'[[source]]\nname = "{source.name}"\ntopic = "{self.topic(source.name)}"\n{source.settings}\n'
        self.config.write_text(text)
        self.create_topics(sources)
        stack.callback(self.stop)

    def topic(self, name):
        """The full name of a topic of this service: a source's, or one of samenloop's own."""
        return self.prefix + name

    def create_topics(self, sources):
        new = [NewTopic(self.topic(source.name), PARTITIONS, self.replication) for source in sources]
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for made in admin.create_topics(new).values():
            made.result()
        numbers = [f"logs.{log}_partitions={PARTITIONS}" for log in ("events", "pairs")]
        sets = [part for number in numbers for part in ("--set", number)]
        made = subprocess.run(
            [self.program, "--config", self.config, "topics", "--create", *sets], capture_output=True, text=True
        )
        if made.returncode != 0:
            raise Failed(f"samenloop topics --create: {made.stdout}{made.stderr}")

    def produce(self, source, records, per_second=None):
        """Writes (key, value) to a source's topic; those without key go round the partitions. Waits until all are there."""
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "linger.ms": 5, "message.max.bytes": BIG_RECORD_BYTES, "enable.idempotence": True, "log_level": 2}
        )
        failed, began, topic = [], time.monotonic(), self.topic(source)
        for number, (key, value) in enumerate(records):
            if per_second is not None:
                time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            place = {} if key is not None else {"partition": number % PARTITIONS}
            while len(producer) > 50_000:
                producer.poll(0.05)
            producer.produce(topic, value, key, on_delivery=lambda error, _: error and failed.append(error), **place)
            producer.poll(0)
        left = producer.flush(60)
        if failed or left:
            raise Failed(f"{topic}: {len(failed)} records were refused ({failed[:1]}), {left} have no answer")

    def start(self, number):
        """Starts instance `number`."""
        self.ports[number] = free_port()
        with open(self.log(number), "ab") as log:
            self.instances[number] = subprocess.Popen(
                [self.program, "--config", self.config, "run", "--set", f"http.listen=127.0.0.1:{self.ports[number]}"]
                + self.settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Where files may not grow, writing them fails, and no signal ends it: as on a full disk.
                restore_signals=False,
            )

    def log(self, number):
        return self.folder / f"{self.prefix}{number}.log"

    def kill(self, number):
        """SIGKILL."""
        end(self.instances.pop(number), signal.SIGKILL)

    def stop(self):
        """SIGTERM for all. Each must end by itself, with exit code 0."""
        codes = {number: end(process) for number, process in self.instances.items()}
        self.instances.clear()
        if any(codes.values()) or None in codes.values():
            raise Failed(f"exit codes after SIGTERM: {codes}")

    def processor_seconds(self, number):
        """What an instance has used of the processors."""
        fields = pathlib.Path(f"/proc/{self.instances[number].pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, number, path):
        return urllib.request.urlopen(f"http://127.0.0.1:{self.ports[number]}{path}", timeout=120).read().decode()

    def metrics(self, number):
        """The watched metrics of an instance, each summed over its labels."""
        sums = collections.Counter()
        for line in self.get(number, "/metrics").splitlines():
            name = line.split("{")[0].split(" ")[0]
            if name in WATCHED:
                sums[name] += float(line.rsplit(" ", 1)[1])
        return sums

    def all_metrics(self):
        """The watched metrics over all instances; None while one does not answer or is not ready."""
        total = collections.Counter()
        for number, process in self.instances.items():
            if process.poll() is not None:
                raise Failed(f"instance {number} ended with {process.returncode}:\n{self.tail(number)}")
            try:
                self.get(number, "/readyz")
                total.update(self.metrics(number))
            except (urllib.error.URLError, OSError) as error:
                self.not_ready = f"instance {number}: {error.read().decode() if hasattr(error, 'read') else error}"
                return None
        return total

    def tail(self, number):
        return "\n".join(self.log(number).read_text(errors="replace").splitlines()[-12:])

    def wait_for_rest(self):
        """Waits until nothing is left to read, and nothing has been counted or published for a while. Returns the seconds."""
        began = since = time.monotonic()
        last = None
        while time.monotonic() - began < REST_MAX_S:
            time.sleep(0.25)
            now = self.all_metrics()
            if now is None or now != last or now["samenloop_lag_records"] > 0:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > REST_S:
                return since - began
        raise Failed(f"not at rest after {REST_MAX_S} s: {last or self.not_ready}")

    def shares(self):
        """Of each stage, the share of its records that each instance handled."""
        of_instance = {number: self.metrics(number) for number in self.instances}
        shares = {}
        for stage, name in STAGES.items():
            whole = sum(metrics[name] for metrics in of_instance.values())
            shares[stage] = [metrics[name] / whole if whole else 0.0 for metrics in of_instance.values()]
        return shares

    def write_counts(self, as_of, path):
        """The sum of all instances' counts, in the form and order of recount.py."""
        rows = collections.defaultdict(lambda: [0, 0.0])
        for number in self.instances:
            for line in self.get(number, f"/v1/counts?as_of={as_of}").splitlines():
                *key, support, weight = line.split("\t")
                row = rows[tuple(key)]
                row[0] += int(support)
                row[1] += float(weight)
        with open(path, "w", encoding="utf-8") as file:
            for key, (support, weight) in sorted(rows.items()):
                file.write("\t".join(key) + f"\t{support}\t{weight!r}\n")

    def records(self, name):
        """All records of one of the topics, from its start to where it ends now."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.prefix}reader",
                "enable.auto.commit": False,
                "fetch.message.max.bytes": BIG_RECORD_BYTES,
            }
        )
        topic = self.topic(name)
        starts, ends = [], {}
        for number in range(PARTITIONS):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=SILENCE_MAX_S)
            if low < high:
                starts.append(TopicPartition(topic, number, low))
                ends[number] = high
        consumer.assign(starts)
        while ends:
            message = consumer.poll(SILENCE_MAX_S)
            if message is None or message.error():
                raise Failed(f"{topic}: {message.error() if message else f'nothing more, though {ends} are its ends'}")
            yield message
            if message.offset() + 1 >= ends.get(message.partition(), 1 << 62):
                del ends[message.partition()]
        consumer.close()

    def bytes_of(self, name):
        return sum(len(message.value() or b"") for message in self.records(name))

    def write_lists(self, path):
        """Each list that stands, one JSON object a line: read by a consumer that is not samenloop's where they are Avro."""
        if self.registry:
            reader = [sys.executable, ROOT / "tests/interop/lists.py", "--bootstrap", self.bootstrap, "--latest"]
            reader += ["--registry", self.registry, "--topic", self.topic("lists")]
            read = subprocess.run(reader, capture_output=True, text=True, check=True)
            values = [json.dumps(json.loads(line)["value"]).encode() for line in read.stdout.splitlines()]
        else:
            newest = {}
            for message in self.records("lists"):
                headers = dict(message.headers())
                stamp = tuple(int(headers[f"samenloop.{part}"]) for part in ("epoch", "sequence"))
                if message.key() not in newest or newest[message.key()][0] < stamp:
                    newest[message.key()] = (stamp, message.value())
            values = [value for _, value in newest.values() if value is not None]
        path.write_bytes(b"".join(value + b"\n" for value in values))
