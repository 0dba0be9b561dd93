"""The job of ../README.md on Redis: a Lua script per event, in pipelines; the server is this script's own, on a socket in its folder,
and keeps nothing on disk."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import orjson
import redis
from confluent_kafka import Consumer, Producer

BATCH = 1_000
SILENCE_S = 1
HERE = pathlib.Path(__file__).resolve().parent


def lists(client, script, producer):
    """Puts out what has changed."""
    while dirty := client.spop("dirty", 200):
        pipe = client.pipeline(transaction=False)
        for item in dirty:
            script(keys=["row:" + item.decode(), "support:" + item.decode()], client=pipe)
        for item, flat in zip(dirty, pipe.execute()):
            entries = [
                {"item": flat[at].decode(), "weight": float(flat[at + 1]), "support": int(flat[at + 2])} for at in range(0, len(flat), 3)
            ]
            if entries:
                producer.produce(os.environ["PEER_LISTS"], orjson.dumps({"item": item.decode(), "entries": entries}), item)
        producer.poll(0)
    producer.flush()


def main():
    flush_updates = int(os.environ["PEER_FLUSH_UPDATES"])
    socket = pathlib.Path(os.environ["PEER_FOLDER"]) / "redis.sock"
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", socket.parent]
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        client = redis.Redis(unix_socket_path=str(socket))
        for _ in range(100):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        view = client.register_script((HERE / "view.lua").read_text())
        top = client.register_script((HERE / "list.lua").read_text())
        # Pipelined scripts go by their sums, which the server must know.
        for script in (view, top):
            client.script_load(script.script)
        bootstrap = os.environ["PEER_BOOTSTRAP"]
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": os.environ["PEER_GROUP"], "auto.offset.reset": "earliest"})
        producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "compression.type": "lz4", "queue.buffering.max.messages": 1_000_000})
        consumer.subscribe([os.environ["PEER_SOURCE"]])
        updates = flushed = 0
        latest = time.monotonic()
        while True:
            messages = [message for message in consumer.consume(BATCH, 0.1) if message.error() is None]
            if messages:
                latest = time.monotonic()
                pipe = client.pipeline(transaction=False)
                for message in messages:
                    event = orjson.loads(message.value())
                    pipe.evalsha(view.sha, 0, event["user"], event["item"], event["ts"])
                updates += sum(pipe.execute())
            if updates - flushed >= flush_updates or (updates > flushed and time.monotonic() - latest > SILENCE_S):
                flushed = updates
                lists(client, top, producer)
    finally:
        server.terminate()
        server.wait()


main()
