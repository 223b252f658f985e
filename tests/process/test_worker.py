"""Workers, the real programs, against a broker that does as it is told: outrigger-worker and the one in Python."""
import io
import json
import os
import pathlib
import pickle
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import joblib
import msgpack
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import played_broker
from expectations import held_out
from played_broker import BEAT, BYE, DRAIN, HEARTBEAT, PATIENCE, READY, RESULT, PlayedBroker, decode, encode

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORKER = ROOT / os.environ.get("OUTRIGGER_BUILD", "build") / "bin" / "outrigger-worker"
PYTHON_WORKER = ROOT / "worker/python/outrigger_worker.py"
PYTHON_LIBRARY = WORKER.parent.parent / "python/outrigger_worker.so"
REPOSITORY = ROOT / "tests/models/repository"
INVALID, DEADLINE, MODEL_FAILED = 1, 7, 10
HEARTBEAT_MS = 100
DELAY, CRASH, HANG, WRONG_ROWS, FAIL, EXIT = -1001, -1002, -1003, -1004, -1005, -1006


class Worker:
    """One worker process, and what it says on stderr."""

    def __init__(self, directory, command, supervised=True):
        self.directory = directory
        self.ready, ready_end = os.pipe()
        self.token = secrets.token_hex(32)
        token_end, writer = os.pipe()
        os.write(writer, self.token.encode())
        os.close(writer)
        more = ["--ready-fd", str(ready_end), "--token-fd", str(token_end)] if supervised else []
        with open(directory / "worker.log", "wb") as log:
            self.process = subprocess.Popen([*command, *more], pass_fds=[ready_end, token_end], stdin=subprocess.DEVNULL,
                                            stderr=log)
        os.close(ready_end)
        os.close(token_end)

    def said_ready(self):
        with os.fdopen(self.ready) as ready:
            return ready.read().startswith("ready\n")

    def wait(self):
        return self.process.wait(PATIENCE)

    def stderr(self):
        return (self.directory / "worker.log").read_text()

    def wait_for_log(self, text):
        limit = time.monotonic() + PATIENCE
        while text not in self.stderr():
            if time.monotonic() > limit:
                raise TimeoutError(f"the worker did not say: {text}")
            time.sleep(0.01)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class WorkerTest(unittest.TestCase):
    """A directory, a broker and (start) a worker for each test."""

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-worker."))
        self.addCleanup(shutil.rmtree, self.directory)
        self.endpoint = f"ipc://{self.directory}/workers.ipc"
        self.broker = PlayedBroker(self.endpoint)
        self.addCleanup(self.broker.close)

    def start(self, command, supervised=True):
        worker = Worker(self.directory, command, supervised)
        self.addCleanup(worker.close)
        return worker

    def check_no_finding(self, worker):
        self.assertNotRegex(worker.stderr(), "Sanitizer|assertion failed|runtime error|Traceback")

    def outrigger(self, models, model, version="1", **settings):
        return self.start([WORKER, *self.arguments(models, model, version, **settings)])

    def arguments(self, models, model, version="1", **settings):
        settings = {"models_directory": models, "runtime_directory": self.directory,
                    "broker.workers": self.endpoint, "worker.heartbeat_ms": HEARTBEAT_MS, **settings}
        return [*(f"--set={name.replace('__', '.')}={value}" for name, value in settings.items()),
                "--name", "worker.test.1", "--model", model, "--model-version", version]

    def write(self, file, content, conf=""):
        """The file of version 1 of the model `test`."""
        folder = self.directory / "models/test/1"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        (folder.parent / "model.conf").write_text(conf)
        return folder

    def python(self, file, content, conf="", interpreter="/usr/bin/python3"):
        self.write(file, content, conf)
        return self.start([interpreter, PYTHON_WORKER, PYTHON_LIBRARY,
                           *self.arguments(self.directory / "models", "test")])


