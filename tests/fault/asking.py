"""Clients that cost little: many kept connections on one thread, every answer looked at.

Two ways to ask share one loop: Closed, where each connection asks again as soon as it has its answer, and Open, which
asks at given moments whatever the answers do. Both write what happened into a Tally.

SPDX-License-Identifier: MIT
"""
import array
import collections
import errno
import heapq
import select
import socket
import time

PATIENCE = 30           # seconds for an answer; the service's own deadline is shorter
FAILURES_KEPT = 3       # of each kind and detail, with all they are; the rest is only counted
DETAIL_TOLD_BY = 110    # characters; beyond them the detail may differ from failure to failure
ANSWERED_KEPT = 100000  # ids that were answered, to know a second answer from a strange one
RETRY = 0.1             # seconds between tries to connect
RECEIVE = 1 << 18

Answer = collections.namedtuple("Answer", "status head body length")
Failure = collections.namedtuple("Failure", "kind identity question at wall took detail")


def parse(data):
    """The first answer in these bytes; None while it is not there whole. Raises ValueError for what is no HTTP."""
    end = data.find(b"\r\n\r\n")
    if end == -1:
        return None
    if not data.startswith(b"HTTP/1.1 "):
        raise ValueError(f"no HTTP answer: {bytes(data[:60])!r}")
    head = data[:end + 2].lower()
    at = head.find(b"\r\ncontent-length:")
    if at != -1:
        length = end + 4 + int(head[at + 17:head.index(b"\r\n", at + 17)])
        return Answer(int(data[9:12]), head, data[end + 4:length], length) if len(data) >= length else None
    if head.find(b"\r\ntransfer-encoding: chunked") == -1:
        raise ValueError("an answer without a length")
    return _parse_chunks(data, head, end + 4)


def _parse_chunks(data, head, at):
    body = b""
    while True:
        line = data.find(b"\r\n", at)
        if line == -1:
            return None
        size = int(data[at:line].split(b";")[0], 16)
        at = line + 2 + size + 2
        if len(data) < at:
            return None
        body += data[line + 2:at - 2]
        if size == 0:
            return Answer(int(data[9:12]), head, body, at)


class Tally:
    """What became of the requests. `late`: right, but after more than `deadline` seconds."""

    def __init__(self, deadline=float("inf")):
        self.deadline = deadline
        self.sent = self.right = self.failed = self.wrong = self.duplicate = self.late = 0
        self.took = array.array("f")            # seconds, of right answers
        self.slowest = (0.0, 0.0, "", None)     # took, asked at (monotonic), id, question
        self.statuses = collections.Counter()   # of those that failed; 0: no answer
        self.took_to_refuse = array.array("f")  # seconds, of answers 429 and 503
        self.without_retry_after = 0
        self.failures = []                      # some of each kind
        self.kinds = collections.Counter()      # (kind, begin of the detail): how many
        self.asked_again = 0                    # see Connection
        self.answers = collections.Counter()    # whole ones, right or wrong, by (call, status)
        self.errors = collections.Counter()     # those of questions that are to be refused, by kind
        self.rows = 0                           # in answers of status 200
        self.answered = collections.OrderedDict()

    def bad(self):
        return self.failed + self.wrong + self.duplicate + self.late

    def _note(self, kind, identity, question, asked_at, detail):
        sort = (kind, detail[:DETAIL_TOLD_BY])
        self.kinds[sort] += 1
        if self.kinds[sort] <= FAILURES_KEPT:
            now = time.monotonic()
            self.failures.append(Failure(kind, identity.decode(), str(question), now, time.strftime("%H:%M:%S"),
                                         now - asked_at, detail))

    def surplus(self, identity, question, asked_at, detail):
        """Bytes that nobody asked for, or an answer to a question that had its answer."""
        self.duplicate += 1
        self._note("duplicate", identity, question, asked_at, detail)

    def broken(self, identity, question, asked_at, detail):
        """A request that got no answer at all."""
        self.failed += 1
        self.statuses[0] += 1
        self._note("failed", identity, question, asked_at, detail)

    def answer(self, identity, question, asked_at, answer):
        """Judges an answer."""
        took = time.monotonic() - asked_at
        self.answers[question.call, answer.status] += 1
        if answer.status == 200:
            self.rows += len(question.rows)
        elif answer.status == question.status:
            self.errors[question.kind] += 1
        if answer.status != question.status:
            self._refusal(identity, question, asked_at, answer, took)
            return
        complaint = question.fault(identity, answer.body)
        if complaint is None and b"\r\nx-request-id: " + identity + b"\r\n" not in answer.head:
            complaint = "the X-Request-Id is another"
        if complaint is not None:
            self._wrong(identity, question, asked_at, complaint, answer)
            return
        self.right += 1
        self.took.append(took)
        self.answered[identity] = None
        if len(self.answered) > ANSWERED_KEPT:
            self.answered.popitem(last=False)
        if took > self.slowest[0]:
            self.slowest = (took, asked_at, identity.decode(), question)
        if took > self.deadline:
            self.late += 1
            self._note("late", identity, question, asked_at, "the answer is right")

    def _refusal(self, identity, question, asked_at, answer, took):
        self.failed += 1
        self.statuses[answer.status] += 1
        if answer.status in (429, 503):
            self.took_to_refuse.append(took)
            self.without_retry_after += b"\r\nretry-after:" not in answer.head
        self._note("failed", identity, question, asked_at, f"{answer.status} {bytes(answer.body[:300])!r}")

    def _wrong(self, identity, question, asked_at, complaint, answer):
        detail = f"{complaint}; {bytes(answer.body[:300])!r}"
        at = answer.head.find(b"\r\nx-request-id: ")
        other = answer.head[at + 16:].split(b"\r\n")[0] if at != -1 else b""
        if other != identity and other in self.answered:
            self.surplus(identity, question, asked_at, f"a second answer of {other.decode()}: {detail}")
            return
        self.wrong += 1
        self._note("wrong", identity, question, asked_at, detail)


