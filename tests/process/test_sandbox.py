"""Models that are programs, and what the sandbox keeps them from: each attempt ends the worker, is named, and harms
nobody else.

The plug-ins are built here (worker/plugin/model.c, the example, and tests/models/plugin_evil.c).
"""
import json
import os
import pathlib
import pickle
import shutil
import signal
import subprocess
import tempfile
import unittest

import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

from stack import ROOT, SANITIZED, Stack

JSON = {"Content-Type": "application/json"}
EXAMPLE = ROOT / "worker/plugin/model.c"


def build(target, source, **macros):
    """Compiles a plug-in; macros that are text become C strings."""
    target.parent.mkdir(parents=True, exist_ok=True)
    quoted = {name: json.dumps(str(value)) if not isinstance(value, int) else value for name, value in macros.items()}
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", f"-I{ROOT / 'worker'}", "-o", target,
                    *(f"-D{name}={value}" for name, value in quoted.items()), source], check=True)


def ask(stack, model, row):
    """Status and the answer as an object."""
    status, _, body = stack.request("POST", f"/api/v1/models/{model}/predict", json.dumps({"features": row}), JSON)
    return status, json.loads(body)


class Sandbox(unittest.TestCase):
    def setUp(self):
        self.repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.addCleanup(shutil.rmtree, self.repository)
        self.folder = self.repository / "evil" / "1"
        self.broker = ""
        self.secret = self.repository / "keys.json"
        self.secret.write_text('{"keys": ["a secret"]}')

    def write_model(self, name, configuration=""):
        (self.repository / name).mkdir(exist_ok=True)
        (self.repository / name / "model.conf").write_text(configuration)

    def evil(self, configuration="", name="evil", **macros):
        self.write_model(name, configuration)
        build(self.repository / name / "1" / "model.so", ROOT / "tests/models/plugin_evil.c", SECRET=self.secret, FOLDER=self.folder,
              SOCKET=self.socket, BROKER=self.broker, **macros)

    def stack(self, **settings):
        """The socket's path has to be known when the plug-in is built, and a Stack's only when it has started."""
        runtime = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-run."))
        self.addCleanup(shutil.rmtree, runtime, ignore_errors=True)
        self.socket = runtime / "run" / "supervisor.sock"
        return Stack(web="nginx", models=self.repository, settings=settings, strays=True)


