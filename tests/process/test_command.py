"""The command `outrigger` as a shell and a script meet it: completion, --json, exit statuses, the manual page."""
import json
import os
import re
import shutil
import subprocess
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
        self.assertEqual(self.bash("outrigger statu"), ["status"])
        self.assertEqual(self.bash("outrigger statu xyz", 15), ["status"])
        self.assertIn("frontends", self.bash("outrigger restart "))
        self.assertEqual(self.bash("outrigger status --w"), ["--wait"])
        at = f"-s models_directory={REPOSITORY}"
        self.assertEqual(self.bash(f"outrigger restart workers {at} --model "), MODELS)
        self.assertEqual(self.bash(f"outrigger restart workers {at} --model=heav"), ["heavy"])
        self.assertEqual(self.bash("outrigger status -s models_d"), ["compopt -o nospace", "models_directory="])
        self.assertEqual(self.bash("outrigger check "), ["compopt -o default"])
        self.assertEqual(self.bash("outrigger nonsense "), [])

    def test_zsh(self):
        self.assertEqual(self.zsh("statu"), ["status:show the processes and the models that run"])
        self.assertIn("frontends", self.zsh("restart", ""))
        self.assertEqual(self.zsh("restart", "workers", "-s", f"models_directory={REPOSITORY}", "--model", ""), MODELS)
        self.assertEqual(self.zsh("status", "-s", "models_d")[1:], ["-S", ""])
        self.assertEqual(self.zsh("check", ""), ["files"])

    def test_fish(self):
        self.assertEqual(self.fish("outrigger statu"), ["status\tshow the processes and the models that run"])
        self.assertIn("frontends", self.fish("outrigger restart "))
        self.assertEqual(self.fish(f"outrigger restart workers -s models_directory={REPOSITORY} --model heav"), ["heavy"])
        self.assertEqual(self.fish("outrigger check --config=READ"), ["--config=README.md"])

    def test_every_script_is_printed(self):
        for shell in ("bash", "zsh", "fish"):
            done = run("completion", shell)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r'(\$1"|words\[1\]\}?"?) complete ')
        self.assertEqual(run("completion", "csh").returncode, 2)


