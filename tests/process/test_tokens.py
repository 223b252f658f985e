"""Tokens of other makers: PyJWT signs, Python serves the keys and answers introspection, and what a frontend makes of
them (tests/unit/token_probe.c) is compared. The issuer rotates its keys, goes away, redirects and lies."""
import base64
import collections
import datetime
import hmac
import ipaddress
import http.server
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from stack import BUILD, PATIENCE, ROOT

ISSUER, AUDIENCE = "https://issuer.example", "outrigger"
PREDICT, FEEDBACK = 1, 2


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def jwk(key, kid, **more):
    """The public half as a JSON Web Key, by what cryptography says of it: PyJWT 2.6 makes none of Ed25519."""
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = public.public_numbers()
        fields = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = public.public_numbers()
        fields = {"kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}
    else:
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        fields = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
    return {**fields, "kid": kid, **more}


RSA, OTHER_RSA, WEAK_RSA = (rsa.generate_private_key(65537, bits) for bits in (2048, 3072, 1024))
EC, OTHER_EC, ED = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1()), \
    ed25519.Ed25519PrivateKey.generate()
SECRET = "a shared secret of more than thirty-two bytes"
KEYS = [jwk(RSA, "rsa"), jwk(EC, "ec"), jwk(ED, "ed"), jwk(OTHER_RSA, "ps", alg="PS256")]


def claims(**changed):
    now = int(time.time())
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "iat": now, "exp": now + 600, "scope": "predict feedback"}
    told.update(changed)
    return {name: value for name, value in told.items() if value is not None}


def sign(algorithm, key, kid=None, payload=None, **header):
    return jwt.encode(payload or claims(), key, algorithm, {**({"kid": kid} if kid else {}), **header})


class Authority:
    """Somebody who makes certificates; `file` is his own, PEM."""

    def __init__(self, directory, name="authority"):
        self.directory, self.name = pathlib.Path(directory), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = self.directory / f"{name}.pem"
        self.file.write_bytes(self.make(self.name, self.key, x509.BasicConstraints(True, None), True))

    def make(self, subject, key, extension, critical, ended=False):
        now = datetime.datetime.now(datetime.timezone.utc)
        begin, end = (datetime.timedelta(days=days) for days in ((-2, -1) if ended else (-1, 1)))
        made = x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number(), now + begin, now + end)
        return made.add_extension(extension, critical).sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def context(self, host="127.0.0.1", ended=False, file="server.pem"):
        """That of a server whose certificate is for that host."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])  # which no client may look at
        name = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        path = self.directory / file
        path.write_bytes(self.make(subject, key, x509.SubjectAlternativeName([name]), False, ended) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Clients that do not trust us hang up."""


