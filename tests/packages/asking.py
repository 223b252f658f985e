"""Clients of a machine (tests/packages/run): asks the model digits-mlp of the web server there, over eight connections, until
its own input ends, and says how many answers there were, and which of them were wrong.

    asking.py KEY <ROW        a line: the row, as JSON, of a zero
"""
import http.client
import json
import sys

from load import JSON, Load


class Client:
    def __init__(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", timeout=30)

    def request(self, method, path, body, headers):
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response.status, response.headers, response.read()

    def close(self):
        self.connection.close()


class Machine:
    client = Client


class Zeros(Load):
    def __init__(self, key, row):
        super().__init__(Machine)
        self.headers, self.body = JSON | {"X-API-Key": key}, json.dumps({"features": row})

    def ask(self, client, number):
        status, _, body = client.request("POST", "/api/v1/models/digits-mlp/predict", self.body, self.headers)
        if status != 200 or json.loads(body).get("prediction") != 0:
            return status, body[:300]
        if self.answered == 0:
            print("they ask", flush=True)
        return None


with Zeros(sys.argv[1], json.loads(sys.stdin.readline())) as load:
    sys.stdin.read()
print(f"{load.answered} asked, {len(load.failures)} failed", *load.failures[:10], sep="\n")
sys.exit(bool(load.failures) or load.answered == 0)
