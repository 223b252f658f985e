"""From fitted scikit-learn models to ONNX, by hand.

One function per kind of model, each a page; nothing is looked up or guessed, so
what the served model computes can be read here. Every model takes

    features       float32 [batch, columns]

a classifier answers

    label          int64   [batch]             the class's index
    probabilities  float32 [batch, classes]    in the order of the classes

and a regression answers

    prediction     float32 [batch, 1]

scikit-learn computes in float64, these models in float32. What keeps the two
within 1e-5 of each other is said where it happens. The operators are old ones
(opset 13, ai.onnx.ml 1, IR version 7) so that every ONNX Runtime in use reads them.
"""

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

OPSET = 13
ML_OPSET = 1
IR_VERSION = 7

tensor = helper.make_tensor_value_info

Batch = "str | int"     # the name of a free batch dimension, or a fixed size


class Graph:
    """Collects nodes and constants in the order in which they are computed."""

    def __init__(self, columns: int, batch: Batch):
        self.columns = columns
        self.batch = batch
        self.nodes: list = []
        self.constants: list = []
        self.declared: list = []        # types that the checker cannot infer

    def constant(self, name: str, values) -> str:
        array = np.ascontiguousarray(values, dtype=np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, inputs: list, output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def dense(self, value: str, output: str, weights, bias) -> str:
        """value @ weights + bias; weights are [inputs, outputs], as in scikit-learn's MLP."""
        return self.node("Gemm", [value, self.constant(output + "_weights", weights),
                                  self.constant(output + "_bias", bias)], output)

    def axis(self) -> str:
        """The constant 1, as an axis."""
        self.constants.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
        return "axis"

    def layers(self, value: str, weights: list, biases: list) -> str:
        """A Gemm for each layer, with a Relu between them. Those that are the very same array are written once and
        named by each: how a deep net may stay small on disk."""
        written: dict = {}

        def shared(array, kind: str) -> str:
            if id(array) not in written:
                written[id(array)] = self.constant(f"{kind}_{len(written)}", array)
            return written[id(array)]

        for layer, (matrix, bias) in enumerate(zip(weights, biases)):
            inputs = [value, shared(matrix, "weights"), shared(bias, "bias")]
            value = self.node("Gemm", inputs, f"dense_{layer}")
            if layer < len(weights) - 1:
                value = self.node("Relu", [value], f"hidden_{layer}")
        return value

    def finish_classifier(self, name: str, classes: int) -> ModelProto:
        """`probabilities` is computed; the label is the first of the largest, as in numpy."""
        self.node("ArgMax", ["probabilities"], "label", axis=1, keepdims=0)
        return self.finish(name, [
            tensor("label", TensorProto.INT64, [self.batch]),
            tensor("probabilities", TensorProto.FLOAT, [self.batch, classes])])

    def finish_regression(self, name: str) -> ModelProto:
        return self.finish(name, [tensor("prediction", TensorProto.FLOAT, [self.batch, 1])])

    def finish(self, name: str, outputs: list, feature: str = "features") -> ModelProto:
        features = tensor(feature, TensorProto.FLOAT, [self.batch, self.columns])
        graph = helper.make_graph(self.nodes, name, [features], outputs, self.constants,
                                  value_info=self.declared)
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == "ai.onnx.ml" for node in self.nodes):
            opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION,
                                  producer_name="onnx_convert")
        checker.check_model(model, full_check=True)
        return model


def fold_scaler(scaler, weights, bias):
    """A StandardScaler and the dense layer behind it as one dense layer, computed in float64.

    ((x - mean) / scale) @ W + b  =  x @ (W / scale) + (b - (mean / scale) @ W)
    """
    weights = weights / scaler.scale_[:, np.newaxis]
    return weights, bias - scaler.mean_ @ weights


def logistic_two_classes(name: str, scaler, model, batch: Batch) -> ModelProto:
    """Gemm, Sigmoid, ArgMax.

    The Gemm has two columns, -z and z: sigmoid(-z) is 1 - sigmoid(z), without the
    digits that a subtraction loses and without a second operator.
    """
    weights, bias = fold_scaler(scaler, model.coef_.T, model.intercept_)
    graph = Graph(len(weights), batch)
    graph.dense("features", "scores", np.hstack([-weights, weights]), np.hstack([-bias, bias]))
    graph.node("Sigmoid", ["scores"], "probabilities")
    return graph.finish_classifier(name, 2)


def logistic_many_classes(name: str, scaler, model, batch: Batch) -> ModelProto:
    """Gemm, Softmax, ArgMax: multinomial logistic regression."""
    weights, bias = fold_scaler(scaler, model.coef_.T, model.intercept_)
    graph = Graph(len(weights), batch)
    graph.dense("features", "scores", weights, bias)
    graph.node("Softmax", ["scores"], "probabilities", axis=1)
    return graph.finish_classifier(name, len(model.classes_))


def ridge(name: str, scaler, model, batch: Batch) -> ModelProto:
    """One Gemm."""
    weights, bias = fold_scaler(scaler, model.coef_[:, np.newaxis], np.atleast_1d(model.intercept_))
    graph = Graph(len(weights), batch)
    graph.dense("features", "prediction", weights, bias)
    return graph.finish_regression(name)


