#!/usr/bin/python3
"""A worker in Python: serves one version of one model to the broker, as common/PROTOCOL.md says.

Whoever writes a worker for another engine finds here all that the protocol asks for. A model is one of

    model.pkl   a scikit-learn estimator, as pickle or joblib wrote it. A classifier gives `label` and, when it
                has predict_proba, `probabilities`; a regressor gives `prediction`. A pickle is a program:
                serve only what you would run.
    model.py    a class `Model` of your own:

                    class Model:
                        features = 4                  # columns of a row
                        def load(self, directory):    # once; the folder of model.py
                            ...
                        def predict(self, rows):      # numpy float64, [n, features]
                            return {"prediction": array_of_n_rows}

Both take one input, `features` FP64 [-1, n]. What model.conf adds (inputs, names, labels, batching) is read, too. A
golden.json beside the model or in the folder above (outrigger.conf(5)) is passed before the worker says ready.
"""
import os

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(_library + "_NUM_THREADS", "1")     # one worker, one core; before numpy loads

import argparse
import ctypes
import json
import runpy
import secrets
import signal
import socket
import sys
import sysconfig
import threading
import time
import warnings

import msgpack
import numpy as np
import zmq

from outrigger_conf import read_conf, read_fields
from outrigger_golden import GoldenFault, pass_golden

VERSION = 1
READY, RESULT, HEARTBEAT, BYE = 32, 33, 34, 35
BATCH, DRAIN, BEAT = 48, 49, 50
NONE, INVALID, MODEL_FAILED = 0, 1, 10
TEXT_MAX = 512      # bytes of a message
NIL = b"\xc0"
DO_NOT_RESTART = 125    # exit status, to the supervisor: it would end the same way again
INSIDE_MAX = 4096   # bytes of a payload that travels inside the frame of its envelope
FRAME_FULL = 49152  # bytes of a frame that takes no more of them
SILENT_AFTER_BEATS = 3
SILENCE_WARNED_S = 30
GOODBYE_MS = 500    # how long the last messages may take to leave

DATATYPES = {"BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1",
             "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
NAMES = {np.dtype(code): name for name, code in DATATYPES.items()}


# ---- tensors: PROTOCOL.md section 6 ----

def encode_elements(array):
    if array.dtype in NAMES:
        return array.tobytes()
    elements = [e if isinstance(e, bytes) else str(e).encode() for e in array.ravel()]
    return b"".join(len(e).to_bytes(4, "little") + e for e in elements)


def encode_tensors(arrays):
    """The payload of a dict of arrays; whatever is no number becomes BYTES."""
    return msgpack.packb([[name, NAMES.get(array.dtype, "BYTES"), array.shape, encode_elements(array)]
                          for name, array in arrays.items()])


def decode_features(payload, columns):
    """The rows of a request. ValueError when they do not fit the model."""
    try:
        [[name, datatype, shape, data]] = msgpack.unpackb(payload)
        array = np.frombuffer(data, DATATYPES[datatype]).reshape(shape)
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise ValueError("expected one tensor of numbers") from error
    if name != "features" or datatype != "FP64" or array.ndim != 2 or array.shape[1] != columns or len(array) == 0:
        raise ValueError(f"input features: expected FP64 [-1, {columns}], got {name} {datatype} {shape}")
    return array


# ---- models ----

class SklearnModel:
    """A fitted scikit-learn estimator."""

    def __init__(self, path):
        import joblib
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        self.estimator = joblib.load(path)
        self.features = int(self.estimator.n_features_in_)
        self.feature_names = [str(name) for name in getattr(self.estimator, "feature_names_in_", [])]
        self.classes = getattr(self.estimator, "classes_", None)
        texts = isinstance(self.classes, np.ndarray) and self.classes.dtype.kind in "USO"
        self.labels = list(map(str, self.classes)) if texts else []

    def predict(self, rows):
        prediction = np.asarray(self.estimator.predict(rows))
        if self.classes is None:
            return {"prediction": prediction}
        answer = {"label": prediction}
        if hasattr(self.estimator, "predict_proba"):
            answer["probabilities"] = np.asarray(self.estimator.predict_proba(rows), np.float32)
        return answer


class UserModel:
    """The class Model of a model.py."""
    feature_names, labels = [], []

    def __init__(self, path):
        self.model = runpy.run_path(path)["Model"]()
        self.model.load(os.path.dirname(os.path.abspath(path)))
        self.features = int(self.model.features)
        self.predict = self.model.predict


def predict(model, rows):
    """The model's answer as arrays of as many rows. ValueError when it is none."""
    arrays = {name: np.asarray(values) for name, values in model.predict(rows).items()}
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) != len(rows):
            raise ValueError(f"output {name} has not one row for each of the {len(rows)} rows")
    return arrays


