"""The page at /docs in a headless Chromium, behind a real web server: it loads nothing from elsewhere, its form is the
model's, what it sends is answered, what is wrong stands at its field, and its curl line works in a shell.
"""
import http.server
import json
import re
import subprocess
import sys
import threading
import unittest
import urllib.parse

from browser import ARROW_RIGHT, ENTER, TAB, Browser, missing
from expectations import held_out
from stack import Stack

MODELS = ["cancer-logistic", "diabetes-ridge", "digits-mlp"]
ROW = held_out("cancer-logistic")


class Described(http.server.ThreadingHTTPServer):
    """In front of a stack: one model more, every kind of column, with all that can be said of a column. What is asked of
    it is kept, and answered from here; all else goes to the stack."""
    NAMES = ["age", "plan", "monthly fee", "has phone", "country", "visits"]
    PROPERTIES = {
        "age": {"$ref": "#/components/schemas/INT64", "description": "years, at the last birthday", "minimum": 18, "maximum": 120},
        "plan": {"$ref": "#/components/schemas/BYTES", "description": "what was bought", "enum": ["basic", "plus", "pro"], "default": "basic"},
        "monthly fee": {"$ref": "#/components/schemas/FP64", "minimum": 0, "description": "euros"},
        "has phone": {"$ref": "#/components/schemas/BOOL"},
        "country": {"$ref": "#/components/schemas/BYTES", "description": "two letters, as ISO 3166 has them"},
        "visits": {"$ref": "#/components/schemas/FP32", "type": "integer", "minimum": 0, "default": 3, "description": "in the last month"},
    }
    EXAMPLE = {"age": 69, "plan": "basic", "monthly fee": 49.9, "has phone": True, "country": "DE", "visits": 3}
    ANSWER = {"prediction": 1, "probability": 0.8264, "probabilities": [0.1736, 0.8264], "label": "leaves", "model": "churn",
              "model_version": "2", "request_id": "4f1c09a7c2d14b5e"}

    def __init__(self, stack):
        super().__init__(("127.0.0.1", 0), DescribedHandler)
        self.stack, self.asked, self.key, self.lock = stack, [], None, threading.Lock()

    def document(self, text):
        document = json.loads(text)
        schemas = document["components"]["schemas"]
        schemas["Row.churn"] = {"anyOf": [
            {"type": "array", "prefixItems": [{**self.PROPERTIES[name], "title": name} for name in self.NAMES]},
            {"type": "object", "properties": self.PROPERTIES, "required": ["age", "monthly fee", "has phone", "country"]}],
            "x-columns": self.NAMES}
        schemas["PredictRequest.churn"] = {"type": "object", "properties": {"features": {"$ref": "#/components/schemas/Row.churn"}},
                                           "examples": [{"features": self.EXAMPLE}]}
        post = {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/PredictRequest.churn"}}}}}
        document["paths"] = {"/api/v1/models/churn/predict": {"post": post}, "/api/v1/models/churn/versions/2/predict": {"post": post},
                             **document["paths"]}
        return json.dumps(document)

    def models(self, text):
        document = json.loads(text)
        document["models"].insert(0, {"id": "churn", "version": "2", "state": "ready", "ready": True, "task": "classification",
                                      "description": "Who is about to leave, from a month of use", "versions": ["2"]})
        return json.dumps(document)

    MODEL = {"id": "churn", "version": "2", "state": "ready", "ready": True, "versions": [], "labels": ["stays", "leaves"]}

    def predict(self, features):
        faults = [{"field": "features.age", "message": f"{features.get('age')} is above the maximum 120"}] \
            if features.get("age", 0) > 120 else []
        faults += [{"field": "features.monthly fee", "message": "is missing"}] if features.get("monthly fee") in (None, "") else []
        if not faults:
            return 200, self.ANSWER
        return 400, {"type": "about:blank", "title": "Bad Request", "status": 400, "kind": "invalid", "request_id": "r",
                     "detail": f"{faults[0]['field']}: {faults[0]['message']} (and {len(faults) - 1} more)", "errors": faults}


class DescribedHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "date", "server", "etag"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.server.key and self.path != "/docs" and self.headers.get("X-API-Key") != self.server.key:
            self.answer(401, {"content-type": "application/problem+json"}, b'{"title":"Unauthorized","detail":"A key is wanted."}')
            return
        with self.server.lock:
            status, headers, body = self.server.stack.request("GET", self.path.replace("/churn", "/diabetes-ridge"))
        if self.path == "/openapi.json":
            body = self.server.document(body).encode()
        elif self.path == "/api/v1/models":
            body = self.server.models(body).encode()
        elif self.path.endswith("/churn"):
            body = json.dumps(self.server.MODEL).encode()
        self.answer(status, headers, body)

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, dict(self.headers), json.loads(text)))
        status, document = self.server.predict(json.loads(text)["features"])
        self.answer(status, {"content-type": "application/json", "server-timing":
                             'queue;dur=0.031, batch;desc="4 rows", compute;dur=0.288, total;dur=0.612'}, json.dumps(document).encode())


