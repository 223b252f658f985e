"""The broker's side of the wire for one worker, as common/PROTOCOL.md says: what a worker is tested against."""
import time

import msgpack
import numpy as np
import zmq

READY, RESULT, HEARTBEAT, BYE = 32, 33, 34, 35
BATCH, DRAIN, BEAT = 48, 49, 50
PATIENCE = 60   # seconds; only ever used up when something is broken, also under a sanitizer on a busy machine

CODES = {"INT64": "<i8", "FP32": "<f4", "FP64": "<f8"}
NAMES = {np.dtype(code): name for name, code in CODES.items()}


INSIDE_MAX = 4096   # bytes of a payload inside the frame of its envelope


def encode(name, array):
    """The tensors payload of one array."""
    return msgpack.packb([[name, NAMES[array.dtype], list(array.shape), array.tobytes()]])


def decode(payload):
    """A dict of arrays; BYTES become a list of bytes."""
    arrays = {}
    for name, datatype, shape, data in msgpack.unpackb(payload):
        if datatype == "BYTES":
            arrays[name], at = [], 0
            while at < len(data):
                length = int.from_bytes(data[at:at + 4], "little")
                arrays[name].append(data[at + 4:at + 4 + length])
                at += 4 + length
        else:
            arrays[name] = np.frombuffer(data, CODES[datatype]).reshape(shape)
    return arrays


def join(version, verb, number, fields, payloads):
    """The frames of a message: small payloads inside the first, until a large one comes."""
    head, payloads = msgpack.packb([version, verb, number, *fields]), list(payloads)
    while payloads and len(payloads[0]) <= INSIDE_MAX:
        head += msgpack.packb(payloads.pop(0))
    return [head, *payloads]


def part(frames):
    """(version, verb, number, fields, payloads) of a message whose payloads travel inside the first frame, or not."""
    reader = msgpack.Unpacker(max_buffer_size=1 << 30)
    reader.feed(frames[0] + b"\xc0")    # nil, which what is cut off would swallow
    (version, verb, number, *fields), *inside, end = reader
    assert end is None and all(type(payload) is bytes for payload in inside), frames
    return version, verb, number, fields, [*inside, *frames[1:]]


class PlayedBroker:
    def __init__(self, endpoint, epoch=1):
        self.endpoint, self.epoch, self.number = endpoint, epoch, 0
        self.joins = True       # small payloads travel inside the frame of their envelope
        self.worker = None      # the identity of the one that spoke last
        self.beats = []         # the instances of the heartbeats that came from other connections than the worker's
        self.context = zmq.Context()
        self.open()

    def open(self):
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.socket.bind(self.endpoint)

    def restart(self, epoch):
        """Goes away and comes back as another broker."""
        self.socket.close()
        self.epoch = epoch
        self.open()

    def close(self):
        self.socket.close()
        self.context.term()

    def send(self, verb, number, fields, payloads=(), version=1):
        self.send_frames(join(version, verb, number, fields, payloads) if self.joins else
                         [msgpack.packb([version, verb, number, *fields]), *payloads])

    def send_frames(self, frames):
        self.socket.send_multipart([self.worker, *frames])

    def receive(self, patience=PATIENCE, until_beats=0):
        """The next message as (verb, number, fields, payloads); a hello is answered and passed over, a heartbeat of the
        worker's thread is written down, and is only told of when it is one of so many."""
        limit = time.monotonic() + patience
        while True:
            if not self.socket.poll(max(0, limit - time.monotonic()) * 1000):
                raise TimeoutError("the worker said nothing")
            peer, *frames = self.socket.recv_multipart()
            version, verb, number, fields, payloads = part(frames) if frames != [b""] else (1, 0, 0, [], [])
            assert version == 1, version
            if verb == HEARTBEAT and fields != [0]:
                self.beats += fields    # of the thread that does nothing else: it wants no answer
                if until_beats and len(self.beats) >= until_beats:
                    return verb, number, fields, []
                continue
            self.worker = peer
            if frames != [b""]:
                return verb, number, fields, payloads
            self.send(BEAT, 0, [self.epoch])

    def expect(self, verb):
        """The next message of that verb: (number, fields, payloads). Only heartbeats may come before."""
        while True:
            got, number, fields, payloads = self.receive()
            if got == verb:
                return number, fields, payloads
            assert got == HEARTBEAT, f"expected verb {verb}, got {got}"

    def ready(self):
        """Waits for READY: its fields and the schema."""
        number, fields, payloads = self.expect(READY)
        assert number == 0 and len(fields) == 8 and len(payloads) == 1, (number, fields, len(payloads))
        return fields, msgpack.unpackb(payloads[0])

    def begin(self, payloads, time_left_us=60_000_000):
        self.number += 1
        self.send(BATCH, self.number, [len(payloads), len(payloads), time_left_us], payloads)
        return self.number

    def end(self, number):
        """Waits for RESULT: a list of (error, payload)."""
        got, fields, payloads = self.expect(RESULT)
        count, _compute_us, errors = fields
        assert got == number and count == len(payloads), (got, number, fields, len(payloads))
        assert len(errors) in (0, count)
        return list(zip(errors or bytes(count), payloads))

    def compute(self, payloads, time_left_us=60_000_000):
        return self.end(self.begin(payloads, time_left_us))
