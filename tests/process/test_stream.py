"""outrigger-stream with a real Redis: what POST batch-predict answers for the same rows, bad messages among the dead
letters, and each message answered once, whoever dies meanwhile: the job, Redis, the broker, a worker.

What is waited for is always a length in Redis, or the end of a process.
"""
import json
import random
import signal
import struct
import subprocess
import tempfile
import unittest

import msgpack

import otlp
from redis_server import Redis
from stack import BIN, BAD_WORDS, PATIENCE, ROOT, SANITIZED, Stack

MODEL = "cancer-logistic"
TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
HELD_OUT = json.loads((ROOT / "tests/models/heldout" / f"{MODEL}.json").read_text())


class Job:
    """outrigger-stream of that stack, from one stream of that Redis to another."""

    def __init__(self, stack, redis, consumer="one", source="in", **settings):
        self.log = tempfile.TemporaryFile("w+", errors="replace")
        self.output = tempfile.TemporaryFile("w+")
        settings = {"from": redis.url(source, group="g", consumer=consumer, claim_ms=100), "to": "out",
                    "dead_letter": "dead"} | settings
        words = [*stack.arguments(), "--name", f"stream.{consumer}", "--json"]
        for name, value in settings.items():
            if name == "file":
                words.append(value)
            elif name in ("skip_bad", "dry_run"):
                words.append("--" + name.replace("_", "-"))
            elif name == "patience_s":
                words += ["--job-set", f"{name}={value}"]
            elif value is not None:
                words += ["--" + name.replace("_", "-"), str(value)]
        self.process = subprocess.Popen([BIN / "outrigger", "stream", *words], stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def wait(self):
        return self.process.wait(PATIENCE)

    def stop(self):
        """In order; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def last(self):
        """The last line of figures."""
        self.output.seek(0)
        return json.loads(self.output.read().splitlines()[-1])


class Jobs(unittest.TestCase):
    """What tests of jobs have: a Redis each."""

    def setUp(self):
        self.redis = Redis(appendonly=True)
        self.redis.__enter__()
        self.addCleanup(self.redis.__exit__)
        self.jobs = []
        self.addCleanup(self.end_jobs)

    def end_jobs(self):
        for job in self.jobs:
            if job.process.poll() is None:
                job.kill()
            said = job.said()
            self.assertIsNone(BAD_WORDS.search(said), said)
            job.log.close()
            job.output.close()

    def job(self, *arguments, **settings):
        self.jobs.append(Job(self.stack, self.redis, *arguments, **settings))
        return self.jobs[-1]

    def wait_for(self, stream, length):
        def there():
            for job in self.jobs:
                status = job.process.poll()
                self.assertIn(status, (None, 0, -signal.SIGKILL), job.said())
            return self.redis.send("XLEN", stream) >= length
        self.stack.wait(there, f"{stream} does not get {length} entries")

    def rows(self, count):
        return [HELD_OUT["features"][i % len(HELD_OUT["features"])] for i in range(count)]


class Stream(Jobs):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(web="nginx", models=[MODEL]).start()
        cls.addClassCleanup(cls.stack.stop)

    # ---- what comes of a message ----

    def predicted(self, rows):
        status, _, body = self.stack.request("POST", f"/api/v1/models/{MODEL}/batch-predict",
                                             json.dumps({"instances": rows}), {"Content-Type": "application/json"})
        self.assertEqual(status, 200, body)
        body = json.loads(body)
        return [{"prediction": prediction, "probability": probabilities[1], "label": label, "model": MODEL,
                 "model_version": body["model_version"]}
                for prediction, probabilities, label in zip(body["predictions"], body["probabilities"], body["labels"])]

    def answered(self, job, values, read, **fields):
        """What the values are answered, in their order."""
        before = {identifier for identifier, _ in self.redis.entries("out")}
        ids = [identifier.decode() for identifier in self.redis.add("in", values, **fields)]
        self.wait_for("out", len(before) + len(values))
        self.assertEqual(job.stop(), 0, job.said())
        answers = {entry["outrigger-source"].decode(): entry for identifier, entry in self.redis.entries("out")
                   if identifier not in before}
        for entry in answers.values():
            self.assertEqual({name: entry[name].decode() for name in fields}, fields)
        return [read(answers[f"in@{identifier}"]["value"]) for identifier in ids]

    def test_answers_are_those_of_batch_predict(self):
        names = HELD_OUT["feature_names"]
        rows = self.rows(100)
        wanted = self.predicted(rows)
        by_name = [dict(zip(names, row), customer=7) for row in rows]  # what the model does not know is passed over
        self.assertEqual(wanted, self.answered(self.job(), [json.dumps(row) for row in rows], json.loads, key="k 1"))
        self.assertEqual(wanted, self.answered(self.job(), [json.dumps({"features": row}) for row in by_name],
                                               json.loads, traceparent=TRACE, tracestate="a=b"))
        self.assertEqual(wanted, self.answered(self.job(format="raw"), [struct.pack("<30f", *row) for row in rows],
                                               json.loads))
        close = self.answered(self.job(format="msgpack"), [msgpack.packb(row) for row in by_name], msgpack.unpackb)
        self.assertEqual([answer["label"] for answer in wanted], [answer["label"] for answer in close])
        for answer, other in zip(wanted, close):
            self.assertAlmostEqual(answer["probability"], other["probability"], delta=1e-6)
        self.assertEqual(self.redis.send("XPENDING", "in", "g")[0], 0)

    def test_bad_messages_are_dead_letters(self):
        row = dict(zip(HELD_OUT["feature_names"], self.rows(1)[0]))
        bad = {"no JSON": "nothing of ours", "expected 30 values, got 2": "[1, 2]",
               "mean radius: is missing": json.dumps({name: value for name, value in row.items()
                                                      if name != "mean radius"}),
               "mean area: expected one value, got an array": json.dumps(row | {"mean area": [1]}),
               "mean area: expected a number, got a string": json.dumps(row | {"mean area": "large"})}
        job = self.job()
        ids = self.redis.add("in", bad.values(), key="k", traceparent=TRACE)
        ids.append(self.redis.send("XADD", "in", "*", "other", "field"))
        self.redis.add("in", [json.dumps(row)])
        self.wait_for("dead", len(ids))
        self.wait_for("out", 1)
        self.assertEqual(job.stop(), 0)
        dead = {entry["outrigger-source"].decode(): entry for _, entry in self.redis.entries("dead")}
        for (reason, value), identifier in zip(bad.items(), ids):
            entry = dead[f"in@{identifier.decode()}"]
            self.assertIn(reason, entry["outrigger-reason"].decode())
            self.assertEqual((entry["value"].decode(), entry["key"], entry["traceparent"].decode()),
                             (value, b"k", TRACE))
        self.assertEqual(dead[f"in@{ids[-1].decode()}"]["outrigger-reason"], b"there is no value")
        self.assertEqual(len(self.redis.entries("out")), 1)
        figures = job.last()
        self.assertEqual((figures["scored"], figures["rejected"], figures["in_hand"]), (1, len(ids), 0))

    def test_what_it_ends_with(self):
        self.redis.add("in", ["[]"])
        job = self.job(dead_letter=None)
        self.assertEqual(job.wait(), 4)
        identifier = self.redis.entries("in")[0][0]
        self.assertIn(f"message in@{identifier} cannot be scored: expected 30 values, got 0", job.said())
        job = self.job(dead_letter=None, skip_bad=True)
        self.stack.wait(lambda: self.redis.send("XPENDING", "in", "g")[0] == 0, "it is not left out")
        self.assertEqual(job.stop(), 0)
        self.assertEqual(job.last()["skipped"], 1)
        job = self.job(model="nobody", patience_s=1)
        self.assertEqual(job.wait(), 3)
        self.assertIn(f"there is no model nobody; there is {MODEL}", job.said())
        job = self.job(patience_s=0)
        self.assertEqual(job.wait(), 2)
        self.assertIn("--job-set: patience_s: expected an integer from 1 to 86400 (s), got 0", job.said())
        self.redis.send("SET", "text", "no stream")
        self.assertEqual(self.job(source="text").wait(), 1)
        self.jobs.clear()

    def test_the_example_is_a_job(self):
        job = self.job(file=ROOT / "conf/jobs/stream-redis.conf", model=MODEL, dry_run=True)
        self.assertEqual(job.wait(), 0, job.said())
        job.output.seek(0)
        self.assertEqual(job.output.read(), f"version 1 of model {MODEL} would score redis in, to out\n")
        self.assertEqual(self.redis.send("EXISTS", "in"), 0)

    def test_what_is_told_of_it(self):
        job = self.job("counted")
        self.redis.add("in", [json.dumps(row) for row in self.rows(50)] + ["nothing"])
        wanted = {'outrigger_job_rows_total{job="stream.counted",outcome="scored"}': 50,
                  'outrigger_job_rows_total{job="stream.counted",outcome="rejected"}': 1,
                  'outrigger_job_lag{job="stream.counted",topic="in",partition=""}': 0,
                  'outrigger_job_connected{job="stream.counted"}': 1,
                  'outrigger_job_delay_seconds_count{job="stream.counted"}': 51}

        def told():
            _, _, body = self.stack.request("GET", "/metrics")
            values = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
            return all(float(values.get(name, -1)) == value for name, value in wanted.items())
        self.stack.wait(told, "the figures do not come")
        self.assertEqual(job.stop(), 0)

    # ---- none lost, none twice ----

    def once_each(self, ids):
        sources = [entry["outrigger-source"].decode() for _, entry in self.redis.entries("out")]
        self.assertEqual(len(sources), len(set(sources)), "some are answered twice")
        self.assertEqual(set(sources), {f"in@{identifier.decode()}" for identifier in ids})
        self.assertEqual(self.redis.send("XPENDING", "in", "g")[0], 0)

    def test_jobs_die(self):
        """Two share the group; one after the other is killed, and comes again, under the same name or another. They are
        so slow, and claim so soon, that they have the same messages in hand all the time."""
        chance = random.Random(7)
        count, kills = (3000, 4) if SANITIZED else (8000, 12)
        ids = self.redis.add("in", [json.dumps(row) for row in self.rows(count)])
        names = iter(f"consumer{i}" for i in range(kills + 2))
        running = [self.job(next(names), rate=count // 4) for _ in range(2)]
        for _ in range(kills):
            done = self.redis.send("XLEN", "out")
            self.wait_for("out", min(count, done + chance.randrange(count // kills // 2)))
            victim = running.pop(chance.randrange(2))
            victim.kill()
            same = chance.random() < 0.5
            running.append(self.job(self.named(victim) if same else next(names), rate=count // 4))
        self.wait_for("out", count)
        self.assertEqual([job.stop() for job in running], [0, 0])
        self.once_each(ids)
        self.assertGreater(sum(job.last()["dropped"] for job in running), 0)

    def named(self, job):
        return job.process.args[job.process.args.index("--name") + 1].removeprefix("stream.")

    def test_the_others_die(self):
        """Redis, the broker and the worker, while the job goes on. A Redis that hangs has been sent what it then does,
        and is sent it once more by the next connection."""
        count = 3000 if SANITIZED else 9000
        ids = self.redis.add("in", [json.dumps(row) for row in self.rows(count)])
        job = self.job(rate=count // 2)
        for part, what in enumerate((self.restart_redis, self.kill_broker, self.kill_worker, self.hang_redis,
                                      self.restart_redis)):
            self.wait_for("out", count * (part + 1) // 7)
            what()
        self.wait_for("out", count)
        self.assertEqual(job.stop(), 0, job.said())
        self.once_each(ids)
        figures = job.last()
        self.assertEqual((figures["scored"] + figures["dropped"], figures["rejected"]), (count, 0))
        self.assertGreater(figures["dropped"], 0)

    def hang_redis(self):
        self.redis.process.send_signal(signal.SIGSTOP)
        self.stack.wait(lambda: "does not answer" in self.jobs[0].said(), "nobody sees that Redis hangs")
        self.redis.process.send_signal(signal.SIGCONT)

    def restart_redis(self):
        self.redis.crash()
        self.redis.start()

    def kill_broker(self):
        self.stack.kill("broker")

    def kill_worker(self):
        self.stack.kill(f"worker.{MODEL}.1.1")


@unittest.skipIf(otlp.missing(), f"NOT TESTED, since not installed: {otlp.missing()}")
class Traces(Jobs):
    CONSUMER = 5

    def test_a_message_is_a_span_between_its_producer_and_who_takes_the_answer(self):
        receiver = otlp.Receiver()
        self.addCleanup(receiver.close)
        settings = {"trace.endpoint": receiver.url, "trace.ratio_ppm": "0", "trace.trust_parent": "true"}
        with Stack(models=[MODEL], settings=settings) as self.stack:
            job = self.job()
            row, = self.rows(1)
            first, = self.redis.add("in", [json.dumps(row)], traceparent=TRACE, tracestate="a=b")
            self.redis.add("in", ["nothing"], traceparent=TRACE)
            self.redis.add("in", [json.dumps(row)], traceparent=TRACE[:-1] + "0")  # not recorded
            self.wait_for("out", 2)
            self.stack.wait(lambda: len(receiver.named("process in")) >= 2 and receiver.named("batch"),
                            "the spans do not come")
            self.assertEqual(job.stop(), 0)
        _, trace, parent, _ = TRACE.split("-")
        bad, good = sorted(receiver.named("process in"), key=lambda span: span.state)
        self.assertEqual((good.trace, good.parent, good.kind, good.failed, good.state),
                         (trace, parent, self.CONSUMER, False, "a=b"))
        self.assertEqual(good.attributes["messaging.message.id"], f"in@{first.decode()}")
        self.assertEqual(good.attributes["messaging.system"], "redis")
        self.assertTrue(bad.failed)
        self.assertIn("no JSON", bad.message)
        told = [entry["traceparent"].decode() for _, entry in self.redis.entries("out")]
        self.assertEqual(sorted(told), sorted([f"00-{trace}-{good.id}-01", TRACE[:-1] + "0"]))
        # The workers' part is linked to it.
        self.assertIn((trace, good.id), [link for batch in receiver.named("batch") for link in batch.links])
