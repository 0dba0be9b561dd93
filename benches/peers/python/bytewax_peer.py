"""The job of ../README.md on Bytewax: sessions by user, then all rows of a shop under one key. State is in memory, nothing is kept."""

import os
import sys
from datetime import datetime, timedelta, timezone

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulLogic
from bytewax.run import cli_main

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rows import FLUSH_UPDATES, SILENCE_S, Rows, Session  # noqa: E402

BROKERS = [os.environ["PEER_BOOTSTRAP"]]


class Sessions(StatefulLogic):
    """Views of one user → what each new item met."""

    def __init__(self):
        self.session = Session()

    def on_item(self, view):
        item, time = view
        met = self.session.view(item, time)
        return ([(item, met)] if met else (), StatefulLogic.RETAIN)

    def snapshot(self):
        return self


class Lists(StatefulLogic):
    """What was met → lists."""

    def __init__(self):
        self.rows, self.flushed, self.seen = Rows(), 0, 0
        self.next = None

    def on_item(self, star):
        self.rows.add(*star)
        if self.next is None:
            self.next = datetime.now(timezone.utc) + timedelta(seconds=SILENCE_S)
        return (self.flush() if self.rows.updates - self.flushed >= FLUSH_UPDATES else (), StatefulLogic.RETAIN)

    def on_notify(self):
        is_silent = self.seen == self.rows.updates
        self.seen = self.rows.updates
        self.next = None if is_silent else datetime.now(timezone.utc) + timedelta(seconds=SILENCE_S)
        return (self.flush() if is_silent else (), StatefulLogic.RETAIN)

    def notify_at(self):
        return self.next

    def flush(self):
        self.flushed = self.rows.updates
        return list(self.rows.take_lists())

    def snapshot(self):
        return self


def view(message):
    event = orjson.loads(message.value)
    return event["user"], (event["item"], event["ts"])


flow = Dataflow("viewed-together")
source = KafkaSource(BROKERS, [os.environ["PEER_SOURCE"]], batch_size=5_000)
views = op.map("views", op.input("input", flow, source), view)
stars = op.stateful("sessions", views, lambda state: state or Sessions())
keyed = op.map("by shop", stars, lambda star: ("main", star[1]))
lists = op.stateful("rows", keyed, lambda state: state or Lists())
records = op.map("records", lists, lambda made: KafkaSinkMessage(made[1][0], made[1][1]))
sink = KafkaSink(BROKERS, os.environ["PEER_LISTS"], add_config={"compression.type": "lz4", "linger.ms": "50"})
op.output("output", records, sink)

if __name__ == "__main__":
    cli_main(flow, epoch_interval=timedelta(seconds=10))
