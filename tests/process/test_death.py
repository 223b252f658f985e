"""Workers are killed under load, frontends are restarted, and nobody notices."""
import json
import os
import pathlib
import signal
import tempfile
import threading
import time
import unittest

from expectations import held_out
from stack import Stack

JSON = {"Content-Type": "application/json"}
KILLS = 20
CONNECTIONS = 16


class Load:
    """Clients that ask one row after the other and check every answer, until they are told to stop."""

    def __init__(self, stack, model, connections):
        self.stack = stack
        self.expected = held_out(model)
        self.path = f"/api/v1/models/{model}/predict"
        self.failures = []
        self.answered = 0
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(connections)]

    def run(self, offset):
        client = self.stack.client()
        row = offset
        while not self.stopping.is_set():
            row = (row + 1) % len(self.expected.features)
            try:
                status, _, body = client.request("POST", self.path,
                                                 json.dumps({"features": self.expected.features[row]}), JSON)
                wrong = status != 200 or json.loads(body)["prediction"] != self.expected.labels[row]
                if wrong:
                    self.failures.append((status, body[:200]))
            except (OSError, ValueError, KeyError) as error:
                self.failures.append(repr(error))
            with self.lock:
                self.answered += 1
        client.close()

    def wait_for(self, answers):
        target = self.answered + answers
        limit = time.monotonic() + 60
        while self.answered < target and time.monotonic() < limit:
            time.sleep(0.01)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Death(unittest.TestCase):
    def test_workers_killed_under_load(self):
        with Stack(web="nginx") as stack, Load(stack, "cancer-logistic", CONNECTIONS) as load:
            for _ in range(KILLS):
                load.wait_for(100)
                victim = stack.pids("worker.cancer-logistic.1")[0]
                os.kill(victim, signal.SIGKILL)
                stack.wait(lambda: stack.pids("worker.cancer-logistic.1") not in ([], [victim]),
                           "the worker was not started again")
            load.wait_for(200)
            load.stopping.set()
            print(f"{KILLS} workers killed, {load.answered} requests, {len(load.failures)} failed", flush=True)
            self.assertEqual(load.failures, [])
            self.assertGreater(load.answered, KILLS * 100)

    def test_broker_killed_under_load(self):
        with Stack(web="nginx") as stack, Load(stack, "cancer-logistic", 4) as load:
            for _ in range(3):
                load.wait_for(100)
                victim = stack.pids("broker")[0]
                os.kill(victim, signal.SIGKILL)
                stack.wait(lambda: stack.pids("broker") not in ([], [victim]), "the broker was not started again")
            load.wait_for(200)
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_broker_restarted_under_load(self):
        """SIGTERM: what it refuses while it finishes is kept by the frontends for the next broker."""
        with Stack(web="nginx") as stack, Load(stack, "cancer-logistic", 4) as load:
            for _ in range(3):
                load.wait_for(100)
                victim = stack.kill("broker", signal.SIGTERM)
                stack.wait(lambda: stack.pids("broker") not in ([], [victim]), "the broker was not started again")
            load.wait_for(200)
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_a_broker_that_has_not_met_the_worker_refuses_nothing(self):
        """Its frontends know from the broker before what the model takes, and the request waits for the worker."""
        expected = held_out("cancer-logistic")
        body = json.dumps({"features": expected.features[0]})
        with Stack(web="nginx", models=["cancer-logistic"]) as stack:
            worker = stack.kill("worker.cancer-logistic.1", signal.SIGSTOP)
            broker = stack.kill("broker")
            stack.wait(lambda: stack.pids("broker") not in ([], [broker]), "the broker was not started again")
            stack.wait(lambda: stack.request("GET", "/ready")[0] == 503, "nobody misses the worker")
            answers = []
            asking = threading.Thread(target=lambda: answers.append(
                stack.request("POST", "/api/v1/models/cancer-logistic/predict", body, JSON)))
            asking.start()
            stack.wait(lambda: stack.control("broker.sock", {"command": "status"})["models"][0]["queue_requests"] == 1
                       or answers, "the request does not reach the broker")
            os.kill(worker, signal.SIGCONT)
            asking.join()
            self.assertEqual(answers[0][0], 200, answers[0][2])
            self.assertEqual(json.loads(answers[0][2])["prediction"], expected.labels[0])

    def test_a_worker_that_hung_when_its_broker_died(self):
        """The new broker never hears of it: the supervisor finds out, and has it replaced."""
        with tempfile.TemporaryDirectory(prefix="outrigger-models.") as repository:
            model = pathlib.Path(repository) / "sum"
            (model / "1").mkdir(parents=True)
            (model / "1" / "model.echo").write_text("features = 2;\n")
            (model / "model.conf").write_text("limits: { compute_timeout_ms = 200; };")
            body = json.dumps({"features": [1.0, 2.0]})
            with Stack(web="nginx", models=repository, settings={"worker.heartbeat_ms": "1000",
                                                                 "collector.interval_ms": "100"}) as stack:
                broker = stack.pids("broker")[0]
                # Silent for less than three heartbeats: the broker that dies has not given it up.
                worker = stack.kill("worker.sum.1.1", signal.SIGSTOP)
                os.kill(broker, signal.SIGKILL)
                stack.wait(lambda: stack.pids("worker.sum.1.1") not in ([], [worker]), "it is not replaced")
                self.assertNotIn(stack.pids("broker"), ([], [broker]))
                self.assertEqual(stack.process("worker.sum.1.1")["cause"], "killed because it hung")
                stack.wait(lambda: stack.request("POST", "/api/v1/models/sum/predict", body, JSON)[0] == 200,
                           "the new one does not serve")

    def test_frontend_restarted_under_load(self):
        """SIGTERM: what is under way is finished, new connections wait in the backlog; gone within the drain time."""
        with Stack(web="nginx") as stack, Load(stack, "cancer-logistic", 4) as load:
            for _ in range(3):
                load.wait_for(100)
                victim = stack.pids("frontend.1")[0]
                os.kill(victim, signal.SIGTERM)
                stack.wait(lambda: stack.pids("frontend.1") not in ([], [victim]), "the frontend was not started again")
            load.wait_for(200)
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_collector_killed(self):
        with Stack(web="nginx") as stack, Load(stack, "cancer-logistic", 4) as load:
            load.wait_for(100)
            victim = stack.pids("collector")[0]
            os.kill(victim, signal.SIGKILL)
            load.wait_for(200)
            stack.wait(lambda: stack.pids("collector") not in ([], [victim]), "the collector was not started again")
            load.stopping.set()
            self.assertEqual(load.failures, [])


if __name__ == "__main__":
    unittest.main()
