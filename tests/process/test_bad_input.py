"""Bad input, through each web server: its status, a body that names the fault, and the next good request answered."""
import json
import socket
import unittest

from expectations import held_out
from stack import Stack, web_servers

GOOD = held_out("cancer-logistic").features[0]
NAMES = held_out("cancer-logistic").feature_names
JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def features(values):
    return json.dumps({"features": values})


def with_value(text):
    """A good row whose fourth value is `text`, as it stands."""
    values = [json.dumps(value) for value in GOOD]
    values[3] = text
    return '{"features": [' + ", ".join(values) + "]}"


def table(*rows):
    return "".join(",".join(str(value) for value in row) + "\n" for row in rows)


# What, method, path, body, the status, and what the body must say; and its type, if it is no JSON.
CASES = [
    ("broken JSON", "POST", "/api/v1/predict", '{"features": [1, 2', 400, ["JSON"]),
    ("empty body", "POST", "/api/v1/predict", "", 400, ["body"]),
    ("29 features", "POST", "/api/v1/predict", features(GOOD[:29]), 400, ["30", "29"]),
    ("31 features", "POST", "/api/v1/predict", features(GOOD + [1.0]), 400, ["30", "31"]),
    ("NaN", "POST", "/api/v1/predict", with_value("NaN"), 400, ["NaN"]),
    ("Infinity", "POST", "/api/v1/predict", with_value("Infinity"), 400, ["infinity"]),
    ("1e400", "POST", "/api/v1/predict", with_value("1e400"), 400, ["finite"]),
    ("a string among numbers", "POST", "/api/v1/predict", with_value('"abc"'), 400, ["features[3]", "string"]),
    ("null", "POST", "/api/v1/predict", with_value("null"), 400, ["features[3]", "null"]),
    ("nested arrays", "POST", "/api/v1/predict", with_value("[1]"), 400, ["features[3]", "array"]),
    ("features is no array", "POST", "/api/v1/predict", '{"features": 7}', 400, ["features"]),
    ("no features", "POST", "/api/v1/predict", "{}", 400, ["features"]),
    ("an array of faults", "POST", "/api/v1/batch-predict", json.dumps({"instances": [GOOD, GOOD[:5]]}), 400,
     ["instances[1]", "30", "5"]),
    ("no instances", "POST", "/api/v1/batch-predict", '{"instances": []}', 400, ["instances"]),
    ("unknown model", "POST", "/api/v1/models/nobody/predict", features(GOOD), 404, ["nobody"]),
    ("unknown model in the body", "POST", "/api/v1/predict",
     json.dumps({"model": "nobody", "features": GOOD}), 404, ["nobody"]),
    ("unknown version", "POST", "/api/v1/models/cancer-logistic/versions/77/predict", features(GOOD), 404, ["77"]),
    ("unknown path", "GET", "/api/v2/predict", None, 404, []),
    ("wrong method", "GET", "/api/v1/predict", None, 405, []),
    ("10,000-deep JSON", "POST", "/api/v1/predict", '{"features": ' + "[" * 10000 + "]" * 10000 + "}", 400, []),
    ("another content type", "POST", "/api/v1/predict", "a=1", 415,
     ["application/json, text/csv or application/x-www-form-urlencoded"], {"Content-Type": "text/plain"}),
    ("a batch as a form", "POST", "/api/v1/batch-predict", "a=1", 415, ["application/json or text/csv"], FORM),
    ("JSON that is said to be a form", "POST", "/api/v1/predict", features(GOOD), 415, ["looks like JSON"], FORM),
    ("an empty table", "POST", "/api/v1/batch-predict", "", 400, ["empty"], CSV),
    ("a table of a header", "POST", "/api/v1/batch-predict", table(NAMES), 400, ["at least one row"], CSV),
    ("a word and nothing in a table", "POST", "/api/v1/batch-predict",
     table(NAMES, GOOD, GOOD[:3] + ["abc", ""] + GOOD[5:]), 400,
     ["instances[1].mean area", "line 3, column mean area: expected a number, got \\\"abc\\\"",
      "line 3, column mean smoothness: expected a number, got nothing"], CSV),
    ("columns of another name", "POST", "/api/v1/batch-predict", table(["x"] + NAMES[1:], GOOD), 400,
     ["header.x", "no such feature", "column mean radius: is missing"], CSV),
    ("a short line, and a quote", "POST", "/api/v1/batch-predict", table(GOOD, GOOD[:29]) + '1,2"', 400,
     ["line 2: expected 30 values, got 29", "line 3, field 2: a quote"], CSV),
    ("two rows for one prediction", "POST", "/api/v1/predict", table(GOOD, GOOD), 400, ["one row, got 2"], CSV),
    ("a form of a few features", "POST", "/api/v1/predict", "mean+radius=1&mean+texture=x&y=2", 400,
     ["features.y", "no such feature", "features.mean perimeter", "is missing"], FORM),
    ("a broken form", "POST", "/api/v1/predict", "mean+radius=%1", 400, ["hexadecimal"], FORM),
]


class BadInput(unittest.TestCase):
    def good(self, stack):
        status, _, body = stack.request("POST", "/api/v1/predict", features(GOOD), JSON)
        self.assertEqual(status, 200, body[:300])

    def one(self, stack, what, method, path, body, expected, words, headers=JSON):
        status, answer, text = stack.request(method, path, body, headers if body is not None else {})
        text = text.decode()
        self.assertEqual(status, expected, f"{what}: {text[:300]}")
        self.assertEqual(answer["content-type"], "application/problem+json", what)
        problem = json.loads(text)
        self.assertEqual(problem["status"], expected, what)
        for word in words:
            self.assertIn(word, text, what)
        if expected == 405:
            self.assertIn("POST", answer["allow"])
        self.good(stack)

    def too_large(self, stack):
        body = '{"features": [' + "1," * 200000 + "1]}"
        status, _, text = stack.request("POST", "/api/v1/predict", body, JSON)
        self.assertEqual(status, 413, text[:300])
        self.good(stack)

    def chunked(self, stack):
        """A chunked body is a body like any other: the web server sends it on with or without its length."""
        body = features(GOOD).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:50], body[50:])) + b"0\r\n\r\n"
        with socket.create_connection(("127.0.0.1", stack.port), timeout=20) as connection:
            connection.sendall(b"POST /api/v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                               b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        status = int(answer.split()[1])
        self.assertIn(status, (200, 411), answer[:300])
        if status == 200:
            self.assertIn(b'"prediction"', answer)
        self.good(stack)

    def hang_up(self, stack):
        """A client that goes away half-way through its body harms nobody."""
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", stack.port), timeout=20) as connection:
                connection.sendall(b"POST /api/v1/predict HTTP/1.1\r\nHost: localhost\r\n"
                                   b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"features\": [1, ")
        self.good(stack)

    def through(self, web):
        # Limits of the web servers' own files are above ours here, so that ours answers.
        with Stack(web=web, settings={"frontend.max_body_bytes": "262144"}) as stack:
            for case in CASES:
                with self.subTest(web=web, what=case[0]):
                    self.one(stack, *case)
            for step in (self.too_large, self.chunked, self.hang_up):
                with self.subTest(web=web, what=step.__name__):
                    step(stack)

    def test_bad_input(self):
        for web in web_servers():
            with self.subTest(web=web):
                self.through(web)


if __name__ == "__main__":
    unittest.main()
