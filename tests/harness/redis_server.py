"""A real redis-server for tests, and as much of its protocol as they speak.

    with Redis(appendonly=True) as redis:
        redis.send("XADD", "in", "*", "value", "{}")
        redis.crash(); redis.start()
"""
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from stack import PATIENCE, free_port


class RedisError(Exception):
    pass


class Connection:
    """One connection. Answers are bytes, int, None, lists of these; an error is raised, within a pipeline returned."""

    def __init__(self, port, timeout=PATIENCE):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 16)

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, *words):
        answer = self.pipeline([words])[0]
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def pipeline(self, commands):
        self.write(commands)
        return [self.read() for _ in commands]

    def write(self, commands):
        self.socket.sendall(b"".join(command_bytes(words) for words in commands))

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis has closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        length = int(rest)
        if length < 0:
            return None
        if kind == b"$":
            return self.file.read(length + 2)[:-2]
        return [self.read() for _ in range(length)]


def command_bytes(words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"".join([b"*%d\r\n" % len(parts)] + [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


class Redis:
    """On a port of 127.0.0.1. appendonly: what it has answered survives its crash, for the kernel goes on."""

    def __init__(self, appendonly=False, settings=()):
        self.port, self.process, self.connection = free_port(), None, None
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-test."))
        self.command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly",
                        "yes" if appendonly else "no", "--dir", str(self.directory), *settings]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.crash()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.connection = Connection(self.port)
                self.send("XLEN", "nothing")  # an error while it reads its file
                return
            except (OSError, RedisError):
                if self.process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def crash(self):
        """kill -9."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None

    def send(self, *words):
        return self.connection.send(*words)

    def pipeline(self, commands):
        return self.connection.pipeline(commands)

    def url(self, stream, **options):
        listed = "&".join(f"{name}={value}" for name, value in options.items())
        return f"redis:127.0.0.1:{self.port}/{stream}" + ("?" + listed if listed else "")

    # ---- streams ----

    def add(self, stream, values, **fields):
        """Adds an entry for each value (str or bytes); returns their ids."""
        extra = [part for pair in fields.items() for part in pair]
        return self.pipeline([("XADD", stream, "*", "value", value, *extra) for value in values])

    def entries(self, stream):
        """All of a stream: (id, {field: value})."""
        found = []
        for identifier, fields in self.send("XRANGE", stream, "-", "+") or []:
            found.append((identifier.decode(), dict(zip((name.decode() for name in fields[::2]), fields[1::2]))))
        return found
