"""What a reviewer can test from outside, line by line: each sends its requests through a real web server, holds what comes
back against what must, and adds a row to a table that is printed at the end."""
import gzip
import hashlib
import hmac
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from cryptography.hazmat.primitives import serialization

from expectations import held_out
from load import JSON, at_once
from stack import BIN, PATIENCE, ROOT, SANITIZED, Stack
import test_users
from test_tokens import AUDIENCE, EC, ISSUER, OTHER_RSA, RSA, Server, b64, claims, jwk, sign

ROW = held_out("cancer-logistic").features[0]
GOOD = json.dumps({"features": ROW}).encode()
PREDICT = "/api/v1/models/cancer-logistic/predict"
TABLE = []
MIB = 1 << 20
SIGNED = ROOT / "tests/models/signed"


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

    def test_shapes_that_cannot_be(self):
        workers = self.workers()
        shapes = ([4294967296, 4294967296], [-1, 30], [9223372036854775807, 2], [18446744073709551616, 1], [0, 30], [1, 31],
                  [1, 1.5], ["1", 30], [1] * 65, [30])
        for shape in shapes:
            body = {"inputs": [{"name": "features", "datatype": "FP32", "shape": shape, "data": ROW}]}
            status, _, content = self.ask("POST", "/v2/models/cancer-logistic/infer", json.dumps(body))
            self.assertEqual(status, 400, (shape, content))
        binary = json.dumps({"inputs": [{"name": "features", "datatype": "FP32", "shape": [1 << 40, 30],
                                         "parameters": {"binary_data_size": 120}}]}).encode()
        status, _, content = self.ask("POST", "/v2/models/cancer-logistic/infer", binary + bytes(120),
                                      {"Inference-Header-Content-Length": str(len(binary))})
        self.assertEqual(status, 400, content)
        self.assertEqual(self.workers(), workers)
        self.row("shapes that cannot be", "products that overflow, negative, 65 dimensions, no numbers, not as many as there are values",
                 "400 each; no worker noticed")

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
    settings = {"worker.heartbeat_ms": "60000"}  # one that stands still here is not to be taken for a dead one

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

    def test_idempotency_keys(self):
        key = JSON | {"Idempotency-Key": '"b7d0"'}
        _, _, first = self.ask("POST", PREDICT, GOOD, key)
        status, answer, again = self.ask("POST", PREDICT, GOOD, key)
        self.assertEqual((status, again, answer["idempotency-replayed"]), (200, first, "true"))
        other = self.refused(422, "POST", PREDICT, GOOD + b" ", key)[0]
        none = self.refused(400, "POST", PREDICT, GOOD, JSON | {"Idempotency-Key": "two words"})[0]
        worker, = self.stack.pids("worker.digits-mlp")
        slow = "/api/v1/models/digits-mlp/predict"
        body = json.dumps({"features": held_out("digits-mlp").features[0]}).encode()
        statuses = []
        os.kill(worker, signal.SIGSTOP)
        try:
            first = threading.Thread(target=lambda: statuses.append(self.stack.client().request("POST", slow, body, key)[0]))
            first.start()
            self.stack.wait(lambda: any(worker["in_flight"] for worker in self.stack.control(
                "broker.sock", {"command": "status"})["workers"]), "the request does not reach the worker")
            running = self.refused(409, "POST", slow, body, key)[0]
        finally:
            os.kill(worker, signal.SIGCONT)
        first.join()
        self.assertEqual(statuses, [200])
        self.row("Idempotency-Key", "the same again; another body; while it runs; with a blank in it",
                 f"200, byte for byte, Idempotency-Replayed; {other}; {running}; {none}")

    def test_ways_around(self):
        """Other spellings are other paths, and no header speaks for another."""
        for path in (PREDICT + "/", PREDICT.upper(), PREDICT + ";a=b", PREDICT + "%20", "//api/v1/predict"):
            self.assertIn(self.ask("POST", path, GOOD)[0], (400, 404), path)
        self.row("other spellings of a path", "with / behind, in capitals, ;a=b, %20, //", "404 each (with a wrong key: below)")
        self.assertIn(raw(self.stack, f"HEAD {PREDICT} HTTP/1.0\r\nHost: a")[0], (405,))
        self.row("HTTP/1.0, HEAD", "HEAD predict over HTTP/1.0", 405)