class Plugins(Sandbox):
    def test_the_example_serves(self):
        build(self.repository / "sum" / "1" / "model.so", EXAMPLE)
        with Stack(web="nginx", models=self.repository) as stack:
            self.assertEqual(ask(stack, "sum", [1, 2, 3, 4])[1]["prediction"], 10)
            status, _, body = stack.request("POST", "/api/v1/models/sum/batch-predict",
                                            json.dumps({"instances": [[1, 1, 1, 1], [2, 2, 2, 2]]}), JSON)
            self.assertEqual((status, json.loads(body)["predictions"]), (200, [4, 8]))
            checked = stack.outrigger("check")
            self.assertEqual(checked.returncode, 0, checked.stderr)
            self.assertRegex(checked.stdout, r"sum +1 +plugin ")
            self.assertIn("SANDBOX", checked.stdout)

    def reader(self, name, path):
        """A model that cannot be loaded without that file."""
        self.write_model(name, "required = false;")
        source = self.repository / f"{name}.c"
        source.write_text(f'#include "{EXAMPLE}"\n#include <fcntl.h>\n__attribute__((constructor)) static void '
                          f'look(void) {{ if (open("{path}", O_RDONLY) == -1) abort(); }}')
        build(self.repository / name / "1" / "model.so", source)

    @unittest.skipIf(SANITIZED, "sanitizers take SIGSYS for themselves: seccomp is left out of their builds")
    def test_check_loads_a_model_as_it_will_serve(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-data."))
        self.addCleanup(shutil.rmtree, folder)
        for path in (folder / "listed", folder / "hidden", self.repository / "shared"):
            path.write_text("data")
        self.reader("listed", folder / "listed")
        self.reader("linked", self.repository / "linked/1/data")
        (self.repository / "linked/1/data").symlink_to(self.repository / "shared")
        with Stack(web="nginx", models=self.repository, settings={"sandbox.worker_read": str(folder / "listed")},
                   strays=True) as stack:
            for name in ("listed", "linked"):
                self.assertEqual(ask(stack, name, [1, 2, 3, 4])[1]["prediction"], 10)
            checked = stack.outrigger("check")
            self.assertEqual(checked.returncode, 0, checked.stderr)
            self.reader("hidden", folder / "hidden")
            checked = stack.outrigger("check")
            self.assertEqual(checked.returncode, 1)
            self.assertIn(f'called openat("{folder}/hidden", O_RDONLY) and was stopped', checked.stderr)
            for mode in ("log", "off"):
                checked = stack.outrigger("check", "-s", f"sandbox.mode={mode}")
                self.assertEqual(checked.returncode, 0, checked.stderr)

    def refused(self, complaint):
        checked = subprocess.run([ROOT / os.environ.get("OUTRIGGER_BUILD", "build") / "bin/outrigger-worker",
                                  "--describe", self.repository / "sum/1/model.so"], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(checked.returncode, 1, checked)
        self.assertRegex(checked.stderr, rf"sum/1/model.so: cannot serve this model: {complaint}\n$")

    def test_what_is_no_plug_in_is_named(self):
        target = self.repository / "sum" / "1" / "model.so"
        target.parent.mkdir(parents=True)
        source = self.repository / "other.c"
        source.write_text("int nothing;")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", target, source], check=True)
        self.refused("exports no function outrigger_backend")
        source.write_text("void *outrigger_backend(unsigned abi) { return (void *)(unsigned long)(abi - 1); }")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", target, source], check=True)
        self.refused("does not speak version 1 of the interface for plug-ins")
        source.write_text("int missing(void); int outrigger_backend(void) { return missing(); }")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", target, source], check=True)
        self.refused("cannot be loaded: undefined symbol: missing")
        target.write_bytes(b"no library")
        self.refused("cannot be loaded: .*")


@unittest.skipIf(SANITIZED, "sanitizers take SIGSYS for themselves: seccomp is left out of their builds")
class Evil(Sandbox):
    def attempts(self, folder, secret, stack_socket):
        return {-2001: 'openat("/etc/passwd", O_RDONLY)', -2002: f'openat("{secret}", O_RDONLY)',
                -2003: f'openat("{folder}/stolen", O_WRONLY|O_CREAT)', -2004: "socket(AF_INET, SOCK_STREAM)",
                -2005: f'connect("{stack_socket}")', -2006: 'execve("/bin/sh")', -2007: "clone() for a new process",
                -2008: "clone() for a new process", -2009: "kill(", -2010: "ptrace(",
                -2011: f'unlink("{folder}/model.so")', -2012: f'chmod("{folder}/model.so")',
                -2013: "rt_sigaction(", -2014: "mprotect("}

    def test_each_attempt_is_stopped_and_named_and_the_service_goes_on(self):
        build(self.repository / "sum" / "1" / "model.so", EXAMPLE)
        stack = self.stack(default_model="sum")
        self.evil("idempotent = false; instances = 2;")
        with stack:
            good = self.pid(stack, "worker.sum.1.1")
            for number, call in self.attempts(self.folder, self.secret, self.socket).items():
                with self.subTest(call=call):
                    before = stack.log.read_text()
                    status, body = ask(stack, "evil", [number, 0, 0, 0])
                    self.assertEqual((status, body["kind"]), (502, "worker_died"))
                    self.named(stack, before, call)
                    self.assertEqual(ask(stack, "sum", [1, 2, 3, 4])[0], 200)
            self.assertEqual(self.pid(stack, "worker.sum.1.1"), good)
            self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["model.so"])
            stack.wait(lambda: ask(stack, "evil", [1, 2, 3, 4])[0] == 200, "it does not serve again")

    def refused(self, stack, reason):
        text = stack.request("GET", "/metrics")[2].decode()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith(f'outrigger_workers_refused_total{{reason="{reason}"}}'))

    def test_it_cannot_pose_as_the_worker_of_another_model(self):
        """It speaks with the broker, as its worker must: only the broker can tell that it says what is not true."""
        build(self.repository / "sum" / "1" / "model.so", EXAMPLE)
        stack = self.stack(**{"default_model": "sum", "collector.interval_ms": 100})
        with stack:
            self.broker = f"ipc://{stack.runtime}/workers.ipc"
            self.evil(name=".evil")                 # what is made there is watched: it comes as a whole
            (self.repository / ".evil").rename(self.repository / "evil")
            self.assertEqual(stack.outrigger("models", "rescan").returncode, 0)
            stack.wait(lambda: ask(stack, "evil", [1, 2, 3, 4])[0] == 200, "it does not serve")
            stack.wait(lambda: stack.pids("worker.evil.1.1"), "the supervisor does not hear that it runs")
            good, evil = self.pid(stack, "worker.sum.1.1"), self.pid(stack, "worker.evil.1.1")
            for number, reason, words in (
                    (-2015, "other", f"says that it serves sum 1 as process 7, but its token is that of process {evil}, "
                                     "which serves evil 1"),
                    (-2016, "missing", "says that it serves sum 1 as process 7, but no supervisor has started it"),
                    (-2017, "twice", "says that it serves evil 1 as process 7, but another worker has come with its token")):
                with self.subTest(reason=reason):
                    self.assertEqual(ask(stack, "evil", [number, 0, 0, 0])[0], 200)     # it aborts when it is not refused
                    stack.wait(lambda: words in stack.log.read_text(), f"nobody says: {words}")
                    stack.wait(lambda: self.refused(stack, reason) == 1, "it is not counted")
                    for value in range(20):
                        self.assertEqual(ask(stack, "sum", [value, 2, 3, 4])[1]["prediction"], value + 9)
            workers = stack.control("broker.sock", {"command": "status"})["workers"]
            self.assertEqual(sorted((worker["model"], worker["pid"]) for worker in workers), [("evil", evil), ("sum", good)])

    @staticmethod
    def pid(stack, name):
        pid, = stack.pids(name)
        return pid

    def named(self, stack, before, call):
        """In the log, and with the process that was stopped."""
        def causes():
            return [process["cause"] for process in stack.status()["processes"] if process["model"] == "evil"]
        text = f"called {call}"
        stack.wait(lambda: text in stack.log.read_text()[len(before):].replace('\\"', '"'), f"nobody says: {text}")
        line = next(json.loads(line)["message"] for line in stack.log.read_text()[len(before):].splitlines()
                    if text in line.replace('\\"', '"'))
        self.assertRegex(line, r"^sandbox: the worker worker\.evil\.1\.[12] called .* and was stopped$")
        stack.wait(lambda: any(f"killed by signal {signal.SIGSYS.value}: {line}" in cause for cause in causes()),
                   f"no cause says: {line}")

    def test_it_is_poison_like_any_other(self):
        stack = self.stack()
        self.evil()
        with stack:
            status, body = ask(stack, "evil", [-2001, 0, 0, 0])
            self.assertEqual((status, body["kind"]), (422, "poison"))
            self.assertEqual(ask(stack, "evil", [1, 2, 3, 4])[0], 200)

    def test_it_is_stopped_before_it_has_run(self):
        build(self.repository / "sum" / "1" / "model.so", EXAMPLE)
        stack = self.stack(default_model="sum")
        self.evil("required = false;", AT_LOAD=-2002)
        words = f'sandbox: the worker worker.evil.1.1 called openat("{self.secret}", O_RDONLY) and was stopped'
        with stack:
            stack.wait(lambda: words in stack.process("worker.evil.1.1").get("last_words", ""), "it is not named")
            self.assertEqual(ask(stack, "sum", [1, 2, 3, 4])[0], 200)
            checked = stack.outrigger("check")
            self.assertEqual(checked.returncode, 1)
            self.assertIn(f'called openat("{self.secret}", O_RDONLY) and was stopped', checked.stderr)

    def test_log_refuses_nothing_and_names_what_it_would(self):
        stack = self.stack(**{"sandbox.mode": "log"})
        self.evil("idempotent = false;")
        with stack:
            for number, call in ((-2001, 'openat(\\"/etc/passwd\\", O_RDONLY)'), (-2004, "socket(AF_INET, SOCK_STREAM)"),
                                 (-2007, "clone() for a new process")):
                self.assertEqual(ask(stack, "evil", [number, 0, 0, 0])[0], 502)   # it aborts: it was let
                stack.wait(lambda: f"worker.evil.1.1 called {call}: with sandbox.mode" in stack.log.read_text(),
                           f"nobody says: {call}")
                self.assertEqual(stack.process("worker.evil.1.1")["cause"][:19], "killed by signal 6:"[:19])
            self.assertNotIn("and was stopped", stack.log.read_text())

    def test_off_is_off(self):
        stack = self.stack(**{"sandbox.mode": "off"})
        self.evil()
        with stack:
            status = pathlib.Path(f"/proc/{self.pid(stack, 'worker.evil.1.1')}/status").read_text()
            self.assertRegex(status, r"Seccomp:\t0\n")
            self.assertNotIn("sandbox", stack.log.read_text())


