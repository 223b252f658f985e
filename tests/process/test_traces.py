"""Traces behind a real web server, to a receiver that decodes them with OpenTelemetry's own definitions: what belongs
together is told so, what fails or is slow is told always, and whatever becomes of the receiver no client notices."""
import http.client
import json
import os
import pathlib
import signal
import tempfile
import threading
import unittest
import urllib.request

import otlp
from stack import PATIENCE, Stack, free_port

JSON = {"Content-Type": "application/json"}
SLOW, CRASH, FAIL = [-1001, 300, 0, 0], [-1002, 0, 0, 0], [-1005, 0, 0, 0]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TOGETHER = 4  # rows of a batch of "pool"
PREDICT = "POST /api/v1/models/{model}/predict"
INTERNAL, SERVER = 1, 2


@unittest.skipIf(otlp.missing(), f"NOT TESTED, since not installed: {otlp.missing()}")
class Traces(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="outrigger-test.")
        self.addCleanup(scratch.cleanup)
        self.repository = pathlib.Path(scratch.name)
        self.repository.chmod(0o755)
        for model in ("sum", "pool"):
            (self.repository / model / "1").mkdir(parents=True)
            (self.repository / model / "1/model.echo").write_text("features = 4;\n")
        (self.repository / "pool/model.conf").write_text(
            f"batching = {{ max_batch_rows = {TOGETHER}; max_delay_us = 10000000; }};\n"
            "queue = { timeout_ms = 60000; };\n")

    def stack(self, **settings):
        stack = Stack("nginx", str(self.repository), {f"trace.{name}": str(value) for name, value in settings.items()})
        self.addCleanup(lambda: stack.directory and stack._kill_all())
        return stack.start()

    def ask(self, client, model, row, headers=None, expected=200):
        """Returns what the answer says of the trace: its id, our span, its flags."""
        status, answered, body = client.request("POST", f"/api/v1/models/{model}/predict", json.dumps({"features": row}),
                                                {**JSON, **(headers or {})})
        self.assertEqual(status, expected, body[:500])
        return tuple(answered["traceparent"].split("-")[1:]) if "traceparent" in answered else None

    def metric(self, stack, name, **labels):
        """The sum over all processes."""
        with urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics_port}/metrics", timeout=PATIENCE) as answer:
            lines = answer.read().decode().splitlines()
        wanted = "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else " "
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + wanted))

    def one(self, stack, receiver, name, **attributes):
        stack.wait(lambda: receiver.named(name, **attributes), f"no span {name} {attributes}: {receiver.wrong}")
        span, = receiver.named(name, **attributes)
        return span

    def several_at_once(self, stack):
        """As many requests as a batch of "pool" has rows. Returns what each was told of its trace."""
        told = [None] * TOGETHER

        def one(number):
            client = stack.client()
            told[number] = self.ask(client, "pool", [number, 0, 0, 0])
            client.close()
        threads = [threading.Thread(target=one, args=(number,)) for number in range(TOGETHER)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return told

    # ---- what is told ----

    def check_request(self, stack, receiver):
        trace, span_id, flags = self.ask(stack, "sum", [1, 2, 3, 4], {
            "traceparent": f"00-{TRACE}-{PARENT}-00", "tracestate": "vendor=x, other@y=1", "X-Request-Id": "wanted"})
        self.assertEqual((trace, flags), (TRACE, "01"))
        server = self.one(stack, receiver, PREDICT, outrigger__request_id="wanted")
        self.assertEqual((server.trace, server.id, server.parent, server.kind), (TRACE, span_id, PARENT, SERVER))
        self.assertEqual(server.state, "vendor=x, other@y=1")
        self.assertFalse(server.failed)
        self.assertEqual({key: server.attributes[key] for key in (
            "http.request.method", "http.route", "http.response.status_code", "outrigger.model", "outrigger.version",
            "outrigger.rows", "outrigger.call")}, {
            "http.request.method": "POST", "http.route": "/api/v1/models/{model}/predict",
            "http.response.status_code": 200, "outrigger.model": "sum", "outrigger.version": "1", "outrigger.rows": 1,
            "outrigger.call": "predict"})
        self.assertEqual(server.resource["service.name"], "outrigger")
        self.assertRegex(server.resource["service.instance.id"], r"^frontend\.\d+$")
        stack.wait(lambda: len(receiver.of_trace(TRACE)) == 4, "the trace has not all of its spans")
        parts = {span.name: span for span in receiver.of_trace(TRACE) if span is not server}
        self.assertEqual(sorted(parts), ["compute", "queue", "validate"])
        for part in parts.values():
            self.assertEqual((part.parent, part.kind), (span_id, INTERNAL))
            # Each span's times are told by a clock that is read for it.
            self.assertGreaterEqual(part.start, server.start - 1_000_000)
            self.assertLessEqual(part.end, server.end + 1_000_000)
            self.assertLessEqual(part.start, part.end)

    def check_batch(self, stack, receiver):
        told = self.several_at_once(stack)
        self.assertEqual(len({trace for trace, _, _ in told}), TOGETHER)
        batch = self.one(stack, receiver, "batch", outrigger__model="pool")
        self.assertEqual(sorted(batch.links), sorted((trace, span) for trace, span, _ in told))
        self.assertEqual((batch.parent, batch.attributes["outrigger.batch.rows"], batch.attributes["outrigger.batch.requests"],
                          batch.attributes["outrigger.batch.reason"]), ("", TOGETHER, TOGETHER, "full"))
        self.assertEqual(batch.resource["service.instance.id"], "broker")
        stack.wait(lambda: len(receiver.of_trace(batch.trace)) == 2, "the batch has no computation")
        compute, = (span for span in receiver.of_trace(batch.trace) if span.name == "compute")
        self.assertEqual(compute.parent, batch.id)

    def check_what_is_none(self, stack, receiver):
        """A parent that is garbage, two of them, and calls that only look after us."""
        for parent in ("garbage", f"00-{TRACE}-{PARENT}-01-x", f"00-{'0' * 32}-{PARENT}-01"):
            trace, _, _ = self.ask(stack, "sum", [0, 0, 0, 1], {"traceparent": parent, "X-Request-Id": "orphan"})
            stack.wait(lambda: receiver.of_trace(trace), "a request with a wrong parent has no trace")
            server, = (span for span in receiver.of_trace(trace) if span.kind == SERVER)
            self.assertEqual(server.parent, "")
        trace = self.ask_with_two_parents(stack)
        self.assertNotIn(trace, (TRACE, TRACE[::-1]))
        stack.wait(lambda: receiver.of_trace(trace), "a request with two parents has no trace")
        self.assertEqual(stack.request("GET", "/health")[0], 200)
        self.assertEqual(stack.request("GET", "/api/v1/models")[0], 200)
        self.one(stack, receiver, "GET /api/v1/models")
        self.assertEqual(receiver.named("GET /health"), [])

    def ask_with_two_parents(self, stack):
        """Two headers of one name, which no mapping holds. Returns the id of the trace that is answered."""
        body = json.dumps({"features": [0, 0, 0, 1]}).encode()
        connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.putrequest("POST", "/api/v1/models/sum/predict")
        for name, value in [("Content-Type", "application/json"), ("Content-Length", str(len(body))),
                            ("traceparent", f"00-{TRACE}-{PARENT}-01"), ("traceparent", f"00-{TRACE[::-1]}-{PARENT}-01")]:
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        self.assertEqual((answer.status, bool(answer.read())), (200, True))
        return answer.headers["traceparent"].split("-")[1]

    def check_busy_receiver(self, stack, receiver):
        """One that is busy gets the same spans again, none is lost."""
        receiver.retry_after, receiver.answer = 1, 503
        self.ask(stack, "sum", [0, 0, 1, 0], {"X-Request-Id": "patient"})
        stack.wait(lambda: self.metric(stack, "outrigger_trace_exports_total", result="again") >= 1, "it was not asked")
        self.assertEqual(receiver.named(PREDICT, outrigger__request_id="patient"), [])
        receiver.answer = 200
        self.one(stack, receiver, PREDICT, outrigger__request_id="patient")

    def check_refusing_receiver(self, stack, receiver):
        receiver.answer = 400
        self.ask(stack, "sum", [0, 0, 1, 1], {"X-Request-Id": "refused"})
        stack.wait(lambda: self.metric(stack, "outrigger_spans_total", outcome="failed") >= 4, "they were not dropped")
        receiver.answer, receiver.rejected = 200, 3
        self.ask(stack, "sum", [0, 1, 0, 0], {"X-Request-Id": "partly"})
        stack.wait(lambda: self.metric(stack, "outrigger_spans_total", outcome="rejected") >= 3, "not seen as rejected")
        receiver.rejected = 0

    def check_dead_sender(self, stack, receiver):
        """The process that sends spans is another one than the collector, and is begun again."""
        def child(pid):
            return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        collector, = stack.pids("collector")
        os.kill(child(child(collector)), signal.SIGKILL)
        self.ask(stack, "sum", [1, 0, 0, 0], {"X-Request-Id": "survivor"})
        self.one(stack, receiver, PREDICT, outrigger__request_id="survivor")
        stack.wait(lambda: self.metric(stack, "outrigger_trace_exports_total", result="died") == 1, "it is not counted")

    def check_silent_receiver(self, stack, receiver):
        """It never answers: clients are, and what is over the time is tried again."""
        receiver.answer = None
        before = self.metric(stack, "outrigger_trace_exports_total", result="unreachable")
        for number in range(20):
            self.ask(stack, "sum", [0, 1, 1, number])
        stack.wait(lambda: self.metric(stack, "outrigger_trace_exports_total", result="unreachable") > before,
                   "it was not given up")
        self.ask(stack, "sum", [0, 1, 1, 1])

    def test_requests_and_batches(self):
        receiver = otlp.Receiver()
        self.addCleanup(receiver.close)
        stack = self.stack(endpoint=receiver.url, ratio_ppm=1000000, slow_ms=0, timeout_ms=1000)
        self.check_request(stack, receiver)
        self.check_batch(stack, receiver)
        self.check_what_is_none(stack, receiver)
        self.check_busy_receiver(stack, receiver)
        self.check_refusing_receiver(stack, receiver)
        self.check_dead_sender(stack, receiver)
        self.assertEqual({path for path, _ in receiver.requests}, {"/v1/traces"})
        self.assertEqual({headers["Content-Type"] for _, headers in receiver.requests}, {"application/x-protobuf"})
        self.check_silent_receiver(stack, receiver)
        stack.stop()  # also with a receiver that says nothing
        self.assertEqual(receiver.wrong, [])

    # ---- what is told always ----

    def test_failures_and_slow_ones_always(self):
        """No trace is chosen; and at first there is no receiver at all."""
        port = free_port()
        stack = self.stack(endpoint=f"http://127.0.0.1:{port}/custom", ratio_ppm=0, slow_ms=200, header="X-Key",
                           header_secret=self.secret())
        self.assertIsNone(self.ask(stack, "sum", [1, 1, 1, 1], {"X-Request-Id": "fast"}))
        parent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}  # that it is recorded there is not believed
        self.assertEqual(self.ask(stack, "sum", [2, 1, 1, 1], {**parent, "X-Request-Id": "chosen"})[2], "00")
        stack.request("POST", "/api/v1/models/nix/predict", "{}", JSON)
        self.ask(stack, "sum", SLOW, {"X-Request-Id": "slow"})
        self.ask(stack, "sum", FAIL, {"X-Request-Id": "fails"}, expected=500)
        self.ask(stack, "sum", CRASH, {"X-Request-Id": "poison"}, expected=422)
        stack.wait(lambda: self.metric(stack, "outrigger_trace_exports_total", result="unreachable") >= 1, "nobody tried")
        receiver = self.receiver_at(port)
        slow = self.one(stack, receiver, PREDICT, outrigger__request_id="slow")
        fails = self.one(stack, receiver, PREDICT, outrigger__request_id="fails")
        poison = self.one(stack, receiver, PREDICT, outrigger__request_id="poison")
        self.assertFalse(slow.failed)
        self.assertTrue(fails.failed and poison.failed)
        self.assertEqual((fails.attributes["error.type"], poison.attributes["error.type"]), ("model_failed", "poison"))
        stack.wait(lambda: [span for span in receiver.named("batch") if (poison.trace, poison.id) in span.links],
                   "the batch that cost a worker its life is not told")
        linked = {link for span in receiver.named("batch") for link in span.links}
        self.assertEqual(linked, {(span.trace, span.id) for span in (slow, fails, poison)})
        told = {span.attributes.get("outrigger.request_id") for span in receiver.named(PREDICT)}
        self.assertEqual(told, {"slow", "fails", "poison"})
        self.assertEqual({(path, headers["X-Key"]) for path, headers in receiver.requests}, {("/custom", "hush")})
        stack.stop()

    def secret(self):
        path = self.repository.parent / (self.repository.name + ".secret")
        path.write_text("hush\n")
        path.chmod(0o600)
        self.addCleanup(path.unlink)
        return path

    def receiver_at(self, port):
        receiver = otlp.Receiver(port)
        self.addCleanup(receiver.close)
        return receiver


if __name__ == "__main__":
    unittest.main()
