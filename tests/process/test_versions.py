"""Several versions of a model beside each other: what runs and why, how traffic moves, what the operator says, and what
appears in the repository while all goes on."""
import json
import os
import pathlib
import shutil
import tempfile
import unittest

from load import JSON, ROW, Sums
from stack import Stack

SWAPS = int(os.environ.get("OUTRIGGER_SWAPS", "10"))
SETTLE_MS = 300


def write_version(repository, model, version, text="", file="model.echo"):
    """As a careful deployment does it: elsewhere, then renamed into place."""
    aside = repository / f".{model}-{version}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    (aside / file).write_text(f"features = 4;\n{text}\n")
    (repository / model).mkdir(exist_ok=True)
    shutil.rmtree(repository / model / version, ignore_errors=True)
    aside.rename(repository / model / version)


class Versions(unittest.TestCase):
    def setUp(self):
        self.repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.addCleanup(shutil.rmtree, self.repository)
        write_version(self.repository, "sum", "1")

    def configure(self, text, model="sum"):
        (self.repository / model / "model.conf").write_text(text)

    def stack(self, web="nginx", **settings):
        return Stack(web=web, models=self.repository, settings={"supervisor.settle_ms": str(SETTLE_MS)} |
                     {name.replace("__", "."): value for name, value in settings.items()})

    def predict(self, stack, model="sum", version=None):
        path = f"/api/v1/models/{model}" + (f"/versions/{version}" if version else "") + "/predict"
        status, _, body = stack.request("POST", path, json.dumps({"features": ROW}), JSON)
        return status, json.loads(body)

    def answers(self, stack, model="sum", version=None):
        """The version that answers; None when none does."""
        status, answer = self.predict(stack, model, version)
        return answer["model_version"] if status == 200 else None

    def model(self, stack, name="sum"):
        return stack.control("supervisor.sock", {"command": "models", "model": name})["models"][0]

    def version(self, stack, version, model="sum"):
        return next((entry for entry in self.model(stack, model)["versions"] if entry["version"] == version), None)

    def running(self, stack, model="sum"):
        """{version: workers}."""
        return {entry["version"]: entry["workers"] for entry in self.model(stack, model)["versions"]
                if entry["state"] != "unloaded"}

    def ask(self, stack, command, **fields):
        """A verb that is followed to its end; returns the last progress."""
        answer = stack.control("supervisor.sock", {"command": command, **fields})
        self.assertIs(answer["ok"], True, answer)
        progress = {}

        def done():
            progress.update(stack.control("supervisor.sock", {"command": "progress", "id": answer["id"], "from": 0}))
            return progress["done"]
        stack.wait(done, f"{command} does not end")
        return progress

    def refused(self, stack, command, **fields):
        answer = stack.control("supervisor.sock", {"command": command, **fields})
        self.assertIs(answer["ok"], False, answer)
        return answer["error"]

    def said(self, stack):
        return json.loads((stack.directory / "state" / "deployments.json").read_text())["models"]

    # ---- what appears in the repository ----

    def test_versions_that_appear_take_the_traffic_under_load(self):
        """Nobody says anything: a folder comes, the traffic moves to it, not one request fails."""
        with self.stack() as stack, Sums(stack) as load:
            for version in map(str, range(2, SWAPS + 2)):
                write_version(self.repository, "sum", version)
                stack.wait(lambda version=version: load.versions[-1:] == [version] or load.failures,
                           f"no answer of {version}")
                previous = str(int(version) - 1)
                stack.wait(lambda version=version, previous=previous:
                           self.running(stack) == {previous: 1, version: 1}, f"more than {previous} and {version} run")
            load.wait_for(100)
        self.assertEqual(load.failures, [])
        self.assertEqual(set(load.versions), set(map(str, range(1, SWAPS + 2))))

    def test_a_copy_under_way_is_not_loaded(self):
        """Whoever writes has the file open; and when he has closed it the folder must be at rest."""
        with self.stack() as stack:
            directory = self.repository / "sum" / "2"
            directory.mkdir()
            with open(directory / "model.echo", "w", encoding="ascii") as copy:
                copy.write("features = 4;\n")
                copy.flush()
                stack.wait(lambda: (self.version(stack, "2") or {}).get("reason") == "it is still being written",
                           "the copy is not noticed")
                self.assertEqual(stack.control("supervisor.sock", {"command": "rescan"}), {"ok": True})
                self.assertEqual(self.running(stack), {"1": 1})
                copy.write("# the rest\n")
            stack.wait(lambda: self.answers(stack) == "2", "the whole copy does not serve")
            self.assertNotIn("worker.sum.2.1: exit", stack.log.read_text())

    def test_a_file_that_is_replaced_is_loaded_again(self):
        with self.stack() as stack, Sums(stack) as load:
            before, = stack.pids("worker.sum.1")
            load.wait_for(50)
            fresh = self.repository / "sum" / "1" / ".fresh"
            fresh.write_text("features = 4;\n# another\n")
            fresh.rename(self.repository / "sum" / "1" / "model.echo")
            stack.wait(lambda: stack.pids("worker.sum.1") not in ([], [before]) and len(stack.pids("worker.sum.1")) == 1,
                       "the new file is not loaded")
            load.wait_for(50)
        self.assertEqual(load.failures, [])

    def test_models_and_versions_that_go(self):
        write_version(self.repository, "sum", "2")
        write_version(self.repository, "more", "1")
        with self.stack() as stack:
            stack.wait(lambda: self.answers(stack) == "2" and self.answers(stack, "more") == "1", "not ready")
            shutil.rmtree(self.repository / "sum" / "2")
            stack.wait(lambda: self.running(stack) == {"1": 1} and self.answers(stack) == "1", "version 2 stays")
            shutil.rmtree(self.repository / "more")
            stack.wait(lambda: stack.pids("worker.more") == [] and self.predict(stack, "more")[0] == 404, "more stays")

    def test_without_watching_somebody_must_say_it(self):
        with self.stack(supervisor__watch="false") as stack:
            write_version(self.repository, "sum", "2")
            self.assertEqual([entry["version"] for entry in self.model(stack)["versions"]], ["1"])
            self.assertEqual(stack.outrigger("models", "rescan").returncode, 0)
            stack.wait(lambda: self.answers(stack) == "2", "version 2 does not serve")

    # ---- what is bad harms itself alone ----

    def test_bad_files_harm_nobody_else(self):
        """Rubbish, half a file, one that kills whoever reads it, and a model.conf that is wrong: all at once."""
        good = next(path for path in sorted((pathlib.Path(__file__).parent.parent / "models" / "repository")
                                            .glob("*/*/model.onnx"))).read_bytes()
        with self.stack(supervisor__storm_count="2") as stack, Sums(stack) as load:
            for name, content in (("rubbish", os.urandom(4096)), ("truncated", good[:len(good) // 2]), ("empty", b"")):
                directory = self.repository / f".{name}" / "1"
                directory.mkdir(parents=True)
                (directory / "model.onnx").write_bytes(content)
                (directory.parent / "model.conf").write_text("required = false;")
                directory.parent.rename(self.repository / name)
            write_version(self.repository, "sum", "2", 'start = "crash";')
            write_version(self.repository, "other", "1")
            (self.repository / "wrong").mkdir()
            self.configure("instances = many;", "wrong")
            stack.wait(lambda: self.answers(stack, "other") == "1", "a good model beside bad ones does not serve")
            for name in ("rubbish", "truncated", "empty"):
                stack.wait(lambda name=name: self.version(stack, "1", name)["state"] == "failed", f"{name} does not fail")
                self.assertIn(f"{name}/1/model.onnx", self.version(stack, "1", name)["reason"])
                self.assertEqual(self.predict(stack, name)[0], 503)
            stack.wait(lambda: self.version(stack, "2")["state"] == "failed", "version 2 does not fail")
            # What is wrong with one model holds up no other's next version.
            write_version(self.repository, "other", "2")
            stack.wait(lambda: self.answers(stack, "other") == "2", "another model is held up")
            self.assertEqual(self.model(stack)["stable"], "1")
            load.wait_for(50)
        self.assertEqual(load.failures, [])
        self.assertEqual(set(load.versions), {"1"})

    # ---- what the operator says ----

    def test_promote_and_roll_back(self):
        for version in ("2", "3"):
            write_version(self.repository, "sum", version)
        with self.stack() as stack, Sums(stack) as load:
            stack.wait(lambda: self.answers(stack) == "3", "3 does not serve")
            done = stack.outrigger("promote", "sum", "1")
            self.assertEqual((done.returncode, done.stdout.splitlines()[-1:]), (0, ["promoted"]), done.stderr)
            self.assertEqual(self.answers(stack), "1")
            self.assertEqual(self.running(stack), {"1": 1, "3": 1})  # the previous stays
            write_version(self.repository, "sum", "4")
            stack.wait(lambda: self.version(stack, "4") is not None, "4 is not noticed")
            self.assertEqual(self.answers(stack), "1")  # pinned
            old, = stack.pids("worker.sum.3")
            self.assertEqual(self.ask(stack, "rollback", model="sum").get("failure"), None)
            self.assertEqual(self.answers(stack), "3")
            self.assertEqual(stack.pids("worker.sum.3"), [old])  # it had run all the time
            self.assertEqual(self.ask(stack, "rollback", model="sum").get("failure"), None)
            self.assertEqual(self.answers(stack), "1")
            self.assertEqual(stack.outrigger("promote", "sum", "latest").returncode, 0)
            self.assertEqual(self.answers(stack), "4")
            self.assertIs(self.model(stack)["pinned"], False)
            self.assertIn("no version 9; it has 1, 2, 3, 4", self.refused(stack, "promote", model="sum", version="9"))
            self.assertIn("there is no model x", self.refused(stack, "promote", model="x", version="9"))
            load.wait_for(50)
        self.assertEqual(load.failures, [])

    def test_a_promotion_that_fails_leaves_all_as_it_was(self):
        self.configure('version = "1";')
        write_version(self.repository, "sum", "2", 'start = "fail";')
        with self.stack() as stack:
            done = stack.outrigger("promote", "sum", "2")
            self.assertEqual(done.returncode, 1)
            self.assertIn("version 2 of sum does not get ready, 1 stays: exit 1", done.stderr)
            self.assertIn("told to fail at start", done.stderr)
            stack.wait(lambda: self.running(stack) == {"1": 1}, "version 2 is still tried")
            self.assertEqual(self.answers(stack), "1")
            self.assertNotIn("stable", self.said(stack)["sum"])

    def test_load_and_unload(self):
        self.configure('version = "1";')
        write_version(self.repository, "sum", "2")
        with self.stack() as stack:
            self.assertIsNone(self.answers(stack, version="2"))
            self.assertEqual(stack.outrigger("models", "load", "sum", "2").returncode, 0)
            self.assertEqual(self.answers(stack, version="2"), "2")
            self.assertEqual(self.answers(stack), "1")
            pid, = stack.pids("worker.sum.2")
            self.assertEqual(stack.outrigger("models", "unload", "sum", "2").returncode, 0)
            self.assertFalse(os.path.exists(f"/proc/{pid}"))
            self.assertIn("takes the traffic", self.refused(stack, "unload", model="sum", version="1"))
            self.assertEqual(self.ask(stack, "unload", model="sum").get("failure"), None)
            self.assertEqual(stack.pids("worker"), [])
            self.assertEqual(self.predict(stack)[0], 503)
            self.assertEqual(self.ask(stack, "load", model="sum").get("failure"), None)
            self.assertEqual(self.answers(stack), "1")

    def test_reload_of_a_model(self):
        self.configure("instances = 2;")
        with self.stack() as stack, Sums(stack) as load:
            before = set(stack.pids("worker.sum"))
            self.assertEqual(stack.outrigger("models", "reload", "sum").returncode, 0)
            after = set(stack.pids("worker.sum"))
            self.assertEqual((len(after), after & before), (2, set()))
            load.wait_for(50)
        self.assertEqual(load.failures, [])

    def test_a_route_is_loaded_first_and_then_holds(self):
        self.configure('version = "1";')
        for version in ("2", "3"):
            write_version(self.repository, "sum", version)
        with self.stack() as stack:
            with Sums(stack) as load:
                done = stack.outrigger("route", "sum", "--canary", "2=50", "--shadow", "3=100")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(self.running(stack), {"1": 1, "2": 1, "3": 1})
                load.versions.clear()
                load.wait_for(200)
            self.assertEqual(load.failures, [])
            self.assertEqual(set(load.versions), {"1", "2"})
            shares = {entry["version"]: (entry["share"], entry["shadow"]) for entry in self.model(stack)["versions"]}
            self.assertEqual(shares, {"1": (50, False), "2": (50, False), "3": (0, True)})
            self.assertIn("the route of sum names version 2", self.refused(stack, "unload", model="sum", version="2"))
            self.assertIn("no version 9", stack.outrigger("route", "sum", "--canary", "9=50").stderr)
            self.assertEqual(stack.outrigger("route", "sum", "set", "{").returncode, 2)
            shown = json.loads(stack.outrigger("route", "sum", "--json").stdout)
            self.assertEqual((shown["stable"], shown["from"], shown["route"]["arms"]),
                             ("1", "operator", [{"version": "2", "percent": 50.0}]))
            self.assertEqual(stack.outrigger("route", "sum", "reset").returncode, 0)
            stack.wait(lambda: self.running(stack) == {"1": 1}, "versions of the old route run")
            self.assertNotIn("route", self.said(stack)["sum"])

    # ---- the supervisor itself ----

    def test_a_supervisor_that_dies_in_a_promotion_finishes_it(self):
        """At whatever moment it dies: the old version or the new one serves, and in the end the new one does."""
        self.configure('version = "1";')
        write_version(self.repository, "sum", "2")
        with self.stack() as stack, Sums(stack) as load:
            for index, target in enumerate(("2", "1", "2", "1")):
                load.wait_for(20)
                answer = stack.control("supervisor.sock", {"command": "promote", "model": "sum", "version": target})
                self.assertIs(answer["ok"], True, answer)
                if index % 2:  # not at once
                    stack.wait(lambda target=target: stack.pids(f"worker.sum.{target}"), "it is not started")
                stack.kill_supervisor()
                stack.wait(lambda target=target: self.model(stack)["stable"] == target and
                           self.answers(stack) == target, f"{target} does not take the traffic")
                load.wait_for(20)
        self.assertEqual(load.failures, [])

    def test_what_was_said_outlives_everything(self):
        self.configure("")
        write_version(self.repository, "sum", "2")
        stack = self.stack(web=None)
        with stack:
            self.assertEqual(self.ask(stack, "promote", model="sum", version="1").get("failure"), None)
            (stack.directory / "state" / "deployments.json").write_text("{", encoding="ascii")
            stack.kill_supervisor()
            stack.wait(lambda: (stack.directory / "state" / "deployments.json.broken").exists(), "it is not set aside")
            stack.wait(lambda: self.model(stack)["wanted"] == "2" and self.model(stack)["stable"] == "2",
                       "model.conf alone does not hold")


if __name__ == "__main__":
    unittest.main()
