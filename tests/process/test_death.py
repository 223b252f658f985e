"""Workers are killed under load, frontends are restarted, and nobody notices."""
import json
import os
import pathlib
import signal
import tempfile
import threading
import unittest

from expectations import held_out
from load import JSON, Load
from stack import Stack

KILLS = 20
CONNECTIONS = 16


class Rows(Load):
    """One row after the other of those whose answers are known."""

    def __init__(self, stack, model, connections):
        super().__init__(stack, connections)
        self.path, self.expected = f"/api/v1/models/{model}/predict", held_out(model)

    def ask(self, client, number):
        row = number % len(self.expected.features)
        status, _, body = client.request("POST", self.path, json.dumps({"features": self.expected.features[row]}), JSON)
        right = status == 200 and json.loads(body)["prediction"] == self.expected.labels[row]
        return None if right else (status, body[:200])


class Death(unittest.TestCase):
    def test_workers_killed_under_load(self):
        with Stack(web="nginx") as stack, Rows(stack, "cancer-logistic", CONNECTIONS) as load:
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
        with Stack(web="nginx") as stack, Rows(stack, "cancer-logistic", 4) as load:
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
        with Stack(web="nginx") as stack, Rows(stack, "cancer-logistic", 4) as load:
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
        with Stack(web="nginx") as stack, Rows(stack, "cancer-logistic", 4) as load:
            for _ in range(3):
                load.wait_for(100)
                victim = stack.pids("frontend.1")[0]
                os.kill(victim, signal.SIGTERM)
                stack.wait(lambda: stack.pids("frontend.1") not in ([], [victim]), "the frontend was not started again")
            load.wait_for(200)
            load.stopping.set()
            self.assertEqual(load.failures, [])

    def test_collector_killed(self):
        with Stack(web="nginx") as stack, Rows(stack, "cancer-logistic", 4) as load:
            load.wait_for(100)
            victim = stack.pids("collector")[0]
            os.kill(victim, signal.SIGKILL)
            load.wait_for(200)
            stack.wait(lambda: stack.pids("collector") not in ([], [victim]), "the collector was not started again")
            load.stopping.set()
            self.assertEqual(load.failures, [])


if __name__ == "__main__":
    unittest.main()
