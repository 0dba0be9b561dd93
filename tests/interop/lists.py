#!/usr/bin/env python3
"""A consumer of the lists topic that is not samenloop's: confluent-kafka with its Avro deserializer.

    python3 tests/interop/lists.py --bootstrap HOST:PORT --registry URL --topic samenloop.lists [--latest]

Reads the topic from its start to where it ends now, and prints one JSON object per record: key, value (null: the list is
no more), headers, timestamp, partition, offset. --latest prints of each key the record that counts, by (epoch, sequence),
and no tombstones.
"""

import argparse
import datetime
import json
import sys
import uuid

import confluent

confluent.enter()

from confluent_kafka import Consumer, TopicPartition  # noqa: E402
from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: E402
from confluent_kafka.schema_registry.avro import AvroDeserializer  # noqa: E402
from confluent_kafka.serialization import MessageField, SerializationContext  # noqa: E402

SILENCE_MAX_S = 30


def plain(value):
    """Dates as text, times as ms since 1970."""
    if isinstance(value, datetime.datetime):
        return (value - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(milliseconds=1)
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def records(arguments):
    settings = {"url": arguments.registry}
    if arguments.registry_auth:
        settings["basic.auth.user.info"] = arguments.registry_auth
    registry = SchemaRegistryClient(settings)
    read_key, read_value = AvroDeserializer(registry), AvroDeserializer(registry)
    consumer = Consumer(
        {
            "bootstrap.servers": arguments.bootstrap,
            "group.id": f"lists.py-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
        }
    )
    metadata = consumer.list_topics(arguments.topic, timeout=SILENCE_MAX_S).topics[arguments.topic]
    if metadata.error is not None or not metadata.partitions:
        sys.exit(f"{arguments.topic}: {metadata.error or 'no partitions'}")
    ends = {}
    for number in metadata.partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(arguments.topic, number), timeout=SILENCE_MAX_S)
        if low < high:
            ends[number] = high
    consumer.assign([TopicPartition(arguments.topic, number, 0) for number in ends])
    consumer_at = lambda number: consumer.position([TopicPartition(arguments.topic, number)])[0].offset  # noqa: E731
    while ends:
        message = consumer.poll(1.0)
        if message is None:
            # What ends a partition may be no record: a mark of a transaction.
            ends = {number: end for number, end in ends.items() if consumer_at(number) < end}
            continue
        if message.error():
            sys.exit(str(message.error()))
        yield {
            "key": read_key(message.key(), SerializationContext(arguments.topic, MessageField.KEY)),
            "value": read_value(message.value(), SerializationContext(arguments.topic, MessageField.VALUE)),
            "headers": {name: bytes.decode() for name, bytes in message.headers() or []},
            "timestamp": message.timestamp()[1],
            "partition": message.partition(),
            "offset": message.offset(),
        }
        if message.offset() + 1 >= ends.get(message.partition(), 0):
            ends.pop(message.partition(), None)
    consumer.close()


def latest(all_records):
    """Of each key the record that counts. A late record of a former owner does not."""
    newest = {}
    for record in all_records:
        key = tuple(record["key"].values())
        stamp = tuple(int(record["headers"][f"samenloop.{name}"]) for name in ("epoch", "sequence"))
        if key not in newest or newest[key][0] < stamp:
            newest[key] = (stamp, record)
    return (record for _, record in newest.values() if record["value"] is not None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--registry-auth", metavar="USER:PASSWORD")
    parser.add_argument("--topic", default="samenloop.lists")
    parser.add_argument("--latest", action="store_true")
    arguments = parser.parse_args()
    found = records(arguments)
    for record in latest(found) if arguments.latest else found:
        print(json.dumps(record, ensure_ascii=False, default=plain))


main()
