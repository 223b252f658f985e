"""Bearer tokens through the whole of Outrigger, behind a web server: tokens of PyJWT, an issuer in Python, behind TLS by an
authority of its own, that is slow, rotates, and goes away. What is said of each token alone is in test_tokens.py."""
import json
import os
import pathlib
import signal
import tempfile
import threading
import unittest

from expectations import held_out
from stack import Stack
from test_tokens import AUDIENCE, EC, ISSUER, OTHER_EC, RSA, Authority, Server, claims, jwk, sign

BODY = json.dumps({"features": held_out("cancer-logistic").features[0]})
ROWS = json.dumps({"instances": held_out("cancer-logistic").features * 5})  # for the side lane


class Bearer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keys, cls.go = [jwk(RSA, "rsa"), jwk(EC, "ec")], threading.Event()
        cls.active = {"active": True, "aud": AUDIENCE, "sub": "opaque", "scope": "predict"}

        def answer(path, headers, body):
            if path == "/keys":
                return 200, {}, json.dumps({"keys": cls.keys}).encode()
            if b"token=slow" in body:
                cls.go.wait(60)
            if b"token=broken" in body:
                return 500, {}, b""
            return 200, {}, json.dumps(cls.active if b"bad" not in body else {"active": False}).encode()

        secret, authority = cls.secret(), Authority(cls.folder.name)
        cls.issuer = Server(answer, context=authority.context())
        cls.stack = Stack(web="nginx", models=["cancer-logistic"], settings={
            "auth.required": "true", "token.issuer": ISSUER, "token.audience": AUDIENCE,
            "token.jwks_url": cls.issuer.url("/keys"), "token.jwks_floor_s": "1",
            "token.introspection_url": cls.issuer.url("/introspect"), "token.introspection_client_id": "outrigger",
            "token.introspection_secret": secret, "token.ca_file": authority.file, "token.fetch_timeout_ms": "20000",
            "frontend.request_timeout_ms": "3000"})
        cls.stack.start()

    @classmethod
    def secret(cls):
        cls.folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(cls.folder.name) / "secret"
        path.write_text("secret")
        path.chmod(0o600)
        return path

    @classmethod
    def tearDownClass(cls):
        cls.go.set()
        cls.stack.stop()
        cls.issuer.close()
        cls.folder.cleanup()

    def ask(self, token, client=None, body=BODY, path="/api/v1/predict"):
        headers = {"Content-Type": "application/json", **({"Authorization": "Bearer " + token} if token else {})}
        return (client or self.stack).request("POST", path, body, headers)

    def expect(self, status, token, **more):
        got, headers, body = self.ask(token, **more)
        self.assertEqual(got, status, body)
        return headers, body

    def test_signed_tokens(self):
        for _ in range(3):
            self.expect(200, sign("RS256", RSA, "rsa"))
        self.expect(200, sign("ES256", EC, "ec"), body=ROWS, path="/api/v1/batch-predict")
        headers, _ = self.expect(401, None)
        self.assertNotIn("error=", headers["WWW-Authenticate"])
        for token in (sign("RS256", RSA, "ec"), sign("RS256", RSA, "rsa", claims(exp=1)),
                      sign("RS256", RSA, "rsa", claims(aud="other")), "a.b.c"):  # others are asked about
            headers, body = self.expect(401, token)
            self.assertIn('error="invalid_token"', headers["WWW-Authenticate"])
        headers, _ = self.expect(403, sign("RS256", RSA, "rsa", claims(scope="feedback")))
        self.assertIn('error="insufficient_scope"', headers["WWW-Authenticate"])

    def test_rotation(self):
        self.keys.append(jwk(OTHER_EC, "new"))
        token = sign("ES256", OTHER_EC, "new")
        self.stack.wait(lambda: self.ask(token)[0] == 200, "the new key is not fetched")

    def test_requests_wait_for_introspection(self):
        self.expect(200, "opaque-token")
        self.expect(401, "bad-token")
        answers = []

        def wait(body, path):
            client = self.stack.client()
            answers.append(self.ask("slow-token", client, body, path)[0])
            client.close()

        waiting = [threading.Thread(target=wait, args=(BODY, "/api/v1/predict")) for _ in range(5)]
        waiting += [threading.Thread(target=wait, args=(ROWS, "/api/v1/batch-predict")) for _ in range(5)]
        asked = self.issuer.asked["/introspect"]
        for thread in waiting:
            thread.start()
        self.stack.wait(lambda: self.issuer.asked["/introspect"] == asked + 1, "nobody asks")
        self.expect(200, "opaque-token")  # the others do not wait with them
        self.go.set()
        for thread in waiting:
            thread.join()
        self.assertEqual(answers, [200] * 10)
        self.assertEqual(self.issuer.asked["/introspect"], asked + 1)

    def test_an_issuer_that_fails_is_503(self):
        headers, _ = self.expect(503, "broken-token")
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)

    def test_a_wait_ends(self):
        self.go.clear()
        headers, body = self.expect(503, "slow-token-2")
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        self.assertIn(b"could not be found out in time", body)
        self.go.set()

    def children(self, frontend):
        pid, = self.stack.pids(frontend)
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def test_who_asks_the_issuer_is_another_process(self):
        """A frontend without a process to ask is replaced by another; what is under way is finished."""
        old, = self.stack.pids("frontend.1")
        asker, = self.children("frontend.1")
        self.assertEqual({os.readlink(f"/proc/{asker}/fd/{fd}").partition(":")[0] for fd in (0, 3)}, {"/dev/null", "socket"})
        self.assertIn("NoNewPrivs:\t1\n", pathlib.Path(f"/proc/{asker}/status").read_text())
        os.kill(asker, signal.SIGKILL)
        self.stack.wait(lambda: self.stack.pids("frontend.1") not in ([], [old]), "it is not replaced")
        self.assertEqual(len(self.children("frontend.1")), 1)
        self.stack.wait(lambda: not pathlib.Path(f"/proc/{asker}").exists(), "it stays as a dead child")
        self.expect(200, "opaque-after")


if __name__ == "__main__":
    unittest.main()