class Docs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if missing():
            print(f"NOT TESTED: the page at /docs: not installed: {', '.join(missing())}", file=sys.stderr, flush=True)
            raise unittest.SkipTest(f"{', '.join(missing())} not installed")
        cls.stack = Stack(web="nginx", models=MODELS)
        cls.stack.start()
        cls.addClassCleanup(cls.stack.stop)
        cls.browser = cls.enterClassContext(Browser())
        cls.base = f"http://127.0.0.1:{cls.stack.port}"

    def show(self, model, base=None):
        """The page anew, with that model."""
        self.browser.open("about:blank")
        self.browser.complaints()
        self.browser.requested()
        self.browser.open(f"{base or self.base}/docs#{model}")
        self.browser.wait("return document.getElementById('name').textContent === arguments[0]", model)

    def described(self, key=None):
        server = Described(self.stack)
        server.key = key
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server, f"http://127.0.0.1:{server.server_port}"

    def paste(self, values):
        self.browser.click("#paste-open")
        self.browser.type("#paste-text", ", ".join(map(str, values)))
        self.browser.click("#paste-do")

    def raw(self, selector="#raw"):
        return json.loads(self.browser.text(selector))

    def in_a_shell(self, selector="#curl", **environment):
        """What the curl line of the page prints when a shell runs it."""
        line = self.browser.text(selector)
        done = subprocess.run(["sh", "-c", line], env={"PATH": "/usr/bin:/bin", **environment}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120)
        self.assertEqual(done.returncode, 0, (line, done.stderr))
        return json.loads(done.stdout)

    def test_it_may_do_little(self):
        status, headers, body = self.stack.request("GET", "/docs")
        self.assertEqual((status, headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertEqual((headers["x-content-type-options"], headers["referrer-policy"]), ("nosniff", "no-referrer"))
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
            self.assertEqual(policy[name], "'none'")
        self.assertEqual(policy["connect-src"], "'self'")
        for name in ("script-src", "style-src"):
            self.assertRegex(policy[name], "^'sha256-[A-Za-z0-9+/]{43}='$")
        text = body.decode()
        self.assertEqual(re.findall(r"""\b(?:src|href)=["']?(?!#|data:|/openapi\.json)[^"' >]+""", text), [])
        self.assertEqual((text.count("</script"), text.count("</style"), len(re.findall(r"<[^>]*\s(?:on\w+|style)=", text))), (1, 1, 0))

    def test_it_loads_nothing_from_elsewhere_and_complains_of_nothing(self):
        self.show("diabetes-ridge")
        self.browser.find("#field-9")
        self.browser.wait("return document.querySelectorAll('#pane-schema h2').length > 3")
        self.assertEqual(self.browser.complaints(), [])
        asked = [url for url in self.browser.requested() if not url.startswith(("chrome", "about:", "data:"))]
        self.assertEqual({url.split("#")[0] for url in asked},
                         {self.base + path for path in ("/docs", "/openapi.json", "/api/v1/models", "/api/v1/models/diabetes-ridge")})

    def test_the_policy_holds(self):
        """What a page like this would do if something foreign ever came to run or to be read in it."""
        self.show("diabetes-ridge")
        self.browser.run("const s = document.createElement('script'); s.append('window.foreign = 1'); document.body.append(s)")
        self.browser.run("document.body.setAttribute('style', 'display: none')")
        with self.assertRaisesRegex(AssertionError, "TrustedHTML"):
            self.browser.run("document.body.innerHTML = '<b>x</b>'")
        self.assertEqual(self.browser.run("return [typeof window.foreign, document.querySelectorAll('script').length]"), ["undefined", 2])
        self.assertNotEqual(self.browser.run("return getComputedStyle(document.body).display"), "none")
        self.assertEqual(self.browser.run("return fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'kept')"), "kept")
        complaints = " ".join(self.browser.complaints())
        for word in ("TrustedScript", "TrustedHTML", "style-src", "connect-src"):
            self.assertIn(word, complaints)

    def test_a_prediction(self):
        for model in ("cancer-logistic", "digits-mlp", "diabetes-ridge"):
            with self.subTest(model=model):
                expected = held_out(model)
                self.show(model)
                self.assertEqual(self.browser.run("return [...document.querySelectorAll('#fields label')].map(e => e.title)"),
                                 expected.feature_names)
                self.paste(expected.features[3])
                self.browser.click("#send")
                self.browser.find("#answer")
                answer = self.raw()
                shell = self.in_a_shell()
                self.assertNotEqual(answer.pop("request_id"), shell.pop("request_id"))
                self.assertEqual(answer, shell)
                text = self.browser.text("#answer")
                for words in ("round trip", "compute", "version 1"):
                    self.assertIn(words, text)
                if expected.regression:
                    self.assertAlmostEqual(float(self.browser.text("#verdict")), expected.predictions[3], delta=1e-2)
                    continue
                self.assertEqual(self.browser.text("#verdict"), answer["label"])
                self.assertEqual(answer["prediction"], expected.labels[3])
                shares = self.browser.run("return [...document.querySelectorAll('#answer .much')].map(e => parseFloat(e.textContent.replace('< 0.1', 0)))")
                self.assertEqual(shares, sorted(shares, reverse=True))
                self.assertAlmostEqual(shares[0], 100 * max(expected.probabilities[3]), delta=0.06)
                widths = self.browser.run("return [...document.querySelectorAll('#answer .bar i')].map(e => parseFloat(e.style.width))")
                self.assertAlmostEqual(widths[0], shares[0], delta=0.06)
                self.assertEqual(self.browser.complaints(), [])

    def test_a_version_is_chosen(self):
        self.show("diabetes-ridge")
        self.browser.choose("#version", "1")
        self.browser.wait("return document.getElementById('curl').textContent.includes('/versions/1/predict')")
        self.browser.click("#send")
        self.browser.find("#answer")
        self.assertEqual(self.in_a_shell()["model_version"], "1")

    def test_what_is_wrong_stands_at_its_field(self):
        self.show("cancer-logistic")
        self.browser.type("#field-3", "many")
        self.browser.type("#field-20", "1e99")
        self.browser.click("#send")
        self.browser.find("#problem")
        faults = self.browser.run("return [...document.querySelectorAll('[aria-invalid]')].map(e => [e.id, e.name, "
                                  "document.getElementById(e.id + '-fault').textContent])")
        self.assertEqual([fault[:2] for fault in faults], [["field-3", "mean area"], ["field-20", "worst radius"]])
        self.assertIn("expected a number, got a string", faults[0][2])
        self.assertIn("does not fit into FP32", faults[1][2])
        self.assertEqual(self.browser.run("return document.activeElement.id"), "field-3")
        self.assertIn("400", self.browser.text("#problem h2"))
        self.assertEqual(self.in_a_shell()["status"], 400)
        self.browser.type("#field-3", "500")
        self.assertEqual(self.browser.text("#field-3-fault"), "")
        self.browser.type("#field-20", "15.5")
        self.browser.press(ENTER)
        self.browser.find("#answer")
        self.assertIsNone(self.browser.text("#problem"))

    def test_batches(self):
        rows = ROW.features[:5]
        table = "\n".join([",".join(ROW.feature_names), *(",".join(map(str, row)) for row in rows)])
        for text in (table, json.dumps(rows), json.dumps({"instances": rows})):
            with self.subTest(text=text[:40]):
                self.show("cancer-logistic")
                self.browser.click("#tab-batch")
                self.browser.run("const e = document.getElementById('batch-text'); e.value = arguments[0]; "
                                 "e.dispatchEvent(new Event('input'))", text)
                self.browser.click("#batch-send")
                self.browser.find("#batch-answer")
                shown = self.browser.run("return [...document.querySelectorAll('#batch-answer tbody tr')].map(r => r.cells[2].textContent)")
                self.assertEqual(shown, [str(label) for label in ROW.labels[:5]])
                self.assertEqual(self.in_a_shell("#batch-curl")["predictions"], ROW.labels[:5])
        self.browser.run("document.getElementById('batch-text').value = '[[1, 2]]'")
        self.browser.click("#batch-send")
        self.browser.find("#pane-batch #problem")
        self.assertIn("instances[0]", self.browser.text("#problem"))

    def test_without_a_mouse(self):
        self.show("diabetes-ridge")
        self.browser.press(TAB)
        self.assertEqual(self.browser.run("return document.activeElement.id"), "skip")
        self.browser.press(ENTER)
        self.assertEqual(self.browser.run("return document.activeElement.id"), "main")
        while self.browser.run("return document.activeElement.id") != "tab-try":
            self.browser.press(TAB)
        self.browser.press(ARROW_RIGHT)
        self.assertEqual(self.browser.run("return document.activeElement.id"), "tab-batch")
        self.browser.find("#pane-batch")
        self.browser.press(ARROW_RIGHT, ARROW_RIGHT, TAB)
        while self.browser.run("return document.activeElement.id") != "field-0":
            self.browser.press(TAB)
        self.browser.press("7", ENTER)
        self.browser.find("#answer")
        unnamed = self.browser.run("return [...document.querySelectorAll('input, select, textarea')].filter(e => "
                                   "!e.labels?.length && !e.getAttribute('aria-label')).map(e => e.outerHTML)")
        self.assertEqual(unnamed, [])

    def test_columns_with_all_that_can_be_said_of_them(self):
        server, base = self.described()
        self.show("churn", base)
        self.assertEqual(self.browser.run("return [...document.querySelectorAll('#fields input, #fields select')].map("
                                          "e => [e.tagName, e.name, e.value, e.placeholder ?? ''])"),
                         [["INPUT", "age", "69", ""], ["SELECT", "plan", "", ""], ["INPUT", "monthly fee", "49.9", ""],
                          ["SELECT", "has phone", "true", ""], ["INPUT", "country", "DE", ""], ["INPUT", "visits", "", "3"]])
        self.assertEqual(self.browser.run("return [...document.getElementById('field-1').options].map(o => o.value)"),
                         ["", "basic", "plus", "pro"])
        text = self.browser.text("#fields")
        for words in ("18 to 120", "at least 0", "whole number, at least 0", "years, at the last birthday", "optional"):
            self.assertIn(words, text)
        self.browser.click("#send")
        self.browser.find("#answer")
        self.assertEqual(server.asked.pop()[2], {"features": {"age": 69, "monthly fee": 49.9, "has phone": True, "country": "DE"}})
        self.assertEqual((self.browser.text("#verdict"), self.browser.text("#answer .first .much")), ("leaves", "82.6 %"))

        self.browser.choose("#field-1", "pro")
        self.browser.type("#field-4", "O'Neill \"$HOME\" `id`")
        self.browser.type("#field-0", "130")
        self.assertTrue(self.browser.run("return document.querySelector('#field-0').parentElement.classList.contains('odd')"))
        self.browser.type("#field-2", " ")
        self.browser.type("#field-2", "")
        self.browser.click("#send")
        self.browser.find("#problem")
        self.assertEqual(self.browser.text("#field-0-fault"), "130 is above the maximum 120")
        self.assertEqual(self.browser.text("#field-2-fault"), "is missing")
        self.assertEqual(server.asked.pop()[2]["features"]["country"], "O'Neill \"$HOME\" `id`")
        self.in_a_shell()
        self.assertEqual(server.asked.pop()[2]["features"]["country"], "O'Neill \"$HOME\" `id`")

    def test_the_key_stays_in_the_page(self):
        server, base = self.described(key="ork_abcdefgh_0123456789")
        self.browser.open(f"{base}/docs")
        self.browser.wait("return document.querySelector('#notice h2')?.textContent.includes('who asks')")
        self.assertEqual(self.browser.run("return document.activeElement.id"), "key")
        self.browser.press(*server.key, ENTER)
        self.browser.wait("return document.getElementById('name').textContent === 'churn'")
        self.browser.click("#send")
        self.browser.find("#answer")
        self.assertEqual(server.asked.pop()[1]["X-API-Key"], server.key)
        self.assertIn('-H "X-API-Key: $KEY"', self.browser.text("#curl"))
        self.in_a_shell(KEY=server.key)
        self.assertEqual(server.asked.pop()[1]["X-API-Key"], server.key)
        kept = self.browser.run("return JSON.stringify([location.href, {...localStorage}, {...sessionStorage}, document.cookie, "
                                "document.documentElement.outerHTML])")
        self.assertNotIn(server.key, urllib.parse.unquote(kept))
        self.browser.type("#key", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln")
        self.browser.click("#send")
        self.browser.wait("return document.getElementById('curl').textContent.includes('Authorization: Bearer $KEY')")

    def test_every_width(self):
        """Nothing sticks out, neither on a phone nor beside a second window."""
        for width, mobile in ((320, True), (390, True), (768, False), (1280, False), (1920, False)):
            for model in ("digits-mlp", "diabetes-ridge"):
                with self.subTest(width=width, model=model):
                    self.browser.emulate(width, 800, mobile=mobile)
                    self.addCleanup(self.browser.emulate, 1280, 900)
                    self.show(model)
                    self.browser.click("#send")
                    self.browser.find("#answer")
                    for tab in ("batch", "schema", "try"):
                        self.browser.click(f"#tab-{tab}")
                        self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth - innerWidth"), 0)


if __name__ == "__main__":
    unittest.main()
