"""Versions are judged before they serve: by the command, as CI does, and by the gate, which lets no version that fails
take traffic, whatever way leads to it, and keeps what it found. Figures are scikit-learn's."""
import csv
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import numpy
from sklearn import metrics

from expectations import MODELS, held_out
from stack import BIN, PATIENCE, REPOSITORY, Stack, processes_of

MODEL = "cancer-logistic"
JSON = {"Content-Type": "application/json"}
PREDICT = f"/api/v1/models/{MODEL}/predict"
# Attributes that the schema of JUnit (of Jenkins and GitLab) knows, and those that must be there.
JUNIT = {"testsuites": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"tests", "failures"}),
         "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"},
                       {"name", "tests", "failures", "errors", "time", "timestamp", "hostname"}),
         "properties": (set(), set()), "property": ({"name", "value"},) * 2,
         "testcase": ({"name", "classname", "time"},) * 2,
         "failure": ({"message", "type"}, {"message"}), "skipped": ({"message"}, set())}


def actual(model):
    return json.loads((MODELS / "heldout" / f"{model}.json").read_text())["actual"]


def write_rows(path, model, truth=lambda value: value):
    """The held-out rows as a table, the truth among the columns."""
    rows = held_out(model)
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow([rows.feature_names[0], "truth", *rows.feature_names[1:]])
        for row, value in zip(rows.features, actual(model)):
            out.writerow([row[0], truth(value), *row[1:]])


def write_wrong(path):
    """The logistic model, but with the signs of its numbers turned over: it calls benign what is malignant."""
    model = bytearray((REPOSITORY / MODEL / "1/model.onnx").read_bytes())
    for head, length in ((b"\x4a\xf0\x01", 240), (b"\x4a\x08", 8)):  # raw_data (9) of the weights, and of the bias
        first = model.index(head) + len(head)
        for sign in range(first + 3, first + length, 4):
            model[sign] ^= 0x80
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model)


class Scratch(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="outrigger-test.")))
        self.scratch.chmod(0o755)
        self.models = self.scratch / "models"


