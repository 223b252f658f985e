"""Jobs on tables of a real PostgreSQL: what is read and written, what becomes of rows that have no prediction, and that
every row is scored once whatever dies meanwhile: the job, two of them at once, the server.

The model adds up its features a, b, c, d. A trigger counts how often each row was written: "twice" would be seen.
"""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from servers import Postgres
from stack import BIN, PATIENCE, SANITIZED, Stack

ROWS = 3000 if SANITIZED else 20000
SOME = 300
INPUTS = """inputs = ( { name = "a"; type = "number"; }, { name = "b"; type = "number"; },
    { name = "c"; type = "number"; max = 1000000.0; }, { name = "d"; type = "number"; required = false; default = 1.0; } );
"""


def setUpModule():
    """One server and one Outrigger for all: tests have tables of their own."""
    global postgres, stack, scratch
    scratch = tempfile.TemporaryDirectory(prefix="outrigger-test.")
    unittest.addModuleCleanup(scratch.cleanup)
    repository = pathlib.Path(scratch.name)
    repository.chmod(0o755)
    (repository / "sum" / "1").mkdir(parents=True)
    (repository / "sum" / "1" / "model.echo").write_text("features = 4;\ncall_us = 1000;\n")
    (repository / "sum" / "model.conf").write_text(INPUTS)
    postgres = Postgres()
    unittest.addModuleCleanup(postgres.remove)
    postgres.start()
    stack = unittest.enterModuleContext(Stack(models=repository))


def arguments(**job):
    return [BIN / "outrigger-batch", *stack.arguments(), "--json",
            *(part for name, value in ({"model": "sum"} | job).items() for part in ("-S", f"{name}={value}"))]


