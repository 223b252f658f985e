"""outrigger-stream with Kafka: librdkafka's mock cluster, or, as make check-kafka runs these tests, a real Apache Kafka,
on which all of them are tested and the longer ones, too: that transactions show each answer exactly once, whoever dies.
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from kafka import kafka_of_tests
from stack import BIN, BAD_WORDS, PATIENCE, ROOT, Stack

MODEL = "cancer-logistic"
TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
HELD_OUT = json.loads((ROOT / "tests/models/heldout" / f"{MODEL}.json").read_text())
REAL = os.environ.get("OUTRIGGER_KAFKA") == "real"
COUNT, KILLS = int(os.environ.get("MESSAGES", 20000)), int(os.environ.get("KILLS", 20))
# The mock waits for a session's time, less a second, whenever members come or die, and at least 3 s.
QUICK = ["session.timeout.ms=6000" if REAL else "session.timeout.ms=4500", "heartbeat.interval.ms=200"]


class Job:
    """outrigger-stream of that stack, from one topic of that Kafka to another."""

    def __init__(self, stack, kafka, group="g", options="", kafka_settings=(), **settings):
        self.directory = tempfile.TemporaryDirectory(prefix="outrigger-test.")
        settings = {"from": f"kafka:{kafka.servers}/in?group={group}{options}", "to": "out", "dead_letter": "dead",
                    "model": MODEL} | settings
        path = pathlib.Path(self.directory.name) / "job.conf"
        values = {name: value if isinstance(value, (bool, int)) else json.dumps(value) for name, value in settings.items()}
        lines = [f"{name} = {str(value).lower() if isinstance(value, bool) else value};" for name, value in values.items()]
        quoted = ", ".join(json.dumps(setting) for setting in [*QUICK, *kafka_settings])
        path.write_text("\n".join([*lines, f"kafka = ( {quoted} );\n"]))
        self.log = open(pathlib.Path(self.directory.name) / "log", "w+", errors="replace")
        self.process = subprocess.Popen([BIN / "outrigger-stream", *stack.arguments(), "-n", "stream.test", "-j", path],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self):
        """In order; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        self.log.close()
        self.directory.cleanup()


