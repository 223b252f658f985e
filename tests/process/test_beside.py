"""Jobs beside clients, without a table or a topic (tests/unit/job_probe.c): what somebody waits for goes first and is
answered, the job takes what is left, and neither loses a row when broker and workers die."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from load import Sums
from stack import BUILD, PATIENCE, ROOT, SANITIZED, Stack
from test_versions import write_version

AT_A_TIME, A_REQUEST = 256, 64


class Job:
    """Flat out, or so many rows."""

    def __init__(self, stack, rows=0):
        self.process = subprocess.Popen(
            [ROOT / BUILD / "tests/job_probe", "sum", str(rows), str(AT_A_TIME), str(A_REQUEST), *stack.arguments()[1::2]],
            stdout=subprocess.PIPE, text=True)

    def wait_for_rows(self):
        assert json.loads(self.process.stdout.readline()) == {"begun": True}

    def end(self):
        """Waits for its last rows; what it says of them."""
        out = self.process.communicate(timeout=PATIENCE)[0]
        assert self.process.returncode == 0, self.process.returncode
        return json.loads(out.splitlines()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Beside(unittest.TestCase):
    def setUp(self):
        self.repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.addCleanup(shutil.rmtree, self.repository)
        write_version(self.repository, "sum", "1", "call_us = 300;")
        (self.repository / "sum" / "model.conf").write_text("instances = 2;")

    def stack(self):
        return Stack(web="nginx", models=self.repository)

    def test_clients_are_answered_beside_a_job_and_the_job_goes_on(self):
        with self.stack() as stack, Job(stack) as job, Sums(stack, connections=4) as load:
            job.wait_for_rows()
            load.wait_for(200 if SANITIZED else 1000)
            load.end()
            job.process.terminate()
            told = job.end()
        self.assertEqual(load.failures, [])
        self.assertEqual((told["failed"], told["wrong"]), (0, 0))
        self.assertGreater(told["scored"], 1024)

    def test_every_row_is_scored_once_whoever_dies(self):
        rows = 20_000 if SANITIZED else 200_000
        with self.stack() as stack, Job(stack, rows) as job, Sums(stack, connections=2) as load:
            job.wait_for_rows()
            for kill in ("broker", "worker", "broker"):
                load.wait_for(20)
                os.kill(stack.pids(kill)[0], 9)
                stack.wait(stack.serves, f"the {kill} does not come back")
            load.wait_for(20)
            load.end()
            told = job.end()
        self.assertEqual(load.failures, [])
        self.assertEqual((told["scored"], told["failed"], told["wrong"]), (rows, 0, 0))


if __name__ == "__main__":
    unittest.main()
