"""The flight recorder of the frontends: what the last requests were outlives a kill -9, and can be asked of another
version."""
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile
import unittest

import numpy

from expectations import held_out
from stack import BIN, REPOSITORY, Stack

JSON = {"Content-Type": "application/json"}
ROWS = held_out("cancer-logistic").features


class Flight(unittest.TestCase):
    def setUp(self):
        self.models = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="outrigger-test.")))
        self.models.chmod(0o755)
        shutil.copytree(REPOSITORY / "cancer-logistic", self.models / "cancer")
        (self.models / "cancer/golden.json").unlink()

    def ask(self, stack, row, status=200, path="/api/v1/models/cancer/predict"):
        body = json.dumps({"features": row})
        answered, headers, _ = stack.request("POST", path, body, JSON)
        self.assertEqual(answered, status)
        return headers["X-Request-Id"], body

    def recorded(self, stack, *options):
        said = stack.outrigger("flight", "--json", *options)
        self.assertEqual(said.returncode, 0, said)
        return json.loads(said.stdout)["requests"]

    def test_entries_outlive_a_kill(self):
        settings = {"frontend.processes": "1", "flight.requests": "64", "flight.payload": "full"}
        with Stack(web="nginx", models=self.models, settings=settings) as stack:
            ids = [self.ask(stack, row)[0] for row in ROWS[:10]]
            ids.append(self.ask(stack, [1, 2], 400)[0])
            ids.append(self.ask(stack, ROWS[0], 404, "/api/v1/models/none/predict")[0])
            self.expect_entries(stack, ids)
            before = self.recorded(stack)
            (pid,) = stack.pids("frontend")
            os.kill(pid, signal.SIGKILL)
            stack.wait(lambda: stack.pids("frontend") not in ([], [pid]), "no new frontend")
            self.assertEqual(self.recorded(stack), before)
            stack.wait(lambda: stack.request("GET", "/ready")[0] == 200, "not ready again")
            after, _ = self.ask(stack, ROWS[0])
            self.assertEqual([entry["request_id"] for entry in self.recorded(stack)], [*ids, after])
            self.assertEqual(self.recorded(stack)[-1]["sequence"], len(ids) + 1)
            for _ in range(100):  # the ring goes round
                self.ask(stack, ROWS[0])
            self.assertEqual([entry["sequence"] for entry in self.recorded(stack, "--last", "1000")],
                             list(range(len(ids) + 102 - 64, len(ids) + 102)))
            self.files_are_ours_alone(stack)

    def expect_entries(self, stack, ids):
        entries = self.recorded(stack)
        self.assertEqual([entry["request_id"] for entry in entries], ids)
        first = entries[0]
        self.assertEqual((first["model"], first["version"], first["status"], first["rows"], first["call"]),
                         ("cancer", "1", 200, 1, "predict"))
        self.assertGreater(first["payload_bytes"], 4 * len(ROWS[0]))
        self.assertGreater(first["total_us"], first["compute_us"])
        self.assertEqual(first["bytes_in"], len(json.dumps({"features": ROWS[0]})))
        self.assertRegex(first["body_xxh3"], "^[0-9a-f]{16}$")
        self.assertNotEqual(first["body_xxh3"], entries[1]["body_xxh3"])
        self.assertEqual([(entry["status"], entry["kind"]) for entry in entries[-2:]],
                         [(400, "invalid"), (404, "unknown_model")])
        self.assertEqual(len(self.recorded(stack, "--status", "4xx")), 2)
        self.assertEqual(len(self.recorded(stack, "--status", "404", "--model", "cancer")), 0)
        self.assertEqual(self.recorded(stack, "--slow", "100s"), [])
        self.assertEqual(len(self.recorded(stack, "--last", "3")), 3)
        shown = stack.outrigger("flight", "--last", "2").stdout
        self.assertIn(ids[-1], shown)
        self.assertEqual(len(shown.splitlines()), 3)
        self.follows(stack)

    def follows(self, stack):
        follower = subprocess.Popen([BIN / "outrigger", "flight", "--follow", "--json", "--last", "1", *stack.arguments()],
                                    stdout=subprocess.PIPE, text=True)
        try:
            line = json.loads(follower.stdout.readline())
            self.assertEqual(line["status"], 404)
        finally:
            follower.kill()
            follower.communicate()

    def files_are_ours_alone(self, stack):
        files = list((stack.runtime / "flight").iterdir())
        self.assertEqual([file.name for file in files], ["frontend.1"])
        self.assertEqual(stat.S_IMODE(files[0].stat().st_mode), 0o600)

    def test_another_version_is_asked(self):
        shutil.copytree(REPOSITORY / "cancer-trees/1", self.models / "cancer/2")
        shutil.copytree(self.models / "cancer/1", self.models / "cancer/3")
        with open(self.models / "cancer/model.conf", "a") as file:
            file.write('version = "1";\n')
        settings = {"flight.payload": "full", "log_level": "error"}
        with Stack(web="nginx", models=self.models, settings=settings) as stack:
            nothing = stack.outrigger("replay", "--against", "2")
            self.assertEqual((nothing.returncode, "no request is recorded" in nothing.stderr), (1, True), nothing)
            for version in "23":
                loaded = stack.outrigger("models", "load", "cancer", version)
                self.assertEqual(loaded.returncode, 0, loaded)
            for row in ROWS[:40]:
                self.ask(stack, row)
            status, _, body = stack.request("POST", "/api/v1/models/cancer/batch-predict",
                                            json.dumps({"instances": ROWS[40:]}), JSON)
            self.assertEqual(status, 200, body)
            same = json.loads(stack.outrigger("replay", "--against", "3", "--json", "--min-agreement", "100%").stdout)
            self.assertEqual((same["ok"], same["requests"], same["rows"], same["agreement"], same["largest_difference"]),
                             (True, 41, len(ROWS), 1.0, 0.0))
            self.expect_like_numpy(stack)
            wrong = stack.outrigger("replay", "--against", "9")
            self.assertEqual((wrong.returncode, "no version 9" in wrong.stderr), (1, True), wrong)

    def expect_like_numpy(self, stack):
        answers = []
        for version in "12":
            status, _, body = stack.request("POST", f"/api/v1/models/cancer/versions/{version}/batch-predict",
                                            json.dumps({"instances": ROWS}), JSON)
            self.assertEqual(status, 200, body)
            answers.append(json.loads(body))
        done = stack.outrigger("replay", "--against", "2", "--model", "cancer", "--json", "--last", "43")
        told = json.loads(done.stdout)
        one, other = (numpy.array(answer["probabilities"]) for answer in answers)
        agreed = sum(a == b for a, b in zip(answers[0]["predictions"], answers[1]["predictions"], strict=True))
        self.assertEqual((told["requests"], told["unanswered"]), (42, 1))  # one of them is of version 2 itself
        self.assertEqual(told["rows"], 2 * len(ROWS))
        self.assertEqual(told["agreed"], 2 * agreed)
        self.assertAlmostEqual(told["largest_difference"], float(abs(one - other).max()), delta=1e-6)
        self.assertAlmostEqual(told["mean_difference"], float(abs(one - other).mean()), delta=1e-6)
        self.assertLess(told["agreement"], 1)
        self.assertEqual(told["differ_most"][0]["agreed"] < told["differ_most"][0]["rows"], True)
        few = stack.outrigger("replay", "--against", "2", "--min-agreement", "100%")
        self.assertEqual(few.returncode, 1, few)
        self.assertIn("of the rows agree with version 2", few.stdout)


if __name__ == "__main__":
    unittest.main()
