"""Roll-outs under load behind a real web server: good versions take over by themselves, bad ones go back by themselves."""
import collections
import json
import os
import pathlib
import re
import shutil
import socket
import tempfile
import unittest

from load import JSON, ROW, Load
from stack import Stack, web_servers

CONFIGURATION = 'version = "1"; batching = { max_batch_rows = 1; };'
STEPS = ["--steps", "20,50,100", "--every", "1s", "--min-requests", "50"]


def write_model(repository, version, text=""):
    directory = repository / "sum" / version
    directory.mkdir(parents=True)
    (directory / "model.echo").write_text(f"features = 4;\n{text}\n")


class Counted(Load):
    """Counts which version said what."""

    def __init__(self, stack, connections=8):
        super().__init__(stack, connections)
        self.answers = collections.Counter()

    def ask(self, client, number):
        status, _, body = client.request("POST", "/api/v1/models/sum/predict", json.dumps({"features": ROW}), JSON)
        answer = json.loads(body)
        with self.lock:
            self.answers[status, answer.get("model_version")] += 1
        return None if status != 200 or answer["prediction"] == sum(ROW) else body

    def forget(self):
        with self.lock:
            self.answers.clear()

    def statuses(self):
        with self.lock:
            return {status for status, _ in self.answers} | ({"broken"} if self.failures else set())

    def versions(self):
        with self.lock:
            return {version for status, version in self.answers if status == 200}


