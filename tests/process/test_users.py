"""Root starts the service, and two users run it: daemon all but the workers, nobody those. What each process is, and
that all goes on as ever: predictions, deaths, roll-overs of a supervisor, reload, scaling, the end.

Needs root, the users that every Debian has, and a build that those may read; elsewhere it is left out, and says so.
"""
import json
import os
import pathlib
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

from expectations import held_out
from stack import BIN, PATIENCE, REPOSITORY, ROOT, Stack, alive

ROW = held_out("cancer-logistic").features[0]
GOOD = json.dumps({"features": ROW}).encode()
PREDICT = "/api/v1/models/cancer-logistic/predict"
JSON = {"Content-Type": "application/json"}
USER, WORKERS = "daemon", "nobody"
USERS = {"user": USER, "worker.user": WORKERS, "frontend.processes": "1"}
KILL, SETGID, SETUID = 5, 6, 7  # of capabilities(7)


def obstacle():
    """Why nothing of this can be tested here; None: all can."""
    if os.getuid() != 0:
        return "this is not root"
    entry = pwd.getpwnam(WORKERS)
    for path in (BIN / "outrigger-worker", REPOSITORY, ROOT / "worker/python/outrigger_worker.py"):
        seen = subprocess.run(["test", "-r", path], user=entry.pw_uid, group=entry.pw_gid, extra_groups=[], cwd="/")
        if seen.returncode != 0:
            return f"{path} lies where other users cannot go"
    return None


OBSTACLE = obstacle()
if OBSTACLE:
    print(f"NOT TESTED, since {OBSTACLE}: the change of users", file=sys.stderr, flush=True)


def rights(pid):
    """What /proc tells of it: {"Uid": [four numbers], "Gid": ..., "Groups": ..., "CapPrm": number, ...}."""
    fields = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    found = {name: [int(number) for number in fields[name].split()] for name in ("Uid", "Gid", "Groups")}
    return found | {name: int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd", "NoNewPrivs")}


def of_user(name, capabilities=()):
    """What it must tell of a process of that user."""
    entry = pwd.getpwnam(name)
    others = [group for group in os.getgrouplist(name, entry.pw_gid) if group != entry.pw_gid]
    kept = sum(1 << number for number in capabilities)
    return {"Uid": [entry.pw_uid] * 4, "Gid": [entry.pw_gid] * 4, "Groups": others, "CapPrm": kept, "CapEff": kept, "CapInh": 0,
            "CapAmb": 0, "CapBnd": 0, "NoNewPrivs": 1}


def descriptors(pid):
    """What the process has open, as /proc names it: "pipe:[123]"."""
    found = []
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(entry))
        except FileNotFoundError:  # closed since
            pass
    return found


def as_user(name, code):
    """Runs Python code as that user, by nothing but what its user may; returns what it prints."""
    entry = pwd.getpwnam(name)
    return subprocess.run(["/usr/bin/python3", "-c", code], user=name, group=entry.pw_gid, extra_groups=[], cwd="/", text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE).stdout.strip()


def opened(name, path):
    """"opened", or the error of that user who tries to read the file."""
    return as_user(name, f"try: open({str(path)!r}, 'rb'); print('opened')\nexcept OSError as error: print(type(error).__name__)")


def connected(name, path):
    return as_user(name, f"import socket\ntry: socket.socket(socket.AF_UNIX).connect({str(path)!r}); print('connected')\n"
                         "except OSError as error: print(type(error).__name__)")


def attempted(name, call):
    """"done", or the error of that user who makes the call."""
    return as_user(name, f"import os\ntry: {call}; print('done')\nexcept OSError as error: print(type(error).__name__)")


