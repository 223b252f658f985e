"""The collector alone: snapshots in, sums out over HTTP and ZeroMQ, and whatever may happen to it or to those who
publish."""
import gzip
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import msgpack
import zmq

from stack import BAD_WORDS, BIN, PATIENCE, ROOT, SANITIZED

INTERVAL_MS = 100
# What Prometheus sends.
PROMETHEUS_ACCEPTS = ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
SOCKETS = ("stats.ipc", "stats-out.ipc", "exposition.ipc", "observations.ipc", "collector.sock")


def wait(condition, complaint):
    """Until the condition is true; returns what it returned."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(complaint)
        time.sleep(0.01)


def start_time(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


class Collector:
    """The real program in a directory of its own."""

    def __init__(self, **settings):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-test."))
        self.runtime = self.directory / "run"
        self.settings = {"runtime_directory": self.runtime, "state_directory": self.directory / "state", "collector.interval_ms": INTERVAL_MS,
                         "collector.listen": "127.0.0.1:0"} | {f"collector.{k}": v for k, v in settings.items()}
        self.runs = 0
        self.context = zmq.Context()
        self.process = None

    def command(self):
        return [BIN / "outrigger-collector"] + [part for name, value in self.settings.items()
                                                for part in ("-s", f"{name}={value}")]

    def start(self):
        self.runs += 1
        self.log = self.directory / f"log.{self.runs}"
        read_end, write_end = os.pipe()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*self.command(), "-r", str(write_end)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, pass_fds=[write_end])
        os.close(write_end)
        with open(read_end, "rb") as ready:
            if not ready.read().startswith(b"ready\n"):
                raise AssertionError("the collector did not say ready: " + self.log.read_text())
        return self

    def port(self):
        def said():
            return re.search(r"metrics at http://127\.0\.0\.1:(\d+)/metrics", self.log.read_text())
        return int(wait(said, "the collector does not listen")[1])

    def request(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=PATIENCE)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def scrape(self):
        """The samples of /metrics, by what stands in front of the value."""
        status, _, content = self.request("GET", "/metrics")
        assert status == 200, status
        lines = content.decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    def wait_for(self, sample, value):
        def there():
            self.seen = self.scrape()
            return self.seen.get(sample) == value
        try:
            wait(there, "")
        except AssertionError:
            raise AssertionError(f"{sample} is {self.seen.get(sample)}, not {value}") from None

    def ask(self, path, number=1, query="", accept="", accept_encoding="", if_none_match=""):
        """The envelope and the body of a page, as STATS.md section 9 has it."""
        asker = self.socket(zmq.DEALER, "exposition.ipc")
        asker.send(msgpack.packb([1, number, path, query, accept, accept_encoding, if_none_match]))
        assert asker.poll(PATIENCE * 1000), "no answer"
        envelope, body = asker.recv_multipart()
        asker.close()
        return msgpack.unpackb(envelope), body

    def refused(self, reason):
        return self.scrape().get(f'outrigger_collector_refused_total{{reason="{reason}"}}', 0)

    def socket(self, kind, name, **options):
        made = self.context.socket(kind)
        made.setsockopt(zmq.LINGER, 0)
        for option, value in options.items():
            made.setsockopt(getattr(zmq, option), value)
        made.connect(f"ipc://{self.runtime}/{name}")
        return made

    def stop(self):
        """SIGTERM; exit status 0, no socket left, nothing bad in the log."""
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        text = self.log.read_text()
        assert status == 0, f"status {status}: {text}"
        assert not BAD_WORDS.search(text), text
        left = [name for name in (*SOCKETS, "collector.lock") if (self.runtime / name).exists()]
        assert not left, left

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
            else:
                sys.stderr.write(self.log.read_text())
        finally:
            if self.process and self.process.poll() is None:
                os.kill(self.process.pid, signal.SIGCONT)
                self.process.kill()
                self.process.wait()
            self.context.destroy(linger=0)
            shutil.rmtree(self.directory)


class Publisher:
    """A process as STATS.md describes it, written from STATS.md."""

    def __init__(self, collector, name, pid=None, start=None):
        self.socket = collector.socket(zmq.PUB, "stats.ipc", IMMEDIATE=1)
        self.pid = pid or os.getpid()
        self.body = {"version": 1, "kind": "worker", "name": name, "pid": self.pid,
                     "start": start or start_time(self.pid), "sequence": 0, "interval_ms": INTERVAL_MS, "series": []}
        self.topic = f"worker.{name}.{self.pid}".encode()

    def publish(self, *series, **changes):
        self.body["sequence"] += 1
        self.body["series"] = list(series)
        self.socket.send_multipart([self.topic, msgpack.packb(self.body | changes)])

    def publish_until(self, collector, sample, value, *series, **changes):
        """Again and again, as processes do: the first snapshots go nowhere before the collector has heard the
        connection."""
        def there():
            self.publish(*series, **changes)
            return collector.scrape().get(sample) == value
        wait(there, f"{sample} never became {value}")


def retries(value, model="iris"):
    return ["outrigger_retries_total", "counter", [model], value]


def queue_rows(value, model="iris"):
    return ["outrigger_queue_rows", "gauge", [model], value]


RETRIES = 'outrigger_retries_total{model="iris"}'
QUEUE_ROWS = 'outrigger_queue_rows{model="iris"}'


def dead_process():
    """Pid and start time of a process that is gone."""
    child = subprocess.Popen(["sleep", "1000"])
    identity = child.pid, start_time(child.pid)
    child.kill()
    child.wait()
    return identity


class Sums(unittest.TestCase):
    def test_what_processes_publish_is_added_up(self):
        with Collector() as collector:
            first, second = Publisher(collector, "w.1"), Publisher(collector, "w.2")
            first.publish_until(collector, RETRIES, 5, retries(5), queue_rows(3))
            second.publish_until(collector, RETRIES, 12, retries(7), queue_rows(-1))
            def both():
                first.publish(retries(5), queue_rows(3))
                second.publish(retries(7), queue_rows(-1))
                return collector.scrape().get(QUEUE_ROWS) == 2
            wait(both, "the gauges are not added up")

    def test_a_process_that_is_started_again_adds_to_its_predecessor(self):
        with Collector() as collector:
            pid, start = dead_process()
            Publisher(collector, "w", pid, start).publish_until(collector, RETRIES, 5, retries(5), queue_rows(3))
            collector.wait_for(QUEUE_ROWS, None)  # silent and dead
            again = Publisher(collector, "w")
            again.publish_until(collector, RETRIES, 7, retries(2), queue_rows(1))
            again.publish_until(collector, QUEUE_ROWS, 1, retries(2), queue_rows(1))

    def test_the_last_snapshot_takes_the_gauges_away_at_once(self):
        with Collector() as collector:
            publisher = Publisher(collector, "w")
            publisher.body["interval_ms"] = 60000
            publisher.publish_until(collector, QUEUE_ROWS, 3, retries(5), queue_rows(3))
            publisher.publish(retries(6), queue_rows(3), interval_ms=0)
            collector.wait_for(QUEUE_ROWS, None)
            self.assertEqual(collector.scrape()[RETRIES], 6)

    def test_histograms_come_out_cumulative_and_in_seconds(self):
        with Collector() as collector:
            buckets = [1, 2] + [0] * 18 + [4]
            Publisher(collector, "w").publish_until(
                collector, 'outrigger_queue_duration_seconds_count{model="iris",version="1"}', 7,
                ["outrigger_queue_duration_seconds", "histogram", ["iris", "1"], 7, 1500000000, buckets])
            samples = collector.scrape()
            self.assertEqual(samples['outrigger_queue_duration_seconds_sum{model="iris",version="1"}'], 1.5)
            self.assertEqual(samples['outrigger_queue_duration_seconds_bucket{model="iris",version="1",le="0.00025"}'], 3)
            self.assertEqual(samples['outrigger_queue_duration_seconds_bucket{model="iris",version="1",le="+Inf"}'], 7)

    def test_labels_beyond_the_bound_are_dropped_and_counted(self):
        with Collector(max_series=100) as collector:
            publisher = Publisher(collector, "w")
            flood = [retries(1, f"model {i}") for i in range(4000)]
            publisher.publish_until(collector, 'outrigger_retries_total{model="model 0"}', 1, *flood)
            wait(lambda: collector.scrape()["outrigger_collector_series_dropped_total"] >= 3900, "nothing is dropped")
            self.assertLessEqual(collector.scrape()["outrigger_collector_series"], 100)

    def test_gaps_in_sequences_are_counted(self):
        with Collector() as collector:
            publisher = Publisher(collector, "w")
            publisher.publish_until(collector, RETRIES, 5, retries(5))
            publisher.body["sequence"] += 1000
            publisher.publish(retries(5))
            wait(lambda: collector.scrape()["outrigger_collector_lost_total"] >= 1000, "the gap is not counted")


def score(value):
    """An answer of one row, as PROTOCOL.md section 6 has it."""
    return msgpack.packb([["score", "FP32", [1, 1], struct.pack("<f", value)]])


def observation(answer, shadow_answer, failure=0, version=1, kind=1):
    """As STATS.md section 8 describes it."""
    return msgpack.packb([version, kind, "iris", "1", "2", 0, 1000, failure, answer, shadow_answer])


class Observations(unittest.TestCase):
    LABELS = '{model="iris",version="1",shadow="2"}'

    def test_answers_are_compared(self):
        with Collector() as collector:
            socket_ = collector.socket(zmq.PUSH, "observations.ipc")
            socket_.send(observation(score(1), score(1.0005)) + msgpack.packb([1, 99, "a later kind"]) +
                         observation(score(2), score(2.5)))
            socket_.send(observation(b"", b"", failure=12))
            collector.wait_for("outrigger_shadow_failed_total" + self.LABELS, 1)
            seen = collector.scrape()
            self.assertEqual([seen[f"outrigger_shadow_{name}_total{self.LABELS}"]
                              for name in ("answered", "compared", "agreed", "elements")], [2, 2, 1, 2])
            self.assertAlmostEqual(seen["outrigger_shadow_difference_total" + self.LABELS], 0.5005, places=5)
            self.assertEqual(seen["outrigger_shadow_largest_difference" + self.LABELS], 0.5)

    def test_what_breaks_the_contract_is_refused_and_counted(self):
        rubbish = (b"", b"\xc1", observation(b"", b"", version=2), observation(b"", b"", failure=256),
                   observation(score(1), score(1))[:-1], msgpack.packb([1, 1, "iris"]), os.urandom(5000))
        with Collector() as collector:
            socket_ = collector.socket(zmq.PUSH, "observations.ipc")
            for bad in rubbish[1:]:
                socket_.send(bad)
            collector.wait_for("outrigger_observations_refused_total", len(rubbish) - 1)
            socket_.send_multipart([rubbish[0], observation(score(1), score(1))])
            wait(lambda: collector.refused("frames") == 1, "a message of two frames is not refused")
            socket_.send(rubbish[0])  # nothing in it
            socket_.send(observation(score(1), score(1)))
            collector.wait_for("outrigger_shadow_agreed_total" + self.LABELS, 1)
            self.assertEqual(collector.scrape()["outrigger_observations_refused_total"], len(rubbish) - 1)


class Hostile(unittest.TestCase):
    def test_messages_that_break_the_contract_are_refused_and_counted(self):
        with Collector() as collector:
            publisher = Publisher(collector, "w")
            publisher.publish_until(collector, RETRIES, 5, retries(5))
            topic, good = publisher.topic, msgpack.packb(publisher.body | {"sequence": 10 ** 6})
            sent = {
                "frames": [[topic], [topic, good, good], [topic, good] + [b""] * 100],
                "contract": [[topic, b""], [topic, b"\xc1"], [topic, good[:-1]], [topic, good + b"\0"],
                             [topic, b"\xdd\xff\xff\xff\xff"], [topic, os.urandom(10000)]],
                "topic": [[b"", good], [topic + b"1", good], [b"x" * 100000, good]],
                "size": [[topic, bytes((4 << 20) + 1)], [topic, bytes(6 << 20)]],
                "stale": [[topic, msgpack.packb(publisher.body | {"sequence": 0})]],
            }
            for reason, messages in sent.items():
                for message in messages:
                    publisher.socket.send_multipart(message)
                wait(lambda: collector.refused(reason) >= len(messages), f"{reason} is not counted")
            self.assertEqual(collector.scrape()[RETRIES], 5)
            publisher.publish_until(collector, RETRIES, 9, retries(9))

    def test_a_frame_of_any_length_does_no_harm(self):
        with Collector() as collector:
            publisher = Publisher(collector, "w")
            publisher.publish_until(collector, RETRIES, 5, retries(5))
            publisher.socket.send_multipart([publisher.topic, bytes(64 << 20)])
            again = Publisher(collector, "w.2")  # libzmq has cut the other connection
            again.publish_until(collector, RETRIES, 6, retries(1))

    def test_raw_bytes_on_the_sockets_do_no_harm(self):
        with Collector() as collector:
            for name in SOCKETS:
                for junk in (b"", b"\xff" * 10000, b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000)):
                    with socket.socket(socket.AF_UNIX) as raw:
                        raw.connect(str(collector.runtime / name))
                        try:
                            raw.sendall(junk)
                        except (BrokenPipeError, ConnectionResetError):
                            pass
            Publisher(collector, "w").publish_until(collector, RETRIES, 5, retries(5))

    def test_a_flood_does_not_starve_the_scrapers(self):
        with Collector() as collector:
            publisher = Publisher(collector, "w")
            publisher.publish_until(collector, RETRIES, 5, retries(5))
            flood = [[f"worker.f{i}.1".encode(), os.urandom(200)] for i in range(1000)]
            for _ in range(20):
                for message in flood:
                    publisher.socket.send_multipart(message)
                self.assertEqual(collector.scrape()[RETRIES], 5)
            wait(lambda: collector.refused("contract") > 0, "the flood is not counted")


class Http(unittest.TestCase):
    def test_paths_and_methods(self):
        with Collector() as collector:
            status, headers, content = collector.request("GET", "/metrics")
            self.assertEqual(status, 200)
            self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
            self.assertIn(b"\noutrigger_build_info{version=", content)
            self.assertTrue(content.endswith(b"\n"))
            status, headers, content = collector.request("HEAD", "/metrics")
            self.assertEqual((status, content), (200, b""))
            self.assertGreater(int(headers["Content-Length"]), 100)
            self.assertEqual(collector.request("GET", "/metrics?name=x")[0], 200)
            _, headers, content = collector.request("GET", "/metrics", Accept_Encoding="gzip")
            self.assertEqual(headers["Content-Encoding"], "gzip")
            self.assertIn(b"\noutrigger_build_info{version=", gzip.decompress(content))
            self.assertEqual(collector.request("GET", "/health")[::2], (200, b"healthy\n"))
            for path in ("/", "/metrics/", "/metricsx", "/../metrics", "/health/x", "/metric%73x"):
                self.assertEqual(collector.request("GET", path)[0], 404, path)
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
                status, headers, _ = collector.request(method, "/metrics", "body" * 10000)
                self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"), method)

    def test_one_connection_may_scrape_again_and_again(self):
        with Collector() as collector:
            connection = http.client.HTTPConnection("127.0.0.1", collector.port(), timeout=PATIENCE)
            for _ in range(50):
                connection.request("GET", "/metrics")
                self.assertEqual(connection.getresponse().read()[:6], b"# HELP")
            connection.close()

    def test_what_is_no_http_is_refused(self):
        with Collector() as collector:
            for junk in (b"\0" * 1000, b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n",
                         b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100000 + b"\r\n\r\n", os.urandom(1000) + b"\r\n\r\n"):
                with socket.create_connection(("127.0.0.1", collector.port()), PATIENCE) as raw:
                    try:
                        raw.sendall(junk)
                        raw.shutdown(socket.SHUT_WR)
                        self.assertNotIn(b" 200 OK", raw.recv(4096))
                    except OSError:  # closed before we had said all
                        pass
            self.assertEqual(collector.request("GET", "/health")[0], 200)

    def test_connections_that_say_nothing_do_not_keep_others_out_for_ever(self):
        with Collector() as collector:
            silent = [socket.create_connection(("127.0.0.1", collector.port()), PATIENCE) for _ in range(20)]
            Publisher(collector, "w").publish_until(collector, RETRIES, 5, retries(5))
            for connection in silent:
                connection.close()

    def test_a_collector_that_was_stopped_answers_who_has_asked_meanwhile(self):
        """It is the collector that said nothing for so long, not who asks."""
        with Collector() as collector:
            connection = http.client.HTTPConnection("127.0.0.1", collector.port(), timeout=PATIENCE)
            connection.request("GET", "/metrics")
            connection.getresponse().read()
            collector.process.send_signal(signal.SIGSTOP)
            try:
                connection.request("GET", "/metrics")
                time.sleep(5.5)  # longer than a connection may be silent
            finally:
                collector.process.send_signal(signal.SIGCONT)
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()

    def test_without_an_address_there_is_no_listener(self):
        with Collector(listen="") as collector:
            self.assertEqual(collector.ask("/metrics")[0][2], 200)
            self.assertNotIn("metrics at", collector.log.read_text())

    def test_a_port_that_is_taken_is_tried_again(self):
        other = socket.create_server(("127.0.0.1", 0))
        with Collector(listen=f"127.0.0.1:{other.getsockname()[1]}") as collector:
            self.assertIn("Address already in use", collector.log.read_text())
            other.close()
            self.assertEqual(collector.request("GET", "/health")[0], 200)

    def test_promtool_has_no_complaint(self):
        if not shutil.which("promtool"):
            print("NOT TESTED, since not installed: promtool (package prometheus)", file=sys.stderr, flush=True)
            self.skipTest("no promtool")
        with Collector() as collector:
            rows = re.findall(r'METRIC\(\w+, (\w+), "(\w+)", "([\w,]*)"', (ROOT / "common/metrics.def").read_text())
            self.assertGreater(len(rows), 30)
            numbers = {"COUNTER": [5], "GAUGE": [-5], "HISTOGRAM": [3, 10 ** 9, [1] * 3 + [0] * 18],
                       "SIZES": [3, 7, [1] * 3 + [0] * 18]}
            everything = [[name, kind.lower(), [f'odd"\\ {label}' for label in labels.split(",") if label],
                           *numbers[kind]] for kind, name, labels in rows]
            trace = [[name for name, *_ in everything].index("prediction_duration_seconds"), 2, 500000,
                     1700000000500000000, bytes(range(16))]
            publisher = Publisher(collector, "w")
            publisher.publish_until(collector, "predictions_total{" + r'model="odd\"\\ model",'
                                    + r'version="odd\"\\ version"}', 5, *everything, exemplars=[trace])

            def page(**headers):
                """With the gauges, which go when their process has been silent for a while."""
                found = []

                def is_whole():
                    publisher.publish(*everything, exemplars=[trace])
                    found[:] = collector.request("GET", "/metrics", **headers)
                    return b"outrigger_queue_rows{" in found[2]
                wait(is_whole, "the gauges did not come")
                return found
            text = page()[2]
            self.check_openmetrics(page(Accept=PROMETHEUS_ACCEPTS), rows)
            check = subprocess.run(["promtool", "check", "metrics"], input=text, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, timeout=PATIENCE)
            self.assertEqual((check.returncode, check.stdout.decode()), (0, ""))


    def check_openmetrics(self, page, rows):
        """With a parser that is not ours."""
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
        _, headers, text = page
        self.assertEqual(headers["Content-Type"], "application/openmetrics-text; version=1.0.0; charset=utf-8")
        families = {family.name: family for family in text_string_to_metric_families(text.decode())}
        self.assertLessEqual({name.removesuffix("_total") for _, name, _ in rows}, set(families))
        self.assertEqual(families["prediction_duration_seconds"].type, "histogram")
        exemplars = {sample.labels["le"]: sample.exemplar
                     for sample in families["prediction_duration_seconds"].samples if sample.exemplar}
        self.assertEqual(list(exemplars), ["0.0005"])
        self.assertEqual(exemplars["0.0005"].labels, {"trace_id": bytes(range(16)).hex()})
        self.assertEqual((exemplars["0.0005"].value, float(exemplars["0.0005"].timestamp)), (0.0005, 1700000000.5))


class Zmq(unittest.TestCase):
    def test_pages_are_told_to_who_asks(self):
        with Collector() as collector:
            envelope, body = collector.ask("/metrics", number=2 ** 64 - 1)
            self.assertEqual(envelope[:5], [1, 2 ** 64 - 1, 200, "text/plain; version=0.0.4; charset=utf-8", ""])
            self.assertIn(b"\noutrigger_build_info{version=", body)
            envelope, body = collector.ask("/metrics", accept_encoding="br;q=1, gzip;q=0.5")
            self.assertEqual(envelope[4], "gzip")
            self.assertIn(b"\noutrigger_build_info{version=", gzip.decompress(body))
            self.assertEqual(collector.ask("/none")[0][2], 404)

    def test_a_question_that_breaks_the_contract_is_counted(self):
        with Collector() as collector:
            asker = collector.socket(zmq.DEALER, "exposition.ipc")
            good = msgpack.packb([1, 1, "/metrics", "", "", "", ""])
            bad = (b"", b"please", bytes(1000), good[:-1], good + b"\0", msgpack.packb([2, 1, "/metrics", "", "", "", ""]),
                   msgpack.packb([1, 1, "/" * 1025, "", "", "", ""]))
            for ask in bad:
                asker.send(ask)
            asker.send(good)
            self.assertTrue(asker.poll(PATIENCE * 1000))
            self.assertEqual(msgpack.unpackb(asker.recv_multipart()[0])[1], 1)
            wait(lambda: collector.refused("contract") == len(bad), "not counted")

    def test_who_asks_and_does_not_read_harms_nobody(self):
        with Collector() as collector:
            question = msgpack.packb([1, 1, "/metrics", "", "", "", ""])
            rude = collector.socket(zmq.DEALER, "exposition.ipc", RCVHWM=1)
            for _ in range(2000):
                rude.send(question, zmq.DONTWAIT) if rude.poll(0, zmq.POLLOUT) else time.sleep(0.0001)
            many = collector.socket(zmq.DEALER, "exposition.ipc")
            many.send_multipart([b"a", b"b", b"c"])
            many.send(question)
            self.assertTrue(many.poll(PATIENCE * 1000))
            self.assertEqual(len(many.recv_multipart()), 2)
            self.assertGreaterEqual(wait(lambda: collector.refused("frames"), "not counted"), 1)

    def test_what_is_taken_goes_out_again_untouched(self):
        with Collector() as collector:
            subscriber = collector.socket(zmq.SUB, "stats-out.ipc", SUBSCRIBE=b"worker.")
            publisher = Publisher(collector, "w")
            def came():
                publisher.socket.send_multipart([publisher.topic, b"not a snapshot"])
                publisher.publish(retries(5))
                return subscriber.poll(50)
            wait(came, "nothing comes out")
            topic, body = subscriber.recv_multipart()
            self.assertEqual(topic, publisher.topic)
            self.assertEqual(msgpack.unpackb(body)["series"], [retries(5)])
            own = collector.socket(zmq.SUB, "stats-out.ipc", SUBSCRIBE=b"collector.")
            self.assertTrue(own.poll(PATIENCE * 1000))
            topic, body = own.recv_multipart()
            self.assertEqual(topic.decode(), f"collector.collector.{collector.process.pid}")
            snapshot = msgpack.unpackb(body)
            self.assertEqual(snapshot["interval_ms"], INTERVAL_MS)
            self.assertEqual(len(snapshot["duration_bounds_ns"]), 20)

    def test_the_example_of_the_contract_works(self):
        code = (ROOT / "common/STATS.md").read_text().rpartition("```python\n")[2].partition("```")[0]
        with Collector() as collector:
            example = subprocess.Popen([sys.executable, "-u", "-c", code, str(collector.runtime)],
                                       stdout=subprocess.PIPE)
            os.set_blocking(example.stdout.fileno(), False)
            publisher = Publisher(collector, "w")
            try:
                said = b""
                def enough():
                    nonlocal said
                    publisher.publish(retries(5))
                    said += example.stdout.read() or b""
                    return b"outrigger_retries_total ['iris'] 5\n" in said
                wait(enough, "the example prints nothing")
                self.assertIn(f"worker.w.{os.getpid()} no. ".encode(), said)
            finally:
                example.kill()
                example.wait()
                example.stdout.close()


class Command(unittest.TestCase):
    """`outrigger stats`."""

    def command(self, collector, *arguments):
        return [BIN / "outrigger", "stats", "-s", f"runtime_directory={collector.runtime}", *arguments]

    def test_the_sums_are_shown(self):
        with Collector() as collector:
            Publisher(collector, "w").publish_until(
                collector, RETRIES, 5, retries(5),
                ["outrigger_queue_duration_seconds", "histogram", ["iris", "1"], 4, 2000000, [3, 0, 1] + [0] * 18])
            done = subprocess.run(self.command(collector, "iris_no_such"), capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            done = subprocess.run(self.command(collector, "queue_duration"), capture_output=True, text=True)
            self.assertEqual([line.split() for line in done.stdout.splitlines()], [
                ["METRIC", "LABELS", "VALUE", "MEAN", "P50", "P95", "P99"],
                ["outrigger_queue_duration_seconds", "model=iris", "version=1", "4", "0.0005", "6.66667e-05", "0.00045", "0.00049"]])
            done = subprocess.run(self.command(collector, "--json"), capture_output=True, text=True)
            sums = {entry["name"]: entry for entry in json.loads(done.stdout)["metrics"]}
            self.assertEqual(sums["outrigger_retries_total"],
                             {"name": "outrigger_retries_total", "kind": "counter", "labels": {"model": "iris"}, "value": 5})
            done = subprocess.run(self.command(collector, "retries", "--json"), capture_output=True, text=True)
            said = json.loads(done.stdout)
            self.assertEqual((said["ok"], {entry["name"] for entry in said["metrics"]}), (True, {"outrigger_retries_total"}))

    def test_snapshots_are_followed(self):
        with Collector() as collector:
            publisher = Publisher(collector, "w")
            other = ["outrigger_worker_rows_total", "counter", ["iris", "1"], 7]
            publisher.publish_until(collector, RETRIES, 5, retries(5), other)
            for arguments, expected in ((("--json", "--topic", "worker"), b'"metric":"outrigger_retries_total"'),
                                        (("--topic", "worker"), b"  outrigger_retries_total model=iris: 5\n"),
                                        (("--topic", "worker"), b"  outrigger_worker_rows_total model=iris version=1: 7\n"),
                                        (("retries", "--json", "--topic", "worker"), b'"metric":"outrigger_retries_total"'),
                                        (("retries", "--topic", "worker"), b"  outrigger_retries_total model=iris: 5\n")):
                following = subprocess.Popen(self.command(collector, "--follow", *arguments), stdout=subprocess.PIPE)
                os.set_blocking(following.stdout.fileno(), False)
                try:
                    said = b""
                    def enough():
                        nonlocal said
                        publisher.publish(retries(5), other)
                        said += following.stdout.read() or b""
                        return said.count(expected) >= 2
                    wait(enough, f"{arguments} prints {said}")
                    self.assertNotIn(b"collector", said)
                    if "--json" in arguments:
                        snapshot = json.loads(said.splitlines()[0])
                        self.assertEqual([snapshot["kind"], snapshot["name"], snapshot["series"][0]["value"]],
                                         ["worker", "w", 5])
                    if "retries" in arguments:
                        self.assertNotIn(b"worker_rows", said)
                finally:
                    following.kill()
                    following.wait()
                    following.stdout.close()

    def test_without_a_collector_that_is_said(self):
        done = subprocess.run([BIN / "outrigger", "stats", "--follow", "-s", "runtime_directory=/none/there"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 3)
        self.assertIn("no collector runs", done.stderr)


class Subscribers(unittest.TestCase):
    SNAPSHOT_SERIES, SNAPSHOTS = 400, 3000

    def rss(self, collector):
        text = pathlib.Path(f"/proc/{collector.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024

    def test_one_that_is_stopped_costs_nobody_anything(self):
        """More goes by than could be kept for him, while everybody else is served."""
        with Collector() as collector:
            code = ("import os, signal, sys, zmq; s = zmq.Context().socket(zmq.SUB); s.connect(sys.argv[1]); s.subscribe(b''); "
                    "s.recv(); print('there', flush=True); os.kill(os.getpid(), signal.SIGSTOP)")
            stopped = subprocess.Popen([sys.executable, "-c", code, f"ipc://{collector.runtime}/stats-out.ipc"],
                                       stdout=subprocess.PIPE)
            try:
                self.assertEqual(stopped.stdout.readline(), b"there\n")
                os.waitpid(stopped.pid, os.WUNTRACED)
                collector.wait_for("outrigger_collector_subscriptions", 1)
                reading = collector.socket(zmq.SUB, "stats-out.ipc", SUBSCRIBE=b"worker.")
                publisher = Publisher(collector, "w")
                series = [retries(5, f"model-{i}") for i in range(self.SNAPSHOT_SERIES)]
                publisher.publish_until(collector, 'outrigger_retries_total{model="model-0"}', 5, *series)
                size = len(msgpack.packb(publisher.body))
                before, got = self.rss(collector), 0
                for i in range(self.SNAPSHOTS):
                    publisher.publish(*series)
                    if i % 8 == 7:  # in step with the collector, which keeps 16 of a publisher's
                        wait(lambda: reading.poll(0), "nothing comes out")
                        while reading.poll(0):
                            reading.recv_multipart()
                            got += 1
                    if i % 500 == 0:
                        self.assertEqual(collector.scrape()['outrigger_retries_total{model="model-0"}'], 5)
                self.assertGreater(got, self.SNAPSHOTS // 2)
                if not SANITIZED:  # which keep what was freed
                    self.assertLess(self.rss(collector) - before, 256 * size + (24 << 20))
                self.assertGreater(self.SNAPSHOTS * size, 256 * size + (24 << 20))  # else it would show nothing
                self.assertEqual(collector.scrape()['outrigger_retries_total{model="model-0"}'], 5)
            finally:
                stopped.kill()
                stopped.wait()
                stopped.stdout.close()
            reading.close()
            collector.wait_for("outrigger_collector_subscriptions", 0)


class Life(unittest.TestCase):
    def test_a_second_one_refuses_to_start(self):
        with Collector() as collector:
            second = subprocess.run(collector.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    timeout=PATIENCE, text=True)
            self.assertEqual(second.returncode, 1)
            self.assertIn("another collector runs here", second.stdout)
            Publisher(collector, "w").publish_until(collector, RETRIES, 5, retries(5))

    def test_sums_survive_a_kill(self):
        with Collector() as collector:
            pid, start = dead_process()
            Publisher(collector, "gone", pid, start).publish_until(collector, RETRIES, 5, retries(5))
            alive = Publisher(collector, "alive")
            alive.publish_until(collector, RETRIES, 12, retries(7))
            wait((collector.runtime / "stats/retired").exists, "the sums are not written down")
            taken = collector.scrape()["outrigger_collector_snapshots_total"]
            collector.process.kill()
            collector.process.wait()
            collector.start()
            self.assertEqual(collector.scrape()[RETRIES], 5)
            alive.publish_until(collector, RETRIES, 13, retries(8))
            # Its own counters are those of a process that was killed: they go on, from the page that it left.
            wait(lambda: collector.scrape()["outrigger_collector_snapshots_total"] > taken, "its page is not read")
            wait(lambda: len(list((collector.runtime / "stats").glob("collector.*"))) == 1, "its page is not removed")
            self.assertEqual(collector.scrape()[RETRIES], 13)

    def test_it_may_be_stopped_for_a_while(self):
        with Collector() as collector:
            publisher = Publisher(collector, "w")
            publisher.publish_until(collector, RETRIES, 5, retries(5), queue_rows(3))
            collector.process.send_signal(signal.SIGSTOP)
            limit = time.monotonic() + 20 * INTERVAL_MS / 1000
            while time.monotonic() < limit:  # processes do not notice
                publisher.publish(retries(6), queue_rows(4))
                time.sleep(INTERVAL_MS / 1000)
            collector.process.send_signal(signal.SIGCONT)
            publisher.publish_until(collector, RETRIES, 7, retries(7), queue_rows(4))
            self.assertEqual(collector.scrape()[QUEUE_ROWS], 4)

    def test_it_leaves_nothing_when_the_service_is_over(self):
        collector = Collector()
        with collector:
            pid, start = dead_process()
            Publisher(collector, "gone", pid, start).publish_until(collector, RETRIES, 5, retries(5))
            wait((collector.runtime / "stats/retired").exists, "the sums are not written down")
            collector.stop()
            self.assertEqual([path.name for path in collector.runtime.rglob("*")], ["stats"])
            collector.start()

    def test_it_keeps_the_sums_when_it_alone_is_stopped(self):
        with Collector() as collector:
            pid, start = dead_process()
            Publisher(collector, "gone", pid, start).publish_until(collector, RETRIES, 5, retries(5))
            wait((collector.runtime / "stats/retired").exists, "the sums are not written down")
            alive = Publisher(collector, "alive")
            alive.publish_until(collector, RETRIES, 6, retries(1))
            collector.stop()
            collector.start()
            self.assertEqual(collector.scrape()[RETRIES], 5)
            alive.publish_until(collector, RETRIES, 7, retries(2))

    def test_a_damaged_file_of_sums_is_passed_over(self):
        collector = Collector()
        (collector.runtime / "stats").mkdir(parents=True)
        (collector.runtime / "stats/retired").write_bytes(os.urandom(1000))
        with collector:
            self.assertIn("what ended processes counted is lost", collector.log.read_text())
            Publisher(collector, "w").publish_until(collector, RETRIES, 5, retries(5))


if __name__ == "__main__":
    unittest.main()
