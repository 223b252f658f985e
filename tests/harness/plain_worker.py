#!/usr/bin/python3
"""A worker that knows nothing of Outrigger but common/PROTOCOL.md: Python, msgpack, ZeroMQ and numpy. Whoever writes one
for another engine or in another language may begin here; tests/process/test_worker.py holds it to what all workers do.

    plain_worker.py ENDPOINT MODEL VERSION HEARTBEAT_MS [TOKEN]

It answers each row of 4 features with their sum. Not here: CURVE for tcp (section 1), and all that outrigger-worker does
beside the protocol: model.conf, golden requests, signatures, the sandbox, counters.
"""
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time

import msgpack
import numpy as np
import zmq

VERSION = 1
READY, RESULT, HEARTBEAT, BYE = 32, 33, 34, 35
BATCH, DRAIN, BEAT = 48, 49, 50
NONE, INVALID = 0, 1
NIL = b"\xc0"
INSIDE_MAX = 4096   # bytes of a payload that travels inside the frame of its envelope
FRAME_FULL = 49152  # bytes of a frame that takes no more of them
GOODBYE_MS = 500    # how long the last messages may take to leave
CAPACITY = 8        # rows of a batch
SCHEMA = {"platform": "plain", "description": "", "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, 4]}],
          "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [-1]}], "features": ["a", "b", "c", "d"],
          "labels": [], "task": "regression", "timeout_ms": 0, "allow_nan": True}


# ---- tensors: section 6 ----

def encode_sums(rows):
    return msgpack.packb([["prediction", "FP64", [len(rows)], rows.sum(axis=1).tobytes()]])


def decode_rows(payload):
    try:
        [[name, datatype, shape, data]] = msgpack.unpackb(payload)
        rows = np.frombuffer(data, "<f8" if datatype == "FP64" else "u1").reshape(shape)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ValueError("expected one tensor of numbers") from error
    if (name, datatype) != ("features", "FP64") or rows.ndim != 2 or rows.shape[1] != 4 or len(rows) == 0:
        raise ValueError(f"expected features FP64 [-1, 4], got {name} {datatype} {shape}")
    return rows


# ---- frames: section 2 ----

def encode_message(verb, number, fields=(), payloads=()):
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


def connect(endpoint, *options):
    dealer = zmq.Context.instance().socket(zmq.DEALER)
    for option, value in ((zmq.IMMEDIATE, 1), (zmq.LINGER, 0), (zmq.RECONNECT_IVL, 5), *options):
        dealer.setsockopt(option, value)
    dealer.connect(endpoint)
    return dealer


# ---- the life of a worker: sections 3 and 4 ----

class Heartbeat(threading.Thread):
    """Says that this process runs, over a connection of its own, whatever the session computes."""

    def __init__(self, endpoint, instance, every):
        super().__init__(daemon=True)
        self.endpoint, self.every, self.ended = endpoint, every, threading.Event()
        self.message = msgpack.packb([VERSION, HEARTBEAT, 0, instance])

    def run(self):
        beats = connect(self.endpoint, (zmq.SNDHWM, 4))
        while not self.ended.wait(self.every):
            try:
                beats.send(self.message, zmq.NOBLOCK)
            except zmq.Again:       # nobody there
                pass
        beats.close()


class Session:
    """What cannot be sent is dropped: a new broker asks for READY by its epoch."""

    def __init__(self, endpoint, model, version, heartbeat_ms, token):
        self.endpoint, self.beat, self.epoch, self.leaving, self.sent_away = endpoint, heartbeat_ms / 1e3, 0, False, ""
        self.instance = secrets.randbits(64) | 1
        self.ready = [model, version, CAPACITY, 1, heartbeat_ms, os.getpid(), token, self.instance]
        self.socket = connect(endpoint, (zmq.PROBE_ROUTER, 1))

    def send(self, *message):
        """False when there is nobody to send to."""
        try:
            self.socket.send_multipart(encode_message(*message), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def on_batch(self, number, payloads):
        start, errors, answers = time.monotonic(), bytearray(), []
        for payload in payloads:
            try:
                answers.append(encode_sums(decode_rows(payload)))
                errors.append(NONE)
            except ValueError as error:     # it does not fail the others
                answers.append(str(error).encode()[:512])
                errors.append(INVALID)
        took = int((time.monotonic() - start) * 1e6)
        self.send(RESULT, number, [len(answers), took, bytes(errors) if any(errors) else b""], answers)

    def on_beat(self, epoch):
        if epoch in (0, self.epoch) and epoch != 0:
            return
        if self.send(READY, 0, self.ready, [msgpack.packb(SCHEMA)]) and epoch != 0:
            self.epoch = epoch

    def on_message(self, frames):
        if frames == [b""]:
            return      # a hello
        try:
            verb, number, fields, payloads = decode_message(frames)
        except ValueError as error:
            warn(f"a message of the broker was refused: {error}")
            return
        if verb == BATCH and payloads:
            self.on_batch(number, payloads)
        elif verb == BEAT and len(fields) == 1:
            self.on_beat(fields[0])
        elif verb == DRAIN and len(fields) == 1:
            self.leaving, self.sent_away = True, fields[0]
        else:
            warn(f"a message of the broker was refused: verb {verb}")

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

    def run(self, wake):
        """Until DRAIN, or a byte on `wake` (SIGTERM)."""
        heartbeat = Heartbeat(self.endpoint, self.instance, self.beat)
        heartbeat.start()
        poller = zmq.Poller()
        poller.register(self.socket, zmq.POLLIN)
        poller.register(wake, zmq.POLLIN)
        next_beat = time.monotonic() + self.beat
        while not self.leaving:
            ready = dict(poller.poll(max(0, next_beat - time.monotonic()) * 1e3 + 1))
            if self.socket in ready:
                for message in self.take_all():
                    self.on_message(message)
            self.leaving = self.leaving or wake.fileno() in ready
            if time.monotonic() >= next_beat:
                self.send(HEARTBEAT, 0, [0])    # for a broker that does not know us: it asks for READY
                next_beat = time.monotonic() + self.beat
        heartbeat.ended.set()
        heartbeat.join()
        self.send(BYE, 0)
        self.socket.close(linger=GOODBYE_MS)
        zmq.Context.instance().term()


def warn(message):
    print(json.dumps({"level": "warning", "message": message}), file=sys.stderr)


def main():
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    endpoint, model, version, heartbeat_ms, *token = sys.argv[1:]
    wake, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    session = Session(endpoint, model, version, int(heartbeat_ms), "".join(token))
    session.run(wake)
    if session.sent_away:
        print(f"the broker sends this worker away: {session.sent_away}", file=sys.stderr)
    return 1 if session.sent_away else 0


if __name__ == "__main__":
    sys.exit(main())
