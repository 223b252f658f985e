"""The supervisor with the real programs: what it makes and leaves, what it changes at a reload, how it comes back."""
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile
import unittest

from load import JSON, ROW, Sums
from stack import BIN, ROOT, Stack, alive

PYTHON_MODEL = """
class Model:
    features = 4
    def load(self, directory):
        pass
    def predict(self, rows):
        return {"prediction": rows.sum(axis=1)}
"""


def write_model(repository, name, version="1", start="", configuration=None, file="model.echo"):
    directory = repository / name / version
    directory.mkdir(parents=True, exist_ok=True)
    text = PYTHON_MODEL if file == "model.py" else f"features = 4;\n{start}\n"
    (directory / file).write_text(text)
    if configuration is not None:
        (repository / name / "model.conf").write_text(configuration)


class Supervisor(unittest.TestCase):
    def setUp(self):
        self.repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.addCleanup(shutil.rmtree, self.repository)
        write_model(self.repository, "sum")

    def stack(self, web="nginx", **settings):
        return Stack(web=web, models=self.repository,
                     settings={name.replace("__", "."): value for name, value in settings.items()})

    def predict(self, stack, model="sum"):
        status, _, body = stack.request("POST", f"/api/v1/models/{model}/predict", json.dumps({"features": ROW}), JSON)
        return status, json.loads(body)

    def serves(self, stack, model="sum"):
        status, answer = self.predict(stack, model)
        return status == 200 and answer["prediction"] == sum(ROW)

    def reload(self, stack):
        return stack.control("supervisor.sock", {"command": "reload"})

    def names(self, stack):
        return sorted(process["name"] for process in stack.status()["processes"])

    # ---- what it makes ----

    def test_modes_and_names(self):
        with self.stack(web=None, frontend__processes="2") as stack:
            mode = lambda name: stat.S_IMODE(os.stat(stack.runtime / name).st_mode)
            self.assertEqual(mode(""), 0o750)
            self.assertEqual(mode("frontend.sock"), 0o660)
            self.assertEqual(mode("supervisor.sock"), 0o600)
            self.assertEqual(mode("broker.sock"), 0o600)
            for endpoint in ("askers.ipc", "workers.ipc"):
                self.assertEqual(mode(endpoint) & 0o077, 0, endpoint)
            self.assertEqual(self.names(stack), ["broker", "collector", "frontend.1", "frontend.2", "worker.sum.1.1"])
            for process in stack.status()["processes"]:
                self.assertEqual((process["state"], process["restarts"], process["cause"]), ("running", 0, ""))
                self.assertEqual(process["kind"], process["name"].split(".")[0])
                self.assertTrue(alive(process["pid"]))

    def test_children_have_only_what_is_listed(self):
        with self.stack(web=None) as stack:
            inherited = os.readlink(f"/proc/{stack.pids('frontend.1')[0]}/fd/0")
            self.assertTrue(inherited.startswith("socket:"), inherited)
            for name in ("broker", "collector", "worker.sum.1.1"):
                self.assertEqual(os.readlink(f"/proc/{stack.pids(name)[0]}/fd/0"), "/dev/null", name)
            for pid in stack.pids():
                for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
                    try:
                        target = os.readlink(descriptor)
                    except FileNotFoundError:  # closed since
                        continue
                    self.assertFalse(target.endswith(("supervisor.lock", "supervisor.sock")), target)

    def test_second_supervisor_refuses(self):
        with self.stack(web=None) as stack:
            pids = stack.pids()
            second = subprocess.run([BIN / "outrigger-supervisor", *stack.arguments()], cwd=ROOT, text=True,
                                    stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(second.returncode, 1)
            self.assertIn("another supervisor runs here already", second.stderr)
            self.assertEqual(stack.pids(), pids)

    def test_a_directory_that_cannot_be_made(self):
        (self.repository / "file").write_text("")
        answer = subprocess.run([BIN / "outrigger-supervisor", "-s", f"runtime_directory={self.repository}/file/run"],
                                cwd=ROOT, text=True, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("Not a directory", answer.stderr)

    def test_unknown_commands_are_refused(self):
        with self.stack(web=None) as stack:
            for command in ({"command": "dance"}, {"command": "worker-hung"}, {"command": "worker-hung", "pid": 1},
                            {"command": "worker-hung", "pid": "1"}, {"command": "worker-hung", "pid": -1},
                            {"command": "worker-unknown"}, {"command": "worker-unknown", "question": "1"}):
                self.assertIs(stack.control("supervisor.sock", command)["ok"], False, command)

    # ---- deaths ----

    def test_no_connection_is_refused_while_frontends_die(self):
        with self.stack(frontend__processes="2") as stack:
            for _ in range(5):
                for name in ("frontend.1", "frontend.2"):
                    stack.wait(lambda name=name: stack.pids(name), f"{name} does not come back")
                    stack.kill(name)
                self.assertEqual(stack.request("GET", "/health")[0], 200)  # it waited in the backlog
            self.assertEqual(stack.process("frontend.1")["cause"], "killed by signal 9")
            self.assertGreaterEqual(stack.process("frontend.1")["restarts"], 4)

    def test_a_model_that_cannot_start_harms_no_other(self):
        """It is tried ever less often, is called failed in the end, and starts at once when it is mended."""
        write_model(self.repository, "bad", start='start = "fail";', configuration="required = false;")
        with self.stack(supervisor__storm_count="2", supervisor__restart_max_ms="3600000") as stack:
            stack.wait(lambda: stack.process("worker.bad.1.1")["state"] == "failed", "it is not called failed")
            bad = stack.process("worker.bad.1.1")
            self.assertTrue(bad["cause"].startswith("exit 1: "), bad)
            self.assertEqual(bad["restarts"], 1)
            self.assertTrue(self.serves(stack))
            write_model(self.repository, "bad")
            self.assertEqual(self.reload(stack), {"ok": True})
            stack.wait(lambda: self.serves(stack, "bad"), "the mended model does not serve")

    def test_a_worker_that_does_not_get_ready_is_stopped(self):
        write_model(self.repository, "slow", start='start = "hang";', configuration="required = false;")
        with self.stack(web=None, supervisor__start_timeout_ms="3000") as stack:
            stack.wait(lambda: stack.process("worker.slow.1.1")["cause"].startswith("not ready within 3000 ms"),
                       "it is not stopped")

    def test_hung_worker_is_killed_on_the_brokers_word(self):
        with self.stack() as stack:
            pid, = stack.pids("worker.sum.1.1")
            self.assertEqual(stack.control("supervisor.sock", {"command": "worker-hung", "pid": pid}), {"ok": True})
            stack.wait(lambda: stack.pids("worker.sum.1.1") not in ([], [pid]), "it is not replaced")
            self.assertEqual(stack.process("worker.sum.1.1")["cause"], "killed because it hung")
            stack.wait(lambda: self.serves(stack), "the new one does not serve")

    # ---- reload ----

    def test_models_come_and_go(self):
        with self.stack() as stack:
            write_model(self.repository, "more", configuration="instances = 3;")
            write_model(self.repository, "snake", file="model.py")
            os.kill(stack.supervisor.pid, signal.SIGHUP)
            stack.wait(lambda: self.serves(stack, "more") and self.serves(stack, "snake"), "new models do not serve")
            stack.wait(lambda: len(stack.pids("worker.more")) == 3, "not three workers")
            write_model(self.repository, "more", configuration="instances = 1;")
            self.reload(stack)
            stack.wait(lambda: len([name for name in self.names(stack) if "more" in name]) == 1, "not one worker")
            shutil.rmtree(self.repository / "snake")
            self.reload(stack)
            stack.wait(lambda: "worker.snake.1.1" not in self.names(stack), "a worker of a model that went")
            self.assertTrue(self.serves(stack))
            self.assertTrue(self.serves(stack, "more"))

    def test_frontends_are_added_and_taken_away(self):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "outrigger.conf"
            file.write_text("frontend: { processes = 1; };\n")
            stack = self.stack()
            stack.arguments = lambda: ["-c", str(file)] + Stack.arguments(stack)
            with stack, Sums(stack, connections=1) as load:
                for count in (3, 1, 2):
                    file.write_text("frontend: { processes = %d; };\n" % count)
                    self.assertEqual(self.reload(stack), {"ok": True})
                    stack.wait(lambda count=count: len(stack.pids("frontend")) == count and
                               len([name for name in self.names(stack) if "frontend" in name]) == count,
                               f"not {count} frontends")
                load.stopping.set()
                self.assertEqual(load.failures, [])

    def test_a_wrong_configuration_changes_nothing(self):
        with self.stack() as stack:
            before = self.names(stack)
            write_model(self.repository, "new")
            write_model(self.repository, "sum", configuration="instances = many;")
            answer = self.reload(stack)
            self.assertIs(answer["ok"], False)
            self.assertIn("model.conf:1", answer["error"])
            self.assertEqual(self.names(stack), before)
            self.assertTrue(self.serves(stack))

    def test_what_cannot_change_is_said(self):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "outrigger.conf"
            file.write_text("")
            stack = self.stack(web=None)
            stack.arguments = lambda: ["-c", str(file)] + Stack.arguments(stack)
            with stack:
                file.write_text(f'broker: {{ workers = "ipc://{directory}/other.ipc"; }};\n')
                answer = self.reload(stack)
                self.assertIs(answer["ok"], False)
                self.assertIn("broker.workers cannot change", answer["error"])

    # ---- another version ----

    def versions(self, stack):
        return sorted(process["version"] for process in stack.status()["processes"] if process["model"] == "sum")

    def test_versions_change_under_load(self):
        """New beside old, the route moves, the old ones go: nobody notices, and no old answer comes after a new one."""
        write_model(self.repository, "sum", configuration="instances = 2; keep_previous = false;")
        with self.stack() as stack, Sums(stack, connections=1) as load:
            for version in ("2", "3", "10"):
                write_model(self.repository, "sum", version)
                self.reload(stack)
                stack.wait(lambda version=version: self.versions(stack) == [version] * 2, f"no version {version} alone")
                self.assertEqual(self.predict(stack)[1]["model_version"], version)
                stack.wait(lambda version=version: load.versions[-1:] == [version], f"no answer of {version} under load")
            load.end()
            self.assertEqual(load.failures, [])
            order = [version for index, version in enumerate(load.versions)
                     if index == 0 or load.versions[index - 1] != version]
            self.assertEqual(order, ["1", "2", "3", "10"])

    def test_a_bad_version_does_not_replace_a_good_one(self):
        with self.stack() as stack, Sums(stack, connections=1) as load:
            write_model(self.repository, "sum", "2", start='start = "crash";')
            self.assertEqual(self.reload(stack), {"ok": True})
            stack.wait(lambda: (stack.process("worker.sum.2.1") or {}).get("state") == "waiting",
                       "version 2 does not fail")
            self.assertEqual(self.predict(stack)[1]["model_version"], "1")
            shutil.rmtree(self.repository / "sum" / "2")  # rolled back
            self.assertEqual(self.reload(stack), {"ok": True})
            stack.wait(lambda: self.versions(stack) == ["1"], "version 2 is still tried")
            load.end()
            self.assertEqual(load.failures, [])
            self.assertEqual(set(load.versions), {"1"})

    # ---- the supervisor itself ----

    def test_stop_command(self):
        stack = self.stack()
        with stack:
            self.assertEqual(stack.control("supervisor.sock", {"command": "stop"}), {"ok": True})
            self.assertEqual(stack.supervisor.wait(60), 0)
            self.assertFalse(stack.runtime.exists())
            stack._kill_all()

    def test_a_second_word_stops_at_once(self):
        """A worker that cannot end holds up the first SIGTERM, not the second."""
        with self.stack(web=None, supervisor__stop_timeout_ms="600000") as stack:
            stack.kill("worker.sum.1.1", signal.SIGSTOP)
            stack.supervisor.terminate()
            stack.wait(lambda: stack.process("worker.sum.1.1")["state"] == "stopping" and not stack.pids("frontend"),
                       "it does not come to the workers")
            self.assertIsNone(stack.supervisor.poll())
            stack.supervisor.terminate()
            self.assertEqual(stack.supervisor.wait(60), 0)
            self.assertFalse(stack.runtime.exists())
            stack._nothing_is_left()
            stack._kill_all()

    def test_stopping_under_load_answers_what_was_taken(self):
        """Frontends finish what they have; the web server answers the rest honestly."""
        stack = self.stack()
        with stack, Sums(stack, connections=1) as load:
            stack.wait(lambda: len(load.versions) > 50, "no load")
            stack.supervisor.terminate()
            self.assertEqual(stack.supervisor.wait(60), 0)
            load.end()
            self.assertEqual({failure[0] for failure in load.failures} - {502, 503}, set(), load.failures[:3])
            stack._nothing_is_left()
            stack._kill_all()


if __name__ == "__main__":
    unittest.main()
