#!/usr/bin/python3
"""Makes a small real model of each kind that is served beside those of make_models.py: what goes in is not only floats, and
what comes out not only a class or a number.

    /usr/bin/python3 make_kinds.py [OUTPUT]        (default: the folder of this file)

needs what make_models.py needs, whose rules (held-out rows, seeds, float32) hold here, too, and writes

    OUTPUT/kinds/NAME/...        a repository, as OUTPUT/repository is
    OUTPUT/kinds/NAME.json       some held-out rows, scikit-learn's answers to them, and to each what /predict answers

    iris-names          iris: a class that is a text, probabilities, and a third output, which has no role
    diabetes-mixed      diabetes: three inputs, of texts (sex), whole numbers (age) and floats: OneHotEncoder, StandardScaler, Ridge
    iris-petals         iris: two numbers at once, the petals' length and width: a regression whose prediction is a vector
    digits-traits       digits: is it even, is it large, has it a loop: several labels may hold at once
    digits-embedding    digits: the 16 units of an MLP's last hidden layer, of length 1: an embedding

The sex is "female" or "male", which the data set has as 1 and 2.
"""

import make_models  # before numpy: it sets how many threads there are

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper
from sklearn import datasets
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from make_models import DECIMALS, GOLDEN_CASES, SEED, TOLERANCE, HELD_OUT, number, quoted_list, write_json
from onnx_convert import IR_VERSION, ML_OPSET, OPSET, fold_scaler, tensor

ROWS_MAX = 40       # held-out rows that are written
TRAITS = ["even", "large", "loop"]
FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


class Net:
    """Collects nodes and constants; inputs and outputs are of any datatype."""

    def __init__(self):
        self.nodes, self.constants, self.declared = [], [], []

    def constant(self, name, values, datatype=np.float32):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=datatype), name))
        return name

    def node(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def dense(self, value, output, weights, bias):
        return self.node("Gemm", [value, self.constant(output + "_weights", weights),
                                  self.constant(output + "_bias", bias)], output)

    def finish(self, name, inputs, outputs):
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.constants, value_info=self.declared)
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == "ai.onnx.ml" for node in self.nodes):
            opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="make_kinds")
        checker.check_model(model, full_check=True)
        return model


def single(values):
    """As float32 values held as float64, as make_models has them."""
    return np.asarray(values).astype(np.float32).astype(np.float64)


def split(*arrays, stratify=None):
    return train_test_split(*arrays, test_size=HELD_OUT, random_state=SEED, stratify=stratify)


def rounded(values):
    return np.round(np.asarray(values, dtype=np.float64), DECIMALS).tolist()


def features_conf(names):
    return "\n# the columns, in the order of the inputs\n" + quoted_list("features", names)


# ---- the models: each returns (model, lines of model.conf, rows as JSON has them, names of columns, answers) ----

def iris_names():
    bunch = datasets.load_iris()
    names = np.array([str(name) for name in bunch.target_names])
    train_x, test_x, train_y, test_y = split(single(bunch.data), names[bunch.target], stratify=bunch.target)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, tol=1e-8)).fit(train_x, train_y)
    scaler, logistic = model
    net = Net()
    net.dense("features", "scores", *fold_scaler(scaler, logistic.coef_.T, logistic.intercept_))
    net.node("Softmax", ["scores"], "probabilities", axis=1)
    net.node("ArgMax", ["probabilities"], "index", axis=1, keepdims=0)
    net.node("LabelEncoder", ["index"], "label", domain="ai.onnx.ml", classes_strings=list(logistic.classes_),
             default_string="?")
    net.declared.append(tensor("label", STRING, ["batch"]))
    made = net.finish("iris-names", [tensor("features", FLOAT, ["batch", 4])], [
        tensor("label", STRING, ["batch"]), tensor("probabilities", FLOAT, ["batch", 3]),
        tensor("scores", FLOAT, ["batch", 3])])
    columns = [name.replace(" (cm)", "") for name in bunch.feature_names]
    probabilities, scores = model.predict_proba(test_x), model.decision_function(test_x)
    answers = [{"prediction": str(label), "probabilities": rounded(p), "outputs": {"scores": rounded(s)}}
               for label, p, s in zip(model.predict(test_x), probabilities, scores)]
    rows = [[number(x) for x in row] for row in test_x]
    conf = features_conf(columns) + "\n# the classes, in the order of their probabilities\n" + quoted_list(
        "labels", [str(name) for name in logistic.classes_])
    return made, conf, rows, columns, answers, model.score(test_x, test_y)


