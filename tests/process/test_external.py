"""Workers that are started by hand and come in over tcp: the right keys serve, all others are refused and harm nobody,
and a network that fails costs no request."""
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import msgpack
import numpy as np
import zmq
import zmq.auth
from sklearn.linear_model import LinearRegression

from load import JSON, Load
from stack import BIN, PATIENCE, ROOT, Stack, free_port

PREDICT = "/api/v1/models/sum/predict"
PYTHON_WORKER = ROOT / "worker/python/outrigger_worker.py"
DELAY = -1001
HEARTBEAT_MS = 200
NULL_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\0NULL" + bytes(48)     # ZMTP 3.0, without security
REQUEST, PONG, REPLY = 1, 18, 16


class Numbers(Load):
    """Numbers, one after the other."""

    def ask(self, client, number):
        status, _, body = client.request("POST", PREDICT, json.dumps({"features": [number % 1000, 1]}), JSON)
        right = status == 200 and json.loads(body)["prediction"] == number % 1000 + 1
        return None if right else (status, body[:200])


class Network(threading.Thread):
    """A network between worker and broker: passes bytes on, until it is cut. Then connections that are there stay open
    and nothing goes through them any more; new ones pass."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target, self.pairs, self.lock = target, [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.wake, self.waker = socket.socketpair()
        self.ended = False
        self.start()

    def run(self):
        passing = {}
        while not self.ended:
            ready, _, _ = select.select([self.listener, self.wake, *passing], [], [])
            for one in ready:
                if one is self.wake:
                    self.wake.recv(64)
                    passing.clear()     # cut: what was there is not looked at any more
                elif one is self.listener:
                    near, far = self.listener.accept()[0], socket.socket()
                    try:
                        far.connect(("127.0.0.1", self.target))
                    except OSError:     # the broker is away
                        near.close()
                        continue
                    self.pairs += [near, far]
                    passing.update({near: far, far: near})
                elif one in passing:
                    self.pass_on(one, passing)

    @staticmethod
    def pass_on(one, passing):
        other = passing[one]
        try:
            data = one.recv(65536)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for end in (one, other):
            passing.pop(end, None)
            end.close()

    def cut(self):
        self.waker.send(b"x")

    def end(self):
        self.ended = True
        self.cut()
        self.join()
        for end in (*self.pairs, self.listener, self.wake, self.waker):
            end.close()


class External(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-external."))
        self.addCleanup(shutil.rmtree, self.directory)
        self.repository = self.directory / "models"
        (self.repository / "sum" / "1").mkdir(parents=True)
        (self.repository / "sum" / "1" / "model.echo").write_text("features = 2;\n")
        self.configure_model("instances = 1;")
        self.allowed, self.port = self.directory / "allowed", free_port()
        self.allowed.mkdir()
        for name in ("broker", "host7", "host8", "stranger"):
            self.keygen(name)
        self.allow("host7")
        self.started = 0

    def configure_model(self, text):
        (self.repository / "sum" / "model.conf").write_text(text)

    def keygen(self, name, expect=0):
        done = subprocess.run([BIN / "outrigger", "keygen", "--name", name, "--directory", self.directory], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done

    def allow(self, *names):
        for path in self.allowed.iterdir():
            path.unlink()
        for name in names:
            shutil.copy(self.directory / f"{name}.key", self.allowed)

    def secret(self, name):
        return self.directory / f"{name}.key_secret"

    def stack(self, **settings):
        return Stack(web="nginx", models=self.repository, settings={
            "broker.workers_tcp": f"tcp://127.0.0.1:{self.port}", "broker.curve_secret_file": self.secret("broker"),
            "broker.curve_allow": self.allowed, **{name.replace("__", "."): value for name, value in settings.items()}})

    def spawn(self, command):
        self.started += 1
        log = self.directory / f"worker.{self.started}.log"
        with open(log, "wb") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=file)
        process.log = log
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
            process.wait()

    def worker(self, name="host7", server=None, port=None, models=None, version="1",
               program=(BIN / "outrigger-worker",), **settings):
        """outrigger-worker by hand, as on another host: a runtime directory and models of its own."""
        settings = {"runtime_directory": self.directory / f"run.{self.started}", "models_directory": models or
                    self.repository, "worker.heartbeat_ms": HEARTBEAT_MS,
                    "broker.workers": f"tcp://127.0.0.1:{port or self.port}",
                    "worker.curve_secret_file": self.secret(name),
                    "worker.curve_server_key": server or self.directory / "broker.key", **settings}
        settings = {key.replace("__", "."): value for key, value in settings.items()}
        return self.spawn([*program, "-m", "sum", "-V", version,
                           *(part for key, value in settings.items() for part in ("-s", f"{key}={value}"))])

    @staticmethod
    def unmanaged(stack):
        """The broker's entries of workers of other hosts."""
        return [worker for worker in stack.control("broker.sock", {"command": "status"})["workers"]
                if not worker["managed"]]

    def wait_for_worker(self, stack, pid=None):
        def there():
            found = self.unmanaged(stack)
            return [worker["pid"] for worker in found] == [pid] if pid else not found
        stack.wait(there, f"the broker has not {pid or 'lost it'}")

    def refused(self, stack, reason):
        """The broker's own count; the collector hears of it within its interval."""
        text = stack.request("GET", "/metrics")[2].decode()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith(f'outrigger_curve_refused_total{{reason="{reason}"}}'))

    def ask(self, stack, row):
        status, _, body = stack.request("POST", PREDICT, json.dumps({"features": row}), JSON)
        self.assertEqual(status, 200, body)
        return json.loads(body)["prediction"]

    # ---- keys ----

    def test_keygen_makes_keys_once_and_shows_no_secret(self):
        done = self.keygen("fresh")
        self.assertEqual(oct(self.secret("fresh").stat().st_mode & 0o777), "0o600")
        secret = self.secret("fresh").read_text().split('secret-key = "')[1].split('"')[0]
        self.assertNotIn(secret, done.stdout + done.stderr)
        public, kept = zmq.auth.load_certificate(self.secret("fresh"))     # ZeroMQ's own reader
        self.assertEqual(kept.decode(), secret)
        self.assertIn(public.decode(), done.stdout)
        self.assertEqual(zmq.curve_public(kept), public)
        before = self.secret("fresh").read_bytes()
        self.assertIn("is there already", self.keygen("fresh", expect=1).stderr)
        self.assertEqual(self.secret("fresh").read_bytes(), before)
        self.assertIn("--name", self.keygen("../fresh", expect=2).stderr)

    def test_tcp_without_keys_is_refused_at_the_start(self):
        endpoint = f"tcp://127.0.0.1:{self.port}"
        common = [f"runtime_directory={self.directory / 'run'}", f"models_directory={self.repository}"]
        for program, settings, words in (
                ("supervisor", [f"broker.workers_tcp={endpoint}"], "make a key with outrigger keygen"),
                ("broker", [f"broker.askers_tcp={endpoint}"], "make a key with outrigger keygen"),
                ("broker", [f"broker.workers={endpoint}"], "must be ipc://"),
                ("supervisor", [f"broker.workers={endpoint}"], "must be ipc://"),
                ("broker", [f"broker.workers_tcp={endpoint}", f"broker.curve_allow={self.allowed}",
                            f"broker.curve_secret_file={self.directory / 'broker.key'}"], "chmod 600"),
                ("broker", [f"broker.workers_tcp={endpoint}", f"broker.curve_allow={self.directory / 'none'}",
                            f"broker.curve_secret_file={self.secret('broker')}"], "broker.curve_allow: ")):
            done = subprocess.run([BIN / f"outrigger-{program}", *(part for setting in common + settings
                                                                   for part in ("-s", setting))],
                                  stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 1, settings)
            self.assertIn(words, done.stderr)

    def test_a_worker_without_keys_sends_nothing(self):
        for settings, words in (({"worker.curve_secret_file": ""}, "worker.curve_secret_file: tcp needs a key"),
                                ({"worker.curve_server_key": ""}, "worker.curve_server_key: expected")):
            worker = self.worker(**settings)
            self.assertEqual(worker.wait(PATIENCE), 125)
            self.assertIn(words, worker.log.read_text())

    # ---- who comes in ----

    def test_a_worker_by_hand_serves_and_is_shown(self):
        self.configure_model("instances = 0; required = false;")
        with self.stack() as stack:
            worker = self.worker()
            self.wait_for_worker(stack, worker.pid)
            self.assertEqual(self.ask(stack, [1, 2]), 3)
            entry, = self.unmanaged(stack)
            self.assertEqual((entry["key_name"], entry["address"]), ("host7", "127.0.0.1"))
            self.assertRegex(stack.outrigger("status").stdout, rf"\nUNMANAGED .*\nsum +1 +127.0.0.1 +host7 +{worker.pid} ")
            worker.terminate()
            self.assertEqual(worker.wait(PATIENCE), 0)
            self.wait_for_worker(stack)     # it said BYE

    def test_a_version_that_the_host_does_not_have(self):
        models = self.directory / "elsewhere"
        (models / "sum" / "2").mkdir(parents=True)
        (models / "sum" / "2" / "model.echo").write_text("features = 2;\n")
        with self.stack() as stack:
            self.worker(models=models, version="2")
            stack.wait(lambda: stack.request("POST", "/api/v1/models/sum/versions/2/predict",
                                             json.dumps({"features": [1, 2]}), JSON)[0] == 200, "it does not serve")

    def test_a_worker_in_python_serves_by_hand(self):
        import pickle
        elsewhere = self.directory / "elsewhere"
        (elsewhere / "sum" / "9").mkdir(parents=True)
        (elsewhere / "sum" / "9" / "model.pkl").write_bytes(pickle.dumps(LinearRegression().fit(np.eye(2), [1, 1])))
        self.configure_model("instances = 0; required = false;")
        python = ["/usr/bin/python3", PYTHON_WORKER, BIN.parent / "python/outrigger_worker.so"]
        refused = self.worker(models=elsewhere, version="9", program=python, worker__curve_secret_file="")
        self.assertEqual(refused.wait(PATIENCE), 125)
        self.assertIn("tcp://", refused.log.read_text())
        with self.stack() as stack:
            worker = self.worker(models=elsewhere, version="9", program=python)
            self.wait_for_worker(stack, worker.pid)
            self.assertEqual(self.unmanaged(stack)[0]["key_name"], "host7")
            stack.wait(lambda: stack.request("POST", "/api/v1/models/sum/versions/9/predict",
                                             json.dumps({"features": [1, 2]}), JSON)[0] == 200, "it does not serve")
            broker = stack.kill("broker")
            stack.wait(lambda: stack.pids("broker") not in ([], [broker]), "the broker was not started again")
            self.wait_for_worker(stack, worker.pid)
            worker.terminate()
            self.assertEqual(worker.wait(PATIENCE), 0)

    def test_strangers_are_refused_and_counted_and_harm_nobody(self):
        with self.stack(collector__interval_ms=100) as stack, Numbers(stack, connections=4) as load:
            load.wait_for(50)
            self.worker("stranger")
            self.worker("host7", server=self.directory / "stranger.key")
            context = zmq.Context()
            self.addCleanup(context.destroy, 0)
            plain = context.socket(zmq.DEALER)
            plain.setsockopt(zmq.LINGER, 0)
            plain.connect(f"tcp://127.0.0.1:{self.port}")
            plain.send(b"hello")
            for reason in ("unlisted", "key"):
                stack.wait(lambda: self.refused(stack, reason) > 0, f"nobody is counted as {reason}")
            # Each side may be the first to see that the other wants something else, and close.
            stack.wait(lambda: self.refused(stack, "mechanism") + self.refused(stack, "broken") > 0, "it is not counted")
            with socket.create_connection(("127.0.0.1", self.port)) as raw:
                raw.sendall(NULL_GREETING)
                stack.wait(lambda: self.refused(stack, "mechanism") > 0, "nobody is counted as mechanism")
            before = self.refused(stack, "broken")
            with socket.create_connection(("127.0.0.1", self.port)) as raw:
                raw.sendall(b"\xff\0")
            stack.wait(lambda: self.refused(stack, "broken") > before, "nobody is counted as broken")
            with socket.create_connection(("127.0.0.1", self.port)) as raw:
                raw.settimeout(PATIENCE)
                with contextlib.suppress(ConnectionError):      # closed, with what was not read, or in order
                    raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
                    while raw.recv(4096):
                        pass
            load.wait_for(50)
            load.stopping.set()
            self.assertEqual(load.failures, [])
            self.assertEqual(self.unmanaged(stack), [])

    def test_the_list_is_read_again(self):
        self.configure_model("instances = 0; required = false;")
        with self.stack() as stack:
            worker = self.worker("host8")       # not in the list yet
            stack.wait(lambda: "nothing is heard of the broker" in worker.log.read_text(), "it does not say so")
            self.allow("host7", "host8")
            self.assertEqual(stack.outrigger("reload").returncode, 0)
            self.wait_for_worker(stack, worker.pid)
            self.assertEqual(self.ask(stack, [1, 2]), 3)
            self.allow("host7")
            self.assertEqual(stack.outrigger("reload").returncode, 0)
            self.assertEqual(self.unmanaged(stack), [])     # before the command returned
            (self.allowed / "bad.key").write_text("nonsense")
            refused = stack.outrigger("reload")
            self.assertEqual(refused.returncode, 1)
            self.assertIn("bad.key: line 1", refused.stderr)
            self.allow("host8")
            self.assertEqual(stack.outrigger("reload").returncode, 0)
            self.wait_for_worker(stack, worker.pid)     # by itself

    def test_an_asker_of_another_host(self):
        port = free_port()
        with self.stack(broker__askers_tcp=f"tcp://127.0.0.1:{port}") as stack:
            context = zmq.Context()
            self.addCleanup(context.destroy, 0)
            asker = context.socket(zmq.DEALER)
            for option in (zmq.PROBE_ROUTER, zmq.IMMEDIATE):
                asker.setsockopt(option, 1)
            asker.setsockopt(zmq.RCVTIMEO, PATIENCE * 1000)
            asker.curve_publickey, asker.curve_secretkey = zmq.auth.load_certificate(self.secret("host7"))
            asker.curve_serverkey, _ = zmq.auth.load_certificate(self.directory / "broker.key")
            asker.connect(f"tcp://127.0.0.1:{port}")
            self.assertEqual(msgpack.unpackb(asker.recv_multipart()[0])[1], PONG)
            tensor = msgpack.packb([["features", "FP32", [1, 2], np.array([1, 2], "<f4").tobytes()]])
            asker.send(msgpack.packb([1, REQUEST, 7, "sum", "", 1, 10_000_000, 0, 0, "", ""]) + msgpack.packb(tensor))
            while True:
                reader = msgpack.Unpacker()
                reader.feed(asker.recv_multipart()[0])
                envelope = next(reader)
                if envelope[1] == REPLY:
                    break
            [[_, _, _, data]] = msgpack.unpackb(next(reader))
            self.assertEqual(np.frombuffer(data, "<f4").tolist(), [3])
            self.assertEqual(len(stack.pids("broker")), 1)

    # ---- what happens to them ----

    def test_a_worker_by_hand_is_killed_under_load(self):
        with self.stack() as stack, Numbers(stack, connections=4) as load:
            for _ in range(5):
                worker = self.worker()
                self.wait_for_worker(stack, worker.pid)
                before = self.unmanaged(stack)[0]["answered"]
                stack.wait(lambda: self.unmanaged(stack)[0]["answered"] > before + 20, "it gets nothing to do")
                worker.kill()
                self.wait_for_worker(stack)
            load.wait_for(50)
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_a_worker_by_hand_is_stopped_under_load(self):
        """Silent for three heartbeats, it is given up; nobody here ends it, and when it goes on it serves again."""
        with self.stack() as stack, Numbers(stack, connections=4) as load:
            worker = self.worker()
            self.wait_for_worker(stack, worker.pid)
            load.wait_for(50)
            os.kill(worker.pid, signal.SIGSTOP)
            self.wait_for_worker(stack)
            load.wait_for(50)
            os.kill(worker.pid, signal.SIGCONT)
            self.wait_for_worker(stack, worker.pid)
            load.wait_for(50)
            load.stopping.set()
            self.assertEqual(load.failures, [])
            self.assertIsNone(worker.poll())

    def test_the_broker_is_killed_and_started_again_under_load(self):
        with self.stack() as stack, Numbers(stack, connections=4) as load:
            worker = self.worker()
            for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1):
                self.wait_for_worker(stack, worker.pid)
                load.wait_for(50)
                victim = stack.kill("broker", number)
                stack.wait(lambda: stack.pids("broker") not in ([], [victim]), "the broker was not started again")
            self.wait_for_worker(stack, worker.pid)
            load.wait_for(50)
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_the_network_is_cut_under_load(self):
        """Both ends look open for ever: each finds out by itself, and the worker comes back over new connections."""
        network = Network(self.port)
        self.addCleanup(network.end)
        with self.stack() as stack, Numbers(stack, connections=4) as load:
            worker = self.worker(port=network.port)
            for _ in range(2):
                self.wait_for_worker(stack, worker.pid)
                before = self.unmanaged(stack)[0]["answered"]
                stack.wait(lambda: self.unmanaged(stack)[0]["answered"] > before, "it gets nothing to do")
                registered = lambda: stack.log.read_text().count(f"worker {worker.pid} of host7 is ready")
                times = registered()
                network.cut()
                stack.wait(lambda: registered() > times, "it does not come back")
            self.wait_for_worker(stack, worker.pid)
            load.wait_for(50)
            load.stopping.set()
            self.assertEqual(load.failures, [])
            self.assertIsNone(worker.poll())

    def test_no_secret_is_told(self):
        """Neither in logs, nor in arguments, nor in what a process answers."""
        secrets = [self.secret(name).read_text().split('secret-key = "')[1].split('"')[0].encode()
                   for name in ("broker", "host7")]
        with self.stack(log_level="debug") as stack:
            worker = self.worker(log_level="debug")
            self.wait_for_worker(stack, worker.pid)
            told = stack.log.read_bytes() + worker.log.read_bytes()
            told += json.dumps([stack.status(), stack.control("broker.sock", {"command": "status"})]).encode()
            told += stack.request("GET", "/metrics")[2] + stack.outrigger("check").stdout.encode()
            for pid in (worker.pid, *stack.pids("broker")):
                told += pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() + pathlib.Path(f"/proc/{pid}/environ").read_bytes()
            self.assertIn(b"came in", told)
            for secret in secrets:
                self.assertNotIn(secret, told)


if __name__ == "__main__":
    unittest.main()
