"""What a reviewer can test from outside, line by line: each sends its requests through a real web server, holds what comes
back against what must, and adds a row to a table that is printed at the end."""
import json
import os
import re
import socket
import subprocess
import sys
import threading
import unittest

from expectations import held_out
from stack import Stack

ROW = held_out("cancer-logistic").features[0]
GOOD = json.dumps({"features": ROW}).encode()
PREDICT = "/api/v1/models/cancer-logistic/predict"
JSON = {"Content-Type": "application/json"}
TABLE = []
MIB = 1 << 20


def raw(stack, head, body=b"", wait=True):
    """Bytes as they are, over a connection of their own; returns (status, head, body) of the answer, or None for a
    connection that was closed without one."""
    with socket.create_connection(("127.0.0.1", stack.port), 60) as connection:
        connection.sendall(head.encode("latin-1") + b"\r\n\r\n" + body)
        if not wait:
            return None
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = connection.recv(65536)
            if not part:
                return None
            answer += part
        while answer.startswith(b"HTTP/1.1 100"):
            answer = answer.split(b"\r\n\r\n", 1)[1]
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65536)
        got, content = answer.split(b"\r\n\r\n", 1)
        while part := connection.recv(65536):
            content += part
        return int(got.split()[1]), got.decode("latin-1"), content


class Lines(unittest.TestCase):
    """One stack for all; what needs another one starts it."""
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(web="nginx", models=["cancer-logistic", "digits-mlp"], settings=cls.settings)
        cls.stack.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.stack.__exit__(None, None, None)

    def row(self, line, request, answer):
        TABLE.append((line, request, answer))

    def ask(self, method, path, body=None, headers=None):
        status, answer, content = self.stack.request(method, path, body, headers or JSON)
        return status, answer, content

    def refused(self, statuses, method, path, body=None, headers=None):
        """One of these statuses; ours is a problem, whole and without anything of the inside."""
        status, answer, content = self.ask(method, path, body, headers)
        statuses = statuses if isinstance(statuses, tuple) else (statuses,)
        self.assertIn(status, statuses, content[:300])
        if answer["content-type"] == "application/problem+json":
            problem = json.loads(content)
            self.assertLessEqual({"type", "title", "status", "detail", "instance"}, set(problem))
            self.assertEqual(problem["status"], status)
            self.assertNotRegex(content.decode(), r"/tmp/|/run/|/var/|\.sock|\.ipc|\.c:\d|0x[0-9a-f]{6}")
        return status, answer, content

    def workers(self):
        return sorted(self.stack.pids("worker"))