def diabetes_mixed():
    bunch = datasets.load_diabetes(scaled=False)
    columns = [str(name) for name in bunch.feature_names]
    order = [columns.index("sex"), columns.index("age")] + [i for i, name in enumerate(columns) if name not in ("sex", "age")]
    columns = [columns[i] for i in order]
    table = np.empty(bunch.data.shape, dtype=object)
    table[:, 0] = ["female" if sex == 1 else "male" for sex in bunch.data[:, order[0]]]
    table[:, 1] = bunch.data[:, order[1]].astype(int)
    table[:, 2:] = single(bunch.data[:, order[2:]])
    train_x, test_x, train_y, test_y = split(table, bunch.target / 100)
    model = make_pipeline(ColumnTransformer([("words", OneHotEncoder(), [0]), ("numbers", StandardScaler(), list(range(1, 10)))]),
                          Ridge(alpha=1.0)).fit(train_x, train_y)
    transformer, ridge = model
    encoder, scaler = transformer.named_transformers_["words"], transformer.named_transformers_["numbers"]
    words = len(encoder.categories_[0])
    weights, bias = fold_scaler(scaler, ridge.coef_[words:, np.newaxis], np.atleast_1d(ridge.intercept_))
    net = Net()
    net.node("OneHotEncoder", ["sex"], "sex_encoded", domain="ai.onnx.ml", cats_strings=list(encoder.categories_[0]), zeros=1)
    net.declared.append(tensor("sex_encoded", FLOAT, ["batch", 1, words]))
    net.node("Reshape", ["sex_encoded", net.constant("shape", [-1, words], np.int64)], "sex_columns")
    net.node("Cast", ["age"], "age_float", to=FLOAT)
    net.node("Concat", ["sex_columns", "age_float", "measures"], "columns", axis=1)
    net.dense("columns", "prediction", np.vstack([ridge.coef_[:words, np.newaxis], weights]), bias)
    made = net.finish("diabetes-mixed", [tensor("sex", STRING, ["batch", 1]), tensor("age", INT64, ["batch", 1]),
                                         tensor("measures", FLOAT, ["batch", 8])], [tensor("prediction", FLOAT, ["batch", 1])])
    rows = [[row[0], int(row[1])] + [number(x) for x in row[2:]] for row in test_x]
    answers = [{"prediction": value} for value in rounded(model.predict(test_x))]
    said = ['name = "sex"; type = "string"; allowed = [ "female", "male" ];',
            'name = "age"; description = "years"; type = "integer"; minimum = 0; maximum = 120;']
    said += [f'name = "{name}";' for name in columns[2:]]
    conf = "\n# the columns of all inputs, in their order\ninputs = (\n" + ",\n".join(f"    {{ {line} }}" for line in said) + "\n);\n"
    return made, conf, rows, columns, answers, model.score(test_x, test_y)


def iris_petals():
    bunch = datasets.load_iris()
    data = single(bunch.data)
    train_x, test_x, train_y, test_y = split(data[:, :2], data[:, 2:], stratify=bunch.target)
    model = make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(train_x, train_y)
    scaler, ridge = model
    net = Net()
    net.dense("sepals", "petals", *fold_scaler(scaler, ridge.coef_.T, ridge.intercept_))
    made = net.finish("iris-petals", [tensor("sepals", FLOAT, ["batch", 2])], [tensor("petals", FLOAT, ["batch", 2])])
    columns = [name.replace(" (cm)", "") for name in bunch.feature_names[:2]]
    rows = [[number(x) for x in row] for row in test_x]
    conf = '\n# length and width: not the probabilities of two classes\ntask = "regression";\n'
    answers = [{"prediction": rounded(y)} for y in model.predict(test_x)]
    return made, conf + features_conf(columns), rows, columns, answers, model.score(test_x, test_y)


