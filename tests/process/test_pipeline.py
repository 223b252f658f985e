"""Pipelines: models made of others, with real ones: a chain gives what the whole model gives, an ensemble the mean, a
cascade asks the larger model for the rows in doubt alone; and what becomes of requests when a part dies, has another
version, or is not there."""
import json
import pathlib
import re
import shutil
import tempfile
import unittest

from cut_model import cut
from expectations import held_out
from load import JSON, Load
from stack import REPOSITORY, Stack

ROWS = held_out("digits-mlp").features[:40]
CELLS = held_out("cancer-logistic").features[:20]
THRESHOLD = 0.99
PIPELINES = {
    "chain": 'steps = ( { name = "front"; model = "front"; }, { name = "back"; model = "back"; } );',
    "vector": 'steps = ( { name = "only"; model = "front"; } );',
    "outer": 'steps = ( { name = "inner"; model = "chain"; version = "1"; } );',
    "mean": """steps = ( { name = "a"; model = "cancer-logistic"; },
                         { name = "b"; model = "cancer-trees"; inputs = { features = "features"; }; },
                         { name = "mean"; average = ( "a.probabilities", "b.probabilities" ); weights = ( 3, 1 ); } );
               outputs = { probabilities = "mean.output"; };""",
    "quick": f"""steps = ( {{ name = "c"; cascade = ( {{ model = "digits-single"; }}, {{ model = "digits-mlp"; }} );
                             confidence = "probabilities"; threshold = {THRESHOLD}; }} );
                 outputs = {{ probabilities = "c.probabilities"; stage = "c.stage"; }};""",
    "poor": 'steps = ( { name = "only"; model = "sum"; } );'}


def write_pipeline(models, name, text):
    (models / name / "1").mkdir(parents=True)
    (models / name / "1" / "model.pipeline").write_text(text + "\n")


class Chains(Load):
    """Asks for a row whose answer is known; `expected` is that of the whole model."""

    def __init__(self, stack, expected):
        super().__init__(stack)
        self.expected = expected

    def ask(self, client, number):
        row = number % len(self.expected)
        status, _, body = client.request("POST", "/api/v1/models/chain/predict", json.dumps({"features": ROWS[row]}), JSON)
        answer = json.loads(body)
        return None if status == 200 and answer["probabilities"] == self.expected[row] else (status, body[:300])