class Manual(unittest.TestCase):
    """deploy/man/outrigger.1 tells of every command and option that there is, and of no other."""

    ALTERNATING = {"BR", "RB", "BI", "IB", "RI", "IR"}

    def setUp(self):
        self.sections = {}
        section = []
        for line in (ROOT / "deploy/man/outrigger.1").read_text().replace("\\e\n", "").splitlines():
            name, _, rest = line[1:].partition(" ") if line.startswith(".") else ("", "", line)
            words = self.words(rest) if name else [self.plain(rest)]
            if name == "SH":
                section = self.sections.setdefault(" ".join(words), [])
            else:
                section.append((name, ("" if name in self.ALTERNATING else " ").join(words)))

    def plain(self, text):
        return re.sub(r"\\f[RBIP]", "", text).replace("\\(dq", '"').replace("\\-", "-").replace("\\e", "\\")

    def words(self, text):
        return [self.plain(quoted or bare) for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', text)]

    def text(self, lines):
        return " ".join(text for _, text in lines)

    def entries(self):
        """{command: the text that stands under its heading}"""
        entries, lines = {}, []
        commands = self.sections["COMMANDS"]
        for index, (name, text) in enumerate(commands):
            if name == "B" and commands[index - 1][0] == "TP":
                lines = []
                for command in text.split(", "):
                    entries[command] = lines
            lines.append((name, text))
        return {command: self.text(lines) for command, lines in entries.items()}

    def test_every_command_has_its_line_and_its_entry(self):
        synopsis = " ".join(" \n" if name == "br" else text for name, text in self.sections["SYNOPSIS"])
        expected = [" ".join(["outrigger", row["name"], row["operands"], "[OPTION]..." if row["options"] else ""]).split()
                    for row in table()]
        self.assertEqual([line.split() for line in synopsis.split("\n")], expected)
        self.assertEqual(sorted(self.entries()), sorted(row["name"] for row in table()))

    def test_every_option_is_told_of_and_no_other(self):
        entries, common = self.entries(), self.text(self.sections["OPTIONS"])
        known = {"--version"}
        for row in table():
            for option in row["options"]:
                name = "--" + option["name"]
                known.add(name)
                self.assertRegex(entries[row["name"]] + " " + common, rf"{name}(?![a-z0-9-])", row["name"])
                if "letter" in option:
                    self.assertIn(f"-{option['letter']}, {name}", common)
        for name, lines in self.sections.items():
            told = set(re.findall(r"--[a-z][a-z0-9-]*", self.text(lines))) - {"--help"}
            self.assertLessEqual(told, known, name)

    def test_the_examples_are_good_command_lines(self):
        lines = [line for _, text in self.sections["EXAMPLES"] for line in re.split(r"&&|\$\(|\)", text)]
        examples = [line.split()[1:] for line in lines if line.split()[:1] == ["outrigger"]]
        self.assertGreater(len(examples), 8)
        for words in examples:
            done = run(*words, "--help")   # help comes when all that stands before it is good
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            self.assertTrue(done.stdout.startswith(f"usage: outrigger {words[0]}"), done.stdout)


class Json(unittest.TestCase):
    """With --json there is one object on stdout, whatever happens, and the exit status is the same."""

    def agree(self, stack, *words, status=0):
        plain, done = stack.outrigger(*words), stack.outrigger(*words, "--json")
        self.assertEqual((plain.returncode, done.returncode), (status, status), (words, plain, done))
        self.assertEqual(len(done.stdout.splitlines()), 1, done)
        found = json.loads(done.stdout)
        self.assertIsInstance(found, dict)
        return found

    def test_what_runs_answers(self):
        with Stack(models=["digits-mlp"]) as stack:
            self.assertIs(self.agree(stack, "status")["ready"], True)
            self.assertEqual(self.agree(stack, "models")["models"][0]["model"], "digits-mlp")
            self.assertEqual(self.agree(stack, "replay", "--list")["requests"], [])
            self.assertEqual(self.agree(stack, "check")["errors"], [])
            self.assertIs(self.agree(stack, "reload")["ok"], True)
            self.assertEqual(len(self.agree(stack, "restart", "workers")["lines"]), 3)
            for words in (("promote", "digits-mlp", "9"), ("models", "show", "none"), ("replay", "none"),
                          ("restart", "workers", "--model", "none")):
                self.assertTrue(self.agree(stack, *words, status=1)["error"], words)
            self.assertEqual(run("version", "--json").stdout.count("\n"), 1)

    def test_stop(self):
        with Stack(models=["digits-mlp"]) as stack:
            done = stack.outrigger("stop", "--json")
            self.assertEqual((done.returncode, json.loads(done.stdout)), (0, {"ok": True}))
            self.assertEqual(stack.supervisor.wait(PATIENCE), 0)
            self.assertIn("no supervisor runs", self.agree(stack, "stop", status=3)["error"])
            self.assertIn("nothing runs", self.agree(stack, "status", status=3)["error"])
            os.close(stack._launch_supervisor())
            stack.wait(stack.serves, "it does not serve again")

    def test_all_that_talk_to_somebody_say_that_nobody_is_there(self):
        operands = {"MODEL": "m", "MODEL[:VERSION]": "m:1", "VERSION": "1", "workers|frontends|broker|collector|all": "all", "FILE": "f"}
        nowhere = ("-s", "runtime_directory=/nonexistent", "-s", "state_directory=/nonexistent")
        for row in table():
            if row["name"] == "models digest" or row["name"].split()[0] in (
                    "run", "check", "replay", "validate", "optimize", "version", "help", "completion", "keygen", "key", "audit",
                    "flight", "batch", "stream"):
                continue  # they need nobody
            with self.subTest(command=row["name"]):
                words = [operands[word] for word in row["operands"].split() if not word.startswith("[")]
                done = run(*row["name"].split(), *words, *nowhere, "--json")
                self.assertEqual(done.returncode, 3, done)
                self.assertIs(json.loads(done.stdout)["ok"], False)
                self.assertRegex(done.stderr, "^outrigger: (nothing|no supervisor|no broker|no collector) runs in /nonexistent ")
