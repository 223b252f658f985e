"""common/CONTROL.md and the processes agree: every verb that is known is described, and every one described is known."""
import json
import pathlib
import re
import socket
import subprocess
import unittest

from stack import PATIENCE, ROOT, Stack

DOCUMENT = (ROOT / "common/CONTROL.md").read_text()
SOCKETS = {"supervisor": "supervisor.sock", "broker": "broker.sock", "collector": "collector.sock"}
SECTIONS = {"supervisor": "## 3. The supervisor", "broker": "## 4. The broker", "collector": "## 5. The collector"}
# The verbs as the sources have them, by the form of their tables.
SOURCES = {"supervisor": ("broker/supervisor/report.c", r'\{"([a-z-]+)", \w+\}'),
           "broker": ("broker/admin.c", r'strcmp\(command, "([a-z-]+)"\)|\{"([a-z-]+)", \w+\}'),
           "collector": ("broker/collector/main.c", r'strcmp\(command, "([a-z-]+)"\)')}


def section(name):
    """The text under the heading, up to the next of the same rank."""
    return DOCUMENT.split(SECTIONS[name], 1)[1].split("\n## ", 1)[0]


def documented(name):
    """The verbs in the table of a socket; "Also called" ones too."""
    text = section(name).split("\n### ", 1)[0]
    return set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)) | set(re.findall(r"Also called `([a-z-]+)`", text))


def known_to_source(name):
    path, form = SOURCES[name]
    return {verb for found in re.findall(form, (ROOT / path).read_text())
            for verb in ([found] if isinstance(found, str) else found) if verb}


class Control(unittest.TestCase):
    def test_every_socket_has_its_section(self):
        sources = [*ROOT.glob("broker/**/*.c"), *ROOT.glob("worker/*.c")]
        listening = {name for path in sources if "control_listen(" in path.read_text()
                     for name in re.findall(r'"(\w+\.sock)"', path.read_text()) if path.name == "main.c"}
        self.assertLessEqual({"supervisor.sock"}, listening)
        for name in listening | set(SOCKETS.values()):
            self.assertIn(f"`RUNTIME_DIR/{name}`", DOCUMENT)

    def test_verbs(self):
        with Stack(models=["digits-mlp"]) as stack:
            for name, path in SOCKETS.items():
                with self.subTest(socket=name):
                    self.assertEqual(known_to_source(name), documented(name))
                    refused = stack.control(path, {"command": "none-such"})
                    self.assertIs(refused["ok"], False)
                    self.assertRegex(refused["error"], f"^the {name} knows ")
                    told = set(re.findall(r"[a-z-]+", refused["error"].partition(" knows ")[2])) - {"and"}
                    self.assertEqual(told, documented(name) - set(re.findall("Also called `([a-z-]+)`", section(name))))
                    for verb in sorted(documented(name) - {"stop"}, key=lambda verb: (verb == "upgrade", verb)):
                        # upgrade is the last: who comes while the program changes has to come again
                        answer = stack.control(path, {"command": verb})
                        self.assertNotRegex(answer.get("error", ""), f"^the {name} knows ", verb)

    def fields(self, text, name):
        """The field is in the text of a section, as `name`."""
        return f"`{name}`" in text or f"{name}," in text or f"{name}}}" in text

    def test_fields_of_the_answers(self):
        with Stack(models=["digits-mlp"]) as stack:
            for name, command in (("supervisor", "status"), ("supervisor", "models"), ("broker", "status"),
                                  ("broker", "figures")):
                def look(value):
                    if isinstance(value, list):
                        for entry in value:
                            look(entry)
                    elif isinstance(value, dict):
                        for key, entry in value.items():
                            if key in ("ok", "successions", "outcomes", "route"):
                                continue
                            self.assertTrue(self.fields(section(name), key), f"{name} {command}: {key}")
                            look(entry)
                look(stack.control(SOCKETS[name], {"command": command}))

    def test_the_rules_of_a_line(self):
        with Stack(models=["digits-mlp"]) as stack, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(stack.runtime / "supervisor.sock"))
            connection.sendall(b'nonsense\n{"command": 7}\n{"command": "status", "unknown": 1}\n')
            lines = connection.makefile("rb")
            self.assertIn("this is no JSON", json.loads(lines.readline())["error"])
            self.assertIn('with a text "command"', json.loads(lines.readline())["error"])
            self.assertIs(json.loads(lines.readline())["ok"], True)
            connection.sendall(b" " * (64 * 1024))
            self.assertIn("longer than 64 KiB", json.loads(lines.readline())["error"])
            self.assertEqual(lines.readline(), b"")
        for sentence in ("this is no JSON", "a command is one JSON object with a text", "the line is longer than 64 KiB",
                         "too many connections", "only root and the user that runs this process may give commands"):
            self.assertIn(sentence, " ".join(DOCUMENT.split()))
            self.assertIn(sentence, (ROOT / "common/control.c").read_text())

    def test_the_example_runs(self):
        with Stack(models=["digits-mlp"]) as stack:
            block = re.search(r"every process:\n\n((?:    .*\n)+)", DOCUMENT)[1]
            program = re.sub(r"^    ", "", block, flags=re.MULTILINE).replace("/run/outrigger", str(stack.runtime))
            done = subprocess.run(["/usr/bin/python3", "-c", program], text=True, capture_output=True, timeout=PATIENCE)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("broker running\n", done.stdout)
            self.assertEqual(len(done.stdout.splitlines()), 4)
