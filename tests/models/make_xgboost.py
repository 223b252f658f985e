#!/usr/bin/python3
"""Makes the XGBoost models that the tests serve, and what the library for Python answers with them.

    /usr/bin/python3 make_xgboost.py [OUTPUT]        (default: the folder xgboost beside this file)

needs Debian's python3-xgboost, python3-pandas and python3-sklearn, takes some seconds, and writes

    OUTPUT/NAME/model.conf, golden.json, 1/model.json or 1/model.ubj      as make_models.py does for ONNX
    OUTPUT/answers/NAME.json      rows, and what the library's own predict and predict_proba answer to them

What it makes it commits to: the files are in the repository, nobody needs to run this.

    cancer      breast cancer, with missing values: XGBClassifier, named columns, .json
    digits      handwritten digits, 10 classes: XGBClassifier (multi:softprob), .ubj
    diabetes    a regression: XGBRegressor, columns named and typed by a pandas frame, .json

and one small model for each other thing that the library makes answers of: the objectives that say a class or a
margin, several targets or labels, early stopping by either interface, categories, and linear models.

In answers/NAME.json null is a missing value. Features are float32 written as the shortest decimal that gives it back.
The answers are those of Debian 12's 1.7.4, one thread.
"""

import json
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
import xgboost
from sklearn import datasets

from make_models import input_list, load_cancer, load_diabetes, load_digits, number, quoted_list, write_json

SEED = 20
TOLERANCE = 1e-6
GOLDEN_CASES = 5
ROWS = 40               # of the answers of a small model


@dataclass
class Made:
    """One model, with rows and the library's answers to them."""
    booster: object             # XGBModel or Booster: whoever saves it
    rows: np.ndarray            # NaN: missing
    outputs: dict               # name of an output -> its values
    labels: tuple = ()
    columns: tuple = ()         # their names, for model.conf; (): the file's
    suffix: str = "json"


def holes(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float32)
    rows[np.random.RandomState(SEED).random_sample(rows.shape) < 0.05] = np.nan
    return rows


def classes(model, rows: np.ndarray) -> dict:
    return {"label": model.predict(rows), "probabilities": model.predict_proba(rows)}


def train(parameters: dict, rows, target, rounds=8, **more):
    matrix = xgboost.DMatrix(rows, label=target, enable_categorical=True)
    return xgboost.train({"nthread": 1, "max_depth": 3, "seed": SEED, **parameters}, matrix, rounds, **more)


def cancer() -> Made:
    data = load_cancer()
    model = xgboost.XGBClassifier(n_estimators=100, max_depth=3, n_jobs=1, random_state=SEED)
    model.fit(pandas.DataFrame(holes(data.train_x), columns=data.feature_names), data.train_y)
    rows = holes(data.test_x)
    return Made(model, rows, classes(model, rows), data.class_names)


def digits() -> Made:
    data = load_digits()
    model = xgboost.XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1, random_state=SEED)
    model.fit(data.train_x.astype(np.float32), data.train_y)
    rows = data.test_x[:100].astype(np.float32)
    return Made(model, rows, classes(model, rows), data.class_names, data.feature_names, "ubj")


def diabetes() -> Made:
    data = load_diabetes()
    frame = pandas.DataFrame(data.train_x.astype(np.float32), columns=data.feature_names)
    frame["age"] = frame["age"].astype(int)
    model = xgboost.XGBRegressor(n_estimators=60, max_depth=3, learning_rate=0.1, n_jobs=1, random_state=SEED)
    model.fit(frame, data.train_y)
    rows = data.test_x.astype(np.float32)
    return Made(model, rows, {"prediction": model.predict(rows)})


def two_classes(objective: str, answer) -> Made:
    data = load_cancer()
    rows = data.test_x[:ROWS].astype(np.float32)
    model = train({"objective": objective}, data.train_x.astype(np.float32), data.train_y)
    return Made(model, rows, answer(model.inplace_predict(rows)))


def softmax() -> Made:
    """predict says the class, predict_proba is the softmax of the margins: so says its classifier."""
    data = load_digits()
    model = xgboost.XGBClassifier(objective="multi:softmax", n_estimators=4, max_depth=3, n_jobs=1)
    model.fit(data.train_x.astype(np.float32), data.train_y)
    model.get_booster().set_param({"objective": "multi:softmax", "num_class": 10})
    booster, rows = model.get_booster(), data.test_x[:ROWS].astype(np.float32)
    margins = booster.inplace_predict(rows, predict_type="margin")
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return Made(booster, rows, {"label": booster.inplace_predict(rows),
                                "probabilities": powers / powers.sum(axis=1, keepdims=True)})


def values(objective: str, suffix="json", **parameters) -> Made:
    data = load_diabetes()
    rows = data.test_x[:ROWS].astype(np.float32)
    model = train({"objective": objective, **parameters}, data.train_x.astype(np.float32), data.train_y)
    return Made(model, rows, {"prediction": model.predict(xgboost.DMatrix(rows))}, suffix=suffix)


def targets() -> Made:
    data = load_diabetes()
    rows = data.test_x[:ROWS].astype(np.float32)
    model = xgboost.XGBRegressor(n_estimators=8, max_depth=3, n_jobs=1)
    model.fit(data.train_x.astype(np.float32), np.stack([data.train_y, -data.train_y, data.train_y ** 2], 1))
    return Made(model, rows, {"prediction": model.predict(rows)}, suffix="ubj")


