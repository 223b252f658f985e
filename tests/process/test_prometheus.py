"""What is in conf/prometheus and conf/grafana, in the real promtool and a real Prometheus that scrapes real servers: the
rules hold their cases, name only counters that there are, and each question of the dashboard has an answer.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

from expectations import held_out
from stack import PATIENCE, ROOT, Stack, free_port

PROMETHEUS = ROOT / "conf/prometheus"
CASES = sorted(path.name for path in PROMETHEUS.glob("*-test.yml"))
DASHBOARD = ROOT / "conf/grafana/outrigger.json"
MISSING = [name for name in ("promtool", "prometheus") if not shutil.which(name)]
OURS = re.compile(r"\b((?:outrigger_|model_|feature_|prediction)\w*[a-z0-9])(?:\{([^}]*)\})?")
ADDED = {"job", "instance"}  # by Prometheus


def rows():
    """{name of a sample: its labels}, of all that common/metrics.def and the collector show."""
    samples = {"outrigger_build_info": {"version"}}
    for kind, name, labels in re.findall(r'METRIC\(\w+, (\w+), "(\w+)", "([\w,]*)"', (ROOT / "common/metrics.def").read_text()):
        names = set(filter(None, labels.split(",")))
        if kind in ("HISTOGRAM", "SIZES"):
            samples.update({f"{name}_bucket": names | {"le"}, f"{name}_sum": names, f"{name}_count": names})
        else:
            samples[name] = names
    return samples


def expressions_of_rules():
    """(alert or record, expression) of the rules, read without a YAML library: promtool has checked the form."""
    text = (PROMETHEUS / "outrigger-rules.yml").read_text()
    found = re.findall(r"record: \"([\w:]+)\", expr: '(.*)'\}", text)
    found += [(name, one or many) for name, one, many in re.findall(
        r"- alert: (\w+)\n +expr: (?:'(.*)'|\|\n((?: {10}.*\n)+))", text)]
    assert len(found) == text.count("record:") + text.count("- alert:") > 40, len(found)
    return found


def expressions_of_dashboard():
    dashboard = json.loads(DASHBOARD.read_text())
    found = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return found + [(note["name"], note["expr"]) for note in dashboard["annotations"]["list"]]


def filled_in(expression):
    """As Grafana would send it, with All of each variable."""
    for variable, value in {"$__rate_interval": "5s", "$job": ".*", "$instance": ".*", "$model": ".*"}.items():
        expression = expression.replace(variable, value)
    return expression


class Files(unittest.TestCase):
    def promtool(self, *words):
        if MISSING:
            print("NOT TESTED, since not installed: prometheus, with promtool (package prometheus)", file=sys.stderr, flush=True)
            self.skipTest("no promtool")
        done = subprocess.run(["promtool", *words], cwd=PROMETHEUS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=PATIENCE * 4)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_promtool_takes_the_configuration_and_the_rules(self):
        self.promtool("check", "config", "prometheus.yml")
        self.promtool("check", "rules", "outrigger-rules.yml")

    def test_each_alert_fires_when_it_should_and_not_when_it_should_not(self):
        self.promtool("test", "rules", *CASES)
        cases = "".join((PROMETHEUS / name).read_text() for name in CASES)
        for alert in re.findall(r"- alert: (\w+)", (PROMETHEUS / "outrigger-rules.yml").read_text()):
            self.assertRegex(cases, rf"alertname: {alert}\n", f"{alert}: no case in which it fires")
            self.assertRegex(cases, rf"alertname: {alert}, .*exp_alerts: \[\]", f"{alert}: no case in which it does not")

    def test_rules_and_dashboard_name_only_what_there_is(self):
        samples = rows()
        recorded = {name for name, _ in expressions_of_rules() if ":" in name}
        for where, expression in expressions_of_rules() + expressions_of_dashboard():
            for name in re.findall(r"\boutrigger:[\w:]+", expression):
                self.assertIn(name, recorded, where)
            for name, matchers in OURS.findall(re.sub(r"\boutrigger:[\w:]+", "", expression)):
                if name in ("model", "predict"):    # a label, a call
                    continue
                self.assertIn(name, samples, where)
                labels = set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", matchers))
                self.assertLessEqual(labels, samples[name] | ADDED, f"{where}: {name}")

    def test_the_dashboard_is_laid_out_without_gaps_in_its_numbers_or_panels_on_panels(self):
        panels = json.loads(DASHBOARD.read_text())["panels"]
        self.assertEqual([panel["id"] for panel in panels], list(range(1, len(panels) + 1)))
        taken = set()
        for panel in panels:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            taken |= cells


class Prometheus:
    """A real one, that scrapes `target` each second."""

    def __init__(self, target):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-prometheus."))
        text = (PROMETHEUS / "prometheus.yml").read_text()
        assert '"127.0.0.1:9464"' in text and "scrape_interval: 15s" in text
        text = text.replace("127.0.0.1:9464", target).replace("scrape_interval: 15s", "scrape_interval: 1s\n  evaluation_interval: 1s")
        (self.directory / "prometheus.yml").write_text(text)
        shutil.copy(PROMETHEUS / "outrigger-rules.yml", self.directory)
        self.address = f"127.0.0.1:{free_port()}"
        self.log = open(self.directory / "log", "w+")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.directory}/prometheus.yml", f"--storage.tsdb.path={self.directory}/data",
             f"--web.listen-address={self.address}"], stdout=self.log, stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, path, **parameters):
        """The data of an answer; None while it is not there."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}",
                                        timeout=PATIENCE) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return None
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        except urllib.error.URLError:
            assert self.process.poll() is None, (self.directory / "log").read_text()
            return None

    def values(self, expression):
        """[(labels, number)]"""
        data = self.ask("query", query=expression)
        return [] if data is None else [(one["metric"], float(one["value"][1])) for one in data["result"]]


