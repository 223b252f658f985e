"""What tests/bench/streams --kafka measures: the same with topics of a real Apache Kafka, or of librdkafka's mock."""
import json
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from kafka import CLIENT, MockKafka, RealKafka

PARTITIONS = 4
# The beginning of a steady rate tells of others: what is sent first waits for up to a second until the sender's own
# connection is there (so it does without a job in between), and a Java machine that has not compiled Kafka yet is late by
# some 100 ms in the first ten seconds.
WARM_SECONDS = 15


class KafkaBench:
    """`bench` has the arguments, the stack, the values and how processes are looked at."""

    def __init__(self, bench, kafka, say, cpu_seconds, resident_kb):
        self.bench, self.kafka, self.say = bench, kafka, say
        self.cpu_seconds, self.resident_kb = cpu_seconds, resident_kb
        self.runs = 0

    def topics(self):
        self.runs += 1
        names = f"in{self.runs}", f"out{self.runs}"
        for name in names:
            self.kafka.topic(name, PARTITIONS)
        return names

    def job(self, source, sink):
        self.log = tempfile.TemporaryFile("w+")
        settings = [f"from=kafka:{self.kafka.servers}/{source}?group=bench{self.runs}", f"to={sink}",
                    *self.bench.arguments.set]
        return subprocess.Popen(
            [self.bench.binary, *self.bench.stack.arguments(), *(part for s in settings for part in ("-S", s))],
            stdin=subprocess.DEVNULL, stderr=self.log)

    def stop(self, job):
        job.send_signal(signal.SIGTERM)
        if job.wait(60) != 0:
            self.log.seek(0)
            raise SystemExit(f"the job ended with status {job.returncode}: {self.log.read()[-2000:]}")

    def reader(self, topic, count, warm=0):
        """Counts what is committed as it comes; how long the first `warm` took does not count."""
        return subprocess.Popen([CLIENT, "count", self.kafka.servers, topic, str(count), str(warm)], stdout=subprocess.PIPE,
                                text=True)

    def counted(self, reader, count):
        found = json.loads(reader.communicate()[0])
        if (found["count"], found["distinct"]) != (count, count):
            raise SystemExit(f"{count} messages: {found}")
        return found

    def flat_out(self):
        count = self.bench.arguments.messages
        source, sink = self.topics()
        self.say(f"adding {count} messages of {len(self.bench.values[0])} bytes to {PARTITIONS} partitions")
        self.kafka.load(source, count, 0, self.bench.values).wait()
        reader, job = self.reader(sink, count), self.job(source, sink)
        processes = {"job": job.pid, "kafka": self.kafka.process.pid, "reader": reader.pid} | self.bench.stack.recorded()
        start, memory, ticks = time.monotonic(), [], 0
        used = {}
        while reader.poll() is None and job.poll() is None:
            for name, pid in processes.items():
                if Path(f"/proc/{pid}").exists():
                    used[name] = self.cpu_seconds(pid)
            if ticks % 40 == 0:
                memory.append(self.resident_kb(job.pid))
            ticks += 1
            time.sleep(0.05)
        took = time.monotonic() - start
        found = self.counted(reader, count)
        rate = count / found["seconds"]
        self.say(f"flat out: {rate:,.0f} messages/s ({count} in {found['seconds']:.1f} s; {took:.1f} s with the start)")
        for name, seconds in used.items():
            self.say(f"  {name}: {seconds:.1f} s of CPU")
        self.say(f"  memory of the job every 2 s: {', '.join(f'{kb / 1024:.0f}' for kb in memory)} MB")
        self.stop(job)
        return rate

    def steady(self, rate):
        warm = int(rate * WARM_SECONDS)
        count = warm + int(rate * self.bench.arguments.seconds)
        source, sink = self.topics()
        job = self.job(source, sink)
        # The group is there when the first is answered.
        self.kafka.load(source, 1, 0, self.bench.values).wait()
        self.kafka.read(sink, 1)
        reader = self.reader(sink, count + 1, warm)
        loader = self.kafka.load(source, count, int(rate), self.bench.values)
        found = json.loads(reader.communicate()[0])
        loader.wait()
        self.stop(job)
        if (found["count"], found["distinct"]) != (count + 1, count):
            raise SystemExit(f"{count} messages: {found}")
        self.say(f"steady: {rate:,.0f} messages/s for {self.bench.arguments.seconds:.0f} s after {WARM_SECONDS}: p50 {found['p50_ms']:.1f} ms, "
                 f"p99 {found['p99_ms']:.1f} ms")


def kafka_of(kind):
    return RealKafka() if kind == "real" else MockKafka()