def quantile(values, share):
    """Of unsorted values; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Connection:
    """One kept connection with at most one request under way. `asked_at`: the moment that the answer is measured from.

    A server may close a connection that rests, and a request may cross that on its way. Clients ask again then, over a
    new connection, when the old one had served before and not a byte of an answer came; so is done here, and counted.
    (Apache does so to several at a time when all its threads are busy.)"""

    __slots__ = ("socket", "identity", "question", "asked_at", "data", "tally", "served")

    def __init__(self, sock):
        self.socket = sock
        self.data = self.identity = b""
        self.question = self.tally = None
        self.asked_at = 0.0
        self.served = 0

    def closed_at_rest(self):
        return self.question is not None and self.served > 0 and not self.data

    def ask(self, question, identity, asked_at, tally):
        self.question, self.identity, self.asked_at, self.tally = question, identity, asked_at, tally
        tally.sent += 1
        try:
            self.socket.sendall(question.wire(identity))
        except OSError:
            pass    # the end of the connection shows when it is read

    def receive(self):
        """Reads. An Answer; None when there is more to wait for; raises ConnectionError at the end of the connection."""
        try:
            data = self.socket.recv(RECEIVE)
        except BlockingIOError:
            return None
        if not data:
            raise ConnectionError("the connection was closed" + (" in the middle of the answer" if self.data else ""))
        self.data = self.data + data if self.data else data
        answer = parse(self.data)
        if answer is not None:
            self.data = self.data[answer.length:]
        return answer


class Asking:
    """The loop. A subclass says what an idle connection does (idle) and what there is to do in each turn (turn)."""

    def __init__(self, port, prefix):
        self.port = port
        self.prefix = prefix        # of the request ids
        self.number = 0
        self.epoll = select.epoll()
        self.connections = {}       # by descriptor
        self.abandoned = False      # set by another thread: do not wait for what is under way
        self.looked = time.monotonic()

    def close(self):
        for connection in self.connections.values():
            connection.socket.close()
        self.connections.clear()
        self.epoll.close()

    def next_identity(self):
        self.number += 1
        return b"%s-%d" % (self.prefix, self.number)

    def connect(self):
        """A new connection; None when nobody accepts."""
        sock = socket.socket()
        try:
            sock.settimeout(PATIENCE)
            sock.connect(("127.0.0.1", self.port))
        except OSError as error:
            sock.close()
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL):
                raise
            return None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        connection = Connection(sock)
        self.connections[sock.fileno()] = connection
        self.epoll.register(sock.fileno(), select.EPOLLIN)
        return connection

    def drop(self, connection):
        self.connections.pop(connection.socket.fileno())
        connection.socket.close()

    def poll(self, timeout):
        """One turn: whatever can be read is."""
        for descriptor, _ in self.epoll.poll(timeout):
            connection = self.connections.get(descriptor)
            if connection is not None:
                self._readable(connection)
        now = time.monotonic()
        if now - self.looked > 1:
            self.looked = now
            for connection in list(self.connections.values()):
                if connection.question is not None and now - connection.asked_at > PATIENCE:
                    self._broke(connection, f"no answer within {PATIENCE} s")

    def _readable(self, connection):
        try:
            answer = connection.receive()
        except (ConnectionError, ValueError) as error:
            if isinstance(error, ConnectionError) and connection.closed_at_rest() and self._ask_again(connection):
                return
            self._broke(connection, str(error))
            return
        question = connection.question
        if question is None:
            if connection.data or answer:
                self.surplus(connection, answer)
            return
        if answer is None:
            return
        connection.question = None
        connection.served += 1
        connection.tally.answer(connection.identity, question, connection.asked_at, answer)
        if connection.data:
            self.surplus(connection, answer)
        elif b"\r\nconnection: close\r\n" in answer.head:
            self.drop(connection)
            self.gone()
        else:
            self.idle(connection)

    def _ask_again(self, old):
        connection = self.connect()
        if connection is None:
            return False
        old.tally.asked_again += 1
        old.tally.sent -= 1     # it is the same request
        connection.ask(old.question, old.identity, old.asked_at, old.tally)
        self.drop(old)
        return True

    def surplus(self, connection, answer):
        detail = f"{bytes(connection.data[:300])!r} {answer}"
        if connection.tally is not None:
            connection.tally.surplus(connection.identity, "after its answer", connection.asked_at, detail)
        self.drop(connection)
        self.gone()

    def _broke(self, connection, reason):
        # A server may close a connection that rests; one that asks has a right to its answer.
        if connection.question is not None:
            connection.tally.broken(connection.identity, connection.question, connection.asked_at, reason)
        self.drop(connection)
        self.gone()

    def under_way(self):
        return sum(connection.question is not None for connection in self.connections.values())

    def finish(self, limit):
        """Waits until nothing is under way, or so many seconds; what is under way then has failed."""
        end = time.monotonic() + limit
        while self.under_way() and time.monotonic() < end and not self.abandoned:
            self.poll(0.05)
        for connection in list(self.connections.values()):
            if connection.question is not None:
                self._broke(connection, "no answer when all was over")


class Closed(Asking):
    """So many connections, each of which asks a question of the list at random as soon as it has its answer."""

    def __init__(self, port, prefix, questions, count, tally, random):
        super().__init__(port, prefix)
        self.questions, self.tally, self.random = questions, tally, random
        self.missing = count        # connections that are to be made
        self.try_at = 0.0
        self.stopping = False

    def idle(self, connection):
        if not self.stopping:
            question = self.questions[int(self.random.random() * len(self.questions))]
            connection.ask(question, self.next_identity(), time.monotonic(), self.tally)

    def gone(self):
        self.missing += 1

    def turn(self):
        while self.missing and not self.stopping and time.monotonic() >= self.try_at:
            connection = self.connect()
            if connection is None:
                self.try_at = time.monotonic() + RETRY
                self.tally.sent += 1
                self.tally.broken(self.next_identity(), "none yet", time.monotonic(), "the connection was refused")
                break
            self.missing -= 1
            self.idle(connection)
        self.poll(RETRY)

    def run(self, over):
        """Until over() is true; then what is under way is waited for."""
        while not over():
            self.turn()
        self.stopping = True
        self.finish(PATIENCE)


class Open(Asking):
    """Asks at moments that are given, over as many connections as that needs, up to `most`. What would need more is
    counted in `unsent`. `slip`: seconds by which a request went out later than it should have, of each."""

    def __init__(self, port, prefix, most):
        super().__init__(port, prefix)
        self.most = most
        self.resting = []
        self.unsent = 0
        self.slip = array.array("f")

    def idle(self, connection):
        self.resting.append(connection)

    def gone(self):
        pass

    def drop(self, connection):
        if connection in self.resting:
            self.resting.remove(connection)
        super().drop(connection)

    def ask(self, question, due, tally):
        connection = self.resting.pop() if self.resting else None
        if connection is None and len(self.connections) < self.most:
            connection = self.connect()
        if connection is None:
            self.unsent += 1
            return
        self.slip.append(time.monotonic() - due)
        connection.ask(question, self.next_identity(), due, tally)

    def run(self, arrivals, burst=64):
        """arrivals: an iterator of (due, question, tally), due in ascending monotonic seconds. At most `burst` are sent
        before answers are looked at."""
        following = next(arrivals, None)
        while following is not None:
            for _ in range(burst):
                if following is None or following[0] > time.monotonic():
                    break
                self.ask(following[1], following[0], following[2])
                following = next(arrivals, None)
            if following is not None:
                self.poll(min(max(following[0] - time.monotonic(), 0), 0.05))
        self.finish(PATIENCE)


def merged(*streams):
    """Streams of arrivals as one, in the order of their moments."""
    return heapq.merge(*streams, key=lambda arrival: arrival[0])


def poisson(rate, seconds, questions, tally, random):
    """Arrivals at random moments, `rate` a second on the average, from now on."""
    due = time.monotonic()
    end = due + seconds
    while True:
        due += random.expovariate(rate)
        if due >= end:
            return
        yield due, random.choice(questions), tally
