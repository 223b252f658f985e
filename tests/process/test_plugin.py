"""A model in C that somebody writes who has nothing but what make install puts there: built, served, crashed, restarted."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

from stack import BUILD, ROOT, SANITIZED, Stack

JSON = {"Content-Type": "application/json"}
CRASH = 666
# Two inputs, the rows as a list and a limit; a file beside it is its memory. What is wrong with one row is wrong with all.
SOURCE = """
#include <outrigger/backend.h>
#include <signal.h>
#include <stdio.h>

static const struct outrigger_tensor inputs_told[] = {{"values", "FP32", 2, {-1, 2}}, {"limit", "INT64", 1, {-1}}};
static const struct outrigger_tensor outputs_told[] = {{"clipped", "FP64", 1, {-1}}, {"over", "BOOL", 2, {-1, 2}}};
static double scale, clipped[64];
static unsigned char over[64][2];
static int *volatile nowhere;

static void *open_model(const struct outrigger_options *options, struct outrigger_description *description,
                        char *error, size_t error_size)
{
    static const char *const known[] = {"file", NULL};
    char path[4096];
    const char *unknown = outrigger_unknown_setting(options, known);
    snprintf(path, sizeof path, "%s/%s", options->folder, outrigger_setting(options, "file", "missing"));
    FILE *file = fopen(path, "r");
    if (unknown != NULL || file == NULL || fscanf(file, "%lf", &scale) != 1) {
        snprintf(error, error_size, "settings.%s is wrong", unknown != NULL ? unknown : "file");
        return NULL;
    }
    fclose(file);
    signal(SIGSEGV, SIG_DFL); /* a sanitizer's build has a handler of its own */
    options->log(options->log_self, OUTRIGGER_LOG_WARNING, "here I am");
    *description = (struct outrigger_description){inputs_told, 2, outputs_told, 2, "clipper 1.0"};
    return &scale;
}

static int run(void *state, const struct outrigger_values *inputs, struct outrigger_values *outputs, char *error,
               size_t error_size)
{
    const float *value = inputs[0].data;
    const long long *limit = inputs[1].data;
    int64_t rows = inputs[0].shape[0];
    for (int64_t i = 0; i < rows; i++, value += 2) {
        if (value[0] == 666)
            *nowhere = 1;
        if (limit[i] < 0) {
            snprintf(error, error_size, "limit %lld is below 0", limit[i]);
            return 1;
        }
        clipped[i] = *(double *)state * (value[0] + value[1]);
        clipped[i] = clipped[i] > limit[i] ? limit[i] : clipped[i];
        for (int column = 0; column < 2; column++)
            over[i][column] = value[column] > limit[i];
    }
    outputs[0] = (struct outrigger_values){clipped, (size_t)rows * 8, 1, {rows}};
    outputs[1] = (struct outrigger_values){over, (size_t)rows * 2, 2, {rows, 2}};
    return 0;
}

static void close_model(void *state)
{
    (void)state;
}

