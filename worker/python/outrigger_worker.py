"""The worker for models in Python: `outrigger-worker` as a library in this interpreter, with the model as its engine.

    python3 outrigger_worker.py [outrigger_worker.so] ...the arguments of outrigger-worker

The library (backend_python.c) speaks with the broker, joins requests to batches, counts, keeps the sandbox; what is here
opens the model and computes:

    model.pkl, model.joblib     an estimator of scikit-learn (outrigger_sklearn.py)
    model.py                    a class `Model` of one's own (outrigger.py)

An exception never leaves a function that the library calls.
"""
import os
import signal
import time

STARTED = time.monotonic_ns()

# Before anything starts a thread: these signals are for the library, which waits for them.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(_library + "_NUM_THREADS", "1")     # one worker, one core; before numpy loads
os.environ["JOBLIB_MULTIPROCESSING"] = "0"      # likewise; and no semaphores, which others could share

import ctypes
import ctypes.util
import faulthandler
import io
import json
import logging
import platform
import runpy
import sys
import sysconfig
import traceback

import numpy as np

sys.dont_write_bytecode = True      # what it left in the model's folder would be part of the next digest

import outrigger

RANK_MAX, TENSORS_MAX = 8, 64       # of backend.h
INVALID, FAILED = -2, -1
LEVELS = ((logging.ERROR, 0), (logging.WARNING, 1), (logging.INFO, 2), (logging.NOTSET, 3))
DATATYPES = {"BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1",
             "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
NAMES = {np.dtype(code): name for name, code in DATATYPES.items()}


class Values(ctypes.Structure):
    """struct backend_values."""
    _fields_ = [("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t), ("rank", ctypes.c_uint32),
                ("shape", ctypes.c_int64 * RANK_MAX)]


OPEN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)
RUN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Values), ctypes.POINTER(Values))


class Functions(ctypes.Structure):
    """struct outrigger_python."""
    _fields_ = [("reads", ctypes.c_char_p), ("started", ctypes.c_int64), ("open", OPEN), ("run", RUN)]


# ---- tensors ----

class Tensor:
    """One input or output as the model describes it."""

    def __init__(self, name, kind):
        kind, self.inner = (kind[0], tuple(map(int, kind[1]))) if isinstance(kind, tuple) else (kind, ())
        self.name, self.text, self.dtype = name, False, None
        if kind is str or kind is bytes or (isinstance(kind, str) and kind == "BYTES"):
            self.text = kind is not bytes
        elif isinstance(kind, str) and kind in DATATYPES:
            self.dtype = np.dtype(DATATYPES[kind])
        elif isinstance(kind, str) or np.dtype(kind) not in NAMES:
            raise TypeError(f"{name}: {kind} is no datatype")
        else:
            self.dtype = np.dtype(kind)
        if len(self.inner) >= RANK_MAX:
            raise TypeError(f"{name}: more than {RANK_MAX} dimensions")

    def describe(self):
        return {"name": self.name, "datatype": "BYTES" if self.dtype is None else NAMES[self.dtype],
                "shape": [-1, *self.inner]}

    def zeros(self):
        """One row of them, or of empty strings."""
        shape = [1, *(max(size, 1) for size in self.inner)]
        return np.full(shape, "" if self.text else b"", object) if self.dtype is None else np.zeros(shape, self.dtype)

    def take(self, values):
        """An array of its own of what the library has. ValueError for text that is none."""
        shape = values.shape[:values.rank]
        if self.dtype is not None:
            array = np.empty(shape, self.dtype)
            if values.bytes:
                ctypes.memmove(array.__array_interface__["data"][0], values.data, values.bytes)
            return array
        data, at, elements = ctypes.string_at(values.data, values.bytes), 0, []
        while at < len(data):
            end = at + 4 + int.from_bytes(data[at:at + 4], "little")
            elements.append(data[at + 4:end])
            at = end
        if self.text:
            try:
                elements = [element.decode() for element in elements]
            except UnicodeDecodeError as error:
                raise ValueError(f"{self.name}: expected text in UTF-8") from error
        array = np.empty(len(elements), object)
        array[:] = elements
        return array.reshape(shape)

    def give(self, array, values):
        """Points `values` to the array; returns what must live as long. TypeError when it is something else than the
        model has described."""
        if self.dtype is None:
            elements = [e if isinstance(e, bytes) else str(e).encode() for e in array.ravel().tolist()]
            array, shape = b"".join(len(e).to_bytes(4, "little") + e for e in elements), array.shape
            values.data, values.bytes = ctypes.cast(ctypes.c_char_p(array), ctypes.c_void_p).value, len(array)
        else:
            if array.dtype != self.dtype and not np.can_cast(array.dtype, self.dtype, "same_kind"):
                raise TypeError(f"output {self.name}: {array.dtype} is not {NAMES[self.dtype]}")
            array, shape = np.ascontiguousarray(array, self.dtype), array.shape
            values.data, values.bytes = array.__array_interface__["data"][0], array.nbytes
        values.rank = len(shape)
        values.shape[:len(shape)] = shape
        return array


