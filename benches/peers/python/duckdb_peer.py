"""The job of ../README.md on DuckDB: views go into a table; when nothing has come for a second, everything is counted anew, in SQL.

It puts out all lists at rest only, whatever the interval: recomputing is what it is here for. It takes the views of a user in the order in
which they came, which is that of their times."""

import os
import pathlib
import time

import duckdb
from confluent_kafka import Consumer, Producer

BATCH = 50_000
SILENCE_S = 1

SESSIONS = """
CREATE OR REPLACE TABLE visits AS
SELECT *, sum(starts) OVER (PARTITION BY user ORDER BY seq) AS visit
FROM (
  SELECT seq, user, item, ts,
    coalesce(ts - lag(ts) OVER (PARTITION BY user ORDER BY seq) > 1800000, true)::INT AS starts
  FROM views
)
"""
# A session that is longer than four hours ends, and another begins, until none is.
LONGER = """
UPDATE visits SET starts = 1 WHERE seq IN (
  SELECT min(seq) FROM (
    SELECT seq, user, visit, ts - min(ts) OVER (PARTITION BY user, visit) AS span FROM visits
  ) WHERE span > 14400000 GROUP BY user, visit
)
"""
AGAIN = """
CREATE OR REPLACE TABLE visits AS
SELECT seq, user, item, ts, starts, sum(starts) OVER (PARTITION BY user ORDER BY seq) AS visit FROM visits
"""
LISTS = """
WITH firsts AS (
  SELECT user, visit, item, min(seq) AS seq FROM visits GROUP BY user, visit, item
), placed AS (
  SELECT user, visit, item, row_number() OVER (PARTITION BY user, visit ORDER BY seq) AS place FROM firsts QUALIFY place <= 50
), met AS (
  SELECT a.item AS later, b.item AS earlier, 1 / sqrt(a.place - b.place) AS weight
  FROM placed a JOIN placed b ON a.user = b.user AND a.visit = b.visit AND a.place > b.place AND a.place - b.place <= 20
), pairs AS (
  SELECT anchor, item, sum(weight) AS weight, count(*) AS support
  FROM (SELECT later AS anchor, earlier AS item, weight FROM met UNION ALL SELECT earlier, later, weight FROM met)
  GROUP BY anchor, item
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY anchor ORDER BY weight DESC, item) AS place FROM pairs WHERE support >= 1 QUALIFY place <= 20
)
SELECT anchor, to_json({'item': anchor, 'entries': list({'item': item, 'weight': weight, 'support': support} ORDER BY place)})::VARCHAR
FROM ranked GROUP BY anchor
"""


def refresh(base, producer):
    base.execute(SESSIONS)
    while base.execute(LONGER).fetchone()[0] > 0:
        base.execute(AGAIN)
    made = base.execute(LISTS)
    while rows := made.fetchmany(10_000):
        for anchor, value in rows:
            producer.produce(os.environ["PEER_LISTS"], value, anchor)
        producer.poll(0)
    producer.flush()


def main():
    bootstrap = os.environ["PEER_BOOTSTRAP"]
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": os.environ["PEER_GROUP"], "auto.offset.reset": "earliest"})
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "compression.type": "lz4", "queue.buffering.max.messages": 1_000_000})
    consumer.subscribe([os.environ["PEER_SOURCE"]])
    base = duckdb.connect()
    base.execute("CREATE SEQUENCE seqs; CREATE TABLE views (seq BIGINT DEFAULT nextval('seqs'), user VARCHAR, item VARCHAR, ts BIGINT)")
    chunk = pathlib.Path(os.environ["PEER_FOLDER"]) / "chunk.jsonl"
    waiting, latest, is_new = [], time.monotonic(), False

    def take():
        chunk.write_bytes(b"\n".join(waiting))
        columns = "{user: 'VARCHAR', item: 'VARCHAR', ts: 'BIGINT'}"
        base.execute(f"INSERT INTO views (user, item, ts) SELECT user, item, ts FROM read_json('{chunk}', format = 'newline_delimited', columns = {columns})")
        waiting.clear()

    while True:
        messages = [message.value() for message in consumer.consume(10_000, 0.1) if message.error() is None]
        if messages:
            latest, is_new = time.monotonic(), True
            waiting.extend(messages)
            if len(waiting) >= BATCH:
                take()
        elif is_new and time.monotonic() - latest > SILENCE_S:
            if waiting:
                take()
            refresh(base, producer)
            is_new = False


main()