# ---- the schema: PROTOCOL.md section 7 ----

PLAIN_TASKS = {"multilabel": "classification", "embedding": "regression"}


def make_schema(model, conf):
    """What READY tells; one row of zeros shows what the outputs are."""
    outputs = predict(model, np.zeros((1, model.features)))
    described = [{"name": name, "datatype": NAMES.get(array.dtype, "BYTES"), "shape": [-1, *array.shape[1:]]}
                 for name, array in outputs.items()]
    labels = conf.get("labels") or model.labels
    allow_nan = bool(conf.get("allow_nan", False))
    fields = read_fields(conf, model.features, allow_nan)
    features = [field["name"] for field in fields] or conf.get("features") or model.feature_names
    if features and len(features) != model.features:
        raise ValueError(f"model.conf: features: {len(features)} names, but a row has {model.features} values")
    is_class = any(not d["datatype"].startswith("FP") or (len(d["shape"]) == 2 and d["shape"][1] > 1)
                   for d in described)
    task = conf.get("task") or ("classification" if labels or is_class else "regression")
    schema = {
        "platform": "python", "description": conf.get("description", ""),
        "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, model.features]}], "outputs": described,
        "features": list(features), "labels": list(labels),
        "task": PLAIN_TASKS.get(task, task),
        "timeout_ms": conf.get("queue", {}).get("timeout_ms", 0), "allow_nan": allow_nan}
    if task in PLAIN_TASKS:
        schema["kind"] = task
    if fields:
        schema["fields"] = fields
    return schema


# ---- warming up ----

def measure(model, batch, likely, end):
    """The seconds that the batch takes: the best of some runs, the last of which agree. None when the time that ends at
    `end` is not enough for one, which is `likely` to take so long."""
    best = None
    for _ in range(10):
        if time.monotonic() + likely > end:
            break
        start = time.monotonic()
        predict(model, batch)
        took = time.monotonic() - start
        best = took if best is None else min(best, took)
        if abs(took - likely) * 5 <= min(took, likely):
            break
        likely = took
    return best


def warm_up(model, rows, most_rows, limit):
    """Computes batches of 1, 2, 4, ... rows, for no more than `limit` seconds: the first requests shall not be slower
    than later ones. `rows` are tried, None: zeros. Returns the costs for READY."""
    rows = np.zeros((1, model.features)) if rows is None else rows
    costs, size, took, end = [], 1, 0, time.monotonic() + limit
    while True:
        try:
            took = measure(model, np.resize(rows, (size, model.features)), took, end)
        except Exception:   # a model that refuses zeros is no bad model
            return costs
        if took is None:
            return costs
        costs.append([size, int(took * 1e6) + 1])
        if size >= most_rows:
            return costs
        took, size = 2 * took, min(2 * size, most_rows)


# ---- frames: PROTOCOL.md section 2 ----

def encode_message(verb, number, fields, payloads):
    """The frames of a message: small payloads inside the first, from the first large one on in frames of their own."""
    head, inside = [msgpack.packb([VERSION, verb, number, *fields])], 0
    size = len(head[0])
    while inside < len(payloads) and len(payloads[inside]) <= INSIDE_MAX and size <= FRAME_FULL:
        head.append(msgpack.packb(payloads[inside]))
        size += len(head[-1])
        inside += 1
    return [b"".join(head), *payloads[inside:]]


def decode_message(frames):
    """(verb, number, fields, payloads). ValueError when it is no message of our version."""
    reader = msgpack.Unpacker(max_buffer_size=len(frames[0]) + 1)
    reader.feed(frames[0])
    reader.feed(NIL)    # which what is cut off would swallow
    try:
        (version, verb, number, *fields), *inside, end = reader
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ValueError("no envelope") from error
    if version != VERSION or end is not None or not all(type(payload) is bytes for payload in inside):
        raise ValueError(f"version {version}, verb {verb}")
    payloads = [*inside, *frames[1:]]
    if len(payloads) != (fields[0] if verb == BATCH and len(fields) == 3 else 0):
        raise ValueError(f"verb {verb} with {len(fields)} fields and {len(payloads)} payloads")
    return verb, number, fields, payloads


