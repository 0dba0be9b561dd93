"""A network between clients and a broker that can be spoiled: it delays, cuts connections, or swallows what is sent until it is well
again, as TCP does where packets are lost and sent again."""

import contextlib
import socket
import threading
import time

PIECE_BYTES = 64 << 10
LOOK_S = 0.02


class Proxy(threading.Thread):
    """Listens on a port of loopback, and ends with the process."""

    def __init__(self, port, upstream):
        super().__init__(daemon=True)
        self.upstream, self.delay_s, self.is_hole = upstream, 0.0, False
        self.lock, self.ends = threading.Lock(), []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.address = f"127.0.0.1:{port}"
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            self.until_well()
            try:
                server = socket.create_connection(self.upstream)
            except OSError:
                client.close()
                continue
            with self.lock:
                self.ends += [client, server]
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=ends, daemon=True).start()

    def until_well(self):
        while self.is_hole:
            time.sleep(LOOK_S)

    def pump(self, source, sink):
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                time.sleep(self.delay_s)
                self.until_well()
                sink.sendall(piece)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """Ends every connection at once; new ones are made as ever. Returns how many there were."""
        with self.lock:
            ends, self.ends = self.ends, []
        cut = 0
        for end in ends:
            with contextlib.suppress(OSError):  # ended before
                end.shutdown(socket.SHUT_RDWR)
                cut += 1
        return cut // 2
