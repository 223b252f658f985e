"""The audit log of the real stack: every decision and every act, a chain that anybody can check, and what finds the hand
that changes it."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

from stack import BIN, ROOT, Stack

JSON = {"Content-Type": "application/json"}
ROW = [1.0, 2.0, 3.0, 4.0]


def chain_files(folder, process):
    """The files of a process, the oldest first."""
    numbered = [path for path in folder.iterdir() if re.fullmatch(re.escape(process) + r"\.log\.\d+", path.name)]
    return sorted(numbered, key=lambda path: int(path.suffix[1:])) + [folder / f"{process}.log"]


def check_chain(folder, process):
    """An own look at a chain, with nothing of ours: returns its lines."""
    lines, previous = [], None
    for path in chain_files(folder, process):
        text = path.read_bytes()
        assert text.endswith(b"\n"), f"{path} ends in the middle of a line"
        for number, line in enumerate(text.splitlines(), 1):
            entry = json.loads(line)
            digest = hashlib.sha256(line).hexdigest()
            if previous is None:
                assert entry["seq"] > 1 or entry["prev"] == "0" * 64, f"{path}:{number}"
            else:
                assert (entry["seq"], entry["prev"]) == (previous[0] + 1, previous[1]), f"{path}:{number}"
            previous = entry["seq"], digest
            lines.append(entry)
    return lines


def fastcgi_request(path, body, **parameters):
    """The records of one POST, as a web server sends them."""
    parameters = {"REQUEST_METHOD": "POST", "REQUEST_URI": path, "CONTENT_TYPE": "application/json",
                  "CONTENT_LENGTH": str(len(body)), "REMOTE_ADDR": "192.0.2.1", **parameters}
    pairs = b"".join(bytes([len(name), len(value)]) + name.encode() + value.encode()
                     for name, value in parameters.items())

    def record(kind, content):
        return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content
    return record(1, bytes([0, 1, 0, 0, 0, 0, 0, 0])) + record(4, pairs) + record(4, b"") + record(5, body) + \
        record(5, b"")


class Audit(unittest.TestCase):
    def stack(self, web="nginx", **settings):
        repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.addCleanup(shutil.rmtree, repository)
        for version in ("1", "2"):
            (repository / "sum" / version).mkdir(parents=True)
            (repository / "sum" / version / "model.echo").write_text("features = 4;\n")
        (repository / "sum" / "model.conf").write_text('version = "1";')
        settings = {name.replace("__", "."): value for name, value in settings.items()}
        return Stack(web=web, models=repository, settings={"frontend.processes": "1"} | settings)

    def predict(self, stack, row=None, headers=None):
        body = json.dumps({"features": ROW if row is None else row})
        status, head, answer = stack.request("POST", "/api/v1/models/sum/predict", body, JSON | (headers or {}))
        return status, head["X-Request-Id"], body, answer

    def lines(self, stack, process="frontend.1"):
        return check_chain(stack.directory / "state/audit", process)

    def wait_for_line(self, stack, name, value, process="frontend.1"):
        """The line whose member has that value; lines come within 100 ms."""
        found = []

        def look():
            folder = stack.directory / "state/audit"
            for path in chain_files(folder, process):
                for line in path.read_bytes().split(b"\n")[:-1]:
                    if json.loads(line).get(name) == value:
                        found.append(json.loads(line))
            return found
        stack.wait(look, f"no line says {name} = {value}")
        self.assertEqual(len(found), 1, found)
        return found[0]

    def verify(self, stack, *options, good=True):
        done = stack.outrigger("audit", "verify", "--json", *options)
        answer = json.loads(done.stdout)
        self.assertEqual((done.returncode, answer["ok"]), (0, True) if good else (1, False), done)
        return {entry["process"]: entry for entry in answer["processes"]}

    # ---- what is in it ----

    def test_a_request_has_a_line_that_says_who_what_and_what_came_of_it(self):
        with self.stack() as stack:
            status, identity, body, answer = self.predict(stack, headers={"X-API-Key": "s3cret-of-somebody"})
            self.assertEqual(status, 200)
            line = self.wait_for_line(stack, "request", identity)
            self.assertEqual({name: line[name] for name in ("event", "call", "model", "version", "rows", "status",
                                                            "decision", "bytes_in", "bytes_out", "address")},
                             {"event": "access", "call": "predict", "model": "sum", "version": "1", "rows": 1,
                              "status": 200, "decision": "granted", "bytes_in": len(body), "bytes_out": len(answer),
                              "address": "127.0.0.1"})
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            self.assertGreater(line["us"], 0)
            self.assertNotIn("payload", line)
            status, identity, _, _ = self.predict(stack, row=[1.0])
            self.assertEqual(status, 400)
            self.assertEqual(self.wait_for_line(stack, "request", identity)["kind"], "invalid")
            status, head, _ = stack.request("GET", '/no/such/"path"')
            line = self.wait_for_line(stack, "request", head["X-Request-Id"])
            self.assertEqual((line["call"], line["status"]), ("other", 404))
            stack.request("GET", "/health")
            _, identity, _, _ = self.predict(stack)
            self.wait_for_line(stack, "request", identity)
            self.assertEqual({line.get("call") for line in self.lines(stack)}, {None, "predict", "other"})
            self.verify(stack)
            self.assert_nowhere(stack, b"s3cret-of-somebody")

    def assert_nowhere(self, stack, secret):
        for path in (stack.directory / "state").rglob("*"):
            if path.is_file():
                self.assertNotIn(secret, path.read_bytes(), path)
        self.assertNotIn(secret, stack.log.read_bytes())

    def test_files_are_ours_alone(self):
        with self.stack() as stack:
            self.wait_for_line(stack, "request", self.predict(stack)[1])
            folder = stack.directory / "state/audit"
            self.assertEqual(folder.stat().st_mode & 0o777, 0o700)
            self.assertEqual({path.stat().st_mode & 0o777 for path in folder.iterdir()}, {0o600})
            flags = []
            for descriptor in pathlib.Path(f"/proc/{stack.pids('frontend')[0]}/fd").iterdir():
                if os.readlink(descriptor) == str(folder / "frontend.1.log"):
                    info = (descriptor.parent.parent / "fdinfo" / descriptor.name).read_text()
                    flags.append(int(re.search(r"flags:\s*(\d+)", info).group(1), 8))
            self.assertEqual([flag & (os.O_APPEND | os.O_ACCMODE) for flag in flags], [os.O_APPEND | os.O_WRONLY])

    def test_who_goes_before_the_answer_has_a_line_too(self):
        with self.stack(web=None) as stack:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(stack.socket)
            stack.kill("worker.sum.1.1", signal.SIGSTOP)
            connection.sendall(fastcgi_request("/api/v1/models/sum/predict", json.dumps({"features": ROW}).encode(),
                                               HTTP_X_REQUEST_ID="gone"))
            stack.wait(lambda: stack.control("broker.sock", {"command": "status"})["models"][0]["in_flight"] == 1,
                       "the request does not get to the worker")
            connection.close()
            line = self.wait_for_line(stack, "request", "gone")
            self.assertEqual((line["status"], line["model"], line["address"]), (499, "sum", "192.0.2.1"))
            stack.kill("worker.sum.1.1", signal.SIGCONT)

    def test_sampled_predictions_tell_their_payload(self):
        for payload in ("none", "hash", "full"):
            with self.subTest(payload=payload), \
                 self.stack(audit__access="none", audit__predictions_per_mille="500", audit__payload=payload) as stack:
                asked = [self.predict(stack, row=[float(i), 0, 0, 0]) for i in range(10)]
                self.wait_for_line(stack, "request", asked[8][1])
                lines = [line for line in self.lines(stack) if line["event"] == "prediction"]
                self.assertEqual([line["request"] for line in lines], [entry[1] for entry in asked[::2]])
                for line, (_, _, body, _) in zip(lines, asked[::2]):
                    self.assertEqual(line.get("payload_sha256"), None if payload == "none" else
                                     hashlib.sha256(body.encode()).hexdigest())
                    self.assertEqual(line.get("payload"), body if payload == "full" else None)
                self.verify(stack)

    def test_nothing_is_written_where_nothing_shall_be(self):
        for access in ("none", "refused"):
            with self.subTest(access=access), self.stack(audit__access=access) as stack:
                self.predict(stack)
                stack.outrigger("promote", "sum", "2", "--wait", "60s")
                lines = [line for process in self.verify(stack) for line in self.lines(stack, process)]
                self.assertEqual([line["act"] for line in lines if line["event"] != "file" and
                                  line.get("act") != "serving"], ["promote"])
                self.assertEqual((stack.directory / "state/audit/frontend.1.log").exists(), access == "refused")

    def test_an_act_is_on_the_disk_before_its_answer(self):
        with self.stack(web=None) as stack:
            done = stack.outrigger("promote", "sum", "2", "--wait", "60s")
            self.assertEqual(done.returncode, 0, done)
            act = [line for line in self.lines(stack, "supervisor") if line.get("act", "serving") != "serving"][-1]
            self.assertEqual((act["uid"], act["act"], act["model"], act["version"], act["done"]),
                             (os.geteuid(), "promote", "sum", "2", True))

    # ---- files ----

    def test_old_files_go_and_the_chain_goes_on(self):
        with self.stack(audit__max_bytes="4096", audit__keep="2") as stack:
            for _ in range(100):
                identity = self.predict(stack)[1]
            self.wait_for_line(stack, "request", identity)
            lines = self.lines(stack)
            self.assertEqual(len(chain_files(stack.directory / "state/audit", "frontend.1")), 3)
            self.assertGreater(lines[0]["seq"], 20)
            removed = [line for line in lines if line["event"] == "removed"][-1]
            self.assertEqual((removed["last_seq"] + 1, removed["digest"]), (lines[0]["seq"], lines[0]["prev"]))
            verdict = self.verify(stack)["frontend.1"]
            self.assertEqual((verdict["removed_to"], len(verdict["files"])), (lines[0]["seq"] - 1, 3))
            # An old file that somebody else takes away is a fault.
            victim = chain_files(stack.directory / "state/audit", "frontend.1")[0]
            victim.unlink()
            fault, = self.verify(stack, good=False)["frontend.1"]["faults"]
            self.assertEqual((fault["fault"], fault["line"]), ("missing", 1))

    def test_the_chain_goes_on_behind_a_killed_process(self):
        with self.stack() as stack:
            for _ in range(3):
                identity = self.predict(stack)[1]
                self.wait_for_line(stack, "request", identity)
                stack.kill("frontend.1")
                stack.wait(lambda: self.predict(stack)[0] == 200, "no frontend came back")
            self.wait_for_line(stack, "request", self.predict(stack)[1])
            self.assertEqual([line["event"] for line in self.lines(stack) if line["event"] in ("file", "start")],
                             ["file", "start", "start", "start"])
            self.verify(stack)
            stack.kill_supervisor()
            stack.wait(stack.serves, "the new supervisor does not serve")
            self.assertEqual([line["event"] for line in self.lines(stack, "supervisor") if line.get("act") != "serving"],
                             ["file", "start"])
            self.verify(stack)

    # ---- the hand that changes it ----

    def tampered(self, stack, change):
        """A copy of the folder with one file changed: a function of its lines. Returns the faults, as FILE:LINE and
        what it is."""
        copy = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-audit."))
        self.addCleanup(shutil.rmtree, copy)
        shutil.copytree(stack.directory / "state/audit", copy, dirs_exist_ok=True)
        path = copy / "frontend.1.log"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(change(lines)))
        faults = self.verify(stack, "--directory", copy, good=False)["frontend.1"]["faults"]
        text = stack.outrigger("audit", "verify", "--directory", copy)
        self.assertEqual(text.returncode, 1)
        for fault in faults:
            self.assertIn(f"{path}:{fault['line']}: ", text.stdout)
        return [(fault["line"], fault["fault"], fault["first_seq"], fault["last_seq"]) for fault in faults]

    def test_what_a_hand_does_to_it_is_found(self):
        with self.stack() as stack:
            for _ in range(20):
                identity = self.predict(stack)[1]
            self.wait_for_line(stack, "request", identity)
            count = len(self.lines(stack))
            head_file = stack.directory / "state/audit/frontend.1.head"
            stack.wait(lambda: json.loads(head_file.read_bytes())["seq"] == count, "the head stays behind")
            stack.kill("frontend.1", signal.SIGSTOP)  # nothing is added any more
            try:
                head = count
                for change, expected in (
                        (lambda lines: [*lines[:4], lines[4].replace(b'"status":200', b'"status":401'), *lines[5:]],
                         [(5, "changed", 5, 5)]),
                        (lambda lines: lines[:4] + lines[5:], [(5, "missing", 5, 5)]),
                        (lambda lines: lines[:4] + [lines[5], lines[4]] + lines[6:], [(6, "moved", 5, 5)]),
                        (lambda lines: lines[:5] + lines[4:], [(6, "repeated", 5, 5)]),
                        (lambda lines: lines[:4] + [b"x\n"] + lines[5:], [(5, "foreign", 0, 0)]),
                        (lambda lines: lines[:1], [(1, "cut off", 2, head)]),
                        (lambda lines: [], [(0, "cut off", 1, head)]),
                ):
                    self.assertEqual(self.tampered(stack, change), expected)
            finally:
                stack.kill("frontend.1", signal.SIGCONT)

    def test_a_head_that_is_gone_is_told(self):
        with self.stack() as stack:
            self.wait_for_line(stack, "request", self.predict(stack)[1])
            copy = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-audit."))
            self.addCleanup(shutil.rmtree, copy)
            shutil.copytree(stack.directory / "state/audit", copy, dirs_exist_ok=True)
            (copy / "frontend.1.head").unlink()
            self.assertTrue(self.verify(stack, "--directory", copy, good=False)["frontend.1"]["head_missing"])
            for name in ("none", copy / "none"):
                done = stack.outrigger("audit", "verify", "--directory", name)
                self.assertEqual((done.returncode, "No such file" in done.stderr), (1, True), done)

    # ---- looking ----

    def test_show_merges_the_processes_by_time(self):
        with self.stack() as stack:
            identities = [self.predict(stack)[1]]
            stack.outrigger("promote", "sum", "2", "--wait", "60s")
            identities.append(self.predict(stack)[1])
            self.wait_for_line(stack, "request", identities[1])
            stack.wait(lambda: any(line.get("act") == "serving" and line["version"] == "2" and line["stable"]
                                   for line in self.lines(stack, "supervisor")), "no line says that version 2 serves")
            lines = [json.loads(line) for line in stack.outrigger("audit", "show", "--json").stdout.splitlines()]
            self.assertEqual([line["time"] for line in lines], sorted(line["time"] for line in lines))
            self.assertEqual([(line["process"], line.get("act", line.get("request"))) for line in lines
                              if line["event"] != "file" and line.get("act") != "serving"],
                             [("frontend.1", identities[0]), ("supervisor", "promote"), ("frontend.1", identities[1])])
            text = stack.outrigger("audit", "--since", "1h").stdout
            self.assertIn(f"frontend.1 access request={identities[0]}", text)
            self.assertRegex(text, "model=sum version=2 digest=sha256:[0-9a-f]{64} rows=1 decision=granted status=200")
            since = lines[-1]["time"]
            self.assertEqual(len(stack.outrigger("audit", "show", "--since", since).stdout.splitlines()), 1)
            self.assertEqual(stack.outrigger("audit", "show", "--since", "2999-01-01").stdout, "")
            self.assertEqual(stack.outrigger("audit", "show", "--since", "yesterday").returncode, 2)

    def test_show_follows_over_files(self):
        with self.stack(audit__max_bytes="4096") as stack:
            self.wait_for_line(stack, "request", self.predict(stack)[1])
            follower = subprocess.Popen([BIN / "outrigger", "audit", "show", "--follow", "--json",
                                         *stack.arguments()], cwd=ROOT, text=True, stdout=subprocess.PIPE)
            try:
                identities = [self.predict(stack)[1] for _ in range(40)]
                seen = []
                while not seen or seen[-1].get("request") != identities[-1]:
                    seen.append(json.loads(follower.stdout.readline()))
                numbers = [line["seq"] for line in seen if line["process"] == "frontend.1"]
                self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
                self.assertGreater(len([line for line in seen if line["event"] == "file"]), 3)
            finally:
                follower.kill()
                follower.wait()
                follower.stdout.close()

    # ---- a full disk ----

    def small_disk(self):
        """A file system of 4 MB, for the state; None, and it is said, where none can be made."""
        directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-state."))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "none", directory],
                          stderr=subprocess.DEVNULL, check=False).returncode != 0:
            print("NOT TESTED, since nothing can be mounted: the audit log on a full disk", file=sys.stderr)
            return None
        self.addCleanup(subprocess.run, ["umount", "-l", directory], check=True)
        return directory

    def fill(self, disk):
        with open(disk / "filler", "wb", buffering=0) as file:
            try:
                for size in (65536, 1):
                    while file.write(bytes(size)):
                        if size == 1 and file.tell() % 4096 == 0:
                            break
            except OSError:
                pass
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def metric(self, stack, name):
        _, _, text = stack.request("GET", "/metrics")
        return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text.decode(), re.M))

    def test_a_full_disk_refuses_where_that_is_said(self):
        disk = self.small_disk()
        if disk is None:
            self.skipTest("nothing can be mounted")
        with self.stack(state_directory=str(disk), audit__when_full="refuse", audit__max_bytes="65536",
                        audit__keep="100") as stack:
            self.assertEqual(self.predict(stack)[0], 200)
            self.fill(disk)
            answers = []

            def refused():
                answers.append(self.predict(stack))
                return answers[-1][0] == 503
            stack.wait(refused, "it is not refused")
            self.assertEqual({answer[0] for answer in answers}, {200, 503})
            self.assertIn(b"cannot keep its records", answers[-1][3])
            self.assertEqual(stack.request("GET", "/health")[0], 200)
            stack.wait(lambda: "audit.when_full" in stack.outrigger("promote", "sum", "2", "--wait", "60s").stderr,
                       "an act is not refused")  # the first ones find room that was kept for them
            stack.wait(lambda: self.metric(stack, "outrigger_audit_refused_total") >= 2, "it is not counted")
            self.assertGreaterEqual(self.metric(stack, "outrigger_audit_full"), 1)
            self.assertIn("cannot be written: No space left", stack.log.read_text())
            (disk / "filler").unlink()
            stack.wait(lambda: self.predict(stack)[0] == 200, "it is still refused")
            self.assertEqual(stack.outrigger("promote", "sum", "2", "--wait", "60s").returncode, 0)
            stack.wait(lambda: any(line["event"] == "full" for line in check_chain(disk / "audit", "frontend.1")),
                       "the log does not tell of it")
            logged = {line.get("request") for line in check_chain(disk / "audit", "frontend.1")}
            self.assertLessEqual({answer[1] for answer in answers}, logged)  # whatever was answered is there
            self.verify(stack)

    def test_a_full_disk_stops_nobody_else(self):
        disk = self.small_disk()
        if disk is None:
            self.skipTest("nothing can be mounted")
        with self.stack(state_directory=str(disk)) as stack:
            self.assertEqual(self.predict(stack)[0], 200)
            self.fill(disk)
            answers = [self.predict(stack) for _ in range(20)]
            stack.wait(lambda: self.predict(stack)[0] == 200 and self.metric(stack, "outrigger_audit_full") >= 1,
                       "nobody tells that it is full")
            self.assertEqual({answer[0] for answer in answers}, {200})
            (disk / "filler").unlink()
            stack.wait(lambda: self.metric(stack, "outrigger_audit_full") == 0, "it stays full")
            self.wait_in(disk, stack, answers)
            self.verify(stack)

    def wait_in(self, disk, stack, answers):
        """Lines that had no room were kept in memory, and are written in the end."""
        stack.wait(lambda: {answer[1] for answer in answers} <=
                   {line.get("request") for line in check_chain(disk / "audit", "frontend.1")}, "lines are lost")


if __name__ == "__main__":
    unittest.main()
