"""A receiver of traces that is none of ours: OTLP/HTTP, decoded by Google's library with OpenTelemetry's own definitions,
which deploy/install-deps brings. It answers as the test says."""
import gzip
import http.server
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

DEFINITIONS = pathlib.Path(__file__).resolve().parent.parent.parent / "build/deps/share/otlp"
SERVICE = "opentelemetry/proto/collector/trace/v1/trace_service.proto"


def missing():
    """What is not there of all that it needs; None when nothing is."""
    try:
        import google.protobuf  # noqa: F401
    except ImportError:
        return "python3-protobuf"
    if not shutil.which("protoc"):
        return "protoc"
    return None if (DEFINITIONS / SERVICE).exists() else str(DEFINITIONS)


def messages():
    """The module of OpenTelemetry's messages, made of their definitions."""
    folder = tempfile.mkdtemp(prefix="outrigger-test.")
    try:
        subprocess.run(["protoc", f"--python_out={folder}", f"-I{DEFINITIONS}", SERVICE,
                        *(f"opentelemetry/proto/{part}/v1/{part}.proto" for part in ("common", "resource", "trace"))],
                       check=True)
        sys.path.insert(0, folder)
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
        return trace_service_pb2
    finally:
        sys.path.remove(folder)
        shutil.rmtree(folder)


def value_of(value):
    return getattr(value, value.WhichOneof("value"))


class Span:
    """One span as it was received; ids in hexadecimal, times in nanoseconds."""

    def __init__(self, span, resource):
        self.trace, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.name, self.kind, self.state = span.name, span.kind, span.trace_state
        self.start, self.end = span.start_time_unix_nano, span.end_time_unix_nano
        self.attributes = {entry.key: value_of(entry.value) for entry in span.attributes}
        self.resource = {entry.key: value_of(entry.value) for entry in resource.attributes}
        self.links = [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
        self.failed, self.message = span.status.code == 2, span.status.message


class Receiver:
    """`answer`: a status, with `retry_after` seconds; None: none, ever. `rejected`: spans that it says it did not take."""

    def __init__(self, port=0):
        self.lock, self.spans, self.requests, self.wrong = threading.Lock(), [], [], []
        self.answer, self.retry_after, self.rejected, self.released = 200, None, 0, threading.Event()
        self.definitions = messages()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver._take(self.path, self.headers, body)
                if status is None:
                    receiver.released.wait()
                    self.close_connection = True
                    return
                answer = receiver._response(status)
                self.send_response(status)
                if receiver.retry_after is not None and status != 200:
                    self.send_header("Retry-After", str(receiver.retry_after))
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def _take(self, path, headers, body):
        with self.lock:
            self.requests.append((path, dict(headers.items())))
            try:
                if headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                message = self.definitions.ExportTraceServiceRequest.FromString(body)
            except Exception as error:
                self.wrong.append(repr(error))
                return 400
            if self.answer == 200:
                self.spans += [Span(span, resource.resource) for resource in message.resource_spans
                               for scope in resource.scope_spans for span in scope.spans]
            return self.answer

    def _response(self, status):
        """partial_success { rejected_spans, error_message }, which the definitions have since 0.19, by hand."""
        if status != 200 or not self.rejected:
            return b""
        partial = bytes([0x08, self.rejected]) + b"\x12\x07too old"
        return bytes([0x0A, len(partial)]) + partial

    def named(self, name, **attributes):
        """Those of that name, and with those attributes (in a keyword, "__" stands for a dot)."""
        with self.lock:
            return [span for span in self.spans if span.name == name and
                    all(span.attributes.get(key.replace("__", ".")) == value for key, value in attributes.items())]

    def of_trace(self, trace):
        with self.lock:
            return [span for span in self.spans if span.trace == trace]

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