class Session:
    """What every worker does, whatever it computes. A subclass starts one that answers each row of 4 features with
    `prediction`, their sum."""

    def rows(self, *rows):
        return encode("features", np.array(rows, self.dtype))

    def sums(self, results):
        self.assertEqual([error for error, _ in results], [0] * len(results))
        return [decode(payload)["prediction"].ravel().tolist() for _, payload in results]

    def setUp(self):
        super().setUp()
        self.worker = self.start_sums()
        self.fields, self.schema = self.broker.ready()

    def test_serves_a_broker_of_the_next_version(self):
        """Which says BEAT in the version before, and then in its own, to each hello: the second is passed over."""
        self.broker.send(BEAT, 0, [self.broker.epoch])
        self.broker.send(BEAT, 0, [self.broker.epoch, "more", {"than": "that"}], version=2)
        self.broker.send(DRAIN, 0, [], version=2)
        self.assertEqual(self.sums(self.broker.compute([self.rows([1, 2, 3, 4])])), [[10]])
        self.assertIsNone(self.worker.process.poll())

    def test_says_ready_to_supervisor_and_broker(self):
        self.assertTrue(self.worker.said_ready())
        model, version, capacity, slots, heartbeat_ms, pid, token, instance = self.fields
        self.assertEqual((version, capacity, heartbeat_ms, pid, token),
                         ("1", 8, HEARTBEAT_MS, self.worker.process.pid, self.worker.token))
        self.assertIn(slots, (1, 2))
        self.assertGreater(instance, 0)
        self.assertIn(model, ("sums", "test"))
        self.assertEqual(self.schema["inputs"][0]["name"], "features")
        self.assertEqual(self.schema["inputs"][0]["shape"], [-1, 4])
        self.assertEqual(self.schema["outputs"][0]["name"], "prediction")
        self.assertEqual(self.schema["features"], ["a", "b", "c", "d"])
        self.assertEqual((self.schema["task"], self.schema["allow_nan"]), ("regression", True))

    def test_answers_requests_in_their_order(self):
        results = self.broker.compute([self.rows([1, 2, 3, 4]), self.rows([0, 0, 0, 1], [5, 5, 5, 5]),
                                       self.rows([2, 2, 2, 2])])
        self.assertEqual(self.sums(results), [[10], [1, 20], [8]])

    def test_reads_payloads_wherever_they_stand(self):
        small, large = self.rows([1, 2, 3, 4]), self.rows(*[[1, 1, 1, 1]] * 600)
        for self.broker.joins in (True, False):
            for payloads, sums in (([small], [[10]]), ([small, small], [[10], [10]]), ([large], [[4] * 600]),
                                   ([small, large, small], [[10], [4] * 600, [10]])):
                self.assertEqual(self.sums(self.broker.compute(payloads)), sums)

    def test_takes_batches_one_after_the_other(self):
        numbers = [self.broker.begin([self.rows([i, 0, 0, 0])]) for i in range(20)]
        self.assertEqual([self.sums(self.broker.end(number)) for number in numbers], [[[i]] for i in range(20)])

    def test_outlives_brokers_that_die_while_it_is_busy(self):
        """libzmq aborts a process whose connection it finds gone at the hundredth frame, in the middle of a message:
        what happened to workers that had their next batch already when the broker died."""
        def wait_for(wanted):
            verb = None
            while verb != wanted:
                verb, *_ = self.broker.receive()
                if verb == HEARTBEAT:   # of a worker that this broker may not know: then it says READY
                    self.broker.send(BEAT, 0, [0])
        batch = [self.rows([1, 2, 3, i]) for i in range(40)]
        for epoch in range(2, 150):
            self.broker.begin(batch)
            self.broker.begin(batch)
            for _ in range(5 + epoch % 5):
                wait_for(RESULT)
                self.broker.begin(batch)
            self.broker.restart(epoch)
            wait_for(READY)
        self.assertIsNone(self.worker.process.poll(), self.worker.stderr())

    def test_takes_a_request_that_is_larger_than_its_capacity(self):
        results = self.broker.compute([self.rows(*([i, 1, 1, 1] for i in range(1000)))])
        self.assertEqual(self.sums(results), [[i + 3 for i in range(1000)]])

    def test_a_request_that_does_not_fit_fails_alone(self):
        good, other = self.rows([1, 2, 3, 4]), "<f8" if self.dtype == "<f4" else "<f4"
        bad = [encode("features", np.zeros((1, 3), self.dtype)), encode("features", np.zeros((1, 4), other)),
               encode("other", np.zeros((1, 4), self.dtype)), encode("features", np.zeros((0, 4), self.dtype)),
               encode("features", np.zeros(4, self.dtype)), b"", b"\xc1", good[:-1], b"\x90"]
        results = self.broker.compute([good, *bad, good])
        self.assertEqual([error for error, _ in results], [0, *[INVALID] * len(bad), 0])
        self.assertEqual(self.sums([results[0], results[-1]]), [[10], [10]])
        for _, message in results[1:-1]:
            self.assertRegex(message.decode(), ".{10}")
            self.assertLessEqual(len(message), 512)
        self.assertIn("[-1, 4]", results[1][1].decode())

    def test_is_heard_while_idle(self):
        for _ in range(3):
            self.broker.expect(HEARTBEAT)

    def test_is_heard_from_its_thread_too(self):
        """Every beat names the worker as READY did, over a connection that never says anything else."""
        while len(self.broker.beats) < 3:
            self.broker.receive(until_beats=3)
        self.assertEqual(set(self.broker.beats), {self.fields[-1]})

    def test_each_worker_has_an_instance_of_its_own(self):
        self.worker.process.terminate()
        self.assertEqual(self.worker.wait(), 0)
        self.broker.expect(BYE)
        self.worker = self.start_sums()
        fields, _ = self.broker.ready()
        self.assertNotEqual(fields[-1], self.fields[-1])

    def test_registers_with_each_new_epoch_and_with_none(self):
        self.broker.send(BEAT, 0, [1])      # known
        self.broker.send(BEAT, 0, [2])
        self.assertEqual(self.broker.ready(), (self.fields, self.schema))
        self.broker.send(BEAT, 0, [2])
        self.broker.send(BEAT, 0, [0])      # a broker that does not know us
        self.assertEqual(self.broker.ready(), (self.fields, self.schema))
        self.assertEqual(self.sums(self.broker.compute([self.rows([1, 1, 1, 1])])), [[4]])

    def test_finds_a_broker_that_comes_back(self):
        self.broker.restart(epoch=7)
        self.assertEqual(self.broker.ready(), (self.fields, self.schema))
        self.assertEqual(self.sums(self.broker.compute([self.rows([1, 1, 1, 1])])), [[4]])

    def test_refuses_what_breaks_the_protocol(self):
        broker, good = self.broker, self.rows([1, 2, 3, 4])
        for frames in ([b"\xc1"], [b"garbage", b"and more"], [b"\x90"], [b"x" * 5000], [b"", b""]):
            broker.send_frames(frames)
        for verb, fields, payloads in ((BEAT, [], []), (BEAT, ["x", 1], []), (HEARTBEAT, [], []), (99, [], []),
                                       (played_broker.BATCH, [2, 2, 1000], [good]), (played_broker.BATCH, [1], [good]),
                                       (played_broker.BATCH, [1, 1, 1000], [])):
            broker.send(verb, 5, fields, payloads)
        broker.send(BEAT, 0, [9], version=2)
        [joined] = played_broker.join(1, played_broker.BATCH, 5, [1, 1, 1000], [good])
        beat = msgpack.packb([1, BEAT, 0, 9])
        for frames in ([joined[:-1]], [joined + b"\x01"], [joined + beat], [joined, beat], [joined + b"\xc4"],
                       [played_broker.join(1, played_broker.BATCH, 5, [2, 2, 1000], [good])[0] + b"\xa1x"]):
            broker.send_frames(frames)
        self.assertEqual(self.sums(broker.compute([good])), [[10]])
        self.assertIn("refused", self.worker.stderr())

    def test_finishes_and_leaves_when_drained(self):
        number = self.broker.begin([self.rows([1, 2, 3, 4])])
        self.broker.send(DRAIN, 0, [""])
        self.assertEqual(self.sums(self.broker.end(number)), [[10]])
        self.broker.expect(BYE)
        self.assertEqual(self.worker.wait(), 0)
        self.check_no_finding(self.worker)

    def test_says_why_it_was_sent_away(self):
        self.broker.send(DRAIN, 0, ["enough of you"])
        self.broker.expect(BYE)
        self.assertEqual(self.worker.wait(), 1)
        self.assertIn("the broker sends this worker away: enough of you", self.worker.stderr())

    def test_leaves_when_told_to(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                self.worker.process.send_signal(number)
                self.broker.expect(BYE)
                self.assertEqual(self.worker.wait(), 0)
                self.check_no_finding(self.worker)
            self.worker = self.start_sums()
            self.broker.ready()

    def test_leaves_without_a_broker_too(self):
        self.broker.socket.close()
        self.worker.process.terminate()
        self.assertEqual(self.worker.wait(), 0)
        self.broker.open()


class EchoWorker(Session, WorkerTest):
    dtype = "<f4"

    def start_sums(self):
        self.write_model("features = 4;")
        return self.outrigger(self.directory / "models", "sums")

    def write_model(self, text):
        version = self.directory / "models/sums/1"
        version.mkdir(parents=True, exist_ok=True)
        (version / "model.echo").write_text(text)
        (version.parent / "model.conf").write_text(
            'features = ("a", "b", "c", "d"); allow_nan = true; batching = { max_batch_rows = 8; };')

    def test_an_error_of_the_engine_fails_only_the_guilty(self):
        results = self.broker.compute([self.rows([1, 2, 3, 4]), self.rows([FAIL, 0, 0, 0]),
                                       self.rows([WRONG_ROWS, 0, 0, 0]), self.rows([5, 5, 5, 5])])
        self.assertEqual([error for error, _ in results], [0, MODEL_FAILED, MODEL_FAILED, 0])
        self.assertEqual(self.sums([results[0], results[3]]), [[10], [20]])
        self.assertEqual(results[1][1], b"told to fail")
        self.assertIn(b"rows", results[2][1])

    def test_ends_as_the_engine_does(self):
        for command, status in ((CRASH, -signal.SIGABRT), (EXIT, 1)):
            self.broker.begin([self.rows([command, 0, 0, 0])])
            self.assertEqual(self.worker.wait(), status)
            self.worker = self.start_sums()
            self.broker.ready()

    def test_a_hang_ends_by_a_kill_alone(self):
        self.broker.begin([self.rows([HANG, 0, 0, 0])])
        self.worker.wait_for_log("told to hang")
        self.broker.beats.clear()
        self.broker.receive(until_beats=5)      # what it computes does not make it mute
        self.worker.process.terminate()
        with self.assertRaises(TimeoutError):   # of the session nothing, but a heartbeat from before
            while self.broker.receive(patience=0.5)[0] == HEARTBEAT:
                pass
        self.worker.process.kill()
        self.assertEqual(self.worker.wait(), -signal.SIGKILL)

    def test_an_answer_comes_before_a_signal_s_goodbye(self):
        number = self.broker.begin([self.rows([DELAY, 300, 0, 0])])
        self.worker.wait_for_log("told to take 300 ms")
        self.worker.process.terminate()
        self.assertEqual(self.sums(self.broker.end(number)), [[DELAY + 300]])
        self.broker.expect(BYE)
        self.assertEqual(self.worker.wait(), 0)

    def test_nothing_is_computed_when_the_time_is_over(self):
        [(error, message)] = self.broker.compute([self.rows([1, 2, 3, 4])], time_left_us=0)
        self.assertEqual((error, message), (DEADLINE, b"the time was over after 0 of 1 rows"))

    def test_says_nothing_when_the_start_fails(self):
        for text, status in (('features = 4; start = "crash";', -signal.SIGABRT), ('start = "fail";', 1),
                             ("features = 0;", 1), ("= nonsense", 1)):
            self.write_model(text)
            worker = self.outrigger(self.directory / "models", "sums")
            self.assertFalse(worker.said_ready())
            self.assertEqual(worker.wait(), status)
            if status == 1:
                self.assertRegex(worker.stderr(), r"^\S*/models/sums/1/model.echo: cannot serve this model: .+\n$")


class OnnxWorker(WorkerTest):
    def load(self, model, **settings):
        worker = self.outrigger(REPOSITORY, model, **settings)
        self.broker.ready()
        return worker

    def check_answers(self, model, rows_of_a_request):
        expected, worker = held_out(model), self.load(model)
        features = np.array(expected.features, "<f4")
        requests = [features[i:i + rows_of_a_request] for i in range(0, len(features), rows_of_a_request)]
        answers = []
        for i in range(0, len(requests), 8):
            for error, payload in self.broker.compute([encode("features", rows) for rows in requests[i:i + 8]]):
                self.assertEqual(error, 0, payload)
                answers.append(decode(payload))
        if expected.regression:
            np.testing.assert_allclose(np.concatenate([answer["prediction"].ravel() for answer in answers]),
                                       expected.predictions, atol=1e-5 * expected.scale, rtol=0)
        else:
            np.testing.assert_allclose(np.concatenate([answer["probabilities"] for answer in answers]),
                                       expected.probabilities, atol=1e-5, rtol=0)
            self.assertEqual(np.concatenate([answer["label"] for answer in answers]).tolist(), expected.labels)
        worker.process.terminate()
        self.broker.expect(BYE)
        self.assertEqual(worker.wait(), 0)
        self.check_no_finding(worker)

    def test_answers_as_scikit_learn_does(self):
        for model in sorted(path.name for path in REPOSITORY.iterdir()):
            for rows_of_a_request in (1, 7):
                with self.subTest(model=model, rows=rows_of_a_request):
                    self.check_answers(model, rows_of_a_request)

    def test_threads_inside_the_engine_do_not_get_its_signals(self):
        worker = self.load("heavy", worker__threads="3")
        rows = np.array(held_out("heavy").features[:64], "<f4")
        self.assertEqual(self.broker.compute([encode("features", rows)])[0][0], 0)
        worker.process.terminate()
        self.broker.expect(BYE)
        self.assertEqual(worker.wait(), 0)

    def test_a_model_that_is_broken_is_named(self):
        whole = (REPOSITORY / "cancer-trees/1/model.onnx").read_bytes()
        version = self.directory / "models/broken/1"
        version.mkdir(parents=True)
        for content in (b"", whole[:20], whole[:len(whole) // 2], whole[:-1], os.urandom(5000)):
            (version / "model.onnx").write_bytes(content)
            worker = self.outrigger(self.directory / "models", "broken")
            self.assertFalse(worker.said_ready())
            self.assertEqual(worker.wait(), 1)
            self.assertRegex(worker.stderr(), r"^\S*/broken/1/model.onnx: cannot serve this model: .+\n$")

    def test_a_model_conf_that_does_not_fit_is_named(self):
        for conf, complaint in (('features = ("a");', "features: 1 names, but a row of the model has 30"),
                                ('inputs = ({ name = "a"; });', "inputs: 1 columns, but a row of the model has 30"),
                                ('labels = ("a", "b", "c");', "labels: 3 names, but output probabilities has 2")):
            version = self.directory / "models/unfit/1"
            version.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / "cancer-trees/1/model.onnx", version)
            (version.parent / "model.conf").write_text(conf)
            worker = self.outrigger(self.directory / "models", "unfit")
            self.assertEqual(worker.wait(), 1)
            self.assertIn(f"unfit/1/model.onnx: cannot serve this model: model.conf: {complaint}", worker.stderr())

    def test_golden_requests_are_passed_first(self):
        models = self.directory / "models"
        shutil.copytree(REPOSITORY / "cancer-trees", models / "cancer-trees")
        golden = json.loads((models / "cancer-trees/golden.json").read_text())
        golden["requests"][3]["expected"]["probabilities"][1] -= 0.25
        (models / "cancer-trees/1/golden.json").write_text(json.dumps(golden))
        worker = self.outrigger(models, "cancer-trees")
        self.assertFalse(worker.said_ready())
        self.assertEqual(worker.wait(), 125)
        self.assertRegex(worker.stderr(), r"cancer-trees/1/golden.json: requests\[3\]: probabilities\[0\]\[1\]: "
                                          r"expected 0\.\d+, got 0\.\d+ \(tolerance 1e-05\)\n$")
        (models / "cancer-trees/1/golden.json").unlink()
        self.assertTrue(self.outrigger(models, "cancer-trees").said_ready())

    def test_tells_what_batches_cost(self):
        for name, settings, sizes in (("cancer-trees", {}, [1, 2, 4, 8, 16, 32]),
                                      ("cancer-trees", {"worker__warm_up_ms": 0}, [1])):
            worker = self.outrigger(REPOSITORY, name, **{"worker__warm_up_ms": 60000, **settings})
            costs = self.broker.ready()[1]["costs"]
            self.assertEqual([rows for rows, _ in costs], sizes)
            self.assertTrue(all(microseconds > 0 for _, microseconds in costs))
            worker.process.terminate()
            self.broker.expect(BYE)

    def test_what_is_not_there_is_named(self):
        for model, version, complaint in (("none", "1", "no model none"), ("cancer-trees", "9", "cancer-trees/9")):
            worker = self.outrigger(REPOSITORY, model, version)
            self.assertNotEqual(worker.wait(), 0)
            self.assertIn(complaint, worker.stderr())

    def test_describes_a_file(self):
        described = subprocess.run([WORKER, "--describe", REPOSITORY / "digits-single/1/model.onnx"], check=True,
                                   capture_output=True).stdout
        self.assertEqual(json.loads(described), {
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 64]}],
            "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]},
                        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]})
        folder = REPOSITORY / "digits-single"
        described = subprocess.run([WORKER, "--describe", folder / "1/model.onnx", folder], check=True,
                                   capture_output=True).stdout
        self.assertEqual(json.loads(described)["golden"], 5)
        for name, content in (("model.onnx", b"no model"), ("model.echo", b"features ="), ("model.txt", b"")):
            (self.directory / name).write_bytes(content)
            failed = subprocess.run([WORKER, "--describe", self.directory / name], capture_output=True, check=False)
            self.assertEqual((failed.returncode, failed.stdout), (1, b""))
            self.assertRegex(failed.stderr.decode(), rf"^\S*/{name}: .+\n$")


