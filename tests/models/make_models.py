#!/usr/bin/python3
"""Makes the models that the tests and benchmarks serve, and the answers they must give.

    /usr/bin/python3 make_models.py [OUTPUT]        (default: the folder of this file)

needs Debian's python3-sklearn and python3-onnx, takes some seconds, and writes

    OUTPUT/repository/NAME/model.conf       what the model file does not say itself
    OUTPUT/repository/NAME/golden.json      a few requests and their answers, which each worker gives before it serves
    OUTPUT/repository/NAME/1/model.onnx     the model
    OUTPUT/heldout/NAME.json                every held-out row and scikit-learn's answer to it

What it makes it commits to: the files are in the repository, nobody needs to run this.

    cancer-logistic   breast cancer, 30 features, 2 classes: logistic regression
    cancer-trees      the same data: gradient boosting, 100 trees of depth 3
    digits-mlp        handwritten digits, 64 pixels, 10 classes: an MLP, 64-128-64-10
    digits-single     the same data: logistic regression whose batch is fixed at 1
    diabetes-ridge    diabetes, 10 features: a regression
    heavy             digits again, through a deep net that takes about 1 ms a row

The data are those that scikit-learn carries. A quarter of the rows is held out, with
a fixed seed and, for classes, in their proportions. The models never saw those rows.

Why the answers can be compared to 1e-5. The served models compute in float32 and
scikit-learn in float64, so everything that would make the two see different things
is taken away first: the features are rounded to float32 before training and before
scikit-learn's own answers, and are written as the shortest decimal that gives that
float32 back, so JSON carries exactly what both saw. What is left is the rounding of
the weights and of the sums (see onnx_convert.py; for the trees also the thresholds).
The regression predicts hundreds of points and not points for the same reason: near
300 two neighbouring float32 are 3e-5 apart, and no model could keep to 1e-5.

The heavy model is not trained layer by layer. Its first layer, of random signs, makes
224 pairs of non-linear features from the pixels; a pair of units holds the positive and
the negative part of one number. Each of the 144 hidden layers turns these 224 numbers
(a permutation and butterflies of four, weights 0 and +-1/2, orthogonal) and splits them
into their parts again with ReLU. So nothing is lost on the way down, float32 holds
every weight exactly, the rounding errors of 144 layers stay below 1e-6, and the file
holds the one matrix once, though the engine multiplies with all of it 144 times. The
last layer is logistic regression on what comes out. All of it sits in an ordinary
MLPClassifier, whose predict_proba gives the answers as for any other model.

Run twice on one machine this writes the same bytes: seeds are fixed, and the linear
algebra runs on one thread because the order of a sum is part of the sum. Another
processor or another scikit-learn may train models that differ in the last digits;
they are as good, but then models and answers must be committed together.
"""

import os
for _library in ("OMP", "OPENBLAS", "MKL", "BLIS"):
    os.environ[_library + "_NUM_THREADS"] = "1"     # before numpy loads: see above

import json
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.append(str(Path(__file__).resolve().parents[2] / "worker/python/tools"))
import onnx_convert  # the one that serves: worker/python/tools

SEED = 20
HELD_OUT = 0.25
TOLERANCE = 1e-5        # what a served answer may differ from scikit-learn's
GOLDEN_CASES = 5
DECIMALS = 10           # of the answers as written: far below the tolerance

HEAVY_WIDTH = 448       # with this width and depth one row takes about 1 ms on one core;
HEAVY_DEPTH = 144       # the width alone makes the file's size


@dataclass
class Data:
    """One data set, split, in float32 values held as float64 (what scikit-learn is given)."""
    feature_names: list
    class_names: list           # empty: a regression
    train_x: np.ndarray
    test_x: np.ndarray
    train_y: np.ndarray
    test_y: np.ndarray


@dataclass
class Recipe:
    """How one model of the repository is made."""
    name: str
    description: str
    load: object                # () -> Data
    train: object               # (Data) -> fitted scikit-learn model
    convert: object             # (name, fitted model) -> onnx.ModelProto
    conf: list = field(default_factory=list)    # further lines of model.conf
    inputs: object = None       # (name of a column) -> what model.conf says of it besides; None: names alone


# ---- data ----

def split(bunch, class_names: list, target) -> Data:
    features = bunch.data.astype(np.float32).astype(np.float64)
    train_x, test_x, train_y, test_y = train_test_split(
        features, target, test_size=HELD_OUT, random_state=SEED,
        stratify=target if class_names else None)
    feature_names = [str(name) for name in bunch.feature_names]
    return Data(feature_names, class_names, train_x, test_x, train_y, test_y)


def load_cancer() -> Data:
    bunch = datasets.load_breast_cancer()
    return split(bunch, [str(name) for name in bunch.target_names], bunch.target)


def load_digits() -> Data:
    bunch = datasets.load_digits()
    return split(bunch, [str(name) for name in bunch.target_names], bunch.target)


def load_diabetes() -> Data:
    bunch = datasets.load_diabetes(scaled=False)
    return split(bunch, [], bunch.target / 100)


# ---- training ----

