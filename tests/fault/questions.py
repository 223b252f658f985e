"""Questions whose right answers are known, ready to be sent: the held-out rows of the test models.

A question is written once as the bytes of an HTTP request with a gap for the request id. What comes back is compared
value by value with what scikit-learn said; bytes that were found right once are right again, so that looking at a
hundred thousand answers costs little.

SPDX-License-Identifier: MIT
"""
import json

from expectations import held_out

TOLERANCE = 1e-5    # as in tests/process/test_answers.py
RARE = {"heavy": 0.2}   # of this model fewer are asked: it would hold all connections most of the time
RIGHT_KEPT = 64     # bodies a question; the last digit may differ with the batch that a row was computed in
ID_GAP = b"@"


class Question:
    """Some rows of a model. `key`: the API key that the client shows, "" for none."""

    def __init__(self, expected, rows, batch, key=""):
        self.expected, self.rows, self.batch = expected, rows, batch
        document = {"instances": [expected.features[row] for row in rows]} if batch else \
                   {"features": expected.features[rows[0]]}
        body = json.dumps(document).encode()
        call = "batch-predict" if batch else "predict"
        shown = f"X-API-Key: {key}\r\n" if key else ""
        self.before = (f"POST /api/v1/models/{expected.name}/{call} HTTP/1.1\r\nHost: localhost\r\n{shown}"
                       f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nX-Request-Id: ").encode()
        self.after = b"\r\n\r\n" + body
        self.right = set()
        self.call, self.status = call.replace("-", "_"), 200    # how it is counted, and what the right answer has

    def __str__(self):
        return f"{self.expected.name}, rows {','.join(map(str, self.rows))}"

    def wire(self, identity):
        """The whole request as bytes; `identity`: its id, bytes."""
        return self.before + identity + self.after

    def fault(self, identity, body):
        """What is wrong with the body of an answer of status 200; None when it is right, to the request id."""
        pattern = body.replace(identity, ID_GAP, 1)
        if pattern in self.right:
            return None
        try:
            complaint = self._compare(identity.decode(), json.loads(body))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            complaint = f"not what an answer looks like: {error!r}"
        if complaint is None and len(self.right) < RIGHT_KEPT:
            self.right.add(pattern)
        return complaint

    def _compare(self, identity, answer):
        for name, value in (("request_id", identity), ("model", self.expected.name), ("model_version", "1")):
            if answer[name] != value:
                return f"{name} is {answer[name]!r} instead of {value!r}"
        predictions = answer["predictions"] if self.batch else [answer["prediction"]]
        several = answer.get("probabilities")
        probabilities = several if self.batch and several is not None else [several] * len(self.rows)
        if len(predictions) != len(self.rows) or len(probabilities) != len(self.rows):
            return f"{len(predictions)} predictions for {len(self.rows)} rows"
        for row, prediction, probability in zip(self.rows, predictions, probabilities):
            if not self._row_is_right(row, prediction, probability):
                return f"row {row}: {prediction!r} {probability!r}"
        return None

    def _row_is_right(self, row, prediction, probabilities):
        expected = self.expected
        if expected.regression:
            return abs(prediction - expected.predictions[row]) <= TOLERANCE * expected.scale
        known = expected.probabilities[row]
        return prediction == expected.labels[row] and len(probabilities) == len(known) and \
            all(abs(a - b) <= TOLERANCE for a, b in zip(probabilities, known))


class Refused:
    """A question that is wrong itself: the right answer says so, with that status. `kind`: how it is counted."""

    batch, rows = False, ()

    def __init__(self, path, body, status, kind):
        self.path, self.status, self.kind = path, status, kind
        self.call = "predict"
        self.before = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       f"Content-Length: {len(body)}\r\nX-Request-Id: ").encode()
        self.after = b"\r\n\r\n" + body.encode()

    def __str__(self):
        return f"{self.path}, which is to be refused with {self.status}"

    def wire(self, identity):
        return self.before + identity + self.after

    def fault(self, identity, body):
        return None if json.loads(body)["status"] == self.status else "the body has another status"


def refused(models, random, count=6):
    """Questions that name no model or no version, or have one number too few."""
    made = []
    for _ in range(count):
        expected = held_out(random.choice(models))
        row = random.choice(expected.features)
        whole, short = json.dumps({"features": row}), json.dumps({"features": row[:-1]})
        made += [Refused(f"/api/v1/models/{expected.name}/predict", short, 400, "invalid"),
                 Refused(f"/api/v1/models/{random.randrange(10 ** 9)}/predict", whole, 404, "unknown_model"),
                 Refused(f"/api/v1/models/{expected.name}/versions/77/predict", whole, 404, "unknown_version")]
    return made


def questions(models, random, singles=40, batches=8, largest_batch=16):
    """A list of questions for these models: so many single rows and so many small batches of each, at random; fewer of
    those that RARE names."""
    made = []
    for name in models:
        expected = held_out(name)
        rows, share = range(len(expected.features)), RARE.get(name, 1)
        made += [Question(expected, [random.choice(rows)], False) for _ in range(round(share * singles))]
        made += [Question(expected, random.choices(rows, k=random.randint(1, largest_batch)), True)
                 for _ in range(round(share * batches))]
    return made


def batches(model, random, rows, count, key=""):
    """A list of so many questions of so many rows each, for one model and API key."""
    expected = held_out(model)
    return [Question(expected, random.choices(range(len(expected.features)), k=rows), True, key) for _ in range(count)]
