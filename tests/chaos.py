"""The faults of tests/chaos, which see there. Run by it."""

import argparse
import contextlib
import json
import os
import pathlib
import random
import resource
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

from confluent_kafka.admin import AdminClient  # noqa: E402
from brokers import Brokers  # noqa: E402
from service import Failed, Service, Source  # noqa: E402

ORACLE = pathlib.Path(os.environ["SHARED"]).resolve() / "oracle"
PROGRAM = pathlib.Path(os.environ["SAMENLOOP"]).resolve()
# The recount has no bound of rows and forgets nobody; relist's tolerance is finer than the step that is news; rest comes sooner.
SETTINGS = (
    "counting.row_max=0",
    "counting.forget_after=3650d",
    "publish.min_score_step=0",
    "publish.rest_after=2s",
    "snapshots.interval=5s",
    "snapshots.keep=3",
)
SESSION_S = 6
PAUSE_S = SESSION_S + 4
BROKER_AWAY_S = 5
ONE_AWAY_S, TWO_AWAY_S = 10, 20
BROKERS = (1, 3)
STORE_AWAY_S = 15
STORE_FULL_S = 15
FULL_BYTES = 4096
SLOW_S, DELAY_S = 15, 0.15
CUTS, CUT_PAUSE_S = 5, 1
HOLE_S = 10
# Less than what comes, so that the broker holds answers back.
QUOTA_S, QUOTA_BYTES_A_SECOND = 20, 10_000
# Sooner it is the same wish, as the program understands it; and how soon the second one must end it.
ANOTHER_WISH_S, AT_ONCE_S = 0.7, 3
KEPT_GOOD_MIN = 2
# From the last start to all being ready and having caught up.
READY_MAX_S = 120
# What an orderly stop may take: the program's own limit, and a little.
STOP_MAX_S = 35
INSTANCES_MAX = 3
LAG_MAX = 2_000
SAMPLE_S = 1
LOOK_S = 0.1
# An instance that ends by itself is started again, as an orchestrator would; one that does so again and again is broken.
RESTARTS_MAX = 5