def digits_traits():
    bunch = datasets.load_digits()
    traits = np.stack([bunch.target % 2 == 0, bunch.target >= 5, np.isin(bunch.target, [0, 6, 8, 9])], axis=1).astype(int)
    train_x, test_x, train_y, test_y = split(single(bunch.data), traits, stratify=bunch.target)
    model = make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression(max_iter=2000, tol=1e-8))).fit(train_x, train_y)
    scaler, traits_model = model
    weights = np.stack([each.coef_[0] for each in traits_model.estimators_], axis=1)
    bias = np.array([each.intercept_[0] for each in traits_model.estimators_])
    net = Net()
    net.dense("features", "scores", *fold_scaler(scaler, weights, bias))
    net.node("Sigmoid", ["scores"], "probabilities")
    net.node("Greater", ["probabilities", net.constant("half", 0.5)], "above")
    net.node("Cast", ["above"], "label", to=INT64)
    made = net.finish("digits-traits", [tensor("features", FLOAT, ["batch", 64])],
                      [tensor("label", INT64, ["batch", 3]), tensor("probabilities", FLOAT, ["batch", 3])])
    columns = [str(name) for name in bunch.feature_names]
    answers = [{"prediction": [int(x) for x in held], "probabilities": rounded(p),
                "labels": [trait for trait, holds in zip(TRAITS, held) if holds]}
               for held, p in zip(model.predict(test_x), model.predict_proba(test_x))]
    rows = [[number(x) for x in row] for row in test_x]
    conf = features_conf(columns) + "\n# what may hold of a digit, in the order of the columns\n" + quoted_list("labels", TRAITS)
    return made, conf, rows, columns, answers, model.score(test_x, test_y)


def digits_embedding():
    bunch = datasets.load_digits()
    train_x, test_x, train_y, test_y = split(single(bunch.data), bunch.target, stratify=bunch.target)
    scaler = StandardScaler().fit(train_x)
    model = MLPClassifier(hidden_layer_sizes=(32, 16), alpha=1e-2, max_iter=400, random_state=SEED).fit(scaler.transform(train_x), train_y)
    net = Net()
    first = fold_scaler(scaler, model.coefs_[0], model.intercepts_[0])
    net.node("Relu", [net.dense("pixels", "dense_0", *first)], "hidden_0")
    net.node("Relu", [net.dense("hidden_0", "dense_1", model.coefs_[1], model.intercepts_[1])], "hidden_1")
    net.node("LpNormalization", ["hidden_1"], "embedding", axis=1, p=2)
    made = net.finish("digits-embedding", [tensor("pixels", FLOAT, ["batch", 64])], [tensor("embedding", FLOAT, ["batch", 16])])
    hidden = scaler.transform(test_x)
    for weights, bias in list(zip(model.coefs_, model.intercepts_))[:2]:
        hidden = np.maximum(hidden @ weights + bias, 0)
    hidden /= np.linalg.norm(hidden, axis=1, keepdims=True)
    columns = [str(name) for name in bunch.feature_names]
    rows = [[number(x) for x in row] for row in test_x]
    conf = '\n# the vector that stands for a row, and no probabilities\ntask = "embedding";\n' + features_conf(columns)
    return made, conf, rows, columns, [{"prediction": rounded(row)} for row in hidden], model.score(scaler.transform(test_x), test_y)


KINDS = {
    "iris-names": (iris_names, "Iris, by name"),
    "diabetes-mixed": (diabetes_mixed, "Diabetes: texts, whole numbers and floats"),
    "iris-petals": (iris_petals, "Iris: length and width of the petals from those of the sepals"),
    "digits-traits": (digits_traits, "Handwritten digits: which of three traits they have"),
    "digits-embedding": (digits_embedding, "Handwritten digits as vectors of length 1")}


def golden_case(row, answer):
    """What the service answers, as golden.json has it: the labels' names and further outputs are not in it."""
    return {"features": row, "expected": {key: answer[key] for key in ("prediction", "probabilities") if key in answer}}


def make(name: str, output: Path) -> None:
    build, description = KINDS[name]
    model, conf, rows, columns, answers, score = build()
    folder = output / "kinds" / name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    text = f'# {name}: made by tests/models/make_kinds.py\n\ndescription = "{description}";\n' + conf
    (folder / "model.conf").write_text(text, encoding="ascii")
    content = model.SerializeToString(deterministic=True)
    (folder / "1" / "model.onnx").write_bytes(content)
    write_json(folder / "golden.json", {"absolute": TOLERANCE, "relative": 0.0, "requests": [
        golden_case(row, answer) for row, answer in list(zip(rows, answers))[:GOLDEN_CASES]]})
    write_json(output / "kinds" / f"{name}.json", {
        "feature_names": columns, "tolerance": TOLERANCE, "features": rows[:ROWS_MAX], "answers": answers[:ROWS_MAX]})
    print(f"{name:16} {len(content):8} bytes   {len(rows)} held-out rows   score {score:.3f}")


def main() -> None:
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    for name in KINDS:
        make(name, output)


if __name__ == "__main__":
    main()
