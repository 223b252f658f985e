"""Models of scikit-learn and XGBoost in ONNX: the kinds that are known to come to the same answers.

What is written is compared with the library's own answers to the rows that the operator gives, by the command; a
difference of more than 1e-5 is no export. Here a kind is refused that is not known, or a setting of it that would
compute otherwise. The label is the class's index, in the library's order of the classes; `labels` in model.conf names
them. A pickle is a program: only what one would run is loaded. SPDX-License-Identifier: MIT
"""
import json
import pickle
import time

import numpy as np

from optimize import Unable

BATCHES = (1, 8, 32, 128)
ROUND_S = 0.1


def load(path: str, need):
    """A fitted estimator, or an xgboost.Booster."""
    if path.endswith((".json", ".ubj")):
        need(("xgboost",))
        import xgboost
        return xgboost.Booster(model_file=path)
    if not path.endswith((".pkl", ".joblib")):
        raise Unable(f"{path}: the suffix is none of .pkl, .joblib (scikit-learn), .json, .ubj (XGBoost)")
    need(("sklearn",))
    if path.endswith(".joblib"):
        import joblib
        return joblib.load(path)
    with open(path, "rb") as file:
        return pickle.load(file)


def convert(model) -> tuple:
    """The model in ONNX, and what kind it is."""
    if type(model).__module__.startswith("xgboost"):
        booster = model.get_booster() if hasattr(model, "get_booster") else model
        return _xgboost(json.loads(bytes(booster.save_raw("json")))), "XGBoost"
    scaler, model = _parts(model)
    kind = type(model).__name__
    converter = _KINDS.get(kind)
    if converter is None:
        raise Unable(f"a model of the kind {kind} is not exported; those that are: {', '.join(sorted(_KINDS))}, "
                     "and XGBoost's")
    if getattr(model, "n_outputs_", 1) != 1 and not kind.startswith("MLP"):
        raise Unable(f"this {kind} has several outputs")
    return converter(scaler, model), kind


def answer(model, rows, output: str) -> dict:
    """Writes what the library answers: of each row the class's index and the probabilities, or the number."""
    ask = _asker(model)
    ask(rows).astype("<f4").tofile(output)
    us = {}
    for size in BATCHES:
        batch = np.resize(rows, (size, rows.shape[1]))
        end, best = time.perf_counter() + ROUND_S, float("inf")
        while time.perf_counter() < end:
            start = time.perf_counter()
            ask(batch)
            best = min(best, time.perf_counter() - start)
        us[str(size)] = best / size * 1e6
    return {"us_per_row": us}


def _asker(model):
    if type(model).__module__.startswith("xgboost") and not hasattr(model, "get_booster"):
        import xgboost

        def ask(rows):
            answered = model.predict(xgboost.DMatrix(rows, feature_names=model.feature_names))
            if not _objective(model).startswith(("binary:", "multi:")):
                return answered.reshape(len(rows), 1)
            shares = answered if answered.ndim == 2 else np.column_stack([1 - answered, answered])
            return np.column_stack([shares.argmax(axis=1), shares])
        return ask
    if not hasattr(model, "predict_proba"):
        return lambda rows: np.asarray(model.predict(rows), dtype=np.float64).reshape(len(rows), -1)

    def ask_classifier(rows):
        shares = model.predict_proba(rows)
        return np.column_stack([np.searchsorted(model.classes_, model.predict(rows)), shares])
    return ask_classifier


# ---- scikit-learn ----

def _parts(model) -> tuple:
    """The scaler (None: there is none) and the estimator of a pipeline."""
    if type(model).__name__ != "Pipeline":
        return None, model
    steps = [step for _, step in model.steps if step not in (None, "passthrough")]
    names = [type(step).__name__ for step in steps]
    if len(steps) > 2 or (len(steps) == 2 and names[0] != "StandardScaler"):
        raise Unable(f"a pipeline of {', '.join(names)} is not exported; one of StandardScaler and a model is")
    if len(steps) == 1:
        return None, steps[0]
    if not (steps[0].with_mean and steps[0].with_std):
        raise Unable("a StandardScaler without mean or deviation is not exported")
    return steps[0], steps[1]


def _layers(scaler, weights, biases) -> tuple:
    import onnx_convert
    weights, biases = list(weights), list(biases)
    if scaler is not None:
        weights[0], biases[0] = onnx_convert.fold_scaler(scaler, weights[0], biases[0])
    return weights, biases


def _net(weights, biases, classes: int, two: bool):
    """Layers of a net; `two`: the last has one unit, the log-odds of the second class."""
    import onnx_convert
    graph = onnx_convert.Graph(len(weights[0]), "batch")
    if two:
        weights[-1], biases[-1] = np.hstack([-weights[-1], weights[-1]]), np.hstack([-biases[-1], biases[-1]])
    value = graph.layers("features", weights, biases)
    if not classes:
        graph.node("Identity", [value], "prediction")
        return graph.finish_regression("model")
    if two:
        graph.node("Sigmoid", [value], "probabilities")
    else:
        graph.node("Softmax", [value], "probabilities", axis=1)
    return graph.finish_classifier("model", classes)


