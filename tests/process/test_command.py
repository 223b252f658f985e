"""The command `outrigger` as a shell and a script meet it: completion, --json, exit statuses, the manual page."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from stack import BIN, PATIENCE, REPOSITORY, ROOT, Stack

OUTRIGGER = BIN / "outrigger"
MODELS = sorted(path.name for path in REPOSITORY.iterdir())


def run(*words, **options):
    return subprocess.run([OUTRIGGER, *words], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=PATIENCE, **options)


def table():
    """The rows of the table of commands."""
    return json.loads(run("help", "--json").stdout)["commands"]


class Completion(unittest.TestCase):
    """The scripts, run by the shells that are installed; what they offer is tested in tests/unit/test_complete.c."""

    def shell(self, name, program):
        path = shutil.which(name)
        if path is None:
            self.skipTest(f"{name} is not installed")
        environment = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", HOME="/nonexistent")
        done = subprocess.run([path, *(["--no-config"] if name == "fish" else ["-f"] if name == "zsh" else ["--norc"]),
                               "-c", program], cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.stderr, "")
        return done.stdout.split("\n")[:-1]

    def bash(self, line, count=None):
        """What bash would offer at the end of the line, asked as bash asks: by the function that is registered."""
        return self.shell("bash", f"""
            source <(outrigger completion bash)
            [[ $(complete -p outrigger) == 'complete -F _outrigger outrigger' ]] || exit 1
            compopt() {{ echo "compopt $*"; }}      # outside of a completion it refuses
            COMP_LINE={line!r} COMP_POINT={len(line) if count is None else count}
            _outrigger outrigger
            for candidate in "${{COMPREPLY[@]}}"; do echo "$candidate"; done""")

    def zsh(self, *words):
        quoted = " ".join(repr(word) for word in words)
        return self.shell("zsh", f"""
            compdef() {{ :; }}
            source <(outrigger completion zsh)
            _describe() {{ local list=$4; [[ $1 == -t ]] && print -l -- ${{(P)list}} "$@[5,-1]"; }}
            _files() {{ print files; }}
            words=(outrigger {quoted}) CURRENT={len(words) + 1}
            _outrigger""")

    def fish(self, line):
        return self.shell("fish", f"outrigger completion fish | source; complete -C {line!r}")

    def test_bash(self):
        self.assertEqual(self.bash("outrigger stat"), ["status"])
        self.assertEqual(self.bash("outrigger stat xyz", 14), ["status"])
        self.assertIn("frontends", self.bash("outrigger restart "))
        self.assertEqual(self.bash("outrigger status --w"), ["--wait"])
        at = f"-s models_directory={REPOSITORY}"
        self.assertEqual(self.bash(f"outrigger restart workers {at} --model "), MODELS)
        self.assertEqual(self.bash(f"outrigger restart workers {at} --model=heav"), ["heavy"])
        self.assertEqual(self.bash("outrigger status -s models_d"), ["compopt -o nospace", "models_directory="])
        self.assertEqual(self.bash("outrigger check "), ["compopt -o default"])
        self.assertEqual(self.bash("outrigger nonsense "), [])

    def test_zsh(self):
        self.assertEqual(self.zsh("stat"), ["status:show the processes and the models that run"])
        self.assertIn("frontends", self.zsh("restart", ""))
        self.assertEqual(self.zsh("restart", "workers", "-s", f"models_directory={REPOSITORY}", "--model", ""), MODELS)
        self.assertEqual(self.zsh("status", "-s", "models_d")[1:], ["-S", ""])
        self.assertEqual(self.zsh("check", ""), ["files"])

    def test_fish(self):
        self.assertEqual(self.fish("outrigger stat"), ["status\tshow the processes and the models that run"])
        self.assertIn("frontends", self.fish("outrigger restart "))
        self.assertEqual(self.fish(f"outrigger restart workers -s models_directory={REPOSITORY} --model heav"), ["heavy"])
        self.assertEqual(self.fish("outrigger check --config=READ"), ["--config=README.md"])

    def test_every_script_is_printed(self):
        for shell in ("bash", "zsh", "fish"):
            done = run("completion", shell)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r'(\$1"|words\[1\]\}?"?) complete ')
        self.assertEqual(run("completion", "csh").returncode, 2)
