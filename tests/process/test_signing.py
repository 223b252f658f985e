"""Which files serve, and who has signed them: the digest is told everywhere alike, and where signing.keys names keys
nothing else is loaded than what one of them has signed.

tests/models/signed was signed by the tool of OpenSSF Model Signing itself (make_signed.py there); what else is signed here
is put together with nothing of ours.
"""
import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from expectations import held_out
from stack import BIN, PATIENCE, ROOT, Stack

JSON = {"Content-Type": "application/json"}
SIGNED = ROOT / "tests/models/signed"
IN_TOTO = "application/vnd.in-toto+json"
PYTHON_MODEL = """class Model:
    features = 4
    def load(self, directory):
        self.factor = float(open(directory + "/factor.txt").read())
    def predict(self, rows):
        return {"prediction": rows.sum(axis=1) * self.factor}
"""
# A plug-in that says so on stderr when it is being loaded, and waits for a file beside it.
SLOW_PLUGIN = """#include "%s/worker/plugin/model.c"
#include <unistd.h>
__attribute__((constructor)) static void wait_for_it(void)
{
    if (write(2, "waiting\\n", 8) == 8)
        while (access("%s/go", F_OK) != 0)
            usleep(1000);
}
"""


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and path != folder / "model.sig"}


def digest_of(folder):
    """As common/contents.h says it."""
    sums = b"".join(hashlib.sha256(text).hexdigest().encode() + b"  " + os.fsencode(name) + b"\0"
                    for name, text in sorted(files_of(folder).items(), key=lambda item: os.fsencode(item[0])))
    return "sha256:" + hashlib.sha256(sums).hexdigest()


