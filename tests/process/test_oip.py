"""The Open Inference Protocol through each web server: bodies of JSON and tensors, whole and in chunks, packed and not; and
what it asks of the other processes. With its users' own client: test_tritonclient.py."""
import array
import gzip
import json
import pathlib
import shutil
import signal
import tempfile
import unittest
import zlib

import identity_model
from expectations import held_out
from load import at_once
from stack import REPOSITORY, Stack, web_servers

MODEL = "cancer-logistic"
INFER = f"/v2/models/{MODEL}/infer"
PACK = {"gzip": gzip.compress, "deflate": zlib.compress}
UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}


def in_chunks(body, size=10000):
    return (body[at:at + size] for at in range(0, len(body), size))


class Oip(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copytree(REPOSITORY / MODEL, self.folder / MODEL)
        identity_model.write(self.folder / "several/1/model.onnx",
                             {"A": ("FP32", [2]), "B": ("BYTES", [1]), "C": ("BOOL", [-1])})
        expected = held_out(MODEL)
        self.rows = [expected.features[i % len(expected.features)] for i in range(5000)]
        self.probabilities = [expected.probabilities[i % len(expected.features)] for i in range(5000)]

    def ask(self, stack, method, path, body=None, headers=None, status=200):
        got, answered, content = stack.client().request(method, path, body, headers)
        self.assertEqual(got, status, content[:500])
        return answered, content

    def json(self, stack, method, path, body=None, headers=None, status=200):
        answered, content = self.ask(stack, method, path, None if body is None else json.dumps(body), headers, status)
        self.assertEqual(answered["content-type"], "application/json")
        return json.loads(content) if content else None

    def error(self, stack, method, path, body=None, headers=None, status=400):
        answered, content = self.ask(stack, method, path, body, headers, status)
        self.assertEqual(answered["content-type"], "application/json")
        error = json.loads(content)
        self.assertEqual(list(error), ["error"])
        return error["error"]

    def binary(self, count):
        """Header and body of a request for so many rows."""
        numbers = array.array("f", (value for row in self.rows[:count] for value in row)).tobytes()
        head = json.dumps({"id": "b", "inputs": [{"name": "features", "shape": [count, 30], "datatype": "FP32",
                                                  "parameters": {"binary_data_size": len(numbers)}}],
                           "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]}).encode()
        return {"Inference-Header-Content-Length": str(len(head))}, head + numbers

    def check_binary(self, count, headers, content):
        self.assertEqual(headers["content-type"], "application/octet-stream")
        size = int(headers["inference-header-content-length"])
        head = json.loads(content[:size])
        output, = head["outputs"]
        self.assertEqual((head["id"], output["shape"], output["parameters"]),
                         ("b", [count, 2], {"binary_data_size": count * 8}))
        numbers = array.array("f", content[size:])
        self.assertEqual(len(numbers), 2 * count)
        worst = max(abs(numbers[2 * i + 1] - self.probabilities[i][1]) for i in range(count))
        self.assertLess(worst, 1e-5)

    # ---- through each web server ----

    def check_bodies(self, stack):
        for count in (1, 200, 5000):
            document = {"inputs": [{"name": "features", "shape": [count, 30], "datatype": "FP32", "data": self.rows[:count]}]}
            answer = self.json(stack, "POST", INFER + "?test_1=1", document)
            self.assertEqual((answer["model_name"], answer["model_version"]), (MODEL, "1"))
            outputs = {output["name"]: output for output in answer["outputs"]}
            self.assertEqual(outputs["probabilities"]["shape"], [count, 2])
            self.assertAlmostEqual(outputs["probabilities"]["data"][-1], self.probabilities[count - 1][1], places=5)
            headers, body = self.binary(count)
            self.check_binary(count, *self.ask(stack, "POST", INFER, body, headers))
            self.check_binary(count, *self.ask(stack, "POST", INFER, in_chunks(body), headers))

    def check_packed(self, stack):
        headers, body = self.binary(5000)
        for name, pack in PACK.items():
            for packed, accepted in ((body, "identity"), (pack(body), f"br, {name};q=0.5"), (in_chunks(pack(body)), name)):
                sent = headers | ({} if packed is body else {"Content-Encoding": name}) | {"Accept-Encoding": accepted}
                answered, content = self.ask(stack, "POST", INFER, packed, sent)
                encoding = answered["content-encoding"]
                self.assertEqual(encoding, None if accepted == "identity" else name)
                self.check_binary(5000, answered, UNPACK[encoding](content))
            # The service's own API takes and gives them, too.
            own = json.dumps({"instances": self.rows[:1000]}).encode()
            answered, content = self.ask(stack, "POST", "/api/v1/batch-predict", pack(own), {
                "Content-Type": "application/json", "Content-Encoding": name, "Accept-Encoding": name})
            self.assertEqual(answered["content-encoding"], name)
            self.assertEqual(len(json.loads(UNPACK[name](content))["predictions"]), 1000)
        bomb = gzip.compress(bytes(200 << 20))
        self.assertIn("larger", self.error(stack, "POST", INFER, bomb, {"Content-Encoding": "gzip"}, 413))
        self.assertIn("Content-Encoding", self.error(stack, "POST", INFER, b"no gzip", {"Content-Encoding": "gzip"}))
        answered, _ = self.ask(stack, "POST", INFER, b"{}", {"Content-Encoding": "br"}, 415)
        self.assertEqual(answered["accept-encoding"], "gzip, deflate")

    def check_several(self, stack):
        document = {"inputs": [{"name": "C", "shape": [2, 3], "datatype": "BOOL", "data": [True, False, 1, 0, 0, 1]},
                               {"name": "A", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2.5], [3, 4]]},
                               {"name": "B", "shape": [2, 1], "datatype": "BYTES", "data": ["ä\n", ""]}],
                    "outputs": [{"name": "OUT_B"}, {"name": "OUT_A"}, {"name": "OUT_C"}]}
        answer = self.json(stack, "POST", "/v2/models/several/versions/1/infer", document)
        self.assertEqual([(output["name"], output["data"]) for output in answer["outputs"]],
                         [("OUT_B", ["ä\n", ""]), ("OUT_A", [1.0, 2.5, 3.0, 4.0]),
                          ("OUT_C", [True, False, True, False, False, True])])
        # One binary input between two of JSON.
        document["inputs"][1] = {"name": "A", "shape": [2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
        head = json.dumps(document).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        numbers = array.array("f", [1, 2.5, 3, 4]).tobytes()
        answered, content = self.ask(stack, "POST", "/v2/models/several/infer", head + numbers, headers)
        self.assertEqual(json.loads(content)["outputs"], answer["outputs"])
        self.assertIn("expecting 1 additional bytes", self.error(
            stack, "POST", "/v2/models/several/infer", head + numbers[:-1], headers))
        self.assertIn("unexpected additional input data", self.error(
            stack, "POST", "/v2/models/several/infer", head + numbers + b"\0", headers))

    def check_raw(self, stack):
        numbers = array.array("f", self.rows[0]).tobytes()
        answered, content = self.ask(stack, "POST", INFER, numbers, {"Inference-Header-Content-Length": "0"})
        size = int(answered["inference-header-content-length"])
        self.assertEqual([output["shape"] for output in json.loads(content[:size])["outputs"]], [[1], [1, 2]])
        self.assertEqual(len(content) - size, 16)

    def check_headers(self, stack):
        _, body = self.binary(1)
        for value in ("-1", "99999999999999999999999", "1x", str(len(body) + 1)):
            self.assertIn("inference header size should be in range (0, ", self.error(
                stack, "POST", INFER, body, {"Inference-Header-Content-Length": value}))
        self.assertEqual(self.error(stack, "GET", "/v2/nothing", status=404), "Not Found")
        self.assertEqual(self.error(stack, "GET", INFER, status=405), "Method Not Allowed")
        self.assertEqual(self.error(stack, "GET", "/v2/models/nix", status=404),
                         "Request for unknown model: 'nix' is not found")

    def test_through_each_web_server(self):
        for web in web_servers():
            with self.subTest(web=web), Stack(web=web, models=self.folder, settings={"default_model": MODEL}) as stack:
                self.check_bodies(stack)
                self.check_packed(stack)
                self.check_several(stack)
                self.check_raw(stack)
                self.check_headers(stack)

    # ---- what it asks of the other processes ----

    def test_time_is_up(self):
        _, body = self.binary(1)
        with Stack(web="nginx", models=[MODEL], settings={"supervisor.stop_timeout_ms": "500"}) as stack:
            stack.kill(f"worker.{MODEL}.1", signal.SIGSTOP)
            document = {"inputs": [{"name": "features", "shape": [1, 30], "datatype": "FP32", "data": self.rows[0]}],
                        "parameters": {"timeout": 200000}}
            self.assertEqual(self.error(stack, "POST", INFER, json.dumps(document), status=503),
                             "[request id: <id_unknown>] Request timeout expired")
            stack.kill(f"worker.{MODEL}.1", signal.SIGCONT)

    def test_loading(self):
        with Stack(web="nginx", models=self.folder, settings={"default_model": MODEL, "frontend.processes": "1"}) as stack:
            def ready(name):
                return stack.request("GET", f"/v2/models/{name}/ready")[0] == 200
            self.assertEqual(self.json(stack, "POST", "/v2/repository/models/several/unload"),
                             {"name": "several", "unload": True})
            self.assertFalse(ready("several"))
            index = self.json(stack, "POST", "/v2/repository/index", {"ready": True})
            self.assertEqual([entry["name"] for entry in index], [MODEL])
            entry, = [entry for entry in self.json(stack, "POST", "/v2/repository/index") if entry["name"] == "several"]
            self.assertEqual(entry["state"], "UNAVAILABLE")
            self.assertEqual(entry["reason"], "unloaded")
            self.assertEqual(self.error(stack, "POST", "/v2/models/several/infer", b'{"inputs":[]}', status=404),
                             "Request for unknown model: 'several' has no available versions")
            stack.wait(lambda: stack.request("GET", "/ready")[0] == 200, "a model that was unloaded is missed")
            self.assertEqual(self.json(stack, "POST", "/v2/repository/models/several/load", {}),
                             {"name": "several", "load": True})
            self.assertTrue(ready("several"))
            self.assertTrue(self.error(stack, "POST", "/v2/repository/models/nix/load", status=500).startswith("failed to load 'nix', "))
            self.assertIn("expected a boolean", self.error(stack, "POST", "/v2/repository/index", b'{"ready":1}'))
            self.assertIn("repository_name", self.error(stack, "POST", "/v2/repository/other/index", status=501))
            # Many at a time, all answered.
            answers = []

            def load():
                answers.append(stack.client().request("POST", "/v2/repository/models/several/load")[0])
            at_once(8, load)
            self.assertEqual(answers, [200] * 8)
            stack.kill_supervisor()
            stack.wait(lambda: stack.request("POST", "/v2/repository/models/several/load")[0] == 200, "not back")

    def test_loading_may_be_forbidden(self):
        with Stack(web="nginx", models=[MODEL], settings={"oip.load_unload": "false", "oip.server_name": "triton",
                                                          "oip.server_version": "2.0"}) as stack:
            self.assertIn("explicit model load / unload is not allowed",
                          self.error(stack, "POST", f"/v2/repository/models/{MODEL}/unload", status=503))
            server = self.json(stack, "GET", "/v2")
            self.assertEqual((server["name"], server["version"]), ("triton", "2.0"))

    def test_statistics(self):
        with Stack(web="nginx", models=[MODEL], settings={"frontend.processes": "2"}) as stack:
            headers, body = self.binary(3)
            for _ in range(4):
                self.ask(stack, "POST", INFER, body, headers)
            # Who asks at the same time shares an answer, which is never older than the question.
            seen = []

            def ask():
                for _ in range(10):
                    answer = self.json(stack, "GET", f"/v2/models/{MODEL}/stats")
                    seen.append(answer["model_stats"][0]["inference_count"])
            at_once(8, ask)
            self.assertEqual(seen, [12] * 80)
            entry, = self.json(stack, "GET", "/v2/models/stats")["model_stats"]
            self.assertEqual([(size["batch_size"], size["compute_infer"]["count"]) for size in entry["batch_stats"]], [(3, 4)])
            self.assertEqual(entry["inference_stats"]["success"]["count"], 4)
            parts = entry["inference_stats"]
            self.assertGreater(parts["compute_infer"]["ns"], 0)
            self.assertEqual(parts["success"]["ns"], sum(parts[part]["ns"] for part in ("queue", "compute_input", "compute_infer")))
            self.assertGreater(entry["last_inference"], 1600000000000)


if __name__ == "__main__":
    unittest.main()