class Chaos(Service):
    """Instances that faults befall."""

    def __init__(self, stack, brokers, folder, given):
        self.is_static, self.draw = given.static, random.Random(given.seed)
        self.brokers, self.store, self.count = brokers, folder / "store", given.instances
        self.damaged, self.own_ends, self.expected = set(), [], set()
        self.lock = threading.RLock()
        self.replication = len(brokers.all)
        settings = (*SETTINGS, f"snapshots.url={self.store}", f"topics.replication={self.replication}")
        super().__init__(stack, brokers.bootstrap, PROGRAM, folder, "chaos", [Source("shop")], settings)
        text = self.config.read_text().replace(brokers.bootstrap, brokers.address)
        more = f'"session.timeout.ms" = {SESSION_S * 1000}\n"heartbeat.interval.ms" = 500\n[topics]'
        self.config.write_text(text.replace("[topics]", more, 1))

    def start(self, number):
        with self.lock:
            if self.is_static:
                text = self.config.read_text()
                own = self.folder / f"{number}.toml"
                own.write_text(text.replace("[topics]", f'"group.instance.id" = "chaos-{number}"\n[topics]', 1))
                shared, self.config = self.config, own
                super().start(number)
                self.config = shared
            else:
                super().start(number)

    def kill(self, number):
        with self.lock:
            super().kill(number)

    def one(self):
        return self.draw.choice(sorted(self.instances))

    def terminate(self, number):
        """SIGTERM: it must end with 0, in time."""
        with self.lock:
            process = self.instances.pop(number)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed(f"instance {number} did not end within {STOP_MAX_S} s of SIGTERM:\n{self.tail(number)}") from None
        if code != 0:
            raise Failed(f"instance {number} ended with {code} after SIGTERM:\n{self.tail(number)}")
        return time.monotonic() - began

    def look_after(self):
        """Starts again who has ended by itself."""
        with self.lock:
            for number, process in list(self.instances.items()):
                if process.poll() is not None:
                    why = next((line for line in reversed(self.tail(number).splitlines()) if "error" in line.lower()), "?")
                    self.own_ends.append((number, process.returncode, why))
                    print(f"        instance {number} ended by itself with {process.returncode}: {why}", flush=True)
                    if len(self.own_ends) > RESTARTS_MAX:
                        raise Failed("instances end by themselves again and again")
                    self.start(number)

    def wait_ready(self):
        """Until all are ready and have caught up. Returns the seconds."""
        began = time.monotonic()
        while time.monotonic() - began < READY_MAX_S:
            self.look_after()
            with contextlib.suppress(Failed):
                told = self.all_metrics()
                if told is not None and told["samenloop_lag_records"] <= LAG_MAX:
                    return time.monotonic() - began
            time.sleep(LOOK_S)
        raise Failed(f"not ready within {READY_MAX_S} s: {getattr(self, 'not_ready', '')}")

    def newest(self):
        """The newest snapshot of a partition that has enough good ones besides."""
        folders = [folder for folder in self.store.glob("*/*") if folder.is_dir()]
        self.draw.shuffle(folders)
        for folder in folders:
            kept = sorted(folder.glob("*.snapshot"), reverse=True)
            if len([path for path in kept if path not in self.damaged]) >= KEPT_GOOD_MIN:
                return kept[0]
        raise NotYet("no partition has two good snapshots")

    # The faults. Each returns what to print.

    def kill_one(self):
        number = self.one()
        self.kill(number)
        time.sleep(self.draw.uniform(0, 3))
        self.start(number)
        return f"instance {number}"

    def kill_all(self):
        for number in sorted(self.instances):
            self.kill(number)
        for number in range(self.count):
            self.start(number)
        return f"{self.count} instances"

    def freeze(self):
        number = self.one()
        process = self.instances[number]
        process.send_signal(signal.SIGSTOP)
        time.sleep(PAUSE_S)
        process.send_signal(signal.SIGCONT)
        return f"instance {number} for {PAUSE_S} s"

    def stop_twice(self):
        number = self.one()
        with self.lock:
            process = self.instances.pop(number)
        process.send_signal(signal.SIGTERM)
        time.sleep(ANOTHER_WISH_S)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(AT_ONCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed(f"instance {number} did not end within {AT_ONCE_S} s of the second SIGTERM") from None
        if code not in (0, 130):
            raise Failed(f"instance {number} ended with {code} after two signals:\n{self.tail(number)}")
        self.start(number)
        return f"instance {number}, ended with {code}"

    def spoil(self, how, value):
        for proxy in self.brokers.proxies:
            setattr(proxy, how, value)

    def network_slow(self):
        self.spoil("delay_s", DELAY_S)
        time.sleep(SLOW_S)
        self.spoil("delay_s", 0)
        return f"{DELAY_S} s a piece, for {SLOW_S} s"

    def network_cut(self):
        cut = 0
        for _ in range(CUTS):
            cut += sum(proxy.cut() for proxy in self.brokers.proxies)
            time.sleep(self.draw.uniform(0, 2 * CUT_PAUSE_S))
        return f"{cut} connections, in {CUTS} goes"

    def network_hole(self):
        self.spoil("is_hole", True)
        time.sleep(HOLE_S)
        self.spoil("is_hole", False)
        return f"for {HOLE_S} s"

    def quota(self):
        rates = ("producer_byte_rate", "consumer_byte_rate")
        self.alter_quota("--add-config", ",".join(f"{rate}={QUOTA_BYTES_A_SECOND}" for rate in rates))
        time.sleep(QUOTA_S)
        self.alter_quota("--delete-config", ",".join(rates))
        return f"{QUOTA_BYTES_A_SECOND} bytes a second each way, for {QUOTA_S} s"

    def alter_quota(self, how, what):
        libs = subprocess.run([TESTS / "kafka/jars"], capture_output=True, text=True, check=True).stdout.strip()
        tool = ["java", "-cp", f"{libs}/*", "kafka.admin.ConfigCommand", "--bootstrap-server", self.bootstrap, "--alter"]
        of = ["--entity-type", "clients", "--entity-name", "samenloop", how, what]
        done = subprocess.run([*tool, *of], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"the quota cannot be set: {done.stdout}{done.stderr}")

    def store_full(self):
        # The nearest to a full disk that needs no mount: a write that would make a file longer fails midway, the log's lines too.
        self.limit_files(FULL_BYTES)
        time.sleep(STORE_FULL_S)
        self.limit_files(resource.RLIM_INFINITY)
        return f"files of {FULL_BYTES} bytes at most, for {STORE_FULL_S} s"

    def limit_files(self, size):
        for process in list(self.instances.values()):
            _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def stop_one(self):
        number = self.one()
        took = self.terminate(number)
        self.start(number)
        return f"instance {number}, ended after {took:.1f} s"

    def rebalance(self):
        for number in sorted(self.instances)[1:]:
            self.terminate(number)
        time.sleep(self.draw.uniform(1, 4))
        for number in range(INSTANCES_MAX):
            if number not in self.instances:
                self.start(number)
        time.sleep(self.draw.uniform(4, 10))
        for number in sorted(self.instances)[1:]:
            self.terminate(number)
        time.sleep(self.draw.uniform(1, 4))
        for number in range(self.count):
            if number not in self.instances:
                self.start(number)
        return f"to 1, to {INSTANCES_MAX}, to 1, to {self.count}"

    def broker_away(self):
        return self.away(self.brokers.all, BROKER_AWAY_S)

    def away(self, brokers, seconds):
        self.brokers.kill(brokers)
        time.sleep(seconds)
        self.brokers.start(brokers)
        return f"{len(brokers)} of {len(self.brokers.all)} for {seconds} s"

    def one_broker_away(self):
        return self.away([self.draw.choice(self.brokers.all)], ONE_AWAY_S)

    def two_brokers_away(self):
        # Nothing is acknowledged meanwhile.
        return self.away(self.draw.sample(self.brokers.all, 2), TWO_AWAY_S)

    def brokers_rolled(self):
        for broker in self.brokers.all:
            self.away([broker], 1)
            self.wait_in_sync()
        return f"{len(self.brokers.all)}, one after the other"

    def wait_in_sync(self):
        """Until every broker has everything."""
        admin, deadline = AdminClient({"bootstrap.servers": self.bootstrap}), time.monotonic() + READY_MAX_S
        while time.monotonic() < deadline:
            topics = admin.list_topics(timeout=READY_MAX_S).topics.values()
            if all(len(partition.isrs) == self.replication for topic in topics for partition in topic.partitions.values()):
                return
            time.sleep(LOOK_S)
        raise Failed(f"replicas are not in sync within {READY_MAX_S} s")

    def damage(self, how):
        # Under way only one that is not used harms: so all start from what there is.
        for number in sorted(self.instances):
            self.kill(number)
        path = self.newest()
        if how == "deleted":
            path.unlink()
        else:
            data = bytearray(path.read_bytes())
            place = self.draw.randrange(len(data))
            if how == "flipped":
                data[place] ^= 1 << self.draw.randrange(8)
            path.write_bytes(data if how == "flipped" else data[:place])
            self.damaged.add(path)
        for number in range(self.count):
            self.start(number)
        return f"{path.parent.name}/{path.name}, all killed and started"

    def snapshot_flipped(self):
        return self.damage("flipped")

    def snapshot_truncated(self):
        return self.damage("truncated")

    def snapshot_deleted(self):
        return self.damage("deleted")

    def store_away(self):
        aside = self.store.with_name("store-aside")
        self.store.rename(aside)
        self.store.write_text("not a folder")
        time.sleep(STORE_AWAY_S)
        self.store.unlink()
        aside.rename(self.store)
        return f"for {STORE_AWAY_S} s"


# Those that only several brokers stand.
OF_THREE = ("one_broker_away", "two_brokers_away", "brokers_rolled")
FAULTS = (
    "kill_one",
    "kill_all",
    "freeze",
    "stop_one",
    "stop_twice",
    "rebalance",
    "broker_away",
    *OF_THREE,
    "snapshot_flipped",
    "snapshot_truncated",
    "snapshot_deleted",
    "store_away",
    "store_full",
    "network_slow",
    "network_cut",
    "network_hole",
    "quota",
)


class NotYet(Exception):
    """A fault that nothing is there for yet."""


class Memory(threading.Thread):
    """How much each instance holds, over time."""

    def __init__(self, chaos):
        super().__init__(daemon=True)
        self.chaos, self.began, self.minutes, self.ended = chaos, time.monotonic(), {}, threading.Event()

    def run(self):
        while not self.ended.wait(SAMPLE_S):
            minute = int((time.monotonic() - self.began) // 60)
            for number, process in list(self.chaos.instances.items()):
                with contextlib.suppress(OSError, IndexError):
                    pages = int(pathlib.Path(f"/proc/{process.pid}/statm").read_text().split()[1])
                    of_minute = self.minutes.setdefault(minute, {})
                    of_minute[number] = max(of_minute.get(number, 0), pages * os.sysconf("SC_PAGE_SIZE") >> 20)


def faults(given):
    """All kinds, in an order that the seed draws, again and again."""
    draw, kinds = random.Random(given.seed + 1), list(given.faults)
    while True:
        draw.shuffle(kinds)
        yield from kinds


def hold(chaos, path, folder):
    """What was counted and published beside the recount: what differs, as lines."""
    want = folder / "want.tsv"
    with open(want, "wb") as counts:
        subprocess.run([sys.executable, ORACLE / "recount_life.py", path], stdout=counts, check=True)
    with open(path, "rb") as lines:
        latest = max(json.loads(line)["ts"] for line in lines)
    got, lists = folder / "got.tsv", folder / "lists.jsonl"
    chaos.write_counts(latest, got)
    chaos.write_lists(lists)
    differ = False
    for script, *rest in (
        # Not the tally: rejects are counted by each process anew.
        ("compare.py", want, got, "--kinds", "pair,total,contexts"),
        ("relist.py", want, lists),
    ):
        done = subprocess.run([sys.executable, ORACLE / script, *rest], capture_output=True, text=True)
        print(f"{script}:", *(done.stdout + done.stderr).splitlines()[-8:], sep="\n        ", flush=True)
        differ |= done.returncode != 0
    return differ


def main():
    arguments = argparse.ArgumentParser(prog="tests/chaos", description=f"Faults: {', '.join(FAULTS)}.")
    arguments.add_argument("--minutes", type=float, required=True)
    arguments.add_argument("--instances", type=int, default=2, choices=range(1, INSTANCES_MAX + 1))
    arguments.add_argument("--brokers", type=int, default=1, choices=BROKERS)
    arguments.add_argument("--every", type=float, default=60)
    arguments.add_argument("--rate", type=float, default=500)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--static", action="store_true")
    arguments.add_argument("--faults", type=lambda text: text.split(","))
    given = arguments.parse_args()
    can = [fault for fault in FAULTS if given.brokers > 1 or fault not in OF_THREE]
    given.faults = given.faults or can
    if unknown := set(given.faults) - set(can):
        arguments.error(f"no such faults: {', '.join(sorted(unknown))}; there are {', '.join(can)}")
    events = int(given.minutes * 60 * given.rate)
    print(f"seed {given.seed}: {events} events in {given.minutes:g} minutes, {given.instances} instances, {given.brokers} brokers", flush=True)
    # A signal ends it as an exception would: what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(os.environ.get("KEEP") or stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "events.jsonl"
        made = [sys.executable, ORACLE / "generate.py", "--events", str(events), "--seed", str(given.seed), "--lives"]
        with open(path, "wb") as lines:
            subprocess.run(made, check=True, stdout=lines)
        chaos = Chaos(stack, Brokers(stack, folder, given.brokers), folder, given)
        sys.exit(1 if run(chaos, given, path, folder) else 0)


def run(chaos, given, path, folder):
    """Faults under load, then the comparison. Says whether anything is wrong."""
    for number in range(given.instances):
        chaos.start(number)
    print(f"ready after {chaos.wait_ready():.1f} s", flush=True)
    with open(path, "rb") as lines:
        records = [(json.loads(line)["user"], line.rstrip(b"\n")) for line in lines]
    failed = []

    def feed():
        try:
            chaos.produce("shop", records, given.rate)
        except Exception as error:  # said by whoever waits for this thread
            failed.append(error)

    feeding, memory = threading.Thread(target=feed, daemon=True), Memory(chaos)
    began = time.monotonic()
    feeding.start()
    memory.start()
    recoveries, wrong, drawn = [], False, faults(given)
    while time.monotonic() - began + given.every < given.minutes * 60:
        due = time.monotonic() + given.every
        fault = next(drawn)
        at = time.monotonic() - began
        try:
            said = getattr(chaos, fault)()
            took = chaos.wait_ready()
            recoveries.append((fault, took))
            print(f"{at:6.0f} s  {fault}: {said}; ready after {took:.1f} s", flush=True)
        except NotYet as error:
            print(f"{at:6.0f} s  {fault}: not tried, {error}", flush=True)
        except Failed as error:
            wrong = True
            print(f"{at:6.0f} s  {fault}: FAILED", *str(error).splitlines(), sep="\n        ", flush=True)
            for number in range(given.instances):
                if number not in chaos.instances:
                    chaos.start(number)
        while time.monotonic() < due:
            chaos.look_after()
            time.sleep(LOOK_S)
    while feeding.is_alive():
        chaos.look_after()
        time.sleep(LOOK_S)
    if failed:
        raise failed[0]
    print(f"at rest {chaos.wait_for_rest():.0f} s after the last of {len(records)} events", flush=True)
    memory.ended.set()
    print("memory, the most of each minute, MiB an instance:")
    for minute, of_minute in sorted(memory.minutes.items()):
        print(f"{minute:6d} min ", "  ".join(f"{number}: {mib}" for number, mib in sorted(of_minute.items())))
    for fault in FAULTS:
        seconds = [took for name, took in recoveries if name == fault]
        if seconds:
            print(f"ready again after {fault}: " + ", ".join(f"{took:.1f}" for took in seconds) + " s")
    logs = "".join(log.read_text(errors="replace") for log in chaos.folder.glob(f"{chaos.prefix}*.log"))
    told = (" restored ", "passed over", "no snapshot this time", "panicked", "could not be trimmed")
    print("said in the logs: " + ", ".join(f"{logs.count(what)} × {what!r}" for what in told))
    print(f"ended by themselves: {len(chaos.own_ends)}")
    differ = hold(chaos, path, folder)
    print("DIFFERENT" if differ else "WRONG" if wrong else "exact", flush=True)
    return differ or wrong or "panicked" in logs


main()
