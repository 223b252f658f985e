"""What the documents say that can be held against the rest: links lead somewhere, each alert has its section of the runbook,
and the commands and scripts that they name are there."""
import pathlib
import re
import subprocess
import unittest

from stack import BIN, ROOT

HANDBOOK = ROOT / "deploy/README.md"
RULES = ROOT / "conf/prometheus/outrigger-rules.yml"
PAGES = sorted(path for path in ROOT.glob("**/*.md") if "build" not in path.relative_to(ROOT).parts)


def anchors(page):
    """Of the page's headings, as a forge makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


class Documents(unittest.TestCase):
    def test_links_lead_somewhere(self):
        for page in PAGES:
            for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
                if re.match(r"\w+://|mailto:", target):
                    continue
                path, _, anchor = target.partition("#")
                there = (page.parent / path).resolve() if path else page
                self.assertTrue(there.exists(), f"{page.relative_to(ROOT)}: {target}")
                if anchor:
                    self.assertIn(anchor, anchors(there), f"{page.relative_to(ROOT)}: {target}")

    def test_each_alert_has_its_section(self):
        rules = RULES.read_text()
        alerts = re.findall(r"- alert: (\w+)$", rules, re.MULTILINE)
        runbooks = re.findall(r'runbook: "([^"]+)"', rules)
        self.assertEqual(runbooks, [f"deploy/README.md#{alert.lower()}" for alert in alerts])
        runbook = HANDBOOK.read_text().partition("\n## Runbook\n")[2].partition("\n## ")[0]
        self.assertEqual(sorted(re.findall(r"^### (\w+)$", runbook, re.MULTILINE)), sorted(set(alerts)))

    def test_the_handbook_names_what_there_is(self):
        """Commands, files, counters and parameters."""
        text = HANDBOOK.read_text()
        known = subprocess.run([BIN / "outrigger", "help"], stdout=subprocess.PIPE, text=True, check=True).stdout
        said = set(re.findall(r"(?:^    |`)outrigger ([a-z]+)", text, re.MULTILINE)) | {"status"}
        self.assertEqual({command for command in said if not re.search(rf"^ +{command}\b", known, re.MULTILINE)}, set())
        for path in re.findall(r"(?<![\w/.-])((?:deploy|tests|conf|common)/[\w/.-]*\w)", text):
            if not path.startswith(("deploy/kubernetes", "deploy/compose")):
                self.assertTrue((ROOT / path).exists(), path)
        metrics = (ROOT / "common/metrics.def").read_text() + RULES.read_text()
        for name in re.findall(r"\b(outrigger_[a-z]\w+|prediction\w+_total)", text):
            self.assertTrue(re.sub(r"_(bucket|sum|count)$", "", name) in metrics, name)
        parameters = (ROOT / "conf/outrigger.conf").read_text() + (ROOT / "conf/models.d/example.conf").read_text()
        for section, name in re.findall(
                r"`(frontend|broker|worker|collector|supervisor|auth|audit|limit|feedback|slo|idempotency|sandbox|signing|batching|scaling)\.(\w+)", text):
            self.assertTrue(re.search(rf"(?s)\b{section}\b.*\b{name}", parameters), f"{section}.{name}")


if __name__ == "__main__":
    unittest.main()
