"""Measure: one run of one cell: the load, and what it cost whom.

Machines are shared. A run begins when the cores are at rest, and one that others disturbed all the same is
tried again, the calmest being kept: what the cores did in that time less what the load and the contender used
is the share of others (the kernel's own threads among them). How much time goes into that is bounded, so that
on a machine that never rests it is said how busy it was, and no more.

SPDX-License-Identifier: MIT
"""

import json
import os
import resource
import subprocess
import time
from pathlib import Path

from processes import Failed, cpu_seconds, machine_busy_seconds

TRIES = 3
CALM = 0.05                 # share of the machine that others may take without a run being tried again
GLANCE_SECONDS = 0.1        # how long the cores are watched to see whether they are at rest
REST_SECONDS = 10           # the longest wait for that, once
HEAVY_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
SCRIPT = Path(__file__).with_name("post.lua")


def run_wrk(url: str, body: Path, connections: int, seconds: int) -> dict:
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency",
                           "-s", SCRIPT, url, "--", body], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            result = json.loads(line[len("RESULT "):])
            return {"per_second": result["requests"] / (result["duration"] / 1e6), **result}
    raise Failed(f"wrk: {done.stdout[-300:]} {done.stderr[-300:]}")


class RawOnnx:
    """ONNX Runtime alone: as many threads as Outrigger has heavy workers, on the same cores, at the best batch."""

    def __init__(self, program: Path, model: Path, threads: int, cores: set):
        self.command = [program, model, threads]
        self.threads = threads
        self.cores = cores
        rates = self.run(0.5, HEAVY_BATCHES)
        self.best_batch = max(rates, key=rates.get)

    def run(self, seconds: float, batches) -> dict:
        """{batch: rows a second}."""
        done = subprocess.run([str(word) for word in (*self.command, seconds, *batches)], capture_output=True,
                              text=True, preexec_fn=lambda: os.sched_setaffinity(0, self.cores))
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        return {int(line.split()[0]): float(line.split()[1]) for line in done.stdout.splitlines()}

    def measure(self, seconds: int) -> dict:
        rate = self.run(seconds, [self.best_batch])[self.best_batch]
        return {"per_second": rate, "requests": int(rate * seconds), "refused": 0, "broken": 0}


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def part_seconds(parts: dict) -> dict:
    return {part: sum(cpu_seconds(pid) for pid in pids) for part, pids in parts.items()}


def once(load, parts: dict) -> dict:
    """Runs `load`, a function that gives a result, and adds `cpu` (us a request by part) and `others`."""
    before, busy, children, begin = part_seconds(parts), machine_busy_seconds(), children_seconds(), time.monotonic()
    result = load()
    used = {part: seconds - before[part] for part, seconds in part_seconds(parts).items()}
    ours = sum(used.values()) + children_seconds() - children
    capacity = (time.monotonic() - begin) * os.cpu_count()
    result["others"] = max(0.0, machine_busy_seconds() - busy - ours) / capacity
    result["cpu"] = {part: seconds * 1e6 / max(1, result["requests"]) for part, seconds in used.items()}
    return result


class Meter:
    """Measures, with `patience` seconds in all for waiting and for second tries."""

    def __init__(self, patience: float):
        self.patience = patience

    def _wait_for_rest(self) -> None:
        begin = time.monotonic()
        end = begin + min(REST_SECONDS, self.patience)
        while time.monotonic() < end:
            busy = machine_busy_seconds()
            time.sleep(GLANCE_SECONDS)
            if machine_busy_seconds() - busy <= 2 * CALM * GLANCE_SECONDS * os.cpu_count():
                break
        self.patience -= time.monotonic() - begin

    def calmest(self, load, parts: dict) -> dict:
        self._wait_for_rest()
        best = once(load, parts)
        for _ in range(TRIES - 1):
            if best["others"] <= CALM or self.patience <= 0:
                break
            begin = time.monotonic()
            self._wait_for_rest()
            best = min(best, once(load, parts), key=lambda result: result["others"])
            self.patience -= time.monotonic() - begin
        return best