class Rollout(unittest.TestCase):
    def setUp(self):
        self.repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.addCleanup(shutil.rmtree, self.repository)

    def stack(self, web="nginx", stable="", candidate="", configuration=CONFIGURATION):
        shutil.rmtree(self.repository / "sum", ignore_errors=True)
        write_model(self.repository, "1", stable)
        write_model(self.repository, "2", candidate)
        (self.repository / "sum" / "model.conf").write_text(configuration)
        return Stack(web=web, models=self.repository)

    def status(self, stack):
        answer = stack.control("supervisor.sock", {"command": "rollout-status", "model": "sum"})
        self.assertTrue(answer["ok"], answer)
        return answer["rollouts"][0]

    def roll_out(self, stack, *options, good):
        """Waits for the end; returns the last status."""
        done = stack.outrigger("rollout", "sum", "2", *options, "--wait", "100s")
        last = self.status(stack)
        self.assertEqual(done.returncode, 0 if good else 1, (done, last))
        self.assertEqual(last["ended_ms"] > 0, True, (done, last))
        return last

    def route(self, stack):
        answer = stack.control("supervisor.sock", {"command": "route", "model": "sum"})
        return answer["stable"], answer["from"], [arm["version"] for arm in answer["route"]["arms"]]

    def audit(self, stack):
        lines = (stack.directory / "state/audit/supervisor.log").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == "act"]

    def metrics(self, stack):
        with socket.create_connection(("127.0.0.1", stack.metrics_port)) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            return connection.makefile().read()

    def erring(self, stack):
        """The versions that errors are counted for."""
        return set(re.findall(r'prediction_errors_total\{model="sum",version="([^"]*)",kind="model_failed"\} [1-9]', self.metrics(stack)))

    def decisions(self, stack):
        """{decision: how many there were}, as the collector tells them."""
        text = self.metrics(stack)
        found = re.findall(r'outrigger_rollout_decisions_total\{model="sum",decision="([a-z ]+)"\} (\d+)', text)
        return collections.Counter({decision: int(count) for decision, count in found})

    def tell(self, what, last):
        print(f"{what}: {last['state']} after {last['requests']} requests and "
              f"{(last['ended_ms'] - last['began_ms']) / 1000:.1f} s: {last['decisions'][-1]['reason']}", flush=True)

    def test_a_good_version_takes_over_without_a_failed_request(self):
        for web in web_servers():
            with self.subTest(web=web), self.stack(web) as stack, Counted(stack) as load:
                last = self.roll_out(stack, *STEPS, "--max-p99", "20s", good=True)
                self.tell(f"a good one behind {web}", last)
                self.assertEqual(last["state"], "done")
                self.assertEqual([step["share"] for step in last["decisions"] if step["decision"] == "step"],
                                 [20, 50, 100])
                self.assertEqual(self.route(stack), ("2", "model.conf", []))
                self.assertEqual(load.statuses(), {200})
                load.forget()
                load.wait_for(100)
                self.assertLessEqual(load.versions(), {"1", "2"})
                stack.wait(lambda: (load.forget(), load.wait_for(50), load.versions() == {"2"})[2],
                           "version 1 still answers")
                self.assertEqual(load.failures, [])
                stack.wait(lambda: self.decisions(stack)["done"] == 1, "the collector does not tell of it")
                self.assertEqual(self.decisions(stack)["step"], 3)
                acts = [(line.get("uid"), line["act"], line.get("decision")) for line in self.audit(stack)]
                self.assertIn((os.geteuid(), "rollout", None), acts)
                # It holds where the load of a slow machine has not brought enough requests in time.
                self.assertEqual([decision for _, act, decision in acts if act == "rollout-decision" and decision != "hold"],
                                 ["begin", "step", "advance", "step", "advance", "step", "promote", "done"])

    def test_one_that_errs_goes_back(self):
        with self.stack(candidate="fail_every = 20;") as stack, Counted(stack) as load:
            last = self.roll_out(stack, "--every", "10m", "--max-error-rate", "0.1%", good=False)
            self.tell("one that errs 5 % of the time", last)
            self.assertEqual(last["state"], "rolled back")
            self.assertIn("surely more than", last["decisions"][-1]["reason"])  # 0.1 %, or twice what the other has
            self.assertEqual(self.route(stack), ("1", "model.conf", []))
            self.assertEqual(load.statuses(), {200, 500})
            stack.wait(lambda: self.erring(stack) == {"2"}, f"errors are counted for {self.erring(stack)}")
            load.wait_for(20)  # those that were under way
            load.forget()
            load.wait_for(500)
            self.assertEqual(load.statuses(), {200})
            self.assertEqual(load.versions(), {"1"})
            model, = stack.control("supervisor.sock", {"command": "models", "model": "sum"})["models"]
            self.assertEqual([version["state"] for version in model["versions"]], ["ready", "ready"])
            decision = [line for line in self.audit(stack) if line.get("decision") == "roll back"][0]
            self.assertGreaterEqual(decision["candidate"]["errors"], 3)
            self.assertEqual(decision["stable_version"]["errors"], 0)

    def test_one_that_is_slow_goes_back(self):
        with self.stack(stable="call_us = 10000;", candidate="call_us = 50000;") as stack, \
             Counted(stack, connections=2) as load:
            last = self.roll_out(stack, "--steps", "30,100", "--every", "10m", good=False)
            self.tell("one that is 5 times as slow", last)
            self.assertEqual(last["state"], "rolled back")
            self.assertIn("times as slow as the stable version", last["decisions"][-1]["reason"])
            self.assertEqual(self.route(stack), ("1", "model.conf", []))
            self.assertEqual(load.statuses(), {200})
            last = self.roll_out(stack, "--steps", "30,100", "--every", "10m", "--max-p99", "30ms", good=False)
            self.tell("one that takes 50 ms of 30", last)
            self.assertRegex(last["decisions"][-1]["reason"], "took longer than 30 ms|times as slow as the stable")
            self.assertEqual(last["state"], "rolled back")

    def test_supervisor_and_broker_may_die_in_the_middle(self):
        with self.stack() as stack, Counted(stack) as load:
            done = stack.outrigger("rollout", "sum", "2", "--steps", "20,50", "--every", "4s", "--min-requests", "200")
            self.assertEqual(done.returncode, 0, done)
            stack.wait(lambda: self.status(stack)["candidate"]["requests"] > 20, "nothing is counted")
            before = self.status(stack)["requests"]
            stack.kill_supervisor()
            stack.wait(lambda: self.status(stack)["requests"] > before, "it does not go on")
            stack.kill("broker")
            stack.wait(lambda: self.status(stack)["step"] == 1, "it does not reach the second step")
            stack.kill_supervisor()
            stack.wait(lambda: self.status(stack)["ended_ms"] > 0, "it does not end")
            last = self.status(stack)
            self.tell("killed twice, and the broker once", last)
            self.assertEqual(last["state"], "done", last)
            self.assertEqual(self.route(stack), ("2", "model.conf", []))
            self.assertEqual(load.failures, [])
            stack.wait(stack.serves, "not everything runs")

    def test_a_version_that_does_not_start_moves_nothing(self):
        with self.stack(candidate='start = "fail";') as stack, Counted(stack) as load:
            last = self.roll_out(stack, *STEPS, good=False)
            self.tell("one that does not start", last)
            self.assertEqual(last["state"], "failed")
            self.assertIn("told to fail at start", last["decisions"][-1]["reason"])
            self.assertEqual(self.route(stack), ("1", "model.conf", []))
            self.assertEqual(load.versions(), {"1"})
            self.assertEqual(load.statuses(), {200})

    def test_the_highest_version_does_not_come_back_by_itself(self):
        """Without a version named the highest one takes the traffic: a roll-out pins what it began with."""
        with self.stack(stable="fail_every = 20;", configuration="batching = { max_batch_rows = 1; };") as stack, \
             Counted(stack) as load:
            self.assertEqual(self.route(stack), ("2", "model.conf", []))
            done = stack.outrigger("rollout", "sum", "1", "--every", "10m", "--max-error-rate", "0.1%", "--wait", "100s")
            self.assertEqual((done.returncode, self.status(stack)["state"]), (1, "rolled back"), done)
            model, = stack.control("supervisor.sock", {"command": "models", "model": "sum"})["models"]
            self.assertEqual((model["pinned"], model["stable"], model["wanted"]), (True, "2", "2"))
            self.assertEqual(load.statuses(), {200, 500})

    def test_the_operator_may_interfere(self):
        with self.stack() as stack, Counted(stack) as load:
            def outrigger(*words, status=0):
                done = stack.outrigger("rollout", *words)
                self.assertEqual(done.returncode, status, done)
                return done.stdout + done.stderr
            self.assertIn("no roll-out", outrigger("status"))
            self.assertIn("has no version 9", outrigger("sum", "9", status=1))
            self.assertIn("is the stable version", outrigger("sum", "1", status=1))
            self.assertIn("there is nothing", outrigger("none", "1", status=1))
            self.assertIn("no roll-out of sum is under way", outrigger("pause", "sum", status=1))
            self.assertIn("percent", outrigger("sum", "2", "--max-error-rate", "1", status=2))
            self.assertIn("duration", outrigger("sum", "2", "--every", "10", status=2))
            self.assertIn("a share such as 0.8", outrigger("sum", "2", "--min-accuracy", "8", status=2))
            outrigger("sum", "2", "--steps", "30,100", "--every", "1s", "--min-requests", "100000000")
            self.assertIn("under way", outrigger("sum", "2", status=1))
            stack.wait(lambda: self.status(stack)["state"] == "holding", "it does not hold")
            outrigger("pause", "sum")
            text = outrigger("status", "sum")
            self.assertIn("sum: 1 -> 2", text)
            self.assertIn("paused", text)
            self.assertIn("at least 100000000 requests", text)
            self.assertTrue(json.loads(outrigger("status", "sum", "--json"))["rollouts"][0]["paused"])
            for command in ({"command": "promote", "version": "2"}, {"command": "rollback"}, {"command": "unload"},
                            {"command": "route", "route": None}):
                answer = stack.control("supervisor.sock", {"model": "sum", **command})
                self.assertIn("a roll-out of sum is under way", answer["error"])
            outrigger("resume", "sum")
            self.assertEqual(self.route(stack), ("1", "operator", ["2"]))
            outrigger("abort", "sum")
            stack.wait(lambda: self.status(stack)["state"] == "aborted", "it is not aborted")
            self.assertEqual(self.route(stack), ("1", "model.conf", []))
            load.wait_for(20)
            self.assertEqual(load.statuses(), {200})
            self.assertIn(False, [line.get("done") for line in self.audit(stack)])


if __name__ == "__main__":
    unittest.main()