class Who(Lines):
    """API keys and tokens, one of each kind."""
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        jwks = pathlib.Path(cls.folder.name) / "jwks.json"
        jwks.write_text(json.dumps({"keys": [jwk(RSA, "rsa"), jwk(EC, "ec")]}))
        cls.settings = {"auth.required": "true", "auth.max_failures_per_minute": "0", "token.issuer": ISSUER,
                        "token.audience": AUDIENCE, "token.jwks_file": str(jwks)}
        super().setUpClass()

    def key(self, name, *options):
        key = self.stack.outrigger("key", "add", name, *options).stdout.strip()
        self.stack.wait(lambda: self.ask("POST", PREDICT, GOOD, JSON | {"X-API-Key": key})[0] != 401, "no such key")
        return key

    def bearer(self, token, path=PREDICT):
        return self.ask("POST", path, GOOD, JSON | {"Authorization": "Bearer " + token})

    def test_no_credential(self):
        status, answer, _ = self.refused(401, "POST", PREDICT, GOOD)
        self.assertEqual(answer["www-authenticate"], 'Bearer realm="outrigger"')
        self.row("no credential", "POST predict", f"{status}, WWW-Authenticate: {answer['www-authenticate']}")

    def test_bad_tokens_are_one(self):
        bodies, times = set(), 0
        for token in (sign("RS256", OTHER_RSA, "rsa"), sign("RS256", RSA, "rsa", claims(exp=1)),
                      sign("RS256", RSA, "rsa", claims(aud="other")), sign("RS256", RSA, "rsa", claims(iss="other")), "x"):
            status, answer, body = self.bearer(token)
            self.assertEqual((status, answer["www-authenticate"]), (401, 'Bearer realm="outrigger", error="invalid_token"'))
            problem = json.loads(body)
            bodies.add(json.dumps({name: problem[name] for name in problem if name not in ("request_id", "instance")}))
            times += 1
        self.assertEqual((len(bodies), times), (1, 5))
        self.row("bad, expired, wrong aud, wrong iss, no token at all", "POST predict with each",
                 "401 error=\"invalid_token\", the same body each")

    def test_two_credentials(self):
        key = self.key("two")
        told = []
        for path, headers in ((PREDICT, {"X-API-Key": key, "Authorization": "Bearer " + key}),
                              (PREDICT + "?access_token=" + key, {})):
            status, answer, body = self.ask("POST", path, GOOD, JSON | headers)
            self.assertIn(status, (400, 401))
            self.assertNotIn(key.encode(), body)
            told.append(str(status))
        twice = raw(self.stack, f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
                    f"Authorization: Bearer {key}\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(GOOD)}", GOOD)
        self.assertEqual(twice[0], 400)
        self.assertEqual(told[0], "400")
        form = self.ask("POST", PREDICT, f"access_token={key}", {"Content-Type": "application/x-www-form-urlencoded"})[0]
        self.assertEqual(form, 400)
        self.row("two credentials, or one where none belongs", "X-API-Key and Authorization; ?access_token=; Authorization twice; in a form",
                 f"{told[0]}; {told[1]}; {twice[0]}; {form}")

    def test_an_idempotency_key_is_ones_own(self):
        keys = [self.key("one"), self.key("two")]
        answers = [self.ask("POST", PREDICT, body, JSON | {"X-API-Key": key, "Idempotency-Key": "shared"})
                   for key, body in ((keys[0], GOOD), (keys[1], GOOD + b" "), (keys[0], GOOD), (keys[1], GOOD))]
        self.assertEqual([status for status, _, _ in answers], [200, 200, 200, 422])
        self.assertEqual([answer["idempotency-replayed"] for _, answer, _ in answers[:3]], [None, None, "true"])
        self.row("another's Idempotency-Key", "the same with two API keys and two bodies", "200 each; then each meets its own alone")

    def test_scopes_models_and_administration(self):
        narrow = self.key("narrow", "--scopes", "feedback")
        other = self.key("other", "--models", "digits-mlp")
        status, answer, _ = self.refused(403, "POST", PREDICT, GOOD, JSON | {"X-API-Key": narrow})
        self.assertIn('error="insufficient_scope", scope="predict"', answer["www-authenticate"])
        told = [f"{status} {answer['www-authenticate']}"]
        problems = [json.loads(self.refused(404, "POST", path, GOOD, JSON | {"X-API-Key": other})[2])
                    for path in (PREDICT, PREDICT.replace("cancer-logistic", "cancer-logistix"))]
        self.assertEqual(problems[0]["detail"].replace("logistic", "x"), problems[1]["detail"].replace("logistix", "x"))
        status = self.ask("POST", "/v2/repository/models/digits-mlp/unload", b"", {"X-API-Key": other})[0]
        self.assertEqual(status, 403)
        self.row("a scope that is missing", "POST predict with a key for feedback", told[0])
        self.row("another's model", "POST predict with a key for digits-mlp; the same of a model that is not there", "404; the same 404")
        self.row("administration with a user's key", "POST /v2/repository/models/digits-mlp/unload", status)

    def test_tokens_that_are_none(self):
        def parts(header, payload=None):
            return sign("RS256", RSA, "rsa", payload, **header)
        public = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        confused = f"{b64(json.dumps({'alg': 'HS256', 'kid': 'rsa'}).encode())}.{b64(json.dumps(claims()).encode())}"
        confused += "." + b64(hmac.digest(public, confused.encode(), "sha256"))
        bad = {"alg none": sign("none", None, "rsa"), "another's key": sign("RS256", OTHER_RSA, "rsa"),
               "HS256 with the public key": confused, "crit": parts({"crit": ["x"], "x": 1}),
               "jku": parts({"jku": "http://127.0.0.1:1/"}), "kid ../": sign("RS256", RSA, "../../etc/passwd"),
               "exp missing": parts({}, {name: value for name, value in claims().items() if name != "exp"}),
               "nbf in an hour": parts({}, claims(nbf=int(time.time()) + 3600)), "exp a string": parts({}, claims(exp="1e400")),
               "five segments": "a.b.c.d.e", "padding": sign("RS256", RSA, "rsa") + "=", "9 KiB": "a" * 3000 + "." + "b" * 3000 + "." + "c" * 3000}
        for name, token in bad.items():
            with self.subTest(name):
                self.assertIn(self.bearer(token)[0], (401,) if name != "9 KiB" else (400, 401, 431))  # nginx has a limit, too
        self.assertEqual(self.bearer(sign("RS256", RSA, "rsa"))[0], 200)
        self.row("tokens that are none (60 more in test_tokens.py)", ", ".join(bad), "401 each (9 KiB: nginx says 400); a good one 200")

    def test_keys(self):
        key = self.key("a key")
        self.assertRegex(key, r"^ork_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$")
        kept = (self.stack.directory / "state/keys.json").read_text()
        self.assertNotIn(key[17:], kept)
        self.assertIn(hashlib.sha256(key.encode()).hexdigest(), kept)
        listed = json.loads(self.stack.outrigger("key", "--json").stdout)["keys"]
        self.assertGreater({one["name"]: one.get("last_used", 0) for one in listed}["a key"], 0)
        page = self.stack.request("GET", "/metrics")[2] + self.ask("POST", PREDICT, b"{", JSON | {"X-API-Key": key})[2]
        places = [path for path in self.stack.directory.rglob("*") if path.is_file() and key[17:].encode() in path.read_bytes()]
        places += [pid for pid in self.stack.pids() for name in ("environ", "cmdline")
                   if key[17:].encode() in pathlib.Path(f"/proc/{pid}/{name}").read_bytes()]
        self.assertEqual((places, key[17:].encode() in page), ([], False))
        typo = key[:-1] + ("a" if key[-1] != "a" else "b")
        self.assertEqual(self.ask("POST", PREDICT, GOOD, JSON | {"X-API-Key": typo})[0], 401)
        new = self.stack.outrigger("key", "rotate", "a key").stdout.strip()
        self.stack.wait(lambda: self.ask("POST", PREDICT, GOOD, JSON | {"X-API-Key": new})[0] == 200, "the new one is unknown")
        self.assertEqual(self.ask("POST", PREDICT, GOOD, JSON | {"X-API-Key": key})[0], 200)
        self.stack.outrigger("key", "revoke", "a key")
        self.stack.wait(lambda: all(self.ask("POST", PREDICT, GOOD, JSON | {"X-API-Key": one})[0] == 401 for one in (key, new)),
                        "still good")
        self.row("API keys", "add, a typo, key list, rotate, revoke; keys.json",
                 "SHA-256 alone in the file; 401; when it was last used; both good after rotate; 401 after revoke")
        self.row("where a key is not", "every file of the service, logs, metrics, an error's body, environments, command lines", "nowhere")

    def test_what_is_not_on_the_public_route(self):
        told = [self.ask("GET", path)[0] for path in ("/admin", "/healthz", "/api/v1/admin", "/metrics")]
        self.assertEqual(told[:3], [404] * 3)
        proxied = self.ask("GET", "/metrics", None, {"X-Forwarded-For": "203.0.113.9"})[0]
        self.assertEqual(proxied, 401)
        self.row("/metrics, /admin, /healthz from outside", "GET each; /metrics for a client elsewhere", f"404, 404; {proxied}")

    def test_limits_are_not_passed_by(self):
        rows = json.dumps({"instances": [ROW] * 1200})
        # A row a second, and so many at once that it does not matter how long this takes.
        with Stack(web="nginx", models=["cancer-logistic"], settings={"limit.address_rows_per_s": "1",
                                                                       "limit.address_burst_s": "3600"}) as stack:
            told = []
            batch, left = PREDICT.replace("/predict", "/batch-predict"), []
            for headers in [{}] * 3 + [{"X-Forwarded-For": "10.1.2.3"}, {"X_Forwarded_For": "10.1.2.4"}, {"Forwarded": "for=10.1.2.5"}]:
                status, answer, _ = stack.request("POST", batch, rows, JSON | headers)
                told.append(status)
                self.assertEqual(answer["ratelimit-policy"], '"address_rows";q=3600;w=3600')
                left.append(int(re.match(r'"address_rows";r=(\d+);t=\d+$', answer["ratelimit"])[1]))
            self.assertEqual(told, [200] * 3 + [429] * 3)
            self.assertTrue(2400 <= left[0] < 3600 and 1200 <= left[1] < 2400 and left[2] < 1200 and left[3:] == [0] * 3, left)
            after = [(int(answer["ratelimit"].rpartition("=")[2]), int(answer["retry-after"])) for _, answer, _ in
                     (stack.request("POST", batch, rows, JSON) for _ in range(20))]
            self.assertTrue(all(1 <= least <= said <= least * 5 // 4 for least, said in after), after)
            self.assertGreater(len({said - least for least, said in after}), 1)
            for spelling in ("/", ";a=b", "%20"):
                self.assertEqual(stack.request("POST", batch + spelling, rows, JSON)[0], 404)
            self.assertEqual(stack.request("POST", batch.upper(), rows, JSON)[0], 404)
            one = raw(stack, f"POST {batch} HTTP/1.0\r\nHost: a\r\nContent-Type: application/json\r\n"
                      f"Content-Length: {len(rows)}", rows.encode())
            self.assertEqual(one[0], 429)
        self.row("a limit for each address", "3600 rows may come, in three requests; three more with X-Forwarded-For, its twin with _, "
                 "Forwarded; over HTTP/1.0; with / behind, ;a=b, %20, in capitals",
                 f"200 each, RateLimit: r={left[0]}, {left[1]}, {left[2]}; 429 each, Retry-After: {answer['retry-after']}, "
                 f"RateLimit-Policy: {answer['ratelimit-policy']}, RateLimit: {answer['ratelimit']}; 429; 404 each")
        self.row("Retry-After is another for each", "20 that are refused", f"{min(said - least for least, said in after)} to "
                 f"{max(said - least for least, said in after)} s more than must be")

    def test_the_audit_log_holds(self):
        self.refused(401, "POST", PREDICT, GOOD)
        self.stack.wait(lambda: '"status":401' in self.stack.outrigger("audit", "show", "--json").stdout, "no line")
        self.assertEqual(self.stack.outrigger("audit", "verify").returncode, 0)
        shown = self.stack.outrigger("audit", "show", "--json").stdout
        self.assertNotRegex(shown, rf"{re.escape(str(ROW[0]))}\W+{re.escape(str(ROW[1]))}")    # one alone may be part of a time
        self.row("the audit log", "a refused prediction; outrigger audit verify", "who, what, decision, no payload; every chain is whole")


class Busy(Lines):
    """A model that takes half a second, with room for one that waits; and who guesses keys."""
    settings = {"auth.required": "true"}
    sum = "/api/v1/models/sum/predict"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        model = pathlib.Path(folder.name) / "models/sum"
        (model / "1").mkdir(parents=True)
        (model / "1/model.echo").write_text("features = 2;\nbatch = 1;\ncall_us = 500000;\n")
        (model / "model.conf").write_text("queue = { max_rows = 1; };\n")
        for path in (folder.name, model.parent):
            os.chmod(path, 0o755)
        file = f"auth.keys_file={folder.name}/keys.json"   # made before: trying it would be a wrong one, until it is known
        cls.key = subprocess.run([BIN / "outrigger", "key", "add", "k", "-s", file, "-s", f"runtime_directory={folder.name}"],
                                 text=True, capture_output=True, check=True).stdout.strip()
        cls.headers = JSON | {"X-API-Key": cls.key}
        cls.stack = Stack(web="nginx", models=model.parent, settings=cls.settings | dict([file.split("=")]))
        cls.stack.__enter__()

    def test_more_than_there_is_room_for(self):
        answers, body = [], json.dumps({"features": [1, 2]})
        tensors = json.dumps({"id": "i", "inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]})
        asked = itertools.cycle(((self.sum, body), ("/v2/models/sum/infer", tensors)))

        def ask():
            client = self.stack.client()
            path, content = next(asked)
            answers.append((path, *client.request("POST", path, content, self.headers)))
            client.close()
        at_once(16, ask)
        refused = [int(answer["retry-after"]) for _, status, answer, _ in answers if status == 503]
        self.assertEqual({status for _, status, _, _ in answers}, {200, 503})
        self.assertTrue(all(seconds >= 1 for seconds in refused))
        told = {json.loads(content)["error"] for path, status, _, content in answers if status == 503 and path != self.sum}
        self.assertEqual(told, {"[request id: i] Exceeds maximum queue size"})
        self.row("a full queue", "16 requests at once to a model with room for one that waits, half of them of /v2",
                 f"{len(refused)} are 503 with Retry-After, the others 200")

    def test_a_deadline_that_passes(self):
        status = self.refused(504, "POST", self.sum, json.dumps({"features": [1, 2], "timeout_ms": 50}), self.headers)[0]
        tensors = {"inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}],
                   "parameters": {"timeout": 50000}}
        oip, _, content = self.ask("POST", "/v2/models/sum/infer", json.dumps(tensors), self.headers)
        self.assertEqual((oip, json.loads(content)["error"]), (503, "[request id: <id_unknown>] Request timeout expired"))
        self.row("a deadline that passes", "timeout_ms 50 of a model that takes 500; the same of /v2, as Triton says it",
                 f"{status}; {oip}")

    def test_guessing(self):
        """Wrong keys are counted by address, whatever the request calls itself; a good key is not refused for them."""
        wrong = lambda: self.ask("POST", self.sum, b"{", JSON | {"X-API-Key": "ork_wrong"})
        told = [wrong()[0] for _ in range(20)]
        status, answer, _ = wrong()
        self.assertEqual((told, status), ([401] * 20, 429))
        self.assertGreaterEqual(int(answer["retry-after"]), 1)
        for headers in ({"X-Forwarded-For": "10.1.2.3"}, {"X_Forwarded_For": "10.1.2.3"}, {"Forwarded": "for=10.1.2.3"},
                        {"X-Real-IP": "10.1.2.3"}, {"Authorization": "Bearer ork_wrong"}):
            keyed = JSON | headers | ({} if "Authorization" in headers else {"X-API-Key": "ork_wrong"})
            self.assertEqual(self.ask("POST", self.sum, b"{", keyed)[0], 429, headers)
        for path in (self.sum + "/", self.sum.upper(), self.sum + ";a=b", self.sum + "%20", "//api/v1/models"):
            self.assertIn(self.ask("POST", path, b"{", JSON | {"X-API-Key": "ork_wrong"})[0], (404, 429), path)
        for line in (f"POST {self.sum} HTTP/1.0", "HEAD /api/v1/models HTTP/1.0", "HEAD /api/v1/models HTTP/1.1",
                     "GET /api/v1/models HTTP/1.0"):
            got = raw(self.stack, f"{line}\r\nHost: a\r\nConnection: close\r\nX-API-Key: ork_wrong\r\nContent-Length: 0")
            self.assertEqual(got[0], 429, line)
            none = raw(self.stack, f"{line}\r\nHost: a\r\nConnection: close\r\nX_API_Key: {self.key}\r\nContent-Length: 0")
            self.assertEqual(none[0], 401, line)    # the twin of a header is not that header: nginx drops it
        self.assertEqual(self.ask("GET", "/api/v1/models", None, {"X-API-Key": self.key})[0], 200)
        self.row("guessing keys", "20 wrong ones, one more; with X-Forwarded-For, its twin with _, Forwarded, X-Real-IP, as Bearer",
                 f"401 each, 429 with Retry-After: {answer['retry-after']}; 429 each; a good key 200")
        self.row("ways around authentication", "HTTP/1.0, HEAD; / behind, capitals, ;a=b, %20, //; X_API_Key for X-API-Key",
                 "429; 404 or 429; 401 (behind each web server: test_auth.py)")


class Owasp(Lines):
    """The OWASP API Security Top 10 of 2023, one by one. API1: whose object; API2: who; API3: which properties; API4: how
    much; API5: which functions; API6: how often; API7: which addresses; API8: how it is set up; API9: which paths there
    are; API10: what others say."""
    settings = {"auth.required": "true", "auth.max_failures_per_minute": "0", "token.issuer": ISSUER, "token.audience": AUDIENCE,
                "frontend.max_body_bytes": str(MIB)}

    @classmethod
    def setUpClass(cls):
        keys = json.dumps({"keys": [jwk(RSA, "rsa")]}).encode()
        cls.issuer, cls.elsewhere = Server(cls.answer), Server(lambda *_: (200, {}, keys))
        for server in (cls.issuer, cls.elsewhere):
            cls.addClassCleanup(server.close)
        cls.settings = cls.settings | {"token.jwks_url": cls.issuer.url("/keys")}
        super().setUpClass()
        cls.keys = {name: cls.stack.outrigger("key", "add", name, *options).stdout.strip() for name, options in {
            "user": [], "digits": ["--models", "digits-*"], "office": ["--scopes", "feedback", "--models", "cancer-*"],
            "digits-office": ["--scopes", "feedback", "--models", "digits-*"], "slow": ["--requests-per-s", "0.001", "--burst", "3"]}.items()}
        cls.stack.wait(lambda: cls.stack.request("POST", PREDICT, b"{", cls.shown("slow"))[0] == 400, "no such key")

    @classmethod
    def answer(cls, path, headers, body):
        return 302, {"Location": cls.elsewhere.url("/keys")}, b""

    @classmethod
    def shown(cls, name):
        return JSON | {"X-API-Key": cls.keys[name]}

    def test_api1_objects_of_others(self):
        for method, path, body in (("POST", "/api/v1/models/{}/predict", GOOD), ("GET", "/api/v1/models/{}", None),
                                   ("POST", "/api/v1/models/{}/versions/1/predict", GOOD), ("GET", "/v2/models/{}", None),
                                   ("GET", "/v2/models/{}/ready", None), ("POST", "/v2/models/{}/infer", b'{"inputs":[]}')):
            hidden, missing = (self.ask(method, path.format(model), body, self.shown("digits"))
                               for model in ("cancer-logistic", "cancer-logistix"))
            told = [re.sub(rb"logisti[cx]|[0-9a-f]{16}", b"", content) for _, _, content in (hidden, missing)]
            self.assertEqual((hidden[0], told[0]), (missing[0], told[1]), path)
            self.assertEqual(hidden[0], 404, path)
        self.row("OWASP API1 objects of others", "6 calls with a key for digits-*: of another's model, of none", "404 each; the same answer")

    def known(self):
        told = self.stack.control("collector.sock", {"command": "accuracy"})["models"]
        return [(entry["model"], entry["known"], entry["right"]) for entry in told]

    def test_api1_truths_of_others(self):
        """Whoever may use a model may say what was true of its answers; nobody else, and nobody can tell by the answer."""
        answer = json.loads(self.ask("POST", PREDICT, GOOD, self.shown("user"))[2])
        right, wrong = answer["prediction"], 1 - answer["prediction"]
        told = [self.ask("POST", "/api/v1/feedback", json.dumps({"request_id": name, "actual": wrong}), self.shown("digits-office"))
                for name in (answer["request_id"], "0" * 16)]
        self.assertEqual(*[(status, {key: value for key, value in headers.items() if key not in ("X-Request-Id", "Date")}, content)
                           for status, headers, content in told])
        self.assertEqual(told[0][0], 202)
        body = json.dumps({"request_id": answer["request_id"], "actual": right})
        self.assertEqual(self.ask("POST", "/api/v1/feedback", body, self.shown("office"))[0], 202)
        self.stack.wait(lambda: self.known() == [("cancer-logistic", 1, 1)], f"joined otherwise: {self.known()}")
        dead = self.stack.pids("collector")
        os.kill(dead[0], signal.SIGKILL)  # whoever begins reads it all once more
        self.stack.wait(lambda: self.stack.pids("collector") not in ([], dead), "no new collector")
        body = json.dumps({"request_id": answer["request_id"], "actual": wrong})
        self.assertEqual(self.ask("POST", "/api/v1/feedback", body, self.shown("office"))[0], 202)
        self.stack.wait(lambda: self.known() == [("cancer-logistic", 1, 0)], f"joined otherwise: {self.known()}")
        self.row("OWASP API1 truths of others", "feedback on an answer of cancer-logistic with a key for digits-*; on none; by one that may",
                 "202 each, the same answer; the last one alone counts")

    def test_api2_authentication(self):
        statuses = [self.ask("POST", PREDICT, GOOD, JSON | headers)[0] for headers in (
            {}, {"X-API-Key": "x"}, {"Authorization": "Bearer " + sign("none", None, "rsa")}, {"Authorization": "Basic YTpi"})]
        self.assertEqual(statuses, [401] * 4)
        self.row("OWASP API2 authentication", "nothing, what is no key, a token that nobody has signed, Basic", "401 each")

    def test_api3_properties(self):
        for member in ("admin", "tenant", "model_path", "__proto__", "priority_boost"):
            body = json.dumps({"features": ROW, member: 1})
            self.assertIn(member, self.refused(400, "POST", PREDICT, body, self.shown("user"))[2].decode())
        listed = json.loads(self.ask("GET", "/api/v1/models", None, self.shown("digits"))[2])
        self.assertEqual([model["id"] for model in listed["models"]], ["digits-mlp"])
        self.assertNotRegex(json.dumps(listed), r"/tmp/|pid|\.onnx|token|digest")
        self.row("OWASP API3 properties", "predict with 5 members that are none; the list of models of a narrow key",
                 "400 that names each; its own alone, nothing of the inside")

    def test_api4_resources(self):
        told = [self.refused(413, "POST", PREDICT, b" " * (MIB + 1), self.shown("user"))[0]]
        packed = gzip.compress(b" " * (64 * MIB))
        told.append(self.refused(413, "POST", PREDICT, packed, self.shown("user") | {"Content-Encoding": "gzip"})[0])
        self.row("OWASP API4 resources", f"1 MiB and one byte; {len(packed)} bytes that unpack to 64 MiB", f"{told[0]}; {told[1]}")

    def test_api5_functions(self):
        for path in ("/v2/repository/models/digits-mlp/unload", "/v2/repository/models/digits-mlp/load", "/v2/logging"):
            self.assertEqual(self.ask("POST", path, b"{}", self.shown("user"))[0], 403, path)
        feedback = self.ask("POST", "/api/v1/feedback", json.dumps({"request_id": "a", "actual": 1}), self.shown("user"))[0]
        metrics = self.ask("GET", "/metrics", None, self.shown("user") | {"X-Forwarded-For": "203.0.113.9"})[0]
        self.assertEqual((feedback, metrics), (403, 403))
        self.row("OWASP API5 functions", "load, unload, logging, feedback, metrics with a key for predict", "403 each")

    def test_api6_flows(self):
        self.stack.wait(lambda: "ratelimit" in self.ask("POST", PREDICT, GOOD, self.shown("slow"))[1],
                        "the broker does not read the new key")  # the first of three
        statuses = [self.ask("POST", PREDICT, GOOD, self.shown("slow"))[0] for _ in range(4)]
        self.assertEqual(statuses, [200] * 2 + [429] * 2)
        self.assertEqual(self.ask("POST", PREDICT, GOOD, self.shown("user"))[0], 200)
        self.row("OWASP API6 flows that are automated", "5 predictions with a key that may 3; one with another key", "200 three times, 429; 200")

    def test_api7_addresses(self):
        """Nothing that a client says is fetched: not of a body, not of a token's header."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0.2)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for member in ("jku", "x5u"):
            token = sign("RS256", RSA, "rsa", None, **{member: url})
            self.assertIn(self.ask("POST", PREDICT, GOOD, JSON | {"Authorization": "Bearer " + token})[0], (401, 503))
        self.refused((400, 404), "POST", "/api/v1/predict", json.dumps({"features": ROW, "model": url}), self.shown("user"))
        load = json.dumps({"parameters": {"config": url}})
        self.assertEqual(self.ask("POST", "/v2/repository/models/x/load", load, self.shown("user"))[0], 403)
        with self.assertRaises(TimeoutError):
            listener.accept()
        listener.close()
        self.row("OWASP API7 addresses", "jku and x5u of tokens, a model, a configuration to load", "refused each; nothing was fetched")

    def test_api8_configuration(self):
        for method in ("TRACE", "OPTIONS", "CONNECT", "PROPFIND"):
            got = raw(self.stack, f"{method} {PREDICT} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: https://evil.example\r\n"
                      "Access-Control-Request-Method: POST")
            self.assertTrue(got is None or got[0] in (400, 401, 405, 501), (method, got))
            self.assertTrue(got is None or "access-control" not in got[1].lower())
        page = self.ask("GET", "/docs", None, self.shown("user"))[1]
        self.assertIn("frame-ancestors 'none'", page["content-security-policy"])
        self.row("OWASP API8 configuration", "TRACE, OPTIONS of another origin, CONNECT, PROPFIND; the page /docs",
                 "400, 401, 405 or 501 and no CORS; a Content-Security-Policy")

    def test_api9_inventory(self):
        told = json.loads(self.ask("GET", "/openapi.json", None, self.shown("user"))[2])["paths"]
        self.assertIn("/api/v1/models", told)
        for path in ("/api", "/api/v0/models", "/api/v2/models", "/api/v1", "/v1/models", "/v3/models", "/debug", "/.env", "/server-status",
                     "/api/v1/models/cancer-logistic/versions/0/predict"):
            self.assertEqual(self.ask("POST" if "predict" in path else "GET", path, GOOD if "predict" in path else None,
                                      self.shown("user"))[0], 404, path)
        self.row("OWASP API9 inventory", "/openapi.json; other versions of the API, of a model, what others leave open",
                 f"{len(told)} paths; 404 each")

    def test_api10_what_others_say(self):
        """The issuer of tokens redirects to keys that would let somebody in."""
        status = self.ask("POST", PREDICT, GOOD, JSON | {"Authorization": "Bearer " + sign("RS256", RSA, "rsa")})[0]
        self.assertEqual((status, sum(self.elsewhere.asked.values())), (503, 0))
        self.assertGreaterEqual(self.issuer.asked["/keys"], 1)
        self.row("OWASP API10 what others say", "a token whose issuer redirects to its key (sizes, counts, TLS: test_tokens.py)",
                 f"{status}; the redirect was not followed")


class Processes(Lines):
    def test_sockets_and_listeners(self):
        runtime = self.stack.runtime
        self.assertEqual(stat.S_IMODE(runtime.stat().st_mode), 0o750)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in runtime.iterdir() if stat.S_ISSOCK(path.stat().st_mode)}
        self.assertEqual((modes["frontend.sock"], modes["supervisor.sock"], modes["broker.sock"]), (0o660, 0o600, 0o600))
        self.assertTrue(all(mode & 0o007 == 0 for mode in modes.values()), modes)
        pids = {str(pid) for pid in self.stack.pids()} | {str(self.stack.supervisor.pid)}
        listeners = [line.split()[3] for line in subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True).stdout.splitlines()
                     if set(re.findall(r"pid=(\d+)", line)) & pids]
        self.assertEqual(listeners, [f"127.0.0.1:{self.stack.metrics_port}"])
        if os.getuid() == 0:
            code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(runtime / 'frontend.sock')!r})"
            nobody = subprocess.run(["/usr/bin/python3", "-c", code], user="nobody", group="nogroup", extra_groups=[],
                                    capture_output=True, text=True)
            self.assertIn("PermissionError", nobody.stderr)
        self.row("sockets", f"modes of {len(modes)} sockets; connect as nobody; ss -ltnp",
                 "0660 and less in a folder of 0750, those for control 0600; EACCES; the collector's on the loopback alone")

    def test_nobody_is_asked_by_an_explicit_word_alone(self):
        self.assertEqual(self.stack.log.read_text().count("auth.required is off"), 1)
        default = subprocess.run([BIN / "outrigger", "check", "--template"], capture_output=True, text=True).stdout
        self.assertRegex(default, r"(?m)^ *required = true;")
        self.row("authentication that is off", "a start with auth.required = false; the default", "one warning; true")

    def test_what_a_supervisor_refuses(self):
        with tempfile.TemporaryDirectory() as directory:
            def start(text, mode=0o644):
                path = pathlib.Path(directory) / "outrigger.conf"
                path.write_text(f'runtime_directory = "{directory}/run"; state_directory = "{directory}/state";\n' + text)
                path.chmod(mode)
                done = subprocess.run([BIN / "outrigger-supervisor", "-c", path], cwd=ROOT, capture_output=True, text=True,
                                      timeout=PATIENCE)
                self.assertNotEqual(done.returncode, 0)
                return done.stderr
            self.assertIn("curve", start('broker = { askers_tcp = "tcp://127.0.0.1:1"; };').lower())
            self.assertIn("unknown", start("auht = { required = false; };").lower().replace("no such", "unknown"))
            self.assertIn("write", start("", 0o666).lower().replace("change", "write"))
        self.row("what is refused at start", "tcp:// without CURVE keys, an unknown key, a configuration that everybody can write",
                 "each with the file and the reason")

    def test_limits_of_processes(self):
        for pid in self.stack.pids():
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            self.assertRegex(limits, r"Max core file size +0 ")
            self.assertNotRegex(pathlib.Path(f"/proc/{pid}/cmdline").read_text(), "ork_|secret=")
        self.row("core dumps, command lines", "/proc/PID/limits and cmdline of every process", "core 0; nothing secret")

    @unittest.skipIf(SANITIZED, "sanitizers take SIGSYS for themselves: seccomp is left out of their builds")
    def test_rights_of_processes(self):
        for process in self.stack.status()["processes"]:
            status = pathlib.Path(f"/proc/{process['pid']}/status").read_text()
            self.assertRegex(status, r"NoNewPrivs:\s1\n", process)
            self.assertRegex(status, r"Seccomp:\s2\n", process)
        self.row("least privilege (what models try: test_sandbox.py)", "NoNewPrivs and Seccomp of every process",
                 "1 and 2 (a filter) each")

    def test_models_that_nobody_has_signed(self):
        """What the tool has signed is loaded; with more of them, changed, or by somebody else (test_signing.py) it is not."""
        with tempfile.TemporaryDirectory() as directory:
            models = pathlib.Path(directory) / "models"
            version = models / "cancer/1"
            shutil.copytree(SIGNED / "1", version)

            def check(keys):
                done = subprocess.run([BIN / "outrigger", "check", "-s", f"models_directory={models}", "-s",
                                       f"runtime_directory={directory}/run", "-s", f"state_directory={directory}", "-s",
                                       f"signing.keys={keys}"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
                return done.returncode, done.stdout + done.stderr
            self.assertIn("it is signed", check(SIGNED / "trusted.pem")[1])
            status, said = check(SIGNED / "other/p384.pem")
            self.assertEqual((status, "not among the trusted ones" in said), (1, True), said)
            (version / "more.py").write_text("")
            status, said = check(SIGNED / "trusted.pem")
            self.assertEqual((status, "more.py was not signed" in said), (1, True), said)
            (version / "model.sig").unlink()
            status, said = check(SIGNED / "trusted.pem")
            self.assertEqual((status, "is not signed: expected model.sig" in said), (1, True), said)
            self.assertIn("models need no signature", check("")[1])
            status, said = check(SIGNED / "none.pem")
            self.assertEqual((status, "none.pem: No such file or directory" in said), (1, True), said)
        self.row("models that nobody has signed (OpenSSF Model Signing)",
                 "a version of the tool's; another key; a file more; no model.sig; no keys configured",
                 "loaded; refused with the file named, three times; loaded")

    @unittest.skipIf(SANITIZED, "a sanitizer's build is for tests alone")
    def test_how_programs_are_built(self):
        programs = sorted(path for path in BIN.iterdir() if os.access(path, os.X_OK))
        for path in programs:
            said = subprocess.run(["readelf", "-Whld", path], capture_output=True, text=True, check=True).stdout
            self.assertRegex(said, r"Type: +DYN")
            self.assertIn("GNU_RELRO", said)
            self.assertRegex(said, r"BIND_NOW|FLAGS_1\).*NOW")
            self.assertRegex(said, r"GNU_STACK .* RW +0x")
        self.row("how programs are built", f"readelf of {len(programs)} programs", "PIE, relro, now, no executable stack each")


@unittest.skipIf(test_users.OBSTACLE, test_users.OBSTACLE)
class SeparateUsers(Lines):
    """By nothing but the users: there is no sandbox."""
    settings = test_users.USERS | {"sandbox.mode": "off", "auth.required": "true"}

    def test_what_each_user_is(self):
        told = {}
        for process in self.stack.status()["processes"]:
            user = test_users.WORKERS if process["kind"] == "worker" else test_users.USER
            self.assertEqual(test_users.rights(process["pid"]), test_users.of_user(user), process)
            told.setdefault(user, set()).add(process["kind"])
        kept = (test_users.KILL, test_users.SETGID, test_users.SETUID)
        self.assertEqual(test_users.rights(self.stack.supervisor.pid), test_users.of_user(test_users.USER, kept))
        self.row("separate users", "Uid, Gid, Groups and Cap... of every process that root has started",
                 "; ".join(f"{user}: {', '.join(sorted(kinds))}" for user, kinds in told.items()) + "; the supervisor, too; nobody is root")

    def test_what_a_worker_meets(self):
        user, workers, stack = test_users.USER, test_users.WORKERS, self.stack
        self.assertEqual(stack.outrigger("key", "add", "one").returncode, 0)
        state, runtime = stack.directory / "state", stack.runtime
        page = next((runtime / "stats").glob("broker.*"))
        closed = [state / "keys.json", *(state / "audit").iterdir(), state / "deployments.json", runtime / "processes.json", page,
                  f"/proc/{stack.pids('broker')[0]}/environ"]
        for path in closed:
            self.assertEqual((test_users.opened(workers, path), test_users.opened(user, path)), ("PermissionError", "opened"), path)
        sockets = sorted(path for path in runtime.iterdir() if stat.S_ISSOCK(path.stat().st_mode))
        self.assertLess({"supervisor.sock", "broker.sock", "collector.sock", "frontend.sock", "askers.ipc"}, {path.name for path in sockets})
        reached = {path.name for path in sockets if test_users.connected(workers, path) == "connected"}
        self.assertEqual(reached, {"workers.ipc", "stats.ipc"})
        self.assertEqual({test_users.connected("www-data", path) for path in sockets}, {"PermissionError"})
        for attempt in (f"os.unlink({str(page)!r})", f"os.kill({stack.pids('frontend')[0]}, 9)", f"os.listdir({str(runtime)!r})",
                        f"os.symlink('/etc', {str(runtime / 'new')!r})", f"os.rename({str(page)!r}, {str(page) + 'x'!r})"):
            self.assertEqual(test_users.attempted(workers, attempt), "PermissionError", attempt)
        self.row("separate users: the workers' (no sandbox)", f"open {len(closed)} files of keys, audit log, state; connect to "
                 f"{len(sockets)} sockets; remove another's page, kill a frontend, make a link",
                 "EACCES or EPERM each, but for " + " and ".join(sorted(reached)))


def tearDownModule():
    width = max((len(line) for line, _, _ in TABLE), default=0)
    for line, request, answer in TABLE:
        print(f"{line:{width}}  {request}  ->  {answer}", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
