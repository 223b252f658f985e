"""What the metrics say is so: as many series as there are models, whoever asks under whatever names; and times that are
those of the clients."""
import collections
import gzip
import json
import pathlib
import random
import re
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "fault"))

import asking
import truth
from stack import SANITIZED, Stack

USERS = 600 if SANITIZED else 4000
WARM = 300              # requests after which each sort of answer has been there
CONNECTIONS = 16
SERIES_MAX = 300        # of everything, with two versions of a model
DELAY_MS = 60           # of a computation: most of what a client waits, also on a machine that does other things
SHARES = (0.5, 0.9)


def repository(directory, configuration, delay_ms=0):
    """A model `sum` of two versions in a folder."""
    for version in "1", "2":
        folder = pathlib.Path(directory) / "sum" / version
        folder.mkdir(parents=True)
        (folder / "model.echo").write_text("features = 4;\n" + f"call_us = {1000 * delay_ms};\n")
    (pathlib.Path(directory) / "sum" / "model.conf").write_text(f'version = "1";\n{configuration}\n')
    pathlib.Path(directory).chmod(0o755)


class Somebody:
    """A question that is another one each time: its request id is also who asks, in every place that may say so."""

    batch, rows, kind, call = False, (0,), "any", "predict"

    def __init__(self, path, status):
        self.path, self.status = path, status

    def __str__(self):
        return self.path

    def wire(self, identity):
        name = identity.decode()
        body = f'{{"features": [1, 2, 3, 4], "key": "user-{name}"}}'
        return (f"POST {self.path.replace('USER', name)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"X-API-Key: key-{name}\r\nCookie: user={name}\r\nUser-Agent: agent-{name}\r\n"
                f"Idempotency-Key: once-{name}\r\nContent-Length: {len(body)}\r\nX-Request-Id: {name}\r\n\r\n{body}").encode()

    def fault(self, identity, body):
        return None


def strangers():
    """Questions for a model that there is, in versions that there are, and for others."""
    return [Somebody("/api/v1/models/sum/predict", 200)] * 8 + [Somebody(path, 404) for path in (
        "/api/v1/models/USER/predict", "/api/v1/models/sum/versions/USER/predict", "/v2/models/USER/infer",
        "/api/v1/models/a%22b%5cUSER/predict", "/api/v1/models/%7Bx=%22USER%22%7D/predict", "/USER",
        "/api/v1/models/" + "m" * 300 + "USER/predict")] + [Somebody("/outrigger/api/USER", 405)]


def ask(stack, prefix, count, questions, connections=CONNECTIONS):
    """So many requests; returns the tally."""
    tally = asking.Tally()
    load = asking.Closed(stack.port, prefix, questions, connections, tally, random.Random(1))
    load.run(lambda: tally.sent >= count)
    load.close()
    return tally


def counted(stack):
    """What frontends, the broker and workers have counted of requests: all answers, and those with success three times."""
    found = collections.Counter()
    for metric, labels, value in truth.scrape(stack):
        if metric != "outrigger_requests_total" or labels["outcome"] == "none":
            found[metric] += int(value)
    return [found[name] for name in ("outrigger_http_requests_total", "predictions_total", "outrigger_requests_total",
                                     "outrigger_worker_rows_total")]


def series(stack):
    return {(metric, *sorted(labels.items())) for metric, labels, _ in truth.scrape(stack)}


