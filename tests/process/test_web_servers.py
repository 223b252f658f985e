"""What each web server's file in conf/ is there for: what passes, what does not, and who answers."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.request

from expectations import held_out
from stack import Stack, web_servers

ROW = held_out("cancer-logistic").features[0]
GOOD = json.dumps({"features": ROW})
JSON = {"Content-Type": "application/json"}
PREDICT = "/api/v1/predict"
MIB = 1024 * 1024
# Who says 413 beyond the server's own limit, which is 33 MiB: Apache has none that works for a proxy.
OWN_LIMIT = {"caddy": "", "apache": "application/problem+json", "nginx": "text/html"}


class WebServers(unittest.TestCase):
    def everywhere(self, check, **settings):
        for web in web_servers():
            with self.subTest(web=web), Stack(web=web, models=["cancer-logistic"], settings=settings) as stack:
                check(stack)

    def test_https(self):
        """HTTP/2, nothing below TLS 1.2, HSTS on answers of both sides, and no name of a version."""
        with tempfile.TemporaryDirectory() as tls:
            os.chmod(tls, 0o755)
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                            "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{tls}/key.pem",
                            "-out", f"{tls}/certificate.pem"], check=True, capture_output=True)
            for web in web_servers():
                with self.subTest(web=web), Stack(web=web, models=["cancer-logistic"], tls=tls) as stack:
                    self.https(stack, f"{tls}/certificate.pem")

    def https(self, stack, certificate):
        def curl(*more):
            done = subprocess.run(["curl", "-sS", "-i", "--noproxy", "*", "--cacert", certificate, "--resolve",
                                   f"localhost:{stack.port}:127.0.0.1", *more], capture_output=True, text=True)
            return done.returncode, done.stdout
        url = f"https://localhost:{stack.port}"
        status, answer = curl("-d", GOOD, "-H", "Content-Type: application/json", url + PREDICT)
        self.assertEqual((status, answer.split()[:2]), (0, ["HTTP/2", "200"]), answer)
        head = answer.lower()
        self.assertIn("strict-transport-security: max-age=31536000", head)
        self.assertIn("x-content-type-options: nosniff", head)
        self.assertNotRegex(head, r"server: [a-z]+/|x-powered-by|server: caddy")
        if OWN_LIMIT[stack.web]:
            with tempfile.NamedTemporaryFile() as large:
                large.truncate(34 * MIB)
                _, refused = curl("-T", large.name, "-X", "POST", "-H", "Expect:", url + PREDICT)
            self.assertIn("413", refused.split("\n")[0])
            self.assertIn("strict-transport-security", refused.lower())
        old = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{stack.port}", "-tls1_1", "-cipher",
                              "ALL:@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertRegex(old.stderr + old.stdout, "alert protocol version")

    def good(self, stack):
        status, _, body = stack.request("POST", PREDICT, GOOD, JSON)
        self.assertEqual(status, 200, body[:300])

    def ids(self, stack, headers):
        """The request id that an answer carries, for these headers of the request."""
        status, answer, _ = stack.request("POST", PREDICT, GOOD, JSON | headers)
        self.assertEqual(status, 200)
        return answer["x-request-id"]

    def test_headers(self):
        def check(stack):
            self.assertEqual(self.ids(stack, {"X-Request-Id": "mine"}), "mine")
            # "X_Request_Id" is the same CGI variable, but not the same header.
            self.assertNotEqual(self.ids(stack, {"X_Request_Id": "evil"}), "evil")
            for _ in range(10):
                self.assertEqual(self.ids(stack, {"X_Request_Id": "evil", "X-Request-Id": "mine"}), "mine")
            # What a browser's cookies and a gateway's headers may come to.
            self.assertEqual(self.ids(stack, {"X-Request-Id": "large", "Cookie": "a" * 7000}), "large")
        self.everywhere(check)

    def test_paths_come_as_they_were_sent(self):
        """Outrigger decodes them itself: a server that did it first, or refused by itself, would answer otherwise."""
        def check(stack):
            for path in ("/api/v1/models/a%2Fb", "/api/v1/../v1/models", "/api/v1/%2e%2e/models"):
                status, answer, body = stack.request("GET", path)
                self.assertEqual((status, answer["content-type"]), (400, "application/problem+json"), (path, body))
            status, _, body = stack.request("GET", "/api/v1/models/cancer%2Dlogistic?a=b%20c")
            self.assertEqual(status, 200, body)
            self.assertEqual(json.loads(body)["id"], "cancer-logistic")
            self.assertEqual(stack.request("GET", "//etc/passwd")[0], 404)
        self.everywhere(check)

    def test_sizes(self):
        def check(stack):
            for megabytes, teller in ((32.5, "application/problem+json"), (40, OWN_LIMIT[stack.web])):
                curl = subprocess.run(
                    ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{content_type}", "--data-binary", "@-",
                     "-H", "Content-Type: application/json", f"http://127.0.0.1:{stack.port}{PREDICT}"],
                    input=b" " * int(megabytes * MIB), stdout=subprocess.PIPE, timeout=120)
                self.assertEqual(curl.stdout.decode().strip(), f"413 {teller}".strip(), megabytes)
                self.good(stack)
        self.everywhere(check)

    def test_chunked_bodies(self):
        def check(stack):
            for rows in (1, 200, 5000):
                body = json.dumps({"instances": [ROW] * rows}).encode()
                parts = (body[at:at + 10000] for at in range(0, len(body), 10000))
                status, _, answer = stack.client().request("POST", "/api/v1/batch-predict", parts, JSON)
                self.assertEqual(status, 200, answer[:300])
                self.assertEqual(len(json.loads(answer)["predictions"]), rows)
        self.everywhere(check)

    def test_answers_pass_as_they_are(self):
        """Also those that a server might take for its own business."""
        def check(stack):
            status, answer, body = stack.request("HEAD", "/health")
            self.assertEqual((status, body), (200, b""))
            status, answer, _ = stack.request("GET", PREDICT)
            self.assertEqual((status, answer["allow"]), (405, "POST"))
            stack.kill("worker.cancer-logistic.1", signal.SIGSTOP)
            status, answer, body = stack.request("POST", PREDICT, json.dumps({"features": ROW, "timeout_ms": 200}), JSON)
            self.assertEqual((status, answer["content-type"]), (504, "application/problem+json"), body)
            stack.kill("worker.cancer-logistic.1", signal.SIGCONT)
            stack.wait(lambda: stack.request("POST", PREDICT, GOOD, JSON)[0] == 200, "not back")
        self.everywhere(check, **{"supervisor.stop_timeout_ms": "500"})

    # ---- what each server does when something goes wrong: the table in conf/README.md ----

    def failures_under_load(self, stack, disturb):
        """What 16 clients are answered, other than 200, while disturb() runs."""
        failures, stopping = [], threading.Event()

        def load():
            client = stack.client()
            while not stopping.is_set():
                try:
                    status, _, body = client.request("POST", PREDICT, GOOD, JSON)
                    if status != 200:
                        failures.append((status, body[:200]))
                except OSError as error:
                    failures.append(repr(error))
        threads = [threading.Thread(target=load) for _ in range(16)]
        for thread in threads:
            thread.start()
        try:
            disturb()
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
        return failures

    def replace_frontends(self, stack, number, times):
        """Each of the two frontends gets the signal, one after the other, and is waited for."""
        for _ in range(times):
            for name in ("frontend.1", "frontend.2"):
                stack.wait(lambda name=name: stack.pids(name), f"{name} does not come back")
                pid = stack.kill(name, number)
                stack.wait(lambda name=name, pid=pid: stack.pids(name) not in ([], [pid]), f"{name} is not replaced")

    def test_nginx_sends_again_what_a_dead_frontend_had(self):
        if "nginx" not in web_servers():
            self.skipTest("nginx is not installed")
        with Stack(web="nginx", models=["cancer-logistic"], settings={"frontend.processes": "2"}) as stack:
            self.assertEqual(self.failures_under_load(
                stack, lambda: self.replace_frontends(stack, signal.SIGKILL, 5)), [])

    def test_nobody_notices_frontends_that_are_started_again(self):
        def check(stack):
            self.assertEqual(self.failures_under_load(
                stack, lambda: self.replace_frontends(stack, signal.SIGTERM, 2)), [])
        self.everywhere(check, **{"frontend.processes": "2"})

    def held(self, stack):
        """True while a frontend has a request at the broker."""
        return stack.control("broker.sock", {"command": "status"})["models"][0]["in_flight"] > 0

    def test_a_frontend_dies_with_a_request(self):
        def check(stack):
            answers = []
            worker = stack.kill("worker.cancer-logistic.1", signal.SIGSTOP)
            asker = threading.Thread(target=lambda: answers.append(stack.client().request("POST", PREDICT, GOOD, JSON)))
            asker.start()
            stack.wait(lambda: self.held(stack), "the request does not reach the worker")
            stack.kill("frontend.1")
            os.kill(worker, signal.SIGCONT)
            asker.join()
            self.assertEqual(answers[0][0], {"caddy": 502, "apache": 503, "nginx": 200}[stack.web], answers[0][2][:300])
            stack.wait(lambda: stack.request("POST", PREDICT, GOOD, JSON)[0] == 200, "not back")
        # Long beats: the worker that stands still here is not to be taken for a dead one.
        self.everywhere(check, **{"frontend.processes": "1", "worker.heartbeat_ms": "60000"})

    def counted(self, stack, metric, label):
        """What the collector knows of a counter by one of its labels, without zeros: {"ok": "3"}."""
        with urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics_port}/metrics", timeout=60) as answer:
            return dict(re.findall(rf'^{metric}\{{.*\b{label}="(\w+)".*\}} ([1-9]\d*)$',
                                   answer.read().decode(), re.MULTILINE))

    def outcomes(self, stack):
        """How the broker's requests ended."""
        return self.counted(stack, "outrigger_requests_total", "outcome")

    def test_a_client_gives_up(self):
        """nginx tells us at once; behind the others only the deadline ends what nobody waits for any more."""
        def check(stack):
            worker = stack.kill("worker.cancer-logistic.1", signal.SIGSTOP)
            body = json.dumps({"features": ROW} if stack.web == "nginx" else {"features": ROW, "timeout_ms": 1500})
            with socket.create_connection(("127.0.0.1", stack.port)) as client:
                client.sendall(f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
                stack.wait(lambda: self.held(stack) or self.outcomes(stack), "the request does not reach the worker")
            stack.wait(lambda: self.outcomes(stack), "the request does not end")
            left = lambda: self.counted(stack, "outrigger_frontend_refused_total", "reason")
            if stack.web == "nginx":
                stack.wait(lambda: left() == {"gone": "1"}, "the frontend does not hear of it")
                self.assertEqual(self.outcomes(stack), {"cancelled": "1"})
            else:
                self.assertEqual(left(), {})
                # The frontend's deadline and the broker's are the same, and whichever fires first takes it back.
                self.assertIn(self.outcomes(stack), ({"deadline": "1"}, {"cancelled": "1"}))
            os.kill(worker, signal.SIGCONT)
        # Longer than nginx itself would wait for us.
        self.everywhere(check, **{"frontend.request_timeout_ms": "300000", "worker.heartbeat_ms": "60000"})

    def test_beside_another_site(self):
        with tempfile.TemporaryDirectory(prefix="outrigger-site.") as site:
            pathlib.Path(site).chmod(0o755)
            (pathlib.Path(site) / "page.txt").write_text("the site's own")
            for web in web_servers():
                with self.subTest(web=web), Stack(web=web, models=["cancer-logistic"], site=site) as stack:
                    stack.wait(lambda stack=stack: stack.request("POST", PREDICT, GOOD, JSON)[0] == 200, "no answer")
                    self.assertEqual(stack.request("GET", "/page.txt")[2], b"the site's own")
                    self.assertEqual(stack.request("GET", "/health")[0], 404)
                    status, answer, _ = stack.request("GET", "/api/nothing")
                    self.assertEqual((status, answer["content-type"]), (404, "application/problem+json"))


if __name__ == "__main__":
    unittest.main()