def _logistic(scaler, model):
    classes = len(model.classes_)
    rules = getattr(model, "multi_class", "auto")       # later ones have none
    of_each = rules == "ovr" or model.solver == "liblinear"
    if (classes > 2 and of_each) or (classes == 2 and rules == "multinomial"):
        raise Unable("a LogisticRegression whose probabilities are made by other rules than usual is not exported: "
                     f"multi_class = {rules}, solver = {model.solver}")
    return _net(*_layers(scaler, [model.coef_.T], [model.intercept_]), classes, classes == 2)


def _linear(scaler, model):
    if np.ndim(model.coef_) != 1:
        raise Unable("a regression with several outputs is not exported")
    return _net(*_layers(scaler, [model.coef_[:, np.newaxis]], [np.atleast_1d(model.intercept_)]), 0, False)


def _perceptron(scaler, model):
    classes = len(model.classes_) if hasattr(model, "classes_") else 0
    if model.activation != "relu" or model.out_activation_ not in ("softmax", "logistic", "identity"):
        raise Unable(f"an MLP whose units are {model.activation} is not exported; relu is")
    if (classes > 2 and model.out_activation_ != "softmax") or (not classes and model.n_outputs_ != 1):
        raise Unable("an MLP with several labels or outputs is not exported")
    return _net(*_layers(scaler, model.coefs_, model.intercepts_), classes, classes == 2)


def _unscaled(convert_trees):
    def converter(scaler, model):
        if scaler is not None:
            raise Unable("trees behind a StandardScaler are not exported: thresholds would be rounded twice")
        return convert_trees(model)
    return converter


def _boosted(model):
    import onnx_convert
    if len(model.classes_) != 2 or model.loss not in ("log_loss", "deviance") or \
            type(model.init_).__name__ != "DummyClassifier":
        raise Unable("a GradientBoostingClassifier is exported with two classes, log_loss, and no init")
    return onnx_convert.boosted_trees("model", model, model.n_features_in_, "batch")


def _forest(model):
    import onnx_convert
    trees = list(model.estimators_) if hasattr(model, "estimators_") else [model]
    classes = len(model.classes_) if hasattr(model, "classes_") else 0
    return onnx_convert.forest("model", model, trees, model.n_features_in_, "batch", classes)


_KINDS = {
    "LogisticRegression": _logistic,
    **dict.fromkeys(("LinearRegression", "Ridge", "Lasso", "ElasticNet"), _linear),
    **dict.fromkeys(("MLPClassifier", "MLPRegressor"), _perceptron),
    "GradientBoostingClassifier": _unscaled(_boosted),
    **dict.fromkeys(("DecisionTreeClassifier", "DecisionTreeRegressor", "RandomForestClassifier",
                     "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor"), _unscaled(_forest)),
}


# ---- XGBoost ----

def _objective(booster) -> str:
    return json.loads(booster.save_config())["learner"]["objective"]["name"]


def _xgboost(model: dict):
    """By its own JSON: x < t with float32 on both sides, leaves are added, missing values go where the tree says."""
    import onnx_convert
    learner = model["learner"]
    booster, objective = learner["gradient_booster"], learner["objective"]["name"]
    parameters = learner["learner_model_param"]
    base = float(parameters["base_score"].strip("[]"))
    if booster["name"] != "gbtree":
        raise Unable(f"XGBoost's {booster['name']} is not exported; gbtree is")
    if objective not in ("binary:logistic", "multi:softprob", "reg:squarederror"):
        raise Unable(f"XGBoost's objective {objective} is not exported; binary:logistic, multi:softprob and "
                     "reg:squarederror are")
    targets = max(1, int(parameters["num_class"]))
    trees = onnx_convert.Trees()
    for number, (tree, target) in enumerate(zip(booster["model"]["trees"], booster["model"]["tree_info"])):
        if any(tree.get("split_type", [])):
            raise Unable("XGBoost's splits by category are not exported")
        for node, (left, right) in enumerate(zip(tree["left_children"], tree["right_children"])):
            value = float(np.float32(tree["split_conditions"][node]))
            if left < 0:
                trees.leaf(number, node, {target: value})
            else:
                trees.branch(number, node, "BRANCH_LT", tree["split_indices"][node], value, left, right,
                             bool(tree["default_left"][node]))
    graph = onnx_convert.Graph(int(parameters["num_feature"]), "batch")
    if objective == "reg:squarederror":
        trees.write(graph, "prediction", 1, [base])
        return graph.finish_regression("model")
    if targets == 1:
        trees.write(graph, "log_odds", 1, [float(np.log(base / (1 - base)))])
        return onnx_convert.finish_log_odds(graph, "model")
    trees.write(graph, "scores", targets, [base] * targets)
    graph.node("Softmax", ["scores"], "probabilities", axis=1)
    return graph.finish_classifier("model", targets)
