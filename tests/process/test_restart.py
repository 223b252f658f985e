"""Processes are replaced under load: by the operator's word, by their age, by a supervisor that came back."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import tempfile
import unittest

from load import Sums
from stack import Stack, alive, web_servers

SUCCESSIONS = "outrigger_process_successions_total"


def write_model(repository, name, version="1", text="", configuration=None):
    directory = repository / name / version
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.echo").write_text(f"features = 4;\n{text}\n")
    if configuration is not None:
        (repository / name / "model.conf").write_text(configuration)


class Restart(unittest.TestCase):
    def setUp(self):
        self.repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.addCleanup(shutil.rmtree, self.repository)
        write_model(self.repository, "sum", configuration="instances = 2;")

    def stack(self, web="nginx", **settings):
        return Stack(web=web, models=self.repository,
                     settings={name.replace("__", "."): value for name, value in settings.items()})

    def started(self, stack):
        """The pids of all processes, by their kind."""
        kinds = {}
        for process in stack.status()["processes"]:
            self.assertEqual(process["state"], "running", process)
            kinds.setdefault(process["kind"], set()).add(process["pid"])
        return kinds

    def restart(self, stack, *words):
        done = stack.outrigger("restart", *words)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(done.stdout.splitlines()[-1], "restarted")
        return done.stdout

    def series(self, stack, name, **labels):
        """The sum of the metric's series with these labels, as the collector tells them."""
        with socket.create_connection(("127.0.0.1", stack.metrics_port)) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            text = connection.makefile().read()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith(name + "{") and
                   all(f'{label}="{value}"' in line for label, value in labels.items()))

    # ---- by the operator's word ----

    def test_each_kind_under_load(self):
        for web in [web for web in web_servers() if web in ("nginx", "apache")]:
            with self.subTest(web=web), self.stack(web, frontend__processes="2") as stack, Sums(stack) as load:
                for what, kind in (("workers", "worker"), ("frontends", "frontend"), ("broker", "broker"),
                                   ("collector", "collector")):
                    load.wait_for(200)
                    before = self.started(stack)
                    lines = self.restart(stack, what)
                    after = self.started(stack)
                    self.assertEqual(before[kind] & after[kind], set(), what)
                    self.assertEqual(len(before[kind]), len(after[kind]), what)
                    for other in before.keys() - {kind}:
                        self.assertEqual(before[other], after[other], f"{what}: {other}")
                    for pid in before[kind]:
                        self.assertIn(f"({pid}): ", lines)
                        self.assertFalse(alive(pid))
                load.wait_for(200)
                load.stopping.set()
                print(f"{web}: {load.answered} requests, {len(load.failures)} failed", flush=True)
                self.assertEqual(load.failures, [])

    def test_all_of_them_twice(self):
        with self.stack(frontend__processes="2") as stack, Sums(stack) as load:
            for _ in range(2):
                before = stack.pids()
                self.restart(stack, "all")
                self.assertFalse([pid for pid in before if alive(pid)])
                self.assertEqual(len(stack.pids()), len(before))
            load.wait_for(200)
            load.stopping.set()
            self.assertEqual(load.failures, [])
            successions = stack.status()["successions"]
            self.assertEqual(successions, {"collector": {"restart": 2}, "broker": {"restart": 2},
                                           "worker": {"restart": 4}, "frontend": {"restart": 4}})
            self.assertIn("worker: 4 replaced (restart 4)", stack.outrigger("status").stdout)
            labels = {"kind": "worker", "model": "sum", "cause": "restart"}
            stack.wait(lambda: self.series(stack, SUCCESSIONS, **labels) == 4, "not counted")

    def test_workers_of_one_model(self):
        write_model(self.repository, "other")
        with self.stack() as stack, Sums(stack, "other") as load:
            before = stack.pids("worker.sum")
            self.restart(stack, "workers", "--model", "other")
            self.assertEqual(stack.pids("worker.sum"), before)
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_a_long_batch_is_finished(self):
        """The old worker and the old frontend have more to do than the time that a process has to stop."""
        write_model(self.repository, "slow", configuration="idempotent = false;")
        with self.stack(supervisor__stop_timeout_ms="100") as stack:
            with Sums(stack, "slow", 2, [-1001.0, 2500.0, 0.0, 0.0]) as load:
                for what in ("workers", "frontends", "broker"):
                    stack.wait(lambda: any(worker["in_flight"] for worker in self.workers(stack)), "no load")
                    self.restart(stack, what)
                load.stopping.set()
            self.assertEqual(load.failures, [])

    def workers(self, stack):
        return stack.control("broker.sock", {"command": "status"})["workers"]

    def test_what_is_not_idempotent_is_computed_once(self):
        write_model(self.repository, "once", configuration="idempotent = false;")
        with self.stack(collector__interval_ms="100") as stack:
            with Sums(stack, "once", row=[-1001.0, 3.0, 0.0, 0.0]) as load:
                for what in ("workers", "broker", "workers", "broker"):
                    load.wait_for(50)
                    self.restart(stack, what)
            self.assertEqual(load.failures, [])
            rows = lambda: self.series(stack, "outrigger_worker_rows_total", model="once")
            stack.wait(lambda: rows() >= load.answered, "not all rows are counted")
            self.assertEqual(rows(), load.answered)

    def test_refusals(self):
        write_model(self.repository, "bad", text='start = "fail";', configuration="required = false;")
        with self.stack(web=None, supervisor__storm_count="2", supervisor__restart_max_ms="3600000") as stack:
            stack.wait(lambda: stack.process("worker.bad.1.1")["state"] == "failed", "it is not called failed")
            for words, status, reason in (
                    ((), 2, "expected workers|frontends|broker|collector|all, got nothing"),
                    (("workers",), 1, "worker.bad.1.1 is failed: exit 1"),
                    (("all",), 1, "worker.bad.1.1 is failed: exit 1"),
                    (("workers", "--model", "none"), 1, "there is no model none"),
                    (("broker", "--model", "sum"), 1, "only workers are of a model"),
                    (("frontend",), 2, "got frontend; the nearest known is frontends")):
                done = stack.outrigger("restart", *words)
                self.assertEqual(done.returncode, status, done)
                self.assertIn(reason, done.stderr)
            self.assertIs(stack.control("supervisor.sock", {"command": "restart-progress", "id": 0})["ok"], False)
            # Two at a time: the second is refused, the first goes on.
            first = stack.control("supervisor.sock", {"command": "restart", "what": "workers", "model": "sum"})
            second = stack.outrigger("restart", "broker")
            self.assertEqual(second.returncode, 1, second)
            self.assertIn("another restart is under way", second.stderr)
            progress = {"command": "restart-progress", "id": first["id"], "from": 0}
            stack.wait(lambda: stack.control("supervisor.sock", progress)["done"], "it does not end")
            self.assertEqual(len(stack.control("supervisor.sock", progress)["lines"]), 6)

    def test_nothing_to_talk_to(self):
        with tempfile.TemporaryDirectory() as directory:
            stack = self.stack()
            stack.parameters = {"runtime_directory": directory}
            done = stack.outrigger("restart", "all")
            self.assertEqual(done.returncode, 3, done)
            self.assertIn("no supervisor runs", done.stderr)

    def test_a_successor_that_does_not_start(self):
        """The old ones stay, the reason is told, and nothing is left of the attempt."""
        with self.stack(supervisor__watch="false") as stack, Sums(stack) as load:
            before = stack.pids()
            names = sorted(process["name"] for process in stack.status()["processes"])
            write_model(self.repository, "sum", text='start = "fail";')
            done = stack.outrigger("restart", "workers")
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("given up: worker.sum.1.3 does not get ready, worker.sum.1.1 stays: exit 1", done.stderr)
            stack.wait(lambda: sorted(process["name"] for process in stack.status()["processes"]) == names,
                       "the successor stays")
            self.assertEqual(stack.pids(), before)
            write_model(self.repository, "sum")
            self.restart(stack, "workers")
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_deaths_in_the_middle(self):
        """The old ones and the new ones are killed while they are replaced."""
        with self.stack(frontend__processes="2") as stack, Sums(stack) as load:
            for _ in range(4):
                stack.control("supervisor.sock", {"command": "restart", "what": "workers"})
                for _ in range(3):
                    pids = stack.pids("worker")
                    if pids:
                        with contextlib.suppress(ProcessLookupError):  # the restart ended it in the meantime
                            os.kill(pids[0], signal.SIGKILL)
                    load.wait_for(30)
                stack.wait(lambda: len(stack.pids("worker")) == 2 and len(self.workers(stack)) == 2 and
                           len([process for process in stack.status()["processes"]
                                if process["kind"] == "worker"]) == 2, "not two workers")
            load.stopping.set()
            self.assertEqual(load.failures, [])

    # ---- by their age ----

    def test_workers_are_recycled_by_requests(self):
        write_model(self.repository, "sum", configuration="instances = 2; limits: { max_requests = 300; };")
        with self.stack(collector__interval_ms="100") as stack, Sums(stack) as load:
            recycled = lambda: stack.status()["successions"].get("worker", {}).get("max_requests", 0)
            stack.wait(lambda: recycled() >= 4, "they are not recycled")
            load.stopping.set()
            self.assertEqual(load.failures, [])
            self.assertTrue(any(process["origin"].endswith(": max_requests")
                                for process in stack.status()["processes"]))
            stack.wait(lambda: self.series(stack, SUCCESSIONS, cause="max_requests") >= 4, "not counted")

    def test_frontends_are_recycled_by_requests(self):
        with self.stack(frontend__processes="2", frontend__max_requests="300") as stack, Sums(stack) as load:
            stack.wait(lambda: stack.status()["successions"].get("frontend", {}).get("max_requests", 0) >= 4,
                       "they are not recycled")
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_workers_are_recycled_by_memory(self):
        """A limit that every worker is above: each goes, but not before it has lived for a while."""
        with self.stack(worker__max_rss_mb="1") as stack, Sums(stack, connections=2) as load:
            stack.wait(lambda: stack.status()["successions"].get("worker", {}).get("max_rss", 0) >= 2,
                       "they are not recycled")
            load.stopping.set()
            self.assertEqual(load.failures, [])

    # ---- a supervisor that comes back ----

    def kill_supervisor(self, stack):
        stack.supervisor.kill()
        stack.supervisor.wait()

    def test_it_adopts_what_it_finds(self):
        with self.stack(frontend__processes="2") as stack, Sums(stack) as load:
            old = sorted(stack.pids())
            for _ in range(3):
                self.kill_supervisor(stack)
                load.wait_for(200)
                self.assertTrue(all(alive(pid) for pid in old))
                stack._start_supervisor()
                self.assertEqual(sorted(stack.pids()), old)
                load.wait_for(200)
            for process in stack.status()["processes"]:
                self.assertEqual((process["state"], process["origin"], process["restarts"]),
                                 ("running", "adopted", 0), process)
            self.assertIn("adopted", stack.outrigger("status").stdout)
            self.assertEqual(stack.log.read_text().count(": adopted"), 3 * len(old))
            # They are ours as any other: what they say is heard, their death is noticed, they can be replaced.
            victim = stack.kill("worker.sum.1.1")
            stack.wait(lambda: stack.pids("worker.sum.1.1") not in ([], [victim]), "it is not started again")
            self.restart(stack, "all")
            self.assertFalse([pid for pid in old if alive(pid)])
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_the_next_broker_believes_the_workers_that_there_are(self):
        """What they show to it outlives supervisors and brokers, and nobody else learns it."""
        def known():
            workers = stack.control("broker.sock", {"command": "status"})["workers"]
            return sorted(worker["pid"] for worker in workers if worker["managed"])
        with self.stack(log_level="debug") as stack, Sums(stack) as load:
            workers = sorted(pid for process in stack.status()["processes"] if process["kind"] == "worker"
                             for pid in [process["pid"]])
            for while_the_supervisor_is_away in (False, True):
                self.kill_supervisor(stack)
                broker, = (entry["pid"] for entry in self.ledger(stack) if entry["role"] == "broker")
                if while_the_supervisor_is_away:
                    os.kill(broker, signal.SIGKILL)
                stack._start_supervisor()
                if not while_the_supervisor_is_away:
                    os.kill(broker, signal.SIGKILL)
                stack.wait(lambda: stack.pids("broker") not in ([], [broker]), "the broker was not started again")
                stack.wait(lambda: known() == workers, "it does not know the workers")
                load.wait_for(100)
            load.end()
            self.assertEqual(load.failures, [])
            told = stack.log.read_bytes() + stack.request("GET", "/metrics")[2]
            told += json.dumps([stack.status(), stack.control("broker.sock", {"command": "status"})]).encode()
            for pid in stack.pids():
                told += pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() + pathlib.Path(f"/proc/{pid}/environ").read_bytes()
            tokens = [entry["token"].encode() for entry in self.ledger(stack) if "token" in entry]
            self.assertEqual(len(set(tokens)), len(workers))
            self.assertFalse([token for token in tokens if token in told])
            self.assertNotIn(b"a worker was refused", told)
            self.assertEqual((stack.runtime / "processes.json").stat().st_mode & 0o777, 0o600)

    @staticmethod
    def ledger(stack):
        return json.loads((stack.runtime / "processes.json").read_text())["processes"]

    def test_it_replaces_what_died_meanwhile(self):
        with self.stack(frontend__processes="2") as stack, Sums(stack) as load:
            worker, frontend = stack.pids("worker.sum.1.1")[0], stack.pids("frontend.1")[0]
            self.kill_supervisor(stack)
            os.kill(worker, signal.SIGKILL)
            os.kill(frontend, signal.SIGKILL)
            load.wait_for(200)
            stack._start_supervisor()
            self.assertEqual(stack.process("worker.sum.1.1")["origin"], f"replaces {worker}, which had died")
            self.assertEqual(stack.process("frontend.1")["origin"], f"replaces {frontend}, which had died")
            self.assertEqual(stack.process("worker.sum.1.2")["origin"], "adopted")
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_it_replaces_what_was_started_otherwise(self):
        """Other options: the old ones serve until the new ones are there."""
        with self.stack(frontend__processes="2") as stack, Sums(stack) as load:
            old = stack.pids()
            self.kill_supervisor(stack)
            stack.settings["frontend.max_rows"] = "99999"
            stack._start_supervisor()
            stack.wait(lambda: not any(alive(pid) for pid in old), "old ones are left")
            stack.wait(lambda: len(stack.pids()) == len(old), "not all run")
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_frontends_of_a_socket_that_is_gone(self):
        """Somebody removed the socket's file: a new one is made, the frontends follow."""
        with self.stack(web=None, frontend__processes="2") as stack:
            old = stack.pids("frontend")
            self.kill_supervisor(stack)
            os.unlink(stack.socket)
            stack._start_supervisor()
            stack.wait(lambda: not any(alive(pid) for pid in old), "old ones are left")
            stack.wait(lambda: len(stack.pids("frontend")) == 2, "not two frontends")
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(stack.socket)

    def test_other_directories_cannot_be_adopted(self):
        with self.stack(web=None) as stack:
            old = stack.pids()
            self.kill_supervisor(stack)
            shutil.copytree(self.repository, stack.directory / "others")
            stack.settings["models_directory"] = stack.directory / "others"
            stack._start_supervisor()
            self.assertFalse([pid for pid in old if alive(pid)])
            self.assertIn("its sockets, directories or users are not those of the configuration", stack.log.read_text())
            self.assertIn("which could not be adopted", stack.process("broker")["origin"])

    def test_a_start_in_the_middle_is_adopted_too(self):
        """A worker that has not said ready when the supervisor dies: its word is heard by the next."""
        gate = self.repository / "gate"
        os.mkfifo(gate)
        model = self.repository / "gated" / "1"
        model.mkdir(parents=True)
        (model / "model.py").write_text(
            f"class Model:\n    features = 4\n    def load(self, directory):\n        open({str(gate)!r}).read()\n"
            "    def predict(self, rows):\n        return {'prediction': rows.sum(axis=1)}\n")
        (self.repository / "gated" / "model.conf").write_text("required = false;")
        with self.stack(web=None, sandbox__worker_read=str(gate)) as stack:
            stack.wait(lambda: stack.process("worker.gated.1.1")["state"] == "starting", "it is not started")
            pid = stack.process("worker.gated.1.1")["pid"]
            self.kill_supervisor(stack)
            stack._start_supervisor()
            self.assertEqual((stack.process("worker.gated.1.1")["state"], stack.process("worker.gated.1.1")["pid"]),
                             ("starting", pid))
            gate.write_text("")
            stack.wait(lambda: stack.pids("worker.gated.1.1") == [pid], "its word is not heard")

    def test_it_dies_in_a_roll(self):
        """The roll is not finished by the next supervisor, but there are as many of each as there shall be."""
        with self.stack(frontend__processes="2") as stack, Sums(stack) as load:
            for _ in range(5):
                stack.wait(lambda: stack.control("supervisor.sock", {"command": "restart", "what": "all"})["ok"],
                           "no restart")
                load.wait_for(20)
                self.kill_supervisor(stack)
                stack._start_supervisor()
                stack.wait(lambda: len(stack.status()["processes"]) == 6 == len(stack.pids()), "not six processes")
                stack.wait(lambda: len(self.workers(stack)) == 2, "not two workers")
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_it_dies_at_its_start(self):
        """Whenever it is killed, no process is left that the next one does not know."""
        for starts in range(1, 6):
            stack = self.stack(web=None)
            in_full = stack._read_ready, stack._wait_until_it_serves
            stack._read_ready = lambda _, starts=starts: stack.log.read_text().count("-> starting") >= starts
            stack._wait_until_it_serves = lambda: None
            with stack:
                self.kill_supervisor(stack)
                stack._read_ready, serves = in_full
                stack._start_supervisor()
                serves()
                self.assertEqual(sorted(self.of_this_stack(stack)), sorted(stack.pids()))
                self.assertEqual(len(stack.pids()), 5)  # two workers and one of each other kind

    def of_this_stack(self, stack):
        """The processes of ours whose command line names this runtime directory, but the supervisor."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            except OSError:
                continue
            if str(stack.runtime).encode() in line and b"outrigger-supervisor" not in line and alive(int(entry.name)):
                found.append(int(entry.name))
        return found

    # ---- reload ----

    def test_what_needs_a_restart_is_said(self):
        file = self.repository / ".outrigger.conf"
        file.write_text("")
        stack = self.stack(web=None, supervisor__watch="0")  # else it may have read, and logged, what is new before it is told to
        stack.arguments = lambda: ["-c", str(file)] + Stack.arguments(stack)
        with stack:
            file.write_text("frontend: { max_rows = 7; }; worker: { max_requests = 1000000; };")
            write_model(self.repository, "sum",
                        configuration="instances = 2; batching: { max_batch_rows = 8; }; queue: { max_rows = 9; };")
            done = stack.outrigger("reload")
            self.assertEqual(done.returncode, 0, done)
            self.assertEqual(done.stdout.splitlines(), [
                "changed, and needs more than a reload: frontend.max_rows: outrigger restart frontends",
                "changed, and needs more than a reload: batching.max_batch_rows of model sum: "
                "outrigger restart workers --model sum",
                "reloaded"])
            self.assertEqual(stack.outrigger("reload").stdout, "reloaded\n")


if __name__ == "__main__":
    unittest.main()
