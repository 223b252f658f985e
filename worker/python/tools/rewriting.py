"""Graphs of ONNX rewritten by hand: products with constant weights, that is Gemm and MatMul, in 8 bits or with zeros.

Eight bits. A weight w of a column becomes round(w / scale) with scale = largest |w| of the column / 63: seven bits and
not eight, because processors without VNNI add two products of 8 bits in 16, and there 2 * 255 * 127 does not fit; with
63 it does, so all machines give the same answer. An activation x becomes round(x / scale) + zero in 0..255.

    dynamic    DynamicQuantizeLinear finds scale and zero from the least and the largest number of a *batch*, so that
               an answer depends, a little, on the rows that it was computed with
    static     they are fixed by rows of calibration; QuantizeLinear, DequantizeLinear (QDQ) around the product say
               so, and the engine makes a product of integers of that

Before that the weights are balanced, where the inputs of a product differ much in how large theirs are: input i is
multiplied by s[i] = sqrt(largest |w| of row i), and row i divided by it. The product is the same, but no row drowns in
the steps of a larger one, and the inputs' own range grows by less. A scaler that was folded into a first layer makes
such rows of nearly constant columns.

Nothing else is changed: not the names of inputs and outputs, nor their types. SPDX-License-Identifier: MIT
"""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from optimize import Unable

WEIGHT_MAX = 63
UNBALANCED = 4              # a row that is so many times larger than the median
OLDEST_OPSET = 13           # DequantizeLinear by columns; the rest is older
REDUCE_BY_INPUT = 18        # from then on axes of ReduceMin are an input


def opset(model) -> int:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


class Product:
    """One Gemm or MatMul by constant weights: activation @ weights (+ bias)."""

    def __init__(self, index: int, node, weights, bias: str):
        self.index = index
        self.node = node
        self.activation = node.input[0]
        self.output = node.output[0]
        self.weights_name = node.input[1]
        self.weights = weights      # [inputs, outputs], alpha in them
        self.bias = bias            # name of what is added; ""
        self.balance = _balance(self.weights)   # of each input; None: they are alike

    @property
    def key(self) -> str:
        """Of what is made of its activation: products of one activation share it where they are balanced alike."""
        return self.activation if self.balance is None else f"{self.activation}_for_{self.output}"


def _balance(weights):
    largest = np.abs(weights).max(axis=1)
    median = np.median(largest[largest > 0]) if (largest > 0).any() else 0
    if median == 0 or largest.max() < UNBALANCED * median:
        return None
    return np.sqrt(np.maximum(largest, median / UNBALANCED) / median).astype(np.float32)


def _attribute(node, name: str, default):
    return next((helper.get_attribute_value(entry) for entry in node.attribute if entry.name == name), default)


def _constants(model) -> dict:
    return {constant.name: constant for constant in model.graph.initializer}


def products(model) -> list:
    """In the order in which they are computed. Refused: a model without any."""
    constants = _constants(model)
    found = []
    for index, node in enumerate(model.graph.node):
        if node.domain not in ("", "ai.onnx") or node.op_type not in ("Gemm", "MatMul"):
            continue
        weights = constants.get(node.input[1])
        if weights is None or weights.data_type != TensorProto.FLOAT or len(weights.dims) != 2:
            continue
        values = numpy_helper.to_array(weights)
        bias = ""
        if node.op_type == "Gemm":
            if _attribute(node, "transA", 0) or (len(node.input) > 2 and _attribute(node, "beta", 1.0) != 1.0):
                continue
            values = values.T if _attribute(node, "transB", 0) else values
            values = values * np.float32(_attribute(node, "alpha", 1.0))
            bias = node.input[2] if len(node.input) > 2 else ""
        found.append(Product(index, node, values, bias))
    if not found:
        raise Unable("there is no Gemm or MatMul with constant weights of float32 in it, which is all that this changes")
    return found


def _quantized(weights):
    """Integers, and the scale of each column."""
    scales = np.abs(weights).max(axis=0) / WEIGHT_MAX
    scales[scales == 0] = 1
    return np.clip(np.round(weights / scales), -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8), scales.astype(np.float32)


class _Change:
    """New nodes for old ones, and constants, each once."""

    def __init__(self, model):
        self.model = model
        self.graph = model.graph
        self.written = set(_constants(model))
        self.nodes = {}         # by the index of the node that they replace
        taken = self.written | {name for node in self.graph.node for name in [*node.input, *node.output]}
        self.prefix = "int8"
        while any(name.startswith(self.prefix) for name in taken):
            self.prefix += "_"

    def name(self, what: str) -> str:
        return f"{self.prefix}_{what}"

    def constant(self, name: str, values) -> str:
        name = self.name(name)
        if name not in self.written:
            self.written.add(name)
            self.graph.initializer.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def weights(self, product: Product) -> tuple:
        alpha = _attribute(product.node, "alpha", 1.0) if product.node.op_type == "Gemm" else 1.0
        turned = _attribute(product.node, "transB", 0) if product.node.op_type == "Gemm" else 0
        label = product.weights_name + (f"_by_{alpha}" if alpha != 1.0 else "") + ("_turned" if turned else "")
        if product.balance is not None:
            label = "balanced_" + product.output
        values, scales = _quantized(product.weights if product.balance is None
                                    else product.weights / product.balance[:, np.newaxis])
        return self.constant(label + "_values", values), self.constant(label + "_scales", scales)

    def activation(self, product: Product, nodes: list) -> str:
        """The name of what is multiplied; what balances it is added to `nodes`."""
        if product.balance is None:
            return product.activation
        balanced = self.name(product.key + "_balanced")
        nodes.append(helper.make_node("Mul", [product.activation,
                                              self.constant(product.key + "_balance", product.balance)], [balanced]))
        return balanced

    def finish(self) -> None:
        nodes = []
        for index, node in enumerate(self.graph.node):
            nodes += self.nodes.get(index, [node])
        del self.graph.node[:]
        self.graph.node.extend(nodes)
        used = {name for node in nodes for name in node.input} | {output.name for output in self.graph.output}
        kept = [constant for constant in self.graph.initializer if constant.name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)
        names = {constant.name for constant in kept}
        inputs = [entry for entry in self.graph.input if entry.name in names or not entry.name in self.written]
        del self.graph.input[:]     # those of old models name their constants there, too
        self.graph.input.extend(inputs)


