"""What the files of deploy/docker, deploy/compose and deploy/kubernetes name is there: metrics, ports, paths, sockets,
parameters, commands, Secrets. Whether they are what Kubernetes and Docker take say their own tools (README.md there)."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

from stack import BIN, PATIENCE, ROOT

KUBERNETES, COMPOSE, DOCKER = (ROOT / "deploy" / name for name in ("kubernetes", "compose", "docker"))
# What Prometheus makes of a histogram.
SERIES = re.compile(r"\b(outrigger_[a-z_]+?|predictions_total|prediction_[a-z_]+?)(?:_bucket|_sum|_count)?\b(?![-.\w]*:)")


def metrics():
    return set(re.findall(r'^METRIC\(\w+, \w+, "(\w+)"', (ROOT / "common/metrics.def").read_text(), re.MULTILINE))


def documents():
    """(path, document) of every YAML file."""
    for path in sorted([*KUBERNETES.rglob("*.yaml"), *COMPOSE.glob("*.yaml"), *COMPOSE.glob("*.yml")]):
        for document in yaml.safe_load_all(path.read_text()):
            yield path, document


def of_kind(kind):
    return [document for _, document in documents() if document.get("kind") == kind]


def setting(text, name):
    """The value of a parameter in a configuration of ours, as it is written there."""
    return re.search(rf'\b{name} = "?([^";]*)"?;', text).group(1)


class Deployment(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-deployment."))
        self.addCleanup(shutil.rmtree, self.directory)

    def test_metrics_exist(self):
        queries = [(path, trigger["metadata"]["query"]) for path, document in documents()
                   for trigger in document.get("spec", {}).get("triggers", [])]
        queries += [("hpa", metric["pods"]["metric"]["name"]) for document in of_kind("HorizontalPodAutoscaler")
                    for metric in document["spec"]["metrics"] if "pods" in metric]
        self.assertEqual(len(queries), 4)
        for path, query in queries:
            names = SERIES.findall(query)
            self.assertTrue(names, (path, query))
            self.assertLessEqual(set(names), metrics(), (path, query))

    def test_configurations_are_ones(self):
        """Parameters that there are, with values that they may have; `check` refuses the file for any other."""
        base, more = ((KUBERNETES / part).read_text() for part in ("base/outrigger.conf", "components/workers/more.conf"))
        include = '@include "/etc/outrigger/more.d/more.conf"'
        self.assertIn(include, base)
        texts = {"docker": (DOCKER / "outrigger.conf").read_text(), "compose": (COMPOSE / "outrigger.conf").read_text(),
                 "base": base.replace(include, (KUBERNETES / "base/more.conf").read_text()),
                 "workers": base.replace(include, more),
                 "worker": (KUBERNETES / "components/workers/outrigger.conf").read_text()}
        for name, text in texts.items():
            path = self.directory / f"{name}.conf"
            path.write_text(text)
            done = subprocess.run([BIN / "outrigger", "check", path, "-s", f"models_directory={self.directory}"], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
            self.assertNotRegex(done.stdout + done.stderr, rf"{re.escape(str(path))}:\d")     # a line of it
            self.assertIn("SOCKET", done.stdout, done.stderr)
        path.write_text("frontend: { sockte = 1; };")
        done = subprocess.run([BIN / "outrigger", "check", path], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=PATIENCE)
        self.assertIn(str(path), done.stderr)

    def test_ports_are_those_of_the_configuration(self):
        base, more = ((KUBERNETES / part).read_text() for part in ("base/outrigger.conf", "components/workers/more.conf"))
        ports = {port["name"]: port["containerPort"] for _, document in documents() if document.get("kind") == "Deployment"
                 for kind in ("initContainers", "containers") for container in document["spec"]["template"]["spec"].get(kind, [])
                 for port in container.get("ports", [])}
        self.assertEqual(ports, {"metrics": int(setting(base, "listen").rpartition(":")[2]),
                                 "workers": int(setting(more, "workers_tcp").rpartition(":")[2]),
                                 "http": int(re.search(r"listen (\d+);", (KUBERNETES / "base/nginx/nginx.conf").read_text())[1])})
        services = {document["metadata"]["name"]: document["spec"]["ports"] for document in of_kind("Service")}
        for port in (port for found in services.values() for port in found):
            self.assertIn(port["targetPort"], ports)
        host, _, port = setting((KUBERNETES / "components/workers/outrigger.conf").read_text(), "workers")[len("tcp://"):].partition(":")
        self.assertEqual([found["port"] for found in services[host]], [int(port)])
        compose = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
        target, = yaml.safe_load((COMPOSE / "prometheus.yml").read_text())["scrape_configs"][0]["static_configs"][0]["targets"]
        name, _, port = target.partition(":")
        self.assertIn(name, compose["services"])
        self.assertTrue(setting((COMPOSE / "outrigger.conf").read_text(), "listen").endswith(":" + port))
        self.assertIn(compose["services"]["redis"]["networks"]["back"]["ipv4_address"],
                      setting((COMPOSE / "outrigger.conf").read_text(), "redis"))

    def test_the_web_server_has_the_socket(self):
        """What is /run/outrigger to the web server, as its configuration has it, is the folder of frontend.socket to us."""
        pod = yaml.safe_load((KUBERNETES / "base/deployment.yaml").read_text())["spec"]["template"]["spec"]
        ours, theirs = ({mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
                        for container in (pod["initContainers"][0], pod["containers"][0]))
        socket = pathlib.Path(setting((KUBERNETES / "base/outrigger.conf").read_text(), "socket"))
        seen = pathlib.Path(theirs["web"]) / socket.relative_to(ours["web"])
        for name in ("outrigger.conf", "outrigger-upstream.conf"):
            self.assertEqual((KUBERNETES / "base/nginx" / name).read_text(), (ROOT / "conf/nginx" / name).read_text())
        self.assertIn(f"server unix:{seen} ", (ROOT / "conf/nginx/outrigger-upstream.conf").read_text())
        services = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
        self.assertIn(f"web:{seen.parent}", services["caddy"]["volumes"])
        self.assertIn(f":{seen}}}", (ROOT / "conf/caddy/outrigger.caddy").read_text())
        self.assertIn(f"web:{pathlib.Path(setting((COMPOSE / 'outrigger.conf').read_text(), 'socket')).parent}",
                      services["outrigger"]["volumes"])

    def test_commands_are_ones(self):
        """Probes and health checks: the program, its command and its options."""
        commands = [probe["exec"]["command"] for document in of_kind("Deployment")
                    for kind in ("initContainers", "containers") for container in document["spec"]["template"]["spec"].get(kind, [])
                    for name, probe in container.items() if name.endswith("Probe") and "exec" in probe]
        commands.append(yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]["outrigger"]["healthcheck"]["test"][1:])
        commands += [json.loads(found) for found in
                     re.findall(r"^\s*CMD (\[.*\])$", (DOCKER / "Containerfile").read_text(), re.MULTILINE) if "status" in found]
        self.assertEqual(len(commands), 4)
        (self.directory / "outrigger.conf").write_text(f'runtime_directory = "{self.directory}/run";')
        for command in commands:
            command = [str(self.directory / "outrigger.conf") if part == "/etc/outrigger/outrigger.conf" else part for part in command]
            done = subprocess.run([BIN / pathlib.Path(command[0]).name, *command[1:]], text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=PATIENCE)
            self.assertEqual(done.returncode, 3, done.stderr)   # nothing runs there

    def test_secrets_are_told_of(self):
        """Each Secret that is mounted, and each file of it, is in the page that says how they are made."""
        page = (KUBERNETES / "README.md").read_text()
        found = set(re.findall(r"secretName: ([\w-]+)|secretRef: \{name: ([\w-]+)\}|\{key: ([\w.]+),",
                               "".join(path.read_text() for path in KUBERNETES.rglob("*.yaml"))))
        names = {name for groups in found for name in groups if name}
        self.assertLessEqual({"outrigger-keys", "outrigger-curve", "outrigger-worker-curve", "broker.key_secret"}, names)
        for name in names:
            self.assertIn(name, page)

    def test_the_image_has_no_more_than_it_needs(self):
        ignored = (ROOT / ".dockerignore").read_text().split()
        self.assertLessEqual({".git", "build", "tests", "**/*.key_secret"}, set(ignored))
        last = (DOCKER / "Containerfile").read_text().rpartition("\nFROM ")[2]
        self.assertTrue(last.startswith("scratch AS outrigger\n"))
        self.assertRegex(last, r"\nUSER \d+:\d+\n")
        self.assertIn('ENTRYPOINT ["/usr/bin/outrigger"]', last)


if __name__ == "__main__":
    unittest.main()