const struct outrigger_plugin *outrigger_backend(uint32_t abi)
{
    static const struct outrigger_plugin plugin = {
        OUTRIGGER_PLUGIN_SIZES, .open = open_model, .run = run, .close = close_model};
    return abi == 1 ? &plugin : NULL;
}
"""


class Plugin(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-plugin."))
        self.addCleanup(shutil.rmtree, self.folder)
        self.folder.chmod(0o755)
        self.models = self.folder / "models"
        (self.models / "other/1").mkdir(parents=True)
        (self.models / "other/1/model.echo").write_text("features = 2;\n")

    def make(self, *arguments, folder=ROOT):
        """As a user does: nothing of ours is in the environment."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        done = subprocess.run(["make", "-C", folder, *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=kept | {"PKG_CONFIG_PATH": str(self.folder / "root/usr/share/pkgconfig")})
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def write_it(self):
        """From the installed files alone."""
        sanitizer = {"build/address-undefined": "address,undefined", "build/thread": "thread"}.get(BUILD, "")
        self.make("install", f"DESTDIR={self.folder / 'root'}", "PREFIX=/usr", f"SANITIZE={sanitizer}")
        here = self.folder / "clipper"
        shutil.copytree(self.folder / "root/usr/share/outrigger/plugin", here)
        (here / "model.c").write_text(SOURCE)
        (here / "model.conf").write_text('settings = { file = "scale.txt"; };\nfeatures = ("a", "b", "limit");\n')
        (here / "scale.txt").write_text("0.5\n")
        if not SANITIZED:   # whose worker wants to be told how to behave
            described = self.make("try", "FILES=scale.txt", f"WORKER={self.folder}/root/usr/bin/outrigger-worker", folder=here)
            self.assertIn('"platform":"clipper 1.0"', described)
        said = self.make("install", "FILES=scale.txt", f"MODELS={self.models}", folder=here)
        self.assertNotIn(str(ROOT), said)
        self.assertNotIn("warning:", said)

    def make_the_example(self):
        """As its first lines say, from the installed header."""
        (self.models / "mean/1").mkdir(parents=True)
        (self.models / "mean/model.conf").write_text("settings = { factor = 2; };\n")
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{self.folder}/root/usr/include",
                        "-o", self.models / "mean/1/model.so", self.folder / "root/usr/share/outrigger/example.c"], check=True)

    def test_the_source_tree_makes_one_as_well(self):
        self.make("plugin", "NAME=twice", f"DIR={self.folder / 'mine'}")
        self.assertTrue((self.folder / "mine/model.so").exists())
        if not SANITIZED:   # as below
            self.assertIn('"platform":"sum"', self.make("try", folder=self.folder / "mine"))
        self.make("install", f"MODELS={self.models}", folder=self.folder / "mine")
        self.assertTrue((self.models / "twice/1/model.so").exists())

    def ask(self, client, model, features, call="predict"):
        body = {"instances" if call == "batch-predict" else "features": features}
        status, _, content = client.request("POST", f"/api/v1/models/{model}/{call}", json.dumps(body), JSON)
        return status, json.loads(content)

    def serves(self, stack):
        status, answer = self.ask(stack, "clipper", {"a": 3, "b": 5, "limit": 10})
        self.assertEqual((status, answer["prediction"], answer["outputs"]), (200, 4.0, {"over": [False, False]}))
        status, answer = self.ask(stack, "clipper", [[3, 5, 4], [30, 1, 7]], "batch-predict")
        self.assertEqual((status, answer["predictions"], answer["outputs"]),
                         (200, [4.0, 7.0], {"over": [[False, True], [True, False]]}))
        self.assertEqual(self.ask(stack, "clipper", [3, 5, -1])[0], 500)
        for line in ("clipper: here I am", "the model could not compute a request: limit -1 is below 0"):
            stack.wait(lambda: line in stack.log.read_text(), f"the log does not say: {line}")

    def hammer(self, stack, model, features, stop, failures):
        client = stack.client()
        while not stop.is_set():
            try:
                status, answer = self.ask(client, model, features)
            except OSError as error:
                status, answer = 0, repr(error)
            if status != 200:
                failures.append((model, status, answer))
        client.close()

    def test_it_is_built_from_the_installed_header_served_crashed_and_restarted(self):
        self.write_it()
        self.make_the_example()
        with Stack(web="nginx", models=self.models) as stack:
            self.serves(stack)
            self.assertEqual(self.ask(stack, "mean", [1, 2, 3, 6])[1]["prediction"], 6.0)
            stop, failures = threading.Event(), []
            others = [threading.Thread(target=self.hammer, args=(stack, *asked, stop, failures))
                      for asked in (("clipper", [3, 5, 10]), ("other", [1, 2]))]
            for thread in others:
                thread.start()
            before = stack.pids("worker.clipper")
            status, answer = self.ask(stack, "clipper", [CRASH, 5, 10])
            self.assertEqual(status, 422, answer)    # alone, it has cost two workers their lives
            stack.wait(lambda: stack.serves() and stack.pids("worker.clipper") != before, "it is not restarted")
            self.assertIn("signal 11", stack.process("worker.clipper.1.1")["cause"])
            self.assertGreaterEqual(stack.process("worker.clipper.1.1")["restarts"], 2)
            stop.set()
            for thread in others:
                thread.join()
            self.assertEqual(failures, [])
            self.serves(stack)
