"""Rate limits from outside: what a refusal looks like through every web server, a limit that two Outriggers share in one
Redis, and that no request fails when that Redis hangs, dies and comes back.

Limits are so slow (a row a second) and bursts so large that it does not matter how long a test takes.
"""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import unittest

from stack import PATIENCE, Stack, free_port, web_servers

JSON = {"Content-Type": "application/json"}
PATH = "/api/v1/models/sum/batch-predict"
BURST = 3600    # rows: what a row a second makes in the longest burst_s
PASSWORD = "a word that is not said"


class Redis:
    """A redis-server on a port of its own, which forgets all when it stops."""

    def __init__(self, directory):
        self.port, self.directory, self.process = free_port(), directory, None
        self.password = pathlib.Path(directory) / "password"
        self.password.write_text(PASSWORD + "\n")
        self.password.chmod(0o600)

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no",
             "--dir", self.directory, "--requirepass", PASSWORD], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None

    def settings(self):
        return {"limit.redis": f"redis://127.0.0.1:{self.port}/3", "limit.redis_password": f"file:{self.password}"}


class Load(threading.Thread):
    """Asks one after the other until it is told to stop; keeps every answer that is not 200."""

    def __init__(self, stack):
        super().__init__()
        self.client, self.ended, self.bad, self.count = stack.client(), threading.Event(), [], 0

    def run(self):
        while not self.ended.is_set():
            try:
                status, _, body = self.client.request("POST", PATH, json.dumps({"instances": [[1, 2]]}), JSON)
            except OSError as error:
                status, body = None, error
            self.count += 1
            if status != 200:
                self.bad.append((status, body))
        self.client.close()

    def stop(self):
        self.ended.set()
        self.join(PATIENCE)