def labels() -> Made:
    """Of which each may be true or not: the probabilities are no choice between them."""
    data = load_cancer()
    rows = data.test_x[:ROWS].astype(np.float32)
    model = xgboost.XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1)
    model.fit(data.train_x.astype(np.float32), np.stack([data.train_y, data.train_x[:, 0] > 14], 1))
    return Made(model, rows, {"prediction": model.predict_proba(rows)})


def early() -> Made:
    """The classifier stops at its best round."""
    data = load_cancer()
    rows = data.test_x[:ROWS].astype(np.float32)
    model = xgboost.XGBClassifier(n_estimators=200, max_depth=3, learning_rate=0.5, early_stopping_rounds=4, n_jobs=1)
    model.fit(data.train_x[:300], data.train_y[:300], eval_set=[(data.train_x[300:], data.train_y[300:])],
              verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    return Made(model, rows, classes(model, rows), suffix="ubj")


def early_native() -> Made:
    """The booster's own predict takes all rounds, also those after the best one."""
    data = load_diabetes()
    rows = data.test_x[:ROWS].astype(np.float32)
    held = xgboost.DMatrix(data.train_x[300:], label=data.train_y[300:])
    model = train({"objective": "reg:squarederror", "eta": 0.8}, data.train_x[:300], data.train_y[:300], 100,
                  evals=[(held, "held")], early_stopping_rounds=4, verbose_eval=False)
    assert model.best_iteration + 1 < model.num_boosted_rounds()
    return Made(model, rows, {"prediction": model.predict(xgboost.DMatrix(rows))})


def categories() -> Made:
    random = np.random.RandomState(SEED)
    frame = pandas.DataFrame({
        "age": random.randint(18, 90, 300),
        "city": pandas.Categorical(random.randint(0, 6, 300), categories=range(6)),
        "weight": random.normal(70, 12, 300),
        "smokes": random.randint(0, 2, 300).astype(bool)})
    codes = frame["city"].cat.codes
    target = (frame["age"] / 90 + np.isin(codes, [1, 4]) + frame["smokes"] * 0.3 + random.normal(0, 0.2, 300) > 1)
    model = train({"objective": "binary:logistic", "tree_method": "approx", "max_cat_to_onehot": 1}, frame,
                  target.astype(int))
    rows = np.stack([frame["age"], codes, frame["weight"], frame["smokes"]], 1).astype(np.float32)[:ROWS]
    one = model.inplace_predict(rows)
    return Made(model, rows, {"label": one > 0.5, "probabilities": np.stack([1 - one, one], 1)})


MODELS = {
    "cancer": cancer,
    "digits": digits,
    "diabetes": diabetes,
    "logitraw": lambda: two_classes("binary:logitraw", lambda margin: {"label": margin > 0, "margin": margin}),
    "hinge": lambda: two_classes("binary:hinge", lambda label: {"label": label}),
    "softmax": softmax,
    "poisson": lambda: values("count:poisson"),
    "ranking": lambda: values("rank:pairwise", "ubj"),
    "dart": lambda: values("reg:squarederror", booster="dart", rate_drop=0.3),
    "linear": lambda: values("reg:squarederror", booster="gblinear"),
    "targets": targets,
    "labels": labels,
    "early": early,
    "early-native": early_native,
    "categories": categories,
}


# ---- files ----

def plain(value):
    """For JSON: whole numbers without a fraction, NaN as null."""
    return None if isinstance(value, (float, np.floating)) and np.isnan(value) else number(value)


def table(values_: np.ndarray) -> list:
    return [[plain(value) for value in row] if np.ndim(row) else plain(row) for row in np.asarray(values_)]


def write_golden(path: Path, made: Made) -> None:
    """Rows without holes: a model takes null only where model.conf says so."""
    cases = []
    for row in np.flatnonzero(~np.isnan(made.rows).any(axis=1))[:GOLDEN_CASES]:
        if "label" in made.outputs:
            expected = {"prediction": int(made.outputs["label"][row]),
                        "probabilities": table(made.outputs["probabilities"])[row]}
        else:
            expected = {"prediction": table(made.outputs["prediction"])[row]}
        cases.append({"features": table(made.rows)[row], "expected": expected})
    write_json(path, {"absolute": TOLERANCE, "relative": TOLERANCE, "requests": cases})


def write_conf(path: Path, name: str, made: Made) -> None:
    text = f"# {name}: made by tests/models/make_xgboost.py\n\n"
    if np.isnan(made.rows).any():
        text += "allow_nan = true;   # null is a missing value\n"
    if made.columns:
        text += quoted_list("features", list(made.columns))
    if made.labels:
        text += quoted_list("labels", list(made.labels))
    path.write_text(text, encoding="ascii")


def write(output: Path, name: str, made: Made) -> None:
    folder = output / name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (output / "answers").mkdir(parents=True, exist_ok=True)
    file = folder / "1" / f"model.{made.suffix}"
    made.booster.save_model(file)
    write_conf(folder / "model.conf", name, made)
    if {"probabilities", "prediction"} & set(made.outputs) and not np.ndim(made.outputs.get("prediction", [0])[0]):
        write_golden(folder / "golden.json", made)
    write_json(output / "answers" / f"{name}.json",
               {"tolerance": TOLERANCE, "features": table(made.rows),
                **{key: table(value) for key, value in made.outputs.items()}})
    print(f"{name:14} {file.stat().st_size:8} bytes   {len(made.rows)} rows   {', '.join(made.outputs)}")


def main() -> None:
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "xgboost"
    warnings.simplefilter("ignore")
    xgboost.set_config(verbosity=0)
    for name, make in MODELS.items():
        write(output, name, make())


if __name__ == "__main__":
    main()
