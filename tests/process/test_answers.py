"""Every held-out row of every model, through each web server: the answers are scikit-learn's.

Single, and in batches of 1, 7, 64 and 1000 rows; the largest difference must be at most 1e-5 and the classes equal. The
same rows as tables of CSV and as posts of a form are answered like those of JSON.
"""
import csv
import io
import json
import unittest
import urllib.parse

from expectations import HELD_OUT_MODELS, held_out
from stack import Stack, web_servers

TOLERANCE = 1e-5
BATCH_SIZES = (1, 7, 64, 1000)


class Answers(unittest.TestCase):
    def post(self, stack, path, document):
        status, _, body = stack.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
        self.assertEqual(status, 200, body[:500])
        return json.loads(body)

    def compare_row(self, expected, row, prediction, probabilities):
        """Returns the largest difference of this row."""
        if expected.regression:
            return abs(prediction - expected.predictions[row])
        self.assertEqual(prediction, expected.labels[row], f"class of row {row}")
        return max(abs(a - b) for a, b in zip(probabilities, expected.probabilities[row], strict=True))

    def single(self, stack, expected):
        worst = 0.0
        for row, features in enumerate(expected.features):
            answer = self.post(stack, f"/api/v1/models/{expected.name}/predict", {"features": features})
            self.assertEqual(answer["model"], expected.name)
            self.assertEqual(answer["model_version"], "1")
            worst = max(worst, self.compare_row(expected, row, answer["prediction"], answer.get("probabilities")))
            if not expected.regression and len(expected.probabilities[row]) == 2:
                self.assertEqual(answer["probability"], answer["probabilities"][1])
        return worst

    def batches(self, stack, expected, size):
        worst = 0.0
        rows = [row % len(expected.features) for row in range(max(size, len(expected.features)))]
        for start in range(0, len(rows), size):
            part = rows[start:start + size]
            answer = self.post(stack, "/api/v1/batch-predict",
                               {"model": expected.name, "instances": [expected.features[row] for row in part]})
            self.assertEqual(len(answer["predictions"]), len(part))
            probabilities = answer.get("probabilities") or [None] * len(part)
            for row, prediction, probability in zip(part, answer["predictions"], probabilities, strict=True):
                worst = max(worst, self.compare_row(expected, row, prediction, probability))
        return worst

    def post_text(self, stack, path, text, content_type):
        """The answer, without what differs between two that are the same."""
        status, headers, body = stack.request("POST", path, text.encode(), {"Content-Type": content_type})
        self.assertEqual((status, headers["content-type"]), (200, "application/json"), body[:500])
        answer = json.loads(body)
        del answer["request_id"]
        return answer

    def tables(self, stack, expected):
        """A table with a header in any order, one without, a row, and a form: each answered as JSON is."""
        path = f"/api/v1/models/{expected.name}"
        rows = expected.features[:50]
        answer = self.post_text(stack, f"{path}/batch-predict", json.dumps({"instances": rows}), "application/json")
        lines = "".join(",".join(json.dumps(value) for value in row) + "\r\n" for row in rows)
        self.assertEqual(self.post_text(stack, f"{path}/batch-predict", lines, "text/csv"), answer)
        table = io.StringIO()
        writer = csv.DictWriter(table, list(reversed(expected.feature_names)), quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dict(zip(expected.feature_names, row, strict=True)) for row in rows)
        self.assertEqual(self.post_text(stack, f"{path}/batch-predict", "\ufeff" + table.getvalue(), "text/csv"), answer)

        answer = self.post_text(stack, f"{path}/predict", json.dumps({"features": rows[0]}), "application/json")
        self.assertEqual(self.post_text(stack, f"{path}/predict", lines.split("\r")[0], "text/csv"), answer)
        pairs = list(zip(expected.feature_names, rows[0], strict=True)) + [("key", "a b")]
        form = urllib.parse.urlencode(pairs)
        self.assertEqual(self.post_text(stack, f"{path}/predict", form, "application/x-www-form-urlencoded"), answer)
        form = urllib.parse.urlencode([("model", expected.name)] + pairs, quote_via=urllib.parse.quote)
        self.assertEqual(self.post_text(stack, "/api/v1/predict", form, "application/x-www-form-urlencoded"), answer)

    def through(self, web):
        with Stack(web=web) as stack:
            for name in HELD_OUT_MODELS:
                expected = held_out(name)
                worst = {"single": self.single(stack, expected)}
                for size in BATCH_SIZES:
                    worst[size] = self.batches(stack, expected, size)
                print(f"{web}: {name}: largest difference " +
                      ", ".join(f"{key}: {value:.1e}" for key, value in worst.items()), flush=True)
                limit = TOLERANCE * expected.scale
                self.assertLessEqual(max(worst.values()), limit, name)
                self.tables(stack, expected)

    def test_every_row(self):
        for web in web_servers():
            with self.subTest(web=web):
                self.through(web)


if __name__ == "__main__":
    unittest.main()
