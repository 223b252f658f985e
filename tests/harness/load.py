"""Clients that ask without end while something happens, and many that ask at once."""
import json
import threading

JSON = {"Content-Type": "application/json"}
ROW = [1.0, 2.0, 3.0, 4.0]
PAUSE = 0.004  # seconds between two requests of a client: flat out they would take the processor from what they watch


def at_once(count, ask):
    """Calls it in so many threads, and waits for all."""
    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Load:
    """Clients that ask without end, each over its own connection, until they are told to stop: `with Load(...) as load`.
    Whoever is derived from this says what is asked; what was not answered right is in `failures`."""

    def __init__(self, stack, connections=8):
        self.stack, self.failures, self.answered = stack, [], 0
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(connections)]

    def ask(self, client, number):
        """Asks once; the number goes up. Returns what was wrong with the answer, or None."""
        raise NotImplementedError

    def run(self, number):
        client = self.stack.client()
        while not self.stopping.is_set():
            number += 1
            try:
                failure = self.ask(client, number)
            except (OSError, ValueError, KeyError) as error:
                failure = repr(error)
            with self.lock:
                self.answered += 1
                if failure is not None:
                    self.failures.append(failure)
            self.stopping.wait(PAUSE)
        client.close()

    def wait_for(self, answers):
        target = self.answered + answers
        self.stack.wait(lambda: self.answered >= target or self.failures, "the load does not go on")

    def end(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end()


class Sums(Load):
    """Of a model of the echo engine, whose answer is the sum of the row; `versions` are those that answered."""

    def __init__(self, stack, model="sum", connections=8, row=ROW):
        super().__init__(stack, connections)
        self.path, self.row, self.versions = f"/api/v1/models/{model}/predict", row, []

    def ask(self, client, number):
        status, _, body = client.request("POST", self.path, json.dumps({"features": self.row}), JSON)
        answer = json.loads(body) if status == 200 else {}
        if answer.get("prediction") != sum(self.row):
            return status, body[:300]
        self.versions.append(answer["model_version"])
        return None