@unittest.skipIf(OBSTACLE, OBSTACLE)
class Users(unittest.TestCase):
    def expect_users(self, stack):
        processes = stack.status()["processes"]
        self.assertEqual({process["kind"] for process in processes}, {"collector", "broker", "worker", "frontend"})
        for process in processes:
            user = WORKERS if process["kind"] == "worker" else USER
            self.assertEqual(rights(process["pid"]), of_user(user), process)
            self.assertEqual(process["uid"], pwd.getpwnam(user).pw_uid, process)
        self.assertEqual(rights(stack.supervisor.pid), of_user(USER, (KILL, SETGID, SETUID)))

    def predicts(self, stack):
        status, _, body = stack.request("POST", PREDICT, GOOD, JSON)
        self.assertEqual(status, 200, body)

    def repository(self):
        """Two models of ours, and one in Python that tells who it is, and does not load before a pipe is closed, if there
        is one."""
        repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.addCleanup(shutil.rmtree, repository)
        repository.chmod(0o755)
        for name in ("cancer-logistic", "digits-mlp"):
            (repository / name).symlink_to(REPOSITORY / name)
        self.gate = repository / "gate"
        model = repository / "who" / "1"
        model.mkdir(parents=True)
        (model / "model.py").write_text(
            f"import os\nclass Model:\n    features = 1\n    def load(self, directory):\n"
            f"        if os.path.exists({str(self.gate)!r}): open({str(self.gate)!r}).read()\n"
            "    def predict(self, rows):\n        return {'prediction': 0 * rows[:, 0] + os.getuid()}\n")
        (model.parent / "model.conf").write_text("required = false;")
        return repository

    def test_the_life_of_a_service(self):
        repository = self.repository()
        with Stack(web="nginx", settings=USERS | {"sandbox.worker_read": str(self.gate)}, models=repository) as stack:
            self.predicts(stack)
            ask = ("POST", "/api/v1/models/who/predict", '{"features": [1]}', JSON)
            stack.wait(lambda: stack.request(*ask)[0] == 200, "no worker in Python")
            self.assertEqual(json.loads(stack.request(*ask)[2])["prediction"], pwd.getpwnam(WORKERS).pw_uid)
            self.expect_users(stack)
            for name in ("worker.cancer-logistic", "broker", "collector", "frontend"):
                pid = stack.kill(name)
                stack.wait(lambda: stack.serves() and pid not in stack.pids(), f"{name} does not come back")
                stack.wait(lambda: stack.request("POST", PREDICT, GOOD, JSON)[0] == 200, "no prediction")
            self.adopted(stack)
            for command in (["scale", "digits-mlp", "2"], ["reload"], ["restart", "all"], ["scale", "digits-mlp", "1"]):
                done = stack.outrigger(*command)
                self.assertEqual(done.returncode, 0, (command, done.stderr))
                self.predicts(stack)
            stack.wait(lambda: stack.serves() and len(stack.pids("worker")) == 4, "not four workers")
            self.expect_users(stack)
            self.hung(stack)
            for command in (["add", "one"], ["add", "two"], ["list"]):  # root's, of a file that is the user's
                self.assertEqual(stack.outrigger("key", *command).returncode, 0, command)
            self.assertEqual(stack.outrigger("check").returncode, 0)
            written = (stack.directory / "state/keys.json").stat()
            self.assertEqual((written.st_uid, stat.S_IMODE(written.st_mode)), (pwd.getpwnam(USER).pw_uid, 0o600))
            log = stack.log.read_text()
            self.assertNotRegex(log, "Permission denied|Operation not permitted")
            self.assertNotIn("runs as root", log)

    def adopted(self, stack):
        """A supervisor that is killed: the next one takes over the same processes, hears them, and ends them."""
        os.mkfifo(self.gate)
        self.assertTrue(stack.control("supervisor.sock", {"command": "scale", "model": "who", "instances": 2})["ok"])
        stack.wait(lambda: (stack.process("worker.who.1.2") or {}).get("state") == "starting", "no second worker")
        before = stack.recorded()
        stack.kill_supervisor()
        stack.wait(lambda: (stack.process("worker.who.1.2") or {}).get("state") == "starting", "it is not adopted as what it is")
        self.gate.write_text("")
        stack.wait(stack.serves, "the next supervisor does not serve")
        self.assertEqual(stack.recorded(), before)
        self.gate.unlink()
        self.predicts(stack)
        self.expect_users(stack)
        for name, pid in before.items():
            self.assertEqual(descriptors(stack.supervisor.pid).count(os.readlink(f"/proc/{pid}/fd/2")), 1, name)
        self.assertNotIn("its listening socket cannot be had", stack.log.read_text())

    def hung(self, stack):
        """One that the supervisor has to kill, which is another user's."""
        pid, = stack.pids("worker.cancer-logistic")
        os.kill(pid, 19)
        stack.wait(lambda: not alive(pid), "the worker that is stopped is not killed")
        stack.wait(lambda: stack.request("POST", PREDICT, GOOD, JSON)[0] == 200, "no prediction")

    def test_one_user_keeps_no_right_of_root(self):
        with Stack(web=None, models=["cancer-logistic"], settings={"user": USER, "frontend.socket_group": "www-data"}) as stack:
            for pid in (stack.supervisor.pid, *stack.pids()):
                self.assertEqual(rights(pid), of_user(USER))
            socket = (stack.runtime / "frontend.sock").stat()
            self.assertEqual((socket.st_uid, socket.st_gid), (pwd.getpwnam(USER).pw_uid, pwd.getpwnam("www-data").pw_gid))
            self.assertEqual(connected("www-data", stack.runtime / "frontend.sock"), "connected")
            before = stack.recorded()
            stack.kill_supervisor()
            stack.wait(stack.serves, "the next supervisor does not serve")
            self.assertEqual(stack.recorded(), before)