def kind_of(array):
    """The kind of an output, by one of its answers."""
    dtype = array.dtype.newbyteorder("<")
    return (NAMES.get(dtype, "BYTES"), array.shape[1:])


# ---- the model ----

class Served:
    """A loaded model, and how it is called."""

    def __init__(self, model):
        self.model, self.kept = model, []
        told = model.describe() if hasattr(model, "describe") else \
            {name: getattr(model, name) for name in ("features", "inputs", "outputs", "labels") if hasattr(model, name)}
        features = told.get("features") or 0
        self.names = [] if isinstance(features, int) else [str(name) for name in features]
        width = len(self.names) or int(features)
        self.table = width > 0
        self.inputs = [Tensor("features", ("FP64", (width,)))] if self.table else \
            [Tensor(str(name), kind) for name, kind in (told.get("inputs") or {}).items()]
        self.labels = [str(label) for label in told.get("labels") or ()]
        if not 0 < len(self.inputs) <= TENSORS_MAX:
            raise TypeError("the model says neither its features nor its inputs")
        if not self.table and all(tensor.inner in ((), (1,)) for tensor in self.inputs):
            self.names = [tensor.name for tensor in self.inputs]
        self.outputs = [Tensor(str(name), kind) for name, kind in
                        (told.get("outputs") or self.find_outputs()).items()]
        if not 0 < len(self.outputs) <= TENSORS_MAX:
            raise TypeError("the model has no outputs")

    def find_outputs(self):
        try:
            arrays = self.answer([tensor.zeros() for tensor in self.inputs])
        except Exception as error:
            raise TypeError("the model does not say its outputs, and a row of zeros does not show them: "
                            f"{describe_failure(error)}") from error
        return {name: kind_of(array) for name, array in arrays.items()}

    def answer(self, arrays):
        given = arrays[0] if self.table else {tensor.name: array for tensor, array in zip(self.inputs, arrays)}
        found = self.model.predict(given)
        if not hasattr(found, "items"):
            found = {"prediction": found}
        return {name: np.asarray(values) for name, values in found.items()}

    def description(self):
        return {"platform": "python", "inputs": [tensor.describe() for tensor in self.inputs],
                "outputs": [tensor.describe() for tensor in self.outputs], "features": self.names, "labels": self.labels}

    def run(self, inputs, outputs):
        arrays = [tensor.take(inputs[i]) for i, tensor in enumerate(self.inputs)]
        found = self.answer(arrays)
        try:
            self.kept = [tensor.give(found[tensor.name], outputs[i]) for i, tensor in enumerate(self.outputs)]
        except KeyError as error:
            raise TypeError(f"predict gives no output {error}") from error
        except ValueError as error:     # ours, not of whoever asks
            raise TypeError(str(error)) from error


def find_class(made):
    """The class that model.py makes: one called Model, else the only one that is made of outrigger.Model."""
    own = [value for value in made.values() if isinstance(value, type) and value.__module__ == made["__name__"]]
    for found in ([value for value in own if value.__name__ == "Model"],
                  [value for value in own if issubclass(value, outrigger.Model)]):
        if len(found) == 1:
            return found[0]
    raise TypeError("has no class Model, nor one alone that is made of outrigger.Model")


