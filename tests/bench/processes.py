"""Processes: starting and stopping them, and what /proc says they used.

CPU time is read from schedstat, which counts nanoseconds; stat counts ticks of 10 ms, too coarse for a
program that needs 2 us a request. It is kept for each thread, so the threads of all processes of a tree are
added up.

SPDX-License-Identifier: MIT
"""

import os
import signal
import subprocess
import time
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 15           # a process that is told to stop has this long, then it is killed


class Failed(Exception):
    """Something did not start, or answered wrongly. The text says what and why."""


class Process:
    """A program of ours with all that it starts: a process group, whose output goes to a file."""

    def __init__(self, name: str, command: list, log: Path, environment: dict = None, folder: Path = None):
        self.name = name
        self.log = log
        with open(log, "wb") as output:
            self.popen = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                          stdout=output, stderr=subprocess.STDOUT, cwd=folder,
                                          env={**os.environ, **(environment or {})}, start_new_session=True)

    def require_alive(self) -> None:
        if self.popen.poll() is not None:
            raise Failed(f"{self.name} ended with status {self.popen.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return " | ".join(line.strip() for line in lines if line.strip())[-600:] or "(it said nothing)"

    def stop(self) -> None:
        self._signal(signal.SIGTERM)
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        self._signal(signal.SIGKILL)        # whoever of the group is left
        self.popen.wait()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.popen.pid, number)
        except ProcessLookupError:
            pass


def wait_for(what: str, seconds: float, condition, alive: Process = None) -> None:
    """Waits until condition() is true; Failed when the time is over or `alive` has ended."""
    end = time.monotonic() + seconds
    while not condition():
        if alive is not None:
            alive.require_alive()
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s" + (f": {alive.last_words()}" if alive else ""))
        time.sleep(0.01)


def tree(root: int) -> list:
    """The pids of a process and all its descendants, also those that made a group of their own."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = int(Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def program_of(pid: int) -> str:
    """The name of the file that it runs; "" when it is gone."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads; 0 when it is gone."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    except OSError:
        pass
    return total / 1e9


def memory_bytes(pid: int) -> dict:
    """Its resident memory, and its share of it when what several processes share is divided among them."""
    found = {"rss": 0, "pss": 0}
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.lower() in found:
                found[key.lower()] = int(value.split()[0]) * 1024
    except OSError:
        pass
    return found


def cores_of(pid: int) -> set:
    return os.sched_getaffinity(pid)


def machine_busy_seconds() -> float:
    """Time that the cores of the machine were not idle, all together, stolen time included."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) * TICK
