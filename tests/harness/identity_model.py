"""Models in ONNX that answer what they are asked: one output for each input, of any datatype. Written byte by byte, so
that no package is needed for it.

    write(folder / "echo/1/model.onnx", {"A": ("FP32", [4]), "B": ("BYTES", [1])})     answers OUT_A, OUT_B
"""
# Numbers of TensorProto.DataType in onnx.proto.
TYPES = {"FP32": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7, "BYTES": 8, "BOOL": 9,
         "FP16": 10, "FP64": 11, "UINT32": 12, "UINT64": 13, "BF16": 16}


def varint(value):
    out = b""
    while value > 0x7f:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, *parts):
    content = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return varint(field << 3 | 2) + varint(len(content)) + content


def value(field, name, datatype, columns):
    """A ValueInfoProto: rows of any number, columns as given; -1 for one that varies."""
    names = iter("abcdefgh")
    dimensions = [message(1, message(2, "rows"))]
    dimensions += [message(1, message(2, next(names)) if size < 0 else number(1, size)) for size in columns]
    shape = message(2, *dimensions)
    return message(field, message(1, name), message(2, message(1, number(1, TYPES[datatype]), shape)))


def model(inputs):
    """The bytes of a model; inputs: {name: (datatype, columns)}."""
    nodes = [message(1, message(1, name), message(2, "OUT_" + name), message(4, "Identity")) for name in inputs]
    graph = nodes + [message(2, "identity")]
    graph += [value(11, name, *kind) for name, kind in inputs.items()]
    graph += [value(12, "OUT_" + name, *kind) for name, kind in inputs.items()]
    return number(1, 8) + message(7, *graph) + message(8, number(2, 16))


def write(path, inputs):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model(inputs))