@unittest.skipIf(OBSTACLE, OBSTACLE)
class Refusals(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-test."))
        self.directory.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.directory)
        (self.directory / "models").mkdir()

    def refused(self, text, settings=USERS, **options):
        """Starts the supervisor, which must not start; returns what it says."""
        conf = self.directory / "outrigger.conf"
        conf.write_text(text)
        arguments = [part for name, value in ({"runtime_directory": self.directory / "run", "state_directory": self.directory / "state",
                                               "models_directory": self.directory / "models"} | settings).items()
                     for part in ("-s", f"{name}={value}")]
        done = subprocess.run([BIN / "outrigger-supervisor", "-c", conf, *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE, **options)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_a_user_that_is_none(self):
        self.assertIn(f'{self.directory}/outrigger.conf:2: worker.user: there is no user "nobdy" on this host',
                      self.refused('user = "daemon";\nworker = { user = "nobdy"; };', {}))

    def test_who_is_not_root_becomes_nobody_else(self):
        said = self.refused("", {"user": USER}, user="www-data", group="www-data", extra_groups=[])
        self.assertIn('user = \\"daemon\\": only root can become another user', said)
        said = self.refused("", {"worker.user": WORKERS}, user="www-data", group="www-data", extra_groups=[])
        self.assertIn('worker.user = \\"nobody\\": only root can become another user', said)

    def test_files_that_are_closed_to_the_user(self):
        state = self.directory / "state"
        state.mkdir(0o755)
        keys = state / "keys.json"
        keys.write_text('{"keys": []}')
        keys.chmod(0o600)
        self.assertIn(f"{state}: belongs to root, and all runs as the user daemon: chown -R daemon: {state}", self.refused(""))
        os.chown(state, pwd.getpwnam(USER).pw_uid, -1)
        self.assertIn(f"{keys}: the user daemon, as whom it is read, cannot read it (Permission denied)", self.refused(""))
        self.assertEqual((keys.stat().st_uid, list(state.iterdir())), (0, [keys]))
        os.chown(keys, pwd.getpwnam(USER).pw_uid, -1)
        (self.directory / "models").chmod(0o700)
        os.chown(self.directory / "models", pwd.getpwnam(USER).pw_uid, -1)
        self.assertIn(f"{self.directory}/models: the user nobody, as whom it is read, cannot read it", self.refused(""))


if __name__ == "__main__":
    unittest.main()
