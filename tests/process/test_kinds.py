"""What goes in is not only floats, and what comes out not only a class or a number: the models of tests/models/kinds answer as
scikit-learn does, whoever asks them in whichever way, and what cannot be asked of them is refused with the reason."""
import array
import contextlib
import csv
import io
import json
import sqlite3
import struct
import tempfile
import unittest

from expectations import MODELS
from stack import Stack
from test_openapi import Document

KINDS = MODELS / "kinds"
JSON = {"Content-Type": "application/json"}
ROW_KEYS = {"prediction": "predictions", "probabilities": "probabilities", "labels": "labels"}
FORMATS = {"FP32": "f", "INT64": "q"}


class Expected:
    def __init__(self, name):
        document = json.loads((KINDS / f"{name}.json").read_text())
        self.name, self.names = name, document["feature_names"]
        self.rows, self.answers, self.tolerance = document["features"], document["answers"], document["tolerance"]

    def named(self, row):
        """In another order than the model's."""
        return dict(reversed(list(zip(self.names, row, strict=True))))

    def batch(self):
        """The answers as a batch has them."""
        first = self.answers[0]
        answer = {plural: [each[key] for each in self.answers] for key, plural in ROW_KEYS.items() if key in first}
        if "outputs" in first:
            answer["outputs"] = {name: [each["outputs"][name] for each in self.answers] for name in first["outputs"]}
        return answer

    def table(self, *more):
        text = io.StringIO()
        writer = csv.DictWriter(text, list(reversed(self.names)) + list(more), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.named(row) | {key: index for key in more} for index, row in enumerate(self.rows))
        return text.getvalue()


EXPECTED = [Expected(path.stem) for path in sorted(KINDS.glob("*.json"))]