class Program:
    """A pickle that runs a command when it is loaded."""

    def __reduce__(self):
        return os.system, ("true",)


class Python(Sandbox):
    def python(self, name, text, configuration=""):
        folder = self.repository / name / "1"
        folder.mkdir(parents=True)
        self.write_model(name, configuration)
        (folder / "model.py").write_text(
            "import os, socket, subprocess\nclass Model:\n    features = 4\n    def load(self, directory):\n"
            "        self.directory = directory\n    def predict(self, rows):\n" +
            "".join(f"        {line}\n" for line in text.splitlines()) + "        return {'prediction': rows.sum(1)}\n")

    def test_what_a_model_in_python_tries(self):
        attempts = {1: ("os.fork()", "clone() for a new process"),
                    2: ("socket.socket()", "socket(AF_INET, SOCK_STREAM)"),
                    3: ("socket.socket(socket.AF_UNIX).connect('/run/nobody.sock')", 'connect("/run/nobody.sock")'),
                    4: ("os.kill(os.getppid(), 15)", "kill("),
                    5: ("os.execv('/bin/true', ['true'])", 'execve("/bin/true")')}
        self.python("evil", "\n".join(f"if rows[0, 0] == -{number}: {code}" for number, (code, _) in attempts.items()),
                    "idempotent = false;")
        with Stack(web="nginx", models=self.repository, strays=True) as stack:
            self.assertEqual(ask(stack, "evil", [1, 2, 3, 4])[1]["prediction"], 10)
            for number, (_, call) in attempts.items():
                with self.subTest(call=call):
                    self.assertEqual(ask(stack, "evil", [-number, 0, 0, 0])[0], 502)
                    stack.wait(lambda: f"worker.evil.1.1 called {call}" in stack.log.read_text().replace('\\"', '"'),
                               f"nobody says: {call}")
            stack.wait(lambda: ask(stack, "evil", [1, 2, 3, 4])[0] == 200, "it does not serve again")

    def test_files_are_refused_as_python_says_it(self):
        self.python("evil", f"if rows[0, 0] == -1: open({str(self.secret)!r})\n"
                            "if rows[0, 0] == -2: open(self.directory + '/new', 'w')\n"
                            "if rows[0, 0] == -3: os.remove(self.directory + '/model.py')\n"
                            "if rows[0, 0] == 1: rows = rows * open(self.directory + '/model.py').read().count('class')")
        with Stack(web="nginx", models=self.repository, strays=True) as stack:
            pid, = stack.pids("worker.evil.1.1")
            self.assertEqual(ask(stack, "evil", [1, 2, 3, 4])[1]["prediction"], 20)
            for number in (-1, -2):
                status, body = ask(stack, "evil", [number, 0, 0, 0])
                self.assertEqual((status, body["kind"]), (500, "model_failed"))
            stack.wait(lambda: f'called openat("{self.secret}", O_RDONLY) and was refused it' in
                       stack.log.read_text().replace('\\"', '"'), "it is not named")
            self.assertEqual(stack.pids("worker.evil.1.1"), [pid])

    def test_a_pickle_that_is_a_program_never_serves(self):
        folder = self.repository / "evil" / "1"
        folder.mkdir(parents=True)
        self.write_model("evil", "required = false;")
        (folder / "model.pkl").write_bytes(pickle.dumps(Program()))
        with Stack(models=self.repository, strays=True) as stack:
            stack.wait(lambda: "worker.evil.1.1 called clone() for a new process and was stopped" in
                       stack.log.read_text(), "it is not named")

    def test_estimators_of_scikit_learn_compute(self):
        """Those that start threads, and look for what they can limit."""
        rng = np.random.default_rng(1)
        rows = rng.normal(size=(300, 4))
        classes = (rows.sum(axis=1) > 0).astype(int)
        estimators = {"means": KMeans(2, n_init=2).fit(rows), "boost": HistGradientBoostingClassifier().fit(rows, classes),
                      "forest": RandomForestClassifier(10, n_jobs=2).fit(rows, classes),
                      "neighbours": KNeighborsClassifier().fit(rows, classes)}
        for name, estimator in estimators.items():
            (self.repository / name / "1").mkdir(parents=True)
            (self.repository / name / "1" / "model.pkl").write_bytes(pickle.dumps(estimator))
        with Stack(web="nginx", models=self.repository) as stack:
            for name, estimator in estimators.items():
                for row in rows[:20]:
                    status, body = ask(stack, name, row.tolist())
                    self.assertEqual(status, 200, body)
                    self.assertEqual(int(body.get("label", body.get("prediction"))), int(estimator.predict([row])[0]))


if __name__ == "__main__":
    unittest.main()