class PlainWorker(Session, WorkerTest):
    """The one that has nothing but PROTOCOL.md."""
    dtype = "<f8"

    def start_sums(self):
        return self.start(["/usr/bin/python3", ROOT / "tests/harness/plain_worker.py", self.endpoint, "sums", "1",
                           str(HEARTBEAT_MS)], supervised=False)

    test_says_ready_to_supervisor_and_broker = None     # it knows no supervisor
    test_outlives_brokers_that_die_while_it_is_busy = None  # it is no longer than it must be


class PythonWorker(Session, WorkerTest):
    """A model.py of one's own."""
    dtype = "<f8"

    def start_sums(self):
        return self.python("model.py", "import ctypes\n"
                           "class Model:\n    features = 4\n"
                           "    def load(self, directory):\n        self.bad = -1005\n"
                           "    def predict(self, rows):\n"
                           "        if rows[0, 0] == -1003:\n            ctypes.PyDLL(None).sleep(1000)\n"
                           "        if (rows[:, 0] == self.bad).any():\n            raise RuntimeError('told to fail')\n"
                           "        if (rows[:, 0] == -1004).any():\n            return {'prediction': rows[1:, 0]}\n"
                           "        if (rows[:, 1] == 7).any():\n            raise ValueError('b: 7 is none')\n"
                           "        return {'prediction': rows.sum(axis=1)}\n",
                           'features = ("a", "b", "c", "d"); allow_nan = true; # yes\n'
                           'batching = { max_batch_rows = 8; };')

    def test_a_model_that_keeps_the_interpreter_to_itself_is_heard_all_the_same(self):
        self.broker.begin([self.rows([HANG, 0, 0, 0])])
        self.broker.beats.clear()
        self.broker.receive(until_beats=5)

    def test_an_error_of_the_model_fails_only_the_guilty(self):
        results = self.broker.compute([self.rows([1, 2, 3, 4]), self.rows([FAIL, 0, 0, 0]), self.rows([1, 7, 0, 0]),
                                       self.rows([WRONG_ROWS, 0, 0, 0]), self.rows([0, 0, 0, 0])])
        self.assertEqual([error for error, _ in results], [0, MODEL_FAILED, INVALID, MODEL_FAILED, 0])
        self.assertEqual([message for _, message in results[1:4]],
                         [b"the model failed; its worker's log says how", b"b: 7 is none",
                          b"output prediction has 0 rows for 1"])
        self.worker.wait_for_log('"level":"error","process":"worker.test.1","message":"the model raised RuntimeError: '
                                 'told to fail (model.py:10, in predict)"')