class Input(Lines):
    settings = {"frontend.max_body_bytes": str(MIB)}

    def test_bodies_that_are_too_large(self):
        large = b'{"features": [' + b" " * (MIB + 1000) + b"]}"
        length = self.refused(413, "POST", PREDICT, large)[0]
        chunked = raw(self.stack, f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                      "Content-Type: application/json\r\nTransfer-Encoding: chunked",
                      b"%x\r\n" % len(large) + large + b"\r\n0\r\n\r\n")
        self.assertEqual(chunked[0], 413)
        self.row("body above the limit", "POST 1 MiB + 1000, with Content-Length; chunked", f"{length}; {chunked[0]}")

    def test_headers_that_are_too_large(self):
        status, _, _ = raw(self.stack, f"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Long: {'a' * 100000}")
        self.assertIn(status, (400, 414, 431))
        self.row("headers too large", "GET /health with a header of 100 kB", status)

    def test_methods_types_and_what_is_accepted(self):
        told = []
        for method, path in (("BREW", PREDICT), ("GET", PREDICT), ("DELETE", "/api/v1/models"), ("POST", "/health")):
            status, answer, _ = self.refused(405, method, path, b"")
            self.assertTrue(answer["allow"])
            told.append(f"{status} Allow: {answer['allow']}")
        self.row("unknown method", "BREW and GET predict, DELETE models, POST health", "; ".join(told))
        status = self.refused(415, "POST", PREDICT, GOOD, {"Content-Type": "text/xml"})[0]
        self.row("wrong type", "POST predict as text/xml", status)
        status = self.refused(406, "POST", PREDICT, GOOD, JSON | {"Accept": "text/html"})[0]
        self.row("Accept that cannot be met", "POST predict, Accept: text/html", status)

    def test_expect_continue(self):
        done = subprocess.run(["curl", "-sS", "--noproxy", "*", "-o", os.devnull, "-w", "%{http_code}", "-H",
                               "Expect: 100-continue", "-H", "Content-Type: application/json", "-d", GOOD.decode(),
                               f"http://127.0.0.1:{self.stack.port}{PREDICT}"], capture_output=True, text=True)
        self.assertEqual(done.stdout, "200", done.stderr)
        self.row("Expect: 100-continue", "curl with it", done.stdout)

    def test_a_body_that_is_shorter_than_it_says(self):
        before = self.predictions()
        with socket.create_connection(("127.0.0.1", self.stack.port), 60) as connection:
            connection.sendall(f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                               f"Content-Length: {len(GOOD) + 10}\r\n\r\n".encode() + GOOD)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
        self.assertNotIn(b" 200 ", answer.split(b"\r\n")[0])
        self.assertEqual(self.ask("POST", PREDICT, GOOD)[0], 200)
        self.stack.wait(lambda: self.predictions() >= before + 1, "predictions are not counted")
        self.assertEqual(self.predictions(), before + 1)
        self.row("Content-Length is not what came", "POST with 10 bytes fewer than announced, then one that is whole",
                 "no answer or 4xx; 200; the model ran once")

    def predictions(self):
        _, _, text = self.stack.request("GET", "/metrics")
        return sum(int(count) for count in
                   re.findall(r'^predictions_total\{model="cancer-logistic"[^}]*\} (\d+)', text.decode(), re.M))

    def test_json_that_is_not(self):
        bodies = {"nested 65 deep": b'{"features": ' + b"[" * 65 + b"]" * 65 + b"}",
                  "a key twice": b'{"features": [1], "features": [2]}',
                  "NaN": b'{"features": [NaN]}', "1e999": b'{"features": [1e999]}',
                  "no UTF-8": b'{"key": "\xff\xfe", "features": [1]}',
                  "a lone surrogate": b'{"key": "\\ud800", "features": [1]}',
                  "a byte order mark": b"\xef\xbb\xbf" + GOOD, "more behind it": GOOD + b"x"}
        for name, body in bodies.items():
            with self.subTest(name):
                self.refused(400, "POST", PREDICT, body)
        self.row("JSON that is not", ", ".join(bodies), "400 each")
        many = b"{" + b",".join(b'"k%d":1' % i for i in range(80000)) + b"}"
        self.assertEqual(self.refused((400, 413), "POST", PREDICT, many[:MIB - 10])[0], 400)
        self.row("very many keys", "an object of 1 MiB of keys", 400)

    def test_names_of_models(self):
        workers = self.workers()
        names = {"..%2f..%2fetc%2fpasswd": (400, 404), "%00": (400, 404), "a" * 300: (404, 400), "%E2%80%A4%E2%80%A4": (404, 400),
                 "cancer%2dlogistic%2f": (400, 404), "c%D0%B0ncer-logistic": (404, 400)}
        for name, statuses in names.items():
            with self.subTest(name[:30]):
                self.refused(statuses, "POST", f"/api/v1/models/{name}/predict", GOOD)
        self.assertEqual(self.workers(), workers)
        self.row("names of models", "..%2f, %00, 300 characters, look-alikes", "400 or 404 each; no worker noticed")

    def test_what_a_request_may_name(self):
        """An address in a body is a value like any other: nothing fetches it."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0.2)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for body in ({"features": ROW, "model": url}, {"features": ROW, "callback": url}, {"features": [url] * 30}):
            self.refused((400, 404), "POST", "/api/v1/predict", json.dumps(body))
        with self.assertRaises(TimeoutError):
            listener.accept()
        listener.close()
        self.row("addresses in requests (SSRF)", "a URL as model, as another member, as features", "400, 404; nothing was fetched")


class Answers(Lines):
    def test_errors_are_problems(self):
        for statuses, method, path, body in ((404, "GET", "/nothing", None), (404, "GET", "/api/v1/models/none", None),
                                             (400, "POST", PREDICT, b"{"), (405, "GET", PREDICT, None)):
            _, answer, _ = self.refused(statuses, method, path, body)
            self.assertEqual(answer["content-type"], "application/problem+json")
        self.row("errors", "GET /nothing, a model that is not there, half a body, a wrong method",
                 "404, 404, 400, 405 as application/problem+json with type, title, status, detail, instance")

    def test_headers_of_every_answer(self):
        for method, path, body in (("POST", PREDICT, GOOD), ("GET", "/health", None), ("GET", "/nothing", None)):
            _, answer, content = self.ask(method, path, body)
            self.assertEqual(answer["x-content-type-options"], "nosniff")
            self.assertEqual(answer["cache-control"], "no-store")
            self.assertEqual(int(answer["content-length"]), len(content))
            self.assertTrue(answer["content-type"])
            self.assertIsNone(answer["x-powered-by"])
            self.assertIsNone(answer["access-control-allow-origin"])
            self.assertNotRegex(answer["server"] or "", r"\d")
        self.row("headers of every answer", "a prediction, /health, /nothing",
                 "Content-Length, Content-Type, nosniff, no-store; no X-Powered-By, no CORS, no version of a server")

    def test_request_ids(self):
        good = self.ask("GET", "/health", None, {"X-Request-Id": "a.B-c_9"})[1]["x-request-id"]
        self.assertEqual(good, "a.B-c_9")
        for strange in ("a b", "a" * 65, "<script>", "a;b", 'a"b'):
            self.assertRegex(self.ask("GET", "/health", None, {"X-Request-Id": strange})[1]["x-request-id"], "^[0-9a-f]{16}$")
        answer = raw(self.stack, "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: a\r\n b\r\nX-B: c")
        self.assertTrue(answer is None or "\n b" not in answer[1])
        for trace in ("garbage", "00-0-0-00", "ff-" + "a" * 32 + "-" + "b" * 16 + "-01"):
            self.assertEqual(self.ask("POST", PREDICT, GOOD, JSON | {"traceparent": trace})[0], 200)
        self.row("X-Request-Id, traceparent", "a.B-c_9; with blanks, quotes, tags, 65 long, folded; garbage",
                 "kept; replaced by ours each; ignored")

    def test_ways_around(self):
        """Other spellings are other paths, and no header speaks for another."""
        for path in (PREDICT + "/", PREDICT.upper(), PREDICT + ";a=b", PREDICT + "%20", "//api/v1/predict"):
            self.assertIn(self.ask("POST", path, GOOD)[0], (400, 404), path)
        self.row("other spellings of a path", "with / behind, in capitals, ;a=b, %20, //", "404 each")
        self.assertIn(raw(self.stack, f"HEAD {PREDICT} HTTP/1.0\r\nHost: a")[0], (405,))
        self.row("HTTP/1.0, HEAD", "HEAD predict over HTTP/1.0", 405)


def tearDownModule():
    width = max((len(line) for line, _, _ in TABLE), default=0)
    for line, request, answer in TABLE:
        print(f"{line:{width}}  {request}  ->  {answer}", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
