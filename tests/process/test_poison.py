"""Requests that kill or hang their workers, workers that are stopped, and models that cannot start: each harms itself
alone.

POISON_REQUESTS=10000 makes the first of these tests as large as one likes.
"""
import json
import os
import pathlib
import shutil
import signal
import stat
import tempfile
import threading
import unittest
import unittest.mock

from load import JSON, at_once
from stack import SANITIZED, Stack

PREDICT = "/api/v1/models/sum/predict"
REQUESTS = int(os.environ.get("POISON_REQUESTS", "300" if SANITIZED else "2000"))
CONNECTIONS = 64
MAX_KILLS = 2
DELAY, CRASH, HANG = -1001, -1002, -1003


def write_model(repository, settings="", configuration="", version="1"):
    directory = repository / "sum" / version
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.echo").write_text(f"features = 4;\n{settings}\n")
    (repository / "sum" / "model.conf").write_text(configuration)


def ask(client, row):
    """Status and the answer as an object."""
    status, _, body = client.request("POST", PREDICT, json.dumps({"features": row}), JSON)
    return status, json.loads(body)


class Crowd:
    """Many clients that share a list of rows, each asked for once; (row, status, answer) of all in `answers`."""

    def __init__(self, stack, rows):
        self.stack, self.rows, self.answers, self.lock = stack, list(rows), [], threading.Lock()

    def run(self):
        client = self.stack.client()
        while True:
            with self.lock:
                if not self.rows:
                    break
                row = self.rows.pop()
            try:
                status, answer = ask(client, row)
            except OSError as error:
                status, answer = 0, repr(error)
            with self.lock:
                self.answers.append((row, status, answer))
        client.close()

    def ask_all(self):
        at_once(CONNECTIONS, self.run)
        return self.answers


class Background(threading.Thread):
    """One request in a thread of its own."""

    def __init__(self, stack, row):
        super().__init__()
        self.stack, self.row, self.result = stack, row, None
        self.start()

    def run(self):
        client = self.stack.client()
        self.result = ask(client, self.row)
        client.close()

    def answer(self):
        self.join()
        return self.result


