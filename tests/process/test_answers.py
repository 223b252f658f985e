"""Every held-out row of every model, through each web server: the answers are scikit-learn's.

Single, and in batches of 1, 7, 64 and 1000 rows; the largest difference must be at most 1e-5 and the classes equal.
"""
import json
import unittest

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

    def test_every_row(self):
        for web in web_servers():
            with self.subTest(web=web):
                self.through(web)


if __name__ == "__main__":
    unittest.main()
