"""Database servers for tests: each in a folder and on a port of its own, run by a user without rights, stopped by its pid.

    with Postgres() as postgres:
        postgres.sql("CREATE TABLE t (id bigint PRIMARY KEY)")
        subprocess.run([..., postgres.url("t")])
        postgres.crash(); postgres.start()

What a server has acknowledged survives its crash, for the kernel goes on; the disk is waited for only where that is part
of what is measured (durable=True).
"""
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

from stack import PATIENCE, free_port

DATABASE = "outrigger"
OWNER = "outrigger"   # of the database; a superuser, with a password where it is asked for one
PASSWORD = "a word, with 'quotes'"


def postgres_folder():
    """The programs of the newest PostgreSQL that is installed; Debian keeps them out of PATH."""
    found = list(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return max(found, key=lambda path: int(re.match(r"\d*", path.parts[-3]).group() or 0)).parent
    program = shutil.which("postgres")
    if program is None:
        raise FileNotFoundError("PostgreSQL is not installed")
    return pathlib.Path(program).resolve().parent


def as_nobody():
    """What subprocess needs to start a program as a user without rights; nothing where we are one ourselves."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        except KeyError:
            pass
    raise LookupError("there is no user to run PostgreSQL as")


class Postgres:
    """On a Unix socket, which asks for no password, and on a port of 127.0.0.1, which does. settings: of postgresql.conf."""

    def __init__(self, durable=False, settings=None):
        self.programs, self.rights, self.process = postgres_folder(), as_nobody(), None
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-test."))
        self.directory.chmod(0o711)
        # Every file of the server lies below the one folder that belongs to its user.
        self.home = self.directory / "postgres"
        self.home.mkdir(0o755)
        self.data, self.log = self.home / "data", self.directory / "postgres.log"
        if self.rights:
            os.chown(self.home, self.rights["user"], self.rights["group"])
        self.settings = {"listen_addresses": "127.0.0.1", "port": str(self.port), "shared_buffers": "32MB",
                         "max_connections": "60", "timezone": "UTC", "log_min_messages": "warning",
                         "max_wal_size": "4GB", "autovacuum_naptime": "5s",
                         "fsync": "on" if durable else "off"} | (settings or {})
        try:
            self._make()
        except BaseException:
            self.remove()
            raise

    def _make(self):
        word = self.home / "password"
        word.write_text(PASSWORD + "\n")
        if self.rights:
            os.chown(word, self.rights["user"], self.rights["group"])
        self._run("initdb", "-D", self.data, "-U", OWNER, "--pwfile", word, "--auth-local=trust",
                  "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in self.settings.items())

    def _run(self, program, *arguments):
        subprocess.run([self.programs / program, *arguments], check=True, cwd=self.home, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, timeout=PATIENCE, **self.rights)

    # ---- life ----

    def start(self):
        """Returns when it takes connections; the database is there then."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.programs / "postgres", "-D", self.data, "-k", self.home], cwd=self.home,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            **self.rights)
        deadline = time.monotonic() + PATIENCE
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("PostgreSQL does not start:\n" + self.log.read_text(errors="replace")[-4000:])
            time.sleep(0.01)
        if not self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'", database="postgres"):
            self.sql(f"CREATE DATABASE {DATABASE}", database="postgres")
        return self

    def _ready(self):
        """As the server itself writes it down; a file of a life before names another pid."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def _end(self, number):
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(PATIENCE)
            self.process = None

    def stop(self):
        """Connections end, what they had begun is rolled back."""
        self._end(signal.SIGINT)

    def crash(self):
        """As after a loss of power, but for the disk: nothing is tidied up, the next start recovers."""
        self._end(signal.SIGQUIT)

    def remove(self):
        self.crash()
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- use ----

    def sql(self, statements, database=DATABASE):
        """Runs them, each in a transaction of its own; returns the rows of all, as lists of texts (NULL: an empty one)."""
        run = subprocess.run([self.programs / "psql", "-XqAt", "-F", "\x1f", "-R", "\x1e", "-v", "ON_ERROR_STOP=1", "-f", "-",
                              f"host={self.home} port={self.port} user={OWNER} dbname={database}"],
                             input=statements, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             timeout=10 * PATIENCE)
        if run.returncode != 0:
            raise AssertionError(f"psql: {run.stderr}\nin: {statements[:2000]}")
        return [row.split("\x1f") for row in run.stdout.removesuffix("\n").split("\x1e") if row]

    def url(self, table=None, **more):
        """Of the Unix socket, as the programs take it."""
        return self._url(f"postgresql://{OWNER}@/{DATABASE}?host={self.home}&port={self.port}", table, more)

    def port_url(self, table=None, **more):
        """Of the port, without the password."""
        return self._url(f"postgresql://{OWNER}@127.0.0.1:{self.port}/{DATABASE}?sslmode=disable", table, more)

    @staticmethod
    def _url(url, table, more):
        return url + "".join(f"&{name}={value}" for name, value in (({"table": table} if table else {}) | more).items())

    def password_file(self):
        """For PGPASSFILE; ours alone, else libpq does not read it."""
        path = self.directory / "pgpass"
        path.write_text(f"127.0.0.1:{self.port}:*:{OWNER}:" + re.sub(r"([:\\])", r"\\\1", PASSWORD) + "\n")
        path.chmod(0o600)
        return path

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *_):
        self.remove()