class Command(Scratch):
    def validate(self, *arguments):
        """Of a repository that nobody serves, with a TMPDIR of its own in which nothing must be left."""
        temporary = self.scratch / "tmp"
        temporary.mkdir(exist_ok=True)
        settings = ["-s", f"models_directory={self.models}", "-s", "run_as_root=true", "-s", "worker.warm_up_ms=0"]
        done = subprocess.run([BIN / "outrigger", "validate", *arguments, *settings], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              env={**os.environ, "TMPDIR": str(temporary)})
        self.assertEqual(list(temporary.iterdir()), [])
        self.assertEqual(processes_of(temporary), [])
        return done

    def judge(self, model, *arguments, truth=lambda value: value):
        """Its report, as it is printed."""
        write_rows(self.scratch / f"{model}.csv", model, truth)
        done = self.validate(model, "--data", self.scratch / f"{model}.csv", "--target", "truth", "--json", *arguments)
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if report["passed"] else 1, done)
        return report, {check["name"]: check for check in report["checks"]}

    def expect_value(self, checks, name, value):
        self.assertAlmostEqual(checks[name]["value"], value, delta=1e-9, msg=name)

    def test_the_figures_are_those_of_scikit_learn(self):
        self.models.symlink_to(REPOSITORY)
        rows = held_out(MODEL)
        report, checks = self.judge(MODEL, truth=lambda value: ["malignant", "benign"][value])
        self.assertTrue(report["passed"], report)
        self.assertEqual((report["rows"], report["version"]), (len(rows.features), "1"))
        scores = numpy.array(rows.probabilities)[:, 1]
        self.expect_value(checks, "accuracy", metrics.accuracy_score(actual(MODEL), rows.labels))
        self.expect_value(checks, "auc", metrics.roc_auc_score(actual(MODEL), scores))
        for name in ("order of rows", "size of batches", "beyond the schema", "rows with NaN", "rows out of range"):
            self.assertEqual(checks[name]["result"], "passed", checks[name])

        rows = held_out("digits-mlp")
        report, checks = self.judge("digits-mlp")
        scores = numpy.array(rows.probabilities)
        self.expect_value(checks, "accuracy", metrics.accuracy_score(actual("digits-mlp"), rows.labels))
        self.expect_value(checks, "auc", metrics.roc_auc_score(
            actual("digits-mlp"), scores / scores.sum(axis=1, keepdims=True), multi_class="ovr", average="macro"))

        report, checks = self.judge("diabetes-ridge", "--threshold", "max_mae=0.01")
        self.assertEqual([check["name"] for check in report["checks"] if check["result"] == "failed"], ["mae"])
        predicted = numpy.array(held_out("diabetes-ridge").predictions)
        self.assertAlmostEqual(checks["mae"]["value"],
                               metrics.mean_absolute_error(actual("diabetes-ridge"), predicted), delta=1e-6)
        self.assertAlmostEqual(checks["r2"]["value"], metrics.r2_score(actual("diabetes-ridge"), predicted), delta=1e-6)
        self.assertEqual(checks["edges of the schema"]["result"], "passed")

    def expect_junit(self, path, report):
        root = xml.etree.ElementTree.parse(path).getroot()
        self.assertEqual(root.tag, "testsuites")
        for element in root.iter():
            known, needed = JUNIT[element.tag]
            self.assertLessEqual(set(element.attrib), known, element.tag)
            self.assertGreaterEqual(set(element.attrib), needed, element.tag)
        suite, = root
        cases = suite.findall("testcase")
        self.assertEqual([case.get("name") for case in cases], [check["name"] for check in report["checks"]])
        for kind, result in (("failure", "failed"), ("skipped", "skipped")):
            names = [case.get("name") for case in cases if case.find(kind) is not None]
            self.assertEqual(names, [check["name"] for check in report["checks"] if check["result"] == result])
        self.assertEqual(int(suite.get("tests")), len(cases))
        self.assertEqual(int(suite.get("failures")), len(suite.findall("testcase/failure")))

    def test_a_version_that_is_worse_is_told_in_what(self):
        shutil.copytree(REPOSITORY / MODEL, self.models / MODEL)
        (self.models / MODEL / "golden.json").unlink()
        write_wrong(self.models / MODEL / "2/model.onnx")
        junit, kept = self.scratch / "report.xml", self.scratch / "report.json"
        report, checks = self.judge(MODEL, "--against", "1", "--junit", junit, "--report", kept)
        failed = [name for name, check in checks.items() if check["result"] == "failed"]
        self.assertEqual(failed, ["accuracy", "auc", "accuracy drop"])
        self.assertEqual((report["version"], report["against"], report["ok"]), ("2", "1", False))
        self.expect_junit(junit, report)
        self.assertEqual(json.loads(kept.read_text()), report)
        digest = ["--unless", report["digest"]]
        self.assertEqual(self.validate(f"{MODEL}:2", *digest).returncode, 0)  # it was judged before

        done = self.validate(MODEL, "--data", self.scratch / f"{MODEL}.csv", "--target", "truth")  # for people
        self.assertRegex(done.stdout, r"(?m)^CHECK +VALUE +THRESHOLD +RESULT +NOTE\n")
        self.assertRegex(done.stdout, r"(?m)^accuracy +0\.01\d+ +> 0\.8 +failed")
        self.assertIn(f"{MODEL} 2: 2 of ", done.stdout)

    def test_what_cannot_be_judged_is_no_verdict(self):
        shutil.copytree(REPOSITORY / MODEL, self.models / MODEL)
        write_rows(self.scratch / "rows.csv", MODEL)
        rows = ["--data", self.scratch / "rows.csv", "--target", "truth"]
        for arguments, words in ((["nobody", *rows], "there is no model nobody"),
                                 ([f"{MODEL}:7", *rows], "has no version 7"),
                                 ([MODEL], "--data FILE"),
                                 ([MODEL, "--data", "absent.csv", "--target", "truth"], "absent.csv: No such file"),
                                 ([MODEL, *rows[:2], "--target", "guess"], 'no column "guess"'),
                                 ([MODEL, *rows, "--threshold", "min_auk=1"], "validation.min_auc"),
                                 ([MODEL, *rows, "--running", "--set", f"runtime_directory={self.scratch}"],
                                  "no broker answers")):
            with self.subTest(words):
                done = self.validate(*arguments)
                self.assertEqual(done.returncode, 2, done)
                self.assertIn(words, done.stderr)
        (self.models / MODEL / "1/model.onnx").write_bytes(b"no model")
        done = self.validate(MODEL, *rows, "--json")  # its own fault
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual([check["name"] for check in json.loads(done.stdout)["checks"]], ["starts"])


