"""Models of XGBoost, through all of Outrigger: what its library for Python answers to the same rows."""
import json
import pathlib
import tempfile
import unittest

from expectations import MODELS
from stack import Stack

TOLERANCE = 1e-6
NAMES = ("cancer", "digits", "targets", "categories")


def library_answers(name):
    return json.loads((MODELS / "xgboost/answers" / f"{name}.json").read_text())


def largest_difference(given, wanted):
    if isinstance(wanted, list):
        assert len(given) == len(wanted), (given, wanted)
        return max(largest_difference(a, b) for a, b in zip(given, wanted, strict=True))
    return abs(given - wanted) / max(1.0, abs(wanted))


class XGBoost(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="outrigger-xgboost.")
        for name in NAMES:
            (pathlib.Path(cls.folder.name) / name).symlink_to(MODELS / "xgboost" / name)
        (pathlib.Path(cls.folder.name) / "cancer-logistic").symlink_to(MODELS / "repository/cancer-logistic")
        cls.stack = Stack(web="nginx", models=cls.folder.name).start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()
        cls.folder.cleanup()

    def post(self, path, document, status=200):
        answer = self.stack.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
        self.assertEqual(answer[0], status, answer[2][:500])
        return json.loads(answer[2])

    def test_answers_are_those_of_the_library_for_python(self):
        for name in NAMES:
            wanted = library_answers(name)
            if name == "categories":  # its file has names: a row may use them, and NaN is not allowed
                self.assertFalse(any(None in row for row in wanted["features"]))
            for size in (7, 1000):
                for start in range(0, len(wanted["features"]), size):
                    part = slice(start, start + size)
                    answer = self.post(f"/api/v1/models/{name}/batch-predict", {"instances": wanted["features"][part]})
                    predicted = wanted.get("label", wanted.get("prediction"))[part]
                    self.assertLessEqual(largest_difference(answer["predictions"], predicted), TOLERANCE, name)
                    if "probabilities" in wanted:
                        self.assertLessEqual(largest_difference(answer["probabilities"],
                                                                wanted["probabilities"][part]), TOLERANCE, name)

    def test_a_row_by_name_is_checked_by_what_the_file_says(self):
        wanted = library_answers("categories")
        row = dict(zip(("age", "city", "weight", "smokes"), wanted["features"][0], strict=True))
        answer = self.post("/api/v1/models/categories/predict", {"features": row})
        self.assertEqual(answer["prediction"], wanted["label"][0])
        self.assertAlmostEqual(answer["probability"], wanted["probabilities"][0][1], delta=TOLERANCE)
        refused = self.post("/api/v1/models/categories/predict", {"features": row | {"city": 1.5}}, 400)
        self.assertIn("city", json.dumps(refused["errors"]))
        self.post("/api/v1/models/categories/predict", {"features": row | {"height": 1}}, 400)

    def test_several_targets_are_a_row(self):
        wanted = library_answers("targets")
        answer = self.post("/api/v1/models/targets/predict", {"features": wanted["features"][0]})
        self.assertEqual(len(answer["prediction"]), 3)
        self.assertNotIn("probabilities", answer)

    def test_other_workers_do_not_load_the_library(self):
        loaded = {}
        for name in ("cancer-logistic", *NAMES):
            pid, = self.stack.pids(f"worker.{name}")
            loaded[name] = "libxgboost" in pathlib.Path(f"/proc/{pid}/maps").read_text()
        self.assertEqual(loaded, {"cancer-logistic": False} | {name: True for name in NAMES})


if __name__ == "__main__":
    unittest.main()
