"""What model.conf says of a model's columns, from the file to the client: faults of every kind of body with their
paths, all at once; what may be left out; what is shown; and what a worker or the supervisor refuses."""
import json
import pathlib
import shutil
import tempfile
import unittest
from urllib.parse import urlencode

from expectations import held_out
from stack import REPOSITORY, Stack

JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

INPUTS = """
inputs = (
    { name = "age"; description = "years"; type = "integer"; minimum = 18; maximum = 120; },
    { name = "rate"; max = 0.1; default = 0.1; },
    { name = "level"; allowed = [ 1, 2, 4 ]; },
    { name = "member"; type = "boolean"; default = false; }   # a comment, and "a text" in it
);
"""
MODEL_PY = """
class Model:
    features = 4
    def load(self, directory):
        pass
    def predict(self, rows):
        return {"prediction": rows.sum(axis=1)}
"""


class Schema(unittest.TestCase):
    def setUp(self):
        self.repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.repository.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.repository)

    def add(self, model, file, content, configuration):
        (self.repository / model / "1").mkdir(parents=True)
        (self.repository / model / "1" / file).write_text(content)
        (self.repository / model / "model.conf").write_text(configuration)

    def add_all(self):
        """The same columns for outrigger-worker and for the one in Python, and two of the examples."""
        self.add("sum", "model.echo", "features = 4;", INPUTS)
        self.add("python-sum", "model.py", MODEL_PY, INPUTS)
        for name in ("cancer-logistic", "diabetes-ridge"):
            (self.repository / name).symlink_to(REPOSITORY / name)

    def ask(self, path, body, headers=JSON):
        status, _, text = self.stack.request("POST", f"/api/v1/models/{path}",
                                             body if isinstance(body, str) else json.dumps(body), headers)
        return status, json.loads(text)

    def gives(self, path, body, member, expected, headers=JSON):
        status, answer = self.ask(path, body, headers)
        self.assertEqual((status, answer.get(member)), (200, expected), answer)

    def refused(self, path, body, faults, headers=JSON):
        status, problem = self.ask(path, body, headers)
        self.assertEqual(status, 400, problem)
        self.assertEqual([(fault["field"], fault["message"]) for fault in problem["errors"]], faults)

    def check_bodies(self, model):
        good = {"age": 20, "rate": 0, "level": 4, "member": True}
        self.gives(f"{model}/predict", {"features": good}, "prediction", 25.0)
        self.gives(f"{model}/predict", {"features": {"level": 1, "age": 19}}, "prediction", 20.1)
        self.gives(f"{model}/predict", {"features": [18, None, 2, None]}, "prediction", 20.1)
        self.gives(f"{model}/batch-predict", {"instances": [[18, 0, 1, 1], [120, -5, 4, 0]]}, "predictions",
                   [20.0, 119.0])
        self.refused(f"{model}/predict", {"features": {"age": 130, "level": 3, "member": 2}},
                     [("features.age", "130 is above the maximum 120"),
                      ("features.level", "expected one of 1, 2, 4, got 3"),
                      ("features.member", "expected true or false, got 2")])
        self.refused(f"{model}/batch-predict",
                     {"instances": [[18, 0, 1, 1], [17.5, 0, 1, 1], good, {"rate": "x", "more": 1}]},
                     [("instances[1][0]", "age: expected a whole number, got 17.5"),
                      ("instances[3].rate", "expected a number, got a string"),
                      ("instances[3].more", "the model has no such feature"),
                      ("instances[3].age", "is missing"), ("instances[3].level", "is missing")])
        self.refused(f"{model}/batch-predict", {"instances": [[18, 0, 1, 0]] * 17 + [[130, 0.2, 1, 1]]},
                     [("instances[17][0]", "age: 130 is above the maximum 120"),
                      ("instances[17][1]", "rate: 0.2 is above the maximum 0.1")])

    def check_texts(self, model):
        self.gives(f"{model}/batch-predict", "level,age\n1,19\n4,20\n", "predictions", [20.1, 24.1], CSV)
        self.gives(f"{model}/batch-predict", "age,rate,level,member\n18,0,1,true\n18,,1,\n", "predictions",
                   [20.0, 19.1], CSV)
        self.refused(f"{model}/batch-predict", "age,rate,level,member\n18,0,1,1\n130,0,5,maybe\n",
                     [("instances[1].age", "line 3, column age: 130 is above the maximum 120"),
                      ("instances[1].level", "line 3, column level: expected one of 1, 2, 4, got 5"),
                      ("instances[1].member",
                       'line 3, column member: expected true, false, 0 or 1, got "maybe"')], CSV)
        self.refused(f"{model}/batch-predict", "18,0,1,1\n17,0,1,1\n",
                     [("instances[1].age", "line 2, column age: 17 is below the minimum 18")], CSV)
        self.gives(f"{model}/predict", urlencode({"age": 18, "level": 1, "member": "on"}), "prediction", 20.1, FORM)
        self.refused(f"{model}/predict", urlencode({"age": 1, "member": "x"}),
                     [("features.level", "is missing")], FORM)
        self.refused(f"{model}/predict", urlencode({"age": 1, "level": 7}),
                     [("features.age", "1 is below the minimum 18"),
                      ("features.level", "expected one of 1, 2, 4, got 7")], FORM)

    def check_shown(self, model):
        shown = json.loads(self.stack.request("GET", f"/api/v1/models/{model}")[2])
        self.assertEqual(shown["features"], ["age", "rate", "level", "member"])
        self.assertEqual(shown["fields"], [
            {"name": "age", "description": "years", "type": "integer", "minimum": 18, "maximum": 120,
             "required": True},
            {"name": "rate", "maximum": 0.1, "required": False, "default": 0.1},
            {"name": "level", "allowed": [1, 2, 4], "required": True},
            {"name": "member", "type": "boolean", "required": False, "default": False}])

    def check_examples(self):
        """A default model without bounds, its labels by name, and a regression with bounds."""
        data = held_out("cancer-logistic")
        status, answer = self.ask("cancer-logistic/batch-predict", {"instances": data.features[:9]})
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["labels"], [("malignant", "benign")[label] for label in answer["predictions"]])
        status, answer = self.ask("cancer-logistic/predict", {"features": data.features[0]})
        self.assertEqual(answer["label"], ("malignant", "benign")[answer["prediction"]])
        row = held_out("diabetes-ridge").features[0]
        self.assertEqual(self.ask("diabetes-ridge/predict", {"features": row})[0], 200)
        self.refused("diabetes-ridge/predict", {"features": [200, 3, *row[2:]]},
                     [("features[0]", "age: 200 is above the maximum 120"),
                      ("features[1]", "sex: expected one of 1, 2, got 3")])

    def test_requests_keep_to_what_model_conf_says(self):
        self.add_all()
        with Stack(web="nginx", models=self.repository) as self.stack:
            for model in ("sum", "python-sum"):
                for check in (self.check_bodies, self.check_texts, self.check_shown):
                    with self.subTest(model=model, check=check.__name__):
                        check(model)
            with self.subTest(check="check_examples"):
                self.check_examples()
            checked = self.stack.outrigger("check")
            self.assertIn("    age: integer, 18 to 120\n    rate: 0.1 or less; else 0.1\n"
                          "    level: one of 1, 2, 4\n    member: boolean; else false\n", checked.stdout)
            entry = next(entry for entry in json.loads(self.stack.outrigger("check", "--json").stdout)["models"]
                         if entry["model"] == "sum")
            self.assertEqual(entry["fields"][2], {"name": "level", "allowed": [1.0, 2.0, 4.0], "required": True})

    # ---- versions that take other inputs ----

    def versions_of(self, count=20):
        answers = [self.ask("sum/predict", {"features": [1, 2, 3, 4]}) for _ in range(count)]
        self.assertEqual({status for status, _ in answers}, {200}, answers)
        return {answer["model_version"] for _, answer in answers}

    def test_versions_that_share_a_route_take_the_same_inputs(self):
        how = ("version 2 of sum takes other inputs than version 1, so they cannot share a route: input features: "
               "the shapes of version 1 and version 2 differ")
        canary = 'version = "1"; serve = "all"; route = { arms = ( { version = "2"; percent = 50; } ); };'
        self.add("sum", "model.echo", "features = 4;", canary)
        for version, features in (("2", 5), ("3", 4)):
            (self.repository / "sum" / version).mkdir()
            (self.repository / "sum" / version / "model.echo").write_text(f"features = {features};")
        with Stack(web="nginx", models=self.repository) as self.stack:
            self.stack.wait(self.stack.serves, "not all versions serve")
            self.assertEqual(self.versions_of(), {"1"})     # model.conf may name it: nothing is led there
            for words in (("route", "sum", "--canary", "2=50"), ("route", "sum", "--shadow", "2=100"),
                          ("route", "sum", "--canary", "3=10", "--shadow", "2=100")):
                done = self.stack.outrigger(*words)
                self.assertEqual(done.returncode, 1, (words, done))
                self.assertIn(how, done.stderr)
            self.assertEqual(self.stack.outrigger("route", "sum", "set", "{}").returncode, 0)
            done = self.stack.outrigger("rollout", "sum", "2", "--steps", "50", "--every", "1s", "--wait", "100s")
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("takes other inputs", done.stdout + done.stderr)
            done = self.stack.outrigger("route", "sum", "--canary", "3=50")
            self.assertEqual(done.returncode, 0, done)
            self.assertEqual(self.versions_of(), {"1", "3"})
            done = self.stack.outrigger("promote", "sum", "2")
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("version 3 of sum takes other inputs than version 2", done.stderr)
            self.assertEqual(self.stack.outrigger("route", "sum", "set", "{}").returncode, 0)
            done = self.stack.outrigger("promote", "sum", "2")      # alone it may
            self.assertEqual(done.returncode, 0, done)
            self.assertEqual(self.ask("sum/predict", {"features": [1, 2, 3, 4, 5]})[1]["model_version"], "2")

    def test_check_refuses_what_does_not_fit(self):
        self.add("sum", "model.echo", "features = 3;", INPUTS)
        self.add("bad", "model.echo", "features = 1;", 'inputs = (\n{ name = "a"; minimum = 2;\n  maximum = 1; });')
        stack = Stack(models=self.repository)
        stack.directory, stack.metrics_port = self.repository.parent, 9
        stack.runtime = self.repository.parent / "run"
        stack.parameters = {"models_directory": self.repository, "runtime_directory": self.repository.parent / "run"}
        checked = stack.outrigger("check")
        self.assertNotEqual(checked.returncode, 0)
        self.assertIn("bad/model.conf:2: inputs[0].minimum: 2 is above the maximum, which is 1", checked.stderr)
        self.assertIn("inputs: 4 columns, but a row of the model has 3 values", checked.stderr)


if __name__ == "__main__":
    unittest.main()
