"""That the definition counts as README.md says, that the checker turns away what is something else, and that samenloop does the same job."""

import contextlib
import copy
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import job

HERE = pathlib.Path(__file__).resolve().parent


def counted(*views):
    recount = job.Recount()
    for user, item, time in views:
        recount.view(user, item, time)
    return recount


def supports(recount):
    return {(anchor, other): pair[1] for anchor, row in recount.rows.items() for other, pair in row.items()}


class Definition(unittest.TestCase):
    def test_the_nearest_weighs_most_and_a_reload_nothing(self):
        recount = counted(("u", "a", 0), ("u", "b", 1), ("u", "b", 2), ("u", "c", 3))
        self.assertEqual(recount.rows["c"], {"b": [1.0, 1], "a": [job.WEIGHTS[1], 1]})
        self.assertEqual(recount.updates, 6)

    def test_a_gap_ends_a_session_and_so_does_its_length(self):
        self.assertEqual(len(supports(counted(("u", "a", 0), ("u", "b", job.GAP_MS)))), 2)
        self.assertEqual(supports(counted(("u", "a", 0), ("u", "b", job.GAP_MS + 1))), {})
        steps = [("u", f"i{step}", step * job.GAP_MS) for step in range(10)]
        pairs = supports(counted(*steps))
        self.assertIn(("i0", "i8"), pairs, "eight half hours are four hours")
        self.assertNotIn(("i8", "i9"), pairs)

    def test_what_is_late_or_too_many_counts_for_nothing(self):
        late = counted(("u", "a", job.GAP_MS + 1), ("u", "b", 0))
        self.assertEqual(supports(late), {})
        many = counted(*(("u", f"i{place}", place) for place in range(job.SESSION_MAX + 5)))
        self.assertNotIn(f"i{job.SESSION_MAX}", many.rows)
        self.assertEqual(len(many.rows["i0"]), job.WINDOW)

    def test_events_are_always_the_same_and_each_has_an_id(self):
        events = [json.loads(value) for _, value in job.generate(3_000)]
        self.assertEqual(events, [json.loads(value) for _, value in job.generate(3_000)])
        self.assertEqual(len({event["event_id"] for event in events}), 3_000)
        self.assertGreater(len(job.Recount().add(job.generate(3_000)).lists()), 300)


class Checker(unittest.TestCase):
    def setUp(self):
        self.recount = job.Recount().add(job.generate(3_000))
        self.lists = self.recount.lists()

    def is_refused(self, change):
        lists = copy.deepcopy(self.lists)
        change(lists)
        with self.assertRaises(job.Wrong):
            job.check(self.recount, lists)

    def test_the_recount_itself_is_right(self):
        self.assertEqual(job.check(self.recount, self.lists), 1)

    def test_what_is_something_else_is_refused(self):
        anchor = next(anchor for anchor, entries in self.lists.items() if len(entries) > 5 and entries[0][1] > 1.5 * entries[-1][1])
        item, weight, support = self.lists[anchor][0]
        self.is_refused(lambda lists: lists.pop(anchor))
        self.is_refused(lambda lists: lists.update(nothing=[("a", 1.0, 1)]))
        self.is_refused(lambda lists: lists[anchor].pop())
        self.is_refused(lambda lists: lists[anchor].reverse())
        for wrong in ((item, weight, support + 1), (item, weight * 1.01, support), ("nothing", weight, support)):
            self.is_refused(lambda lists: lists[anchor].__setitem__(0, wrong))
        self.is_refused(lambda lists: lists[anchor].__setitem__(1, lists[anchor][0]))
        long = next(anchor for anchor, row in self.recount.rows.items() if len(row) > 2 * job.LENGTH)
        other, (least, times) = min(self.recount.rows[long].items(), key=lambda pair: pair[1][0])
        if least < self.lists[long][-1][1] * (1 - job.TOLERANCE):
            self.is_refused(lambda lists: lists[long].__setitem__(-1, (other, least, times)))

    def test_ties_may_stand_either_way(self):
        recount = counted(("u", "a", 0), ("u", "b", 1), ("v", "a", 0), ("v", "c", 1))
        lists = recount.lists()
        lists["a"].reverse()
        self.assertEqual(job.check(recount, lists), 1)


class Samenloop(unittest.TestCase):
    @unittest.skipUnless("SAMENLOOP" in os.environ, "SAMENLOOP names the program")
    def test_its_settings_make_it_do_the_job(self):
        records = list(job.generate(6_000))
        at = job.START_MS + job.DAY_MS
        # Sessions that end by each rule, beside those that end by themselves.
        for user, views, step in (("many", 70, 60_000), ("slow", 12, job.GAP_MS), ("torn", 6, job.GAP_MS + 1)):
            records += (job.record(user, f"sku-{user}-{view}", at + view * step, f"{user}-{view}") for view in range(views))
        with contextlib.ExitStack() as stack:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            events, lists = folder / "events.jsonl", folder / "lists.jsonl"
            events.write_bytes(b"".join(value + b"\n" for _, value in records))
            command = [os.environ["SAMENLOOP"], "--quiet", "--config", HERE / "samenloop.toml", "replay", events, "--lists", lists]
            subprocess.run(command, check=True)
            published = {}
            for line in lists.read_text().splitlines():
                record = json.loads(line)
                published[record["item"]] = [(entry["item"], entry["weight"], entry["support"]) for entry in record["entries"]]
        recount = job.Recount().add(records)
        self.assertGreater(job.check(recount, published), 0.9)


if __name__ == "__main__":
    unittest.main()