@unittest.skipIf(MISSING, "no Prometheus")
class Live(unittest.TestCase):
    HAVE_DATA = {"Availability, 1 h", "p99, 5 min", "Predictions a second", "Workers", "Requests by status", "Answers, all",
                 "Rows that wait", "Workers by state", "Resident memory", "CPU", "Share of the traffic", "p99, by version"}

    def test_a_real_prometheus_answers_each_question_of_the_dashboard(self):
        row = {"features": held_out("cancer-logistic").features[0]}
        with Stack(web="nginx") as stack, Prometheus(f"127.0.0.1:{stack.metrics_port}") as prometheus:
            sent = 0

            def send_until(condition, complaint):
                def sent_and_seen():
                    nonlocal sent
                    status, _, body = stack.request("POST", "/api/v1/models/cancer-logistic/predict", json.dumps(row),
                                                    {"Content-Type": "application/json"})
                    self.assertEqual(status, 200, body)
                    sent += 1
                    return condition()
                stack.wait(sent_and_seen, complaint)

            send_until(lambda: prometheus.values('up{job="outrigger"} == 1'), "Prometheus does not reach the collector")
            send_until(lambda: prometheus.values("rate(predictions_total[5s]) > 0"), "Prometheus sees no traffic")
            send_until(lambda: prometheus.values("outrigger:prediction_duration_seconds:p99_rate5m > 0"), "no rule is evaluated")
            total = 'sum(predictions_total{model="cancer-logistic"})'
            stack.wait(lambda: [value for _, value in prometheus.values(total)] == [sent], "Prometheus counts otherwise than we")
            for title, expression in expressions_of_dashboard():
                found = prometheus.values(filled_in(expression))
                if title in self.HAVE_DATA:
                    self.assertTrue(found, f"{title}: {expression}")
            rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
            self.assertEqual(len(rules), len(expressions_of_rules()))
            self.assertEqual({rule["health"] for rule in rules}, {"ok"}, [rule for rule in rules if rule["health"] != "ok"])
            self.assertEqual([rule["name"] for rule in rules if rule.get("state") == "firing"], [])


if __name__ == "__main__":
    unittest.main()
