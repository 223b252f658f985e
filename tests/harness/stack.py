"""The whole of Outrigger for one test: its own directory, its own ports, the real programs, a real web server.

    with Stack(web="nginx", settings={"frontend.processes": "3"}) as stack:
        status, headers, body = stack.request("GET", "/health")

The programs are those of the build that OUTRIGGER_BUILD names (default: build), so that the same tests run on a
sanitizer's build. Everything listens on the loopback or below a directory in /tmp. stop() looks at what is left: the
exit status, processes, files, and what stderr said.
"""
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = os.environ.get("OUTRIGGER_BUILD", "build")
BIN = ROOT / BUILD / "bin"
SANITIZED = BUILD.startswith("build/")  # a sanitizer's build is several times slower
REPOSITORY = ROOT / "tests/models/repository"
RUN_WEB_SERVER = ROOT / "deploy/run-web-server"
COMMANDS = {"caddy": "caddy", "apache": "apache2", "nginx": "nginx"}
PATIENCE = 120  # seconds; only ever used up when something is broken, also under a sanitizer on a busy machine
BAD_WORDS = re.compile(r"Sanitizer|assertion failed|Assertion|runtime error")
REFUSED = "sandbox: the "  # so a line begins that names what the sandbox refused


def web_servers():
    """Those to test behind: all that are installed; nginx alone with sanitizers, since what they see, which is our side,
    is the same behind all three. What is left out is named on stderr: a test that runs less must not be silent."""
    path = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin"
    missing = [web for web, command in COMMANDS.items() if not shutil.which(command, path=path)]
    if missing:
        print(f"NOT TESTED, since not installed: {', '.join(missing)}", file=sys.stderr, flush=True)
    found = [web for web in COMMANDS if web not in missing]
    if not SANITIZED:
        return found
    print("NOT RUN in a sanitizer's build: behind", ", ".join(web for web in found if web != "nginx"), file=sys.stderr)
    return [web for web in found if web == "nginx"]


claimed = []    # what keeps the ports that this process was given


def free_port():
    """A port that stays ours as long as this process lives: not one of those that connections get by themselves, nor
    one that tests in another process were given; what tells them is the name of a socket that is kept."""
    while True:
        port = random.randrange(20000, 32000)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0outrigger-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        claimed.append(claim)
        return port


def alive(pid):
    """False for a process that is gone, or is a zombie that waits for its parent."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes_of(directory):
    """Processes that have the directory, or a path below it, among their arguments, as all of ours have."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.fsencode(directory) in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:  # gone since
            pass
    return found


