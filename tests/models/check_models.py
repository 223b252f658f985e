#!/usr/bin/python3
"""Runs the models in ONNX Runtime and compares every held-out answer with scikit-learn's.

    python3 check_models.py [--timing] [FOLDER]     (default: the folder of this file)

needs onnxruntime for Python (Debian 13: python3-onnxruntime; Debian 12 has none). Without
it nothing is checked, which it says, and it exits with 77. It exits with 1 if an answer
differs by more than the tolerance or a class differs. With --timing it also prints the
microseconds of a call, on one thread.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

try:
    import onnxruntime
except ImportError:
    print("check_models: no onnxruntime for Python: NOTHING WAS CHECKED", file=sys.stderr)
    sys.exit(77)

CHECKED_BATCHES = (1, 7, 64, 1000)
TIMED_BATCHES = (1, 8, 32, 128)


def open_model(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare(session, heldout: dict, batch: int) -> tuple:
    """(largest difference, classes that differ) over the rows, repeated to fill a batch."""
    features = np.array(heldout["features"], dtype=np.float32)
    classifier = "labels" in heldout
    wanted = np.array(heldout["probabilities" if classifier else "predictions"])
    wanted = wanted.reshape(len(features), -1)
    largest, wrong = 0.0, 0
    for start in range(0, len(features), batch):
        rows = np.arange(start, start + batch) % len(features)
        answer = session.run(None, {"features": features[rows]})
        largest = max(largest, float(np.abs(answer[-1].astype(np.float64) - wanted[rows]).max()))
        if classifier:
            wrong += int((answer[0] != np.array(heldout["labels"])[rows]).sum())
    return largest, wrong


def microseconds(session, heldout: dict, batch: int) -> float:
    """Median over calls of about half a second."""
    features = np.array(heldout["features"], dtype=np.float32)
    rows = {"features": features[np.arange(batch) % len(features)]}
    times = []
    for _ in range(10):
        session.run(None, rows)
    until = time.perf_counter() + 0.5
    while time.perf_counter() < until:
        start = time.perf_counter()
        session.run(None, rows)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e6


def check(name: str, folder: Path, timing: bool) -> bool:
    heldout = json.loads((folder / "heldout" / f"{name}.json").read_text())
    golden = json.loads((folder / "repository" / name / "golden.json").read_text())
    session = open_model(folder / "repository" / name / "1" / "model.onnx")
    fixed = isinstance(session.get_inputs()[0].shape[0], int)

    differences, wrong = [], 0
    for batch in (1,) if fixed else CHECKED_BATCHES:
        difference, differing = compare(session, heldout, batch)
        differences.append(difference)
        wrong += differing
    for case in golden["requests"]:
        answer = session.run(None, {"features": np.array([case["features"]], dtype=np.float32)})
        prediction, probabilities = case["expected"]["prediction"], case["expected"].get("probabilities")
        wanted = [prediction] if probabilities is None else probabilities
        differences.append(float(np.abs(answer[-1][0] - wanted).max()))
        wrong += int(probabilities is not None and prediction != answer[0][0])

    good = max(differences) <= heldout["tolerance"] and wrong == 0
    line = f"{name:16} {len(heldout['features']):4} rows   "
    line += f"largest difference {max(differences):.1e}   classes that differ {wrong}   "
    line += "ok" if good else "WRONG"
    if timing:
        line += "   us per call"
        for batch in (1,) if fixed else TIMED_BATCHES:
            line += f"  {batch}: {microseconds(session, heldout, batch):.1f}"
    print(line)
    return good


def main() -> None:
    arguments = sys.argv[1:]
    timing = "--timing" in arguments
    paths = [argument for argument in arguments if argument != "--timing"]
    folder = Path(paths[0]) if paths else Path(__file__).resolve().parent
    print(f"onnxruntime {onnxruntime.__version__}")
    names = sorted(path.parent.name for path in folder.glob("repository/*/model.conf"))
    results = [check(name, folder, timing) for name in names]
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
