"""Programs are replaced by those of another release under load, and by those of before again: no request fails."""
import json
import os
import pathlib
import shutil
import tempfile
import unittest

from load import Sums
from stack import BIN, BUILD, ROOT, Stack, alive
from test_restart import write_model

RELEASE = b"0.1.0"
NEXT = b"0.1.1"  # as long: the programs of the build are made to say it


def install(folder, release):
    """Puts the programs there as an installation does it, each in the place of the one before by a rename."""
    for program in BIN.iterdir():
        fresh = folder / (program.name + ".new")
        fresh.write_bytes(program.read_bytes().replace(RELEASE + b"\0", release + b"\0")
                          .replace(RELEASE + b"\n\0", release + b"\n\0"))
        fresh.chmod(0o755)
        os.replace(fresh, folder / program.name)


class Upgrade(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-upgrade."))
        self.directory.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.directory)
        self.programs = self.directory / "bin"
        self.programs.mkdir()
        (self.directory / "deps").symlink_to(ROOT / "build/deps")
        write_model(self.directory / "models", "sum", configuration="instances = 2;")
        install(self.programs, RELEASE)

    def stack(self, **settings):
        return Stack(web="nginx", models=self.directory / "models", programs=self.programs,
                     settings={name.replace("__", "."): value for name, value in settings.items()})

    def test_there_and_back_under_load(self):
        with self.stack(frontend__processes="2") as stack, Sums(stack) as load:
            supervisor = stack.supervisor.pid
            for before, release in ((RELEASE, NEXT), (NEXT, RELEASE)):
                old = stack.pids()
                self.assertIn(f"\nrelease {before.decode()}\n", stack.outrigger("status").stdout)
                install(self.programs, release)
                load.wait_for(100)
                done = stack.outrigger("upgrade", "--wait", "100s")
                self.assertEqual(done.returncode, 0, done)
                self.assertEqual(done.stdout.splitlines()[-1], f"upgraded: {before.decode()} -> {release.decode()}")
                self.assertEqual([pid for pid in old if alive(pid)], [])
                status = stack.status()
                self.assertEqual({process["release"] for process in status["processes"]}, {release.decode()})
                self.assertEqual((status["release"], status["replacing"]), (release.decode(), 0))
                self.assertEqual(status["successions"], {"collector": {"outdated": 1}, "broker": {"outdated": 1},
                                                         "worker": {"outdated": 2}, "frontend": {"outdated": 2}})
                self.assertIn(f"\nrelease {release.decode()}\n", stack.outrigger("status").stdout)
                self.assertEqual(os.readlink(f"/proc/{supervisor}/exe"), str(self.programs / "outrigger-supervisor"))
            load.wait_for(100)
            # Whatever ends now is ours to wait for: nothing of it stays.
            load.end()
            print(f"{load.answered} requests, {len(load.failures)} failed", flush=True)
            self.assertEqual(load.failures, [])
            zombies = [line for line in pathlib.Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
                       if not alive(int(line))]
            self.assertEqual(zombies, [])

    def test_what_is_refused_changes_nothing(self):
        """A program that does not take the configuration, or does not run at all; and a worker that does not start."""
        with self.stack() as stack, Sums(stack, connections=2) as load:
            old, began = stack.pids(), stack.status()["began_ms"]
            supervisor = self.programs / "outrigger-supervisor"
            for text, reason in (("#!/bin/sh\necho 'frontend.max_rows: is no more' >&2\nexit 1\n",
                                  "--dry-run refuses: frontend.max_rows: is no more"),
                                 ("no program", "Exec format error")):
                supervisor.unlink()
                supervisor.write_text(text)
                supervisor.chmod(0o755)
                done = stack.outrigger("upgrade")
                self.assertEqual(done.returncode, 1, done)
                self.assertIn("not upgraded: ", done.stderr)
                self.assertIn(reason, done.stderr)
            self.assertEqual((stack.pids(), stack.status()["began_ms"]), (old, began))
            install(self.programs, NEXT)
            worker = self.programs / "outrigger-worker"
            worker.unlink()
            worker.write_text("#!/bin/sh\necho 'no library' >&2\nexit 1\n")
            worker.chmod(0o755)
            done = stack.outrigger("upgrade", "--json")
            self.assertEqual(done.returncode, 1, done)
            self.assertRegex(json.loads(done.stdout)["error"], r"worker\.sum\.1\.\d \(\d+\) stays what it was, 0\.1\.0")
            self.assertRegex(stack.outrigger("status").stdout,
                             r"\nrelease 0\.1\.1; not: worker\.sum\.1\.1 \(0\.1\.0\), worker\.sum\.1\.2 \(0\.1\.0\)\n")
            install(self.programs, NEXT)
            done = stack.outrigger("upgrade")
            self.assertEqual(done.returncode, 0, done)
            load.end()
            self.assertEqual(load.failures, [])


if __name__ == "__main__":
    unittest.main()
