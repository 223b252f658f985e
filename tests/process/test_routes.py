"""Routes behind real web servers: shares of a canary, the same version for the same key whatever restarts, rules,
headers that name the version, and changes under load that fail nobody."""
import collections
import concurrent.futures
import json
import pathlib
import re
import signal
import socket
import tempfile
import threading
import unittest

from stack import SANITIZED, Stack, web_servers

JSON = {"Content-Type": "application/json"}
PATH = "/api/v1/models/sum/predict"
REQUESTS = 2000 if SANITIZED else 20000
IN_A_ROW = 200      # pipelined over one connection: few enough for the buffers of both sides
KEYS = 200
VERSION = re.compile(rb'"model_version":"(\w+)"')


class Routes(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="outrigger-test.")
        self.addCleanup(scratch.cleanup)
        self.repository = pathlib.Path(scratch.name)
        self.repository.chmod(0o755)
        for version in "1", "2", "3":
            (self.repository / "sum" / version).mkdir(parents=True)
            (self.repository / "sum" / version / "model.echo").write_text("features = 4;\n")
        self.configure("")

    def configure(self, route):
        (self.repository / "sum" / "model.conf").write_text(f'version = "1";\n{route}\n')

    # ---- the operator ----

    def say(self, stack, command):
        """A verb of the supervisor's; returns when it has come true."""
        answer = stack.control("supervisor.sock", command)
        self.assertTrue(answer["ok"], answer)
        progress = {}

        def done():
            progress.update(stack.control("supervisor.sock", {"command": "progress", "id": answer["id"], "from": 0}))
            return progress["done"]

        stack.wait(done, f"{command} does not come true")
        self.assertEqual(progress.get("failure", ""), "", progress)

    def route(self, stack, route):
        self.say(stack, {"command": "route", "model": "sum", "route": route})

    def canary(self, stack, percent, by="random"):
        self.route(stack, {"arms": [{"version": "2", "percent": percent}], "by": by})

    # ---- clients ----

    def ask(self, client, headers=None, path=PATH, **more):
        """The version that answers, or the status of a failure."""
        status, _, body = client.request("POST", path, json.dumps({"features": [1, 2, 3, 4], **more}),
                                         {**JSON, **(headers or {})})
        answer = json.loads(body)
        if status != 200:
            return status
        self.assertEqual(answer["prediction"], 10)
        return answer["model_version"]

    def in_a_row(self, stack, count):
        """So many requests, pipelined; the versions that answered them."""
        body = b'{"features":[1,2,3,4]}'
        one = (f"POST {PATH} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(body)}\r\n").encode()
        last = one + b"Connection: close\r\n\r\n" + body
        with socket.create_connection(("127.0.0.1", stack.port), timeout=120) as connection:
            connection.sendall((one + b"\r\n" + body) * (count - 1) + last)
            answers = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        versions = VERSION.findall(answers)
        self.assertEqual(len(versions), count, answers[-2000:])
        return versions

    def count(self, stack, requests):
        """How many of so many requests each version answers, in percent."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            rows = pool.map(lambda _: self.in_a_row(stack, IN_A_ROW), range(requests // IN_A_ROW))
            counts = collections.Counter(version.decode() for row in rows for version in row)
        self.assertEqual(counts.total(), requests)
        return {version: 100 * count / requests for version, count in counts.items()}

    def by_key(self, stack):
        """Which version each of KEYS keys gets."""
        client = stack.client()
        try:
            return [self.ask(client, key=f"user-{number}") for number in range(KEYS)]
        finally:
            client.close()

    def shares_counted(self, stack):
        _, _, body = stack.request("GET", "/metrics")
        return {version: float(share) for version, share in
                re.findall(r'outrigger_route_share\{model="sum",version="(\w+)"\} (\S+)', body.decode())}

    # ---- tests ----

    def test_canary(self):
        with Stack(web="nginx", models=self.repository, settings={"frontend.processes": "2"}) as stack:
            self.assertEqual(self.count(stack, 200), {"1": 100})
            for percent in 5, 25, 50:
                self.canary(stack, percent)
                counts = self.count(stack, REQUESTS)
                self.assertAlmostEqual(counts["2"], percent, delta=1)
                self.assertAlmostEqual(counts["1"], 100 - percent, delta=1)
                stack.wait(lambda: self.shares_counted(stack) == {"1": 100 - percent, "2": percent},
                           "the gauge does not say the shares")
            self.canary(stack, 100)
            self.assertEqual(self.count(stack, 200), {"2": 100})
            self.route(stack, None)
            self.assertEqual(self.count(stack, 200), {"1": 100})

    def test_the_same_key_always_gets_the_same_version(self):
        self.configure('route = { by = "key"; arms = ( { version = "2"; percent = 50.0; } ); };')
        with Stack(web="nginx", models=self.repository, settings={"frontend.processes": "2"}) as stack:
            first = self.by_key(stack)
            self.assertEqual(set(first), {"1", "2"})
            self.assertAlmostEqual(first.count("2"), KEYS / 2, delta=KEYS / 5)
            old = stack.kill("broker")
            stack.wait(lambda: stack.pids("broker") not in ([], [old]) and stack.serves(), "no new broker")
            self.assertEqual(self.by_key(stack), first)
            for name in "frontend.1", "frontend.2":
                old = stack.kill(name, signal.SIGTERM)
                stack.wait(lambda: stack.pids(name) not in ([], [old]) and stack.serves(), "no new frontend")
                self.assertEqual(self.by_key(stack), first)
            self.assertEqual(stack.outrigger("reload").returncode, 0)
            self.assertEqual(self.by_key(stack), first)
            self.canary(stack, 50, "key")
            self.assertEqual(self.by_key(stack), first)
            self.canary(stack, 60, "key")
            for before, after in zip(first, self.by_key(stack)):
                self.assertIn((before, after), {("1", "1"), ("1", "2"), ("2", "2")})
            stack.kill_supervisor()
            stack.wait(stack.serves, "no new supervisor")
            after = self.by_key(stack)
            old = stack.kill("broker") # what the operator said is on the disk
            stack.wait(lambda: stack.pids("broker") not in ([], [old]) and stack.serves(), "no new broker")
            self.assertEqual(self.by_key(stack), after)

    def through(self, web):
        with Stack(web=web, models=self.repository, settings={"frontend.processes": "1"}) as stack:
            self.say(stack, {"command": "load", "model": "sum", "version": "3"})
            self.route(stack, {"rules": [{"header": "X-Segment", "value": "beta", "version": "2"}],
                               "force_header": "X-Model-Version", "force_from": ["127.0.0.0/8"]})

            def told():
                _, _, body = stack.request("GET", "/api/v1/models/sum")
                return json.loads(body).get("route")

            stack.wait(told, "the frontend does not hear of the route")
            self.assertEqual(told(), {"stable": "1", "shares": [{"version": "1", "percent": 100}], "by": "random",
                                      "rules": [{"header": "X-Segment", "value": "beta", "version": "2"}]})
            self.assertEqual(self.ask(stack), "1")
            self.assertEqual(self.ask(stack, {"X-Segment": "beta"}), "2")
            self.assertEqual(self.ask(stack, {"X-Segment": "other"}), "1")
            self.assertEqual(self.ask(stack, {"X-Segment": "beta", "X-Model-Version": "3"}), "3")
            self.assertEqual(self.ask(stack, {"X-Model-Version": "9"}), 404)
            self.assertEqual(self.ask(stack, path="/api/v1/models/sum/versions/3/predict"), "3")
            self.route(stack, {"force_header": "X-Model-Version", "force_from": ["192.0.2.0/24"]})
            stack.wait(lambda: not told()["rules"], "the frontend does not hear of the route")
            self.assertEqual(self.ask(stack, {"X-Segment": "beta", "X-Model-Version": "3"}), "1")
            for by, headers in ("address", None), ("api_key", {"X-API-Key": "a"}), ("api_key", {"Authorization": "b"}):
                self.canary(stack, 50, by)
                stack.wait(lambda: told()["by"] == by, "the frontend does not hear of the route")
                self.assertEqual(len({self.ask(stack, headers) for _ in range(20)}), 1)
            self.canary(stack, 50, "key")
            keys = [f"user-{number}" for number in range(20)]
            by_key = [self.ask(stack, key=key) for key in keys]
            self.assertEqual(set(by_key), {"1", "2"})
            self.canary(stack, 50, "header:X-User")
            stack.wait(lambda: told()["by"] == "header:X-User", "the frontend does not hear of the route")
            self.assertEqual([self.ask(stack, {"X-User": key}) for key in keys], by_key)

    def test_headers_and_addresses(self):
        for web in web_servers():
            with self.subTest(web=web):
                self.through(web)

    def test_changes_fail_nobody(self):
        """The route changes and the rule's version comes and goes while clients ask; once a change has come true
        everybody follows it."""
        over = threading.Event()
        rule = {"rules": [{"header": "X-Segment", "value": "beta", "version": "2"}]}
        answers = {None: collections.Counter(), "beta": collections.Counter()}

        def keep_asking(stack, segment):
            client = stack.client()
            while not over.is_set():
                answers[segment][self.ask(client, segment and {"X-Segment": segment})] += 1
            client.close()

        def phase(stack, expected):
            before = {segment: counts.total() for segment, counts in answers.items()}
            self.assertEqual(self.count(stack, 200), {expected: 100})
            stack.wait(lambda: all(counts.total() >= before[segment] + 2 for segment, counts in answers.items()),
                       "nobody asks")     # one may have been under way

        with Stack(web="nginx", models=self.repository) as stack, concurrent.futures.ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(keep_asking, stack, segment) for segment in answers]
            try:
                for _ in range(3):
                    self.canary(stack, 100)
                    phase(stack, "2")
                    self.route(stack, rule)
                    phase(stack, "1")
                    self.route(stack, {})
                    stack.wait(lambda: not stack.pids("worker.sum.2"), "nobody needs version 2, and it runs on")
                    phase(stack, "1")
            finally:
                over.set()
            for future in asking:
                future.result()
            for segment, counts in answers.items():
                self.assertEqual(set(counts), {"1", "2"}, segment)


if __name__ == "__main__":
    unittest.main()
