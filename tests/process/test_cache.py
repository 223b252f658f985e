"""A model whose answers are kept: who gets a kept one is told by Age, through every web server."""
import concurrent.futures
import json
import pathlib
import tempfile
import unittest

from stack import Stack, web_servers

JSON = {"Content-Type": "application/json"}
PATH = "/api/v1/models/sum/predict"
TOGETHER = 8
SLOW = [-1001, 300, 0, 0]  # backend_echo: a row that takes 300 ms


class Cache(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="outrigger-test.")
        self.addCleanup(scratch.cleanup)
        self.repository = pathlib.Path(scratch.name)
        self.repository.chmod(0o755)
        (self.repository / "sum" / "1").mkdir(parents=True)
        (self.repository / "sum" / "1" / "model.echo").write_text("features = 4;\n")
        (self.repository / "sum" / "model.conf").write_text("cache = { ttl_ms = 3600000; };\n")

    def ask(self, client, features):
        """Returns the prediction and the Age, None without one."""
        status, headers, body = client.request("POST", PATH, json.dumps({"features": features}), JSON)
        self.assertEqual(status, 200, body)
        age = headers.get("Age")
        return json.loads(body)["prediction"], age if age is None else int(age)

    def counts(self, stack, names):
        status, _, body = stack.request("GET", "/metrics")
        self.assertEqual(status, 200)
        values = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
        return [int(values.get(f'outrigger_cache_{name}_total{{model="sum"}}', 0)) for name in names]

    def through(self, web):
        with Stack(web=web, models=self.repository) as stack:
            self.assertEqual(self.ask(stack, [1, 2, 3, 4]), (10, None))
            prediction, age = self.ask(stack, [1, 2, 3, 4.0])
            self.assertEqual(prediction, 10)
            self.assertIsNotNone(age)
            self.assertEqual(self.ask(stack, [1, 2, 3, 5]), (11, None))
            stack.wait(lambda: self.ask(stack, [1, 2, 3, 4])[1] > age, "the answer does not grow older")
            self.assertEqual(stack.outrigger("reload").returncode, 0)
            stack.wait(lambda: self.ask(stack, [1, 2, 3, 5])[1] is None, "a reload keeps old answers")

    def test_age(self):
        for web in web_servers():
            with self.subTest(web=web):
                self.through(web)

    def test_identical_requests_are_computed_once(self):
        def ask_once(_):
            client = stack.client()
            try:
                return self.ask(client, SLOW)[0]
            finally:
                client.close()

        with Stack(web="nginx", models=self.repository) as stack:
            with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
                answers = list(pool.map(ask_once, range(TOGETHER)))
            self.assertEqual(answers, [sum(SLOW)] * TOGETHER)
            # Those that came too late to share the computation have got what it gave.
            stack.wait(lambda: sum(self.counts(stack, ["hits", "coalesced"])) == TOGETHER - 1,
                       "they were not counted")
            self.assertEqual(self.counts(stack, ["misses"]), [1])


if __name__ == "__main__":
    unittest.main()
