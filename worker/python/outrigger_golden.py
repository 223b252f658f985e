"""Golden requests of a model in Python: answered before its worker says ready. golden.json is described in
outrigger.conf(5); outrigger-worker does the same for the models of its engines.
"""
import json
import os

import numpy as np

BYTES_MAX = 16 << 20
REQUESTS_MAX = 4096
DEPTH_MAX = 8
TOLERANCE = (1e-6, 1e-5)    # absolute and relative, where the file says nothing


class GoldenFault(Exception):
    """What is wrong with golden.json, or with what the model answers to it."""


# ---- values ----

def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def flatten(data, depth=0):
    """The values of nested lists, one after the other."""
    if not isinstance(data, list):
        return [data]
    if depth >= DEPTH_MAX:
        raise GoldenFault("is nested too deep")
    return [value for part in data for value in flatten(part, depth + 1)]


def know_keys(document, *names):
    if not isinstance(document, dict):
        raise GoldenFault("expected an object")
    for name in document:
        if name not in names:
            raise GoldenFault(f"unknown key {name}")


# ---- what is asked ----

def read_row(row, path, schema):
    """A row as a list of numbers."""
    width, names = schema["inputs"][0]["shape"][1], schema["features"]
    standards = {field["name"]: field["default"] for field in schema.get("fields", []) if "default" in field}
    if isinstance(row, dict):
        for name in row:
            if name not in names:
                raise GoldenFault(f"{path}.{name}: the model has no such feature")
        for name in names:
            if name not in row and name not in standards:
                raise GoldenFault(f"{path}.{name}: is missing")
        row = [row.get(name, standards.get(name)) for name in names]
    if not isinstance(row, list) or len(row) != width:
        raise GoldenFault(f"{path}: expected {width} values")
    for column, value in enumerate(row):
        if not is_number(value) or not (schema["allow_nan"] or np.isfinite(value)):
            raise GoldenFault(f"{path}[{column}]: expected a number")
    return row


def read_inputs(inputs, schema):
    """The rows of the one tensor that a model in Python takes."""
    width = schema["inputs"][0]["shape"][1]
    try:
        [tensor] = inputs
        rows, data = tensor["shape"][0], flatten(tensor["data"])
        fits = (tensor["name"], tensor["datatype"], tensor["shape"]) == ("features", "FP64", [rows, width])
        if not fits or not rows or len(data) != rows * width:
            raise ValueError
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise GoldenFault(f"inputs: expected one tensor, features FP64 [-1, {width}]") from error
    return [read_row(data[i * width:(i + 1) * width], "inputs[0].data", schema) for i in range(rows)]


def read_rows(request, schema):
    given = [key for key in ("features", "instances", "inputs") if key in request]
    if given == ["features"]:
        rows = [read_row(request["features"], "features", schema)]
    elif given == ["inputs"]:
        rows = read_inputs(request["inputs"], schema)
    elif given != ["instances"]:
        raise GoldenFault("expected one of features, instances and inputs")
    elif not isinstance(request["instances"], list) or not request["instances"]:
        raise GoldenFault("instances: expected an array of at least one row")
    else:
        rows = [read_row(row, f"instances[{i}]", schema) for i, row in enumerate(request["instances"])]
    return np.array(rows, np.float64)


# ---- what is expected ----

def read_tolerance(document, outer):
    tolerance = tuple(document.get(name, usual) for name, usual in zip(("absolute", "relative"), outer))
    for name, value in zip(("absolute", "relative"), tolerance):
        if not is_number(value) or not 0 <= value < float("inf"):
            raise GoldenFault(f"{name}: expected a number, 0 or more")
    return tolerance


def check_expected(expected):
    """Raises GoldenFault when it is of no use, whatever the model answers."""
    keys = ("prediction", "predictions", "probabilities", "outputs")
    if not isinstance(expected, dict) or not expected or not set(expected) <= set(keys):
        raise GoldenFault("expected: expected an object of prediction, predictions, probabilities or outputs")
    outputs = expected.get("outputs", [])
    if not isinstance(outputs, list) or not all(isinstance(output, dict) and isinstance(output.get("name"), str) and
                                                isinstance(output.get("data"), list) for output in outputs):
        raise GoldenFault("expected.outputs: expected tensors with a name and data")


def compare_values(name, got, expected, tolerance):
    """Raises GoldenFault for the first value of the array that is another than expected."""
    values = flatten(expected)
    if len(values) != got.size:
        raise GoldenFault(f"{name}: expected {len(values)} values, got {got.size}")
    for index, (value, wanted) in enumerate(zip(got.ravel().tolist(), values)):
        within = ""
        if isinstance(value, float) and is_number(wanted):
            allowed = tolerance[0] + tolerance[1] * abs(wanted)
            within = f" (tolerance {allowed:.3g})"
            same = (value != value and wanted != wanted) or value == wanted or \
                abs(value - float(got.dtype.type(wanted))) <= allowed
        else:
            value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            same = value == wanted and isinstance(value, str) == isinstance(wanted, str)
        if not same:
            place = "".join(f"[{i}]" for i in np.unravel_index(index, got.shape))
            raise GoldenFault(f"{name}{place}: expected {json.dumps(wanted)}, got {json.dumps(value)}{within}")


