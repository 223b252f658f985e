"""Contenders: the services that are compared. Each is started once and stays up to the end.

    Floor, Outrigger    have a FastCGI socket; a WebServer stands in front of each, one for each pairing
    FastApi, Fastify    have a port of their own

What cannot run on this machine raises Failed from start(), with the reason.

SPDX-License-Identifier: MIT
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from processes import Failed, Process, program_of, tree, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("OUTRIGGER_BUILD", "build")
MODELS = ROOT / "tests/models"
PEERS = ROOT / "tests/bench/peers"
RUN_WEB_SERVER = ROOT / "deploy/run-web-server"
PYTHON = "/usr/bin/python3"     # Debian's, which has Debian's packages
START_SECONDS = 60
FASTAPI_PROCESSES = 4
FASTIFY_PROCESSES = 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def heldout(model: str, path: Path = None) -> dict:
    """Rows that the model never saw, and the answers that scikit-learn gives to them."""
    return json.loads((path or MODELS / "heldout" / (model + ".json")).read_text())


def post(port: int, path: str, body: bytes):
    """(status, body) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def answers(port: int) -> bool:
    """True when HTTP is spoken there, whatever it says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        connection.getresponse().read()
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Contender:
    """A service, or a part of one. `parts()` names its processes: {part: [pid]}."""

    def __init__(self, name: str, scratch: Path):
        self.name = name
        self.folder = scratch / name.replace("/", "-")
        self.process = None
        self.port = None

    def launch(self, command: list, environment: dict = None, folder: Path = None) -> None:
        self.folder.mkdir(mode=0o755)
        self.process = Process(self.name, command, self.folder / "log", environment, folder)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def part_of(self, pid: int) -> str:
        return "service"

    def parts(self) -> dict:
        found = {}
        for pid in tree(self.process.popen.pid):
            found.setdefault(self.part_of(pid), []).append(pid)
        return found

    def heldout(self, model: str) -> dict:
        return heldout(model)


class Floor(Contender):
    """A bare FastCGI program that always gives the same answer: "threads" or "epoll"."""

    def __init__(self, kind: str, scratch: Path, web: str):
        super().__init__(f"floor-{kind}.{web}", scratch)
        self.program = BUILD / "bench" / ("floor_" + kind)
        self.socket = self.folder / "socket"

    def start(self) -> None:
        self.launch([self.program, self.socket])
        wait_for(self.name, START_SECONDS, self.socket.exists, self.process)

    def part_of(self, pid: int) -> str:
        return "floor"


class Outrigger(Contender):
    """The whole of it, with the repository of the tests. `settings` are parameters beside the defaults."""

    def __init__(self, name: str, scratch: Path, settings: list = (), models: Path = MODELS / "repository"):
        super().__init__(name, scratch)
        # Apache's processes are somebody else than we are, and the runtime directory is closed to others.
        self.socket = self.folder / "socket"
        self.settings = [f"runtime_directory={self.folder}/run", f"state_directory={self.folder}/state",
                         f"models_directory={models}", "default_model=cancer-logistic", f"frontend.socket={self.socket}",
                         "frontend.socket_mode=0666", "collector.listen=", "log_level=warning",
                         "auth.required=false", *settings]
        self.seconds_to_ready = None

    def command(self, verb: str, *more) -> list:
        line = [BUILD / "bin/outrigger", verb, "-c", ROOT / "conf/outrigger.conf"]
        for setting in self.settings:
            line += ["-s", setting]
        return [str(part) for part in [*line, *more]]

    def start(self) -> None:
        begin = time.monotonic()
        self.launch(self.command("run"))
        wait_for(self.name, START_SECONDS, self.socket.exists, self.process)
        status = subprocess.run(self.command("status", "--wait", str(START_SECONDS)), capture_output=True, text=True)
        self.process.require_alive()
        if status.returncode != 0:
            raise Failed(f"{self.name} is not ready: {status.stdout[-300:]} {status.stderr[-300:]} "
                         f"{self.process.last_words()}")
        self.seconds_to_ready = time.monotonic() - begin

    def part_of(self, pid: int) -> str:
        return program_of(pid).replace("outrigger-", "") or "gone"

    def workers_of(self, model: str) -> list:
        """The pids of the workers that serve a model."""
        found = []
        for pid in self.parts().get("worker", []):
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if model in words:
                found.append(pid)
        return found


class WebServer(Contender):
    """caddy, apache or nginx in front of a FastCGI socket, with the configuration that we ship."""

    def __init__(self, web: str, behind: Contender, scratch: Path):
        super().__init__(f"{web}/{behind.name}", scratch)
        self.web = web
        self.behind = behind

    def start(self) -> None:
        self.port = free_port()
        self.launch([RUN_WEB_SERVER, self.web, self.port, self.behind.socket, self.folder])
        wait_for(self.name, START_SECONDS, lambda: answers(self.port), self.process)

    def part_of(self, pid: int) -> str:
        return "web"

    def parts(self) -> dict:
        return {**super().parts(), **self.behind.parts()}


class FastApi(Contender):
    """The service that would otherwise be written, with the same model as scikit-learn's own pickle."""

    def __init__(self, scratch: Path, processes: int = FASTAPI_PROCESSES, pickle: Path = None, name: str = "fastapi"):
        super().__init__(name, scratch)
        self.processes = processes
        self.pickle = pickle
        self.pickle_folder = scratch / "pickle"

    def make_pickle(self) -> str:
        if self.pickle is not None:
            return str(self.pickle)
        made = subprocess.run([PYTHON, MODELS / "make_pickle.py", self.pickle_folder], capture_output=True, text=True)
        if made.returncode != 0:
            raise Failed("make_pickle.py: " + made.stderr.strip().split("\n")[-1])
        return made.stdout.strip()

    def start(self) -> None:
        modules = subprocess.run([PYTHON, "-c", "import fastapi, uvicorn, sklearn"], capture_output=True, text=True)
        if modules.returncode != 0:
            raise Failed(modules.stderr.strip().split("\n")[-1])
        pickle = self.make_pickle()
        self.port = free_port()
        # Without a log line a request, in its favour.
        self.launch([PYTHON, "-m", "uvicorn", "fastapi_service:app", "--port", self.port,
                     "--workers", self.processes, "--no-access-log", "--log-level", "warning"],
                    {"MODEL_PICKLE": pickle, "PYTHONDONTWRITEBYTECODE": "1"}, PEERS)
        wait_for(self.name, START_SECONDS, lambda: answers(self.port), self.process)

    def heldout(self, model: str) -> dict:
        return heldout(model, self.pickle_folder / "cancer-pickle/heldout.json")