def load(path, settings, allow_nan):
    """The model at the path. Whatever it raises is why it cannot be served."""
    folder = os.path.dirname(os.path.abspath(path))
    sys.path.insert(0, folder)      # modules beside it
    if path.endswith(".py"):
        model = find_class(runpy.run_path(path, run_name="model"))()
    else:
        from outrigger_sklearn import Estimator
        model = Estimator(path, finite=not allow_nan)
    model.name, model.version, model.settings = *folder.split("/")[-2:], json.loads(settings)
    if not hasattr(model, "log"):
        model.log = outrigger.Model.log
    model.load(folder)
    return model


def one_line(text):
    return " ".join(str(text).split())


def describe_failure(error):
    """What was raised, and by which line of the model's."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if "/outrigger_" not in frame.filename]
    place = f" ({os.path.basename(own[-1].filename)}:{own[-1].lineno}, in {own[-1].name})" if own else ""
    return one_line(f"{type(error).__name__}: {error}") + place


# ---- the log ----

class Log(logging.Handler):
    """Python's log, in ours."""

    def __init__(self, library):
        super().__init__()
        self.library = library

    def write(self, level, text):
        number = next(number for bound, number in LEVELS if level >= bound)
        self.library.outrigger_python_log(number, text.encode(errors="replace"))

    def emit(self, record):
        text = self.format(record)
        self.write(record.levelno, text if record.name in ("model", "root") else f"{record.name}: {text}")


class Lines(io.TextIOBase):
    """What is printed, line by line."""

    def __init__(self, log):
        self.log, self.rest = log, ""

    def write(self, text):
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.log.write(logging.INFO, line)
        return len(text)


# ---- what the library calls ----

class Engine:
    def __init__(self, library, log):
        self.library, self.log, self.served = library, log, None

    def say(self, text):
        self.library.outrigger_python_say(text.encode(errors="replace").replace(b"\0", b""))

    def open(self, path, settings, allow_nan):
        try:
            self.served = Served(load(os.fsdecode(path), settings, allow_nan))
            self.say(json.dumps(self.served.description()))
            return 0
        except BaseException as error:      # of a program that somebody else has written
            self.say(describe_failure(error))
            return FAILED

    def run(self, inputs, outputs):
        try:
            self.served.run(inputs, outputs)
            return 0
        except ValueError as error:
            self.say(one_line(error) or "the model does not take these values")
            return INVALID
        except BaseException as error:
            self.say("the model failed; its worker's log says how")
            self.log.write(logging.ERROR, f"the model raised {describe_failure(error)}")
            return FAILED


def readable():
    """The folders that hold this interpreter and its packages."""
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths += [sys.executable, *sys.path]
    if sys.prefix != sys.base_prefix:
        paths.append(sys.prefix)        # a venv
    kept = []
    for path in sorted({os.path.abspath(path) for path in paths if path and os.path.exists(path)}):
        if not kept or not path.startswith(kept[-1].rstrip("/") + "/"):
            kept.append(path)
    return ":".join(kept)


def find_library(name):
    """ctypes.util's would start ldconfig or a compiler, which a worker may not."""
    return {"c": "libc.so.6", "m": "libm.so.6", "gomp": "libgomp.so.1"}.get(name)


def prepare_imports():
    """What libraries do when they are imported, and no worker may: threadpoolctl (of scikit-learn) looks for libc, pandas
    asks the program uname what processor this is."""
    ctypes.util.find_library = find_library
    platform.processor()        # and remembers it


def find_worker(arguments):
    """(the library, the arguments that are left)."""
    if arguments and arguments[0].endswith(".so"):
        return arguments[0], arguments[1:]
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "outrigger_worker.so"), arguments


def main():
    path, arguments = find_worker(sys.argv[1:])
    faulthandler.enable(all_threads=False)
    library = ctypes.CDLL(path)
    prepare_imports()
    log = Log(library)
    logging.basicConfig(handlers=[log], level=logging.INFO, format="%(message)s")
    logging.captureWarnings(True)
    sys.stdout = Lines(log)
    engine = Engine(library, log)
    functions = Functions(os.fsencode(readable()), STARTED, OPEN(engine.open), RUN(engine.run))
    words = [b"outrigger-worker", *map(os.fsencode, arguments)]
    status = library.outrigger_python_run(len(words), (ctypes.c_char_p * (len(words) + 1))(*words, None),
                                          ctypes.byref(functions))
    os._exit(status)        # whatever threads the model has left


if __name__ == "__main__":
    main()
