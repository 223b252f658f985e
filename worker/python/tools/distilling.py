"""Distillation: a small net learns what a large model answers to rows whose truth nobody needs to know.

The student learns the teacher's scores, not its classes: of probabilities their logarithms, less the row's mean, which
say how near the other classes were (Ba and Caruana, "Do deep nets really need to be deep?"); of a regression the
number. It is a multi-layer perceptron of scikit-learn, trained with a fixed seed, and written with the outputs of the
teacher, so that it is a version of the same model. SPDX-License-Identifier: MIT
"""
import warnings

import numpy as np
from onnx import TensorProto
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

import onnx_convert
from optimize import Unable

SEED = 20
PASSES = 1500
LEAST = 1e-6        # of a probability: what is below counts as that


class Outputs:
    """What the teacher gives: a label and probabilities, or numbers."""

    def __init__(self, model):
        self.label = self.scores = None
        for output in model.graph.output:
            kind = output.type.tensor_type.elem_type
            rank = len(output.type.tensor_type.shape.dim)
            if kind == TensorProto.INT64 and rank == 1 and self.label is None:
                self.label = output
            elif kind == TensorProto.FLOAT and rank <= 2 and self.scores is None:
                self.scores = output
            else:
                raise Unable(f"its output {output.name} is neither one label (int64) nor numbers (float32) a row, "
                             "which is all that a student is taught")
        if self.scores is None:
            raise Unable("it gives no probabilities and no number to learn from")


def student(model, rows, targets, hidden: list) -> tuple:
    """The net, and what is to be told of it."""
    if len(model.graph.input) != 1:
        raise Unable(f"it has {len(model.graph.input)} inputs; a student has one")
    outputs = Outputs(model)
    classes = outputs.label is not None
    if classes and targets.shape[1] < 2:
        raise Unable("it gives one probability; a student is taught one for each class")
    if not hidden or min(hidden) < 1:
        raise Unable("--hidden says how many units each hidden layer has: 32, or 64,32")
    wanted = targets.astype(np.float64)
    if classes:
        wanted = np.log(np.maximum(wanted, LEAST))
        wanted -= wanted.mean(axis=1, keepdims=True)
    inputs, scores = StandardScaler().fit(rows.astype(np.float64)), StandardScaler().fit(wanted)
    net = MLPRegressor(hidden_layer_sizes=tuple(hidden), alpha=1e-3, max_iter=PASSES, tol=1e-6,
                       n_iter_no_change=30, random_state=SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        scaled = scores.transform(wanted)
        net.fit(inputs.transform(rows.astype(np.float64)), scaled if scaled.shape[1] > 1 else scaled.ravel())
    return _written(model, outputs, net, inputs, scores), {"passes": int(net.n_iter_), "rows": len(rows)}


def _written(model, outputs, net, inputs, scores):
    weights, biases = list(net.coefs_), list(net.intercepts_)
    weights[0], biases[0] = onnx_convert.fold_scaler(inputs, weights[0], biases[0])
    weights[-1], biases[-1] = weights[-1] * scores.scale_, biases[-1] * scores.scale_ + scores.mean_
    feature = model.graph.input[0]
    batch = feature.type.tensor_type.shape.dim[0]
    rows = batch.dim_value if batch.HasField("dim_value") else batch.dim_param or "batch"
    graph = onnx_convert.Graph(len(weights[0]), rows)
    value = graph.layers(feature.name, weights, biases)
    made = []
    if outputs.label is not None:
        graph.node("Softmax", [value], outputs.scores.name, axis=1)
        graph.node("ArgMax", [outputs.scores.name], outputs.label.name, axis=1, keepdims=0)
        made.append(onnx_convert.tensor(outputs.label.name, TensorProto.INT64, [rows]))
        made.append(onnx_convert.tensor(outputs.scores.name, TensorProto.FLOAT, [rows, len(biases[-1])]))
    elif len(outputs.scores.type.tensor_type.shape.dim) == 1:
        graph.node("Squeeze", [value, graph.axis()], outputs.scores.name)
        made.append(onnx_convert.tensor(outputs.scores.name, TensorProto.FLOAT, [rows]))
    else:
        graph.node("Identity", [value], outputs.scores.name)
        made.append(onnx_convert.tensor(outputs.scores.name, TensorProto.FLOAT, [rows, len(biases[-1])]))
    order = [output.name for output in model.graph.output]
    made.sort(key=lambda output: order.index(output.name))
    return graph.finish("student", made, feature.name)