class Stream(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(models=[MODEL]).start()
        cls.addClassCleanup(cls.stack.stop)

    def setUp(self):
        self.kafka = kafka_of_tests().start()
        self.addCleanup(self.kafka.stop)
        for topic, partitions in {"in": 3, "out": 2, "dead": 1}.items():
            self.kafka.topic(topic, partitions)
        self.jobs = []
        self.addCleanup(self.end_jobs)

    def end_jobs(self):
        for job in self.jobs:
            said = job.said()
            job.close()
            self.assertIsNone(BAD_WORDS.search(said), said)

    def job(self, **settings):
        self.jobs.append(Job(self.stack, self.kafka, **settings))
        return self.jobs[-1]

    def rows(self, count):
        return [HELD_OUT["features"][i % len(HELD_OUT["features"])] for i in range(count)]

    def messages(self, count, start=0):
        return [{"key": str(start + i), "value": json.dumps(row), "headers": [["traceparent", TRACE], ["n", str(i)]]}
                for i, row in enumerate(self.rows(count))]

    def stopped(self, job):
        self.assertEqual(job.stop(), 0, job.said())

    # ---- what comes of a message ----

    def answers(self, exactly_once):
        count = len(HELD_OUT["features"])
        bad = [{"key": "bad", "value": "[1, 2]", "headers": [["traceparent", TRACE]]}, {"key": "none", "value": None}]
        self.kafka.produce("in", self.messages(count) + bad)
        job = self.job(exactly_once=exactly_once)
        answers = {message["key"]: message for message in self.kafka.read("out", count)}
        dead = {message["key"]: message for message in self.kafka.read("dead", len(bad))}
        self.stopped(job)
        self.assertEqual(set(answers), {str(i) for i in range(count)})
        for i in range(count):
            answer, headers = json.loads(answers[str(i)]["value"]), dict(answers[str(i)]["headers"])
            self.assertEqual(answer["prediction"], HELD_OUT["labels"][i])
            self.assertAlmostEqual(answer["probability"], HELD_OUT["probabilities"][i][1], places=5)
            self.assertEqual((headers["traceparent"], headers["n"]), (TRACE, str(i)))
            self.assertRegex(headers["outrigger-source"], r"^in/\d@\d+$")
        self.assertEqual(set(dead), {"bad", "none"})
        self.assertEqual((dead["bad"]["value"], dead["none"]["value"]), ("[1, 2]", None))
        self.assertIn("expected 30 values, got 2", dict(dead["bad"]["headers"])["outrigger-reason"])
        self.assertEqual(dict(dead["bad"]["headers"])["traceparent"], TRACE)
        self.assertEqual(dict(dead["none"]["headers"])["outrigger-reason"], "there is no value")
        self.assertEqual((len(self.kafka.read("out")), len(self.kafka.read("dead"))), (count, len(bad)))

    def test_answers_at_least_once(self):
        self.answers(False)

    def test_answers_exactly_once(self):
        self.answers(True)

    def too_large(self, exactly_once):
        """What a topic does not take goes to the dead letters, and what these do not take goes there without its value;
        small ones that were too large together arrive."""
        count, value = 100, json.dumps(self.rows(1)[0])
        self.kafka.topic("small", 1, "max.message.bytes=2000")
        self.kafka.topic("larger", 1, "max.message.bytes=5000")
        large = [{"key": f"large{size}", "value": value, "headers": [["h", "x" * size]]} for size in (2500, 20000)]
        self.kafka.produce("in", self.messages(count) + large + self.messages(count, start=count))
        job = self.job(to="small", dead_letter="larger", exactly_once=exactly_once)
        dead = {message["key"]: message for message in self.kafka.read("larger", 2)}
        self.wait_for_all(2 * count, "small")
        self.stopped(job)
        self.assertEqual(sorted(self.keys("small"), key=int), [str(i) for i in range(2 * count)])
        self.assertEqual(set(dead), {"large2500", "large20000"})
        whole, cut = dead["large2500"], dead["large20000"]
        self.assertEqual((whole["value"], cut["value"]), (value, None))
        self.assertEqual(dict(whole["headers"])["h"], "x" * 2500)
        self.assertRegex(dict(whole["headers"])["outrigger-reason"], "^the answer, .* is too large for small$")
        self.assertRegex(dict(cut["headers"])["outrigger-reason"], f"left out here, as too large for larger: the value of {len(value)} bytes, the headers$")
        self.assertRegex(dict(cut["headers"])["outrigger-source"], r"^in/\d@\d+$")

    @unittest.skipUnless(REAL, "the mock's topics take messages of any size")
    def test_too_large_at_least_once(self):
        self.too_large(False)

    @unittest.skipUnless(REAL, "the mock's topics take messages of any size")
    def test_too_large_exactly_once(self):
        self.too_large(True)

    # ---- none lost ----

    def keys(self, topic="out"):
        return [message["key"] for message in self.kafka.read(topic)]

    def wait_for_all(self, count, topic="out"):
        self.stack.wait(lambda: len(set(self.keys(topic))) >= count, f"there are not {count} answers")

    def test_killed_and_shared(self):
        """A job that is killed, and one that comes to help: some answers may come twice, none is lost."""
        count = 3000
        self.kafka.produce("in", self.messages(count))
        job = self.job(rate=1000, options="&instance=a")
        self.stack.wait(lambda: len(self.keys()) >= 500, "nothing is answered")
        job.kill()
        self.job(options="&instance=a")
        self.job(options="&instance=b")
        self.wait_for_all(count)
        self.kafka.produce("in", self.messages(300, start=count))
        self.wait_for_all(count + 300)
        for last in self.jobs[1:]:
            self.stopped(last)

    @unittest.skipIf(REAL, "it is said to the mock what shall fail")
    def test_errors(self):
        """Produce (0), Fetch (1), OffsetCommit (8), and a broker that is away."""
        for api, code in ((0, 6), (0, 19), (1, 6), (8, 16), (8, 7)):  # not leader, too few replicas, not coordinator
            self.kafka.say(f"error {api} {code} 2")
        self.kafka.produce("in", self.messages(1000))
        job = self.job(rate=1000)
        self.stack.wait(lambda: len(self.keys()) >= 100, "nothing is answered")
        self.kafka.say("down 1")
        self.stack.wait(lambda: "Disconnected" in job.said() or "refused" in job.said(), "it has not noticed")
        self.kafka.say("up 1")
        self.wait_for_all(1000)
        self.stopped(job)

    # ---- none twice: on a real Kafka ----

    @staticmethod
    def process_name(victim):
        return victim if victim == "broker" else f"worker.{MODEL}"

    def killed(self, exactly_once, victims=("job",)):
        """`KILLS` times something dies at some moment; then all is counted, as a reader of committed messages sees it."""
        chance = random.Random(int(os.environ.get("SEED", 7)))
        self.kafka.produce("in", self.messages(COUNT))
        begin = time.monotonic()
        # So that it takes as long as the deaths do.
        settings = {"exactly_once": exactly_once, "rate": max(100, COUNT // (3 * KILLS))}
        jobs, fatal = [self.job(options=f"&instance={name}", **settings) for name in "ab"], 0

        def supervise(place):
            """As a service manager does: it comes again, also when it ended since it could not go on."""
            jobs[place] = self.job(options=f"&instance={'ab'[place]}", **settings)

        def all_there():
            nonlocal fatal
            for place, job in enumerate(jobs):
                if job.process.poll() is not None:
                    self.assertEqual(job.process.returncode, 1, job.said())
                    fatal += 1
                    supervise(place)
            return self.kafka.count("out")["distinct"] >= COUNT

        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 2.5))  # not to wait for something: any moment is as good
            victim, place = chance.choice(victims), chance.randrange(2)
            if victim == "job":
                jobs[place].kill()
                supervise(place)
            elif victim == "kafka":
                self.kafka.kill()
                self.kafka.launch()
            else:
                self.stack.wait(lambda: self.stack.pids(self.process_name(victim)), f"{victim} does not come again")
                os.kill(self.stack.pids(self.process_name(victim))[0], signal.SIGKILL)
        self.stack.wait(all_there, "not all are answered", PATIENCE * 3)
        for job in jobs:
            self.stopped(job)
        counted = self.kafka.count("out")
        print(f"{COUNT} messages, {KILLS} deaths of {', '.join(victims)}, exactly_once={exactly_once}: {counted['count']} "
              f"answers, {counted['distinct']} distinct, {fatal} ended by themselves, {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        self.assertEqual(counted["distinct"], COUNT)
        if exactly_once:
            self.assertEqual(counted["count"], COUNT)
        self.assertEqual(self.kafka.count("dead")["count"], 0)

    @unittest.skipUnless(REAL, "the mock keeps no offsets of transactions: make check-kafka")
    def test_exactly_once_while_jobs_die(self):
        self.killed(True)

    @unittest.skipUnless(REAL, "make check-kafka")
    def test_exactly_once_while_all_die(self):
        self.killed(True, ("job", "job", "job", "broker", "worker", "kafka"))

    @unittest.skipUnless(REAL, "make check-kafka")
    def test_at_least_once_while_jobs_die(self):
        self.killed(False)

    @unittest.skipUnless(REAL, "the mock fences nobody")
    def test_a_second_of_the_same_instance_ends_the_first(self):
        first = self.job(options="&instance=a", exactly_once=True)
        self.kafka.produce("in", self.messages(10))
        self.wait_for_all(10)
        second = self.job(options="&instance=a", exactly_once=True)
        self.kafka.produce("in", self.messages(10, start=10))
        self.wait_for_all(20)
        self.assertEqual(first.process.wait(PATIENCE), 1)
        self.assertIn("another job runs as the same instance", first.said())
        self.stopped(second)