def public(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def sign(folder, key):
    """As `model_signing sign key FOLDER --signature FOLDER/model.sig` does, with a key on P-256."""
    resources = [{"name": name, "algorithm": "sha256", "digest": hashlib.sha256(text).hexdigest()}
                 for name, text in sorted(files_of(folder).items())]
    subject = hashlib.sha256(b"".join(bytes.fromhex(resource["digest"]) for resource in resources)).hexdigest()
    payload = json.dumps({
        "_type": "https://in-toto.io/Statement/v1", "subject": [{"name": folder.name, "digest": {"sha256": subject}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"resources": resources, "serialization": {"method": "files", "hash_type": "sha256",
                                                                "allow_symlinks": False, "ignore_paths": ["model.sig"]}},
    }).encode()
    encoded = b"DSSEv1 %d %s %d %s" % (len(IN_TOTO), IN_TOTO.encode(), len(payload), payload)
    envelope = {"payload": base64.b64encode(payload).decode(), "payloadType": IN_TOTO,
                "signatures": [{"sig": base64.b64encode(key.sign(encoded, ec.ECDSA(hashes.SHA256()))).decode(), "keyid": ""}]}
    bundle = {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
              "verificationMaterial": {"publicKey": {"hint": hashlib.sha256(public(key)).hexdigest()}, "tlogEntries": []},
              "dsseEnvelope": envelope}
    arriving = folder.parent / f"{folder.name}.arriving"
    arriving.write_text(json.dumps(bundle))
    arriving.rename(folder / "model.sig")


class Signing(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        self.addCleanup(shutil.rmtree, self.folder)
        self.repository = self.folder / "models"
        self.key = ec.generate_private_key(ec.SECP256R1())
        (self.folder / "ours.pem").write_bytes(public(self.key))
        self.keys = f"{SIGNED / 'trusted.pem'}:{self.folder / 'ours.pem'}"
        shutil.copytree(SIGNED / "1", self.repository / "cancer/1")

    def add_python(self):
        folder = self.repository / "times/1"
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(PYTHON_MODEL)
        (folder / "factor.txt").write_text("2")
        sign(folder, self.key)
        return folder

    def add_version(self, number, key=None):
        """One that holds another file than the one before, signed with the key, if one is given."""
        folder = self.repository / f"cancer/{number}"
        arriving = self.folder / "arriving"
        shutil.copytree(SIGNED / "1", arriving, ignore=lambda *_: ["model.sig"])
        (arriving / "notes.txt").write_text(number)
        if key is not None:
            sign(arriving, key)
        arriving.rename(folder)
        return folder

    def stack(self, **settings):
        return Stack(web="nginx", models=self.repository, settings={name.replace("__", "."): value
                                                                    for name, value in settings.items()})

    def predict(self, stack, model, row):
        status, head, body = stack.request("POST", f"/api/v1/models/{model}/predict", json.dumps({"features": row}), JSON)
        self.assertEqual(status, 200, body)
        return head["X-Request-Id"], json.loads(body)

    def lines(self, stack, process):
        path = stack.directory / f"state/audit/{process}.log"
        return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]

    def version(self, stack, model, version):
        shown = json.loads(stack.outrigger("models", "show", model, "--json").stdout)["models"][0]
        return next((entry for entry in shown["versions"] if entry["version"] == version), {})

    # ---- the digest ----

    def test_the_digest_is_told_alike(self):
        folder = self.add_python()
        (folder / "sub").mkdir()
        (folder / "sub/.hidden").write_text("is part of it")
        wanted = {"cancer": digest_of(self.repository / "cancer/1"), "times": digest_of(folder)}
        with self.stack(audit__predictions_per_mille="1000", frontend__processes="1") as stack:
            ids = {"cancer": self.predict(stack, "cancer", held_out("cancer-logistic").features[0])[0],
                   "times": self.predict(stack, "times", [1, 2, 3, 4])[0]}
            for model, digest in wanted.items():
                with self.subTest(model):
                    said = json.loads(stack.request("GET", f"/api/v1/models/{model}")[2])
                    self.assertEqual([version["digest"] for version in said["versions"]], [digest])
                    said = json.loads(stack.request("GET", f"/v2/models/{model}/config")[2])
                    self.assertEqual(said["parameters"]["digest"]["string_value"], digest)
                    stack.wait(lambda m=model, d=digest: self.version(stack, m, "1").get("digest") == d,
                               "the supervisor does not know the digest")
                    self.assertIn(f"digest     1 {digest}\n", stack.outrigger("models", "show", model).stdout)
                    self.assertRegex(stack.outrigger("models").stdout, f"(?m)^{model} .* {digest[7:19]} *$")
                    stack.wait(lambda i=ids[model]: any(line.get("request") == i for line in self.lines(stack, "frontend.1")),
                               "the prediction has no line")
                    line, = [line for line in self.lines(stack, "frontend.1") if line.get("request") == ids[model]]
                    self.assertEqual((line["event"], line["model"], line["version"], line["digest"]),
                                     ("prediction", model, "1", digest))
                    self.assertIn((model, "1", digest, True),
                                  [(line["model"], line["version"], line["digest"], line["stable"])
                                   for line in self.lines(stack, "supervisor") if line.get("act") == "serving"])
            known = {(entry["model"], entry["digest"]) for entry in
                     stack.control("broker.sock", {"command": "status"})["models"]}
            self.assertEqual(known, set(wanted.items()))
            told = stack.outrigger("status", "--json").stdout
            for digest in wanted.values():
                self.assertIn(digest, told)
            done = stack.outrigger("models", "digest", str(folder))
            self.assertEqual((done.stdout, done.returncode), (wanted["times"] + "\n", 0))
            done = stack.outrigger("models", "digest", str(folder / "none"), "--json")
            self.assertEqual((done.returncode, "No such file" in json.loads(done.stdout)["error"]), (1, True))
            self.assertEqual(list(folder.rglob("__pycache__")), [])
            # Files inside a folder count, too: workers that have the new ones come while the old one is there.
            (folder / "more").mkdir()
            (folder / "more/notes.txt").write_text("new")
            stack.outrigger("models", "rescan")
            new = digest_of(folder)
            stack.wait(lambda: re.search(f"times 1: the files of worker \\d+ \\({new}\\) are others than those of the workers "
                                         f"before it \\({wanted['times']}\\)", stack.log.read_text()),
                       "the broker does not warn of workers with different files")

    # ---- signatures ----

    def expect_failed(self, stack, version, reason):
        """The version does not get ready for that reason; the one before it serves on."""
        stack.wait(lambda: self.version(stack, "cancer", version).get("state") == "failed",
                   f"version {version} has not failed")
        self.assertRegex(self.version(stack, "cancer", version)["reason"], reason)
        self.assertRegex(stack.outrigger("status").stdout, reason)
        self.assertRegex(stack.log.read_text(), reason)
        self.assertEqual(self.predict(stack, "cancer", held_out("cancer-logistic").features[0])[1]["model_version"], "1")

    def test_nothing_else_is_loaded_than_what_was_signed(self):
        self.add_python()
        stranger = ec.generate_private_key(ec.SECP256R1())
        (self.repository / "demo/1").mkdir(parents=True)
        (self.repository / "demo/1/model.echo").write_text("features = 4;\n")
        with self.stack(signing__keys=self.keys, signing__unsigned="demo") as stack:
            self.predict(stack, "demo", [1, 2, 3, 4])       # is let off
            self.assertEqual(self.predict(stack, "times", [1, 2, 3, 4])[1]["prediction"], 20)
            self.add_version("2")
            self.expect_failed(stack, "2", r"cancer/2: the model is not signed: expected model\.sig there")
            folder = self.add_version("3", stranger)
            self.expect_failed(stack, "3", r"cancer/3/model\.sig: is signed with a key that is not among the trusted ones")
            checked = stack.outrigger("check")
            self.assertEqual(checked.returncode, 1)
            self.assertIn("is signed with a key that is not among the trusted ones", checked.stderr)
            sign(folder, self.key)      # noticed as any change is
            stack.wait(lambda: self.version(stack, "cancer", "3").get("share") == 100, "version 3 does not serve")
            stack.wait(lambda: self.version(stack, "cancer", "3").get("digest") == digest_of(folder), "its digest is another")
            self.assertEqual(stack.outrigger("check").returncode, 0)

    def test_a_file_that_was_changed(self):
        folder = self.add_python()
        changed = self.repository / "cancer/1/vocabulary/words.txt"
        changed.write_text("malignant\nbenign\n")
        (folder / "numpy.py").write_text("raise SystemExit('nobody has signed this')")
        for model in ("cancer", "times"):
            (self.repository / model / "model.conf").write_text("required = false;")
        shutil.copytree(SIGNED / "1", self.repository / "good/1")
        with self.stack(signing__keys=self.keys) as stack:
            self.predict(stack, "good", held_out("cancer-logistic").features[0])
            stack.wait(lambda: self.version(stack, "cancer", "1").get("state") == "failed", "it is taken as it is")
            stack.wait(lambda: self.version(stack, "times", "1").get("state") == "failed", "it is taken as it is")
            self.assertRegex(self.version(stack, "cancer", "1")["reason"],
                             r"cancer/1/model\.sig: vocabulary/words\.txt is not the file that was signed: expected SHA-256 "
                             f"[0-9a-f]{{64}}, got {hashlib.sha256(changed.read_bytes()).hexdigest()}")
            self.assertRegex(self.version(stack, "times", "1")["reason"], r"times/1/model\.sig: numpy\.py was not signed")
            self.assertNotIn("nobody has signed this", stack.log.read_text())

    def test_a_file_that_changes_while_the_model_is_loaded(self):
        folder = self.repository / "slow/1"
        folder.mkdir(parents=True)
        source = self.folder / "slow.c"
        source.write_text(SLOW_PLUGIN % (ROOT, folder))
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", f"-I{ROOT / 'worker'}", "-o", folder / "model.so",
                        source], check=True)
        with subprocess.Popen([BIN / "outrigger-worker", "--describe", folder / "model.so", folder.parent], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as worker:
            self.addCleanup(worker.kill)
            self.assertEqual(worker.stderr.readline(), "waiting\n")
            (folder / "go").write_text("")
            _, said = worker.communicate(timeout=PATIENCE)
        self.assertEqual((said, worker.returncode),
                         (f"{folder}/go: was changed while the model was loaded\n", 1))


if __name__ == "__main__":
    unittest.main()
