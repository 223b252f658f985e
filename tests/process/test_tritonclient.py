"""The judge of the Open Inference Protocol: the client that its users have, against the real stack.

It is not needed for make check: without it (pip install 'tritonclient[http]', into an environment whose Python then runs
tests/process/run tritonclient) the tests are skipped, loudly.
"""
import asyncio
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import identity_model
from expectations import held_out
from stack import REPOSITORY, Stack

try:
    import numpy as np
    import tritonclient.http as triton
    import tritonclient.http.aio as triton_aio
    from tritonclient.utils import InferenceServerException
    MISSING = None
    try:
        import ml_dtypes
    except ImportError:
        ml_dtypes = None
        print("NOT TESTED with its own clients: BF16, since ml_dtypes is not installed", file=sys.stderr, flush=True)
except ImportError as error:
    MISSING = f"tritonclient is not installed: {error}"
    print("NOT TESTED with its own clients:", MISSING, file=sys.stderr, flush=True)

PERF_ANALYZER = shutil.which("perf_analyzer")  # pip install perf-analyzer, where glibc is 2.38 or later
MODEL = "cancer-logistic"
KINDS = {"BOOL": "bool", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "INT8": "int8",
         "INT16": "int16", "INT32": "int32", "INT64": "int64", "FP16": "float16", "FP32": "float32", "FP64": "float64",
         "BYTES": "object"}
if not MISSING and ml_dtypes:
    KINDS["BF16"] = ml_dtypes.bfloat16
COLUMNS = 4