def _require_opset(model) -> None:
    if opset(model) < OLDEST_OPSET:
        raise Unable(f"its operators are those of opset {opset(model)}; this needs {OLDEST_OPSET} or later")


def dynamic_int8(model) -> dict:
    _require_opset(model)
    found, change, made = products(model), _Change(model), set()
    for product in found:
        nodes, output = [], product.output
        values, scales = change.weights(product)
        x = change.name(product.key)
        if product.key not in made:
            made.add(product.key)
            value = change.activation(product, nodes)
            nodes.append(helper.make_node("DynamicQuantizeLinear", [value],
                                          [x + "_values", x + "_scale", x + "_zero"]))
        y = change.name(output)
        scaled = y + "_scaled" if product.bias else output
        nodes += [helper.make_node("MatMulInteger", [x + "_values", values, x + "_zero"], [y + "_sum"]),
                  helper.make_node("Cast", [y + "_sum"], [y + "_float"], to=TensorProto.FLOAT),
                  helper.make_node("Mul", [x + "_scale", scales], [y + "_scale"]),
                  helper.make_node("Mul", [y + "_float", y + "_scale"], [scaled])]
        if product.bias:
            nodes.append(helper.make_node("Add", [scaled, product.bias], [output]))
        change.nodes[product.index] = nodes
    change.finish()
    return {"products": len(found)}


def expose(model) -> dict:
    """One output, `ranges`: of each product's activation the least and the largest number of each row."""
    found, change = products(model), _Change(model)
    nodes, names = list(model.graph.node), []
    for number, product in enumerate(found):
        value = change.activation(product, nodes)
        nodes.append(helper.make_node("Flatten", [value], [f"exposed_{number}"], axis=1))
        for operator in ("ReduceMin", "ReduceMax"):
            name = f"exposed_{number}_{operator}"
            if opset(model) >= REDUCE_BY_INPUT:
                if not names:
                    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "exposed_axes"))
                nodes.append(helper.make_node(operator, [f"exposed_{number}", "exposed_axes"], [name], keepdims=1))
            else:
                nodes.append(helper.make_node(operator, [f"exposed_{number}"], [name], axes=[1], keepdims=1))
            names.append(name)
    nodes.append(helper.make_node("Concat", names, ["ranges"], axis=1))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    rows = batch.dim_value if batch.HasField("dim_value") else batch.dim_param or "batch"
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("ranges", TensorProto.FLOAT, [rows, len(names)]))
    return {"products": len(found)}


def static_int8(model, ranges) -> dict:
    """`ranges` is what the exposed model answers, row by row."""
    _require_opset(model)
    found, change, made = products(model), _Change(model), set()
    if not np.isfinite(ranges).all():
        raise Unable("the rows of calibration make numbers that are not finite")
    for number, product in enumerate(found):
        lowest = min(0.0, float(ranges[:, 2 * number].min()))
        highest = max(0.0, float(ranges[:, 2 * number + 1].max()))
        scale = np.float32((highest - lowest) / 255) or np.float32(1)
        zero = np.uint8(np.clip(np.round(-lowest / scale), 0, 255))
        nodes, output = [], product.output
        values, scales = change.weights(product)
        x, y = change.name(product.key), change.name(output)
        if product.key not in made:
            made.add(product.key)
            by = [change.constant(product.key + "_scale", scale), change.constant(product.key + "_zero", zero)]
            value = change.activation(product, nodes)
            nodes += [helper.make_node("QuantizeLinear", [value, *by], [x + "_values"]),
                      helper.make_node("DequantizeLinear", [x + "_values", *by], [x + "_float"])]
        product_name = y + "_product" if product.bias else output
        zeros = change.constant(f"zeros_{len(product.weights[0])}", np.zeros(len(product.weights[0]), np.int8))
        nodes += [helper.make_node("DequantizeLinear", [values, scales, zeros], [y + "_weights"], axis=1),
                  helper.make_node("MatMul", [x + "_float", y + "_weights"], [product_name])]
        if product.bias:
            nodes.append(helper.make_node("Add", [product_name, product.bias], [output]))
        change.nodes[product.index] = nodes
    change.finish()
    return {"products": len(found), "calibrated_by": len(ranges)}


def prune(model, share: float) -> dict:
    """That share of the weights of each product, those nearest to 0, is 0."""
    if not 0 < share < 1:
        raise Unable(f"a share of {share} of the weights cannot be taken: above 0 and below 1")
    names = {product.weights_name for product in products(model)}
    zeros = total = 0
    for constant in model.graph.initializer:
        if constant.name not in names:
            continue
        values = numpy_helper.to_array(constant).copy()
        order = np.argsort(np.abs(values), axis=None, kind="stable")
        values.flat[order[:int(share * values.size)]] = 0
        constant.CopyFrom(numpy_helper.from_array(values, constant.name))
        zeros, total = zeros + int((values == 0).sum()), total + values.size
    return {"weights": total, "zeros": zeros}