# What a model.py may be, beside a function of numbers.
MANY = """
import logging, sys, warnings
import numpy as np
from outrigger import Model
import beside

class Other:
    pass

class Many(Model):
    inputs = {"age": "INT64", "plan": str, "raw": bytes, "image": (np.float32, (2, -1)), "on": "BOOL"}
    labels = ["no", "yes"]

    def load(self, directory):
        self.limit = self.settings["limit"]
        print("loading", self.name, self.version)
        self.log.warning("limit %d", self.limit)
        logging.getLogger("lib").error("of a library")
        warnings.warn("old")
        assert beside.here and open(directory + "/beside.py").read()

    def describe(self):
        return {**super().describe(), "outputs": {"label": "INT64", "text": str, "raw": bytes, "sum": ("FP32", (2,)),
                                                   "probabilities": ("FP64", (2,))}}

    def predict(self, inputs):
        if not set(inputs["plan"]) <= {"basic", "größer", "-"}:
            raise ValueError("plan: expected basic or größer")
        over = inputs["age"] > self.limit
        inputs["age"][:] = 0        # it is the model's own
        return {"label": over & inputs["on"], "text": [plan.upper() for plan in inputs["plan"]], "raw": inputs["raw"],
                "sum": inputs["image"].sum(axis=2, dtype=np.float64), "probabilities": np.stack([~over, over], 1) * 1.0,
                "more": "which nobody wants"}
"""


