"""Models in Python as part of the whole: an interpreter for each version, what their workers count and how they end, and
the errors that clients see. What a worker alone does: test_worker.py."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from stack import BIN, PATIENCE, ROOT, Stack

JSON = {"Content-Type": "application/json"}
PYTHON = "/usr/bin/python3"
MODEL = """
import ctypes
import numpy as np
from outrigger import Model
import the_library

class Probe(Model):
    features = ["command", "value"]
    outputs = {"prediction": "FP64", "library": str}

    def predict(self, rows):
        if (rows[:, 0] == 1).any():
            raise ValueError("command: 1 is none")
        if (rows[:, 0] == 2).any():
            raise KeyError("a secret of the model")
        if (rows[:, 0] == 3).any():
            ctypes.PyDLL(None).sleep(1000)      # the interpreter's lock is kept
        if (rows[:, 0] == 4).any():
            np.ones(1 << 30)                    # 8 GiB
        return {"prediction": rows[:, 1], "library": [the_library.version] * len(rows)}
"""


class Python(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        cls.repository.chmod(0o755)
        cls.addClassCleanup(shutil.rmtree, cls.repository)
        model = cls.repository / "probe"
        for version in ("1", "2"):
            (model / version).mkdir(parents=True)
            (model / version / "model.py").write_text(MODEL)
            cls.make_interpreter(model / "venvs" / version, f"{version}.0")
        (model / "model.conf").write_text(
            'python = "venvs/{version}/bin/python3"; serve = "all"; version = "1"; task = "regression";\n'
            "limits = { compute_timeout_ms = 700; max_kills = 1; memory_mb = 1024; };\n")
        shutil.copytree(ROOT / "tests/models/python_plan", cls.repository / "plan")
        cls.stack = Stack(web="nginx", models=cls.repository, settings={"collector.interval_ms": "100"}).start()
        cls.addClassCleanup(cls.stack.stop)

    @staticmethod
    def make_interpreter(folder, version):
        """A venv with a library of that version, beside numpy of the system."""
        subprocess.run([PYTHON, "-m", "venv", "--system-site-packages", "--without-pip", folder], check=True)
        [packages] = folder.glob("lib/python*/site-packages")
        (packages / "the_library.py").write_text(f"version = '{version}'\n")

    def ask(self, row, version=None):
        path = "/api/v1/models/probe" + (f"/versions/{version}" if version else "") + "/predict"
        status, _, body = self.stack.request("POST", path, json.dumps({"features": row}), JSON)
        return status, json.loads(body)

    def library(self, version=None):
        inputs = [{"name": "features", "datatype": "FP64", "shape": [1, 2], "data": [0, 5]}]
        path = "/v2/models/probe" + (f"/versions/{version}" if version else "") + "/infer"
        status, _, body = self.stack.request("POST", path, json.dumps({"inputs": inputs}), JSON)
        self.assertEqual(status, 200, body)
        answer = json.loads(body)
        return {output["name"]: output["data"] for output in answer["outputs"]}["library"], answer["model_version"]

    def counter(self, name):
        for line in self.stack.request("GET", "/metrics")[2].decode().splitlines():
            if line.startswith(name):
                return float(line.split()[-1])
        return 0

    def test_each_version_has_its_interpreter(self):
        self.assertEqual((self.library("1"), self.library("2"), self.library()), ((["1.0"], "1"), (["2.0"], "2"), (["1.0"], "1")))
        self.stack.outrigger("promote", "probe", "2")
        self.stack.wait(lambda: self.library() == (["2.0"], "2"), "version 2 does not take the traffic")
        self.stack.outrigger("rollback", "probe")
        self.stack.wait(lambda: self.library() == (["1.0"], "1"), "version 1 does not come back")

    def test_the_example_takes_numbers_and_texts_by_name(self):
        def ask(features):
            status, _, body = self.stack.request("POST", "/api/v1/models/plan/predict", json.dumps({"features": features}), JSON)
            return status, json.loads(body)
        status, body = ask({"age": 90, "plan": "pro", "visits": 2})
        self.assertEqual((status, body.get("label", body.get("prediction"))), (200, "leaves"), body)
        status, body = ask({"age": 50, "plan": "gold", "visits": 2})
        self.assertEqual((status, body["detail"]), (400, "plan: expected one of basic, pro, got gold"))
        status, body = ask({"age": 17, "visits": 2})
        self.assertEqual((status, body["errors"][0]["field"]), (400, "features.age"))

    def test_errors_are_what_they_are(self):
        status, body = self.ask([1, 0])
        self.assertEqual((status, body["detail"]), (400, "command: 1 is none"))
        status, body = self.ask([2, 0])
        self.assertEqual((status, body["kind"]), (500, "model_failed"))
        self.assertNotIn("secret", json.dumps(body))
        self.stack.wait(lambda: "the model raised KeyError: 'a secret of the model' (model.py:" in self.stack.log.read_text(),
                        "the log does not say it")

    def test_a_worker_counts_as_others_do(self):
        self.assertEqual(self.ask([0, 5])[1]["prediction"], 5)
        for name in ('outrigger_compute_duration_seconds_count{model="probe",version="1"}',
                     'outrigger_worker_rows_total{model="probe",version="1"}',
                     'outrigger_model_load_seconds{model="probe",version="1"}'):
            self.stack.wait(lambda name=name: self.counter(name) > 0, f"{name} is not counted")

    def test_a_worker_that_hangs_is_killed_and_one_that_wants_too_much_memory_is_not_the_end(self):
        self.assertEqual(self.ask([3, 0])[0], 422)      # whoever it is that holds the lock
        self.stack.wait(lambda: self.counter('outrigger_workers_lost_total{model="probe",cause="overdue"}') == 1,
                        "it is not counted")
        self.stack.wait(lambda: self.ask([0, 6]) [0] == 200, "it does not serve again")
        self.assertIn(self.ask([4, 0])[0], (422, 500))  # RLIMIT_DATA makes it an exception, a control group a death
        self.stack.wait(lambda: self.ask([0, 7])[0] == 200, "it does not serve again")

    def test_a_table_of_rows_goes_through_it(self):
        rows = self.repository / "rows.csv"
        rows.write_text("command,value\n" + "".join(f"0,{number}\n" for number in range(500)))
        done = subprocess.run([BIN / "outrigger-batch", *self.stack.arguments(), "--job-set", "model=probe",
                               "--job-set", f"from={rows}", "--job-set", f"to={self.repository / 'answers.csv'}"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, cwd=ROOT, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        header, *lines = (self.repository / "answers.csv").read_text().splitlines()
        at = header.split(",").index("prediction")
        self.assertEqual([float(line.split(",")[at]) for line in lines], list(range(500)))


if __name__ == "__main__":
    unittest.main()
