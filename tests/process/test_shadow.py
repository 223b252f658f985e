"""A shadow version behind a real web server: what is published of its agreement is what an offline comparison of the two
versions gives, and whatever becomes of it, or of the collector, no client notices."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

from expectations import held_out
from stack import REPOSITORY, Stack

JSON = {"Content-Type": "application/json"}
SHADOW = 'version = "1"; route = { shadow = { version = "2"; percent = 100.0; }; };\n'
ROWS_A_REQUEST = (1, 1, 1, 7)
MILLIONTH = 1e-6
# backend_echo: what its first value makes of a row; the stable version is deaf to it.
SLOW, CRASH, FAIL = [-1001, 400, 0, 0], [-1002, 0, 0, 0], [-1005, 0, 0, 0]


class Shadow(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="outrigger-test.")
        self.addCleanup(scratch.cleanup)
        self.repository = pathlib.Path(scratch.name)
        self.repository.chmod(0o755)

    def post(self, client, path, document):
        status, _, body = client.request("POST", path, json.dumps(document), JSON)
        self.assertEqual(status, 200, body[:500])
        return json.loads(body)

    def pair(self, stack, model):
        """What the collector tells of the model's shadow; all 0 before there was a copy."""
        told = stack.control("collector.sock", {"command": "shadow"})["models"]
        return next((entry for entry in told if (entry["model"], entry["stable"], entry["shadow"]) == (model, "1", "2")),
                    dict.fromkeys(("copies", "answered", "failed", "dropped", "compared", "agreed", "elements"), 0))

    def drained(self, stack, model, copies):
        """Waits until every copy has ended, and as many were taken; returns what is told then."""
        def has_drained():
            pair = self.pair(stack, model)
            return pair["copies"] >= copies and \
                pair["copies"] == pair["answered"] + pair["failed"] + pair["dropped"]
        stack.wait(has_drained, "copies are under way for ever")
        return self.pair(stack, model)

    # ---- agreement ----

    def cancer(self):
        """Two models of the same data, of which each is mistaken now and then, as versions of one."""
        shutil.copytree(REPOSITORY / "cancer-logistic", self.repository / "cancer")
        shutil.copytree(REPOSITORY / "cancer-trees/1", self.repository / "cancer/2")
        (self.repository / "cancer/golden.json").unlink()
        with open(self.repository / "cancer/model.conf", "a") as file:
            file.write(SHADOW)
        return held_out("cancer-logistic").features

    def answers(self, stack, version, rows):
        status, _, _ = stack.request("POST", f"/api/v1/models/cancer/versions/{version}/batch-predict",
                                     json.dumps({"instances": rows}), JSON)
        return status == 200

    def compare_offline(self, stack, rows):
        """Asks both versions by name, which makes no copies."""
        both = [self.post(stack, f"/api/v1/models/cancer/versions/{version}/batch-predict", {"instances": rows})
                for version in "12"]
        agreed = sum(one == other for one, other in zip(*(answer["predictions"] for answer in both), strict=True))
        differences = [abs(one - other) for left, right in zip(*(answer["probabilities"] for answer in both), strict=True)
                       for one, other in zip(left, right, strict=True)]
        return agreed, differences

    def test_agreement_is_that_of_an_offline_comparison(self):
        rows = self.cancer()
        with Stack(web="nginx", models=self.repository) as stack:
            for version in "12":  # nobody waits for a shadow at the start
                stack.wait(lambda: self.answers(stack, version, rows[:1]), f"version {version} does not answer")
            agreed, differences = self.compare_offline(stack, rows)
            self.assertEqual(self.pair(stack, "cancer")["copies"], 0)
            self.assertTrue(0 < agreed < len(rows), "the two versions are no test")
            requests, at = 0, 0
            while at < len(rows):
                part = rows[at:at + ROWS_A_REQUEST[requests % len(ROWS_A_REQUEST)]]
                answer = self.post(stack, "/api/v1/models/cancer/batch-predict", {"instances": part})
                self.assertEqual(answer["model_version"], "1")
                requests, at = requests + 1, at + len(part)
            pair = self.drained(stack, "cancer", requests)
            self.assertEqual((pair["copies"], pair["answered"], pair["failed"], pair["dropped"]),
                             (requests, requests, 0, 0))
            self.assertEqual((pair["compared"], pair["agreed"], pair["elements"]),
                             (len(rows), agreed, len(differences)))
            self.assertAlmostEqual(pair["largest"], max(differences), delta=MILLIONTH)
            self.assertAlmostEqual(pair["mean"], sum(differences) / len(differences), delta=MILLIONTH)
            self.published(stack, pair)
            self.said(stack, pair)
            self.survives(stack, pair)

    def published(self, stack, pair):
        labels = '{model="cancer",version="1",shadow="2"}'

        def value(name):
            text = stack.request("GET", "/metrics")[2].decode()
            return {line.rsplit(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in text.splitlines()}.get(name + labels)
        stack.wait(lambda: value("outrigger_shadow_compared_total") == str(pair["compared"]), "/metrics lags behind")
        self.assertEqual(value("outrigger_shadow_agreed_total"), str(pair["agreed"]))
        self.assertAlmostEqual(float(value("outrigger_shadow_largest_difference")), pair["largest"], delta=MILLIONTH)
        self.assertAlmostEqual(float(value("outrigger_shadow_difference_total")) / pair["elements"], pair["mean"],
                               delta=MILLIONTH)

    def said(self, stack, pair):
        line = f"shadow 2 of 1: {100 * pair['agreed'] / pair['compared']:.4g} % of {pair['compared']} predictions agree"
        for command in (("route", "cancer"), ("models", "show", "cancer")):
            shown = stack.outrigger(*command)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn(line, shown.stdout)

    def survives(self, stack, pair):
        stack.kill("collector")

        def same():
            after = self.pair(stack, "cancer")
            return all(after[name] == pair[name] for name in ("copies", "answered", "compared", "agreed", "elements"))
        stack.wait(same, "a collector that was killed forgets")

    # ---- faults ----

    def echo(self):
        for version, more in (("1", "obey = false;\n"), ("2", "")):
            (self.repository / "sum" / version).mkdir(parents=True)
            (self.repository / "sum" / version / "model.echo").write_text("features = 4;\n" + more)
        (self.repository / "sum/model.conf").write_text(SHADOW)

    def load(self, stack, stop, counts):
        """Asks until it is told to stop. Any failure ends it, and is seen by its count."""
        client = stack.client()
        try:
            while not stop.is_set():
                row = [counts["sent"], 1, 2, 3]
                counts["sent"] += 1
                self.assertEqual(self.post(client, "/api/v1/models/sum/predict", {"features": row})["prediction"],
                                 sum(row))
                counts["answered"] += 1
        finally:
            client.close()

    def ask(self, stack, row):
        self.assertEqual(self.post(stack, "/api/v1/models/sum/predict", {"features": row})["prediction"], sum(row))

    def wait_for_more(self, stack, counts, more=100):
        wanted = counts["answered"] + more
        stack.wait(lambda: counts["answered"] >= wanted, "no client is answered any more")

    def shadow_is_back(self, stack):
        """A copy is answered again."""
        before = self.pair(stack, "sum")["answered"]
        stack.wait(lambda: self.pair(stack, "sum")["answered"] > before, "the shadow is not compared any more")

    def breaks(self, stack, row):
        """Asks until a copy of the row has come through to the shadow, which is answered to the client all the while."""
        before = self.pair(stack, "sum")["failed"]

        def has_failed():
            self.ask(stack, row)
            return self.pair(stack, "sum")["failed"] > before
        stack.wait(has_failed, "the shadow does not fail")

    def killed(self, stack, counts):
        self.breaks(stack, CRASH)
        self.shadow_is_back(stack)
        self.breaks(stack, FAIL)
        self.wait_for_more(stack, counts)
        self.shadow_is_back(stack)
        stack.kill("worker.sum.2")
        self.wait_for_more(stack, counts)
        self.shadow_is_back(stack)

    def collector_stopped(self, stack, counts):
        pid = stack.kill("collector", signal.SIGSTOP)
        try:
            self.wait_for_more(stack, counts, 300)
        finally:
            stack.kill("collector", signal.SIGCONT)
        self.assertEqual(stack.pids("collector"), [pid])
        self.shadow_is_back(stack)

    def slow(self, stack, counts):
        """More copies than the bound allows come while the shadow sleeps, and the clients do not wait for it."""
        for _ in range(3):
            self.ask(stack, SLOW)
        before = self.pair(stack, "sum")["dropped"]
        stack.wait(lambda: self.pair(stack, "sum")["dropped"] > before, "nothing is dropped")
        self.wait_for_more(stack, counts)
        self.shadow_is_back(stack)

    def policies(self, stack, version):
        return [int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[38])
                for pid in stack.pids(f"worker.sum.{version}")]

    def ready(self, stack, version, policy):
        """Waits until one worker of that version runs, of that policy."""
        stack.wait(lambda: stack.serves() and self.policies(stack, version) == [policy],
                   f"version {version} does not run as it should")

    def may_bring_forward(self):
        """True where the kernel lets us take a process of ours out of SCHED_IDLE."""
        with subprocess.Popen(["sleep", "1000"]) as process:
            try:
                os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
                os.sched_setscheduler(process.pid, os.SCHED_BATCH, os.sched_param(0))
            except PermissionError:
                return False
            finally:
                process.kill()
        return True

    def promoted(self, stack, counts):
        """What was a shadow comes to the front, as it is where it may; who goes back is replaced."""
        self.ready(stack, "2", os.SCHED_IDLE)
        self.ready(stack, "1", os.SCHED_BATCH)
        for front, back in (("2", "1"), ("1", "2")):
            before = stack.pids(f"worker.sum.{front}")
            for command in (("promote", "sum", front), ("route", "sum", "set", "--shadow", f"{back}=100")):
                done = stack.outrigger(*command)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.wait_for_more(stack, counts)
            self.ready(stack, front, os.SCHED_BATCH)
            self.ready(stack, back, os.SCHED_IDLE)
            self.assertEqual(stack.pids(f"worker.sum.{front}") == before, self.may_bring_forward())
        self.shadow_is_back(stack)

    def test_clients_notice_nothing(self):
        self.echo()
        settings = {"broker.max_shadow_requests": "8"}
        with Stack(web="nginx", models=self.repository, settings=settings) as stack:
            stop, counts = threading.Event(), {"sent": 0, "answered": 0}
            thread = threading.Thread(target=self.load, args=(stack, stop, counts))
            thread.start()
            try:
                self.shadow_is_back(stack)
                self.killed(stack, counts)
                self.collector_stopped(stack, counts)
                self.slow(stack, counts)
                figures = stack.control("broker.sock", {"command": "figures"})["models"][0]["versions"]
                self.assertEqual([entry["requests"] for entry in figures if entry["version"] == "2"], [0])
                self.promoted(stack, counts)
            finally:
                stop.set()
                thread.join()
            self.assertEqual(counts["answered"], counts["sent"])
            pair = self.drained(stack, "sum", 1)
            # The rows that broke the shadow are among those of the clients; all others agree.
            self.assertGreaterEqual(pair["failed"], 2)
            self.assertEqual(pair["agreed"], pair["compared"])


if __name__ == "__main__":
    unittest.main()
