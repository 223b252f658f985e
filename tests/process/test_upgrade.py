"""Programs are replaced by those of another release under load, and by those of before again: no request fails."""
import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import msgpack
import numpy as np
import zmq

from load import Sums
from played_broker import decode, encode, join, part
from stack import BIN, PATIENCE, ROOT, Stack, alive
from test_restart import write_model
from test_users import OBSTACLE

RELEASE = re.search(rb"^VERSION +:= (\S+)", (ROOT / "Makefile").read_bytes(), re.MULTILINE)[1]
NEXT = RELEASE[:-1] + (b"1" if RELEASE[-1:] != b"1" else b"2")  # as long: the programs of the build are made to say it


def install(folder, release):
    """Puts the programs there as an installation does it, each in the place of the one before by a rename."""
    for program in BIN.iterdir():
        fresh = folder / (program.name + ".new")
        fresh.write_bytes(program.read_bytes().replace(RELEASE + b"\0", release + b"\0")
                          .replace(RELEASE + b"\n\0", release + b"\n\0"))
        fresh.chmod(0o755)
        os.replace(fresh, folder / program.name)


class Upgrade(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-upgrade."))
        self.directory.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.directory)
        self.programs = self.directory / "bin"
        self.programs.mkdir()
        (self.directory / "deps").symlink_to(ROOT / "build/deps")
        write_model(self.directory / "models", "sum", configuration="instances = 2;")
        install(self.programs, RELEASE)

    def stack(self, **settings):
        return Stack(web="nginx", models=self.directory / "models", programs=self.programs,
                     settings={name.replace("__", "."): value for name, value in settings.items()})

    def test_there_and_back_under_load(self):
        with self.stack(frontend__processes="2") as stack, Sums(stack) as load:
            supervisor = stack.supervisor.pid
            for before, release in ((RELEASE, NEXT), (NEXT, RELEASE)):
                old = stack.pids()
                self.assertIn(f"\nrelease {before.decode()}\n", stack.outrigger("status").stdout)
                install(self.programs, release)
                load.wait_for(100)
                done = stack.outrigger("upgrade", "--wait", "100s")
                self.assertEqual(done.returncode, 0, done)
                self.assertEqual(done.stdout.splitlines()[-1], f"upgraded: {before.decode()} -> {release.decode()}")
                self.assertEqual([pid for pid in old if alive(pid)], [])
                status = stack.status()
                self.assertEqual({process["release"] for process in status["processes"]}, {release.decode()})
                self.assertEqual((status["release"], status["replacing"]), (release.decode(), 0))
                self.assertEqual(status["successions"], {"collector": {"outdated": 1}, "broker": {"outdated": 1},
                                                         "worker": {"outdated": 2}, "frontend": {"outdated": 2}})
                self.assertIn(f"\nrelease {release.decode()}\n", stack.outrigger("status").stdout)
                self.assertEqual(os.readlink(f"/proc/{supervisor}/exe"), str(self.programs / "outrigger-supervisor"))
            load.wait_for(100)
            # Whatever ends now is ours to wait for: nothing of it stays.
            load.end()
            print(f"{load.answered} requests, {len(load.failures)} failed", flush=True)
            self.assertEqual(load.failures, [])
            zombies = [line for line in pathlib.Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
                       if not alive(int(line))]
            self.assertEqual(zombies, [])

    @unittest.skipIf(OBSTACLE, OBSTACLE)
    def test_root_has_been_given_up(self):
        """As the user that it has become it goes on; where workers are another user's it says who has to do it."""
        with self.stack(user="daemon") as stack:
            old = stack.pids()
            self.assertEqual(stack.outrigger("upgrade").stdout, "upgraded: {0} -> {0}\n".format(RELEASE.decode()))
            self.assertEqual(stack.pids(), old)
        with self.stack(user="daemon", worker__user="nobody") as stack:
            done = stack.outrigger("upgrade")
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(f"have the service manager start it again (kill -9 {stack.supervisor.pid};", done.stderr)

    def test_what_is_refused_changes_nothing(self):
        """A program that does not take the configuration, or does not run at all; and a worker that does not start."""
        with self.stack() as stack, Sums(stack, connections=2) as load:
            old, began = stack.pids(), stack.status()["began_ms"]
            supervisor = self.programs / "outrigger-supervisor"
            for text, reason in (("#!/bin/sh\necho 'frontend.max_rows: is no more' >&2\nexit 1\n",
                                  "--dry-run refuses: frontend.max_rows: is no more"),
                                 ("no program", "Exec format error")):
                supervisor.unlink()
                supervisor.write_text(text)
                supervisor.chmod(0o755)
                done = stack.outrigger("upgrade")
                self.assertEqual(done.returncode, 1, done)
                self.assertIn("not upgraded: ", done.stderr)
                self.assertIn(reason, done.stderr)
            self.assertEqual((stack.pids(), stack.status()["began_ms"]), (old, began))
            install(self.programs, NEXT)
            worker = self.programs / "outrigger-worker"
            worker.unlink()
            worker.write_text("#!/bin/sh\necho 'no library' >&2\nexit 1\n")
            worker.chmod(0o755)
            done = stack.outrigger("upgrade", "--json")
            self.assertEqual(done.returncode, 1, done)
            self.assertRegex(json.loads(done.stdout)["error"], rf"worker\.sum\.1\.\d \(\d+\) stays what it was, {re.escape(RELEASE.decode())}")
            self.assertRegex(stack.outrigger("status").stdout,
                             r"\nrelease {1}; not: worker\.sum\.1\.1 \({0}\), worker\.sum\.1\.2 \({0}\)\n".format(
                                 *(re.escape(release.decode()) for release in (RELEASE, NEXT))))
            install(self.programs, NEXT)
            done = stack.outrigger("upgrade")
            self.assertEqual(done.returncode, 0, done)
            load.end()
            self.assertEqual(load.failures, [])


