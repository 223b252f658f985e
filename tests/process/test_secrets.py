"""Secrets from where they may come, and nowhere else to be seen; what the supervisor does not start with."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from stack import BIN, PATIENCE, Stack, alive, free_port

JSON = {"Content-Type": "application/json"}


class Secrets(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-secrets."))
        self.addCleanup(shutil.rmtree, self.directory)
        (self.directory / "models/sum/1").mkdir(parents=True)
        (self.directory / "models/sum/1/model.echo").write_text("features = 2;\n")
        self.allowed = self.directory / "allowed"
        self.allowed.mkdir()
        subprocess.run([BIN / "outrigger", "keygen", "--name", "broker", "--directory", self.directory], check=True,
                       stdout=subprocess.DEVNULL)
        self.file = self.directory / "broker.key_secret"
        self.secret = re.search(r'secret-key = "(.*)"', self.file.read_text()).group(1)

    def stack(self, reference, **settings):
        return Stack(models=self.directory / "models", settings={
            "broker.workers_tcp": f"tcp://127.0.0.1:{free_port()}", "broker.curve_secret_file": reference,
            "broker.curve_allow": self.allowed, **settings})

    def environment(self, name, value):
        os.environ[name] = str(value)
        self.addCleanup(os.environ.pop, name, None)

    def look(self, stack):
        """Nothing that can be seen from outside holds the secret."""
        check = subprocess.run([BIN / "outrigger", "check", "--json", *stack.arguments()], text=True, check=False,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
        self.assertIn('"ok":true', check.stdout)
        seen = {"outrigger check": check.stdout.encode(), "the log": stack.log.read_bytes(),
                "status": json.dumps(stack.status()).encode()}
        for pid in (stack.supervisor.pid, *stack.recorded().values()):
            seen[f"cmdline of {pid}"] = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        for path in (stack.directory / "state").rglob("*"):
            seen[str(path)] = path.read_bytes() if path.is_file() else b""
        for name, text in seen.items():
            self.assertNotIn(self.secret.encode(), text, name)

    def test_a_file(self):
        for reference in (self.file, f"file:{self.file}"):
            with self.subTest(reference=reference), self.stack(reference) as stack:
                self.look(stack)

    def test_a_credential_of_systemd(self):
        self.environment("CREDENTIALS_DIRECTORY", self.directory)
        with self.stack("credential:broker.key_secret") as stack:
            self.look(stack)

    def test_a_variable_that_nobody_sees_who_does_not_need_it(self):
        self.environment("BROKER_KEY", self.file.read_text())
        with self.stack("env:BROKER_KEY") as stack:
            self.look(stack)
            for name, pid in stack.recorded().items():
                text = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
                self.assertNotIn(self.secret.encode(), text, name)  # the broker has wiped it
                self.assertIn(b"OUTRIGGER_CORES_ALL=", text, name)
                if name != "broker":
                    self.assertNotIn(b"BROKER_KEY=", text, name)
            stack.kill("broker")
            stack.wait(stack.serves, "a second broker does not find it")

    def test_what_is_no_secret_is_refused(self):
        open_file = self.directory / "open"
        open_file.write_text(self.file.read_text())
        open_file.chmod(0o644)
        self.environment("CREDENTIALS_DIRECTORY", self.directory)
        for reference, words in ((open_file, "chmod 600"), ("env:NO_SUCH_KEY", "not in the environment"),
                                 ("credential:../x", "no name of a credential"), (self.directory / "no", "No such")):
            with self.subTest(reference=reference):
                done = self.supervisor(**{"broker.workers_tcp": "tcp://127.0.0.1:1",
                                          "broker.curve_allow": self.allowed, "broker.curve_secret_file": reference})
                self.assertEqual((done.returncode, words in done.stderr), (1, True), done)
                self.assertNotIn(self.secret, done.stderr)

    # ---- what the supervisor does not start with ----

    def supervisor(self, *options, **settings):
        settings = {"runtime_directory": self.directory / "run", "state_directory": self.directory / "state",
                    "models_directory": self.directory / "models", "collector.listen": "", **settings}
        return subprocess.run([BIN / "outrigger-supervisor", *options,
                               *(part for name, value in settings.items() for part in ("-s", f"{name}={value}"))],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              timeout=PATIENCE, check=False)

    def test_what_everybody_can_change_is_refused(self):
        configuration = self.directory / "outrigger.conf"
        configuration.write_text("")
        (self.directory / "state").mkdir()
        for path in (configuration, self.directory / "models", self.directory / "state"):
            with self.subTest(path=path):
                mode = path.stat().st_mode
                path.chmod(0o777)
                done = self.supervisor("-c", configuration)
                path.chmod(mode)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, f"{path}: .*can be changed by everybody.*chmod o-w")
                self.assertFalse((self.directory / "run").exists())

    def test_no_process_leaves_a_core_file_unless_it_is_told(self):
        for told, limits in (("false", {b"0"}), ("true", None)):
            with self.subTest(core_dumps=told), \
                 Stack(models=self.directory / "models", settings={"core_dumps": told}) as stack:
                soft = {re.search(rb"Max core file size +(\S+)", pathlib.Path(f"/proc/{pid}/limits").read_bytes())[1]
                        for pid in (stack.supervisor.pid, *stack.recorded().values()) if alive(pid)}
                ours = re.search(rb"Max core file size +(\S+)", pathlib.Path("/proc/self/limits").read_bytes())[1]
                self.assertEqual(soft, limits or {ours})

    def test_root_is_warned(self):
        for told, warned in (("false", os.geteuid() == 0), ("true", False)):
            with Stack(models=self.directory / "models", settings={"run_as_root": told}) as stack:
                self.assertEqual("this runs as root" in stack.log.read_text(), warned)


if __name__ == "__main__":
    unittest.main()