def train_logistic(data: Data):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, tol=1e-8))
    return model.fit(data.train_x, data.train_y)


def train_trees(data: Data):
    model = GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=SEED)
    return model.fit(data.train_x, data.train_y)


def train_mlp(data: Data):
    model = make_pipeline(StandardScaler(), MLPClassifier(
        hidden_layer_sizes=(128, 64), alpha=1e-2, max_iter=300, random_state=SEED))
    return model.fit(data.train_x, data.train_y)


def train_ridge(data: Data):
    return make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(data.train_x, data.train_y)


def train_heavy(data: Data) -> MLPClassifier:
    random = np.random.RandomState(SEED)
    first = random.choice([-1.0, 1.0], size=(data.train_x.shape[1], HEAVY_WIDTH)) / 64

    butterfly = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    turn = np.kron(np.eye(HEAVY_WIDTH // 8), butterfly)[:, random.permutation(HEAVY_WIDTH // 2)]
    hidden = np.block([[turn, -turn], [-turn, turn]])   # of (u+, u-): turned u, and its negative

    value = np.maximum(data.train_x @ first, 0)
    for _ in range(HEAVY_DEPTH):
        value = np.maximum(value @ hidden, 0)
    last = LogisticRegression(C=0.1, max_iter=2000).fit(value, data.train_y)

    # A fitted classifier of the smallest size, whose layers are then replaced.
    model = MLPClassifier(hidden_layer_sizes=(1,), random_state=SEED)
    model.partial_fit(data.train_x[:10], data.train_y[:10], classes=np.unique(data.train_y))
    model.set_params(hidden_layer_sizes=(HEAVY_WIDTH,) * (HEAVY_DEPTH + 1))
    model.n_layers_ = HEAVY_DEPTH + 3
    no_bias = np.zeros(HEAVY_WIDTH)
    model.coefs_ = [first] + [hidden] * HEAVY_DEPTH + [last.coef_.T]
    model.intercepts_ = [no_bias] * (HEAVY_DEPTH + 1) + [last.intercept_]
    return model


def rows_a_batch(rows: int) -> str:
    return f"batching = {{ max_batch_rows = {rows}; }};   # more make a row hardly cheaper"


# ---- what the columns are, for people and for the validation of requests ----

CELL_MEASURES = {
    "radius": "distance from the centre to the outline, in the image's units",
    "texture": "standard deviation of the grey values",
    "perimeter": "length of the outline",
    "area": "area within the outline",
    "smoothness": "local variation of the radius",
    "compactness": "perimeter squared by area, less 1",
    "concavity": "how deep the concave parts of the outline are",
    "concave points": "how many concave parts the outline has",
    "symmetry": "how far the halves differ",
    "fractal dimension": "coastline approximation, less 1"}
CELL_STATISTICS = {"mean": "mean over the nuclei", "error": "standard error", "worst": "mean of the three largest"}


def cancer_input(name: str) -> str:
    words = name.split()
    statistic = words[0] if words[0] in CELL_STATISTICS else words[-1]
    measure = " ".join(word for word in words if word != statistic)
    return f'description = "{CELL_MEASURES[measure]}; {CELL_STATISTICS[statistic]}"; type = "number";'


DIABETES_INPUTS = {
    "age": 'description = "years"; type = "integer"; minimum = 0; maximum = 120;',
    "sex": 'description = "as the data set has it"; allowed = [ 1, 2 ];',
    "bmi": 'description = "body mass index, kg/m2"; minimum = 10; maximum = 80;',
    "bp": 'description = "average blood pressure, mmHg"; minimum = 30; maximum = 250;',
    "s1": 'description = "total serum cholesterol"; minimum = 0;',
    "s2": 'description = "low-density lipoproteins"; minimum = 0;',
    "s3": 'description = "high-density lipoproteins"; minimum = 0;',
    "s4": 'description = "total cholesterol by high-density lipoproteins"; minimum = 0;',
    "s5": 'description = "logarithm of the serum triglycerides level"; type = "number";',
    "s6": 'description = "blood sugar level"; minimum = 0;'}


RECIPES = [
    Recipe("cancer-logistic", "Breast cancer, logistic regression",
           load_cancer, train_logistic,
           lambda name, model: onnx_convert.logistic_two_classes(name, *model, "batch"),
           inputs=cancer_input),
    Recipe("cancer-trees", "Breast cancer, gradient boosting of 100 trees",
           load_cancer, train_trees,
           lambda name, model: onnx_convert.boosted_trees(name, model, 30, "batch"),
           [rows_a_batch(32)], cancer_input),
    Recipe("digits-mlp", "Handwritten digits, multi-layer perceptron",
           load_digits, train_mlp,
           lambda name, model: onnx_convert.mlp(name, *model, "batch"),
           [rows_a_batch(32)]),
    Recipe("digits-single", "Handwritten digits, logistic regression, one row a call",
           load_digits, train_logistic,
           lambda name, model: onnx_convert.logistic_many_classes(name, *model, 1)),
    Recipe("diabetes-ridge", "Diabetes, disease progression in hundreds of points",
           load_diabetes, train_ridge,
           lambda name, model: onnx_convert.ridge(name, *model, "batch"),
           inputs=DIABETES_INPUTS.get),
    Recipe("heavy", "Handwritten digits, a deep net of about 1 ms a row",
           load_digits, train_heavy,
           lambda name, model: onnx_convert.mlp(name, None, model, "batch"),
           [rows_a_batch(24)]),
]


# ---- answers and files ----

def number(value) -> "int | float":
    """A float32 as the shortest decimal that gives it back; whole numbers without a fraction."""
    value = float(str(np.float32(value)))
    return int(value) if value == int(value) else value


def answers(model, rows: np.ndarray, classes: bool) -> dict:
    """What scikit-learn says to these rows."""
    if not classes:
        return {"predictions": [round(float(y), DECIMALS) for y in model.predict(rows)]}
    return {"labels": [int(label) for label in model.predict(rows)],
            "probabilities": [[round(float(p), DECIMALS) for p in row]
                              for row in model.predict_proba(rows)]}


def write_json(path: Path, content: dict) -> None:
    """JSON with one line per row, so that a changed row shows as a changed line."""
    parts = []
    for key, value in content.items():
        if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
            text = "[\n" + ",\n".join("    " + json.dumps(row) for row in value) + "\n  ]"
        else:
            text = json.dumps(value)
        parts.append(f"  {json.dumps(key)}: {text}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="ascii")


def write_heldout(path: Path, data: Data, answered: dict) -> None:
    write_json(path, {
        "feature_names": data.feature_names,
        "classes": data.class_names,
        "tolerance": TOLERANCE,
        "features": [[number(x) for x in row] for row in data.test_x],
        **answered,
        "actual": [number(y) for y in data.test_y]})


def write_golden(path: Path, data: Data, answered: dict) -> None:
    """A few held-out rows, spread over the answers from the first class to the last."""
    answer = answered["labels"] if data.class_names else answered["predictions"]
    order = np.argsort(answer, kind="stable")
    cases = []
    for row in order[np.linspace(0, len(order) - 1, GOLDEN_CASES).astype(int)]:
        expected = {"prediction": answer[row]}
        if data.class_names:
            expected["probabilities"] = answered["probabilities"][row]
        cases.append({"features": [number(x) for x in data.test_x[row]], "expected": expected})
    write_json(path, {"absolute": TOLERANCE, "relative": 0.0, "requests": cases})


def quoted_list(key: str, names: list) -> str:
    """key = ( "a", "b" ); in libconfig's syntax, wrapped."""
    lines, line = [], "   "
    for index, name in enumerate(names):
        word = f' "{name}"' + ("," if index < len(names) - 1 else "")
        if len(line) + len(word) > 100:
            lines.append(line)
            line = "   "
        line += word
    return f"{key} = (\n" + "\n".join(lines + [line]) + "\n);\n"


def input_list(names: list, say: object) -> str:
    rows = [f'    {{ name = "{name}"; {say(name)} }}' for name in names]
    return "inputs = (\n" + ",\n".join(rows) + "\n);\n"


def write_conf(path: Path, recipe: Recipe, data: Data) -> None:
    text = f"# {path.parent.name}: made by tests/models/make_models.py\n\n"
    text += f'description = "{recipe.description}";\n\n'
    text += "# the input's columns, in order\n"
    text += input_list(data.feature_names, recipe.inputs) if recipe.inputs else quoted_list(
        "features", data.feature_names)
    if data.class_names:
        text += "\n# the classes, in the order of their index\n"
        text += quoted_list("labels", data.class_names)
    if recipe.conf:
        text += "\n" + "\n".join(recipe.conf) + "\n"
    path.write_text(text, encoding="ascii")


def train(recipe: Recipe, data: Data):
    """The fitted model; one that did not converge is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        return recipe.train(data)


def write_model_folder(folder: Path, recipe: Recipe, data: Data, answered: dict) -> None:
    """All of a model's folder but the model: that goes into folder/1."""
    (folder / "1").mkdir(parents=True, exist_ok=True)
    write_conf(folder / "model.conf", recipe, data)
    write_golden(folder / "golden.json", data, answered)


def make(recipe: Recipe, output: Path) -> None:
    data = recipe.load()
    model = train(recipe, data)
    answered = answers(model, data.test_x, bool(data.class_names))

    folder = output / "repository" / recipe.name
    write_model_folder(folder, recipe, data, answered)
    converted = recipe.convert(recipe.name, model).SerializeToString(deterministic=True)
    (folder / "1" / "model.onnx").write_bytes(converted)
    (output / "heldout").mkdir(parents=True, exist_ok=True)
    write_heldout(output / "heldout" / (recipe.name + ".json"), data, answered)

    measure = "accuracy" if data.class_names else "R squared"
    print(f"{recipe.name:16} {len(converted):8} bytes   {len(data.test_x)} held-out rows   "
          f"{measure} {model.score(data.test_x, data.test_y):.3f}")


def main() -> None:
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    for recipe in RECIPES:
        make(recipe, output)


if __name__ == "__main__":
    main()
