"""The supervisor as process 1 of a container: it waits for whoever loses its parent, and ends all in order."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

from load import JSON
from stack import BIN, ROOT, Stack

NEW_PIDS = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
IN_PIDS = ["nsenter", "--pid", "--mount", "--target"]
SLOW = [-1001, 300]    # a row of the echo model that takes 300 ms


def can_be_contained():
    return subprocess.run([*NEW_PIDS, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


def status_of(pid, field):
    """A line of /proc/PID/status; None when the process is gone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next(line.split()[1] for line in lines if line.startswith(field + ":"))


class Contained(Stack):
    """Its supervisor is process 1 of a namespace: `first` is its number out here."""

    def _launch_supervisor(self):
        read_end, write_end = os.pipe()
        with open(self.log, "ab") as log:
            self.supervisor = subprocess.Popen(
                [*NEW_PIDS, BIN / "outrigger-supervisor", *self.arguments(), "-r", str(write_end)], cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[write_end], start_new_session=True)
        os.close(write_end)
        os.set_blocking(read_end, False)
        return read_end

    @property
    def first(self):
        return int(pathlib.Path(f"/proc/{self.supervisor.pid}/task/{self.supervisor.pid}/children").read_text())

    def _end(self, process, name):
        if process is not self.supervisor:
            super()._end(process, name)
            return
        os.kill(self.first, signal.SIGTERM)
        self.wait(lambda: process.poll() is not None, f"{name} does not stop")
        if process.returncode != 0:
            raise AssertionError(f"{name} ended with status {process.returncode}")

    def end_first(self):
        """Stops it, the web server afterwards."""
        self._end(self.supervisor, "the supervisor")
        self._nothing_is_left()
        self._kill_all()


@unittest.skipUnless(can_be_contained(), "no namespace of processes can be made here")
class Container(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-container."))
        self.addCleanup(shutil.rmtree, self.directory)
        (self.directory / "sum" / "1").mkdir(parents=True)
        (self.directory / "sum" / "1" / "model.echo").write_text("features = 2;\n")

    def test_process_1_waits_for_strays_and_ends_all_in_order(self):
        with Contained(web="nginx", models=self.directory) as stack:
            self.assertEqual(status_of(stack.first, "NSpid"), str(stack.first))
            strays = [self.stray(stack) for _ in range(3)]
            for stray in strays:
                os.kill(stray, signal.SIGKILL)
            for stray in strays:
                stack.wait(lambda: status_of(stray, "PPid") is None, "a stray is a zombie for good")
            worker = next(process for process in stack.status()["processes"] if process["name"].startswith("worker."))
            subprocess.run([*IN_PIDS, str(stack.first), "kill", "-KILL", str(worker["pid"])], check=True)
            stack.wait(lambda: any(process["name"] == worker["name"] and process["pid"] not in (0, worker["pid"]) and
                                   process["state"] == "running" for process in stack.status()["processes"]),
                       "the worker is not started again")
            self.assertIn("killed by signal 9", stack.log.read_text())  # its end was told to who knows it, not to the strays' look

    def test_what_is_under_way_is_answered(self):
        stack = Contained(web="nginx", models=self.directory).start()
        answers = []
        client = stack.client()
        self.addCleanup(client.close)
        asking = threading.Thread(target=lambda: answers.append(client.request(
            "POST", "/api/v1/models/sum/predict", json.dumps({"features": SLOW}), JSON)))
        asking.start()
        try:
            stack.wait(lambda: stack.control("broker.sock", {"command": "status"})["models"][0]["in_flight"] > 0,
                       "it is not asked")
        finally:
            stack.end_first()
            asking.join()
        self.assertEqual(answers[0][0], 200, answers)

    def stray(self, stack):
        """A process that is the child of process 1, which has not started it; its number out here."""
        kept = self.directory / "stray"
        subprocess.run([*IN_PIDS, str(stack.first), "setsid", "sh", "-c", f"sleep 1000 & echo $! >{kept}"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        inside = kept.read_text().strip()
        children = pathlib.Path(f"/proc/{stack.first}/task/{stack.first}/children")
        stack.wait(lambda: any(self.inside(pid) == inside for pid in children.read_text().split()), "it has no parent")
        return next(int(pid) for pid in children.read_text().split() if self.inside(pid) == inside)

    @staticmethod
    def inside(pid):
        """The number of the process in its own namespace."""
        try:
            lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            return None
        return next(line.split()[-1] for line in lines if line.startswith("NSpid:"))


if __name__ == "__main__":
    unittest.main()
