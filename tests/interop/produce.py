#!/usr/bin/env python3
"""A producer of events that is not samenloop's: confluent-kafka with its Avro serializer and schemas of its own.

    python3 tests/interop/produce.py --bootstrap HOST:PORT --registry URL events.jsonl \\
        --topic events | --views TOPIC --carts TOPIC --orders TOPIC  [--versions old,new,renamed] [--key user|order|none]

Reads events in samenloop's own form, one JSON object a line, and writes each by one of the schemas below, which take turns:
a topic holds records of both. A mapping reads both with

    shop = ["/shop", { constant = "main" }]
    item = ["/article", "/product/sku"]
    line_item = ["/article", "/product/sku"]
    user = ["/user", "/customer"]

`old` knows no event ids and no shop; quantities are ints. `new` names the item in a nested record, has other fields in another
order, nullable and union ones, an array and a map; what is not mapped changes nothing. `renamed` is `old` with event ids, after
article was renamed to item, with article as the field's alias. A record without event id is told from a re-sent one by type, time, and item or order number.
"""

import argparse
import json
import sys

import confluent

confluent.enter()

from confluent_kafka import Producer  # noqa: E402
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy  # noqa: E402
from confluent_kafka.schema_registry.avro import AvroSerializer  # noqa: E402
from confluent_kafka.serialization import MessageField, SerializationContext  # noqa: E402

NAMESPACE = "webshop.events"
QUEUE_MAX = 50_000


def record(name, fields):
    fields = [dict(zip(("name", "type", "default"), field)) for field in fields]
    return {"type": "record", "name": name, "namespace": NAMESPACE, "fields": fields}


def old_schema(kind):
    line = record("OldLine", [("article", "string"), ("quantity", "int")])
    order = [("order_id", "string"), ("lines", {"type": "array", "items": line})]
    own = order if kind == "order" else [("article", "string")]
    return record(f"Old{kind.title()}", [("type", "string"), ("user", "string"), ("ts", "long"), *own])


def old_event(event):
    made = {name: event[name] for name in ("type", "user", "ts")}
    if event["type"] == "order":
        lines = [{"article": line["item"], "quantity": 1} for line in event["lines"]]
        return made | {"order_id": event.get("order_id", ""), "lines": lines}
    return made | {"article": event["item"]}


def new_schema(kind):
    product = record("Product", [("name", ["null", "string"], None), ("sku", ["null", "string", "long"])])
    line = record("NewLine", [("unit_price", ["null", "double"], None), ("product", "Product" if kind != "order" else product)])
    amount = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
    order = [
        ("lines", {"type": "array", "items": ["null", line]}),
        ("total", ["null", amount], None),
        ("order_id", ["null", "string"], None),
    ]
    own = order if kind == "order" else [("product", ["null", product], None)]
    return record(
        f"New{kind.title()}",
        [
            ("tags", {"type": "map", "values": ["null", "long", "string"]}, {}),
            *own,
            ("campaign", ["null", {"type": "array", "items": "string"}], None),
            ("ts", {"type": "long", "logicalType": "timestamp-millis"}),
            ("shop", ["null", "string"], None),
            ("event_id", ["null", "string"], None),
            ("customer", ["string", "null"]),
            ("type", {"type": "enum", "name": "Kind", "symbols": ["order", "cart", "view"]}),
        ],
    )


def new_event(event):
    def product(item):
        # A number stays one: "17" and 17 are one item.
        return {"name": "…", "sku": int(item) if item.isdecimal() and str(int(item)) == item and len(item) < 18 else item}

    made = {name: event.get(name) for name in ("type", "ts", "shop", "event_id")}
    made |= {"customer": event["user"], "tags": {"page": 7, "device": "phone", "none": None}, "campaign": ["a", "b"]}
    if event["type"] == "order":
        lines = [{"unit_price": 9.95, "product": product(line["item"])} for line in event["lines"]]
        return made | {"order_id": event.get("order_id"), "lines": lines}
    return made | {"product": product(event["item"])}


def renamed_schema(kind):
    item = {"name": "item", "aliases": ["article"], "type": "string"}
    made = record(f"Renamed{kind.title()}", [("event_id", ["null", "string"], None), ("type", "string"), ("user", "string")])
    made["fields"].append({"name": "ts", "type": "long"})
    if kind == "order":
        line = {"type": "record", "name": "RenamedLine", "fields": [item]}
        made["fields"].append({"name": "order_id", "type": ["null", "string"], "default": None})
        item = {"name": "lines", "type": {"type": "array", "items": line}}
    made["fields"].append(item)
    return made


def renamed_event(event):
    return event | {"lines": [{"item": line["item"]} for line in event.get("lines", [])]}


VERSIONS = {"renamed": (renamed_schema, renamed_event), "old": (old_schema, old_event), "new": (new_schema, new_event)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", help="JSON lines; - is stdin")
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--registry-auth", metavar="USER:PASSWORD")
    parser.add_argument("--topic", help="for all, or for what has no topic of its own")
    for kind in ("view", "cart", "order"):
        parser.add_argument(f"--{kind}s", dest=kind, metavar="TOPIC")
    parser.add_argument("--versions", default="old,new")
    parser.add_argument("--key", choices=("user", "order", "none"), default="user")
    arguments = parser.parse_args()

    settings = {"url": arguments.registry}
    if arguments.registry_auth:
        settings["basic.auth.user.info"] = arguments.registry_auth
    registry = SchemaRegistryClient(settings)
    options = {"auto.register.schemas": True, "subject.name.strategy": topic_record_subject_name_strategy}
    versions = arguments.versions.split(",")
    serializers = {
        (version, kind): AvroSerializer(registry, json.dumps(VERSIONS[version][0](kind)), conf=options)
        for version in versions
        for kind in ("view", "cart", "order")
    }
    producer = Producer(
        {"bootstrap.servers": arguments.bootstrap, "enable.idempotence": True, "linger.ms": 20, "compression.type": "zstd"}
    )
    failed = []

    def delivered(error, _):
        if error is not None:
            failed.append(error)

    count = 0
    with sys.stdin if arguments.events == "-" else open(arguments.events, encoding="utf-8") as lines:
        for count, line in enumerate(lines, 1):
            event = json.loads(line)
            version = versions[count % len(versions)]
            topic = getattr(arguments, event["type"]) or arguments.topic
            if topic is None:
                sys.exit(f"line {count}: no topic for a {event['type']}; give --topic or --{event['type']}s")
            serialize = serializers[version, event["type"]]
            value = serialize(VERSIONS[version][1](event), SerializationContext(topic, MessageField.VALUE))
            key = {"user": event["user"], "order": event.get("order_id"), "none": None}[arguments.key]
            producer.produce(topic, value, key, on_delivery=delivered)
            if len(producer) > QUEUE_MAX:
                producer.poll(0.5)
            producer.poll(0)
    left = producer.flush(60)
    if failed or left:
        sys.exit(f"{len(failed)} records were refused ({failed[:1]}), {left} have no answer")
    print(f"{count} records written", file=sys.stderr)


main()