class Gate(Scratch):
    def setUp(self):
        super().setUp()
        self.folder = self.models / MODEL
        shutil.copytree(REPOSITORY / MODEL, self.folder)
        (self.folder / "golden.json").unlink()
        with open(self.folder / "model.conf", "a") as file:
            file.write('validation = { data = "rows.csv"; target = "truth"; gate = true; max_accuracy_drop = 0.01; };\n')
        write_rows(self.folder / "rows.csv", MODEL)
        self.body = json.dumps({"features": held_out(MODEL).features[0]}).encode()

    def version(self, stack, number):
        models = stack.control("supervisor.sock", {"command": "models", "model": MODEL})["models"]
        return next((entry for entry in models[0]["versions"] if entry["version"] == number), {})

    def answered_by(self, stack):
        status, _, body = stack.request("POST", PREDICT, self.body, JSON)
        self.assertEqual(status, 200, body)
        return json.loads(body)["model_version"]

    def acts(self, stack):
        """What the audit log has of validations."""
        lines = map(json.loads, (stack.directory / "state/audit/supervisor.log").read_text().splitlines())
        return [(line["version"], line["passed"]) for line in lines if line.get("act") == "validation"]

    def refuses(self, stack, *arguments):
        done = stack.outrigger(*arguments)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("has not passed its validation; accuracy 0.01", done.stdout + done.stderr)

    def test_a_version_that_fails_never_serves(self):
        with Stack(web="nginx", models=self.models, settings={"worker.warm_up_ms": "0"}) as stack:
            self.assertEqual(self.answered_by(stack), "1")  # which has passed by now
            kept = stack.directory / "state/validations" / MODEL
            self.assertTrue(json.loads((kept / "1.json").read_text())["passed"])
            first = (kept / "1.json").stat().st_mtime_ns
            self.assertEqual(stack.outrigger("profile", MODEL, self.folder / "rows.csv").returncode, 0)  # a baseline

            write_wrong(self.folder / "2/model.onnx")
            stack.wait(lambda: self.version(stack, "2").get("state") == "failed", "version 2 is not refused")
            self.assertEqual(self.answered_by(stack), "1")
            self.assertIn("accuracy drop 0.97", self.version(stack, "2")["reason"])
            report = json.loads((kept / "2.json").read_text())
            self.assertFalse(report["passed"])
            self.assertEqual([check["name"] for check in report["checks"] if check["result"] == "failed"],
                             ["accuracy", "auc", "distribution", "accuracy drop"])
            self.assertEqual(stack.pids(f"worker.{MODEL}.2"), [])  # it was never started beside the others
            self.assertRegex(stack.outrigger("status").stdout,
                             rf"{MODEL} 2 has failed: it has not passed its validation; accuracy 0\.01")
            status, _, body = stack.request("POST", f"/api/v1/models/{MODEL}/versions/2/predict", self.body, JSON)
            self.assertEqual(status, 503, body)
            self.assertEqual(self.acts(stack), [("1", True), ("2", False)])

            self.refuses(stack, "promote", MODEL, "2")  # which validates it once more
            self.assertEqual(self.answered_by(stack), "1")

            stack.kill_supervisor()  # what has passed has passed
            stack.wait(lambda: stack.serves() and self.version(stack, "2").get("state") == "failed",
                       "the next supervisor does not refuse version 2")
            self.assertEqual((kept / "1.json").stat().st_mtime_ns, first)
            self.assertEqual(self.answered_by(stack), "1")

            shutil.copy(self.folder / "1/model.onnx", self.folder / "2/new")  # mended
            os.replace(self.folder / "2/new", self.folder / "2/model.onnx")
            stack.wait(lambda: self.answered_by(stack) == "2", "version 2 is not served")
            self.assertEqual(self.acts(stack)[-1], ("2", True))
