"""The log of all processes in one file: a line for each request with its ids and figures, turns of the file, and what
becomes of it when the supervisor, through which all lines go, is killed."""
import json
import pathlib
import tempfile
import unittest

from stack import Stack

JSON = {"Content-Type": "application/json"}
FAIL = [-1005, 0, 0, 0]
PREDICT = "/api/v1/models/sum/predict"
KEPT = 3


class Logs(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="outrigger-test.")
        self.addCleanup(scratch.cleanup)
        self.directory = pathlib.Path(scratch.name)
        self.directory.chmod(0o755)
        model = self.directory / "models/sum"
        (model / "1").mkdir(parents=True)
        (model / "1/model.echo").write_text("features = 4;\n")
        self.file = self.directory / "out.log"

    def ask(self, stack, name, row=(1, 2, 3, 4), expected=200, **headers):
        status, _, body = stack.request("POST", PREDICT, json.dumps({"features": row}),
                                        {**JSON, "X-Request-Id": name, **headers})
        self.assertEqual(status, expected, body[:500])

    def texts(self):
        """What the files hold, those put aside first; any of them may be renamed while we read."""
        for file in [self.directory / f"out.log.{number}" for number in range(KEPT, 0, -1)] + [self.file]:
            try:
                yield file.read_text()
            except FileNotFoundError:
                pass

    def lines(self):
        """All of them, of the files put aside as well; each must be whole."""
        # What has no end yet is being written while we read.
        return [json.loads(line) for text in self.texts() for line in text.split("\n")[:-1]]

    def line_of(self, stack, request):
        found = []

        def there():
            found[:] = [line for line in self.lines() if line.get("request") == request and "status" in line]
            return found
        stack.wait(there, f"no line of {request}")
        line, = found
        return line

    def check_lines(self, stack):
        self.ask(stack, "wanted", traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01")
        line = self.line_of(stack, "wanted")
        times = [line.pop(name) for name in ("time", "queue_us", "compute_us", "total_us")]
        self.assertGreaterEqual(times[3], times[1] + times[2])
        self.assertGreater(line.pop("bytes_in"), 20)
        self.assertGreater(line.pop("bytes_out"), 20)
        self.assertRegex(line.pop("process"), r"^frontend\.\d+$")
        self.assertEqual(line, {"level": "info", "request": "wanted", "trace": "ab" * 16, "method": "POST",
                                "call": "predict", "status": 200, "model": "sum", "version": "1", "rows": 1,
                                "batch_rows": 1, "message": "POST /api/v1/models/*/predict 200"})
        self.ask(stack, "fails", FAIL, 500)
        line = self.line_of(stack, "fails")
        self.assertEqual((line["level"], line["kind"], line["status"]), ("warning", "model_failed", 500))
        names = {line["process"].split(".")[0] for line in self.lines()}
        self.assertLessEqual({"frontend", "broker", "collector", "supervisor", "worker"}, names)

    def check_turns(self, stack):
        for number in range(100):
            self.ask(stack, f"many-{number}")
        self.line_of(stack, "many-99")
        sizes = [len(text.encode()) for text in self.texts()]
        self.assertGreater(len(sizes), 2)
        self.assertLessEqual(max(sizes), 16384)
        self.assertLessEqual(len(list(self.directory.glob("out.log*"))), KEPT + 1)

    def check_death(self, stack):
        """Nobody takes lines while there is no supervisor: that stops nobody, and the next one takes them again."""
        before = set(stack.recorded().items())
        stack.supervisor.kill()
        stack.supervisor.wait()
        for number in range(50):
            self.ask(stack, f"alone-{number}")
        self.ask(stack, "alone-fails", FAIL, 500)
        stack.kill_supervisor()
        stack.wait(stack.serves, "the supervisor does not come back")
        self.assertEqual(set(stack.recorded().items()), before)
        self.ask(stack, "again")
        self.line_of(stack, "again")

    def test_one_file(self):
        settings = {"log.file": str(self.file), "log.max_bytes": "16384", "log.keep": str(KEPT), "log.access_per_mille": "1000"}
        with Stack("nginx", str(self.directory / "models"), settings) as stack:
            self.check_lines(stack)
            self.check_turns(stack)
            self.check_death(stack)
            self.assertNotIn("many-", stack.log.read_text())


if __name__ == "__main__":
    unittest.main()
