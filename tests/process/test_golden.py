"""Golden requests at the gate: a version that answers them otherwise never serves, and the one before goes on."""
import json
import pathlib
import re
import shutil
import tempfile
import unittest

from load import JSON, ROW, Sums
from stack import Stack

GOOD = {"requests": [{"features": ROW, "expected": {"prediction": 10.0}},
                     {"instances": [ROW, [0, 0, 0, 0.5]], "expected": {"predictions": [10, 0.5]}}]}
BAD = {"requests": [GOOD["requests"][0], {"features": ROW, "expected": {"prediction": 11.0}}]}
FAULT = "requests[1]: prediction[0][0]: expected 11.0, got 10.0 (tolerance 0.000111)"
FAR = {"supervisor.restart_max_ms": "3600000"}  # nothing is tried again while a test looks


class Golden(unittest.TestCase):
    def setUp(self):
        self.repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.addCleanup(shutil.rmtree, self.repository)
        self.write("1")

    def write(self, version, golden=None):
        folder = self.repository / "sum" / version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.echo").write_text("features = 4;\n")
        if golden is not None:
            self.gate(golden, version)

    def gate(self, golden, folder="."):
        (self.repository / "sum" / folder / "golden.json").write_text(
            golden if isinstance(golden, str) else json.dumps(golden))

    def reload(self, stack):
        self.assertEqual(stack.outrigger("reload").returncode, 0)

    def failed(self, stack, name):
        return (stack.process(name) or {}).get("state") == "failed"

    def expect_reason(self, stack, name, words):
        """The reason stands in the status, as data and as people read it."""
        process = stack.process(name)
        self.assertTrue(process["cause"].startswith("exit 125: "), process)
        self.assertIn(words, process["cause"])
        self.assertRegex(stack.outrigger("status").stdout,
                         re.escape(name) + r" does not start\. Its last words:\n(    .*\n)*    .*" + re.escape(words))

    def test_a_version_that_answers_otherwise_never_serves(self):
        with Stack(web="nginx", models=self.repository, settings=FAR) as stack, Sums(stack, connections=1) as load:
            self.write("2", BAD)
            self.reload(stack)
            stack.wait(lambda: self.failed(stack, "worker.sum.2.1"), "version 2 is not called failed")
            self.expect_reason(stack, "worker.sum.2.1", FAULT)
            self.assertEqual(stack.process("worker.sum.2.1")["restarts"], 0)
            self.assertEqual(stack.request("GET", "/ready")[0], 200)    # version 1 serves
            seen = len(load.versions)
            stack.wait(lambda: len(load.versions) > seen + 100, "version 1 does not go on")
            self.assertEqual(set(load.versions), {"1"})
            self.gate(GOOD, "2")    # mended
            self.reload(stack)
            stack.wait(lambda: load.versions[-1] == "2", "the mended version does not take over")
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_ready_says_what_the_only_version_answers(self):
        with Stack(web="nginx", models=self.repository, settings=FAR) as stack:
            self.gate(BAD)
            stack.kill("worker.sum.1.1")
            stack.wait(lambda: self.failed(stack, "worker.sum.1.1"), "it is not called failed")
            self.expect_reason(stack, "worker.sum.1.1", FAULT)
            stack.wait(lambda: FAULT.encode() in stack.request("GET", "/ready")[2], "/ready does not say why")
            self.assertEqual(stack.request("GET", "/ready")[0], 503)
            done = stack.outrigger("check")
            self.assertEqual(done.returncode, 1)
            self.assertIn("sum/golden.json: " + FAULT, done.stderr)
            self.gate('{"requests": [}')
            self.reload(stack)
            stack.wait(lambda: "golden.json:1:15: " in stack.process("worker.sum.1.1")["cause"], "no line is named")
            self.gate(GOOD)
            self.reload(stack)
            stack.wait(lambda: stack.request("GET", "/ready")[0] == 200, "the mended model does not serve")
            self.assertIn("answers its golden requests (2) as it must", stack.outrigger("check").stdout)

    def test_the_model_s_golden_requests_hold_for_all_its_versions(self):
        self.gate(GOOD)
        (self.repository / "sum" / "model.conf").write_text("keep_previous = false;\n")
        with Stack(web="nginx", models=self.repository, settings=FAR) as stack:
            self.gate(BAD)
            self.write("2")
            self.reload(stack)
            stack.wait(lambda: self.failed(stack, "worker.sum.2.1"), "version 2 is not called failed")
            self.expect_reason(stack, "worker.sum.2.1", "sum/golden.json: " + FAULT)
            self.gate(GOOD, "2")    # its own go before the model's
            self.reload(stack)
            stack.wait(lambda: stack.pids("worker.sum.1.1") == [], "version 2 does not take over")
            answer = stack.request("POST", "/api/v1/models/sum/predict", json.dumps({"features": ROW}), JSON)
            self.assertEqual(json.loads(answer[2])["model_version"], "2")


if __name__ == "__main__":
    unittest.main()
