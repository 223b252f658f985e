"""What clients have, against what the service says that it counted.

The rule: a frontend counts an answer just before it writes it, in a page that survives its kill -9. So every answer that
a client has is counted, whatever was killed; and nothing is counted twice, but a request whose frontend was killed
between the two, or while it was writing: the web server asked another one again, which counted, too. There are no more of
these than requests under way when a frontend was killed. Without such a kill both sides are equal.

SPDX-License-Identifier: MIT
"""
import collections
import re
import urllib.request

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def scrape(stack):
    """[(metric, labels, value)] of the collector's /metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics_port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = (SAMPLE.match(line) for line in lines if not line.startswith("#"))
    return [(match[1], dict(LABEL.findall(match[2] or "")), float(match[3])) for match in found]


class Truth:
    """`surplus`: how many may have been counted twice."""

    def __init__(self, tally, surplus):
        self.tally, self.surplus = tally, surplus
        self.differences = []
        self.counted = collections.Counter()
        self.doubles = 0

    def __str__(self):
        return ", ".join(f"{what} {count:,}" for what, count in sorted(self.counted.items())) + \
               (f" ({self.doubles} answers twice, {self.surplus} at most)" if self.surplus else " (exactly)")

    def holds(self, stack):
        """Looks once; True when both sides agree."""
        try:
            samples = scrape(stack)
        except (OSError, ValueError):
            return False
        self.counted, self.differences = collections.Counter(), []
        answers = collections.Counter()
        for metric, labels, value in samples:
            if metric == "outrigger_http_requests_total" and labels["call"] in ("predict", "batch_predict"):
                answers[labels["call"], int(labels["status"])] += int(value)
            elif metric == "predictions_total":
                self.counted["predictions"] += int(value)
            elif metric == "prediction_duration_seconds_count":
                self.counted["durations"] += int(value)
            elif metric == "prediction_errors_total":
                self.counted[f"errors {labels['kind']}"] += int(value)
        self.doubles = sum(answers.values()) - sum(self.tally.answers.values())
        for key in answers.keys() | self.tally.answers.keys():
            self._compare(f"{key[0]} {key[1]}", answers[key], self.tally.answers[key])
        good = sum(count for (_, status), count in self.tally.answers.items() if status == 200)
        self._compare("durations", self.counted["durations"], good)
        self._compare("predictions", self.counted["predictions"], self.tally.rows, most_rows=16)
        kinds = {what.removeprefix("errors ") for what in self.counted if what.startswith("errors ")}
        for kind in kinds | self.tally.errors.keys():  # also those that no client has seen
            self._compare(f"errors {kind}", self.counted[f"errors {kind}"], self.tally.errors[kind])
        return not self.differences

    def _compare(self, what, counted, seen, most_rows=1):
        self.counted[what] = counted
        if not seen <= counted <= seen + self.surplus * most_rows:
            self.differences.append(f"{what}: clients have {seen:,}, {counted:,} were counted" +
                                    (f", of which {self.surplus} may be doubles" if self.surplus else ""))
