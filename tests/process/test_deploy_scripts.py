"""deploy/scripts against a running Outrigger, as a pipeline says them: a good version is promoted, bad ones are not."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from load import Sums
from stack import BIN, PATIENCE, ROOT, Stack
from test_restart import write_model
from test_validate import MODEL, write_rows, write_wrong

SCRIPTS = ROOT / "deploy/scripts"


class Scripts(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-scripts."))
        self.directory.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.directory)

    def say(self, status, script, *words, **environment):
        """Runs it; returns what it printed on both."""
        done = subprocess.run([SCRIPTS / script, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              cwd=self.directory, timeout=PATIENCE,
                              env={"PATH": os.environ["PATH"], "OUTRIGGER": str(BIN / "outrigger")} | environment)
        self.assertEqual(done.returncode, status, done)
        return done.stdout

    @staticmethod
    def workflows():
        return "".join(path.read_text() for path in (ROOT / ".github/workflows").iterdir())

    def test_the_workflows_say_what_there_is(self):
        """What lies in this tree, and no host of a registry."""
        for path in re.findall(r"(?:^|[ /])((?:deploy|tests)/[\w./-]+)", self.workflows(), re.MULTILINE):
            if path != "deploy/scripts" and not path.startswith("deploy/docker/"):
                self.assertTrue(os.access(ROOT / path, os.X_OK), path)

    def test_a_pipeline(self):
        write_model(self.directory / "models", "sum", configuration='version = "1"; batching: { max_batch_rows = 1; };')
        write_model(self.directory / "models", "sum", "2")
        write_model(self.directory / "models", "sum", "3", text="fail_every = 4;")
        write_model(self.directory / "models", "sum", "4", text='start = "fail";')
        with Stack(web="nginx", models=self.directory / "models", settings={"supervisor.settle_ms": "50"}) as stack:
            def say(status, script, *words, version):
                return self.say(status, script, *words, MODEL="sum", VERSION=version,
                                OUTRIGGER_OPTIONS=" ".join(map(str, stack.arguments())))
            stable = lambda: stack.control("supervisor.sock", {"command": "route", "model": "sum"})["stable"]
            with Sums(stack) as load:
                said = say(0, "rollback.sh", version="2")
                self.assertIn("there was no roll-out of sum", said)
                said = say(0, "canary_deploy.sh", "--percentage", "20", "--every", "1s", "--min-requests", "20", version="2")
                self.assertIn("sum 2 has 20 % of the requests, beside 1", said)
                golden = self.directory / "golden.json"
                golden.write_text('{"requests": [{"features": [1, 2, 3, 4], "expected": {"prediction": 10}}, {"features": [0, 0, 0, 1]}]}')
                asked = ["integration_test.sh", "--url", f"http://127.0.0.1:{stack.port}", "--golden", golden]
                said += say(0, *asked, version="2")
                self.assertEqual(said.count("/api/v1/models/sum/versions/2/predict: 200"), 2)
                wrong = say(1, *asked, version="9")
                self.assertIn('expected 200 with "9", got 200', wrong)
                self.assertIn("/versions/9/predict: expected 200", wrong)
                # It stays there, however good it is, until it is told to go on.
                said += say(0, "monitor_canary.sh", "--duration", "1s", version="2")
                self.assertRegex(said, r"sum 2: nothing wrong in \d+ requests")
                self.assertEqual(stable(), "1")
                self.assertIn("the roll-out of sum", say(1, "canary_deploy.sh", version="3").replace("a roll-out", "the roll-out"))
                said += say(0, "promote_canary.sh", version="2")
                self.assertIn("sum 2 is the stable version", said)
                self.assertEqual(stable(), "2")
                said += say(0, "promote_canary.sh", version="2")
                self.assertEqual(load.failures, [])
                # And back, by hand; twice is once.
                for _ in range(2):
                    said += say(0, "rollback.sh", version="2")
                    self.assertEqual(stable(), "1")
                self.assertEqual(load.failures, [])
                # One that does not start gets nothing.
                said += say(1, "canary_deploy.sh", version="4")
                self.assertIn("told to fail at start", said)
                said += say(0, "rollback.sh", version="4")
                self.assertEqual(load.failures, [])
            # One that errs is taken back by Outrigger, the pipeline is told, and what it says then harms nobody.
            said += say(0, "canary_deploy.sh", "--percentage", "50", "--max-error-rate", "1%", version="3")
            with Sums(stack):
                said += say(1, "monitor_canary.sh", "--duration", "10m", version="3")
                self.assertIn("the roll-out of sum: rolled back: ", said)
                say(1, "promote_canary.sh", version="3")
                said += say(0, "rollback.sh", version="3")
                self.assertIn("sum 3 has no requests (rolled back)", said)
                self.assertEqual(stable(), "1")
            # One that is taken back by hand, from its part.
            said += say(0, "canary_deploy.sh", "--percentage", "5", version="2")
            self.assertIn("of which nothing can be said", say(1, "monitor_canary.sh", "--duration", "0", version="2"))
            self.assertIn("nothing to roll back", say(0, "rollback.sh", version="3"))
            said += say(0, "rollback.sh", version="2")
            self.assertIn("sum 2 was rolled back", said)
            for words, wrong in ((["--field", "speed"], "--field: a roll-out has no member speed"),
                                 (["--field", "state", "--wait", "1"], "--field: does not go with --wait")):
                done = subprocess.run([BIN / "outrigger", "rollout", "status", "sum", *stack.arguments(), *words],
                                      text=True, capture_output=True, timeout=PATIENCE)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done)
                self.assertIn(wrong, done.stderr)
            print(said, flush=True)

    def test_a_model_is_validated(self):
        models = self.directory / "models"
        shutil.copytree(ROOT / "tests/models/repository" / MODEL, models / MODEL)
        write_wrong(models / MODEL / "2/model.onnx")
        write_rows(self.directory / "rows.csv", MODEL)
        words = ["--models", "models", "--data", self.directory / "rows.csv", "--target", "truth", "--threshold", "min_auc=0.9"]
        settings = {"MODEL": MODEL, "OUTRIGGER_OPTIONS": "-s run_as_root=true -s worker.warm_up_ms=0"}
        self.say(0, "validate_model.sh", *words, "--version", "1", "--report", "reports", **settings)
        self.assertIn("<testsuite", (self.directory / "reports/report.xml").read_text())
        self.assertIn("has not passed", self.say(1, "validate_model.sh", *words, "--version", "2", **settings))

    def test_what_is_said_wrongly(self):
        for script in sorted(path.name for path in SCRIPTS.iterdir() if path.name != "common.sh"):
            with self.subTest(script=script):
                self.assertIn(f"{script}: ", self.say(0, script, "--help"))
                self.assertIn("which model? --model NAME", self.say(2, script))
                self.assertIn(f"deploy/scripts/{script}", self.workflows())
                self.assertIn("--model: expected a value", self.say(2, script, "--model"))
        named = {"MODEL": "m", "VERSION": "2"}
        for script, *words, complaint in (("canary_deploy.sh", "--percentage", "100", "expected 1 to 99, got 100"),
                                          ("canary_deploy.sh", "--max-p99", "--max-p99: expected a value"),
                                          ("monitor_canary.sh", "--duration", "soon", "expected a duration such as 90s"),
                                          ("rollback.sh", "--force", "unknown option --force")):
            self.assertIn(complaint, self.say(2, script, *words, **named))
        nowhere = {"OUTRIGGER_OPTIONS": f"-s runtime_directory={self.directory}"}
        for script in ("monitor_canary.sh", "promote_canary.sh", "rollback.sh"):
            self.assertIn("nothing runs", self.say(3, script, **named, **nowhere))


if __name__ == "__main__":
    unittest.main()
