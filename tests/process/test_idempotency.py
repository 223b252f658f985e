"""Idempotency-Key through nginx and two frontends: what is sent again is answered as before and not computed again."""
import json
import os
import pathlib
import re
import signal
import tempfile
import threading
import unittest

from stack import Stack

JSON = {"Content-Type": "application/json"}
MODELS = ["sum", "counted", "running", "late", "both", "kept"]  # those that are counted are asked by one test each
BODY = json.dumps({"features": [1, 2, 3, 4]})
OTHER = json.dumps({"features": [1, 2, 3, 5]})
ASKERS_MAX = 100  # more than nginx keeps connections to a frontend that stands still


def predict(model="sum"):
    return f"/api/v1/models/{model}/predict"


def tensor(values):
    return json.dumps({"inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 4], "data": values}]})


class Asker(threading.Thread):
    """One request over a connection of its own."""

    def __init__(self, stack, key, path):
        super().__init__()
        self.client, self.headers, self.path, self.answer = stack.client(), JSON | {"Idempotency-Key": key}, path, None
        self.start()

    def run(self):
        self.answer = self.client.request("POST", self.path, BODY, self.headers)
        self.client.close()


class Idempotency(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="outrigger-test.")
        repository = pathlib.Path(cls.scratch.name)
        repository.chmod(0o755)
        for model in MODELS:
            (repository / model / "1").mkdir(parents=True)
            (repository / model / "1" / "model.echo").write_text("features = 4;\n")
        # Long beats: a worker that stands still here is not to be taken for a dead one.
        cls.stack = Stack(web="nginx", models=repository,
                          settings={"frontend.processes": "2", "worker.heartbeat_ms": "60000", "collector.interval_ms": "100"})
        cls.stack.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.stack.__exit__(None, None, None)
        cls.scratch.cleanup()

    def ask(self, key, body=BODY, path=predict(), status=200):
        got, headers, content = self.stack.request("POST", path, body, JSON | {"Idempotency-Key": key})
        self.assertEqual(got, status, content)
        return headers, content

    def count(self, metric, model):
        """The sum of a counter of the model over its other labels."""
        _, _, text = self.stack.request("GET", "/metrics")
        return sum(int(value) for value in re.findall(rf'^{metric}{{model="{model}"[^}}]*}} (\d+)$', text.decode(), re.M))

    def counts(self, model, **expected):
        for name, value in expected.items():
            metric = f"outrigger_{name}_total"
            self.stack.wait(lambda: self.count(metric, model) >= value, f"{metric} is not counted")
            self.assertEqual(self.count(metric, model), value, metric)

    def stop_worker(self, model):
        worker = self.stack.kill(f"worker.{model}.1", signal.SIGSTOP)
        self.addCleanup(os.kill, worker, signal.SIGCONT)
        return worker

    def held(self, model):
        """True while a worker of the model has a request."""
        return any(worker["in_flight"] for worker in self.stack.control("broker.sock", {"command": "status"})["workers"]
                   if worker["model"] == model)

    def test_the_same_is_answered_as_before(self):
        path = predict("counted")
        first, content = self.ask('"same"', path=path)
        self.assertIsNone(first["Idempotency-Replayed"])
        self.assertEqual(json.loads(content)["prediction"], 10)
        for key in ("same", '"same"', '"same";made=1'):
            headers, again = self.ask(key, path=path)
            self.assertEqual(again, content)
            self.assertEqual(headers["Idempotency-Replayed"], "true")
            self.assertNotEqual(headers["X-Request-Id"], first["X-Request-Id"])
        self.assertEqual(json.loads(self.ask("another", path=path)[1])["prediction"], 10)
        self.counts("counted", worker_rows=2, idempotency_replayed=3)

    def test_a_key_with_blanks(self):
        _, content = self.ask('"two words"')
        headers, again = self.ask('"two words"')
        self.assertEqual((again, headers["Idempotency-Replayed"]), (content, "true"))

    def test_another_request_with_the_key_is_refused(self):
        self.ask("reused")
        _, content = self.ask("reused", OTHER, status=422)
        problem = json.loads(content)
        self.assertEqual((problem["kind"], problem["status"]), ("idempotency_key_reused", 422))
        self.ask("reused", json.dumps({"instances": [[1, 2, 3, 4]]}), "/api/v1/models/sum/batch-predict", 422)
        self.ask("reused", BODY, predict("sum/versions/1"), 422)
        self.ask("reused")

    def test_a_key_that_is_none(self):
        for key in ("", '""', "two words", "k" * 256, '"open'):
            with self.subTest(key=key):
                _, content = self.ask(key, status=400)
                self.assertIn("Idempotency-Key", json.loads(content)["detail"])
        self.ask("k" * 255)

    def test_tensors(self):
        _, content = self.ask("tensors", tensor([1, 2, 3, 4]), "/v2/models/sum/infer")
        headers, again = self.ask("tensors", tensor([1, 2, 3, 4]), "/v2/models/sum/infer")
        self.assertEqual((again, headers["Idempotency-Replayed"]), (content, "true"))
        _, content = self.ask("tensors", tensor([1, 2, 3, 5]), "/v2/models/sum/infer", 422)
        self.assertEqual(list(json.loads(content)), ["error"])

    def test_a_large_one(self):
        rows = [[row, 0.25, 1, 2] for row in range(10000)]  # the answer passes through the side lane
        path, body = "/api/v1/models/sum/batch-predict", json.dumps({"instances": rows})
        _, content = self.ask("large", body, path)
        self.assertGreater(len(content), 65536)
        headers, again = self.ask("large", body, path)
        self.assertEqual((again, headers["Idempotency-Replayed"]), (content, "true"))
        self.ask("large", body + " ", path, status=422)

    def test_one_is_under_way(self):
        path = predict("running")
        worker = self.stop_worker("running")
        first = Asker(self.stack, "running", path)
        self.stack.wait(lambda: self.held("running"), "the request does not reach the worker")
        headers, content = self.ask("running", path=path, status=409)
        self.assertEqual(json.loads(content)["kind"], "idempotency_key_running")
        self.assertIn(headers["Retry-After"], ("1", "2"))  # by lot
        self.ask("running", OTHER, path, status=422)
        os.kill(worker, signal.SIGCONT)
        first.join()
        self.assertEqual(first.answer[0], 200)
        self.assertEqual(self.ask("running", path=path)[1], first.answer[2])
        self.counts("running", idempotency_conflicts=2, worker_rows=1, idempotency_replayed=1)

    def test_the_time_of_the_client_is_over(self):
        path = predict("late")
        worker = self.stop_worker("late")
        late = json.dumps({"features": [1, 2, 3, 4], "timeout_ms": 200})
        keys = []

        def is_late_at_the_worker():  # and not before, as on a busy machine
            keys.append(f"late{len(keys)}")
            self.ask(keys[-1], late, path, status=504)
            return self.held("late")
        self.stack.wait(is_late_at_the_worker, "the request does not reach the worker")
        self.ask(keys[-1], late, path, status=409)
        os.kill(worker, signal.SIGCONT)
        self.counts("late", batches=1)
        self.stack.wait(lambda: self.stack.request("POST", path, late, JSON | {"Idempotency-Key": keys[-1]})[0] == 200,
                        "the answer of the worker is not kept")
        headers, content = self.ask(keys[-1], late, path)
        self.assertEqual((json.loads(content)["prediction"], headers["Idempotency-Replayed"]), (10, "true"))
        self.counts("late", worker_rows=1)

    def answers_without(self, frontend):
        """The answers of the frontend that does not stand still, and then those of both: at least one is the other's."""
        stopped = self.stack.kill(frontend, signal.SIGSTOP)
        askers = []

        def one_is_answered():
            if len(askers) < ASKERS_MAX:
                askers.append(Asker(self.stack, "both", predict("both")))
            return any(asker.answer for asker in askers)
        try:
            self.stack.wait(one_is_answered, "the other frontend does not answer")
        finally:
            os.kill(stopped, signal.SIGCONT)
            for asker in askers:
                asker.join()
        return [asker.answer for asker in askers]

    def test_the_broker_is_replaced(self):
        path = predict("kept")
        _, content = self.ask("kept", path=path)
        self.assertEqual(self.stack.outrigger("restart", "broker").returncode, 0)
        headers, again = self.ask("kept", path=path)
        self.assertEqual((again, headers["Idempotency-Replayed"]), (content, "true"))
        self.ask("kept", OTHER, path, status=422)

    def test_two_frontends(self):
        answers = self.answers_without("frontend.1") + self.answers_without("frontend.2")
        self.assertLessEqual({status for status, _, _ in answers}, {200, 409})
        good = [(headers["Idempotency-Replayed"], content) for status, headers, content in answers if status == 200]
        self.assertEqual(len({content for _, content in good}), 1)
        self.assertEqual([replayed for replayed, _ in good if replayed != "true"], [None])
        self.ask("after", path=predict("both"))
        self.counts("both", worker_rows=2)


if __name__ == "__main__":
    unittest.main()
