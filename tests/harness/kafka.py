"""Kafka for tests: librdkafka's mock cluster, or a real Apache Kafka (KRaft, one node), both as processes of their own.

    with MockKafka() as kafka:
        kafka.topic("in", 3)
        kafka.produce("in", [{"key": "1", "value": "[1, 2]", "headers": [["traceparent", "00-..."]]}])
        kafka.read("out", 1)

The real one comes from Maven's central repository, as Maven is set up here; Unreachable says why it cannot be had.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from stack import BUILD, PATIENCE, ROOT, free_port

CLIENT, MOCK = (ROOT / BUILD / "tests" / name for name in ("kafka_client", "kafka_mock"))
VERSION = os.environ.get("KAFKA_VERSION", "3.9.1")
CLUSTER = "b3V0cmlnZ2VyLXRlc3Rzcw"  # any 16 bytes
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>outrigger</groupId><artifactId>kafka-of-tests</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{version}</version></dependency></dependencies></project>
"""
# What a single node needs, and groups that begin at once; topics are made by tests.
PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={directory}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""


class Unreachable(Exception):
    """The real Kafka cannot be had here, and why."""


class Kafka:
    """What both can do."""
    servers = None

    def client(self, *arguments, data=None):
        done = subprocess.run([CLIENT, *map(str, arguments)], input=data, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE * 5)
        if done.returncode != 0:
            raise AssertionError(f"kafka_client {arguments[0]}: {done.stderr}")
        return done.stdout

    def produce(self, topic, messages, *settings):
        self.client("produce", self.servers, topic, *settings, data="".join(json.dumps(m) + "\n" for m in messages))

    def load(self, topic, count, rate, values):
        """Begins; the process ends when all are there."""
        process = subprocess.Popen([CLIENT, "load", self.servers, topic, str(count), str(rate)],
                                   stdin=subprocess.PIPE, text=True)
        process.stdin.write("".join(value + "\n" for value in values))
        process.stdin.close()
        return process

    def read(self, topic, count=0):
        """Messages of committed transactions: the first `count`, waited for; 0: all that are there."""
        return [json.loads(line) for line in self.client("read", self.servers, topic, count).splitlines()]

    def count(self, topic, count=0):
        """What they are together: count, distinct, seconds, p50_ms, p99_ms."""
        return json.loads(self.client("count", self.servers, topic, count))

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class MockKafka(Kafka):
    def __init__(self, brokers=1):
        self.brokers, self.process = brokers, None

    def start(self):
        self.process = subprocess.Popen([MOCK, str(self.brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.servers = self.process.stdout.readline().strip()
        return self

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer != "ok":
            raise AssertionError(f"{command}: {answer}")

    def topic(self, name, partitions):
        self.say(f"topic {name} {partitions}")

    def stop(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


def classpath():
    """Of Kafka and all that it needs, in Maven's own store."""
    folder = ROOT / "build/kafka"
    known = folder / f"classpath-{VERSION}"
    if known.exists() and all(pathlib.Path(jar).exists() for jar in known.read_text().split(":")):
        return known.read_text()
    for command in ("java", "mvn"):
        if not shutil.which(command):
            raise Unreachable(f"there is no {command} here (Debian: default-jre-headless, maven)")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pom.xml").write_text(POM.format(version=VERSION))
    done = subprocess.run(["mvn", "-B", "-q", "-f", folder / "pom.xml",
                           "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath",
                           f"-Dmdep.outputFile={known}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0 or not known.exists():
        raise Unreachable(f"Maven cannot get Kafka {VERSION}: " + " ".join(done.stdout.split())[:300])
    return known.read_text()


class RealKafka(Kafka):
    def start(self):
        jars = classpath()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-kafka."))
        self.port, controller = free_port(), free_port()
        self.servers = f"127.0.0.1:{self.port}"
        properties = self.directory / "server.properties"
        properties.write_text(PROPERTIES.format(port=self.port, controller=controller, directory=self.directory))
        java = ["java", "-Xmx768m", "-cp", jars]
        self.log = open(self.directory / "log", "w")
        subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", properties], check=True,
                       stdout=self.log, stderr=self.log)
        self.java = [*java, "kafka.Kafka", properties]
        self.launch()
        return self

    def launch(self):
        self.process = subprocess.Popen(self.java, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                        start_new_session=True)
        deadline = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("Kafka does not start: " + (self.directory / "log").read_text()[-2000:])
            time.sleep(0.05)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def topic(self, name, partitions, *settings):
        self.client("topic", self.servers, name, partitions, *settings)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def kafka_of_tests():
    """The real one where OUTRIGGER_KAFKA=real says so."""
    return RealKafka() if os.environ.get("OUTRIGGER_KAFKA") == "real" else MockKafka()


if __name__ == "__main__":  # is there one?
    try:
        classpath()
    except Unreachable as why:
        sys.exit(f"NOT TESTED with a real Kafka, since there is none to be had: {why}")
