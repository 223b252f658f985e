"""Drift behind a real web server: the figures are those that numpy and scipy compute from the same rows, a feature that is
shifted is told and the others are not, and what it is told against outlives the collector."""
import csv
import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.request

import numpy
import scipy.stats

from expectations import held_out
from stack import BIN, PATIENCE, REPOSITORY, Stack

JSON = {"Content-Type": "application/json"}
MODEL = "cancer-logistic"
PREDICT = f"/api/v1/models/{MODEL}/"
ROWS = 1500  # of each side: what chance alone makes of PSI is then about 2 * 9 / 1500
SHIFTED = "mean area"
SHARE_MIN = 1e-4


def shares(values, edges):
    bins = numpy.searchsorted(edges, values, side="left")
    return numpy.maximum(numpy.bincount(bins, minlength=len(edges) + 1) / len(values), SHARE_MIN)


def quantiles(values, parts):
    """Those of the inverted distribution, in whole numbers: 0.29 is not 29 hundredths."""
    ranks = [-(-part * len(values) // parts) - 1 for part in range(1, parts)]
    return numpy.unique(numpy.sort(values)[ranks])


def psi(baseline, live):
    edges = quantiles(baseline, 10)
    expected, actual = shares(baseline, edges), shares(live, edges)
    return float(numpy.sum((actual - expected) * numpy.log(actual / expected)))


def ks(baseline, live):
    steps = quantiles(baseline, 100)
    at_most = [numpy.searchsorted(numpy.sort(values), steps, side="right") / len(values) for values in (baseline, live)]
    return float(numpy.max(numpy.abs(at_most[0] - at_most[1])))


class Drift(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="outrigger-test.")))
        self.scratch.chmod(0o755)
        shutil.copytree(REPOSITORY / MODEL, self.scratch / "models" / MODEL)
        rows = numpy.array(held_out(MODEL).features)
        chance = numpy.random.default_rng(7)
        draw = lambda: (rows[chance.integers(0, len(rows), ROWS)] *
                        chance.normal(1, 0.05, (ROWS, rows.shape[1]))).astype(numpy.float32)
        self.names = json.loads((REPOSITORY.parent / f"heldout/{MODEL}.json").read_text())["feature_names"]
        self.baseline, self.live = draw(), draw()
        self.live[:, self.names.index(SHIFTED)] *= numpy.float32(1.5)
        with open(self.scratch / "rows.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["ignored", *reversed(self.names)])  # columns are found by their names
            table.writerows(["x", *map(repr, map(float, reversed(row)))] for row in self.baseline)
            table.writerow(["x", *["none"] * len(self.names)])

    def post(self, stack, path, document):
        status, _, body = stack.request("POST", path, json.dumps(document), JSON)
        self.assertEqual(status, 200, body[:500])
        return json.loads(body)

    def scores(self, stack, rows):
        probabilities = []
        for first in range(0, len(rows), 500):
            instances = [list(map(float, row)) for row in rows[first:first + 500]]
            probabilities += self.post(stack, PREDICT + "batch-predict", {"instances": instances})["probabilities"]
        return numpy.array(probabilities)[:, 1]

    def told(self, stack, rows):
        """What the collector says once that many rows are in the window."""
        entry = {}

        def there():
            models = stack.control("collector.sock", {"command": "drift"})["models"]
            entry.update(next((one for one in models if one["model"] == MODEL), {"rows": 0}))
            return entry["rows"] == rows
        stack.wait(there, lambda: f"not all rows are looked at: {entry.get('rows')}")
        return entry

    def profile(self, stack):
        made = stack.outrigger("profile", f"{MODEL}:1", str(self.scratch / "rows.csv"), "--json")
        self.assertEqual(made.returncode, 0, made)
        return json.loads(made.stdout)

    def expect_like_numpy(self, entry, base_scores, live_scores):
        lines = {line["name"]: line for line in entry["features"]}
        self.assertEqual(list(lines), self.names)
        pairs = [(lines[name], self.baseline[:, i], self.live[:, i]) for i, name in enumerate(self.names)]
        for line, baseline, live in [*pairs, (entry["score"], base_scores, live_scores)]:
            with self.subTest(line["name"]):
                self.assertAlmostEqual(line["psi"], psi(baseline, live), delta=1e-6)
                self.assertAlmostEqual(line["ks"], ks(baseline, live), delta=1e-6)
                exact = scipy.stats.ks_2samp(baseline, live).statistic
                self.assertLessEqual(line["ks"], exact + 1e-9)
                self.assertGreaterEqual(line["ks"], exact - 0.011)  # a step is a hundredth of the baseline's values
                beyond = numpy.mean((live < baseline.min()) | (live > baseline.max()))
                self.assertAlmostEqual(line["out_of_range"], float(beyond), delta=1e-9)

    def test_figures_and_verdicts(self):
        settings = {"drift.rows_per_s": "100000", "frontend.processes": "1"}
        with Stack(web="nginx", models=self.scratch / "models", settings=settings) as stack:
            said = self.profile(stack)
            self.assertEqual((said["baseline"]["rows"], said["refused"]), (ROWS, 1))
            self.assertIn("none", said["first_refused"])
            self.assertEqual(said["path"], str(self.scratch / "models" / MODEL / "baseline-1.json"))
            live_scores = self.scores(stack, self.live)
            entry = self.told(stack, ROWS)
            shown = stack.outrigger("drift", MODEL)
            self.assertEqual([line.split("  ")[0] for line in shown.stdout.splitlines() if "drifted" in line], [SHIFTED])
            self.expect_verdicts(entry)
            self.expect_published(stack, entry)
            base_scores = self.scores(stack, self.baseline)  # they come into the window, too: afterwards
            self.expect_like_numpy(entry, base_scores, live_scores)
            self.other_doors(stack, 2 * ROWS)
            self.nothing_outlives_but_the_baseline(stack)

    def expect_verdicts(self, entry):
        for line in entry["features"]:
            self.assertEqual(line["verdict"], "drifted" if line["name"] == SHIFTED else "stable", line)

    def expect_published(self, stack, entry):
        text = lambda: urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics_port}/metrics").read().decode()
        labels = f'{{model="{MODEL}",version="1"'
        stack.wait(lambda: f"model_drift_rows{labels}}} {ROWS}\n" in text(), "it is not published")
        shown = dict(line.rsplit(" ", 1) for line in text().splitlines() if not line.startswith("#"))
        for line in entry["features"]:
            at = f'{labels},feature="{line["name"]}"}}'
            self.assertAlmostEqual(float(shown["model_drift_psi" + at]), line["psi"], delta=1e-6)
            self.assertAlmostEqual(float(shown["model_drift_ks" + at]), line["ks"], delta=1e-6)
            self.assertEqual(shown["feature_value_count" + at], str(ROWS))
        column = self.live[:, self.names.index(SHIFTED)].astype(float)
        at = f'{labels},feature="{SHIFTED}"'
        self.assertAlmostEqual(float(shown[f"feature_value_sum{at}}}"]) / column.sum(), 1, delta=1e-9)
        edges = next(line["edges"] for line in entry["features"] if line["name"] == SHIFTED)
        below = [int(value) for name, value in shown.items() if name.startswith(f"feature_value_bucket{at}")]
        self.assertEqual(below, [int((column <= edge).sum()) for edge in edges] + [ROWS])
        self.assertGreater(float(shown[f"model_confidence_score{labels}}}"]), 0.5)
        self.assertEqual(shown["outrigger_drift_sampled_total"], str(ROWS))

    def other_doors(self, stack, before):
        """A single row, one of CSV, and one of the Open Inference Protocol."""
        row = list(map(float, self.live[0]))
        self.post(stack, PREDICT + "predict", {"features": row})
        status, _, body = stack.request("POST", PREDICT + "batch-predict", ",".join(map(str, row)) + "\n",
                                        {"Content-Type": "text/csv; header=absent"})
        self.assertEqual(status, 200, body)
        tensor = json.loads(stack.request("GET", f"/v2/models/{MODEL}")[2])["inputs"][0]["name"]
        self.post(stack, f"/v2/models/{MODEL}/infer",
                  {"inputs": [{"name": tensor, "shape": [1, len(row)], "datatype": "FP32", "data": row}]})
        self.told(stack, before + 3)

    def nothing_outlives_but_the_baseline(self, stack):
        pids = stack.pids("collector")
        os.kill(pids[0], signal.SIGKILL)
        stack.wait(lambda: stack.pids("collector") and stack.pids("collector") != pids, "no new collector")

        def asks_until_seen():
            self.post(stack, PREDICT + "predict", {"features": list(map(float, self.live[0]))})
            models = stack.control("collector.sock", {"command": "drift"})["models"]
            return models and models[0]["rows"] > 0
        stack.wait(asks_until_seen, "the new collector sees no rows")
        entry = stack.control("collector.sock", {"command": "drift"})["models"][0]
        self.assertLess(entry["rows"], ROWS)
        self.assertEqual(entry["baseline"]["rows"], ROWS)
        self.assertEqual(entry["features"][0]["verdict"], "few")
        (self.scratch / "models" / MODEL / "baseline-1.json").write_text("no baseline")
        problem = lambda: stack.control("collector.sock", {"command": "drift"})["models"][0].get("problem", "")
        stack.wait(lambda: problem() == "it is no JSON", "the baseline is still there")
        shown = json.loads(stack.request("GET", "/outrigger/api/now")[2])["models"]
        self.assertEqual([version["baseline_problem"] for model in shown if model["model"] == MODEL
                          for version in model["versions"] if version["version"] == "1"], ["it is no JSON"])

    def test_what_is_wrong_is_said(self):
        with Stack(web="nginx", models=self.scratch / "models", settings={"drift.rows_per_s": "0"}) as stack:
            rows = str(self.scratch / "rows.csv")
            for arguments, status, words in [((f"{MODEL}:7", rows), 1, "has no version 7; it has 1"),
                                             ((MODEL, rows + "x"), 1, "No such file"),
                                             (("a/b", rows), 2, "is no model"),
                                             ((MODEL, rows, "--bins", "1"), 2, "--bins"),
                                             ((MODEL, rows, "--score-column", "y"), 1, 'no column "y"')]:
                said = stack.outrigger("profile", *arguments)
                self.assertEqual((said.returncode, words in said.stderr), (status, True), said)
            self.shows_how_far_it_is(stack)
            self.takes_a_pipe(stack)
            self.scores(stack, self.live[:10])
            self.assertIn("no rows have been looked at", stack.outrigger("drift").stdout)

    def profile_with(self, stack, path, **streams):
        return subprocess.run([BIN / "outrigger", "profile", MODEL, path, *stack.arguments()], stdout=subprocess.PIPE,
                              timeout=PATIENCE, text=True, **streams)

    def on_a_terminal(self, stack, path):
        """What stands there in the end; little enough for a terminal to hold it, which hands it on in parts."""
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            try:
                self.profile_with(stack, path, stderr=theirs)
            finally:
                os.close(theirs)
            said = b""
            while True:
                try:
                    part = terminal.read(65536)
                except OSError:  # nobody has the other end any more
                    return said.decode()
                if not part:
                    return said.decode()
                said += part

    def shows_how_far_it_is(self, stack):
        rows = self.scratch / "rows.csv"
        self.assertTrue(self.on_a_terminal(stack, rows).endswith("] 100 %\r\n"))
        torn = self.scratch / "torn.csv"
        torn.write_text(rows.read_text() + '"no end')
        self.assertRegex(self.on_a_terminal(stack, torn), r"\] +\d+ %\r\noutrigger: .*torn.csv: line \d+")

    def takes_a_pipe(self, stack):
        done = self.profile_with(stack, "/dev/stdin", input=(self.scratch / "rows.csv").read_text(), stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, f"{ROWS} rows of" in done.stdout), (0, True), done)


if __name__ == "__main__":
    unittest.main()
