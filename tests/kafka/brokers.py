"""Brokers of a script's own: one, or several that replicate. They can end, and come back with their data; clients come to them by a network
that can be spoiled."""

import base64
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

from proxy import Proxy
from service import STOP_MAX_S, Failed, end, free_port

UP = pathlib.Path(__file__).resolve().parent / "broker-up"
# Its own, its controller's, the one behind the proxy, and the proxy's.
PORTS = 4


class Broker:
    """One of them."""

    def __init__(self, folder, port, cluster):
        self.folder, self.port, self.process = folder, port, None
        inner, outer = port + 2, port + 3
        # Instances come by the proxy, scripts do not.
        self.environment = {**os.environ, "SAMENLOOP_TEST_PROXIED": f"{inner} {outer}", "SAMENLOOP_TEST_CLUSTER": cluster}
        self.proxy = Proxy(outer, ("127.0.0.1", inner))

    def begin(self):
        # It ends with its standard input, so also when this process is killed.
        self.process = subprocess.Popen(
            [UP, str(self.port), self.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def wait(self):
        if not self.process.stdout.readline():
            raise Failed("a broker did not start")

    def kill(self):
        with contextlib.suppress(OSError):
            self.process.stdin.write("keep\n")
            self.process.stdin.flush()
        end(self.process, signal.SIGKILL)

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait(STOP_MAX_S)
        shutil.rmtree(self.folder, ignore_errors=True)


class Brokers:
    """All of them. With more than one, each record is on all, and is acknowledged when all but one have it."""

    def __init__(self, stack, folder, count):
        first = free_port(PORTS * count)
        ports = [first + PORTS * number for number in range(count)]
        name = "A" + base64.urlsafe_b64encode(os.urandom(16)).decode()[:21]  # no "-" first: it would be taken for a flag
        controllers = ",".join(str(port + 1) for port in ports)
        self.all = [
            Broker(folder / f"broker-{number}", port, f"{name} {number + 1} {controllers}") for number, port in enumerate(ports)
        ]
        self.bootstrap = ",".join(f"127.0.0.1:{broker.port}" for broker in self.all)
        self.address = ",".join(broker.proxy.address for broker in self.all)
        self.proxies = [broker.proxy for broker in self.all]
        stack.callback(self.close)
        self.start(self.all)

    def start(self, brokers):
        # Several need each other.
        for broker in brokers:
            broker.begin()
        for broker in brokers:
            broker.wait()

    def kill(self, brokers):
        for broker in brokers:
            broker.kill()

    def close(self):
        for broker in self.all:
            if broker.process is not None:
                broker.close()