class ModelsInPython(WorkerTest):
    def ask(self, age, plan, raw, image, on):
        def strings(values):
            return b"".join(len(v).to_bytes(4, "little") + v for v in values)
        rows = len(age)
        [result] = self.broker.compute([msgpack.packb([
            ["age", "INT64", [rows], np.array(age, "<i8").tobytes()], ["plan", "BYTES", [rows], strings(plan)],
            ["raw", "BYTES", [rows], strings(raw)], ["image", "FP32", list(image.shape), image.astype("<f4").tobytes()],
            ["on", "BOOL", [rows], np.array(on, "?").tobytes()]])])
        return result

    def test_inputs_and_outputs_of_all_kinds(self):
        self.write("beside.py", "here = True")
        worker = self.python("model.py", MANY, "settings = { limit = 40; more = ( 1, { a = true; } ); };")
        _, schema = self.broker.ready()
        self.assertEqual([(i["name"], i["datatype"], i["shape"]) for i in schema["inputs"]], [
            ("age", "INT64", [-1]), ("plan", "BYTES", [-1]), ("raw", "BYTES", [-1]), ("image", "FP32", [-1, 2, -1]),
            ("on", "BOOL", [-1])])
        self.assertEqual((schema["labels"], schema["task"]), (["no", "yes"], "classification"))
        for line in ('"info","process":"worker.test.1","message":"loading test 1"',
                     '"warning","process":"worker.test.1","message":"limit 40"',
                     '"error","process":"worker.test.1","message":"lib: of a library"', "UserWarning: old"):
            worker.wait_for_log(line)
        image = np.arange(12.0).reshape(2, 2, 3)
        error, payload = self.ask([30, 50], [b"basic", "größer".encode()], [b"\0\xff", b""], image, [True, True])
        self.assertEqual(error, 0, payload)
        answer = {name: values if isinstance(values, list) else values.tolist() for name, values in decode(payload).items()}
        self.assertEqual(answer, {"label": [0, 1], "text": [b"BASIC", "GRÖSSER".encode()], "raw": [b"\0\xff", b""],
                                  "sum": image.sum(axis=2).tolist(), "probabilities": [[1, 0], [0, 1]]})
        for plan, words in ((b"x", b"plan: expected basic or gr????er"), (b"\xff", b"plan: expected text in UTF-8")):
            self.assertEqual(self.ask([30], [plan], [b""], image[:1], [True]), (INVALID, words))
        self.check_no_finding(worker)

    def test_what_is_no_model_is_told_with_its_line(self):
        for text, complaint in (
                ("x = 1", "TypeError: has no class Model, nor one alone that is made of outrigger.Model"),
                ("def f(:", r"SyntaxError: .*model.py, line 1\)"),
                ("import nowhere", r"ModuleNotFoundError: No module named 'nowhere' \(model.py:1, in <module>\)"),
                ("class Model:\n  def load(self, d):\n    raise SystemExit(3)", r"SystemExit: 3 \(model.py:3, in load\)"),
                ("from outrigger import Model\nclass M(Model):\n  inputs = {'a': 'INT65'}", "TypeError: a: INT65 is no datatype"),
                ("from outrigger import Model\nclass M(Model):\n  features = ['a']", "TypeError: the model does not say its "
                 "outputs, and a row of zeros does not show them: NotImplementedError: predict .*")):
            with self.subTest(text=text):
                worker = self.python("model.py", text)
                self.assertEqual(worker.wait(), 1)
                self.assertRegex(worker.stderr(), rf"^\S*/model.py: cannot serve this model: {complaint}\n$")


