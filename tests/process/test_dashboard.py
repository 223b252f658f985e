"""The page at /outrigger/ in a headless Chromium, behind a real web server: it shows what a live stack does, loads nothing
from elsewhere, fits a phone, asks for a key where one is wanted, says when the collector is away; and what it shows of the
past is still there after a kill -9 of the collector.
"""
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import unittest
import urllib.parse

from browser import ENTER, TAB, Browser, missing
from load import Sums
from stack import Stack


class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if missing():
            print(f"NOT TESTED: the page at /outrigger/: not installed: {', '.join(missing())}", file=sys.stderr, flush=True)
            raise unittest.SkipTest(f"{', '.join(missing())} not installed")
        repository = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-models."))
        cls.addClassCleanup(shutil.rmtree, repository)
        for version in ("1", "2"):
            (repository / "sum" / version).mkdir(parents=True)
            (repository / "sum" / version / "model.echo").write_text("features = 4;\n")
        (repository / "sum/model.conf").write_text('version = "1"; route = { arms = ( { version = "2"; percent = 25.0; } ); };')
        cls.stack = Stack(web="nginx", models=repository, settings={"collector.interval_ms": "200"})
        cls.stack.start()
        cls.addClassCleanup(cls.stack.stop)
        cls.browser = cls.enterClassContext(Browser())
        cls.base = f"http://127.0.0.1:{cls.stack.port}"

    def get(self, path, headers=None):
        status, _, body = self.stack.request("GET", path, headers=headers or {})
        return status, json.loads(body)

    def show(self, base=None):
        self.browser.open(f"{base or self.base}/outrigger/")
        self.browser.wait("return document.body.dataset.ready === 'yes'")

    def answered(self, since):
        """{second: requests answered in it}, as far as the history knows."""
        history = self.get(f"/outrigger/api/history?since={since}")[1]
        return {history["from"] + i: value for i, value in enumerate(history["ok"]) if value is not None}

    def test_a_live_stack(self):
        self.browser.emulate(1280, 900)
        self.browser.complaints(), self.browser.requested()
        self.show()
        with Sums(self.stack, connections=2) as load:
            load.wait_for(50)
            self.browser.wait("return document.getElementById('verdict').dataset.state === 'good' && "
                              "/^All is well: /.test(document.getElementById('headline').textContent)")
            self.browser.wait("return /^Requests answered.*: answered [1-9]/.test(document.querySelector('.chart').getAttribute('aria-label'))")
            self.assertEqual(self.browser.run("return document.querySelectorAll('#charts canvas').length"), 6)
            # Both versions, beside each other.
            self.browser.wait("return document.querySelectorAll('#models tbody tr').length === 2 && document.querySelectorAll('#models canvas').length === 3")
            processes = self.browser.text("#process-table")
            for name in ("broker", "collector", "frontend.1", "worker.sum.1.1", "worker.sum.2.1"):
                self.assertIn(name, processes)
            self.browser.click("#range label:nth-of-type(2)")
            self.browser.wait("return document.querySelector('#range input:checked').value === '1h'")
            self.browser.click("#theme")
            self.assertIn(self.browser.run("return document.documentElement.dataset.theme"), ("dark", "light"))
            self.assertEqual(load.failures, [])
        self.assertEqual(self.browser.complaints(), [])
        elsewhere = [url for url in self.browser.requested() if urllib.parse.urlsplit(url).netloc != f"127.0.0.1:{self.stack.port}"
                     and not url.startswith("data:")]
        self.assertEqual(elsewhere, [])
        # The collector's own listener has the same page.
        self.show(f"http://127.0.0.1:{self.stack.metrics_port}")
        self.assertEqual(self.browser.complaints(), [])

    def test_what_comes_late_is_not_shown(self):
        """An answer that is held up while somebody asks for another range."""
        self.browser.emulate(1280, 900)
        self.show()
        self.browser.run("""
            const live = document.getElementById('live'), real = window.fetch;
            window.said = [];
            new MutationObserver(() => said.push(live.textContent)).observe(live, { childList: true });
            window.fetch = async (path, options) => {
              const answer = await real(path, options);
              if (window.held || !String(path).includes('api/now')) return answer;
              const { time } = await answer.clone().json();
              const clock = new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
              await new Promise((release) => { window.held = { time, clock, release }; });
              return answer;
            };""")
        self.browser.wait("return window.held && Date.now() > held.time + 2000")
        self.browser.click("#range label:nth-of-type(2)")
        self.browser.wait("return said.length > 0")
        self.browser.run("const before = said.length; held.release(); window.enough = before + 2")
        self.browser.wait("return said.length >= window.enough")
        self.assertEqual(self.browser.run("return said.filter((text) => text.includes(held.clock))"), [])

    def test_every_width_in_the_dark_and_in_the_light(self):
        for width, dark in ((320, False), (390, True), (768, False), (1280, True), (1920, False)):
            with self.subTest(width=width, dark=dark):
                self.browser.emulate(width, 844, dark=dark, mobile=width < 600)
                self.addCleanup(self.browser.emulate, 1280, 900)
                self.show()
                self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth - innerWidth"), 0)
                red, green, blue = self.browser.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
                self.assertEqual(red + green + blue < 384, dark)

    def test_without_a_mouse(self):
        self.browser.emulate(1280, 900)
        self.show()
        seen = []
        while (focus := self.browser.run("const e = document.activeElement; return e.id || e.name || e.tagName")) not in seen:
            seen.append(focus)
            self.browser.press(TAB)
        for wanted in ("model", "range", "theme"):
            self.assertIn(wanted, seen)
        unnamed = self.browser.run("return [...document.querySelectorAll('input, select, button')].filter(e => !e.labels?.length && "
                                   "!e.getAttribute('aria-label') && !e.textContent).map(e => e.outerHTML)")
        self.assertEqual(unnamed, [])

    def test_the_past_survives_the_collector(self):
        since = self.get("/outrigger/api/now")[1]["newest"]
        # That second may not be over; what is counted comes in those behind it.
        self.stack.wait(lambda: self.get("/outrigger/api/now")[1]["newest"] > since, "the history stands still")
        with Sums(self.stack, connections=2) as load:
            load.wait_for(200)
        self.stack.wait(lambda: sum(self.answered(since + 1).values()) >= 0.99 * load.answered, "the history lags behind")
        newest = self.get("/outrigger/api/now")[1]["newest"]
        self.stack.wait(lambda: self.get("/outrigger/api/now")[1]["newest"] > newest + 1, "the history stands still")
        before = self.answered(since)
        newest = max(before)
        self.browser.emulate(1280, 900)
        self.show()
        pid = self.stack.kill("collector", signal.SIGSTOP)
        self.browser.wait("return !document.getElementById('away').hidden && /does not answer/.test(document.getElementById('away').textContent)")
        os.kill(pid, signal.SIGKILL)
        self.browser.wait("return document.getElementById('away').hidden")
        self.stack.wait(lambda: self.get("/outrigger/api/now")[1]["newest"] > newest + 1, "the history does not go on")
        after = self.answered(since)
        self.assertEqual({second: after.get(second) for second in before}, before)
        self.assertEqual({value for second, value in after.items() if second > newest}, {0})  # nobody has asked since
        self.browser.complaints()  # of the answers that did not come


