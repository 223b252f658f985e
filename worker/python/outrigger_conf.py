"""model.conf, read as libconfig reads it: sections as dicts, lists and arrays as lists. The supervisor has checked
every file of its own repository; a worker elsewhere is told here what it cannot understand.
"""
import math
import os
import re

TOKEN = re.compile(r"""(?P<space>\s+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
    | (?P<string>"(?:\\.|[^"\\])*")
    | (?P<number>[-+]?(?:0[xX][0-9A-Fa-f]+L{0,2}|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?L{0,2}))
    | (?P<name>[A-Za-z*][-A-Za-z0-9_*]*)
    | (?P<include>@include)
    | (?P<sign>[={}()\[\];,:])""", re.DOTALL | re.VERBOSE)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "a": "\a", "b": "\b", "v": "\v"}
INCLUDE_DEPTH = 10
CLOSES = {"{": "}", "(": ")", "[": "]"}


class ConfFault(ValueError):
    """What is wrong with model.conf."""


def unescape(text):
    return re.sub(r"\\(x[0-9A-Fa-f]{2}|.)",
                  lambda found: chr(int(found[1][1:], 16)) if len(found[1]) == 3
                  else ESCAPES.get(found[1], found[1]), text[1:-1], flags=re.DOTALL)


def tokens_of(path, depth=0):
    """Pairs of kind and text, those of included files in their places."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    at, found = 0, []
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            raise ConfFault(f"{path}:{text.count(chr(10), 0, at) + 1}: syntax error")
        at = token.end()
        if found and found[-1][0] == "include" and token.lastgroup == "string":
            found.pop()
            if depth >= INCLUDE_DEPTH:
                raise ConfFault(f"{path}: included too deep")
            found += tokens_of(os.path.join(os.path.dirname(path), unescape(token[0])), depth + 1)
        elif token.lastgroup != "space":
            found.append((token.lastgroup, token[0]))
    return found


class Parser:
    def __init__(self, tokens):
        self.tokens, self.at = tokens, 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self):
        token = self.peek()
        self.at += 1
        return token

    def settings(self, end):
        found = {}
        while self.peek()[1] != end:
            kind, name = self.take()
            if kind != "name" or self.take()[1] not in ("=", ":"):
                raise ConfFault(f"model.conf: syntax error at {name or 'its end'}")
            found[name] = self.value()
            if self.peek()[1] in (";", ","):
                self.take()
        self.take()
        return found

    def elements(self, end):
        found = []
        while self.peek()[1] != end:
            found.append(self.value())
            if self.peek()[1] == ",":
                self.take()
        self.take()
        return found

    def value(self):
        kind, text = self.take()
        if kind == "string":
            parts = [text]
            while self.peek()[0] == "string":       # parts of one text
                parts.append(self.take()[1])
            return "".join(map(unescape, parts))
        if kind == "number":
            digits = text.rstrip("L")
            if re.fullmatch(r"[-+]?\d+", digits):
                return int(digits)
            return int(digits, 16) if "x" in digits.lower() else float(digits)
        if kind == "name" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if text in CLOSES:
            return self.settings("}") if text == "{" else self.elements(CLOSES[text])
        raise ConfFault(f"model.conf: syntax error at {text or 'its end'}")


def read_conf(path):
    """The settings as a dict; an empty one when there is no such file."""
    if not path or not os.path.exists(path):
        return {}
    return Parser(tokens_of(path)).settings("")


# ---- the columns: PROTOCOL.md section 7 ----

MEMBERS = {"name": "name", "description": "description", "type": "type", "minimum": "min", "min": "min",
           "maximum": "max", "max": "max", "allowed": "allowed", "required": "required", "default": "default"}
TYPES = ("number", "integer", "boolean")    # a model in Python takes no strings


def is_number(value):
    return isinstance(value, (bool, int, float)) and not math.isinf(value)


def read_field(index, given, allow_nan):
    if not isinstance(given, dict) or not isinstance(given.get("name"), str) or not given["name"]:
        raise ConfFault(f"model.conf: inputs[{index}]: expected a column with a name")
    place = f"model.conf: inputs[{index}] ({given['name']})"
    for key in given:
        if key not in MEMBERS:
            raise ConfFault(f"{place}: unknown key {key}")
    field = {MEMBERS[key]: value for key, value in given.items()}
    if field.get("required") is False and "default" not in field:
        if not allow_nan:
            raise ConfFault(f"{place}: may be left out and has no default")
        field["default"] = math.nan
    if "default" in field:
        field["required"] = False
    values = [field[key] for key in ("min", "max", "default") if key in field] + list(field.get("allowed", []))
    if field.get("type", "number") not in TYPES or not all(map(is_number, values)):
        raise ConfFault(f"{place}: the model takes no string there")
    if field.get("min", -math.inf) > field.get("max", math.inf):
        raise ConfFault(f"{place}: the minimum is above the maximum")
    return field


def read_fields(conf, width, allow_nan):
    """The schema's `fields` for a model with rows of `width` values; empty when model.conf has no inputs."""
    inputs = conf.get("inputs", [])
    if inputs and len(inputs) != width:
        raise ConfFault(f"model.conf: inputs: {len(inputs)} columns, but a row of the model has {width} values")
    fields = [read_field(index, given, allow_nan) for index, given in enumerate(inputs)]
    names = [field["name"] for field in fields]
    if len(set(names)) < len(names):
        raise ConfFault("model.conf: inputs: a name stands there twice")
    if names and conf.get("features", names) not in (names, []):
        raise ConfFault("model.conf: features: has other names than inputs")
    return fields