class Fastify(Contender):
    """Node.js, fastify and onnxruntime-node, from a copy in the build folder where npm installs them."""

    def __init__(self, scratch: Path):
        super().__init__("fastify", scratch)
        self.copy = BUILD / "bench/fastify"

    def install(self) -> None:
        self.copy.mkdir(parents=True, exist_ok=True)
        for name in ("server.js", "package.json"):
            shutil.copy2(PEERS / "fastify" / name, self.copy / name)
        done = self.copy / "node_modules/.package-lock.json"
        if done.exists() and done.stat().st_mtime > (self.copy / "package.json").stat().st_mtime:
            return
        print("  fastify: npm install", file=sys.stderr)
        try:
            installed = subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"],
                                       cwd=self.copy, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise Failed(f"npm install: {fault}") from fault
        if installed.returncode != 0:
            raise Failed("npm install: " + " | ".join(installed.stderr.strip().split("\n")[-5:]))

    def start(self) -> None:
        self.install()
        self.port = free_port()
        self.launch(["node", "server.js"],
                    {"MODEL_ONNX": str(MODELS / "repository/cancer-logistic/1/model.onnx"),
                     "PORT": str(self.port), "PROCESSES": str(FASTIFY_PROCESSES)}, self.copy)
        wait_for(self.name, START_SECONDS, lambda: answers(self.port), self.process)
