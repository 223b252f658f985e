#!/usr/bin/python3
"""What `outrigger optimize` has done to a model in ONNX: each word of the command line below reads a file and writes
another. What is gained and lost is not looked at here: the command asks the engine that serves.

    optimize.py dynamic-int8 IN OUT                         weights in 8 bits, activations as each batch needs
    optimize.py expose IN OUT                               a model that answers the ranges of IN's activations
    optimize.py static-int8 IN OUT --ranges FILE            weights and activations in 8 bits, by those ranges
    optimize.py prune IN OUT --share 0.5                    the smallest weights are 0
    optimize.py distill IN OUT --rows FILE --targets FILE --hidden 32   a small net that answers as IN does
    optimize.py export MODEL OUT                            scikit-learn's or XGBoost's model in ONNX
    optimize.py answers MODEL OUT --rows FILE               what that itself answers to the rows, and how fast

FILEs are float32, little-endian, row by row. What is printed is one object of JSON; what goes wrong is one line on
standard error, and an exit status of 1. SPDX-License-Identifier: MIT
"""
import os
for _library in ("OMP", "OPENBLAS", "MKL", "BLIS"):
    os.environ.setdefault(_library + "_NUM_THREADS", "1")     # before numpy loads: the order of a sum is part of it

import argparse
import importlib.util
import json
import sys

# What is imported, and Debian's package of it.
PACKAGES = {"numpy": "python3-numpy", "onnx": "python3-onnx", "sklearn": "python3-sklearn", "xgboost": "python3-xgboost"}
GRAPHS = ("numpy", "onnx")
NEEDS = {"dynamic-int8": GRAPHS, "expose": GRAPHS, "static-int8": GRAPHS, "prune": GRAPHS,
         "distill": (*GRAPHS, "sklearn"), "export": GRAPHS, "answers": ("numpy",)}


class Unable(Exception):
    """Why a model cannot be made; one line for people."""


def need(names) -> None:
    missing = [PACKAGES[name] for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise Unable(f"{sys.executable} lacks what this needs: apt-get install {' '.join(missing)}")


def arguments():
    parser = argparse.ArgumentParser(description="Rewrites a model for outrigger optimize.")
    parser.add_argument("work", choices=NEEDS)
    parser.add_argument("model")
    parser.add_argument("output")
    parser.add_argument("--ranges")
    parser.add_argument("--share", type=float)
    parser.add_argument("--rows")
    parser.add_argument("--columns", type=int)
    parser.add_argument("--targets")
    parser.add_argument("--hidden", type=lambda text: [int(units) for units in text.split(",")])
    return parser.parse_args()


def read_floats(path: str, columns: int):
    import numpy as np
    values = np.fromfile(path, dtype="<f4")
    if columns < 1 or len(values) == 0 or len(values) % columns != 0:
        raise Unable(f"{path}: {len(values)} numbers are no rows of {columns}")
    return values.reshape(-1, columns)


def export(said) -> dict:
    import exporting
    model, kind = exporting.convert(exporting.load(said.model, need))
    write(model, said.output)
    return {"kind": kind}


def answers(said) -> dict:
    import exporting
    return exporting.answer(exporting.load(said.model, need), read_floats(said.rows, said.columns), said.output)


def distill(said) -> dict:
    import distilling
    import onnx
    rows = read_floats(said.rows, said.columns)
    targets = read_floats(said.targets, os.path.getsize(said.targets) // 4 // len(rows))
    model, notes = distilling.student(onnx.load(said.model), rows, targets, said.hidden)
    write(model, said.output)
    return notes


def rewrite(said) -> dict:
    import onnx
    import rewriting
    model = onnx.load(said.model)
    if said.work == "dynamic-int8":
        notes = rewriting.dynamic_int8(model)
    elif said.work == "expose":
        notes = rewriting.expose(model)
    elif said.work == "static-int8":
        columns = 2 * len(rewriting.products(model))
        notes = rewriting.static_int8(model, read_floats(said.ranges, columns))
    else:
        notes = rewriting.prune(model, said.share)
    write(model, said.output)
    return notes


def write(model, path: str) -> None:
    import onnx
    onnx.checker.check_model(model)
    with open(path, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))


def main() -> int:
    said = arguments()
    try:
        need(NEEDS[said.work])
        work = {"export": export, "answers": answers, "distill": distill}.get(said.work, rewrite)
        print(json.dumps(work(said)))
    except Unable as fault:
        print(fault, file=sys.stderr)
        return 1
    except Exception as fault:      # of a library, about a file that it cannot read
        print(f"{said.model}: {type(fault).__name__}: {' '.join(str(fault).split())[:400]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.modules["optimize"] = sys.modules["__main__"]       # Unable is one class, whoever imports it
    sys.exit(main())