# ---- keys: PROTOCOL.md section 1 ----

def read_certificate(path, kind, secret=False):
    """The key of that kind in a file that `outrigger keygen`, czmq or pyzmq wrote. ValueError when there is none, or
    when others could read the secret."""
    if secret and os.stat(path).st_mode & 0o137:
        raise ValueError(f"{path}: can be read or changed by others: chmod 600 it")
    with open(path, encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition("=")
            value = value.strip()
            if name.strip() == kind and value[:1] == value[-1:] == '"' and len(value) == 42:
                return value[1:-1].encode()
    raise ValueError(f"{path}: holds no {kind}")


class Keys:
    """What a connection over tcp needs; over ipc the modes of files are enough."""

    def __init__(self, secret_file, server_key):
        if not zmq.has("curve"):
            raise ValueError("tcp needs CURVE, which this libzmq was built without")
        if not secret_file or not server_key:
            raise ValueError("tcp needs keys: --curve-secret-file and --server-key; outrigger keygen makes them")
        self.secret = read_certificate(secret_file, "secret-key", secret=True)
        self.public = zmq.curve_public(self.secret)
        self.server = read_certificate(server_key, "public-key") if server_key.endswith(".key") \
            else server_key.encode()
        if len(self.server) != 40:
            raise ValueError("--server-key: expected 40 characters, or the file NAME.key")


def connect(endpoint, keys, *options):
    """A DEALER at the workers' endpoint of the broker, with libzmq's options in pairs."""
    dealer = zmq.Context.instance().socket(zmq.DEALER)
    common = ((zmq.IMMEDIATE, 1), (zmq.LINGER, 0), (zmq.RECONNECT_IVL, 50 if keys else 5))
    network = ((zmq.IPV6, 1), (zmq.HEARTBEAT_IVL, 1000), (zmq.HEARTBEAT_TIMEOUT, 3000), (zmq.HEARTBEAT_TTL, 3000),
               (zmq.CONNECT_TIMEOUT, 3000), (zmq.HANDSHAKE_IVL, 5000), (zmq.TCP_KEEPALIVE, 1)) if keys else ()
    for option, value in (*common, *network, *options):
        dealer.setsockopt(option, value)
    if keys:
        dealer.curve_publickey, dealer.curve_secretkey, dealer.curve_serverkey = keys.public, keys.secret, keys.server
    dealer.connect(endpoint)
    return dealer


def connect_anew(dealer, endpoint):
    """ZeroMQ does not try a connection again that was refused, and one over tcp may be dead without a sign of it."""
    try:
        dealer.disconnect(endpoint)
    except zmq.ZMQError:        # it had given up already
        pass
    dealer.connect(endpoint)


# ---- the sandbox: common/sandbox.h ----

class SandboxOptions(ctypes.Structure):
    """struct outrigger_sandbox of outrigger_sandbox.c."""
    _fields_ = [("mode", ctypes.c_char_p), ("name", ctypes.c_char_p), ("read", ctypes.POINTER(ctypes.c_char_p)),
                ("endpoints", ctypes.POINTER(ctypes.c_char_p))]


def texts(values):
    encoded = [os.fsencode(value) for value in dict.fromkeys(map(os.fspath, values)) if value]
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)


def prepare_imports(path):
    """What scikit-learn does when it is first imported or first computes needs more rights than it has later: joblib
    tries semaphores, threadpoolctl asks ldconfig where libc is. Where it is not installed nobody will miss it. An
    estimator with n_jobs shares its work out to threads with semaphores in /dev/shm, which others have, too: one worker
    is one core, so it computes here and now."""
    if not path.endswith(".pkl"):
        return
    try:
        import sklearn, joblib      # noqa: F401
        from threadpoolctl import threadpool_info
        threadpool_info()
        joblib.parallel_backend("sequential")
    except ImportError:
        pass


def numeric_endpoint(endpoint):
    """The endpoint with the address in numbers: names cannot be asked for any more."""
    host, colon, port = endpoint.rpartition(":")
    if not endpoint.startswith("tcp://") or host.startswith("tcp://["):
        return endpoint
    address = socket.getaddrinfo(host[len("tcp://"):], port, type=socket.SOCK_STREAM)[0][4][0]
    return f"tcp://[{address}]:{port}" if ":" in address else f"tcp://{address}:{port}"