def start(**job):
    """A job that runs by itself."""
    return subprocess.Popen(arguments(**job), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def finish(process):
    """What is_done wants: a completed process."""
    out, err = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run(environment=None, **job):
    return subprocess.run(arguments(**job), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=PATIENCE, env=os.environ | (environment or {}))


def change(statements):
    """Without the trigger that counts."""
    postgres.sql("SET session_replication_role = replica;" + statements)


def number(statement):
    return int(postgres.sql(statement)[0][0])


class Between:
    """Passes on what a job and the server say. Once `then` is set the next COMMIT is kept back, and that is done, at whose
    end the connection breaks; until then nobody gets through."""

    def __init__(self):
        self.then, self.busy, self.folder = None, False, pathlib.Path(tempfile.mkdtemp(prefix="outrigger-test."))
        self.listener = socket.create_server(str(self.folder / f".s.PGSQL.{postgres.port}"), family=socket.AF_UNIX)
        threading.Thread(target=self.take, daemon=True).start()

    def url(self, table):
        return postgres.url(table).replace(str(postgres.home), str(self.folder))

    def take(self):
        with contextlib.suppress(OSError):
            while True:
                job = self.listener.accept()[0]
                server = socket.socket(socket.AF_UNIX)
                try:
                    if self.busy:
                        raise ConnectionRefusedError
                    server.connect(str(postgres.home / f".s.PGSQL.{postgres.port}"))
                except OSError:     # it is down, or shall seem so
                    job.close()
                    continue
                for ends in ((job, server), (server, job)):
                    threading.Thread(target=self.carry, args=ends, daemon=True).start()

    def carry(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if b"COMMIT\0" in data and self.then is not None:
                    then, self.then, self.busy = self.then, None, True
                    try:
                        then()
                    finally:
                        self.busy = False
                        self.hang_up(source, target)
                    return
                target.sendall(data)
        self.hang_up(source, target)

    @staticmethod
    def hang_up(*ends):
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        shutil.rmtree(self.folder)


class BatchPostgres(unittest.TestCase):
    def make(self, table, rows, key="id bigint PRIMARY KEY", values="i"):
        """A table of rows 1 ... with sums of 10 i + 3, and a count of how often each was written."""
        postgres.sql(f"""
            CREATE TABLE {table} ({key}, a double precision, b integer, c numeric, d real, writes integer NOT NULL DEFAULT 0);
            INSERT INTO {table} SELECT {values}, i, 2 * i, 3 * i + 2.5, 4 * i + 0.5 FROM generate_series(1, {rows}) i;
            CREATE OR REPLACE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN NEW.writes := OLD.writes + 1; RETURN NEW; END $$;
            CREATE TRIGGER counted BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION count_write()""")

    def is_done(self, job, rows, rejected=0):
        """The job came to its end, and has told what it did; rows None: others did some of it."""
        self.assertEqual(job.returncode, 0, job.stderr)
        last = json.loads(job.stdout.splitlines()[-1])
        self.assertEqual(last["result"], "done", last)
        if rows is not None:
            self.assertEqual((last["scored"], last["rejected"]), (rows - rejected, rejected), last)
        return last

    def every_row_once(self, table, rows, writes=1):
        """In columns: all have the right sum, and none was written more than once."""
        self.assertEqual(number(f"SELECT count(*) FROM {table} WHERE prediction = a + b + c + d "
                                f"AND model_version = '1' AND predicted_at IS NOT NULL AND writes = {writes}"), rows)

    def complains(self, job, *words):
        self.assertEqual(job.returncode, 1, job.stderr)
        for word in words:
            self.assertIn(word, job.stderr)

    # ---- what is read and written ----

    def test_columns_beside_the_rows(self):
        self.make("beside", SOME)
        job = {"from": postgres.url("beside"), "to": "column"}
        self.complains(run(**job), 'ALTER TABLE "public"."beside" ADD COLUMN "prediction" double precision')
        self.is_done(run(create="true", batch_size="70", **job), SOME)
        self.every_row_once("beside", SOME)
        self.is_done(run(**job), 0)
        change("UPDATE beside SET predicted_at = NULL, writes = 0 WHERE id <= 10")
        self.is_done(run(**job), 10)
        self.assertEqual(number("SELECT sum(writes) FROM beside"), SOME)

    def test_a_table_of_results_and_some_rows(self):
        self.make("source", SOME)
        postgres.sql("CREATE SCHEMA results; CREATE TABLE results.\"My Scores\" (id integer PRIMARY KEY, score numeric(12, 2))")
        to = 'table:results."My Scores"?prediction=score&probability=&model_version=&predicted_at='
        job = {"from": postgres.url("public.source", where="id %25 3 = 0 -- thirds"), "to": to}
        self.is_done(run(batch_size="7", **job), SOME // 3)
        self.is_done(run(**job), 0)
        self.assertEqual(number('SELECT count(*) FROM source JOIN results."My Scores" s USING (id) WHERE id % 3 = 0 '
                                'AND s.score = a + b + c + d'), SOME // 3)
        self.assertEqual(number('SELECT count(*) FROM results."My Scores"'), SOME // 3)

    def test_a_table_that_refuses_a_copy_gets_its_rows_all_the_same(self):
        self.make("uncopied", SOME)
        postgres.sql("""
            CREATE TABLE uncopied_scores (id bigint PRIMARY KEY, prediction double precision, predicted_at timestamptz);
            CREATE TABLE uncopied_by (way text);
            CREATE FUNCTION refuse_copy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF current_query() LIKE 'COPY%' THEN RAISE unique_violation; END IF;
                INSERT INTO uncopied_by VALUES (split_part(current_query(), ' ', 1)); RETURN NEW; END $$;
            CREATE TRIGGER uncopied BEFORE INSERT ON uncopied_scores FOR EACH ROW EXECUTE FUNCTION refuse_copy()""")
        job = {"from": postgres.url("uncopied"), "to": "table:uncopied_scores?probability=&model_version=", "batch_size": "64"}
        self.is_done(run(**job), SOME)
        self.assertEqual(number("SELECT count(*) FROM uncopied JOIN uncopied_scores USING (id) WHERE prediction = a + b + c + d"), SOME)
        self.assertEqual(postgres.sql("SELECT way, count(*) FROM uncopied_by GROUP BY way"), [["INSERT", str(SOME)]])

    def test_any_key_and_any_name(self):
        keys = [('uuids', '"Row" uuid PRIMARY KEY', "md5(i::text)::uuid"),
                ("words", '"a ""key""" text COLLATE "C" PRIMARY KEY', "'it''s \\ ' || i"),
                ("days", "at timestamptz PRIMARY KEY", "'2026-03-29'::timestamptz + i * interval '1 minute'"),
                ("pairs", "x smallint, y text, PRIMARY KEY (x, y)", "i % 7, 'y\"' || i")]
        for name, key, values in keys:
            with self.subTest(key=name):
                table = f'"The {name}"'
                self.make(table, SOME, key, values)
                self.is_done(run(**{"from": postgres.url(table), "to": "column", "create": "true", "batch_size": "64"}), SOME)
                self.every_row_once(table, SOME)
                self.is_done(run(**{"from": postgres.url(table), "to": f"table:{name}_scores", "create": "true",
                                    "batch_size": "64"}), SOME)
                self.assertEqual(number(f"SELECT count(*) FROM {name}_scores WHERE prediction IS NOT NULL"), SOME)

    def test_rows_without_a_prediction(self):
        self.make("poor", SOME)
        change("UPDATE poor SET c = 2000000 WHERE id % 100 = 7; UPDATE poor SET a = NULL WHERE id = 8;"
               "UPDATE poor SET d = NULL WHERE id = 9; UPDATE poor SET a = 'NaN' WHERE id = 10;")
        job = {"from": postgres.url("poor"), "to": "column", "create": "true"}
        told = self.is_done(run(**job), SOME, SOME // 100 + 2)
        self.assertIn("c: 2000000 is above the maximum 1000000", told["reason"])
        rejects = {key: reason for key, reason in postgres.sql("SELECT key, reason FROM outrigger_rejects "
                                                               "WHERE job LIKE '%table=poor%'")}
        self.assertEqual(sorted(rejects, key=int), ["7", "8", "10", "107", "207"])
        self.assertEqual(rejects["8"], "a: is missing")
        self.assertEqual(number("SELECT (prediction * 2)::int FROM poor WHERE id = 9"), 115)

    def test_what_is_missing_is_named(self):
        postgres.sql("CREATE TABLE lacks (id bigint PRIMARY KEY, a float8, b float8);"
                     "CREATE TABLE keyless (a float8, b float8, c float8, n bigint);"
                     "CREATE VIEW looks AS SELECT * FROM keyless;"
                     "CREATE TABLE strict (id bigint PRIMARY KEY, a float8, b float8, c float8, prediction float8 "
                     "CONSTRAINT small CHECK (prediction < 5), predicted_at timestamptz);"
                     "INSERT INTO strict VALUES (1, 2, 3, 4)")
        cases = [("lacks", "column", "table public.lacks has no column c; there are: id, a, b"),
                 ("nothing", "column", "there is no table nothing"),
                 ("keyless", "column", "table public.keyless has no primary key"),
                 ("keyless&key=n", "column", "CREATE UNIQUE INDEX ON \"public\".\"keyless\" (n)"),
                 ("looks", "column", "public.looks is a view"),
                 ("strict&where=no_such = 1", "column?model_version=&probability=", 'column "no_such" does not exist'),
                 ("strict", "column?model_version=&probability=", "table strict, constraint small"),
                 ("strict", "table:nowhere", 'CREATE TABLE "public"."nowhere" ("id" bigint')]
        for table, to, words in cases:
            with self.subTest(table=table):
                create = {"create": "true"} if table.startswith(("keyless", "looks")) else {}
                self.complains(run(**{"from": postgres.url(table), "to": to} | create), words)
        self.complains(run(**{"from": postgres.port_url("lacks"), "to": "column"}), "no password supplied")

    def test_passwords_are_where_libpq_looks_for_them(self):
        self.make("guarded", SOME)
        word = postgres.password_file()
        service = pathlib.Path(scratch.name) / "services"
        service.write_text(f"[scores]\nhost=127.0.0.1\nport={postgres.port}\nuser=outrigger\ndbname=outrigger\n")
        for name, value in {"url": postgres.port_url("guarded"), "service": "postgres:service=scores?table=guarded"}.items():
            with self.subTest(name):
                done = run({"PGPASSFILE": str(word), "PGSERVICEFILE": str(service)},
                           **{"from": value, "to": f"table:guarded_{name}", "create": "true"})
                self.is_done(done, SOME)
        with self.subTest("in the address, with what must be encoded there"):
            postgres.sql("CREATE ROLE blank LOGIN SUPERUSER PASSWORD 'a w@rd/secret'")
            where = f"postgresql://blank:a%20w%40rd%2Fsecret@127.0.0.1:{postgres.port}/outrigger?table=guarded"
            done = run(**{"from": where, "to": "table:guarded_blank", "create": "true"})
            self.is_done(done, SOME)
            self.assertEqual(postgres.sql("SELECT job FROM outrigger_rejects WHERE job LIKE '%secret%'"), [])
            wrong = run(**{"from": where.replace("%40", "@"), "to": "column"})
            self.complains(wrong, "the address cannot be read")
            self.assertNotIn("secret", wrong.stderr + wrong.stdout)

    def test_rows_come_from_elsewhere_and_go_elsewhere(self):
        self.make("here", SOME)
        output = pathlib.Path(scratch.name) / "out.csv"
        self.is_done(run(**{"from": postgres.url("here"), "to": f"csv:{output}", "batch_size": "64"}), SOME)
        lines = output.read_text().splitlines()
        self.assertEqual(len(lines), SOME + 1)
        rows = pathlib.Path(scratch.name) / "in.csv"
        rows.write_text("a,b,c,d\n" + "".join(f"{i},{i},1,1\n" for i in range(SOME)))
        job = {"from": f"csv:{rows}", "to": postgres.url("there", key="line"), "create": "true", "batch_size": "64"}
        self.is_done(run(**job), SOME)
        self.assertEqual(postgres.sql("SELECT count(*), sum(prediction), min(line), max(line) FROM there"),
                         [[str(SOME), str(SOME * (SOME + 1)), "1", str(SOME)]])
        self.is_done(run(**job), 0)
        with self.subTest("another database"):  # as it seems: it is reached in another way
            other = {"from": postgres.url("here"), "to": postgres.port_url("copied", key="their_id"), "create": "true",
                     "batch_size": "64"}
            word = {"PGPASSFILE": str(postgres.password_file())}
            self.assertEqual(run(word, **other, limit="100").returncode, 0)
            self.is_done(run(word, **other), SOME - 100)
            self.assertEqual(number("SELECT count(*) FROM copied JOIN here ON here.id::text = their_id "
                                    "WHERE prediction = a + b + c + d"), SOME)

    def test_a_dry_run_changes_nothing(self):
        self.make("untouched", SOME)
        done = subprocess.run([*arguments(**{"from": postgres.url("untouched"), "to": "column", "create": "true"}), "--dry-run"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(number("SELECT count(*) FROM information_schema.columns WHERE table_name = 'untouched'"), 6)
        self.assertEqual(number("SELECT sum(writes) FROM untouched"), 0)

    # ---- once, whatever dies ----

    def kill_now_and_then(self, job, seconds=0.4):
        """Kills the job at random moments and starts it again, until one has come to its end; returns how often. The first
        is killed before that: it takes half a second at least."""
        kills = 0
        while True:
            process = start(**job)
            try:
                process.wait(random.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                process.kill()
            done = finish(process)
            if done.returncode != -signal.SIGKILL:
                self.is_done(done, None)
                return kills
            kills += 1
            seconds += 0.05  # so that it ends on a slow machine, too

    def test_killed_at_any_moment(self):
        self.make("killed", ROWS)
        change("UPDATE killed SET c = 2000000 WHERE id % 1000 = 7;")
        kills = self.kill_now_and_then({"from": postgres.url("killed"), "to": "column", "create": "true", "batch_size": "100",
                                        "rate": str(2 * ROWS)})
        self.assertGreater(kills, 0)
        self.every_row_once("killed", ROWS - ROWS // 1000)
        self.assertEqual(number("SELECT count(*) FROM outrigger_rejects WHERE job LIKE '%table=killed%'"), ROWS // 1000)
        self.assertEqual(number("SELECT sum(writes) FROM killed"), ROWS - ROWS // 1000)

    def test_two_at_once(self):
        for to in ("column", "table:shared_scores"):
            with self.subTest(to=to):
                if to == "column":
                    self.make("shared", ROWS)
                job = {"from": postgres.url("shared"), "to": to, "batch_size": "100", "rate": str(ROWS)}
                run(**job | {"limit": "1", "create": "true"})
                both = [start(**job) for _ in range(2)]
                ended = [self.is_done(finish(process), None) for process in both]
                self.assertEqual(sum(end["scored"] for end in ended), ROWS - 1, ended)
        self.every_row_once("shared", ROWS)
        self.assertEqual(number("SELECT count(*) FROM shared_scores r JOIN shared USING (id) "
                                "WHERE r.prediction = a + b + c + d"), ROWS)

    def test_the_server_goes_away_and_comes_back(self):
        self.make("away", ROWS)
        job = start(**{"from": postgres.url("away"), "to": "column", "create": "true", "batch_size": "50", "rate": str(ROWS // 2)})
        for end in (postgres.crash, postgres.stop):
            stack.wait(lambda: job.poll() is not None or self.some_done("away"), "nothing is scored")
            self.assertIsNone(job.poll(), "it was too fast for this test")
            end()
            self.assertTrue(any("trying again" in line for line in job.stdout), "it has not noticed, and has ended")
            postgres.start()
        done = finish(job)
        self.is_done(done, ROWS)
        self.every_row_once("away", ROWS)

    def test_a_transaction_whose_number_another_got_after_a_crash_is_not_taken_for_done(self):
        self.make("renumbered", SOME)
        file = pathlib.Path(scratch.name) / "renumbered.csv"
        file.write_text("a,b,c,d\n" + "".join(f"{i},{2 * i},{3 * i + 2.5},{4 * i + 0.5}\n" for i in range(1, SOME + 1)))
        job = {"batch_size": "10", "lanes": "1"}
        ways = {"column": lambda url: {"from": url("renumbered"), "to": "column"},
                "position": lambda url: {"from": f"csv:{file}", "to": url("renumbered_scores")}}
        for name, places in ways.items():
            with self.subTest(name):
                between, numbers = Between(), []
                self.addCleanup(between.close)
                run(**job | places(between.url) | {"create": "true", "limit": "1"})

                def crash_and_give_its_number_away():
                    numbers.append(number("SELECT max(backend_xid::text::bigint) FROM pg_stat_activity "
                                          "WHERE application_name = 'outrigger-batch'"))
                    postgres.crash()
                    postgres.start()
                    while number("SELECT txid_current()") < numbers[0]:
                        pass

                between.then = crash_and_give_its_number_away
                self.is_done(run(**job | places(between.url)), SOME - 1)
                self.assertEqual(len(numbers), 1)
        self.every_row_once("renumbered", SOME)
        self.assertEqual(number("SELECT count(*) FROM renumbered_scores"), SOME)

    def test_it_ends_when_it_is_told_to_also_without_a_server(self):
        self.make("ended", ROWS)
        job = {"from": postgres.url("ended"), "to": "column", "create": "true", "batch_size": "50", "rate": str(ROWS // 2)}
        for down in (False, True):
            before = self.done("ended")
            process = start(**job)
            stack.wait(lambda: process.poll() is not None or self.done("ended") > before, "nothing is scored")
            if down:
                postgres.crash()
            process.terminate()
            ended = finish(process)
            self.assertEqual(ended.returncode, 5, ended.stderr)
        postgres.start()
        self.is_done(run(**job | {"rate": "0"}), None)
        self.every_row_once("ended", ROWS)

    @staticmethod
    def done(table):
        columns = number("SELECT count(*) FROM information_schema.columns "
                         f"WHERE table_name = '{table}' AND column_name = 'predicted_at'")
        return number(f"SELECT count(predicted_at) FROM {table}") if columns else 0

    @staticmethod
    def some_done(table):
        """A moment ago."""
        columns = number("SELECT count(*) FROM information_schema.columns "
                         f"WHERE table_name = '{table}' AND column_name = 'predicted_at'")
        return columns and number(f"SELECT count(*) FROM {table} WHERE predicted_at > now() - interval '0.2 s'") > 0

    def test_rows_that_somebody_holds_are_waited_for(self):
        self.make("held", SOME)
        run(**{"from": postgres.url("held"), "to": "column", "create": "true", "limit": "1"})
        other = subprocess.Popen([postgres.programs / "psql", "-Xqc", "BEGIN", "-c", "SELECT 1 FROM held WHERE id = 100 FOR UPDATE",
                                  "-c", "\\! cat", "-c", "COMMIT",
                                  f"host={postgres.home} port={postgres.port} user=outrigger dbname=outrigger"],
                                 stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            stack.wait(lambda: number("SELECT count(*) FROM pg_locks l WHERE l.relation = 'held'::regclass "
                                      "AND l.mode = 'RowShareLock'") > 0, "not held")
            job = start(**{"from": postgres.url("held"), "to": "column"})
            stack.wait(lambda: number("SELECT count(*) FROM held WHERE predicted_at IS NULL") == 1, "others wait, too")
            self.assertIsNone(job.poll())
        finally:
            other.stdin.close()
            other.wait(PATIENCE)
        self.is_done(finish(job), SOME - 1)
        self.every_row_once("held", SOME)


if __name__ == "__main__":
    unittest.main()