def kill_processes_of(directory):
    """And the groups that they lead: a web server's own processes do not name the directory."""
    for pid in processes_of(directory):
        try:
            os.kill(-pid if os.getpgid(pid) == pid else pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Client:
    """One connection that is kept; not for several threads at a time. A request that fails is an OSError."""

    def __init__(self, port, timeout=60):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self.used = 0.0

    def request(self, method, path, body=None, headers=None):
        """Returns status, headers (a mapping that does not mind the case), body (bytes)."""
        # Web servers close idle connections (Apache after 5 s); a request must not race with that.
        if time.monotonic() - self.used > 2:
            self.connection.close()
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        self.used = time.monotonic()
        return answer.status, answer.headers, content

    def close(self):
        self.connection.close()


class Stack:
    """web: None (FastCGI alone), "caddy", "apache" or "nginx". models: None (the whole test repository), names of its
    models, or the path of another repository. settings: parameters of outrigger.conf, "section.name": "value". site: a
    folder of files that the web server serves beside /api/. tls: a folder with certificate.pem and key.pem: then it
    speaks HTTPS, which `request` does not. strays: the test's models try what the sandbox refuses; of our programs none
    does. programs: the folder of our programs, instead of the build's."""

    def __init__(self, web=None, models=None, settings=None, site=None, tls=None, strays=False, programs=BIN):
        self.tls, self.strays, self.programs = tls, strays, programs
        self.web, self.models, self.settings, self.site = web, models, dict(settings or {}), site
        self.port = self.directory = self.supervisor = self.web_server = self.shared = None

    # ---- start ----

    def start(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-test."))
        self.directory.chmod(0o755)  # the web server may be another user; what matters lies deeper
        self.runtime = self.directory / "run"
        self.socket = str(self.runtime / "frontend.sock")
        self.log = self.directory / "supervisor.log"
        self.web_log = self.directory / "web.log"
        self.metrics_port = free_port()
        try:
            self._start_supervisor()
            if self.web:
                self._start_web_server()
            self._wait_until_it_serves()
        except BaseException:
            self._show_logs()
            self._kill_all()
            raise
        return self

    def _models_directory(self):
        if self.models is None or isinstance(self.models, (str, pathlib.Path)):
            return pathlib.Path(self.models or REPOSITORY)
        directory = self.directory / "models"
        directory.mkdir()
        for name in self.models:
            (directory / name).symlink_to(REPOSITORY / name)
        return directory

    def arguments(self):
        """The options that any of our programs needs to belong to this stack."""
        return [part for name, value in self.parameters.items() for part in ("-s", f"{name}={value}")]

    def _parameters(self):
        models = self._models_directory()
        group = subprocess.run([RUN_WEB_SERVER, "--group", self.web or "nginx"], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.strip()
        parameters = {
            "runtime_directory": self.runtime,
            "state_directory": self.directory / "state",
            "models_directory": models,
            "default_model": "cancer-logistic" if (models / "cancer-logistic").is_dir() else "",
            "collector.listen": f"127.0.0.1:{self.metrics_port}",
            "auth.required": "false",  # on purpose: what needs no key is tested without
            "frontend.socket_group": group,
            "supervisor.settle_ms": "200",
        }
        return parameters | self.settings

    def _start_supervisor(self):
        self.parameters = self._parameters()
        read_end = self._launch_supervisor()
        try:
            self.wait(lambda: self._read_ready(read_end), "the supervisor did not say ready")
        finally:
            os.close(read_end)

    def _launch_supervisor(self):
        """Starts the process; returns the descriptor on which it will say ready."""
        read_end, write_end = os.pipe()
        with open(self.log, "ab") as log:
            self.supervisor = subprocess.Popen(
                [self.programs / "outrigger-supervisor", *self.arguments(), "-r", str(write_end)], cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[write_end], start_new_session=True)
        os.close(write_end)
        os.set_blocking(read_end, False)
        return read_end

    def _read_ready(self, descriptor):
        self._supervisor_must_live()
        try:
            return os.read(descriptor, 64).startswith(b"ready\n")
        except BlockingIOError:
            return False

    def _supervisor_must_live(self):
        if self.supervisor.poll() is not None:
            raise AssertionError(f"the supervisor ended with status {self.supervisor.returncode}")

    def _start_web_server(self):
        for _ in range(3):  # somebody else may take the port between our look and the server's bind
            self.port = free_port()
            directory = self.directory / "web"
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(0o755)
            with open(self.web_log, "ab") as log:
                self.web_server = subprocess.Popen(
                    [RUN_WEB_SERVER, *(["--tls", self.tls] if self.tls else []), self.web, str(self.port), self.socket, directory,
                     *([self.site] if self.site else [])], cwd=ROOT,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            self.wait(lambda: self.web_server.poll() is not None or self._listens(), f"{self.web} does not listen")
            if self.web_server.poll() is None:
                return
        raise AssertionError(f"{self.web} ended with status {self.web_server.returncode}")

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _wait_until_it_serves(self):
        """Workers say ready to the supervisor a moment before the frontends hear of them."""
        def serves():
            self._supervisor_must_live()
            if self.web and not self.site and not self.tls:
                return self.request("GET", "/ready")[0] == 200
            return self._workers_known()
        self.wait(serves, "not ready")

    def _workers_known(self):
        wanted = {model["model"]: model["wanted"] for model in self.status()["models"] if model["required"]}
        known = self.control("broker.sock", {"command": "status"})["models"]
        return all(any(entry["model"] == name and entry["workers"] >= count for entry in known)
                   for name, count in wanted.items())

    # ---- use ----

    def client(self):
        """A connection of its own, for a thread of its own."""
        return Client(self.port)

    def request(self, method, path, body=None, headers=None):
        """Over one kept connection. Returns status, headers, body."""
        if self.shared is None:
            self.shared = self.client()
        return self.shared.request(method, path, body, headers)

    def control(self, name, command):
        """One command to a control socket in the runtime directory; returns the answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self.runtime / name))
            connection.sendall(json.dumps(command).encode() + b"\n")
            return json.loads(connection.makefile("rb").readline())

    def status(self):
        """What the supervisor tells: {"processes": [...], "models": [...]}."""
        return self.control("supervisor.sock", {"command": "status"})

    def process(self, name):
        """The supervisor's entry of that name; None when there is none."""
        return next((process for process in self.status()["processes"] if process["name"] == name), None)

    def pids(self, prefix=""):
        """Of running processes called `prefix`, or `prefix.` and more: "frontend", "worker.heavy", "broker"."""
        return [process["pid"] for process in self.status()["processes"]
                if process["state"] == "running" and
                (process["name"] + ".").startswith(prefix + "." if prefix else "")]

    def kill(self, name, number=signal.SIGKILL):
        """Sends the signal to the one process of that name; returns its pid."""
        pid, = self.pids(name)
        os.kill(pid, number)
        return pid

    def recorded(self):
        """{name: pid} of the processes that the supervisor wrote down and that live; also while it is dead itself."""
        try:
            entries = json.loads((self.runtime / "processes.json").read_text())["processes"]
        except (OSError, ValueError):
            return {}
        ours = set(processes_of(self.runtime))
        return {entry["name"]: entry["pid"] for entry in sorted(entries, key=lambda entry: entry["name"])
                if entry["pid"] in ours and alive(entry["pid"])}

    def kill_supervisor(self):
        """kill -9 of the supervisor, and a new one at once, as a service manager does it. Does not wait for it."""
        self.supervisor.kill()
        self.supervisor.wait()
        os.close(self._launch_supervisor())

    def resident(self):
        """{name: bytes} of resident memory of each process, the supervisor's too."""
        page = os.sysconf("SC_PAGE_SIZE")
        found = {}
        for name, pid in {"supervisor": self.supervisor.pid, **self.recorded()}.items():
            try:
                found[name] = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
            except OSError:
                pass
        return found

    def serves(self):
        """True when everything that the status calls wanted is running and known to the broker."""
        try:
            return all(process["state"] == "running" for process in self.status()["processes"]) and \
                self._workers_known()
        except OSError:
            return False

    def keep_logs(self, directory):
        """Copies what the processes and the web server have said so far; returns the paths."""
        directory.mkdir(parents=True, exist_ok=True)
        return [shutil.copy(path, directory) for path in (self.log, self.web_log) if path.exists()]

    def outrigger(self, *arguments):
        """Runs the operator's command on this stack; returns the completed process, with its text."""
        return subprocess.run([self.programs / "outrigger", *arguments, *self.arguments()], cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)

    def wait(self, condition, complaint, limit=PATIENCE):
        """Until the condition is true; an OSError of it counts as not yet."""
        deadline = time.monotonic() + limit
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise AssertionError(complaint)
            time.sleep(0.01)

    # ---- end ----

    def stop(self):
        """Stops all, in order, and fails when anything went wrong or is left."""
        if self.directory is None:
            return
        try:
            self._supervisor_must_live()
            if self.shared:
                self.shared.close()
            if self.web_server:
                self._end(self.web_server, self.web)
            self._end(self.supervisor, "the supervisor")
            self._nothing_is_left()
        except BaseException:
            self._show_logs()
            raise
        finally:
            self._kill_all()

    def _end(self, process, name):
        process.terminate()
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{name} does not stop") from None
        if status != 0:
            raise AssertionError(f"{name} ended with status {status}")

    def _nothing_is_left(self):
        left = [pid for pid in processes_of(self.runtime) if alive(pid)]
        if left:
            raise AssertionError(f"processes are left: {left}")
        files = sorted(map(str, self.runtime.rglob("*")))
        if files:
            raise AssertionError(f"left in the runtime directory: {files}")
        bad = [line for line in self.log.read_text(errors="replace").splitlines()
               if BAD_WORDS.search(line) or (REFUSED in line and not self.strays)]
        if bad:
            raise AssertionError("on stderr: " + "\n".join(bad[:20]))

    def _kill_all(self):
        if self.directory is None:
            return
        for process in (self.web_server, self.supervisor):
            if process and process.poll() is None:
                process.kill()
                process.wait()
            if process:
                try:
                    os.killpg(process.pid, signal.SIGKILL)  # a web server's workers
                except ProcessLookupError:
                    pass
        kill_processes_of(self.directory)  # what the supervisor had started
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory = None

    def _show_logs(self):
        for path in (self.log, self.web_log):
            if path.exists():
                lines = path.read_text(errors="replace").splitlines()[-80:]
                print(f"---- {path.name}", *lines, sep="\n", file=sys.stderr, flush=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        elif self.directory is not None:
            if not issubclass(kind, (KeyboardInterrupt, SystemExit)):  # somebody's wish explains itself
                self._show_logs()
            self._kill_all()