def give_up_rights(options):
    """From here on this process reads its model and Python's own files, and speaks with its broker. A pickle and a
    model.py are programs: they are run by a process that can do nothing else."""
    if options.sandbox == "off":
        return
    prepare_imports(options.path)
    options.endpoint = numeric_endpoint(options.endpoint)
    folder = os.path.dirname(os.path.abspath(options.path))
    read = [options.path, folder, os.path.dirname(os.path.abspath(options.model_conf)) if options.model_conf else "",
            sys.executable, *sysconfig.get_paths().values(), *(path for path in sys.path if path),
            *options.sandbox_read.split(":")]
    wanted = SandboxOptions(os.fsencode(options.sandbox), os.fsencode(options.name),
                            texts([path for path in read if path and os.path.exists(path)]), texts([options.endpoint]))
    reason = ctypes.create_string_buffer(512)
    library = ctypes.CDLL(options.sandbox_library)
    if library.outrigger_sandbox_enter(ctypes.byref(wanted), reason, ctypes.c_size_t(len(reason))) != 0:
        raise OSError(f"sandbox: {os.fsdecode(reason.value)}")


# ---- which model it is, and who has signed it: common/provenance.h ----

class Provenance:
    """The digest of the model's folder, and whether one of the keys has signed it. A worker without the library knows
    neither, and serves only where no key is named."""

    def __init__(self, options):
        """Before the sandbox: reads the keys and every file."""
        self.handle, self.library, self.reason = None, None, ctypes.create_string_buffer(1024)
        if not os.path.exists(options.sandbox_library):
            if options.signing_keys:
                raise OSError(f"--signing-keys need the library {options.sandbox_library}, which is not there")
            return
        self.library = ctypes.CDLL(options.sandbox_library)
        self.library.outrigger_provenance_gather.restype = ctypes.c_void_p
        self.library.outrigger_provenance_digest.restype = ctypes.c_char_p
        self.handle = ctypes.c_void_p(self.library.outrigger_provenance_gather(
            os.fsencode(options.name), os.fsencode(os.path.abspath(options.path)), os.fsencode(options.signing_keys),
            self.reason, ctypes.c_size_t(len(self.reason))))
        if not self.handle:
            raise OSError(os.fsdecode(self.reason.value))

    def ask(self, question):
        if self.library and not getattr(self.library, f"outrigger_provenance_{question}")(
                self.handle, self.reason, ctypes.c_size_t(len(self.reason))):
            return os.fsdecode(self.reason.value)
        return None

    def distrust(self):
        """In it, and before the model is looked at: why it is not trusted; None when it is."""
        return self.ask("trusted")

    def change(self):
        """When it is loaded: what has changed since it was read; None: nothing."""
        return self.ask("holds")

    def digest(self):
        return os.fsdecode(self.library.outrigger_provenance_digest(self.handle)) if self.library else ""


# ---- the session: PROTOCOL.md sections 2 to 4 ----

class Heartbeat(threading.Thread):
    """Says that this process runs, over a connection of its own, whatever the session computes. A model that keeps the
    interpreter to itself for three heartbeats is taken for a process that was stopped."""

    def __init__(self, endpoint, keys, instance, every_ms):
        super().__init__(daemon=True)
        self.keys, self.endpoint, self.every, self.ended = keys, endpoint, every_ms / 1e3, threading.Event()
        self.message = msgpack.packb([VERSION, HEARTBEAT, 0, instance])

    def run(self):
        beats, lost = connect(self.endpoint, self.keys, (zmq.SNDHWM, 4)), 0
        while not self.ended.wait(self.every):
            try:
                beats.send(self.message, zmq.NOBLOCK)
                lost = 0
            except zmq.Again:       # nobody there
                lost += 1
            if self.keys and lost == SILENT_AFTER_BEATS:
                connect_anew(beats, self.endpoint)
                lost = 0
        beats.close()

    def end(self):
        self.ended.set()
        self.join()


