"""Models are made smaller by the command, which tells honestly what that does, and makes a version of what is good enough.
Answers are those of the workers' own engine; the tools are looked at by what they write."""
import json
import pathlib
import pickle
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy
import onnx
from onnx import numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from expectations import held_out
from stack import BIN, PATIENCE, REPOSITORY
from test_validate import actual, write_rows

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "worker/python/tools"


def weights_of(path):
    return {constant.name: numpy_helper.to_array(constant) for constant in onnx.load(str(path)).graph.initializer}


class Optimize(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="outrigger-test.")))
        self.scratch.chmod(0o755)
        self.models = self.scratch / "models"

    def take(self, model):
        shutil.copytree(REPOSITORY / model, self.models / model)
        write_rows(self.scratch / f"{model}.csv", model)

    def run_command(self, model, *arguments, status=0):
        done = subprocess.run([BIN / "outrigger", "optimize", model, "--json", "-s", f"models_directory={self.models}",
                               "-s", "run_as_root=true", *arguments], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, status, done)
        self.assertEqual([path for path in (self.models / model.split(":")[0]).iterdir() if path.name[0] == "."], [])
        return json.loads(done.stdout)

    def optimize(self, model, *arguments, status=0):
        name = model.split(":")[0]
        return self.run_command(model, "--data", self.scratch / f"{name}.csv", "--target", "truth", *arguments,
                                status=status)

    def versions(self, model):
        return sorted(path.name for path in (self.models / model).iterdir() if path.is_dir())

    def test_a_net_of_eight_bits_is_the_next_version(self):
        self.take("digits-mlp")
        said = self.optimize("digits-mlp")
        before, after = said["before"], said["after"][0]
        rows = held_out("digits-mlp")
        self.assertEqual(said["rows"], len(rows.features))
        self.assertAlmostEqual(before["accuracy"], numpy.mean(numpy.array(rows.labels) == actual("digits-mlp")))
        self.assertEqual(before["bytes"], (REPOSITORY / "digits-mlp/1/model.onnx").stat().st_size)
        self.assertLess(after["bytes"], before["bytes"] / 3)
        self.assertGreaterEqual(after["accuracy"], before["accuracy"] - 0.01)
        self.assertGreater(after["largest_difference"], 0)
        self.assertGreater(after["largest_difference_alone"], 0)     # the range is the batch's
        self.assertEqual(set(after["us_per_row"]), {"1", "8", "32", "128"})
        self.assertEqual(said["version"], "2")
        made = self.models / "digits-mlp/2"
        self.assertEqual({path.name for path in made.iterdir()}, {"model.onnx", "golden.json"})
        self.assertEqual((made / "model.onnx").stat().st_size, after["bytes"])
        self.assertEqual(len(json.loads((made / "golden.json").read_text())["requests"]), 8)
        kinds = {node.op_type for node in onnx.load(str(made / "model.onnx")).graph.node}
        self.assertLessEqual({"DynamicQuantizeLinear", "MatMulInteger"}, kinds)
        self.assertNotIn("Gemm", kinds)

        kept = (made / "model.onnx").read_bytes()
        (self.models / "digits-mlp/3").mkdir()          # no version, but there
        said = self.optimize("digits-mlp:1", "--calibrate", self.scratch / "digits-mlp.csv")
        self.assertEqual(said["version"], "4")
        self.assertLess(said["after"][0]["largest_difference_alone"], 1e-5)      # fixed: nobody else is in the answer
        self.assertEqual((made / "model.onnx").read_bytes(), kept)
        self.assertEqual(list((self.models / "digits-mlp/3").iterdir()), [])

    def test_what_costs_too_much_is_told_and_not_made(self):
        self.take("cancer-logistic")
        left = self.models / "cancer-logistic/.optimize-AbCdEf"     # of a command that was broken off
        left.mkdir()
        (left / "dynamic.onnx").write_text("")
        said = self.optimize("cancer-logistic", status=1)
        drop = said["before"]["accuracy"] - said["after"][0]["accuracy"]
        self.assertGreater(drop, 0.01)
        self.assertEqual(said["error"], f"no version is made: the accuracy drops by {drop:.4f}, and --max-accuracy-drop is 0.01")
        self.assertEqual(self.versions("cancer-logistic"), ["1"])
        self.assertEqual(self.optimize("cancer-logistic", "--max-accuracy-drop", "100%", "--dry-run")["ok"], True)
        self.assertEqual(self.versions("cancer-logistic"), ["1"])

    def test_a_sweep_of_zeros_ends_where_it_costs_too_much(self):
        self.take("digits-mlp")
        said = self.optimize("digits-mlp", "--prune", "0.2,0.9")
        self.assertEqual([entry["name"] for entry in said["after"]], ["pruned 20 %", "pruned 90 %"])
        self.assertLess(said["after"][1]["accuracy"], 0.9)
        before, after = (weights_of(self.models / "digits-mlp" / version / "model.onnx") for version in "12")
        for name, values in before.items():
            share = (after[name] == 0).mean() if values.ndim == 2 else 0.0
            self.assertAlmostEqual(share, 0.2 if values.ndim == 2 else 0.0, delta=0.01)
            kept = after[name] != 0
            numpy.testing.assert_array_equal(after[name][kept], values[kept])
            if values.ndim == 2:
                self.assertLessEqual(abs(values[~kept]).max(), abs(values[kept]).min())

    def test_the_graph_of_the_engine_answers_the_same(self):
        self.take("digits-mlp")
        after = self.optimize("digits-mlp", "--method", "graph")["after"][0]
        self.assertEqual((after["largest_difference"], after["same"]), (0, 1))
        kinds = {node.op_type for node in onnx.load(str(self.models / "digits-mlp/2/model.onnx")).graph.node}
        self.assertNotIn("Relu", kinds)          # it is in the products now

    def test_a_small_net_learns_from_trees(self):
        self.take("cancer-trees")
        said = self.optimize("cancer-trees", "--distill", self.scratch / "cancer-trees.csv", "--hidden", "8")
        self.assertLess(said["after"][0]["bytes"], said["before"]["bytes"] / 10)
        self.assertGreater(said["after"][0]["same"], 0.9)
        self.assertEqual([tuple(values.shape) for values in weights_of(self.models / "cancer-trees/2/model.onnx").values()],
                         [(30, 8), (8,), (8, 2), (2,)])

    def test_a_pickle_is_written_in_onnx_where_the_answers_are_the_same(self):
        self.take("cancer-logistic")
        shutil.rmtree(self.models / "cancer-logistic/1")
        rows = numpy.array(held_out("cancer-logistic").features)
        truth = actual("cancer-logistic")
        path = self.scratch / "model.pkl"
        path.write_bytes(pickle.dumps(make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, truth)))
        said = self.optimize("cancer-logistic", "--from", path)
        self.assertEqual(said["version"], "1")
        self.assertEqual(said["before"]["name"], "model.pkl")
        self.assertLess(said["after"][0]["largest_difference"], 1e-5)
        self.assertEqual(said["after"][0]["same"], 1)
        self.assertEqual(said["before"]["accuracy"], said["after"][0]["accuracy"])
        path.write_bytes(pickle.dumps(SVC().fit(rows, truth)))
        self.assertIn("a model of the kind SVC is not exported", self.optimize("cancer-logistic", "--from", path, status=1)["error"])

    def test_what_is_missing_is_named(self):
        self.take("cancer-trees")
        self.assertIn("--data FILE", self.run_command("cancer-trees", status=1)["error"])
        self.assertIn("there is no Gemm or MatMul", self.optimize("cancer-trees", status=1)["error"])
        bare = self.scratch / "bare-1"
        bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
        bare.chmod(0o755)
        self.assertIn("lacks what this needs: apt-get install python3-numpy python3-onnx",
                      self.optimize("cancer-trees", "-s", f"python={bare}", status=1)["error"])
        with open(self.models / "cancer-trees/model.conf", "a") as configuration:     # that of the version
            configuration.write(f'python = "{self.scratch}/bare-{{version}}";\n')
        self.assertIn("lacks what this needs", self.optimize("cancer-trees", status=1)["error"])
        self.assertEqual(self.versions("cancer-trees"), ["1"])


class Tools(unittest.TestCase):
    def test_weights_that_differ_much_are_balanced_and_the_product_is_the_same(self):
        sys.path.insert(0, str(TOOLS))
        self.addCleanup(sys.path.remove, str(TOOLS))
        import rewriting
        random = numpy.random.default_rng(1)
        weights = random.normal(size=(16, 8)).astype("f")
        self.assertIsNone(rewriting._balance(weights))
        weights[3] *= 1000
        weights[5] = 0
        balance = rewriting._balance(weights)
        x = random.normal(size=(4, 16)).astype("f")
        numpy.testing.assert_allclose((x * balance) @ (weights / balance[:, None]), x @ weights, rtol=1e-4, atol=1e-2)
        values, scales = rewriting._quantized(weights)
        self.assertLessEqual(abs(values).max(), rewriting.WEIGHT_MAX)
        self.assertLessEqual((abs(values * scales - weights) / scales).max(), 0.5001)