def values(datatype, rows):
    """Such that every byte counts."""
    if datatype == "BYTES":
        return np.array([[f"é{row}\0{column}".encode() * (column + 1) for column in range(COLUMNS)]
                         for row in range(rows)], dtype=np.object_)
    if datatype == "BOOL":
        return np.arange(rows * COLUMNS).reshape(rows, COLUMNS) % 3 == 0
    kind = KINDS[datatype]
    if "F" in datatype:
        return (np.arange(rows * COLUMNS) / 3 - 2).astype(kind).reshape(rows, COLUMNS)
    information = np.iinfo(kind)
    return np.linspace(information.min // 2, information.max // 2, rows * COLUMNS).astype(kind).reshape(rows, COLUMNS)


@unittest.skipIf(MISSING, MISSING)
class Tritonclient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        cls.folder.chmod(0o755)
        for name in (MODEL, "digits-mlp"):
            shutil.copytree(REPOSITORY / name, cls.folder / name)
        for datatype in KINDS:
            identity_model.write(cls.folder / f"identity-{datatype}/1/model.onnx", {"INPUT0": (datatype, [COLUMNS])})
        identity_model.write(cls.folder / "several/1/model.onnx",
                             {"A": ("FP32", [COLUMNS]), "B": ("BYTES", [COLUMNS]), "C": ("INT64", [-1])})
        cls.stack = Stack(web="nginx", models=cls.folder).start()
        cls.client = triton.InferenceServerClient(f"127.0.0.1:{cls.stack.port}", concurrency=4, network_timeout=60,
                                                  connection_timeout=60)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.stack.stop()
        shutil.rmtree(cls.folder)

    def input(self, name, array, datatype, binary):
        tensor = triton.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, binary_data=binary)
        return tensor

    def refuses(self, words, call, *arguments, **named):
        with self.assertRaises(InferenceServerException) as caught:
            call(*arguments, **named)
        self.assertIn(words, str(caught.exception))

    # ---- the server and its models ----

    def test_health_and_metadata(self):
        client = self.client
        self.assertTrue(client.is_server_live())
        self.assertTrue(client.is_server_ready())
        self.assertTrue(client.is_model_ready(MODEL))
        self.assertTrue(client.is_model_ready(MODEL, "1", query_params={"test_1": 1}))
        self.assertFalse(client.is_model_ready("nix"))
        self.assertEqual(client.get_server_metadata()["name"], "outrigger")
        metadata = client.get_model_metadata(MODEL)
        self.assertEqual(metadata["name"], MODEL)
        self.assertEqual(metadata["versions"], ["1"])
        self.assertEqual(metadata["inputs"], [{"name": "features", "datatype": "FP32", "shape": [-1, 30]}])
        self.assertEqual(client.get_model_metadata(MODEL, "1", headers={"x": "y"}), metadata)
        self.refuses("Request for unknown model: 'nix' is not found", client.get_model_metadata, "nix")
        self.refuses(f"Request for unknown model: '{MODEL}' version 9 is not found", client.get_model_metadata, MODEL, "9")
        config = client.get_model_config(MODEL)
        self.assertEqual(config["input"][0]["data_type"], "TYPE_FP32")
        self.assertEqual(config["input"][0]["dims"], [30])
        self.assertGreater(config["max_batch_size"], 0)

    def test_repository(self):
        client = self.client
        index = {entry["name"]: entry["state"] for entry in client.get_model_repository_index()}
        self.assertEqual(index["digits-mlp"], "READY")
        client.unload_model("digits-mlp")
        self.assertFalse(client.is_model_ready("digits-mlp"))
        client.load_model("digits-mlp")
        self.assertTrue(client.is_model_ready("digits-mlp"))
        client.load_model("digits-mlp")     # it is loaded: nothing to do
        client.unload_model("digits-mlp", unload_dependents=True)
        index = {entry["name"]: entry for entry in client.get_model_repository_index()}
        self.assertEqual((index["digits-mlp"]["state"], index["digits-mlp"]["reason"]), ("UNAVAILABLE", "unloaded"))
        client.load_model("digits-mlp")
        self.refuses("failed to load 'nix'", client.load_model, "nix")
        self.refuses("'config' is not supported", client.load_model, MODEL, config='{"backend":"x"}')

    @unittest.skipUnless(PERF_ANALYZER, "perf_analyzer is not installed")
    def test_perf_analyzer(self):
        for more in (["identity-FP32", "-b", "8"], ["identity-BYTES", "--input-tensor-format", "json", "--output-tensor-format", "json"],
                     ["identity-BOOL", "-a"], [MODEL, "-x", "1"]):
            done = subprocess.run([PERF_ANALYZER, "-u", f"127.0.0.1:{self.stack.port}", "-i", "http", "--request-count", "40",
                                   "-m", *more], capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done)
            self.assertIn("Inferences/Second", done.stdout)

    def test_statistics(self):
        def counted():
            entry, = self.client.get_inference_statistics("identity-FP32", "1")["model_stats"]
            return entry
        before = counted()
        array = values("FP32", 5)
        for _ in range(3):
            self.client.infer("identity-FP32", [self.input("INPUT0", array, "FP32", True)])
        after = counted()
        self.assertEqual(after["inference_count"] - before["inference_count"], 15)
        self.assertEqual(after["execution_count"] - before["execution_count"], 3)
        for key in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
            self.assertEqual(after["inference_stats"][key]["count"] - before["inference_stats"][key]["count"], 3, key)
        self.assertGreater(after["inference_stats"]["compute_infer"]["ns"], before["inference_stats"]["compute_infer"]["ns"])
        self.assertEqual(after["inference_stats"]["fail"]["count"], 0)
        self.assertEqual(after["inference_stats"]["cache_hit"], {"count": 0, "ns": 0})
        self.assertIn(5, [entry["batch_size"] for entry in after["batch_stats"]])
        names = {entry["name"] for entry in self.client.get_inference_statistics()["model_stats"]}
        self.assertIn("several", names)
        self.refuses("requested model 'nix' is not available", self.client.get_inference_statistics, "nix")

    def test_settings(self):
        client = self.client
        trace = client.get_trace_settings()
        self.assertEqual(client.get_trace_settings(MODEL), trace)
        self.assertEqual(client.update_trace_settings(settings={"trace_level": ["OFF"], "trace_rate": None}), trace)
        self.refuses("trace file location can not be updated", client.update_trace_settings,
                     settings={"trace_file": "/tmp/x"})
        self.refuses("Request for unknown model : nix", client.get_trace_settings, "nix")
        logging = client.get_log_settings()
        self.assertEqual(logging, {"log_file": "", "log_info": True, "log_warning": True, "log_error": True,
                                   "log_verbose_level": 0, "log_format": "default"})
        self.assertEqual(client.update_log_settings({"log_info": True}), logging)
        self.refuses("can not be updated", client.update_log_settings, {"log_info": False})

    def test_shared_memory_is_not_there(self):
        client = self.client
        self.assertEqual(client.get_system_shared_memory_status(), [])
        self.assertEqual(client.get_cuda_shared_memory_status(), [])
        client.unregister_system_shared_memory()
        client.unregister_cuda_shared_memory()
        self.refuses("not supported", client.register_system_shared_memory, "region", "/key", 64)

    # ---- inference ----

    def test_every_datatype(self):
        for datatype in KINDS:
            for binary in (True, False):
                if datatype in ("FP16", "BF16") and not binary:
                    continue        # the client does not send it either
                for rows in (1, 7):
                    with self.subTest(datatype=datatype, binary=binary, rows=rows):
                        array = values(datatype, rows)
                        result = self.client.infer(f"identity-{datatype}", [self.input("INPUT0", array, datatype, binary)],
                                                   outputs=[triton.InferRequestedOutput("OUT_INPUT0", binary_data=binary)])
                        answer = result.as_numpy("OUT_INPUT0")
                        if datatype == "BYTES" and not binary:      # strings of JSON
                            answer = np.vectorize(lambda text: text.encode(), otypes=[np.object_])(answer)
                        self.assertEqual(answer.shape, array.shape)
                        self.assertTrue((answer == array).all(), answer)
        self.refuses("sending FP16 data via JSON is not supported", self.client.infer, "identity-FP16",
                     [self.input("INPUT0", values("FP16", 1), "FP16", True)],
                     outputs=[triton.InferRequestedOutput("OUT_INPUT0", binary_data=False)])

    def test_several_inputs_in_any_order_and_form(self):
        a, b, c = values("FP32", 3), values("BYTES", 3), np.arange(33, dtype=np.int64).reshape(3, 11)
        for binary in ((True, True, True), (False, True, False), (True, False, True)):
            inputs = [self.input("C", c, "INT64", binary[0]), self.input("A", a, "FP32", binary[1]),
                      self.input("B", b, "BYTES", binary[2])]
            result = self.client.infer("several", inputs, request_id="many/1", priority=1, timeout=5000000,
                                       parameters={"custom": 1, "text": "x"}, sequence_id=7, sequence_start=True)
            self.assertEqual(result.get_response()["id"], "many/1")
            self.assertEqual(result.get_response()["model_version"], "1")
            self.assertTrue((result.as_numpy("OUT_A") == a).all())
            self.assertTrue((result.as_numpy("OUT_C") == c).all())
            self.assertEqual([bytes(x) for x in result.as_numpy("OUT_B").flatten()], list(b.flatten()))
        mixed = self.client.infer("several", inputs, outputs=[triton.InferRequestedOutput("OUT_C", binary_data=False),
                                                              triton.InferRequestedOutput("OUT_A", binary_data=True)])
        self.assertEqual([output["name"] for output in mixed.get_response()["outputs"]], ["OUT_C", "OUT_A"])
        self.assertTrue((mixed.as_numpy("OUT_C") == c).all() and (mixed.as_numpy("OUT_A") == a).all())
        self.assertIsNone(mixed.as_numpy("OUT_B"))
        self.refuses("batch size does not match other inputs", self.client.infer, "several",
                     [self.input("A", values("FP32", 2), "FP32", True)] + inputs[:1] + inputs[2:])
        self.refuses("missing required input(s) ['A','B']", self.client.infer, "several", inputs[:1])
        self.refuses("unexpected inference output 'NIX' for model 'several'", self.client.infer, "several", inputs,
                     outputs=[triton.InferRequestedOutput("NIX")])

    def test_compression(self):
        array = values("FP32", 4000)
        for ask in (None, "gzip", "deflate"):
            for answer in (None, "gzip", "deflate"):
                for binary in (True, False):
                    result = self.client.infer(
                        "identity-FP32", [self.input("INPUT0", array, "FP32", binary)],
                        outputs=[triton.InferRequestedOutput("OUT_INPUT0", binary_data=binary)],
                        request_compression_algorithm=ask, response_compression_algorithm=answer)
                    self.assertTrue((result.as_numpy("OUT_INPUT0") == array).all(), (ask, answer, binary))

    def test_classification(self):
        rows = held_out("digits-mlp")
        count = 5
        array = np.array(rows.features[:count], dtype=np.float32)
        self.client.load_model("digits-mlp")
        for binary in (True, False):
            result = self.client.infer("digits-mlp", [self.input("features", array, "FP32", True)], outputs=[
                triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=3)])
            classes = result.as_numpy("probabilities")
            self.assertEqual(classes.shape, (count, 3))
            for row in range(count):
                parts = [(text.decode() if isinstance(text, bytes) else text).split(":") for text in classes[row]]
                shown = [float(part[0]) for part in parts]
                self.assertEqual(shown, sorted(shown, reverse=True))
                best = int(parts[0][1])
                self.assertEqual(best, int(np.argmax(rows.probabilities[row])))
                self.assertAlmostEqual(shown[0], rows.probabilities[row][best], places=5)

    def test_asynchronous(self):
        array = values("FP32", 2)
        requests = [self.client.async_infer("identity-FP32", [self.input("INPUT0", array + i, "FP32", True)])
                    for i in range(20)]
        for i, request in enumerate(requests):
            self.assertTrue((request.get_result().as_numpy("OUT_INPUT0") == array + i).all())

    def test_asyncio(self):
        async def ask():
            async with triton_aio.InferenceServerClient(f"127.0.0.1:{self.stack.port}") as client:
                self.assertTrue(await client.is_server_ready())
                array = values("FP32", 2)
                inputs = [triton_aio.InferInput("INPUT0", [2, COLUMNS], "FP32")]
                inputs[0].set_data_from_numpy(array)
                for compression in (None, "gzip", "deflate"):
                    results = await asyncio.gather(*(
                        client.infer("identity-FP32", inputs, request_compression_algorithm=compression,
                                     response_compression_algorithm=compression) for _ in range(8)))
                    for result in results:
                        self.assertTrue((result.as_numpy("OUT_INPUT0") == array).all())
                self.assertEqual((await client.get_model_metadata(MODEL))["name"], MODEL)
        asyncio.run(ask())

    def test_request_bodies(self):
        """A body that is made apart and sent by hand, and an answer that is read apart."""
        array = values("FP32", 2)
        body, json_size = triton.InferenceServerClient.generate_request_body(
            [self.input("INPUT0", array, "FP32", True)],
            outputs=[triton.InferRequestedOutput("OUT_INPUT0", binary_data=True)])
        status, headers, answer = self.stack.request("POST", "/v2/models/identity-FP32/infer", body,
                                                     {"Inference-Header-Content-Length": str(json_size)})
        self.assertEqual(status, 200, answer[:300])
        result = triton.InferenceServerClient.parse_response_body(
            answer, header_length=int(headers["Inference-Header-Content-Length"]))
        self.assertTrue((result.as_numpy("OUT_INPUT0") == array).all())

    def test_refusals(self):
        infer = self.client.infer
        wide = np.zeros((1, COLUMNS + 1), dtype=np.float32)
        self.refuses("unexpected shape for input 'INPUT0' for model 'identity-FP32'. Expected [-1,4], got [1,5].", infer,
                     "identity-FP32", [self.input("INPUT0", wide, "FP32", True)])
        self.refuses("inference input 'INPUT0' data-type is 'FP64', but model 'identity-FP32' expects 'FP32'", infer,
                     "identity-FP32", [self.input("INPUT0", values("FP64", 1), "FP64", True)])
        self.refuses("unexpected inference input 'NIX' for model 'identity-FP32'", infer, "identity-FP32",
                     [self.input("NIX", values("FP32", 1), "FP32", True)])
        self.refuses("Request for unknown model: 'nix' is not found", infer, "nix",
                     [self.input("INPUT0", values("FP32", 1), "FP32", True)])
        self.refuses("is not a finite number", infer, "identity-FP32",
                     [self.input("INPUT0", values("FP32", 1) + np.float32("inf"), "FP32", True)])


if __name__ == "__main__":
    unittest.main()