class Limits(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="outrigger-test.")
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name
        self.repository = pathlib.Path(scratch.name) / "models"
        (self.repository / "sum" / "1").mkdir(parents=True)
        (self.repository / "sum" / "1" / "model.echo").write_text("features = 2;\n")
        for folder in (scratch.name, self.repository):
            os.chmod(folder, 0o755)

    def ask(self, stack, rows, headers=None):
        """Returns status, headers and body of a request of so many rows."""
        status, headers, body = stack.request("POST", PATH, json.dumps({"instances": [[1, 2]] * rows}),
                                              JSON | (headers or {}))
        return status, headers, json.loads(body)

    def counter(self, stack, name):
        status, _, body = stack.request("GET", "/metrics")
        self.assertEqual(status, 200)
        values = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
        return int(values.get(name, 0))

    def decided(self, stack, by):
        return self.counter(stack, f'outrigger_limit_decisions_total{{by="{by}"}}')

    def wait_for(self, stack, state):
        stack.wait(lambda: self.counter(stack, f'outrigger_limit_redis_state{{state="{state}"}}') == 1,
                   f"limit.redis is not {state}")

    # ---- what a refusal looks like ----

    def refused(self, web):
        settings = {"limit.address_rows_per_s": "1", "limit.address_burst_s": str(BURST)}
        with Stack(web=web, models=self.repository, settings=settings) as stack:
            status, headers, _ = self.ask(stack, BURST - 100)
            self.assertEqual((status, headers["RateLimit-Policy"]), (200, '"address_rows";q=3600;w=3600'))
            name, left, until = headers["RateLimit"].split(";")
            self.assertEqual((name, left), ('"address_rows"', "r=100"))
            self.assertTrue(1 <= int(until.removeprefix("t=")) <= BURST - 100, until)
            status, headers, body = self.ask(stack, BURST)
            self.assertEqual(status, 429)
            self.assertEqual(headers["Content-Type"], "application/problem+json")
            self.assertEqual((body["kind"], body["status"]), ("rate_limited", 429))
            self.assertEqual(body["detail"], "the limit of the client's address is 1 rows a second, 3600 at once")
            self.assertEqual(headers["RateLimit-Policy"], '"address_rows";q=3600;w=3600')
            name, rest, until = headers["RateLimit"].split(";")
            self.assertEqual((name, rest, until[:2]), ('"address_rows"', "r=0", "t="))
            until, after = int(until[2:]), int(headers["Retry-After"])  # each comes back at a time of its own
            self.assertTrue(1 <= until <= BURST - 100 and until <= after <= until * 5 // 4, (until, after))
            self.assertEqual(self.ask(stack, BURST + 1)[0], 413)
            status, headers, _ = self.ask(stack, 100)       # the refused ones have taken nothing
            self.assertEqual(status, 200)
            name, left, until = headers["RateLimit"].split(";")
            self.assertEqual(name, '"address_rows"')
            self.assertTrue(int(left.removeprefix("r=")) < BURST, left)
            stack.wait(lambda: self.counter(
                stack, 'outrigger_rate_limited_total{model="sum",limit="address_rows"}') == 2, "they are not counted")
            status = json.loads(stack.outrigger("status", "--json").stdout)
            self.assertEqual(status["broker"]["limits"]["refused"], 2)

    def test_refusals(self):
        for web in web_servers():
            with self.subTest(web=web):
                self.refused(web)

    def test_a_key_has_the_limits_that_it_was_made_with(self):
        self.key_has_its_limits({"auth.required": "true"})

    def test_it_has_them_where_nobody_must_show_one(self):
        self.key_has_its_limits({"auth.required": "false"})

    def key_has_its_limits(self, settings):
        with Stack(web="nginx", models=self.repository, settings=settings) as stack:
            made = stack.outrigger("key", "add", "limited", "--requests-per-s", "0.001", "--burst", "2")
            other = stack.outrigger("key", "add", "other")
            key, other = ({"X-API-Key": done.stdout.strip()} for done in (made, other))
            stack.wait(lambda: self.ask(stack, 5, key)[0] == 429, "it has no limits")
            stack.wait(lambda: self.ask(stack, 5, other)[0] == 200, "another key is not known")
            file = stack.directory / "state" / "keys.json"
            keys = json.loads(file.read_text())
            self.assertEqual([key.pop("limits", None) for key in keys["keys"]].count(None), 1)
            with open(file.with_suffix(".new"), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as new:
                json.dump(keys, new)
            os.rename(file.with_suffix(".new"), file)
            stack.wait(lambda: self.ask(stack, 5, key)[0] == 200, "it still has limits")

    # ---- Redis ----

    def redis(self):
        redis = Redis(self.directory)
        self.addCleanup(redis.kill)
        return redis

    def test_two_share_one_limit(self):
        redis = self.redis()
        redis.start()
        (self.repository / "sum" / "model.conf").write_text(
            f"rate = {{ rows_per_s = 1; burst_s = {BURST}; }};\n")
        settings = redis.settings() | {"limit.redis_timeout_ms": "10000"}
        with Stack(web="nginx", models=self.repository, settings=settings) as one, \
                Stack(web="nginx", models=self.repository, settings=settings) as other:
            self.wait_for(one, "ready")
            self.wait_for(other, "ready")
            statuses = [self.ask(stack, 300)[0] for _ in range(10) for stack in (one, other)]
            self.assertEqual(statuses, [200] * 12 + [429] * 8)
            self.assertEqual(self.ask(one, 200)[0], 429)
            one.wait(lambda: self.decided(one, "redis") + self.decided(other, "redis") == 21, "they are not counted")
            # Without it each has counted what it let through itself: half of the burst.
            redis.kill()
            for stack in (one, other):
                self.wait_for(stack, "away")
                self.assertEqual([self.ask(stack, 900)[0] for _ in range(3)], [200, 200, 429])

    def test_no_request_fails_when_redis_does(self):
        redis = self.redis()
        settings = redis.settings() | {"limit.model_requests_per_s": "1000000"}
        with Stack(web="nginx", models=self.repository, settings=settings) as stack:
            loads = [Load(stack) for _ in range(4)]
            for load in loads:
                load.start()
            try:
                self.wait_for(stack, "away")
                for _ in range(2):
                    redis.start()
                    self.wait_for(stack, "ready")
                    counted = self.decided(stack, "redis")
                    stack.wait(lambda: self.decided(stack, "redis") > counted + 100, "Redis does not count")
                    late = self.decided(stack, "late")
                    redis.signal(signal.SIGSTOP)
                    stack.wait(lambda: self.decided(stack, "late") > late, "it is not found that it hangs")
                    self.wait_for(stack, "away")    # it hung for long
                    redis.signal(signal.SIGCONT)
                    self.wait_for(stack, "ready")
                    away = self.decided(stack, "away")
                    redis.kill()
                    stack.wait(lambda: self.decided(stack, "away") > away + 100, "nobody counts")
            finally:
                for load in loads:
                    load.stop()
            self.assertEqual([bad for load in loads for bad in load.bad], [])
            self.assertGreater(min(load.count for load in loads), 0)


if __name__ == "__main__":
    unittest.main()