def first(arrays):
    return next((array for array in arrays if array is not None), None)


def find_prediction(arrays, regression):
    """(prediction, probabilities) as the service's answer has them, each None where there is none."""
    single = [a for a in arrays if a.ndim == 1 or (a.ndim == 2 and a.shape[1] == 1)]
    kind = first(a for a in single if a.dtype.kind != "f")
    score = first(a for a in single if a.dtype.kind == "f")
    rows = first(a for a in arrays if a.dtype.kind == "f" and a.ndim == 2 and a.shape[1] > 1)
    if regression:
        return first((score, kind, rows)), None
    if kind is not None or rows is not None:
        return first((kind, None if rows is None else rows.argmax(axis=1))), rows
    return (None, None) if score is None else ((score.ravel() >= 0.5).astype(int), score)


def find_labels(arrays):
    """The same where several labels may hold at once."""
    rows = [a for a in arrays if a.ndim == 2 and a.shape[1] > 1]
    held, probabilities = first(a for a in rows if a.dtype.kind in "biu"), first(a for a in rows if a.dtype.kind == "f")
    return first((held, None if probabilities is None else (probabilities >= 0.5).astype(int))), probabilities


def compare_output(arrays, output, tolerance, schema):
    title, array = f"output {output['name']}", arrays.get(output["name"])
    datatype = {described["name"]: described["datatype"] for described in schema["outputs"]}.get(output["name"])
    if array is None:
        raise GoldenFault(f"{title}: the model has no such output")
    if output.get("datatype", datatype) != datatype:
        raise GoldenFault(f"{title}: the model gives {datatype}")
    if output.get("shape", list(array.shape)) != list(array.shape):
        raise GoldenFault(f"{title}: the model gives another shape")
    compare_values(title, array, output["data"], tolerance)


def compare_answer(arrays, expected, tolerance, schema):
    several = schema.get("kind") == "multilabel"
    prediction, probabilities = find_labels(list(arrays.values())) if several else \
        find_prediction(list(arrays.values()), schema["task"] == "regression")
    for output in expected.get("outputs", []):
        compare_output(arrays, output, tolerance, schema)
    for key, array in (("prediction", prediction), ("predictions", prediction), ("probabilities", probabilities)):
        if key in expected and array is None:
            raise GoldenFault(f"{key}: the model gives none")
        if key in expected:
            compare_values(key, array, expected[key], tolerance)


# ---- the gate ----

def read_document(path):
    """The first golden.json beside the model or in the folder above: (its path, what is in it), or (None, None)."""
    beside = os.path.dirname(os.path.abspath(path))
    for folder in (beside, os.path.dirname(beside)):
        golden = os.path.join(folder, "golden.json")
        if not os.path.exists(golden):
            continue
        try:
            if os.path.getsize(golden) > BYTES_MAX:
                raise ValueError(f"is larger than {BYTES_MAX >> 20} MiB")
            with open(golden, encoding="utf-8") as file:
                return golden, json.load(file)
        except (OSError, ValueError, RecursionError) as error:
            raise GoldenFault(f"{golden}: {error}") from error
    return None, None


def pass_golden(path, schema, answer):
    """Has the model at `path` answer its golden requests by answer(rows), which gives a dict of arrays. Returns the
    rows of all of them, None without any. GoldenFault names the first answer that is another than expected."""
    golden, document = read_document(path)
    if golden is None:
        return None
    place, rows = "", []
    try:
        know_keys(document, "absolute", "relative", "requests")
        tolerance, requests = read_tolerance(document, TOLERANCE), document.get("requests")
        if not isinstance(requests, list) or not 0 < len(requests) <= REQUESTS_MAX:
            raise GoldenFault(f"requests: expected an array of 1 to {REQUESTS_MAX} requests")
        for i, request in enumerate(requests):
            place = f"requests[{i}]: "
            know_keys(request, "features", "instances", "inputs", "expected", "absolute", "relative")
            check_expected(request.get("expected"))
            rows.append(read_rows(request, schema))
            compare_answer(answer(rows[-1]), request["expected"], read_tolerance(request, tolerance), schema)
    except Exception as error:      # what the model raises fails it, too
        text = str(error) if isinstance(error, GoldenFault) else f"{type(error).__name__}: {error}"
        raise GoldenFault(f"{golden}: {place}{text}") from error
    return np.concatenate(rows)