class Session:
    """Speaks with the broker. What cannot be sent is dropped: a new broker asks for READY by its epoch."""

    def __init__(self, options, keys, token, model, schema, capacity):
        self.token, self.sent_away = token, ""
        self.keys, self.heard, self.warned = keys, time.monotonic(), 0
        self.options, self.model, self.schema, self.capacity = options, model, schema, capacity
        self.epoch, self.leaving, self.instance = 0, False, secrets.randbits(64) | 1
        self.socket = connect(options.endpoint, keys, (zmq.PROBE_ROUTER, 1))

    def send(self, verb, number, fields=(), payloads=()):
        """False when there is nobody to send to."""
        try:
            self.socket.send_multipart(encode_message(verb, number, fields, payloads), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def compute(self, payloads):
        """One (error, payload) for each request; a request that fails does not fail the others."""
        results, good = {}, {}
        for i, payload in enumerate(payloads):
            try:
                good[i] = decode_features(payload, self.model.features)
            except ValueError as error:
                results[i] = (INVALID, str(error))
        if good:
            results.update(zip(good, self.compute_rows(list(good.values()))))
        return [results[i] for i in range(len(payloads))]

    def compute_rows(self, requests):
        ends = np.cumsum([len(request) for request in requests])
        try:
            arrays = predict(self.model, np.concatenate(requests))
            return [(NONE, encode_tensors({name: array[end - len(request):end] for name, array in arrays.items()}))
                    for request, end in zip(requests, ends)]
        except Exception as error:      # whatever a model raises is its failure, not ours
            if len(requests) == 1:
                return [(MODEL_FAILED, f"{type(error).__name__}: {error}")]
            return [self.compute_rows([request])[0] for request in requests]

    def on_batch(self, number, payloads):
        start = time.monotonic()
        results = self.compute(payloads)
        took = int((time.monotonic() - start) * 1e6)
        errors = bytes(error for error, _ in results)
        frames = [payload if error == NONE else payload.encode("ascii", "replace")[:TEXT_MAX]
                  for error, payload in results]
        self.send(RESULT, number, [len(frames), took, errors if any(errors) else b""], frames)

    def on_beat(self, epoch):
        options = self.options
        if epoch == 0 or epoch != self.epoch:
            fields = [options.model, options.model_version, self.capacity, 1, options.heartbeat_ms, os.getpid(),
                      self.token, self.instance]
            if self.send(READY, 0, fields, [self.schema]) and epoch != 0:
                self.epoch = epoch

    def on_message(self, frames):
        if frames == [b""]:
            return      # a hello
        try:
            verb, number, fields, payloads = decode_message(frames)
        except ValueError as error:
            warn(self.options, f"a message of the broker was refused: {error}")
            return
        if verb == BATCH and payloads:
            self.on_batch(number, payloads)
        elif verb == BEAT and len(fields) == 1:
            self.on_beat(fields[0])
        elif verb == DRAIN and len(fields) == 1:
            self.leaving, self.sent_away = True, fields[0]
        else:
            warn(self.options, f"a message of the broker was refused: verb {verb}")

    def take_all(self):
        """What waits, until ZeroMQ says that nothing does, and only then is any of it handled: at every hundredth frame
        since it last said so libzmq (4.3.4) looks whether the connection still is there, also in the middle of a
        message, and aborts the process when it is not. A message of one frame, as nearly all are, has no middle."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv_multipart(zmq.DONTWAIT))
            except zmq.Again:
                return messages

    def call_anew_if_deaf(self, limit):
        now = time.monotonic()
        if not self.keys or now - self.heard < limit:
            return
        if now - self.warned >= SILENCE_WARNED_S:
            warn(self.options, f"nothing is heard of the broker at {self.options.endpoint}: is it there, is --server-key "
                               "its key, and is ours in its broker.curve_allow? Trying again")
            self.warned = now
        connect_anew(self.socket, self.options.endpoint)
        self.heard = now

    def run(self, wake):
        """Until DRAIN, or a byte on `wake` (SIGTERM)."""
        heartbeat = Heartbeat(self.options.endpoint, self.keys, self.instance, self.options.heartbeat_ms)
        heartbeat.start()
        poller = zmq.Poller()
        poller.register(self.socket, zmq.POLLIN)
        poller.register(wake, zmq.POLLIN)
        beat = self.options.heartbeat_ms / 1e3
        next_beat = time.monotonic() + beat
        while not self.leaving:
            ready = dict(poller.poll(max(0, next_beat - time.monotonic()) * 1e3 + 1))
            if self.socket in ready:
                for message in self.take_all():
                    self.on_message(message)
                self.heard = time.monotonic()
            self.leaving = self.leaving or wake.fileno() in ready
            if time.monotonic() >= next_beat:
                self.call_anew_if_deaf(SILENT_AFTER_BEATS * beat)
                self.send(HEARTBEAT, 0, [0])    # for a broker that does not know us: it asks for READY
                next_beat = time.monotonic() + beat
        heartbeat.end()
        self.send(BYE, 0)
        self.socket.close(linger=GOODBYE_MS)
        zmq.Context.instance().term()


# ---- the program ----

def warn(options, message):
    print(json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "level": "warning",
                      "process": options.name, "message": message}), file=sys.stderr)


def read_token(descriptor):
    """What shows the broker that the supervisor started this process for this model; "" without a supervisor."""
    if descriptor < 0:
        return ""
    with open(descriptor, encoding="ascii") as pipe:
        return pipe.read()


def parse_options():
    parser = argparse.ArgumentParser(description="Serves a Python model to Outrigger's broker.")
    parser.add_argument("--endpoint", required=True, help="the broker's endpoint for workers")
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--model-version", required=True, help="its version")
    parser.add_argument("--path", required=True, help="model.pkl or model.py")
    parser.add_argument("--name", default="worker", help="what this process is called in logs")
    parser.add_argument("--ready-fd", type=int, default=-1, help='the descriptor on which to say "ready"')
    parser.add_argument("--token-fd", type=int, default=-1,
                        help="the descriptor from which to read what the supervisor gave it to show to the broker")
    parser.add_argument("--model-conf", default="", help="the model's model.conf, if there is one")
    parser.add_argument("--warm-up-ms", type=int, default=200, help="how long it may warm up")
    parser.add_argument("--heartbeat-ms", type=int, default=1000, help="how often the worker is heard")
    parser.add_argument("--curve-secret-file", default="", help="for tcp: the worker's NAME.key_secret")
    parser.add_argument("--server-key", default="", help="for tcp: the broker's public key, or its NAME.key")
    parser.add_argument("--sandbox", choices=("on", "log", "off"), default="off",
                        help="on: give up all rights but those that serving needs; log: name what would be refused")
    parser.add_argument("--sandbox-library", help="the library that does it, and that knows of signatures",
                        default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "outrigger_sandbox.so"))
    parser.add_argument("--signing-keys", default="",
                        help="public keys (PATH:PATH), one of which must have signed the model; else none need have")
    parser.add_argument("--sandbox-read", default="", help="what the model may read beside its folder: PATH:PATH")
    return parser.parse_args()


def main():
    options = parse_options()
    try:
        keys = None if options.endpoint.startswith("ipc://") else Keys(options.curve_secret_file, options.server_key)
    except (OSError, ValueError) as error:
        print(f"{options.endpoint}: {error}", file=sys.stderr)
        return DO_NOT_RESTART
    sys.dont_write_bytecode = True      # what it left in the folder would be part of the next digest
    try:
        provenance = Provenance(options)
        token = read_token(options.token_fd)
        give_up_rights(options)
    except (OSError, socket.gaierror) as error:
        print(error, file=sys.stderr)
        return 1
    distrust = provenance.distrust()
    if distrust:
        print(distrust, file=sys.stderr)
        return DO_NOT_RESTART
    try:
        conf = read_conf(options.model_conf)
        model = (UserModel if options.path.endswith(".py") else SklearnModel)(options.path)
        schema = make_schema(model, conf)
        capacity = conf.get("batching", {}).get("max_batch_rows", 64)
        golden = pass_golden(options.path, schema, lambda rows: predict(model, rows))
        schema["costs"] = warm_up(model, golden, capacity, options.warm_up_ms / 1e3)
        if provenance.digest():
            schema["digest"] = provenance.digest()
        change = provenance.change()
        if change:
            print(change, file=sys.stderr)
            return 1
    except GoldenFault as fault:
        print(str(fault).replace("\n", " "), file=sys.stderr)
        return DO_NOT_RESTART
    except Exception as error:      # whatever a file holds: one line, and the supervisor tries again
        print(f"{options.path}: cannot serve this model: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    wake, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    session = Session(options, keys, token, model, msgpack.packb(schema), capacity)
    if options.ready_fd >= 0:
        os.write(options.ready_fd, b"ready\n")
        os.close(options.ready_fd)
    session.run(wake)
    if session.sent_away:
        print(f"the broker sends this worker away: {session.sent_away}", file=sys.stderr)
    return 1 if session.sent_away else 0


if __name__ == "__main__":
    sys.exit(main())
