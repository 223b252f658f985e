"""Who is asking, and what it may do: API keys through the real web servers, from their making to their end; who the web
server says it is; and that a key is nowhere to be found."""
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from expectations import held_out
from stack import BIN, PATIENCE, REPOSITORY, ROOT, Stack, alive, web_servers
from test_frontend import BEGIN, PARAMS, STDIN, Peer, parameter, record

GOOD = json.dumps({"features": held_out("cancer-logistic").features[0]})
JSON = {"Content-Type": "application/json"}
PREDICT = "/api/v1/models/cancer-logistic/predict"
MODELS = ["cancer-logistic", "diabetes-ridge"]
ON = {"auth.required": "true", "auth.max_failures_per_minute": "0"}  # since tests wait by trying keys
KEY = re.compile(r"^ork_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$")
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def with_checksum(text):
    """A key whose form is right, of its first 49 characters: FNV-1a of them, in base 62."""
    value, check = 0xcbf29ce484222325, ""
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    for _ in range(6):
        value, digit = divmod(value, 62)
        check = BASE62[digit] + check
    return text + check


def strip(body):
    """A problem without what differs in every answer."""
    return {name: value for name, value in json.loads(body).items() if name not in ("request_id", "instance")}


class Auth(unittest.TestCase):
    def start(self, web="nginx", models=MODELS, **settings):
        stack = Stack(web, models=models, settings=ON | {name.replace("__", "."): value
                                                         for name, value in settings.items()}).start()
        self.addCleanup(stack.stop)
        return stack

    def key(self, stack, name, *options):
        """A new key that the frontends know."""
        made = stack.outrigger("key", "add", name, *options)
        self.assertEqual(made.returncode, 0, made.stderr)
        key = made.stdout.strip()
        self.assertRegex(key, KEY)
        stack.wait(lambda: stack.request("POST", "/api/v1/predict", "", {"X-API-Key": key})[0] != 401, "the key is not known")
        return key

    def predict(self, stack, key=None, path=PREDICT, **headers):
        """Status, headers and body of a good request."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return stack.request("POST", path, GOOD, JSON | ({"X-API-Key": key} if key else {}) | more)

    def raw(self, stack, lines, body=GOOD):
        """The same, with header lines as they are; a status and a body."""
        with socket.create_connection(("127.0.0.1", stack.port), timeout=60) as connection:
            head = "".join(f"{line}\r\n" for line in [f"POST {PREDICT} HTTP/1.1", "Host: x", "Connection: close",
                                                      "Content-Type: application/json", f"Content-Length: {len(body)}",
                                                      *lines])
            connection.sendall(f"{head}\r\n{body}".encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
        return int(answer.split()[1]), answer

    def counted(self, stack, text):
        """A line of the metrics that begins so; its value. The loopback needs no credential for them."""
        page = stack.request("GET", "/metrics")[2].decode()
        return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(text))

    # ---- behind each web server ----

    def test_keys_through_each_web_server(self):
        for web in web_servers():
            with self.subTest(web):
                stack = self.start(web)
                key = self.key(stack, web)
                status, headers, body = self.predict(stack)
                self.assertEqual((status, headers["WWW-Authenticate"]), (401, 'Bearer realm="outrigger"'))
                self.assertEqual(headers["Content-Type"], "application/problem+json")
                self.assertEqual(strip(body)["kind"], "unauthenticated")
                self.assertEqual(self.predict(stack, key)[0], 200)
                self.assertEqual(self.predict(stack, Authorization=f"Bearer {key}")[0], 200)
                self.assertEqual(self.predict(stack, Authorization=f"bearer  {key}")[0], 200)
                self.assertEqual(self.raw(stack, [f"X-API-Key: {key}"])[0], 200)
                self.assertEqual(self.raw(stack, [f"X_API_Key: {key}"])[0], 401)    # the twin is not the header,
                self.assertEqual(self.raw(stack, [f"X-API-Key: {key}", "X_API_Key: x"])[0], 200)    # nor does it hide it
                for lines in [[f"X-API-Key: {key}", f"Authorization: Bearer {key}"],
                              [f"Authorization: Bearer {key}"] * 2, [f"X-API-Key: {key}"] * 2,
                              [f"Authorization: Basic YTpi, Bearer {key}"]]:
                    status, answer = self.raw(stack, lines)
                    self.assertEqual(status, 400, (lines[0].partition(":")[0], answer))
                    self.assertNotIn(key.encode(), answer)

    # ---- nothing, wrong, too much ----

    def test_what_is_refused_and_how(self):
        stack = self.start()
        key, gone = self.key(stack, "good"), self.key(stack, "gone")
        soon = stack.outrigger("key", "add", "soon", "--expires", "1s").stdout.strip()  # over before it may be known
        stack.outrigger("key", "revoke", "gone")
        listed = lambda: {key["name"]: key["state"] for key in json.loads(stack.outrigger("key", "--json").stdout)["keys"]}
        stack.wait(lambda: listed() == {"good": "good", "soon": "expired"}, "it does not expire")
        stack.wait(lambda: self.predict(stack, gone)[0] == 401 and self.predict(stack, soon)[0] == 401, "still good")
        self.assertEqual(self.predict(stack, key)[0], 200)

        other = key[:20] + ("A" if key[20] != "A" else "B") + key[21:49]  # the id of another's key
        bad = [gone, soon, key[:-1] + ("a" if key[-1] != "a" else "b"), key + "x", key[:-1], "x", with_checksum(other),
               with_checksum("ork_" + "0" * 12 + "_" + "1" * 32), "ork_", key.lower()]
        first = None
        for text in bad:
            for headers in ({"X-API-Key": text}, {"Authorization": "Bearer " + text}):
                status, answer, body = stack.request("POST", PREDICT, GOOD, JSON | headers)
                self.assertEqual((status, answer["WWW-Authenticate"]),
                                 (401, 'Bearer realm="outrigger", error="invalid_token"'))
                first = first or strip(body)
                self.assertEqual(strip(body), first)
                self.assertNotIn(text.encode() if len(text) > 4 else b"ork_", body)

        for path in (PREDICT + "?access_token=" + key, PREDICT + "?a=b&access_token=x", PREDICT + "?api_key=" + key):
            status, answer, body = self.predict(stack, key, path)
            self.assertEqual(status, 400)
            self.assertIn('error="invalid_request"', answer["WWW-Authenticate"])
            self.assertEqual(self.predict(stack, path=path)[0], 400)  # and is never taken for one
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.assertEqual(stack.request("POST", PREDICT, f"access_token={key}", form)[0], 400)
        self.assertEqual(stack.request("POST", PREDICT, f"a=1&access_token={key}", form | {"X-API-Key": key})[0], 400)
        self.assertEqual(self.predict(stack, Authorization="Basic YWxpY2U6c2VjcmV0")[0], 401)

        for path in ("/health", "/ready", "/metrics"):  # the last from the loopback
            self.assertEqual(stack.request("GET", path)[0], 200, path)
        for method, path in [("GET", "/api/v1/models"), ("GET", "/api/v1/models/cancer-logistic"), ("HEAD", "/api/v1/models"),
                             ("POST", "/api/v1/batch-predict")]:
            self.assertEqual(stack.request(method, path)[0], 401, path)
        for path in (PREDICT + "/", PREDICT.upper(), PREDICT + ";x=1", "//api/v1/predict"):
            self.assertIn(self.predict(stack, path=path)[0], (401, 404), path)  # no way around it

        for line, least in [('outrigger_auth_total{identity="nobody",outcome="invalid"}', 2 * len(bad)),
                            ('outrigger_auth_total{identity="nobody",outcome="malformed"}', 8),
                            ('outrigger_auth_total{identity="key",outcome="granted"}', 1),
                            ('outrigger_http_requests_total{call="predict",status="401"}', 2 * len(bad))]:
            stack.wait(lambda: self.counted(stack, line) >= least, line)

    def test_scopes_and_models(self):
        stack = self.start()
        looks = self.key(stack, "looks", "--scopes", "metrics")
        narrow = self.key(stack, "narrow", "--models", "diabetes-*")
        status, headers, body = self.predict(stack, looks)
        self.assertEqual(status, 403)
        self.assertEqual(headers["WWW-Authenticate"],
                         'Bearer realm="outrigger", error="insufficient_scope", scope="predict"')
        self.assertEqual(strip(body)["kind"], "forbidden")

        def answer(method, path, body, model):
            """As it would be for a model called MODEL."""
            status, headers, content = stack.request(method, path, body, JSON | {"X-API-Key": narrow})
            kept = {name: headers[name] for name in ("Content-Type", "WWW-Authenticate", "Allow")}
            return status, kept, {name: value.replace(model, "MODEL") if isinstance(value, str) else value
                                  for name, value in strip(content).items()}

        for method, path, content in [
                ("GET", "/api/v1/models/{}", None), ("POST", "/api/v1/models/{}/predict", GOOD),
                ("POST", "/api/v1/models/{}/predict", "{"), ("POST", "/api/v1/models/{}/versions/1/predict", GOOD),
                ("POST", "/api/v1/models/{}/versions/77/predict", GOOD),
                ("POST", "/api/v1/models/{}/batch-predict", '{"instances": [[1, 2]]}')]:
            hidden, missing = (answer(method, path.format(model), content, model)
                               for model in ("cancer-logistic", "no-such-model"))
            self.assertEqual(hidden, missing, path)
        self.assertEqual(answer("GET", "/api/v1/models/cancer-logistic", None, "cancer-logistic")[0], 404)
        named = json.dumps({"model": "cancer-logistic"} | json.loads(GOOD))
        self.assertEqual(stack.request("POST", "/api/v1/predict", named, JSON | {"X-API-Key": narrow})[0], 404)
        listed = json.loads(stack.request("GET", "/api/v1/models", headers={"X-API-Key": narrow})[2])
        self.assertEqual([model["id"] for model in listed["models"]], ["diabetes-ridge"])
        self.assertEqual(stack.request("GET", "/api/v1/models/diabetes-ridge", headers={"X-API-Key": narrow})[0], 200)

        through = {"X-Forwarded-For": "127.0.0.1"}  # somebody else's request, whatever it says
        self.assertEqual(stack.request("GET", "/metrics", headers=through)[0], 401)
        self.assertEqual(stack.request("GET", "/metrics", headers=through | {"X-API-Key": narrow})[0], 403)
        self.assertEqual(stack.request("GET", "/metrics", headers=through | {"X-API-Key": looks})[0], 200)

    # ---- the life of a key ----

    def test_a_rotated_key_lives_beside_the_new_one(self):
        stack = self.start()
        old = self.key(stack, "team", "--models", "cancer-*")
        made = json.loads(stack.outrigger("key", "rotate", "team", "--grace", "1h", "--json").stdout)
        new = made["key"]
        self.assertEqual((made["state"], new[4:16]), ("rotating", old[4:16]))
        stack.wait(lambda: self.predict(stack, new)[0] == 200, "the new one is not known")
        self.assertEqual(self.predict(stack, old)[0], 200)
        self.assertEqual(stack.outrigger("key", "revoke", "team", "--previous").returncode, 0)
        stack.wait(lambda: self.predict(stack, old)[0] == 401, "the old one is good still")
        self.assertEqual(self.predict(stack, new)[0], 200)
        stack.outrigger("key", "rotate", "team", "--grace", "1s")
        stack.wait(lambda: self.predict(stack, new)[0] == 401, "the grace does not end")

    def test_a_revoked_key_is_out(self):
        stack = self.start(frontend__processes="2")
        key = self.key(stack, "team")
        revoked = stack.outrigger("key", "revoke", "team")
        self.assertEqual(revoked.returncode, 0, revoked.stderr)
        stack.wait(lambda: [self.predict(stack, key)[0] for _ in range(10)] == [401] * 10, "it is not revoked")

    def test_the_last_use_of_a_key_is_told(self):
        stack = self.start(frontend__processes="2")
        keys = lambda: json.loads(stack.outrigger("key", "--json").stdout)["keys"]
        listed = lambda: {key["name"]: key.get("last_used") for key in keys()}
        began = int(time.time())
        key = self.key(stack, "used")       # which waits until it is let in
        self.key(stack, "looks", "--scopes", "metrics")
        stack.outrigger("key", "add", "idle")
        used = listed()
        self.assertIsNone(used["idle"])
        for name in ("used", "looks"):      # whose scope was not enough
            self.assertTrue(began <= used[name] <= time.time(), (name, used, began))
        for pid in stack.pids("frontend"):
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(listed(), used)
        stack.wait(lambda: self.predict(stack, key)[0] == 200, "no frontend came back")
        self.assertEqual(listed()["idle"], None)
        self.assertGreaterEqual(listed()["used"], used["used"])
        head, *lines = stack.outrigger("key", "list").stdout.splitlines()
        self.assertIn("LAST USED", head)
        lines.sort(key=lambda line: line.split()[1])    # idle, looks, used
        self.assertEqual(["never" in line[head.index("LAST USED"):] for line in lines], [True, False, False])

    def test_commands_at_the_same_time_lose_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            at = ["-s", f"state_directory={directory}/state", "-s", f"runtime_directory={directory}/run"]
            makers = [subprocess.Popen([BIN / "outrigger", "key", "add", f"k{i}", *at], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True) for i in range(12)]
            made = {maker.communicate()[0].strip() for maker in makers}
            self.assertEqual([maker.returncode for maker in makers], [0] * 12)
            file = pathlib.Path(directory) / "state/keys.json"
            self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
            self.assertEqual({key[4:16] for key in made}, {key["id"] for key in json.loads(file.read_text())["keys"]})
            self.assertEqual(os.listdir(file.parent), ["keys.json"])

    # ---- guessing ----

    def test_wrong_keys_are_counted_by_address(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        file = f"auth.keys_file={directory.name}/keys.json"
        made = subprocess.run([BIN / "outrigger", "key", "add", "good", "-s", file, "-s", f"runtime_directory={directory.name}"],
                              text=True, capture_output=True, check=True)
        key = made.stdout.strip()
        stack = self.start(frontend__processes="2", auth__max_failures_per_minute="20",
                           auth__keys_file=f"{directory.name}/keys.json")

        def wrong(client=None):
            return stack.request("POST", PREDICT, GOOD, JSON | {"X-API-Key": "x"} |
                                 ({"X-Forwarded-For": client} if client else {}))
        answers = [wrong(f"10.0.0.{i}") for i in range(40)]  # which is nobody's proxy
        statuses = [status for status, _, _ in answers]
        self.assertEqual(statuses, [401] * 20 + [429] * 20)  # by both frontends together
        self.assertTrue(1 <= int(answers[-1][1]["Retry-After"]) <= 75)   # a minute and a random part
        self.assertEqual(strip(answers[-1][2])["kind"], "rate_limited")
        self.assertEqual(self.predict(stack, key)[0], 200)  # whoever shares the address is not locked out
        self.assertEqual(self.predict(stack)[0], 401)       # nothing shown is nothing wrong
        self.assertIn("wrong credentials keep coming from 127.0.0.1", stack.log.read_text())

    def test_proxies_that_are_trusted_tell_the_address(self):
        stack = self.start(auth__trusted_proxies="127.0.0.0/8, 10.9.0.0/16", auth__max_failures_per_minute="20")

        def wrong(forwarded):
            return stack.request("POST", PREDICT, GOOD, JSON | {"X-API-Key": "x", "X-Forwarded-For": forwarded})[0]
        self.assertEqual({wrong("198.51.100.1") for _ in range(20)}, {401})
        self.assertEqual(wrong("198.51.100.1"), 429)
        self.assertEqual(wrong("203.0.113.7, 198.51.100.1"), 429)            # what the client says itself is on the left
        self.assertEqual(wrong("198.51.100.1, 10.9.0.1"), 429)               # another proxy of ours
        self.assertEqual(wrong("198.51.100.2"), 401)
        self.assertEqual(wrong("198.51.100.1, 198.51.100.3"), 401)
        self.assertEqual(stack.request("GET", "/metrics", headers={"X-Forwarded-For": "198.51.100.2"})[0], 401)
        self.assertEqual(stack.request("GET", "/metrics", headers={"X-Forwarded-For": "127.0.0.1"})[0], 200)

    # ---- whom the web server lets in ----

    def as_web_server(self, stack, path=PREDICT, **parameters):
        """A request as a web server would send it that has done more than ours; its status and body."""
        pairs = {"REQUEST_METHOD": "POST", "REQUEST_URI": path, "CONTENT_TYPE": "application/json",
                 "CONTENT_LENGTH": str(len(GOOD)), "REMOTE_ADDR": "192.0.2.1"} | parameters
        peer = Peer(stack.socket)
        peer.send(record(BEGIN, struct.pack(">HB5x", 1, 0)) +
                  record(PARAMS, b"".join(parameter(*pair) for pair in pairs.items())) + record(PARAMS) +
                  record(STDIN, GOOD.encode()) + record(STDIN))
        answer = peer.answer()
        peer.close()
        return answer

    def test_who_the_web_server_says(self):
        trusting = {"auth.trust_remote_user": "REMOTE_USER", "auth.trust_client_certificate": "SSL_CLIENT_S_DN",
                    "auth.web_server_models": "cancer-*"}
        with Stack(models=MODELS, settings=ON | trusting) as stack:
            ask = lambda **parameters: self.as_web_server(stack, **parameters)[0]
            self.assertEqual(ask(), 401)
            self.assertEqual(ask(REMOTE_USER="alice"), 200)
            self.assertEqual(ask(REMOTE_USER="alice", HTTP_AUTHORIZATION="Basic YWxpY2U6c2VjcmV0"), 200)
            self.assertEqual(ask(REMOTE_USER="alice", HTTP_AUTHORIZATION="Bearer x"), 401)  # what is shown counts
            self.assertEqual(ask(REMOTE_USER=""), 401)
            self.assertEqual(ask(HTTP_REMOTE_USER="alice"), 401)  # a client's own word
            self.assertEqual(ask(REMOTE_USER="alice", path="/api/v1/models/diabetes-ridge/predict"), 404)
            self.assertEqual(ask(SSL_CLIENT_S_DN="CN=alice", SSL_CLIENT_VERIFY="SUCCESS"), 200)
            for verified in ("NONE", "FAILED:self signed certificate", "", "success"):
                self.assertEqual(ask(SSL_CLIENT_S_DN="CN=alice", SSL_CLIENT_VERIFY=verified), 401)
            self.assertEqual(ask(SSL_CLIENT_S_DN="CN=alice"), 401)
            self.assertEqual(ask(SSL_CLIENT_VERIFY="SUCCESS"), 401)
        with Stack(models=MODELS, settings=ON) as stack:
            self.assertEqual(self.as_web_server(stack, REMOTE_USER="alice")[0], 401)
            self.assertEqual(self.as_web_server(stack, SSL_CLIENT_S_DN="CN=a", SSL_CLIENT_VERIFY="SUCCESS")[0], 401)

    # ---- nothing of it is left anywhere ----

    def files_with(self, stack, secrets):
        """What names one of them: files, command lines, environments."""
        found = [path for path in stack.directory.rglob("*") if path.is_file()
                 for secret in secrets if secret in path.read_bytes()]
        for pid in [stack.supervisor.pid, stack.web_server.pid, *stack.recorded().values()]:
            for name in ("cmdline", "environ"):
                try:
                    content = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
                except OSError:  # a web server of another user
                    continue
                found += [f"{pid} {name}" for secret in secrets if secret in content]
        return found

    def test_a_key_is_nowhere(self):
        stack = self.start(log_level="debug")
        keys = [self.key(stack, "one"), self.key(stack, "two", "--scopes", "metrics")]
        keys.append(stack.outrigger("key", "rotate", "one").stdout.strip())
        unknown = with_checksum("ork_" + "0" * 12 + "_" + "1" * 32)
        stack.wait(lambda: self.predict(stack, keys[2])[0] == 200, "the new one is not known")
        answers = [self.predict(stack, key, path)[2] for key in [*keys, unknown]
                   for path in (PREDICT, PREDICT + "?x", "/api/v1/models/nobody/predict")]
        answers += [self.predict(stack, Authorization=f"Bearer {key}")[2] for key in keys]
        answers.append(stack.request("GET", "/metrics")[2])
        stack.outrigger("key", "revoke", "two")
        secrets = [key[17:].encode() for key in [*keys, unknown]]
        self.assertEqual(self.files_with(stack, secrets), [])
        self.assertFalse([answer for answer in answers for secret in secrets if secret in answer])
        listed = stack.outrigger("key", "list").stdout + stack.outrigger("key", "list", "--json").stdout
        self.assertFalse([secret for secret in secrets if secret.decode() in listed])
        lines = (stack.directory / "state/audit/supervisor.log").read_text().splitlines()
        acts = [line for line in map(json.loads, lines) if line.get("act", "serving") != "serving"]
        self.assertEqual([(act["act"], act["name"], act["id"], act["uid"], act["done"]) for act in acts],
                         [("key-add", "one", keys[0][4:16], os.getuid(), True),
                          ("key-add", "two", keys[1][4:16], os.getuid(), True),
                          ("key-rotate", "one", keys[0][4:16], os.getuid(), True),
                          ("key-revoke", "two", keys[1][4:16], os.getuid(), True)])

    # ---- the file, and the switch ----

    def test_a_file_that_others_can_read_is_refused(self):
        with tempfile.TemporaryDirectory() as directory:
            at = ["-s", f"state_directory={directory}/state", "-s", f"runtime_directory={directory}/run",
                  "-s", f"models_directory={REPOSITORY}", "-s", "collector.listen="]
            run = lambda *words: subprocess.run([*words, *at], cwd=ROOT, text=True, capture_output=True, timeout=PATIENCE)
            self.assertEqual(run(BIN / "outrigger", "key", "add", "a").returncode, 0)
            file = pathlib.Path(directory) / "state/keys.json"
            for mode in (0o644, 0o660, 0o641):
                file.chmod(mode)
                for words in ((BIN / "outrigger-supervisor",), (BIN / "outrigger", "check"), (BIN / "outrigger", "key")):
                    answer = run(*words)
                    self.assertEqual(answer.returncode, 1, answer.stdout)
                    self.assertIn("keys.json: can be read or changed by others: chmod 600 it", answer.stderr)
            file.chmod(0o640)
            self.assertEqual(run(BIN / "outrigger", "key", "add", "b").returncode, 0)
            self.assertEqual(file.stat().st_mode & 0o777, 0o640)  # its group may read it still
            text = file.read_text()
            file.write_text(text.replace('"predict"', '"everything"'))
            answer = run(BIN / "outrigger-supervisor")
            self.assertEqual(answer.returncode, 1)
            self.assertIn("keys[0].scopes: expected a list of predict, feedback, metrics, admin", answer.stderr)

    def test_a_file_that_is_spoilt_meanwhile_changes_nothing(self):
        stack = self.start()
        key = self.key(stack, "good")
        file = stack.directory / "state/keys.json"
        text = file.read_text()
        file.write_text("{")
        stack.wait(lambda: "the API keys stay what they were" in stack.log.read_text(), "nobody complains")
        self.assertEqual(self.predict(stack, key)[0], 200)
        file.write_text(text.replace(key[4:16], "000000000000"))
        stack.wait(lambda: self.predict(stack, key)[0] == 401, "the file is not read again")

    def test_without_authentication_there_is_a_warning(self):
        with Stack(models=MODELS) as stack:  # auth.required=false
            self.assertEqual(stack.log.read_text().count("auth.required is off"), 1)
            checked = stack.outrigger("check")
            self.assertEqual((checked.returncode, checked.stderr.count("auth.required is off")), (0, 1))
            self.assertEqual(self.as_web_server(stack)[0], 200)
            self.assertEqual(self.as_web_server(stack, HTTP_X_API_KEY="anything")[0], 200)
        with Stack(models=MODELS, settings=ON) as stack:
            self.assertNotIn("auth.required is off", stack.log.read_text())

    def test_keys_are_read_while_requests_are_under_way(self):
        """Threads of the side lane ask while the list is replaced."""
        stack = self.start()
        key = self.key(stack, "good")
        row = held_out("cancer-logistic").features[0]
        batch = json.dumps({"instances": [row] * 400})  # for the side lane
        self.assertGreater(len(batch), 65536)
        wrong, stop = [], threading.Event()

        def load():
            client = stack.client()
            while not stop.is_set():
                status, _, body = client.request("POST", "/api/v1/models/cancer-logistic/batch-predict", batch,
                                                 JSON | {"X-API-Key": key})
                if status != 200:
                    wrong.append((status, body))
            client.close()
        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        for i in range(4):
            self.key(stack, f"more {i}")
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertTrue(all(alive(pid) for pid in stack.pids("frontend")))
