"""outrigger batch: rows of files and of SQLite are scored once, whoever dies meanwhile. (PostgreSQL: test_batch_postgres.)

BATCH_KILLS=20 BATCH_ROWS=100000 makes the tests of deaths as large as one likes.
"""
import contextlib
import csv
import gzip
import json
import os
import pathlib
import pty
import random
import re
import runpy
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import types
import unittest
import unittest.mock
import urllib.request

from expectations import held_out
from stack import BIN, PATIENCE, ROOT, SANITIZED, Stack

MODEL = "cancer-logistic"
KILLS = int(os.environ.get("BATCH_KILLS", "3" if SANITIZED else "6"))
ROWS = int(os.environ.get("BATCH_ROWS", "3000"))
RESULTS = ["prediction", "probability", "model_version", "predicted_at"]


class Job:
    """One run of outrigger-batch."""

    def __init__(self, stack, *arguments, stdin=subprocess.DEVNULL, **parameters):
        settings = {"model": MODEL} | parameters
        words = [word for name, value in settings.items() for word in ("--job-set", f"{name}={value}")]
        self.process = subprocess.Popen([BIN / "outrigger-batch", *stack.arguments(), *words, *arguments], cwd=ROOT,
                                        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self):
        self.stdout, self.stderr = self.process.communicate(timeout=PATIENCE)
        self.status = self.process.returncode
        lines = (self.stdout + self.stderr).decode().splitlines()
        told = [json.loads(line) for line in lines if line.startswith('{"event": ')]
        self.told = next((event for event in told if event["event"] == "end"), None)
        return self

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self.end()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(models=[MODEL], settings={"worker.max_requests": "0"}).start()
        cls.addClassCleanup(cls.stack.stop)
        cls.expected = held_out(MODEL)
        cls.names = json.loads((ROOT / f"tests/models/heldout/{MODEL}.json").read_text())["feature_names"]

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return str(self.folder / name)

    def job(self, *arguments, **parameters):
        return Job(self.stack, *arguments, **parameters)

    def run_job(self, *arguments, status=0, **parameters):
        job = self.job(*arguments, **parameters).end()
        self.assertEqual(job.status, status, (job.stdout + job.stderr).decode()[-2000:])
        return job

    def row(self, number):
        return self.expected.features[number % len(self.expected.features)]

    def same(self, number, prediction, probability):
        """What was predicted for the row is what the model's maker has predicted."""
        number %= len(self.expected.features)
        self.assertEqual(int(prediction), self.expected.labels[number])
        self.assertAlmostEqual(float(probability), self.expected.probabilities[number][1], delta=1e-4)

    def write_csv(self, name, count, faults=()):
        opened = gzip.open if name.endswith(".gz") else open
        with opened(self.path(name), "wt", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", *self.names])
            for number in range(count):
                writer.writerow([f"row, {number}", *self.row(number)] if number not in faults
                                else [f"bad {number}", "many", "", *self.row(number)[2:]])
        return self.path(name)

    def write_table(self, count, faults=(), journal="wal"):
        path = self.path("rows.db")
        columns = ", ".join(f'"{name}" REAL' for name in self.names)
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute(f"PRAGMA journal_mode = {journal}")
            database.execute(f"CREATE TABLE patients (id INTEGER PRIMARY KEY, {columns})")
            marks = ", ".join("?" * (len(self.names) + 1))
            database.executemany(f"INSERT INTO patients VALUES ({marks})", (
                (3 * number, *(self.row(number) if number not in faults else [None, "many", *self.row(number)[2:]]))
                for number in range(count)))
            database.commit()
        return path

    def lines(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def query(self, sql, path="rows.db"):
        with contextlib.closing(sqlite3.connect(self.path(path))) as database:
            return database.execute(sql).fetchall()

    def check_csv(self, path, count, faults=()):
        opened = gzip.open if path.endswith(".gz") else open
        with opened(path, "rt", newline="") as file:
            head, *rows = csv.reader(file)
        self.assertEqual(head, ["id", *self.names, *RESULTS])
        numbers = [number for number in range(count) if number not in faults]
        self.assertEqual([row[0] for row in rows], [f"row, {number}" for number in numbers])
        for number, row in zip(numbers, rows):
            self.assertEqual([float(value) for value in row[1:31]], self.row(number))
            self.same(number, row[31], row[32])

    def check_table(self, rows, count, faults=()):
        """rows: (id, prediction, probability), in the order of the ids."""
        numbers = [number for number in range(count) if number not in faults]
        self.assertEqual([row[0] for row in rows], [3 * number for number in numbers])
        for number, row in zip(numbers, rows):
            self.same(number, row[1], row[2])


class Files(Case):
    def test_rows_of_csv_stand_with_their_predictions_in_csv_and_a_second_run_has_nothing_to_do(self):
        source = self.write_csv("in.csv", 500)
        job = self.run_job(**{"from": source}, to=self.path("out.csv"), batch_size=64)
        self.assertEqual((job.told["result"], job.told["scored"], job.told["rejected"]), ("done", 500, 0))
        self.check_csv(self.path("out.csv"), 500)
        before = pathlib.Path(self.path("out.csv")).read_bytes()
        again = self.run_job(**{"from": source}, to=self.path("out.csv"))
        self.assertEqual(again.told["rows"], 0)
        self.assertEqual(pathlib.Path(self.path("out.csv")).read_bytes(), before)

    def test_files_that_are_packed_are_unpacked_and_packed(self):
        source = self.write_csv("in.csv.gz", 500)
        self.run_job(**{"from": source}, to=self.path("out.csv.gz"), batch_size=64)
        self.check_csv(self.path("out.csv.gz"), 500)
        whole = pathlib.Path(source).read_bytes()
        pathlib.Path(self.path("cut.csv.gz")).write_bytes(whole[:len(whole) // 2])
        job = self.run_job(**{"from": self.path("cut.csv.gz")}, to=self.path("cut.csv"), status=1)
        self.assertIn(b"cut off", job.stderr)

    def test_rows_with_faults_go_to_a_file_with_all_that_is_wrong(self):
        source = self.write_csv("in.csv", 300, faults={7, 250})
        with open(source, "a", encoding="utf-8") as file:
            file.write("short,1,2\n")
        job = self.run_job(**{"from": source}, to=self.path("out.csv"), batch_size=100)
        self.assertEqual((job.told["scored"], job.told["rejected"]), (298, 3))
        self.check_csv(self.path("out.csv"), 300, faults={7, 250})
        rejects = self.lines("out.csv.rejects.jsonl")
        self.assertEqual([reject["row"] for reject in rejects], [8, 251, 301])
        self.assertRegex(rejects[0]["reason"], r"mean radius: .*\"many\".*; mean texture: ")
        self.assertTrue(rejects[0]["input"].startswith("bad 7,many,,"))
        self.assertEqual(rejects[2]["reason"], "line 302: it has 3 fields, and the first one 31")

    def test_json_lines_keep_what_they_were_and_lines_that_are_no_json_are_rejected(self):
        with open(self.path("in.jsonl"), "w", encoding="utf-8") as file:
            for number in range(300):
                row = {"who": f"é {number}"} | dict(zip(reversed(self.names), reversed(self.row(number))))
                file.write(json.dumps(row, ensure_ascii=number % 2 == 0) + "\n")
                if number == 10:
                    file.write("\n{\"who\": \n[1, 2]\n{\"mean radius\": {}}\n")
        self.run_job(**{"from": self.path("in.jsonl")}, to=self.path("out.jsonl"), batch_size=50)
        rows = self.lines("out.jsonl")
        self.assertEqual([row["who"] for row in rows], [f"é {number}" for number in range(300)])
        for number, row in enumerate(rows):
            self.same(number, row["prediction"], row["probability"])
        rejects = self.lines("out.jsonl.rejects.jsonl")
        self.assertEqual([reject["row"] for reject in rejects], [12, 13, 14])
        self.assertRegex(rejects[0]["reason"], "line 13: it is no JSON")
        self.assertEqual(rejects[1]["reason"], "expected 30 values, got 2")
        self.assertEqual(rejects[2]["reason"], "mean radius: expected a value, got an object")

    def test_from_stdin_to_stdout_what_is_told_goes_to_stderr(self):
        source = self.write_csv("in.csv", 100)
        with open(source, "rb") as file:
            job = self.run_job(**{"from": "csv:-"}, to="jsonl:-", stdin=file)
        rows = [json.loads(line) for line in job.stdout.splitlines()]
        self.assertEqual([row["row"] for row in rows], list(range(1, 101)))
        self.assertEqual(list(rows[0]), ["row", *RESULTS])
        self.assertEqual(job.told["scored"], 100)

    def test_a_disk_that_is_full_ends_it(self):
        job = self.run_job(**{"from": self.write_csv("in.csv", 50)}, to="csv:/dev/full", status=1)
        self.assertEqual((job.told["result"], job.told["rows"]), ("failed", 0))
        self.assertIn("No space left", job.told["reason"])

    def test_on_a_terminal_there_is_a_bar_and_what_is_counted_is_published(self):
        source = self.write_csv("in.csv", 600, faults={9})
        terminal, other_end = pty.openpty()
        try:
            process = subprocess.Popen(
                [BIN / "outrigger-batch", *self.stack.arguments(), "--name", "nightly", "--job-set", f"model={MODEL}", "--job-set",
                 f"from={source}", "--job-set", f"to={self.path('out.csv')}", "--job-set", "rate=400"],
                stdout=subprocess.PIPE, stderr=other_end)
            os.close(other_end)
            seen = b""
            with contextlib.suppress(OSError):  # the other end is closed
                while piece := os.read(terminal, 4096):
                    seen += piece
            self.assertEqual((process.communicate()[0], process.returncode), (b"", 0))
        finally:
            os.close(terminal)
        self.assertRegex(seen.decode(), r"\r\x1b\[K *\d+% .*\d+ rows, \d+ rows/s.* left")
        self.assertRegex(seen.decode(), rf"done: 599 rows scored by {MODEL} 1, 1 rejected")
        self.assertIn("the first reject: mean radius", seen.decode())

        def published():
            with urllib.request.urlopen(f"http://127.0.0.1:{self.stack.metrics_port}/metrics", timeout=PATIENCE) as answer:
                text = answer.read().decode()
            return all(f'outrigger_job_rows_total{{job="nightly",outcome="{outcome}"}} {count}\n' in text
                       for outcome, count in (("scored", 599), ("rejected", 1)))
        self.stack.wait(published, "what was counted is not told by the collector")

    def test_a_file_that_is_there_is_neither_overwritten_nor_gone_on_with_by_another_job(self):
        source = self.write_csv("in.csv", 50)
        out = pathlib.Path(self.path("out.csv"))
        out.write_text("mine\n")
        self.assertIn(b"overwrite", self.run_job(**{"from": source}, to=out, status=1).stderr)
        self.assertEqual(out.read_text(), "mine\n")
        self.run_job(**{"from": source}, to=out, overwrite="true")
        self.check_csv(str(out), 50)
        other = self.write_csv("other.csv", 10)
        self.assertIn(b"another job", self.run_job(**{"from": other}, to=out, status=1).stderr)
        self.check_csv(str(out), 50)


class Tables(Case):
    def source(self, extra=""):
        return f"sqlite:{self.path('rows.db')}?table=patients{extra}"

    def test_predictions_stand_beside_their_rows_and_rejects_in_a_table(self):
        self.write_table(400, faults={5, 390})
        refused = self.run_job(**{"from": self.source()}, to="column", status=1)
        self.assertIn(b'ALTER TABLE "patients" ADD COLUMN "prediction" INTEGER', refused.stderr)
        job = self.run_job(**{"from": self.source()}, to="column?label=class", create="true", batch_size=64)
        self.assertEqual((job.told["scored"], job.told["rejected"]), (398, 2))
        self.assertEqual(self.query("SELECT count(*) FROM patients WHERE predicted_at IS NULL"), [(2,)])
        self.check_table(self.query("SELECT id, prediction, probability FROM patients WHERE predicted_at IS NOT NULL "
                                    "ORDER BY id"), 400, faults={5, 390})
        self.assertEqual(self.query("SELECT DISTINCT class FROM patients WHERE prediction = 1"), [("benign",)])
        keys = self.query("SELECT key, reason, model FROM outrigger_rejects ORDER BY key")
        self.assertEqual([key[0] for key in keys], [15, 1170])
        self.assertRegex(keys[0][1], "mean radius: .*; mean texture: .*many")
        self.assertEqual(self.run_job(**{"from": self.source()}, to="column?label=class").told["rows"], 0)

    def test_a_table_of_results_has_each_row_once_and_what_is_new_comes_in_the_next_run(self):
        self.write_table(300, journal="delete")
        where = self.source("&where=id < 600")
        self.run_job(**{"from": where}, to="table:scores?prediction=score", create="true", batch_size=32)
        self.check_table(self.query("SELECT id, score, probability FROM scores ORDER BY id"), 200)
        job = self.run_job(**{"from": self.source()}, to="table:scores?prediction=score")
        self.assertEqual(job.told["scored"], 100)
        self.check_table(self.query("SELECT id, score, probability FROM scores ORDER BY id"), 300)
        self.assertEqual(self.query("SELECT * FROM outrigger_leases"), [])

    def test_a_dry_run_writes_nothing_and_counts_what_would_be(self):
        path = pathlib.Path(self.write_table(200, faults={3}, journal="delete"))
        before = path.read_bytes()
        job = self.run_job("--dry-run", **{"from": self.source()}, to="column")
        self.assertEqual((job.told["scored"], job.told["rejected"]), (199, 1))
        self.assertIn("mean radius", job.told["reason"])
        self.assertEqual(path.read_bytes(), before)
        self.run_job("--dry-run", **{"from": self.source()}, to=self.path("out.csv"))
        self.assertEqual([entry.name for entry in self.folder.iterdir()], ["rows.db"])

    def test_rows_go_from_a_database_to_another_and_to_files_and_from_files_to_a_database(self):
        self.write_table(250)
        there = f"sqlite:{self.path('other.db')}?table=scores"
        self.run_job(**{"from": self.source()}, to=there, create="true", batch_size=40)
        self.check_table(self.query("SELECT id, prediction, probability FROM scores ORDER BY id", "other.db"), 250)
        self.run_job(**{"from": self.source()}, to=self.path("out.jsonl"), batch_size=40)
        rows = self.lines("out.jsonl")
        self.check_table([(row["id"], row["prediction"], row["probability"]) for row in rows], 250)
        source = self.write_csv("in.csv", 120, faults={50})
        there = f"sqlite:{self.path('other.db')}?table=of_csv"
        job = self.run_job(**{"from": f"csv:{source}?key=id"}, to=there, create="true", batch_size=50)
        self.assertEqual((job.told["scored"], job.told["rejected"]), (119, 1))
        self.assertEqual(self.query("SELECT count(*), count(DISTINCT id) FROM of_csv WHERE id LIKE 'row, %'", "other.db"),
                         [(119, 119)])
        self.assertEqual(self.run_job(**{"from": f"csv:{source}?key=id"}, to=there).told["rows"], 0)

    def test_columns_are_renamed_and_what_is_missing_is_named(self):
        self.write_table(20)
        self.query('ALTER TABLE patients RENAME COLUMN "mean radius" TO r')
        job = self.run_job(**{"from": self.source()}, to="column", create="true", status=1)
        self.assertIn(b"no column mean radius", job.stderr)
        self.run_job(**{"from": self.source("&columns=mean radius:r")}, to="column", create="true")
        self.check_table(self.query("SELECT id, prediction, probability FROM patients ORDER BY id"), 20)


class Ends(Case):
    def source(self):
        return f"sqlite:{self.path('rows.db')}?table=patients"

    def test_too_many_rejects_end_it_and_the_limit_too(self):
        self.write_table(200, faults=range(100))
        job = self.run_job(**{"from": self.source()}, to="column", create="true", batch_size=10, max_rejects=20,
                           lanes=1, status=4)
        self.assertEqual((job.told["result"], job.told["rejected"]), ("rejects", 30))
        job = self.run_job(**{"from": self.source()}, to="column", limit=90, batch_size=40)
        self.assertEqual((job.told["result"], job.told["rows"]), ("limit", 90))
        job = self.run_job(**{"from": self.source()}, to="column")
        self.assertEqual((job.told["result"], job.told["rows"]), ("done", 80))

    def test_a_signal_lets_what_is_on_its_way_be_committed(self):
        self.write_table(2000)
        job = self.job(**{"from": self.source()}, to="column", create="true", batch_size=50, rate=400)
        self.stack.wait(lambda: self.done() > 0, "nothing was committed")
        self.assertEqual(job.kill(signal.SIGTERM).status, 5, job.stderr)
        self.assertEqual(job.told["result"], "interrupted")
        self.assertEqual(self.done(), job.told["scored"])
        self.assertEqual(self.query("SELECT * FROM outrigger_leases"), [])
        rest = self.run_job(**{"from": self.source()}, to="column")
        self.assertEqual(rest.told["scored"], 2000 - job.told["scored"])

    def test_a_job_that_waits_for_a_lock_can_be_interrupted(self):
        path = self.write_table(20, journal="delete")
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("BEGIN EXCLUSIVE")
            job = self.job(**{"from": self.source()}, to="column", create="true")
            self.stack.wait(lambda: os.readlink(f"/proc/{job.process.pid}/exe").endswith("batch") and any(
                os.path.realpath(entry) == path for entry in pathlib.Path(f"/proc/{job.process.pid}/fd").iterdir()),
                            "the database is not opened")
            self.assertEqual(job.kill(signal.SIGTERM).status, 5, job.stderr)

    def test_a_job_that_waits_for_its_rows_can_be_interrupted(self):
        job = self.job(**{"from": "csv:-"}, to=self.path("out.csv"), stdin=subprocess.PIPE)
        folder = pathlib.Path(f"/proc/{job.process.pid}")
        pipe = os.readlink(f"/proc/self/fd/{job.process.stdin.fileno()}")
        self.stack.wait(lambda: os.readlink(folder / "exe").endswith("batch") and
                        [os.readlink(entry) for entry in (folder / "fd").iterdir()].count(pipe) > 1, "stdin is not opened")
        job.process.send_signal(signal.SIGTERM)
        self.assertEqual(job.process.wait(PATIENCE), 5)
        job.end()

    def done(self):
        try:
            return self.query("SELECT count(*) FROM patients WHERE predicted_at IS NOT NULL")[0][0]
        except sqlite3.OperationalError:  # the column is not there yet
            return 0

    def test_what_is_wrong_has_a_status_of_its_own(self):
        source = self.write_csv("in.csv", 5)
        for parameters, words in (({"from": source, "to": "column"}, b"no table"),
                                  ({"from": source, "to": self.path("in.csv")}, b"come from there"),
                                  ({"from": "nothing", "to": self.path("out.csv")}, b"expected sqlite:"),
                                  ({"from": source}, b"to: "),
                                  ({"from": source, "to": self.path("out.csv"), "lanes": "many"}, b"lanes")):
            self.assertIn(words, self.run_job(**parameters, status=2).stderr)
        job = self.run_job(**{"from": source}, to=self.path("out.csv"), model="nobody", wait_s=10, status=1)
        self.assertIn(b"nobody", job.stderr)
        elsewhere = self.run_job("-s", f"runtime_directory={self.folder}/none", **{"from": source},
                                 to=self.path("out.csv"), wait_s=1, status=3)
        self.assertIn(f"no broker answers at ipc://{self.folder}/none/".encode(), elsewhere.stderr)
        self.assertFalse(pathlib.Path(self.path("out.csv")).exists())

    def test_the_command_and_a_job_file_say_the_same(self):
        self.write_table(30)
        example = (ROOT / "conf/jobs/churn.conf").read_text()
        for name in ("model", "from", "to", "rejects", "batch_size"):
            self.assertRegex(example, rf"(?m)^{name} = ")
        self.assertEqual(self.run_job("--template").stderr, b"")
        file = pathlib.Path(self.path("job.conf"))
        file.write_text(f'from = "{self.source()}"; to = "column"; model = "{MODEL}"; batch_size = 7;')
        done = self.stack.outrigger("batch", str(file), "--create", "--limit", "10", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["rows"], 10)
        file.write_text('from = "a.csv"; batch_sizes = 7;\n')
        done = self.stack.outrigger("batch", str(file))
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"job\.conf:1: .*batch_sizes")


class Examples(unittest.TestCase):
    """What deploy shows is said as the command understands it."""

    def words_of(self, line):
        words = shlex.split(line)
        return words[words.index("batch") + 1:]

    def understood(self, line):
        done = subprocess.run([BIN / "outrigger", "help", "batch", "--json"], check=True, stdout=subprocess.PIPE)
        options = {"--" + option["name"]: option for option in json.loads(done.stdout)["commands"][0]["options"]}
        words = self.words_of(line)
        self.assertRegex(words.pop(0), r"^/etc/outrigger/jobs/(churn|%i)\.conf$")
        while words:
            option = options[words.pop(0)]
            if option.get("value"):
                words.pop(0)

    def test_the_unit_and_the_line_of_cron(self):
        unit = (ROOT / "deploy/systemd/outrigger-batch@.service").read_text()
        places = {"@BINDIR@": "/usr/local/bin", "@CONFDIR@": "/etc/outrigger"}  # as make install puts them in
        for place, path in places.items():
            unit = unit.replace(place, path)
        self.understood(re.search(r"^ExecStart=(.*)", unit, re.MULTILINE)[1])
        line = (ROOT / "deploy/jobs/outrigger.cron").read_text().splitlines()[-1]
        self.assertRegex(line, r"^(\S+ +){5}outrigger ")
        self.understood(line.split(">>")[0])
        if shutil.which("systemd-analyze"):
            with tempfile.TemporaryDirectory() as folder:
                for name in ("service", "timer"):
                    text = (ROOT / f"deploy/systemd/outrigger-batch@.{name}").read_text()
                    for place, path in ({"@BINDIR@/outrigger": "/bin/true"} | places).items():
                        text = text.replace(place, path)
                    pathlib.Path(folder, f"outrigger-batch@churn.{name}").write_text(text)
                done = subprocess.run(["systemd-analyze", "verify", f"{folder}/outrigger-batch@churn.timer"], text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_the_task_of_airflow(self):
        """Airflow itself is not needed: what the file takes from it are names."""
        tasks, failures = [], []

        class Bash:
            def __init__(self, **arguments):
                tasks.append(self)
                self.arguments = arguments

            def execute(self, _):
                raise RuntimeError(f"Bash command failed. The command returned a non-zero exit code {failures[-1]}.")

        class Fail(Exception):
            pass

        def dag(**_):
            return lambda function: function

        modules = {"airflow.decorators": {"dag": dag}, "airflow.exceptions": {"AirflowFailException": Fail},
                   "airflow.operators.bash": {"BashOperator": Bash}}
        parts = {name: types.SimpleNamespace(**members) for name, members in modules.items()}
        with unittest.mock.patch.dict(sys.modules, parts | {"airflow": types.ModuleType("airflow"),
                                                            "airflow.operators": types.ModuleType("operators")}):
            runpy.run_path(str(ROOT / "deploy/jobs/churn_dag.py"))
        task, = tasks
        self.understood(task.arguments["bash_command"])
        for status, raised in ((4, Fail), (2, Fail), (1, RuntimeError), (5, RuntimeError)):
            failures.append(status)
            self.assertRaises(raised, task.execute, {})


class Deaths(Case):
    """Killed at random moments and started again until it is done; BATCH_SEED names the moments."""

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("BATCH_SEED", random.SystemRandom().randrange(1 << 32)))
        self.random = random.Random(self.seed)

    def source(self):
        return f"sqlite:{self.path('rows.db')}?table=patients"

    def until_done(self, meanwhile=lambda: None, **parameters):
        """Meanwhile is called before each is killed."""
        killed = 0
        while True:
            job = self.job(**parameters, batch_size=50, rate=ROWS * 2)
            if killed < KILLS:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    job.process.wait(timeout=self.random.uniform(0.02, 0.4))
            if killed < KILLS and job.process.poll() is None:
                meanwhile()
                killed += job.kill().status == -signal.SIGKILL
                continue
            job.end()
            self.assertEqual(job.status, 0, f"seed {self.seed}: {job.stderr.decode()[-1000:]}")
            self.assertGreater(killed, 0)
            return

    def test_each_row_of_sqlite_is_scored_once(self):
        faults = {1, ROWS - 5}
        self.write_table(ROWS, faults)
        self.until_done(**{"from": self.source()}, to="column", create="true")
        self.until_done(**{"from": self.source()}, to="table:scores", create="true")
        self.check_table(self.query("SELECT id, prediction, probability FROM patients WHERE predicted_at IS NOT NULL "
                                    "ORDER BY id"), ROWS, faults)
        self.check_table(self.query("SELECT id, prediction, probability FROM scores ORDER BY id"), ROWS, faults)
        self.assertEqual(self.query("SELECT key, count(*) FROM outrigger_rejects GROUP BY key ORDER BY key"),
                         [(3 * number, 2) for number in sorted(faults)])
        self.assertEqual(self.query("SELECT * FROM outrigger_leases"), [])

    def test_each_row_of_a_file_is_scored_once(self):
        faults = {1, ROWS - 5}
        source = self.write_csv("in.csv", ROWS, faults)
        for name in ("out.csv", "out.csv.gz"):
            self.until_done(**{"from": source}, to=self.path(name))
            self.check_csv(self.path(name), ROWS, faults)
            self.assertEqual([reject["row"] for reject in self.lines(name + ".rejects.jsonl")],
                             [number + 1 for number in sorted(faults)])
        packed = self.write_csv("in.csv.gz", ROWS, faults)
        there = f"sqlite:{self.path('scores.db')}?table=scores"
        self.until_done(**{"from": packed}, to=there, create="true")
        rows = self.query("SELECT row, prediction, probability FROM scores ORDER BY row", "scores.db")
        self.check_table([(3 * (row[0] - 1), *row[1:]) for row in rows], ROWS, faults)

    def test_two_jobs_share_a_table_while_broker_and_worker_die(self):
        self.write_table(ROWS)
        parameters = {"from": self.source(), "to": "table:scores"}
        self.run_job(**parameters, create="true", limit=1, batch_size=1)
        dead = []

        def kill_one():
            with contextlib.suppress(ValueError, ProcessLookupError):  # it is being started again
                dead.append(self.stack.kill(self.random.choice(["broker", f"worker.{MODEL}"])))

        other = self.job(**parameters, batch_size=50, rate=ROWS)
        self.until_done(kill_one, **parameters)
        self.assertNotEqual(dead, [])
        self.assertEqual(other.end().status, 0, other.stderr)
        self.check_table(self.query("SELECT id, prediction, probability FROM scores ORDER BY id"), ROWS)
        self.assertEqual(self.query("SELECT * FROM outrigger_leases"), [])


if __name__ == "__main__":
    unittest.main()
