"""`outrigger top` on a terminal of its own: what pyte, a terminal in Python, would show of it."""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
import unittest

import pyte

from stack import BIN, PATIENCE, ROOT, Stack, alive

HEADS = "MODEL"


class Terminal:
    """A program on a terminal of so many columns and lines; `screen` is what one sees."""

    def __init__(self, words, columns=80, lines=24, **environment):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.bytes = b""
        self.master, slave = pty.openpty()
        self.resize(columns, lines, tell=False)
        self.before = termios.tcgetattr(slave)
        inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        environment = {**inherited, "TERM": "xterm-256color", **environment}
        self.process = subprocess.Popen(words, cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, env=environment,
                                        start_new_session=True,
                                        preexec_fn=self._as_a_terminal_starts_it)
        self.slave = slave

    def _as_a_terminal_starts_it(self):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)    # a job in the background has it ignored

    def resize(self, columns, lines, tell=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        if tell:
            self.screen.resize(lines, columns)

    def read(self, seconds=0.05):
        if select.select([self.master], [], [], seconds)[0]:
            new = os.read(self.master, 65536)
            self.bytes += new
            self.stream.feed(new)

    def text(self):
        return [line.rstrip() for line in self.screen.display]

    def wait(self, condition, complaint):
        deadline = time.monotonic() + PATIENCE
        while not condition(self.text()):
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.read()
                if condition(self.text()):
                    return
                raise AssertionError(f"{complaint}; {self.process.poll()}\n" + "\n".join(self.text()))
            self.read()

    def press(self, keys):
        os.write(self.master, keys)

    def wait_for_end(self):
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError("it does not end")
            self.read()
        self.read()
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Top(unittest.TestCase):
    def top(self, stack, *words, **options):
        return Terminal([BIN / "outrigger", "top", *words, *stack.arguments()], **options)

    def is_drawn(self, text):
        return any(line.startswith(HEADS) for line in text) and text[-1].startswith("q quit")

    def row(self, text, model):
        return next((line.split() for line in text if line.startswith(model[:11])), None)

    def test_it_shows_what_happens(self):
        """Rates come and go with the load; the header and the rows are those of --json."""
        with Stack(web="nginx", models=["cancer-logistic", "digits-mlp"]) as stack:
            with self.top(stack, "--interval", "200ms") as terminal:
                terminal.wait(lambda text: self.is_drawn(text) and self.row(text, "digits-mlp"), "nothing is drawn")
                text = terminal.text()
                self.assertRegex(text[0], r"^up \d+s ")
                self.assertRegex(text[1], r"^broker 1/1 .*frontend \d/\d .*collector 1/1")
                self.assertEqual([line.split()[0] for line in text[4:6]], ["cancer-logistic"[:len(text[4].split()[0])],
                                                                         "digits-mlp"])
                self.assertEqual(self.row(text, "digits-mlp")[1:3], ["1*", "ready"])
                stop = threading.Event()
                client = stack.client()

                def ask():
                    while not stop.is_set():
                        client.request("POST", "/api/v1/models/digits-mlp/predict", json.dumps({"features": [1] * 64}),
                                       {"Content-Type": "application/json"})

                thread = threading.Thread(target=ask)
                thread.start()
                try:
                    rates = lambda text: self.row(text, "digits-mlp")[4]
                    terminal.wait(lambda text: rates(text) not in ("-", "0"), "no rate is shown")
                    terminal.wait(lambda text: self.row(text, "digits-mlp")[6].endswith("s"), "no p50 is shown")
                finally:
                    stop.set()
                    thread.join()
                    client.close()
                terminal.wait(lambda text: rates(text) == "0", "the rate stays")
                victim = stack.kill("worker.digits-mlp.1")
                terminal.wait(lambda text: self.row(text, "digits-mlp")[-3] == "1", "no restart is shown")
                self.assertFalse(alive(victim))
                terminal.press(b"q")
                self.assertEqual(terminal.wait_for_end(), 0)

    def test_keys_and_windows(self):
        with Stack() as stack, self.top(stack) as terminal:
            terminal.wait(self.is_drawn, "nothing is drawn")
            terminal.press(b"s")
            terminal.wait(lambda text: "s sort: req/s" in text[-1], "not sorted otherwise")
            terminal.press(b"r")
            terminal.wait(lambda text: "r every 2 s" in text[-1], "not another interval")
            terminal.press(b"h")
            terminal.wait(lambda text: "q         quit" in text[0], "no help")
            terminal.press(b"h")
            terminal.wait(self.is_drawn, "not back from help")
            terminal.press(b"sssss")
            terminal.wait(lambda text: "s sort: name" in text[-1], "not sorted by name again")
            # A smaller window: two rows, which scroll.
            terminal.resize(60, 7)
            terminal.wait(lambda text: "1-2 of 6" in text[-1], "the small window is not drawn")
            self.assertTrue(terminal.text()[4].startswith("cancer-logi"), terminal.text())
            terminal.press(b"\x1bOB")                               # down, as a terminal in application mode says it
            terminal.wait(lambda text: "2-3 of 6" in text[-1], "it does not scroll")
            terminal.press(b"\x1b[F" if b"\x1b[F" in terminal.bytes else b"\x1bOF")  # end
            terminal.wait(lambda text: "5-6 of 6" in text[-1], "it does not scroll to the end")
            terminal.press(b"k")
            terminal.wait(lambda text: "4-5 of 6" in text[-1], "it does not scroll back")
            terminal.resize(132, 40)
            terminal.wait(lambda text: self.is_drawn(text) and len(text) == 40 and "of 6" not in text[-1],
                          "the large window is not drawn")
            self.assertIn("cancer-logistic", terminal.text()[4])
            terminal.press(b"q")
            self.assertEqual(terminal.wait_for_end(), 0)

    def test_the_terminal_is_given_back(self):
        """However it ends."""
        with Stack(models=["digits-mlp"]) as stack:
            for end in ("q", signal.SIGTERM, signal.SIGINT):
                with self.subTest(end=end), self.top(stack) as terminal:
                    terminal.wait(self.is_drawn, "nothing is drawn")
                    self.assertNotEqual(termios.tcgetattr(terminal.slave), terminal.before)
                    if end == "q":
                        terminal.press(b"q")
                    else:
                        terminal.process.send_signal(end)
                    terminal.wait_for_end()
                    self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)
                    self.assertIn(b"\x1b[?1049l", terminal.bytes)   # the other screen
                    self.assertIn(b"\x1b[?25h", terminal.bytes.replace(b"\x1b[?12l", b""))  # the cursor

    def test_colours_only_where_there_are_any(self):
        with Stack(models=["digits-mlp"]) as stack:
            for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "vt100"}, False)):
                with self.subTest(**environment), self.top(stack, **environment) as terminal:
                    terminal.wait(lambda text: self.is_drawn(text) and self.row(text, "digits-mlp"), "nothing is drawn")
                    self.assertEqual(b"\x1b[32m" in terminal.bytes, coloured, terminal.bytes)
                    terminal.press(b"q")
                    self.assertEqual(terminal.wait_for_end(), 0)

    def test_what_goes_while_it_looks(self):
        with Stack(models=["digits-mlp"]) as stack, self.top(stack, "--interval", "0.2") as terminal:
            terminal.wait(self.is_drawn, "nothing is drawn")
            stack.supervisor.kill()
            stack.supervisor.wait()
            terminal.wait(lambda text: text[1].startswith("the supervisor does not answer"), "it is not missed")
            self.assertEqual(self.row(terminal.text(), "digits-mlp")[2], "ready")   # the broker goes on
            os.close(stack._launch_supervisor())
            terminal.wait(lambda text: text[1].startswith("broker 1/1"), "it is not seen again")
            stack.wait(stack.serves, "it does not serve again")
            terminal.press(b"q")
            self.assertEqual(terminal.wait_for_end(), 0)

    def test_a_terminal_that_is_none(self):
        with Stack(models=["digits-mlp"]) as stack, self.top(stack, TERM="nonsense") as terminal:
            self.assertEqual(terminal.wait_for_end(), 1)
            self.assertIn('the terminal "nonsense" (TERM) cannot be driven; --once prints text',
                          " ".join(" ".join(terminal.text()).split()))

    def test_text_and_json(self):
        with Stack(models=["digits-mlp", "heavy"]) as stack:
            for words in (("--once",), ()):                         # no terminal: once, too
                done = stack.outrigger("top", "--interval", "100ms", *words)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                lines = done.stdout.splitlines()
                self.assertEqual(lines[3].split()[:4], ["MODEL", "VER", "STATE", "SHARE"])
                self.assertEqual(lines[4].split()[:3], ["digits-mlp", "1*", "ready"])
                self.assertNotIn("\x1b", done.stdout)
            done = stack.outrigger("top", "--interval", "100ms", "--json")
            found = json.loads(done.stdout)
            self.assertEqual([entry["model"] for entry in found["models"]], ["digits-mlp", "heavy"])
            self.assertEqual(found["requests_per_s"], 0)
            self.assertGreater(found["models"][0]["rss_bytes"], 1 << 20)
            with self.top(stack, "--once", "--interval", "100ms") as terminal:
                self.assertEqual(terminal.wait_for_end(), 0)        # on a terminal, yet only text
                self.assertNotIn(b"\x1b", terminal.bytes)
        self.assertEqual(subprocess.run([BIN / "outrigger", "top", "-s", "runtime_directory=/nonexistent"],
                                        stderr=subprocess.DEVNULL).returncode, 3)