class Pipelines(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="outrigger-test.")
        self.addCleanup(scratch.cleanup)
        self.models = pathlib.Path(scratch.name)
        self.models.chmod(0o755)

    def build(self, pipelines, *models):
        for name in models:
            (self.models / name).symlink_to(REPOSITORY / name)
        if "chain" in pipelines:
            cut(REPOSITORY / "digits-mlp/1/model.onnx", "hidden_0", 128, self.models / "front/1", self.models / "back/1")
        for name in pipelines:
            write_pipeline(self.models, name, PIPELINES[name])
        if "chain" in pipelines:  # it must answer what the whole model must
            shutil.copy(REPOSITORY / "digits-mlp/golden.json", self.models / "chain")

    def probabilities(self, stack, model, rows):
        status, _, body = stack.request("POST", f"/api/v1/models/{model}/batch-predict", json.dumps({"instances": rows}), JSON)
        self.assertEqual(status, 200, body)
        return json.loads(body)["probabilities"]

    def counted(self, stack, model):
        """Rows that the workers of the model have computed."""
        found = re.search(rb'outrigger_worker_rows_total\{model="%s"[^}]*\} (\d+)' % model.encode(), stack.request("GET", "/metrics")[2])
        return int(found.group(1)) if found else 0

    def problem(self, stack, model, features):
        status, _, body = stack.request("POST", f"/api/v1/models/{model}/predict", json.dumps({"features": features}), JSON)
        return status, json.loads(body).get("kind"), json.loads(body).get("detail")

    def test_what_they_answer(self):
        self.build(["chain", "vector", "outer", "mean", "quick"], "digits-mlp", "digits-single", "cancer-logistic", "cancer-trees")
        (self.models / "front" / "model.conf").write_text('task = "embedding";\n')
        with Stack(web="nginx", models=self.models) as stack:
            whole = self.probabilities(stack, "digits-mlp", ROWS)
            self.assertEqual(self.probabilities(stack, "chain", ROWS), whole)
            self.assertEqual(self.probabilities(stack, "outer", ROWS), whole)

            left, right = (self.probabilities(stack, model, CELLS) for model in ("cancer-logistic", "cancer-trees"))
            for mine, a, b in zip(self.probabilities(stack, "mean", CELLS), left, right):
                for value, one, other in zip(mine, a, b):
                    self.assertAlmostEqual(value, (3 * one + other) / 4, delta=1e-6)

            single = self.probabilities(stack, "digits-single", ROWS)
            sure = [max(row) >= THRESHOLD for row in single]
            self.assertIn(True, sure)
            self.assertIn(False, sure)
            stack.wait(lambda: self.counted(stack, "digits-mlp") >= len(ROWS), "the rows are not counted")
            before = self.counted(stack, "digits-mlp")
            self.assertEqual(self.probabilities(stack, "quick", ROWS),
                             [small if enough else large for enough, small, large in zip(sure, single, whole)])
            stack.wait(lambda: self.counted(stack, "digits-mlp") - before == sure.count(False),
                       f"{sure.count(False)} rows were in doubt, and other rows were asked for")

            tasks = {model["id"]: model["task"] for model in json.loads(stack.request("GET", "/api/v1/models")[2])["models"]}
            self.assertEqual((tasks["vector"], tasks["chain"]), ("embedding", "classification"))
            told = json.loads(stack.request("GET", "/api/v1/models/outer")[2])
            self.assertEqual(told["steps"], [{"step": "inner", "model": "chain", "version": "1"}])
            self.assertEqual(told["inputs"], [{"name": "features", "datatype": "FP32", "shape": [-1, 64]}])
            self.assertIn("front: front", stack.outrigger("models", "show", "chain").stdout)
            self.assertIn("chain takes features FP32[-1,64]", stack.outrigger("check").stdout)

    def test_parts_that_die_and_parts_that_change(self):
        self.build(["chain"], "digits-mlp")
        (self.models / "back" / "model.conf").write_text('version = "1";\n')
        with Stack(web="nginx", models=self.models) as stack:
            whole = self.probabilities(stack, "digits-mlp", ROWS)
            with Chains(stack, whole) as load:
                load.wait_for(50)
                for name in ("worker.front.1.1", "worker.chain.1.1", "broker"):
                    stack.kill(name)
                    load.wait_for(100)
                shutil.copytree(self.models / "back/1", self.models / "back/2")
                self.assertEqual(stack.outrigger("route", "back", "--canary", "2=50").returncode, 0)
                load.wait_for(100)
            self.assertEqual(load.failures, [])
            stack.wait(lambda: re.search(rb'outrigger_requests_total\{model="back",version="2",outcome="none"\} [1-9]',
                                         stack.request("GET", "/metrics")[2]), "the canary of a part is not asked")

    def test_what_is_in_the_way(self):
        self.build(["poor"])
        (self.models / "sum" / "1").mkdir(parents=True)
        (self.models / "sum" / "1" / "model.echo").write_text("features = 4;\n")
        with Stack(web="nginx", models=self.models) as stack:
            self.assertEqual(self.problem(stack, "poor", [-1005, 0, 0, 0])[:2], (500, "model_failed"))
            self.assertEqual(stack.outrigger("models", "unload", "sum").returncode, 0)
            status, kind, detail = self.problem(stack, "poor", [1, 2, 3, 4])
            self.assertEqual((status, kind), (503, "not_ready"))
            self.assertIn("step only (model sum): ", detail)
            status, _, body = stack.request("GET", "/ready")
            self.assertEqual(status, 503)
            self.assertIn("step only: model sum is not ready", body.decode())
            self.assertEqual(stack.outrigger("models", "load", "sum", "1").returncode, 0)
            stack.wait(lambda: self.problem(stack, "poor", [1, 2, 3, 4])[0] == 200, "it does not come back with its part")

            write_pipeline(self.models, "a", 'steps = ( { name = "s"; model = "b"; } );')
            write_pipeline(self.models, "b", 'steps = ( { name = "s"; model = "a"; } );')
            checked = stack.outrigger("check")
            self.assertEqual(checked.returncode, 1)
            self.assertIn("a 1 asks b 1 asks a: a pipeline cannot be a part of itself", checked.stderr)
            stack.wait(lambda: "a pipeline cannot be a part of itself" in stack.outrigger("status").stdout,
                       "the circle is not told")


if __name__ == "__main__":
    unittest.main()