class PickleWorker(WorkerTest):
    def start_pickle(self, estimator, conf=""):
        worker = self.python("model.pkl", pickle.dumps(estimator), conf)
        _, schema = self.broker.ready()
        return worker, schema

    def check(self, estimator, rows, schema_task, conf="", labels=()):
        worker, schema = self.start_pickle(estimator, conf)
        self.assertEqual((schema["task"], schema["labels"]), (schema_task, list(labels)))
        results = self.broker.compute([encode("features", rows[:2]), encode("features", rows[2:])])
        self.assertEqual([error for error, _ in results], [0, 0])
        worker.process.terminate()
        self.broker.expect(BYE)
        self.assertEqual(worker.wait(), 0)
        self.check_no_finding(worker)
        return [decode(payload) for _, payload in results]

    def setUp(self):
        super().setUp()
        self.rows = np.random.default_rng(1).normal(size=(50, 3))
        self.classes = (self.rows.sum(axis=1) > 0).astype(int)

    def test_a_classifier(self):
        estimator = LogisticRegression().fit(self.rows, self.classes)
        answers = self.check(estimator, self.rows, "classification", 'labels = ("no", /* or */ "yes");', ["no", "yes"])
        self.assertEqual(np.concatenate([a["label"] for a in answers]).tolist(), estimator.predict(self.rows).tolist())
        self.assertTrue((np.concatenate([a["probabilities"] for a in answers]) == estimator.predict_proba(self.rows)).all())

    def test_a_classifier_of_texts(self):
        estimator = LogisticRegression().fit(self.rows, np.array(["nein", "größer"])[self.classes])
        answers = self.check(estimator, self.rows, "classification", labels=["größer", "nein"])
        self.assertEqual([text.decode() for a in answers for text in a["label"]], estimator.predict(self.rows).tolist())

    def test_a_regressor(self):
        estimator = LinearRegression().fit(self.rows, self.rows @ [1, 2, 3])
        answers = self.check(estimator, self.rows, "regression")
        np.testing.assert_allclose(np.concatenate([a["prediction"] for a in answers]), self.rows @ [1, 2, 3])

    def test_the_inputs_of_model_conf(self):
        estimator = LinearRegression().fit(self.rows, self.rows @ [1, 2, 3])
        _, schema = self.start_pickle(estimator, 'inputs = ( { name = "a"; min = 1; }, { name = "b"; }, { name = "c"; } );')
        self.assertEqual((schema["features"], schema["fields"][0]), (["a", "b", "c"], {"name": "a", "min": 1}))
        worker = self.python("model.pkl", pickle.dumps(estimator), 'inputs = ( { name = "a"; }, { name = "b"; } );')
        self.assertEqual(worker.wait(), 1)
        self.assertIn("model.conf: inputs: 2 columns, but a row of the model has 3 values", worker.stderr())

    def test_many_labels_a_pipeline_and_a_forest_answer_as_they_do_alone(self):
        many = np.stack([self.classes, 1 - self.classes, self.rows[:, 0] > 0], axis=1)
        for estimator in (RandomForestClassifier(5, n_jobs=2).fit(self.rows, self.classes),
                          RandomForestClassifier(5).fit(self.rows, many),
                          make_pipeline(StandardScaler(), "passthrough", LogisticRegression()).fit(self.rows, self.classes)):
            answers = self.check(estimator, self.rows, "classification")
            self.assertTrue((np.concatenate([a["label"] for a in answers]) == estimator.predict(self.rows)).all())
            chances = estimator.predict_proba(self.rows)
            chances = np.stack([c[:, 1] for c in chances], axis=1) if isinstance(chances, list) else chances
            self.assertTrue((np.concatenate([a["probabilities"] for a in answers]) == chances).all())

    def test_what_joblib_wrote(self):
        estimator = LinearRegression().fit(self.rows, self.rows @ [1, 2, 3])
        content = io.BytesIO()
        joblib.dump(estimator, content, compress=3)
        self.python("model.joblib", content.getvalue())
        self.broker.ready()
        [(error, payload)] = self.broker.compute([encode("features", self.rows)])
        self.assertEqual((error, decode(payload)["prediction"].tolist()), (0, estimator.predict(self.rows).tolist()))

    def gate(self, estimator, *requests, conf='features = ("a", "b", "c");'):
        """A worker whose golden.json holds these requests."""
        self.write("golden.json", json.dumps({"requests": requests}))
        return self.python("model.pkl", pickle.dumps(estimator), conf)

    def test_golden_requests_are_passed_first(self):
        texts = LogisticRegression().fit(self.rows, np.array(["no", "yes"])[self.classes])
        row = self.rows[0].tolist()
        [kind], [chances] = texts.predict([row]).tolist(), texts.predict_proba([row]).tolist()
        worker = self.gate(texts, {"features": dict(zip("abc", row)), "expected": {"prediction": kind, "probabilities": chances}})
        _, schema = self.broker.ready()
        self.assertEqual(schema["costs"][0][0], 1)
        worker.process.terminate()
        self.broker.expect(BYE)
        self.assertEqual(worker.wait(), 0)
        self.check_no_finding(worker)
        worker = self.gate(texts, {"features": row, "expected": {"prediction": "maybe"}})
        self.assertEqual(worker.wait(), 125, worker.stderr())
        self.assertIn(f'golden.json: requests[0]: prediction[0]: expected "maybe", got "{kind}"', worker.stderr())

    def test_what_cannot_be_loaded_is_named(self):
        for content in (b"", b"no pickle", pickle.dumps(LogisticRegression()), pickle.dumps({"no": "model"})):
            worker = self.python("model.pkl", content)
            self.assertFalse(worker.said_ready())
            self.assertEqual(worker.wait(), 1)
            self.assertRegex(worker.stderr(), r"^\S*/model.pkl: cannot serve this model: .+\n$")


if __name__ == "__main__":
    unittest.main()