class Poison(unittest.TestCase):
    def setUp(self):
        self.repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.addCleanup(shutil.rmtree, self.repository)

    def stack(self, configuration="", **settings):
        write_model(self.repository, configuration=configuration)
        return Stack(web="nginx", models=self.repository,
                     settings={name.replace("__", "."): value for name, value in settings.items()})

    @staticmethod
    def restarts(stack):
        return sum(process["restarts"] for process in stack.status()["processes"] if process["kind"] == "worker")

    @staticmethod
    def counter(stack, start):
        """The sum of the series that begin so."""
        text = stack.request("GET", "/metrics")[2].decode()
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(start))

    @staticmethod
    def kept(stack):
        return sorted((stack.directory / "state" / "quarantine").glob("*.request"))

    # ---- poison ----

    def test_one_poisonous_row_among_many(self):
        poison = [CRASH, 0, 0, 0]
        good = [[i, 1, 2, 3] for i in range(REQUESTS)]
        with self.stack("instances = 2; batching = { max_batch_rows = 64; };") as stack:
            answers = Crowd(stack, good[:REQUESTS // 2] + [poison] + good[REQUESTS // 2:]).ask_all()
            self.assertEqual(len(answers), REQUESTS + 1)
            wrong = [(row, status, answer) for row, status, answer in answers
                     if row != poison and (status, answer["prediction"]) != (200, row[0] + 6)]
            self.assertEqual(wrong, [])
            (status, body), = [(status, answer) for row, status, answer in answers if row == poison]
            self.assertEqual((status, body["status"], body["kind"]), (422, 422, "poison"))
            self.assertIn("workers died of this input", body["detail"])
            stack.wait(lambda: len(stack.pids("worker.sum")) == 2, "the workers do not come back")
            deaths = self.restarts(stack)
            print(f"1 poisonous row among {REQUESTS}: {REQUESTS} right, 1 x 422, {deaths} workers died", flush=True)
            self.assertLessEqual(deaths, MAX_KILLS + 1)
            self.keeps_and_replays(stack, body["request_id"])

    def keeps_and_replays(self, stack, request_id):
        stack.wait(lambda: len(self.kept(stack)) == 1, "the request is not kept")
        file, = self.kept(stack)
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(file.parent.stat().st_mode), 0o700)
        listed = stack.outrigger("replay", "--list")
        self.assertEqual(listed.returncode, 0)
        self.assertRegex(listed.stdout, rf"{file.name} +[-0-9]+ [:0-9]+ +sum +1 +1 +\d+ +2 +died +{request_id}")
        again = stack.outrigger("replay", file.name)
        self.assertEqual(again.returncode, 1, again.stdout + again.stderr)
        self.assertIn("poison (422)", again.stdout)
        stack.wait(lambda: len(self.kept(stack)) == 2, "the replayed request is not kept")
        write_model(self.repository, "obey = false;", version="2")      # the engine is mended
        self.assertEqual(stack.outrigger("reload").returncode, 0)
        stack.wait(lambda: ask(stack.client(), [1, 1, 1, 1])[1].get("model_version") == "2", "2 does not serve")
        mended = stack.outrigger("replay", str(file), "--version", "2")
        self.assertEqual(mended.returncode, 0, mended.stdout + mended.stderr)
        self.assertRegex(mended.stdout, r"answered by version 2 after [0-9.]+ ms\n    prediction FP32\[1,1\]: -1002\n$")
        for wrong in (["--version", "9"], ["--model", "none"]):
            self.assertEqual(stack.outrigger("replay", file.name, *wrong).returncode, 1)

    def test_the_bytes_of_other_files_are_refused(self):
        with self.stack() as stack:
            folder = stack.directory / "state" / "quarantine"
            folder.mkdir(parents=True)
            (folder / "1.request").write_bytes(b"\x81\xa6format\x02")
            for arguments, status in ((["1.request"], 1), (["none"], 1), (["--list"], 1), ([], 2),
                                      (["--list", "1.request"], 2), (["1.request", "--version", ".."], 2)):
                result = stack.outrigger("replay", *arguments)
                self.assertEqual(result.returncode, status, result)
                self.assertRegex(result.stderr, "^outrigger.*: .+\n")

    def test_what_must_not_run_twice_is_answered_502_at_once(self):
        with self.stack("idempotent = false;") as stack:
            status, body = ask(stack.client(), [CRASH, 0, 0, 0])
            self.assertEqual((status, body["kind"]), (502, "worker_died"))
            self.assertIn("the worker died", body["detail"])
            self.assertEqual(ask(stack.client(), [1, 2, 3, 4])[0], 200)     # it waits for the next worker
            self.assertEqual(self.restarts(stack), 1)
            self.assertEqual(self.kept(stack), [])

    # ---- hangs ----

    def test_a_request_that_hangs_costs_max_kills_workers(self):
        with self.stack("limits = { compute_timeout_ms = 500; };") as stack:
            hanging = Background(stack, [HANG, 0, 0, 0])
            stack.wait(lambda: "told to hang" in stack.log.read_text(), "it does not hang")
            self.assertEqual(ask(stack.client(), [1, 2, 3, 4]), (200, unittest.mock.ANY))
            status, body = hanging.answer()
            self.assertEqual((status, body["kind"]), (422, "poison"))
            self.assertEqual(stack.process("worker.sum.1.1")["cause"], "killed because it hung")
            self.assertLessEqual(self.restarts(stack), MAX_KILLS + 1)

    def test_a_stopped_worker_is_found_while_it_is_idle(self):
        with self.stack("instances = 2;", worker__heartbeat_ms="200") as stack:
            victim = stack.kill("worker.sum.1.1", signal.SIGSTOP)
            stack.wait(lambda: stack.pids("worker.sum.1.1") not in ([], [victim]), "it is not replaced")
            for _ in range(10):
                self.assertEqual(ask(stack.client(), [1, 2, 3, 4])[0], 200)

    def test_a_stopped_worker_is_found_while_it_is_busy(self):
        """And one that computes for ten heartbeats is not taken for stopped."""
        with self.stack(worker__heartbeat_ms="200") as stack:
            busy = Background(stack, [DELAY, 2000, 0, 0])
            stack.wait(lambda: "told to take 2000 ms" in stack.log.read_text(), "it does not begin")
            victim = stack.kill("worker.sum.1.1", signal.SIGSTOP)
            stack.wait(lambda: stack.pids("worker.sum.1.1") not in ([], [victim]), "it is not replaced")
            status, body = busy.answer()
            self.assertEqual((status, body["prediction"]), (200, DELAY + 2000))
            self.assertEqual(self.restarts(stack), 1)
            stack.wait(lambda: self.counter(stack, 'outrigger_workers_lost_total{model="sum",cause="silent"') == 1,
                       "it is not counted")

    # ---- models that cannot start ----

    def test_a_model_that_cannot_start_says_why(self):
        with self.stack(supervisor__storm_count="2", supervisor__restart_max_ms="3600000",
                        supervisor__watch="false") as stack:
            write_model(self.repository, 'start = "fail";')
            stack.kill("worker.sum.1.1")
            stack.wait(lambda: stack.process("worker.sum.1.1")["state"] == "failed", "it is not called failed")
            reason = "cannot serve this model: told to fail at start"
            stack.wait(lambda: b"is failed" in stack.request("GET", "/ready")[2], "/ready does not know it")
            status, _, body = stack.request("GET", "/ready")
            self.assertEqual(status, 503)
            self.assertRegex(json.loads(body)["errors"][0]["message"],
                             rf"^version 1 is failed, 0 workers are ready: exit 1: .*{reason}$")
            shown = stack.outrigger("status").stdout
            self.assertRegex(shown, rf"worker\.sum\.1\.1 does not start\. Its last words:\n    .*{reason}\n")
            self.assertRegex(shown, r"sum +1 +failed +100% +0/1")
            status, body = ask(stack.client(), [1, 2, 3, 4])    # at once: nobody can answer it
            self.assertEqual((status, body["kind"]), (503, "not_ready"))
            self.assertEqual(self.restarts(stack), 2)           # and it is left alone
            victim = stack.kill("broker")                       # the next one is told, too
            stack.wait(lambda: stack.pids("broker") not in ([], [victim]), "no broker")
            stack.wait(lambda: b"told to fail" in stack.request("GET", "/ready")[2], "the new broker does not know it")
            write_model(self.repository)
            self.assertEqual(stack.outrigger("reload").returncode, 0)
            stack.wait(lambda: stack.request("GET", "/ready")[0] == 200, "the mended model does not serve")
            self.assertEqual(ask(stack.client(), [1, 2, 3, 4])[0], 200)


if __name__ == "__main__":
    unittest.main()