class Cardinality(unittest.TestCase):
    def test_series_do_not_grow_with_who_asks(self):
        with tempfile.TemporaryDirectory(prefix="outrigger-test.") as directory:
            repository(directory, 'route = { arms = ( { version = "2"; percent = 50.0; } ); by = "key"; };')
            with Stack(web="nginx", models=directory) as stack:
                self.ask_and_look(stack, b"aleph", WARM)
                stack.wait(lambda: {"1", "2"} <= {labels["version"] for metric, labels, _ in truth.scrape(stack)
                                                  if metric == "model_drift_rows"}, "nothing is told of drift")
                before = series(stack)
                after = self.ask_and_look(stack, b"zayin", USERS)
                self.assertEqual(sorted(after - before), [])
                text = json.dumps(sorted(map(str, after)))
                self.assertEqual([name for name in ("aleph", "zayin", "user-", "mmm") if name in text], [])
                kept = [value for metric, _, value in truth.scrape(stack) if metric == "outrigger_collector_series"]
                self.assertLess(kept[0], SERIES_MAX)

    def ask_and_look(self, stack, prefix, count):
        before = counted(stack)
        tally = ask(stack, prefix, count, strangers())
        self.assertEqual(tally.bad(), 0, tally.kinds)
        self.assertGreaterEqual(len(tally.answers), 3)
        more = [tally.sent] + [tally.rows] * 3
        stack.wait(lambda: all(now >= then + new for now, then, new in zip(counted(stack), before, more)),
                   "not all is counted")
        return series(stack)


class Exemplars(unittest.TestCase):
    TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

    def test_a_recorded_trace_stands_in_its_bucket(self):
        """Behind the web server, packed, in OpenMetrics; traces that are not recorded stand nowhere."""
        with tempfile.TemporaryDirectory(prefix="outrigger-test.") as directory:
            repository(directory, "")
            settings = {"trace.endpoint": "http://127.0.0.1:9", "trace.ratio_ppm": "0", "trace.trust_parent": "true",
                        "trace.slow_ms": "60000"}
            with Stack(web="nginx", models=directory, settings=settings) as stack:
                for parent in f"00-{'1' * 32}-00f067aa0ba902b7-00", f"00-{self.TRACE}-00f067aa0ba902b7-01":
                    status, _, _ = stack.request("POST", "/api/v1/models/sum/predict", '{"features": [1, 2, 3, 4]}',
                                                 {"Content-Type": "application/json", "traceparent": parent})
                    self.assertEqual(status, 200)
                stack.wait(lambda: self.exemplars(stack), "there is none")
                found = self.exemplars(stack)
                self.assertEqual([trace for _, trace in found], [self.TRACE])
                buckets = found[0][0]
                self.assertIn("prediction_duration_seconds_bucket{model=\"sum\",version=\"1\",le=", buckets)

    def exemplars(self, stack):
        status, headers, body = stack.request("GET", "/metrics", headers={
            "Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"})
        self.assertEqual((status, headers["Content-Encoding"]), (200, "gzip"))
        text = gzip.decompress(body).decode()
        self.assertTrue(text.endswith("\n# EOF\n"))
        return re.findall(r'^(.*) \d+ # \{trace_id="(\w+)"\} ', text, re.M)


class Times(unittest.TestCase):
    def test_percentiles_are_those_of_the_clients(self):
        """To the bucket, or the next one: the way through the web server is in the one and not in the other."""
        with tempfile.TemporaryDirectory(prefix="outrigger-test.") as directory:
            repository(directory, "", DELAY_MS)
            with Stack(web="nginx", models=directory) as stack:
                tally = ask(stack, b"times", 60, [Somebody("/api/v1/models/sum/predict", 200)], connections=2)
                self.assertEqual(tally.bad(), 0, tally.kinds)
                stack.wait(lambda: self.histogram(stack)["+Inf"] == tally.right, "not all is counted")
                buckets = self.histogram(stack)
                bounds = sorted(buckets, key=float)
                for share in SHARES:
                    took = asking.quantile(tally.took, share)
                    seen = next(i for i, bound in enumerate(bounds) if took <= float(bound))
                    told = next(i for i, bound in enumerate(bounds) if buckets[bound] >= share * tally.right)
                    self.assertLessEqual(abs(seen - told), 1, (share, took, bounds[told]))
                    self.assertLessEqual(told, seen)    # it cannot have taken us longer than the client waited

    def histogram(self, stack):
        found = collections.Counter()
        for metric, labels, value in truth.scrape(stack):
            if metric == "prediction_duration_seconds_bucket":
                found[labels["le"]] += int(value)
        return found


if __name__ == "__main__":
    unittest.main()