READY, RESULT, BATCH, BEAT, HEARTBEAT = 32, 33, 48, 50, 34
REQUEST, PING, REPLY, PONG, CATALOG = 1, 3, 16, 18, 19


class NextVersion(unittest.TestCase):
    """Peers that speak version 2 of the wire, and go back to 1 since this broker does (PROTOCOL.md, section 8). What they
    say in 2 is refused, and does no harm."""

    def connect(self, endpoint):
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.PROBE_ROUTER, 1)
        socket.connect(endpoint)
        self.addCleanup(socket.close)
        return socket

    def expect(self, socket, verb):
        """The next message of that verb, of version 1 as all are: its number, fields and payloads."""
        while socket.poll(PATIENCE * 1000):
            version, got, number, fields, payloads = part(socket.recv_multipart())
            self.assertEqual(version, 1)
            if got == verb:
                return number, fields, payloads
        raise AssertionError(f"no verb {verb} came")

    def test_a_worker_and_an_asker_of_it(self):
        with tempfile.TemporaryDirectory() as models:
            write_model(pathlib.Path(models), "sum", configuration="instances = 0;")
            settings = {"broker.workers_by_hand": "true"}
            with Stack(models=models, settings=settings) as stack:
                worker = self.connect(f"ipc://{stack.runtime}/workers.ipc")
                self.expect(worker, BEAT)
                ready = ["sum", "1", 8, 1, 60000, os.getpid(), "", 77]
                schema = msgpack.packb({"platform": "plain", "inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, 4]}],
                                        "outputs": [{"name": "y", "datatype": "FP64", "shape": [-1]}]})
                worker.send_multipart(join(2, READY, 0, [*ready, "more", {"than": "that"}], [schema]))
                worker.send_multipart(join(2, HEARTBEAT, 0, [77, "more"], []))
                worker.send_multipart(join(1, READY, 0, ready, [schema]))
                asker = self.connect(f"ipc://{stack.runtime}/askers.ipc")
                self.expect(asker, PONG)
                asker.send_multipart(join(2, PING, 5, ["more"], []))
                asker.send_multipart(join(1, PING, 6, [], []))
                self.assertEqual(self.expect(asker, PONG)[0], 6)    # as the one before was refused, and not answered
                stack.wait(lambda: any(entry["workers"] for entry in
                                       stack.control("broker.sock", {"command": "status"})["models"]), "no worker")
                request = ["sum", "1", 1, 60_000_000, 1, 0, "", "tag"]
                rows = encode("x", np.array([[1.0, 2.0, 3.0, 4.0]]))
                asker.send_multipart(join(2, REQUEST, 8, [*request, "more"], [rows]))
                asker.send_multipart(join(1, REQUEST, 9, request, [rows]))
                number, (count, *_), payloads = self.expect(worker, BATCH)
                self.assertEqual((count, decode(payloads[0])["x"].tolist()), (1, [[1, 2, 3, 4]]))
                worker.send_multipart(join(2, RESULT, number, [1, 5, b"", "more"], [encode("y", np.array([11.0]))]))
                worker.send_multipart(join(1, RESULT, number, [1, 5, b""], [encode("y", np.array([10.0]))]))
                number, (version, *_), payloads = self.expect(asker, REPLY)
                self.assertEqual((number, version, decode(payloads[0])["y"].tolist()), (9, "1", [10.0]))
                stack.wait(lambda: "the protocol version is not 1" in stack.log.read_text(), "it is not logged")


if __name__ == "__main__":
    unittest.main()