class Kinds(unittest.TestCase):
    def same(self, wanted, got, tolerance, place):
        """Every number within the tolerance, everything else equal, and nothing missing or more."""
        if isinstance(wanted, float):
            self.assertIsInstance(got, float, place)
            self.assertLessEqual(abs(wanted - got), tolerance, place)
        elif isinstance(wanted, (dict, list)):
            keys = wanted if isinstance(wanted, dict) else range(len(wanted))
            self.assertEqual(len(wanted), len(got), place)
            for key in keys:
                self.same(wanted[key], got[key], tolerance, f"{place}[{key}]")
        else:
            self.assertEqual((type(wanted), wanted), (type(got), got), place)

    def post(self, path, body, headers=JSON, status=200):
        got, answered, content = self.stack.request("POST", path, json.dumps(body) if isinstance(body, dict) else body, headers)
        self.assertEqual(got, status, content[:500])
        return answered, content

    def answered(self, expected, wanted, call, body, content_type="application/json"):
        _, content = self.post(f"/api/v1/models/{expected.name}/{call}", body, {"Content-Type": content_type})
        answer = json.loads(content)
        head = {key: answer.pop(key) for key in ("model", "model_version", "request_id")}
        self.assertEqual(head["model"], expected.name)
        self.same(wanted, answer, expected.tolerance, f"{expected.name} {call}")
        schema = "Prediction" if call == "predict" else "Predictions"
        self.assertEqual(self.document.faults({"$ref": f"#/components/schemas/{schema}.{expected.name}"}, answer | head), [])

    # ---- the service's own API ----

    def ask_api(self, expected):
        for row, answer in list(zip(expected.rows, expected.answers))[:5]:
            self.answered(expected, answer, "predict", {"features": row})
            self.answered(expected, answer, "predict", {"features": expected.named(row)})
        self.answered(expected, expected.batch(), "batch-predict", {"instances": expected.rows})
        mixed = [expected.named(row) if index % 2 else row for index, row in enumerate(expected.rows)]
        self.answered(expected, expected.batch(), "batch-predict", {"instances": mixed})
        self.answered(expected, expected.batch(), "batch-predict", expected.table(), "text/csv")
        self.answered(expected, expected.answers[0], "predict", "\n".join(expected.table().splitlines()[:2]), "text/csv")

    # ---- the Open Inference Protocol ----

    def inputs(self, expected):
        """[name, datatype, columns, values] of each input, for all rows."""
        first = 0
        for described in self.metadata(expected)["inputs"]:
            width = described["shape"][1]
            values = [value for row in expected.rows for value in row[first:first + width]]
            first += width
            yield described["name"], described["datatype"], width, values

    def metadata(self, expected):
        return json.loads(self.stack.request("GET", f"/v2/models/{expected.name}")[2])

    def pack(self, datatype, values):
        if datatype == "BYTES":
            return b"".join(struct.pack("<I", len(value)) + value.encode() for value in values)
        return array.array(FORMATS[datatype], values).tobytes()

    def unpack(self, output, content):
        if output["datatype"] != "BYTES":
            return array.array(FORMATS[output["datatype"]], content).tolist()
        values, at = [], 0
        while at < len(content):
            length, = struct.unpack_from("<I", content, at)
            values.append(content[at + 4:at + 4 + length].decode())
            at += 4 + length
        return values

    def by_tensor(self, expected):
        """What the outputs hold, flat, by their names; as many as the answers name."""
        role = {"iris-names": {"label": "prediction", "probabilities": "probabilities", "scores": None},
                "digits-traits": {"label": "prediction", "probabilities": "probabilities"}}.get(expected.name)
        role = role or {self.metadata(expected)["outputs"][0]["name"]: "prediction"}
        flat = lambda value: value if isinstance(value, list) else [value]
        return {name: [each for answer in expected.answers for each in flat(answer[key] if key else answer["outputs"][name])]
                for name, key in role.items()}

    def ask_v2(self, expected):
        count, path = len(expected.rows), f"/v2/models/{expected.name}/infer"
        tensors = list(self.inputs(expected))
        asked = [{"name": name, "datatype": datatype, "shape": [count, width], "data": values}
                 for name, datatype, width, values in tensors]
        answer = json.loads(self.post(path, {"inputs": asked})[1])
        wanted = self.by_tensor(expected)
        self.same(wanted, {output["name"]: output["data"] for output in answer["outputs"]}, expected.tolerance, path)

        packed = [self.pack(datatype, values) for _, datatype, _, values in tensors]
        for tensor, content in zip(asked, packed):
            del tensor["data"]
            tensor["parameters"] = {"binary_data_size": len(content)}
        head = json.dumps({"inputs": asked, "parameters": {"binary_data_output": True}}).encode()
        headers, content = self.post(path, head + b"".join(packed), {"Inference-Header-Content-Length": str(len(head))})
        size = int(headers["inference-header-content-length"])
        outputs, at, got = json.loads(content[:size])["outputs"], size, {}
        for output in outputs:
            length = output["parameters"]["binary_data_size"]
            got[output["name"]] = self.unpack(output, content[at:at + length])
            at += length
        self.assertEqual(at, len(content))
        self.same(wanted, got, expected.tolerance, f"{path}, binary")

    # ---- what else there is ----

    def bad_rows_are_named(self, expected):
        row = expected.named(expected.rows[0]) | {"sex": "other", "age": 3.5}
        body = json.loads(self.post("/api/v1/models/diabetes-mixed/predict", {"features": row}, status=400)[1])
        self.assertEqual(sorted(error["field"] for error in body["errors"]), ["features.age", "features.sex"])
        body = json.loads(self.post("/api/v1/models/diabetes-mixed/predict", {"features": expected.rows[0][1:] + ["male"]},
                                    status=400)[1])
        self.assertEqual({error["field"] for error in body["errors"]}, {"features[0]", "features[1]", "features[9]"})

    def tasks_are_told(self):
        models = json.loads(self.stack.request("GET", "/api/v1/models")[2])["models"]
        self.assertEqual({model["id"]: model["task"] for model in models},
                         {"iris-names": "classification", "diabetes-mixed": "regression", "iris-petals": "regression",
                          "digits-traits": "multilabel", "digits-embedding": "embedding"})

    def job(self, expected, folder):
        table = folder / f"{expected.name}.csv"
        table.write_text(expected.table("id"))
        return self.stack.outrigger("batch", "--from", str(table), "--to", str(folder / f"{expected.name}.scored.csv"),
                                    "--model", expected.name)

    def jobs_score_all(self, folder):
        for expected in EXPECTED:
            done = self.job(expected, folder)
            self.assertEqual(done.returncode, 0, done)
            with open(folder / f"{expected.name}.scored.csv", encoding="ascii") as scored:
                got = [row["prediction"] for row in csv.DictReader(scored)]
            wanted = [answer["prediction"] for answer in expected.answers]
            read = json.loads if isinstance(wanted[0], list) else type(wanted[0])
            self.same(wanted, [read(value) for value in got], expected.tolerance, expected.name)

    def jobs_write_lists_everywhere(self, expected, folder):
        """From lines with an array each, which keep their keys, to lines and to a table."""
        lines, scored, table = (folder / name for name in ("rows.jsonl", "scored.jsonl", "scored.db"))
        lines.write_text("".join(json.dumps({"id": index, "features": row}) + "\n" for index, row in enumerate(expected.rows)))
        wanted = [answer["prediction"] for answer in expected.answers]
        for to in (f"jsonl:{scored}", f"sqlite:{table}?table=scored"):
            done = self.stack.outrigger("batch", "--from", f"jsonl:{lines}?key=id", "--to", to, "--create", "--model", expected.name)
            self.assertEqual(done.returncode, 0, done)
        got = [json.loads(line) for line in scored.read_text().splitlines()]
        self.assertEqual([(row["id"], row["features"]) for row in got], list(enumerate(expected.rows)))
        self.same(wanted, [row["prediction"] for row in got], expected.tolerance, "lines")
        with contextlib.closing(sqlite3.connect(table)) as database:
            got = database.execute("SELECT prediction FROM scored ORDER BY id").fetchall()
        self.same(wanted, [json.loads(row[0]) for row in got], expected.tolerance, "table")

    def truth_is_told_by_name(self, expected):
        """Of one prediction each; of several values nothing can be true or false."""
        answer = json.loads(self.post("/api/v1/models/iris-names/batch-predict", {"instances": expected.rows})[1])
        actuals = [answer["prediction"] for answer in expected.answers]
        actuals[0] = "another"
        self.post("/api/v1/feedback", {"request_id": answer["request_id"], "actuals": actuals}, status=202)
        seen = lambda: [model for model in json.loads(self.stack.outrigger("accuracy", "--json").stdout)["models"]
                        if model["known"] == len(actuals)]
        self.stack.wait(seen, "the truth does not arrive")
        self.assertEqual([model["model"] for model in seen()], ["iris-names"])
        self.assertAlmostEqual(seen()[0]["accuracy"], (len(actuals) - 1) / len(actuals))
        body = json.loads(self.post("/api/v1/feedback", {"request_id": "r", "actual": [0, 1, 1]}, status=400)[1])
        self.assertEqual([error["field"] for error in body["errors"]], ["actual"])

    def drift_is_seen(self, expected, folder):
        """Of columns of any datatype; a vector has no score."""
        for each in (expected, next(each for each in EXPECTED if each.name == "digits-embedding")):
            (folder / "profile.csv").write_text(each.table())
            done = self.stack.outrigger("profile", each.name, str(folder / "profile.csv"), "--output", str(folder / "baseline.json"))
            self.assertEqual(done.returncode, 0, done)
            baseline = json.loads((folder / "baseline.json").read_text())
            self.assertEqual([feature["name"] for feature in baseline["features"]], each.names)

    def test_every_kind_is_answered(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="outrigger-test."))
        folder = type(KINDS)(folder)
        mixed, names = (next(each for each in EXPECTED if each.name == name) for name in ("diabetes-mixed", "iris-names"))
        with Stack(web="nginx", models=KINDS) as self.stack:
            self.document = Document(self.stack.request("GET", "/openapi.json")[2])
            for expected in EXPECTED:
                with self.subTest(model=expected.name):
                    self.ask_api(expected)
                    self.ask_v2(expected)
            self.bad_rows_are_named(mixed)
            self.tasks_are_told()
            self.jobs_score_all(folder)
            self.jobs_write_lists_everywhere(next(each for each in EXPECTED if each.name == "digits-embedding"), folder)
            self.truth_is_told_by_name(names)
            self.drift_is_seen(mixed, folder)
