"""Ground truth behind a real web server: what is published of accuracy is what scikit-learn computes from the same answers,
it outlives any process, and a roll-out is decided by it."""
import json
import os
import pathlib
import shutil
import signal
import tempfile
import threading
import unittest
import urllib.request

import sklearn.metrics

from expectations import held_out
from stack import REPOSITORY, Stack

JSON = {"Content-Type": "application/json"}
FEEDBACK = "/api/v1/feedback"


def pretend(index):
    """What turns out to be true of row `index`: any rule that no model knows."""
    return (index * 7919) % 5 < 2


class Feedback(unittest.TestCase):
    def post(self, stack, path, document, status=200):
        answered, _, body = stack.request("POST", path, json.dumps(document), JSON)
        self.assertEqual(answered, status, body[:500])
        return json.loads(body)

    def entry(self, stack, model, version="1"):
        told = stack.control("collector.sock", {"command": "accuracy"})["models"]
        return next((entry for entry in told if (entry["model"], entry["version"]) == (model, version)), {"known": 0})

    def known(self, stack, model, count, version="1"):
        stack.wait(lambda: self.entry(stack, model, version)["known"] >= count, "truths do not find their predictions")
        return self.entry(stack, model, version)

    def expect_like_sklearn(self, entry, truths, answers):
        probabilities = [probability for probability, _ in answers]
        self.assertAlmostEqual(entry["accuracy"],
                               sklearn.metrics.accuracy_score(truths, [prediction for _, prediction in answers]), delta=1e-9)
        self.assertAlmostEqual(entry["auc"], sklearn.metrics.roc_auc_score(truths, probabilities), delta=1e-9)
        self.assertAlmostEqual(entry["brier"], sklearn.metrics.brier_score_loss(truths, probabilities), delta=1e-7)

    def test_figures_are_those_of_scikit_learn(self):
        rows = held_out("cancer-logistic").features
        with Stack(web="nginx", models=["cancer-logistic", "diabetes-ridge"]) as stack:
            answers, truths, path = [], [], "/api/v1/models/cancer-logistic/"
            for index, row in enumerate(rows[:60]):
                answer = self.post(stack, path + "predict", {"features": row})
                answers.append((answer["probability"], answer["prediction"]))
                truths.append(pretend(index))
                actual = answer["label"] if truths[-1] == answer["prediction"] else int(truths[-1])
                self.post(stack, FEEDBACK, {"request_id": answer["request_id"], "actual": actual}, 202)
            batch = self.post(stack, path + "batch-predict", {"instances": rows[60:]})
            answers += [(row[1], prediction) for row, prediction in
                        zip(batch["probabilities"], batch["predictions"], strict=True)]
            truths += [pretend(index) for index in range(60, len(rows))]
            self.post(stack, FEEDBACK, {"request_id": batch["request_id"], "actuals": truths[60:]}, 202)
            self.expect_like_sklearn(self.known(stack, "cancer-logistic", len(rows)), truths, answers)

            # Whoever dies, nothing is forgotten and nothing counted twice.
            for name in ("collector", "frontend"):
                pids = stack.pids(name)
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
                stack.wait(lambda: stack.pids(name) and not set(stack.pids(name)) & set(pids), f"no new {name}")
            stack.wait(lambda: stack.request("GET", "/ready")[0] == 200, "not ready again")
            entry = self.known(stack, "cancer-logistic", len(rows))
            self.assertEqual(entry["known"], len(rows))
            self.expect_like_sklearn(entry, truths, answers)

            self.other_protocol(stack, rows[0], len(rows))
            self.regression(stack)
            shown = stack.outrigger("accuracy")
            self.assertEqual(shown.returncode, 0, shown)
            self.assertRegex(shown.stdout, r"cancer-logistic +1 +%d +[\d.]+ %%" % (len(rows) + 1))
            self.assertEqual(len(json.loads(stack.outrigger("accuracy", "--json").stdout)["models"]), 2)
            stack.wait(lambda: "model_accuracy{" in self.metrics(stack), "it is not published")
            text = self.metrics(stack)
            self.assertRegex(text, r'model_accuracy\{model="cancer-logistic",version="1"\} 0\.\d+')
            self.assertRegex(text, r'model_mean_absolute_error\{model="diabetes-ridge",version="1"\} \d+\.\d+')

    def metrics(self, stack):
        return urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics_port}/metrics").read().decode()

    def other_protocol(self, stack, row, before):
        """The Open Inference Protocol's answers are remembered by the X-Request-Id that they carry."""
        body = {"inputs": [{"name": self.input(stack), "shape": [1, len(row)], "datatype": "FP32", "data": row}]}
        status, headers, answer = stack.request("POST", "/v2/models/cancer-logistic/infer", json.dumps(body), JSON)
        self.assertEqual(status, 200, answer)
        self.post(stack, FEEDBACK, {"request_id": headers["x-request-id"], "actual": 1}, 202)
        self.known(stack, "cancer-logistic", before + 1)

    def input(self, stack):
        return json.loads(stack.request("GET", "/v2/models/cancer-logistic")[2])["inputs"][0]["name"]

    def regression(self, stack):
        rows = held_out("diabetes-ridge").features[:50]
        batch = self.post(stack, "/api/v1/models/diabetes-ridge/batch-predict", {"instances": rows})
        truths = [prediction + index % 7 - 2 for index, prediction in enumerate(batch["predictions"])]
        self.post(stack, FEEDBACK, {"request_id": batch["request_id"], "actuals": truths}, 202)
        entry = self.known(stack, "diabetes-ridge", len(rows))
        self.assertAlmostEqual(entry["mae"], sklearn.metrics.mean_absolute_error(truths, batch["predictions"]), delta=1e-5)
        self.assertAlmostEqual(entry["rmse"], sklearn.metrics.mean_squared_error(truths, batch["predictions"]) ** 0.5,
                               delta=1e-5)
        self.assertNotIn("accuracy", entry)

    def test_what_is_wrong_is_said(self):
        with Stack(web="nginx", models=["cancer-logistic"], settings={"feedback.keep": "0"}) as stack:
            body = self.post(stack, FEEDBACK, {"request_id": "r", "actual": 1}, 404)
            self.assertIn("feedback.keep", body["detail"])
        with Stack(web="nginx", models=["cancer-logistic"]) as stack:
            body = self.post(stack, FEEDBACK, [{"request_id": "r", "actual": 1}, {"request_id": 7}], 400)
            self.assertEqual([error["field"] for error in body["errors"]], ["[1].request_id", "[1].actual"])
            self.assertEqual(stack.request("GET", FEEDBACK)[0], 405)

    # ---- roll-outs ----

    def stack_of_two(self):
        scratch = tempfile.TemporaryDirectory(prefix="outrigger-test.")
        self.addCleanup(scratch.cleanup)
        repository = pathlib.Path(scratch.name)
        repository.chmod(0o755)
        shutil.copytree(REPOSITORY / "cancer-logistic", repository / "cancer")
        shutil.copytree(REPOSITORY / "cancer-trees/1", repository / "cancer/2")
        (repository / "cancer/golden.json").unlink()
        with open(repository / "cancer/model.conf", "a") as file:
            file.write('version = "1";\n')
        return Stack(web="nginx", models=repository)

    def tell(self, stack, stop, right):
        """Asks without end, and tells of each answer whether it was right, as `right` says by its version."""
        client, rows, index = stack.client(), held_out("cancer-logistic").features, 0
        while not stop.is_set():
            index += 1
            _, _, body = client.request("POST", "/api/v1/models/cancer/predict",
                                        json.dumps({"features": rows[index % len(rows)]}), JSON)
            answer = json.loads(body)
            actual = answer["prediction"] if right(answer["model_version"], index) else 1 - answer["prediction"]
            client.request("POST", FEEDBACK, json.dumps({"request_id": answer["request_id"], "actual": actual}), JSON)
        client.close()

    def roll_out(self, stack, right):
        stop = threading.Event()
        thread = threading.Thread(target=self.tell, args=(stack, stop, right))
        thread.start()
        try:
            return stack.outrigger("rollout", "cancer", "2", "--steps", "50,100", "--every", "1s", "--min-requests", "50",
                                   "--min-accuracy", "0.8", "--max-error-rate", "50%", "--wait", "100s")
        finally:
            stop.set()
            thread.join()

    def test_a_roll_out_is_decided_by_accuracy(self):
        with self.stack_of_two() as stack:
            done = self.roll_out(stack, lambda version, index: version == "1" or index % 2)
            self.assertEqual(done.returncode, 1, done)
            rollout, = stack.control("supervisor.sock", {"command": "rollout-status"})["rollouts"]
            self.assertEqual(rollout["state"], "rolled back")
            self.assertRegex(rollout["decisions"][-2]["reason"] + rollout["decisions"][-1]["reason"],
                             r"right: \d+ of \d+ answers .*: surely less than 80 %")
            done = self.roll_out(stack, lambda version, index: index % 20)
            self.assertEqual(done.returncode, 0, done)
            model, = stack.control("supervisor.sock", {"command": "models", "model": "cancer"})["models"]
            self.assertEqual(model["stable"], "2")


if __name__ == "__main__":
    unittest.main()