class Server:
    """An HTTP server on the loopback, of HTTPS with a `context`. `answer(path, headers, body)` returns status, headers,
    bytes; each question is counted under its path."""

    def __init__(self, answer, port=0, context=None):
        self.asked = collections.Counter()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.asked[self.path] += 1
                status, headers, content = answer(self.path, self.headers, body)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(content)
                except OSError:  # nobody takes it
                    pass

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server, self.scheme = Quiet(("127.0.0.1", port), Handler), "https" if context else "http"
        if context:     # each connection is greeted by its own thread
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Probe:
    """What a frontend makes of tokens, with these settings."""

    def __init__(self, **settings):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [ROOT / BUILD / "tests/token_probe", *(f"token.{name}={value}" for name, value in settings.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def ask(self, token):
        self.process.stdin.write(token + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        text = self.said()
        self.log.close()
        if status != 0 or "Sanitizer" in text or "runtime error" in text:
            raise AssertionError(f"status {status}: {text}")


class Tokens(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def probe(self, **settings):
        probe = Probe(**settings)
        self.addCleanup(probe.close)
        return probe

    def serve(self, answer, port=0, context=None):
        server = Server(answer, port, context)
        self.addCleanup(server.close)
        return server

    def file(self, name, content, mode=0o600):
        path = self.directory / name
        path.write_text(content)
        path.chmod(mode)
        return path

    def with_keys(self, keys=None, **settings):
        path = self.file("keys.json", json.dumps({"keys": keys or KEYS}))
        return self.probe(issuer=ISSUER, audience=AUDIENCE, jwks_file=path, **settings)

    def wait(self, condition, complaint):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, complaint)
            time.sleep(0.01)

    def expect(self, probe, verdict, token):
        said = probe.ask(token)
        self.assertEqual(said["verdict"], verdict, (said, token[:200]))
        return said

    # ---- PyJWT against ours ----

    def test_each_algorithm(self):
        secret = self.file("secret", SECRET)
        probe = self.with_keys(algorithms="RS256 PS256 ES256 EdDSA HS256", hs256_secret=secret)
        for algorithm, key, kid in [("RS256", RSA, "rsa"), ("PS256", RSA, "rsa"), ("PS256", OTHER_RSA, "ps"),
                                    ("ES256", EC, "ec"), ("EdDSA", ED, "ed"), ("HS256", SECRET, None)]:
            for _ in range(20):  # signatures with and without leading zeros
                said = self.expect(probe, "good", sign(algorithm, key, kid))
            self.assertEqual((said["name"], said["rights"]), ("somebody", PREDICT | FEEDBACK))

    def test_what_pyjwt_refuses_is_refused(self):
        """The same tokens for both: what either takes, the other takes."""
        probe, now = self.with_keys(leeway_s=0), int(time.time())
        public = RSA.public_key()
        tokens = [sign("RS256", RSA, "rsa", claims(**changed)) for changed in [
            {}, {"iss": "https://other"}, {"iss": None}, {"aud": "other"}, {"aud": None}, {"aud": ["other", AUDIENCE]},
            {"aud": ["other"]}, {"exp": now - 1}, {"exp": None}, {"exp": "soon"}, {"nbf": now + 100}, {"nbf": now - 1},
            {"iat": "x"}]]
        good = tokens[0]
        tokens += [good[:-4], good + "A", good.replace(".", "..", 1), good.rsplit(".", 1)[0] + ".", "." + good,
                   sign("RS256", OTHER_RSA, "rsa"), sign("RS256", WEAK_RSA, "rsa"), sign("PS256", RSA, "rsa"),
                   sign("ES256", EC, "rsa"), jwt.encode(claims(), None, "none"), sign("HS256", SECRET, "rsa")]
        taken = 0
        for token in tokens:
            try:
                jwt.decode(token, public, ["RS256", "PS256"], audience=AUDIENCE, issuer=ISSUER, options={"require": ["exp"]})
                theirs = "good"
            except jwt.InvalidTokenError:
                theirs = "bad"
            self.expect(probe, theirs, token)
            taken += theirs == "good"
        self.assertGreaterEqual(taken, 3)

    def test_malformed(self):
        """What PyJWT would not sign: by hand. All are refused and the process lives."""
        probe = self.with_keys()
        head, body = b64(b'{"alg":"RS256","kid":"rsa"}'), b64(json.dumps(claims()).encode())
        pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

        def signed(header, payload):
            text = f"{b64(header)}.{b64(payload)}"
            signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(text.encode(), RSA)
            return f"{text}.{b64(signature)}"

        def confused(secret):
            text = f"{b64(json.dumps({'alg': 'HS256', 'kid': 'rsa'}).encode())}.{body}"
            return f"{text}.{b64(hmac.digest(secret, text.encode(), 'sha256'))}"

        rs, told = b'{"alg":"RS256","kid":"rsa"}', json.dumps(claims()).encode()
        self.expect(probe, "good", signed(rs, told))
        exp = str(int(time.time()) + 600).encode()
        base = b'{"iss":"%s","aud":"%s","sub":"x",' % (ISSUER.encode(), AUDIENCE.encode())
        bad = [signed(b'{"alg":"%s","kid":"rsa"}' % alg, told) for alg in
               (b"none", b"None", b"NONE", b"nOnE", b"RS256 ", b"rs256", b"HS256", b"RS512", b"")]
        bad += [f"{b64(b'{%s}' % member)}.{body}." for member in (b'"alg":"none"', b'"alg":"NoNe"')]
        bad += [signed(b'{"alg":"RS256","kid":"rsa",%s}' % member, told) for member in (
            b'"crit":["exp"]', b'"crit":[]', b'"jku":"http://127.0.0.1:1/"', b'"x5u":"http://127.0.0.1:1/"',
            b'"jwk":{}', b'"x5c":[]', b'"zip":"DEF"', b'"b64":false', b'"alg":"RS256"', b'"kid":"rsa"',
            b'"typ":"secevent+jwt"')]
        bad += [signed(b'{"alg":"RS256","kid":"%s"}' % kid, told) for kid in (
            b"../../../../etc/passwd", b"rsa' OR 1=1 --", b"rsa\\u0000", b"", b"k" * 257, b"k" * 1000000)]
        bad += [signed(rs, base + end) for end in (
            b'"exp":"%s"}' % exp, b'"exp":1e400}', b'"exp":-%s}' % exp, b'"exp":%s,"exp":%s}' % (exp, exp),
            b'"exp":%s.5}' % exp, b'"exp":null}', b'"exp":[%s]}' % exp, b'"exp":99999999999999999999}', b'"exp":%s' % exp,
            b'"exp":%s}}' % exp, b'"exp":%s,"nbf":"x"}' % exp, b'"exp":%s,"scope":7}' % exp, b'"exp":NaN}')]
        bad += [signed(rs, payload) for payload in (b"", b"[]", b"null", b"\xff", b"[" * 5000)]
        bad += [f"{head}.{body}.{part}" for part in ("AA", "A", "=", b64(bytes(256)), b64(b"\xff" * 256), b64(bytes(257)))]
        bad += [f"{head}={'.'.join(signed(rs, told).split('.')[1:])}", f"{head}. {body}.AA", f"{head}.{body}", head, ".", "..",
                "....", "a.b.c.d.e", f"{b64(b'{}')}.{b64(b'{}')}.{b64(b'{}')}", "x" * 8193, "x" * 1000000,
                confused(pem), confused(json.dumps(KEYS[0]).encode())]
        ec_head = b64(b'{"alg":"ES256","kid":"ec"}')
        bad += [f"{ec_head}.{body}.{b64(half)}" for half in (bytes(64), bytes(32) + b"\x01" * 32, b"\x01" * 32 + bytes(32))]
        self.assertGreaterEqual(len(bad), 60)
        for token in bad:
            self.expect(probe, "bad", token)
        self.expect(probe, "good", signed(rs, told))

    def test_rights_and_models(self):
        probe = self.with_keys(scope_claim="roles", scope_prefix="infer:", models_claim="models")
        said = self.expect(probe, "good", sign("ES256", EC, "ec", claims(roles=["infer:predict", "infer:admin", "x"],
                                                                         models=["a", "b-*"])))
        self.assertEqual((said["rights"], said["models"]), (PREDICT | 8, "a b-*"))
        self.assertEqual(self.expect(probe, "good", sign("ES256", EC, "ec"))["models"], ".")

    def test_required_type(self):
        probe = self.with_keys(require_typ="true")
        self.expect(probe, "good", sign("ES256", EC, "ec", typ="at+jwt"))
        self.expect(probe, "bad", sign("ES256", EC, "ec"))

    # ---- keys over HTTP ----

    def test_rotation_with_a_floor(self):
        keys = [jwk(EC, "one")]
        issuer = self.serve(lambda *_: (200, {}, json.dumps({"keys": keys}).encode()))
        probe = self.probe(issuer=ISSUER, audience=AUDIENCE, jwks_url=issuer.url("/keys"), jwks_floor_s=2)
        self.expect(probe, "good", sign("ES256", EC, "one"))
        self.assertEqual(issuer.asked["/keys"], 1)
        keys.append(jwk(OTHER_EC, "two"))
        new = sign("ES256", OTHER_EC, "two")
        began = time.monotonic()
        self.wait(lambda: probe.ask(new)["verdict"] == "good", "the new key is not fetched")
        self.assertEqual(issuer.asked["/keys"], 2)
        while time.monotonic() - began < 5:
            self.expect(probe, "bad", sign("ES256", OTHER_EC, os.urandom(8).hex()))
        self.assertLessEqual(issuer.asked["/keys"], 2 + 3)  # once in two seconds, whatever comes
        keys[:] = keys[1:]
        self.wait(lambda: probe.ask(sign("ES256", OTHER_EC, os.urandom(8).hex())) and
                  probe.ask(sign("ES256", EC, "one"))["verdict"] == "bad", "the old key stays")

    def test_outage(self):
        issuer = Server(lambda *_: (200, {}, json.dumps({"keys": KEYS}).encode()))
        probe = self.probe(issuer=ISSUER, audience=AUDIENCE, jwks_url=issuer.url("/keys"), jwks_floor_s=1,
                           jwks_refresh_s=1)
        self.expect(probe, "good", sign("RS256", RSA, "rsa"))
        issuer.close()
        self.wait(lambda: "those from before are used" in probe.said(), "the outage is not told")
        self.expect(probe, "good", sign("ES256", EC, "ec"))
        self.expect(probe, "unavailable", sign("ES256", EC, "unknown"))
        self.serve(lambda *_: (200, {}, json.dumps({"keys": [jwk(OTHER_EC, "new")]}).encode()), issuer.port)
        self.wait(lambda: probe.ask(sign("ES256", OTHER_EC, "new"))["verdict"] == "good", "the issuer is not asked again")

    def not_taken(self, context=None, **settings):
        """A redirect, too much, too many keys, weak keys, nonsense, nothing: never a key, never a crash."""
        good = json.dumps({"keys": KEYS}).encode()
        elsewhere = self.serve(lambda *_: (200, {}, good), context=context)
        answers = {
            "/redirect": (302, {"Location": elsewhere.url("/keys")}, b""),
            "/moved": (301, {"Location": elsewhere.url("/keys")}, good),
            "/huge": (200, {}, good[:-1] + b" " * 70000 + b"}"),
            "/endless": (200, {"Content-Length": "99999999999"}, good),
            "/many": (200, {}, json.dumps({"keys": [jwk(EC, f"k{i}") for i in range(20)] + KEYS}).encode()),
            "/weak": (200, {}, json.dumps({"keys": [jwk(WEAK_RSA, "rsa")]}).encode()),
            "/twice": (200, {}, good[:-1] + b',"keys":[]}'),
            "/cut": (200, {}, good[:-10]),
            "/empty": (200, {}, b""),
            "/error": (500, {}, good),
        }
        issuer = self.serve(lambda path, *_: answers[path], context=context)
        for path in answers:
            probe = self.probe(issuer=ISSUER, audience=AUDIENCE, jwks_url=issuer.url(path), fetch_timeout_ms=2000, **settings)
            self.expect(probe, "unavailable", sign("RS256", RSA, "rsa"))
            self.assertGreaterEqual(issuer.asked[path], 1)
        self.assertEqual(sum(elsewhere.asked.values()), 0)

    def test_answers_that_are_not_taken(self):
        self.not_taken()

    # ---- keys over HTTPS ----

    def test_answers_that_are_not_taken_over_https_either(self):
        authority = Authority(self.directory)
        self.not_taken(authority.context(), ca_file=authority.file)

    def test_a_private_authority(self):
        """The certificate is that of the host, by an authority that ca_file names, today; else nothing is asked."""
        ours, other = Authority(self.directory), Authority(self.directory, "other")
        good = json.dumps({"keys": KEYS}).encode()
        issuer = self.serve(lambda *_: (200, {}, good), context=ours.context())
        settings = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": issuer.url("/keys"), "ca_file": ours.file}
        self.expect(self.probe(**settings), "good", sign("RS256", RSA, "rsa"))
        self.assertEqual(issuer.asked["/keys"], 1)
        elsewhere = {name: self.serve(lambda *_: (200, {}, good), context=context).url("/keys") for name, context in {
            "name": ours.context("issuer.example"), "address": ours.context("127.0.0.2"), "ended": ours.context(ended=True),
        }.items()}
        plain = self.serve(lambda *_: (200, {}, good))
        for changed, complaint in [
                ({"ca_file": ""}, "certificate"), ({"ca_file": other.file}, "certificate"),
                ({"ca_file": self.directory / "none.pem"}, "none.pem"), ({"ca_file": self.file("bad.pem", "x")}, "bad.pem"),
                ({"jwks_url": elsewhere["name"]}, "127.0.0.1"), ({"jwks_url": elsewhere["address"]}, "127.0.0.1"),
                ({"jwks_url": elsewhere["ended"]}, "expired"),
                ({"jwks_url": f"https://127.0.0.1:{plain.port}/keys"}, "SSL")]:
            with self.subTest(changed=changed):
                probe = self.probe(**settings | changed)
                self.expect(probe, "unavailable", sign("RS256", RSA, "rsa"))
                self.assertIn(complaint, probe.said())
        self.assertEqual((issuer.asked["/keys"], plain.asked["/keys"]), (1, 0))

    def test_nobody_at_home(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            probe = self.probe(issuer=ISSUER, audience=AUDIENCE, fetch_timeout_ms=300,
                               jwks_url=f"http://127.0.0.1:{silent.getsockname()[1]}/")
            self.assertEqual(probe.ask("+" + sign("RS256", RSA, "rsa"))["verdict"], "pending")
            self.expect(probe, "unavailable", sign("RS256", RSA, "rsa"))

    # ---- introspection ----

    def test_introspection(self):
        known = {"good": {"active": True, "aud": AUDIENCE, "sub": "u", "scope": "predict"}, "bad": {"active": False},
                 "other": {"active": True, "aud": "other", "sub": "u"},
                 "old": {"active": True, "aud": AUDIENCE, "sub": "u", "exp": 1}}

        def answer(path, headers, body):
            form = dict(urllib.parse.parse_qsl(body.decode()))
            self.assertEqual(base64.b64decode(headers["Authorization"].split()[1]), b"our%3Aname:s%20e%2Fc")
            name = form["token"].split("-")[0]
            if name not in known:
                return 500, {}, b"{}"
            return 200, {}, json.dumps(known[name]).encode()

        issuer = self.serve(answer)
        probe = self.probe(audience=AUDIENCE, introspection_url=issuer.url("/i"), introspection_client_id="our:name",
                           introspection_secret=self.file("secret", "s e/c\n"))
        for name, verdict in [("good", "good"), ("bad", "bad"), ("other", "bad"), ("old", "bad"), ("none", "unavailable")]:
            before = issuer.asked["/i"]
            for _ in range(3):
                self.expect(probe, verdict, f"{name}-1")
            self.assertEqual(issuer.asked["/i"], before + 1, name)
        known["none"] = known["good"]
        self.wait(lambda: probe.ask("none-1")["verdict"] == "good", "a failure stays")

    # ---- settings ----

    def test_settings_that_cannot_work(self):
        """The process says what is wrong and ends."""
        weak = self.file("weak.json", json.dumps({"keys": [jwk(WEAK_RSA, "a")]}))
        for settings, word in [
                ({"jwks_file": "/nowhere", "issuer": ISSUER, "audience": AUDIENCE}, "No such file"),
                ({"jwks_file": weak, "issuer": ISSUER, "audience": AUDIENCE}, "too weak"),
                ({"jwks_url": "http://example.com/", "issuer": ISSUER, "audience": AUDIENCE}, "loopback"),
                ({"jwks_url": "https://example.com/"}, "token.issuer"),
                ({"hs256_secret": self.file("short", "short"), "algorithms": "HS256", "issuer": ISSUER,
                  "audience": AUDIENCE}, "at least 32 bytes")]:
            probe = Probe(**settings)
            self.assertEqual(probe.process.wait(PATIENCE), 1)
            self.assertIn(word, probe.said())
            for stream in (probe.process.stdin, probe.process.stdout, probe.log):
                stream.close()


if __name__ == "__main__":
    unittest.main()