class WithAKey(unittest.TestCase):
    def test_the_key_is_asked_for_and_stays_in_the_tab(self):
        if missing():
            self.skipTest("no browser")
        with Stack(web="nginx", models=["cancer-logistic"], settings={"auth.required": "true"}) as stack, Browser() as browser:
            made = stack.outrigger("key", "add", "eyes", "--scopes", "metrics")
            self.assertEqual(made.returncode, 0, made)
            browser.send_along(X_Forwarded_For="192.0.2.1")  # who is on the host itself needs no key
            key = next(word for word in made.stdout.split() if word.startswith("ork_"))
            browser.open(f"http://127.0.0.1:{stack.port}/outrigger/")
            browser.find("#auth")
            self.assertEqual(browser.run("return document.activeElement.id"), "key")
            browser.press(*"wrong", ENTER)
            browser.wait("return /not known/.test(document.getElementById('auth-wrong').textContent)")
            browser.type("#key", key)
            browser.press(ENTER)
            browser.wait("return document.body.dataset.ready === 'yes'")
            self.assertEqual(browser.run("return [sessionStorage.getItem('outrigger-key'), localStorage.length, document.cookie]"), [key, 0, ""])
            self.assertNotIn(key, browser.run("return location.href"))


if __name__ == "__main__":
    unittest.main()
