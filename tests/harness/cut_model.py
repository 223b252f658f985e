"""A model in ONNX cut in two where one tensor passes: the first half gives it, the second takes it, so that both one
behind the other compute what the whole does. Read and written byte by byte, so that no package is needed for it.

    cut(REPOSITORY / "digits-mlp/1/model.onnx", "hidden_0", 128, folder / "front/1", folder / "back/1")
"""
from identity_model import message, value

NODE, INITIALIZER, OUTPUT = 1, 5, 12  # fields of GraphProto


def varint_at(data, at):
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return result, at


def fields(data):
    """(number, its bytes with the key, its content) of each field of a message."""
    at = 0
    while at < len(data):
        begin = at
        key, at = varint_at(data, at)
        content = None
        if key & 7 == 2:
            length, at = varint_at(data, at)
            content = data[at:at + length]
            at += length
        elif key & 7 == 0:
            _, at = varint_at(data, at)
        else:
            at += 8 if key & 7 == 1 else 4
        yield key >> 3, data[begin:at], content


def texts(content, number):
    return [text.decode() for field, _, text in fields(content) if field == number]


def half(model, nodes, inputs, outputs):
    """The model with those nodes alone, and the initializers that they use."""
    graph = next(content for number, _, content in fields(model) if number == 7)
    used = {name for node in nodes for name in texts(node, 1)}
    kept = [raw for number, raw, content in fields(graph)
            if number == INITIALIZER and texts(content, 8)[0] in used]
    parts = [message(NODE, node) for node in nodes] + [message(2, "half")] + kept + inputs + outputs
    return b"".join(raw for number, raw, _ in fields(model) if number != 7) + message(7, *parts)


def cut(path, tensor, columns, front, back):
    model = path.read_bytes()
    graph = next(content for number, _, content in fields(model) if number == 7)
    nodes = [content for number, _, content in fields(graph) if number == NODE]
    ends = {number: [raw for field, raw, _ in fields(graph) if field == number] for number in (11, OUTPUT)}
    at = 1 + next(index for index, node in enumerate(nodes) if tensor in texts(node, 2))
    for folder, some, inputs, outputs in (
            (front, nodes[:at], ends[11], [value(OUTPUT, tensor, "FP32", [columns])]),
            (back, nodes[at:], [value(11, tensor, "FP32", [columns])], ends[OUTPUT])):
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(half(model, some, inputs, outputs))
