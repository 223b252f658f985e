"""The FastCGI edge by itself: silent and idle peers, slow and large bodies, hostile records, short bodies."""
import json
import socket
import struct
import time
import unittest

from expectations import held_out
from stack import Stack

GOOD = json.dumps({"features": held_out("cancer-logistic").features[0]}).encode()
BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, GET_VALUES = 1, 2, 3, 4, 5, 6, 9


def record(kind, content=b"", request_id=1):
    return struct.pack(">BBHHBB", 1, kind, request_id, len(content), 0, 0) + content


def parameter(name, value):
    name, value = name.encode(), value.encode()
    length = lambda text: bytes([len(text)]) if len(text) < 128 else struct.pack(">I", len(text) | 1 << 31)
    return length(name) + length(value) + name + value


def request(body=GOOD, keep=True, length=None, path="/api/v1/predict"):
    parameters = b"".join(parameter(*pair) for pair in [
        ("REQUEST_METHOD", "POST"), ("REQUEST_URI", path), ("CONTENT_TYPE", "application/json"),
        ("CONTENT_LENGTH", str(len(body) if length is None else length)), ("SERVER_PROTOCOL", "HTTP/1.1")])
    stdin = b"".join(record(STDIN, body[at:at + 65535]) for at in range(0, len(body), 65535))
    return (record(BEGIN, struct.pack(">HB5x", 1, 1 if keep else 0)) + record(PARAMS, parameters) + record(PARAMS) +
            stdin + record(STDIN))


class Peer:
    """One FastCGI connection."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)

    def send(self, data):
        self.socket.sendall(data)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def answer(self):
        """Status and body of the answer."""
        output = b""
        while True:
            _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", self.exactly(8))
            content = self.exactly(length)
            self.exactly(padding)
            if kind == STDOUT:
                output += content
            if kind == END:
                head, _, body = output.partition(b"\r\n\r\n")
                return int(head.split(b"Status: ")[1].split()[0]), body

    def closed(self):
        """True when the other side closes without an answer."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


class Frontend(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(settings={"frontend.read_timeout_ms": "3000"})
        cls.stack.start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    def peer(self):
        peer = Peer(self.stack.socket)
        self.addCleanup(peer.close)
        return peer

    def ask(self, peer=None, data=None):
        peer = peer or self.peer()
        peer.send(data or request())
        status, body = peer.answer()
        self.assertEqual(status, 200, body)
        self.assertIn("prediction", json.loads(body))
        return peer

    def test_kept_connection(self):
        peer = self.peer()
        for _ in range(50):
            self.ask(peer)

    def test_not_kept_connection(self):
        peer = self.ask(data=request(keep=False))
        self.assertTrue(peer.closed())

    def test_idle_peers_are_not_felt(self):
        silent = [self.peer() for _ in range(1000)]
        idle = [self.ask() for _ in range(200)]
        worker = self.peer()
        for _ in range(100):
            self.ask(worker)
        for peer in idle[:20]:
            self.ask(peer)
        self.assertEqual(len(silent), 1000)

    def test_byte_by_byte(self):
        peer, data = self.peer(), request()
        for at in range(len(data)):
            peer.send(data[at:at + 1])
        self.assertEqual(peer.answer()[0], 200)

    def test_many_slow_bodies(self):
        """Fifty bodies that stop half-way hold up nobody, and are closed at the read timeout."""
        slow = [self.peer() for _ in range(50)]
        for peer in slow:
            peer.send(request()[:300])
        for _ in range(50):
            self.ask()
        for peer in slow:
            self.assertTrue(peer.closed())

    def test_large_body(self):
        rows = held_out("cancer-logistic").features * 20
        body = json.dumps({"instances": rows}).encode()
        self.assertGreater(len(body), 300000)
        peer = self.peer()
        for _ in range(3):
            peer.send(request(body, path="/api/v1/batch-predict"))
            status, answer = peer.answer()
            self.assertEqual(status, 200, answer[:200])
            self.assertEqual(len(json.loads(answer)["predictions"]), len(rows))

    def test_large_and_slow_body(self):
        body = json.dumps({"instances": held_out("cancer-logistic").features * 3}).encode()
        data, peer = request(body, path="/api/v1/batch-predict"), self.peer()
        for at in range(0, len(data), 5000):
            peer.send(data[at:at + 5000])
            self.ask()
        self.assertEqual(peer.answer()[0], 200)

    def test_short_body_is_never_run(self):
        """A web server that tries again sends the length of the body, and no body."""
        for body in (b"", GOOD[:-40], GOOD + b" "):
            peer = self.peer()
            peer.send(request(body, length=len(GOOD)))
            status, answer = peer.answer()
            self.assertEqual(status, 400, answer)
            self.assertIn(b"Content-Length", answer)

    def test_hostile_records(self):
        for data in (record(GET_VALUES, b"", 0), record(ABORT), record(STDIN, b"x"), b"GET / HTTP/1.1\r\n\r\n",
                     record(BEGIN, struct.pack(">HB5x", 1, 1)) + record(PARAMS, b"\xff\xff\xff\xff\xff\xff"),
                     record(BEGIN, struct.pack(">HB5x", 7, 1)) + request()[16:],
                     request() + request()):
            peer = self.peer()
            peer.send(data)
            peer.socket.shutdown(socket.SHUT_WR)
            try:
                peer.answer()
            except (EOFError, ConnectionResetError):
                pass
            self.ask()

    def test_client_that_goes(self):
        for _ in range(50):
            peer = Peer(self.stack.socket)
            peer.send(request())
            peer.close()
        self.ask()


if __name__ == "__main__":
    unittest.main()
