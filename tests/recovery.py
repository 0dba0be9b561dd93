"""The states and the table of tests/recovery, which see there. Run by it."""

import argparse
import collections
import contextlib
import datetime
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error

TESTS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS / "interop"), str(TESTS / "kafka")]
import confluent  # noqa: E402

confluent.enter()

import service  # noqa: E402
from service import Failed, Service, Source, broker  # noqa: E402

PROGRAM = pathlib.Path(os.environ["SAMENLOOP"]).resolve()
# Baskets are of as many items; each is ordered by as many customers as a list's gates want, so that every item has its list.
BASKET_ITEMS = 30
CUSTOMERS = 3
# As many neighbours has an item, about: an item is in so many baskets.
NEIGHBOURS = 100
HISTORY_MS = 90 * 86_400_000
LOOK_S = 0.02
FILL_MAX_S = 3_600
STOP_MAX_S = 90
OFTEN, NEVER = "5s", "30d"

SCENES = {
    "restart": "killed and started again at once, a new member of its groups each time",
    "static": "the same, as a static member (group.instance.id)",
    "take-over": "one of two instances is killed, the other one takes its partitions over",
}


class Shop(Service):
    """Instances over one state."""

    def __init__(self, stack, bootstrap, folder, name, given, with_snapshots):
        self.given, self.store, self.is_static, self.interval = given, folder / f"{name}-store", False, OFTEN
        settings = [f"workers.windows={given.workers}", f"workers.rows={given.workers}", "log.format=json", *given.settings]
        settings += [f"snapshots.url={self.store}"] if with_snapshots else []
        super().__init__(stack, bootstrap, PROGRAM, folder, name, [Source("shop")], settings)
        text = self.config.read_text()
        timeout = f'"session.timeout.ms" = {given.session_ms}\n[topics]'
        self.config.write_text(text.replace("[topics]", timeout, 1))
        self.made = 0

    def start(self, number):
        kept = self.settings
        self.settings = kept + ["--set", f"snapshots.interval={self.interval}"]
        if self.is_static:
            self.settings += ["--set", f"kafka.group.instance.id=recovery-{number}"]
        super().start(number)
        self.settings = kept

    def terminate(self, number):
        process = self.instances.pop(number)
        process.send_signal(signal.SIGTERM)
        if process.wait(STOP_MAX_S) != 0:
            raise Failed(f"instance {number} did not end as it should:\n{self.tail(number)}")

    def series(self, number):
        """All metrics of an instance: sums by name, and of windows and rows apart."""
        sums = collections.Counter()
        for line in self.get(number, "/metrics").splitlines():
            if line.startswith("#"):
                continue
            series, value = line.rsplit(" ", 1)
            name = series.split("{")[0]
            sums[name] += float(value)
            for stage in ("windows", "rows"):
                if f'stage="{stage}"' in series:
                    sums[f"{name} of {stage}"] += float(value)
        return sums

    def orders(self, pairs):
        """(key, value) of the orders that make about so many pairs."""
        items = max(BASKET_ITEMS, pairs // NEIGHBOURS)
        draw = random.Random(1)
        baskets = max(1, pairs // (BASKET_ITEMS * (BASKET_ITEMS - 1)))
        now = int(time.time() * 1000)
        for _ in range(baskets):
            lines = [{"item": f"sku-{number}"} for number in draw.sample(range(items), BASKET_ITEMS)]
            lines = json.dumps(lines, separators=(",", ":"))
            for _ in range(CUSTOMERS):
                # Over some months, so that weights differ.
                yield self.order(now - draw.randrange(HISTORY_MS), lines)

    def order(self, time_ms, lines):
        self.made += 1
        user = f"u{self.made}"
        value = f'{{"event_id":"e{self.made}","type":"order","user":"{user}","ts":{time_ms},"order_id":"o{self.made}","lines":{lines}}}'
        return user, value.encode()

    def some_orders(self, count):
        """Orders of two known items each."""
        now, draw = int(time.time() * 1000), random.Random(2)
        for _ in range(count):
            one, two = draw.sample(range(BASKET_ITEMS), 2)
            yield self.order(now, f'[{{"item":"sku-{one}"}},{{"item":"sku-{two}"}}]')

    def wait_for(self, what, number, most_s, is_so):
        began = time.monotonic()
        while time.monotonic() - began < most_s:
            process = self.instances[number]
            if process.poll() is not None:
                raise Failed(f"instance {number} ended with {process.returncode}:\n{self.tail(number)}")
            with contextlib.suppress(urllib.error.URLError, OSError):
                if is_so():
                    return
            time.sleep(0.25)
        raise Failed(f"{what}: not within {most_s} s\n{self.tail(number)}")

    def fill(self, pairs):
        """Makes the state, has it kept, and leaves what the log is to hold behind it. One instance runs afterwards."""
        self.start(0)
        self.produce("shop", self.orders(pairs))
        lists = [-1.0, time.monotonic()]

        def rests():
            """All has been read, and no more lists come."""
            self.get(0, "/readyz")
            told = self.series(0)
            if told["samenloop_windows_events_total"] < self.made or told["samenloop_lag_records"] > 0:
                return False
            published = told["samenloop_lists_published_total"]
            if published != lists[0]:
                lists[:] = published, time.monotonic()
            return time.monotonic() - lists[1] > service.REST_S + 10

        self.wait_for("the state is not made", 0, FILL_MAX_S, rests)
        # Once more: those that were taken while lists went out do not know the last of them.
        self.produce("shop", self.some_orders(self.given.behind))
        self.wait_for("the log behind", 0, FILL_MAX_S, lambda: self.series(0)["samenloop_lag_records"] == 0)
        if self.has_snapshots():
            time.sleep(service.REST_S)
            self.wait_for("no snapshots", 0, FILL_MAX_S, lambda: self.series(0)["samenloop_snapshot_unsaved_records"] == 0)
        self.terminate(0)
        self.interval = NEVER
        self.start(0)
        self.wait_for("not ready", 0, self.given.timeout, lambda: self.get(0, "/readyz"))
        self.feed_behind()

    def feed_behind(self):
        """What the log holds behind the snapshots."""
        self.produce("shop", self.some_orders(self.given.behind))
        self.wait_for("the log behind", 0, FILL_MAX_S, lambda: self.series(0)["samenloop_lag_records"] == 0)
        time.sleep(service.REST_S)

    def has_snapshots(self):
        return any("snapshots.url" in setting for setting in self.settings)

    def snapshot_bytes(self):
        """Of the newest ones, by stage."""
        newest = {}
        for path in sorted(self.store.glob("*/*/*.snapshot")):
            newest[path.parent.name] = path.stat().st_size
        of = lambda stage: sum(size for name, size in newest.items() if name.startswith(stage))  # noqa: E731
        return of("windows"), of("rows")


class Trial:
    """One recovery: how long until it was ready, and what the instance said of it in its log. Seconds since the kill."""

    def __init__(self, shop, number, began_s, partitions):
        self.shop, self.number, self.began_s = shop, number, began_s
        self.log_from = shop.log(number).stat().st_size if number in shop.instances else 0
        self.partitions = partitions

    def wait(self):
        """Ready, with so many partitions of windows and rows; and all lists can be served again."""
        self.ready_s = self.until(self.is_ready, "not ready")
        self.lists_s = self.until(self.has_lists, "lists are not read back")
        self.at = self.parts()  # now: the next trial begins another log
        self.told, self.processor_s = self.shop.series(self.number), self.shop.processor_seconds(self.number)
        return self

    def until(self, is_so, what):
        while time.time() - self.began_s < self.shop.given.timeout:
            process = self.shop.instances[self.number]
            if process.poll() is not None:
                raise Failed(f"instance {self.number} ended with {process.returncode}:\n{self.shop.tail(self.number)}")
            with contextlib.suppress(urllib.error.URLError, OSError):
                if is_so():
                    return time.time() - self.began_s
            time.sleep(LOOK_S)
        raise Failed(f"{what} within {self.shop.given.timeout} s:\n{self.shop.tail(self.number)}")

    def is_ready(self):
        said = json.loads(self.shop.get(self.number, "/readyz"))
        return said["ready"] and said["partitions"] >= self.partitions

    def has_lists(self):
        """Of a list that it does not have the view says 503 while it may still come."""
        try:
            self.shop.get(self.number, "/v1/lists/main/bought-together/none-such")
        except urllib.error.HTTPError as error:
            return error.code != 503
        return True

    def lines(self):
        with open(self.shop.log(self.number), encoding="utf-8", errors="replace") as log:
            log.seek(self.log_from)
            for line in log:
                with contextlib.suppress(ValueError):
                    yield json.loads(line)

    def parts(self):
        """When its groups had given it partitions, when their states were loaded, when all was live, by what stage."""
        at = collections.defaultdict(dict)
        for line in self.lines():
            fields = line.get("fields", line)
            stage, message = fields.get("stage"), fields.get("message", "")
            seconds = datetime.datetime.fromisoformat(line["timestamp"]).timestamp() - self.began_s
            if stage in ("windows", "rows") and message in ("taking over", "taken over", "live"):
                earlier = at[stage].get(message)
                # The first that was given counts, and the last that became live.
                at[stage][message] = seconds if earlier is None or message != "taking over" else min(earlier, seconds)
        return at


def median(values):
    return statistics.median(values) if values else float("nan")


class Row:
    """A line of the table: the median of its trials."""

    def __init__(self, shop, pairs, scene, trials):
        windows_bytes, rows_bytes = shop.snapshot_bytes()
        parts = [trial.at for trial in trials]
        of = lambda pick: median([value for value in map(pick, parts) if value is not None])  # noqa: E731

        def span(stage, earlier, later):
            def pick(at):
                known = at[stage]
                return known[later] - known[earlier] if earlier in known and later in known else None

            return of(pick)

        group = of(lambda at: max((at[stage].get("taking over", 0.0) for stage in ("windows", "rows")), default=0.0))
        self.cells = [
            f"{pairs / 1e6:.2f} M",
            f"{rows_bytes / 1e6:.1f} + {windows_bytes / 1e6:.1f} MB" if shop.has_snapshots() else "none",
            scene,
            f"{median([trial.ready_s for trial in trials]):.2f}",
            f"{group:.2f}",
            f"{span('rows', 'taking over', 'taken over'):.2f}",
            f"{span('windows', 'taking over', 'taken over'):.2f}",
            f"{span('rows', 'taken over', 'live'):.2f}",
            f"{median([trial.told['samenloop_restore_records of rows'] for trial in trials]):.0f}" if shop.has_snapshots() else "all",
            f"{median([trial.lists_s for trial in trials]):.2f}",
            f"{median([trial.processor_s for trial in trials]):.1f}",
        ]

    HEADS = (
        "pairs",
        "snapshots (rows + windows)",
        "scene",
        "ready s",
        "group s",
        "rows loaded s",
        "windows loaded s",
        "log behind s",
        "(records)",
        "HTTP lists s",
        "CPU s",
    )

    @classmethod
    def head(cls):
        return "| " + " | ".join(cls.HEADS) + " |\n" + "|---" * len(cls.HEADS) + "|"

    def __str__(self):
        return "| " + " | ".join(self.cells) + " |"


def whole(given):
    """Partitions of the source, of windows and of rows."""
    return 3 * given.partitions


def try_scene(shop, scene, given):
    """Kills, and waits for whoever goes on."""
    if scene == "take-over":
        shop.start(1)
        shares = lambda: [json.loads(shop.get(number, "/readyz")) for number in (0, 1)]  # noqa: E731
        # Both have some, and all are live somewhere.
        is_shared = lambda: (told := shares()) and all(one["ready"] and one["partitions"] > 0 for one in told) and sum(  # noqa: E731
            one["partitions"] for one in told
        ) == whole(given)
        shop.wait_for("the partitions are not shared", 1, given.timeout, is_shared)
        time.sleep(service.REST_S)
        trial = Trial(shop, 1, time.time(), whole(given))
        shop.kill(0)
        trial.wait()
        shop.start(0)
        shop.wait_for("not shared again", 0, given.timeout, is_shared)
        shop.terminate(1)
        shop.wait_for("not ready again", 0, given.timeout, lambda: json.loads(shop.get(0, "/readyz"))["partitions"] == whole(given))
        return trial
    shop.kill(0)
    shop.log(0).unlink()
    trial = Trial(shop, 0, time.time(), whole(given))
    shop.start(0)
    return trial.wait()


def measure(stack, bootstrap, folder, pairs, given, with_snapshots):
    shop = Shop(stack, bootstrap, folder, f"{'kept' if with_snapshots else 'logs'}-{pairs}", given, with_snapshots)
    began = time.monotonic()
    shop.fill(pairs)
    held = shop.series(0)["samenloop_pairs"]
    print(f"<!-- {held:.0f} pairs made in {time.monotonic() - began:.0f} s -->", file=sys.stderr, flush=True)
    for scene in given.scenes if with_snapshots else ["static"]:
        shop.is_static = scene == "static"
        if shop.is_static:
            # It has to have been one before.
            shop.terminate(0)
            shop.start(0)
            shop.wait_for("not ready", 0, given.timeout, lambda: shop.get(0, "/readyz"))
            shop.feed_behind()
        try:
            trials = []
            for _ in range(given.rounds):
                trials.append(try_scene(shop, scene, given))
                time.sleep(service.REST_S)
            print(Row(shop, held, scene if with_snapshots else f"{scene}, without snapshots", trials), flush=True)
        except Failed as error:
            print(f"{scene}: FAILED {error}", flush=True)
            return False
    for number in sorted(shop.instances):
        shop.kill(number)
    if not given.keep:
        subprocess.run(["rm", "-rf", shop.store], check=True)
    return True


def main():
    numbers = lambda text: [int(number) for number in text.split(",") if number]  # noqa: E731
    told = "; ".join(f"{name}: {what}" for name, what in SCENES.items())
    arguments = argparse.ArgumentParser(prog="tests/recovery", description=f"Scenes: {told}.")
    arguments.add_argument("--pairs", type=numbers, default=[1_000_000, 20_000_000])
    arguments.add_argument("--without", type=numbers, default=[1_000_000])
    arguments.add_argument("--partitions", type=int, default=4)
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--behind", type=int, default=2_000)
    arguments.add_argument("--session-ms", type=int, default=15_000)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--scenes", type=lambda text: text.split(","), default=list(SCENES))
    arguments.add_argument("--set", dest="settings", action="append", default=[])
    arguments.add_argument("--timeout", type=float, default=600)
    given = arguments.parse_args()
    if set(given.scenes) - set(SCENES):
        arguments.error(f"scenes are {', '.join(SCENES)}")
    given.keep = os.environ.get("KEEP")
    service.PARTITIONS = given.partitions
    # A signal ends it as an exception would: what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    is_good = True
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(given.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="recovery-")))
        folder.mkdir(parents=True, exist_ok=True)
        bootstrap = broker(stack)
        print(
            f"{given.partitions} + {given.partitions} partitions, {given.workers} + {given.workers} workers, "
            f"session.timeout.ms {given.session_ms}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at start"
        )
        print(Row.head(), flush=True)
        for counts, with_snapshots in ((given.without, False), (given.pairs, True)):
            for pairs in counts:
                is_good &= measure(stack, bootstrap, folder, pairs, given, with_snapshots)
    sys.exit(0 if is_good else 1)


main()