def mlp(name: str, scaler, model, batch: Batch) -> ModelProto:
    """A Gemm with Relu per hidden layer, a Gemm, Softmax, ArgMax. `scaler` may be None."""
    weights, biases = list(model.coefs_), list(model.intercepts_)
    if scaler is not None:
        weights[0], biases[0] = fold_scaler(scaler, weights[0], biases[0])
    graph = Graph(len(weights[0]), batch)
    graph.node("Softmax", [graph.layers("features", weights, biases)], "probabilities", axis=1)
    return graph.finish_classifier(name, len(model.classes_))


def round_down(thresholds) -> np.ndarray:
    """The largest float32 that is not above each float64.

    A tree asks x <= t with a float32 x and a float64 t. For every float32 x that is
    the same question as x <= round_down(t); rounding to the nearest instead may lift
    t to an x that lies above it, and that x would change sides.
    """
    nearest = np.asarray(thresholds).astype(np.float32)
    lower = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > thresholds, lower, nearest)


class Trees:
    """Collects trees for a TreeEnsembleRegressor, which adds the values of the leaves that a row comes to.

    A sum is asked for as a regression and not from TreeEnsembleClassifier: the classifier's rules for one score and
    two classes differ between releases, a sum does not.
    """

    def __init__(self):
        self.nodes: dict = {key: [] for key in (
            "treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")}
        self.missing: list = []         # whether a missing value is as one that the question is true of
        self.leaves: dict = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}

    def _add(self, tree, node, mode, feature, value, true, false) -> None:
        for key, entry in zip(("treeids", "nodeids", "modes", "featureids", "values", "truenodeids", "falsenodeids"),
                              (tree, node, mode, feature, value, true, false)):
            self.nodes[key].append(entry)

    def branch(self, tree: int, node: int, mode: str, feature: int, value: float, true: int, false: int,
               missing: bool = False) -> None:
        self._add(tree, node, mode, feature, value, true, false)
        self.missing.append(int(missing))

    def leaf(self, tree: int, node: int, weights: dict) -> None:
        """`weights`: by target."""
        self._add(tree, node, "LEAF", 0, 0.0, 0, 0)
        self.missing.append(0)
        for target, weight in weights.items():
            for key, entry in zip(("treeids", "nodeids", "ids", "weights"), (tree, node, target, weight)):
                self.leaves[key].append(entry)

    def write(self, graph: Graph, output: str, targets: int, base: list) -> str:
        missing = {"nodes_missing_value_tracks_true": self.missing} if any(self.missing) else {}
        graph.node("TreeEnsembleRegressor", ["features"], output, domain="ai.onnx.ml",
                   n_targets=targets, aggregate_function="SUM", post_transform="NONE", base_values=base,
                   **{"nodes_" + key: values for key, values in self.nodes.items()},
                   **{"target_" + key: values for key, values in self.leaves.items()}, **missing)
        graph.declared.append(tensor(output, TensorProto.FLOAT, [graph.batch, targets]))
        return output

    def add_scikit_tree(self, number: int, tree, leaf) -> None:
        """`leaf` makes of what stands at a leaf its weights."""
        thresholds = round_down(tree.threshold)
        for node in range(tree.node_count):
            if tree.children_left[node] < 0:
                self.leaf(number, node, leaf(tree.value[node]))
            else:
                self.branch(number, node, "BRANCH_LEQ", int(tree.feature[node]), float(thresholds[node]),
                            int(tree.children_left[node]), int(tree.children_right[node]))


def finish_log_odds(graph: Graph, name: str) -> ModelProto:
    """Of `log_odds`, one number a row: -z and z, Sigmoid, ArgMax."""
    graph.node("Mul", ["log_odds", graph.constant("signs", [[-1.0, 1.0]])], "scores")
    graph.node("Sigmoid", ["scores"], "probabilities")
    return graph.finish_classifier(name, 2)


def boosted_trees(name: str, model, columns: int, batch: Batch) -> ModelProto:
    """Of two classes: a sum of trees for the log-odds."""
    trees = Trees()
    for number, estimator in enumerate(model.estimators_[:, 0]):
        trees.add_scikit_tree(number, estimator.tree_,
                              lambda value: {0: float(model.learning_rate * value[0, 0])})
    positive = model.init_.class_prior_[1]      # boosting starts at the log-odds of its share
    graph = Graph(columns, batch)
    trees.write(graph, "log_odds", 1, [float(np.log(positive / (1 - positive)))])
    return finish_log_odds(graph, name)


def forest(name: str, model, trees_of_it: list, columns: int, batch: Batch, classes: int) -> ModelProto:
    """A tree, or the mean of many: shares of the classes at each leaf, or, of a regression (0 classes), a number."""
    trees, count = Trees(), len(trees_of_it)

    def leaf(value) -> dict:
        shares = value[0] / value[0].sum() if classes else value[0]
        return {target: float(share / count) for target, share in enumerate(shares) if share != 0 or not classes}

    for number, estimator in enumerate(trees_of_it):
        trees.add_scikit_tree(number, estimator.tree_, leaf)
    graph = Graph(columns, batch)
    if classes:
        trees.write(graph, "probabilities", classes, [0.0] * classes)
        return graph.finish_classifier(name, classes)
    trees.write(graph, "prediction", 1, [0.0])
    return graph.finish_regression(name)
