"""A headless Chromium for one test, driven through the WebDriver protocol (W3C) with nothing but the standard library.

    with Browser() as browser:
        browser.open("http://127.0.0.1:8080/docs")
        browser.wait("return document.title !== ''")

Elements are found and used by script and by real key presses and clicks; whatever a page does takes its time, so tests
wait for what they expect. The browser talks to the loopback alone: names of other hosts are not even looked up.
"""
import base64
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = 120  # seconds; only ever used up when something is broken, also under a sanitizer on a busy machine
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # how the protocol calls a reference to an element
ENTER, TAB, ARROW_RIGHT = "\ue007", "\ue004", "\ue014"
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions",
         "--disable-features=Translate,OptimizationHints,MediaRouter,AutofillServerCommunication", "--metrics-recording-only",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--force-device-scale-factor=1", "--hide-scrollbars"]


def missing():
    """What is not installed; empty: there is a browser."""
    return [name for name in ("chromium", "chromedriver") if not shutil.which(name)]


class Browser:
    def __init__(self, width=1280, height=900):
        self.size = width, height
        self.process = self.session = self.directory = None

    # ---- start and end ----

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-test."))
        try:
            self._start_driver()
            self._start_session()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _start_driver(self):
        self.log = self.directory / "driver.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, env=os.environ | {"HOME": str(self.directory)})
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(r"started successfully on port (\d+)", self.log.read_text(errors="replace"))):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("chromedriver does not start: " + self.log.read_text(errors="replace"))
            time.sleep(0.02)
        self.port = int(found[1])

    def _start_session(self):
        options = {"args": [*FLAGS, f"--user-data-dir={self.directory}/profile", "--window-size=%d,%d" % self.size]}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "timeouts": {"script": PATIENCE * 1000, "pageLoad": PATIENCE * 1000}}}})
        self.session = f"/session/{answer['sessionId']}"

    def stop(self):
        if self.process and self.process.poll() is None:
            try:
                if self.session:
                    self._call("DELETE", self.session)
            except (OSError, AssertionError, http.client.HTTPException):
                pass  # it is killed below
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)  # chromedriver, and a Chromium that did not end
            except ProcessLookupError:
                pass
            self.process.wait()
        self._kill_left()
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.process = self.session = self.directory = None

    def _kill_left(self):
        """Chromium's processes that have a process group of their own: by the profile, which is ours alone."""
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if self.directory and str(self.directory).encode() in path.read_bytes():
                    os.kill(int(path.parent.name), signal.SIGKILL)
            except OSError:
                pass

    def _call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2 * PATIENCE)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            value = json.loads(response.read())["value"]
        finally:
            connection.close()
        if response.status != 200:
            raise AssertionError(f"{method} {path}: {value.get('error')}: {value.get('message', '')[:2000]}")
        return value

    # ---- pages ----

    def open(self, url):
        self._call("POST", self.session + "/url", {"url": url})

    def run(self, script, *arguments):
        """Runs the body of a function in the page; returns what it returns."""
        return self._call("POST", self.session + "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script, *arguments, complaint=None):
        """Until the script returns something true; returns that."""
        deadline = time.monotonic() + PATIENCE
        while not (value := self.run(script, *arguments)):
            if time.monotonic() > deadline:
                raise AssertionError((complaint or f"never true: {script}") + "\n" + self.run("return document.body.innerText")[:3000])
            time.sleep(0.02)
        return value

    def find(self, selector):
        """The element, when it is there and to be seen."""
        return self.wait("const e = document.querySelector(arguments[0]); return e && e.getClientRects().length > 0 ? e : null",
                         selector, complaint=f"{selector} is not to be seen")

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.textContent ?? null", selector)

    def click(self, selector):
        self._call("POST", f"{self.session}/element/{self.find(selector)[ELEMENT]}/click", {})

    def type(self, selector, text, clear=True):
        element = self.find(selector)[ELEMENT]
        if clear:
            self._call("POST", f"{self.session}/element/{element}/clear", {})
        self._call("POST", f"{self.session}/element/{element}/value", {"text": text})

    def press(self, *keys):
        """Keys to whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._call("POST", self.session + "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def choose(self, selector, value):
        self.find(selector)
        self.run("const e = document.querySelector(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input', "
                 "{bubbles: true})); e.dispatchEvent(new Event('change', {bubbles: true}))", selector, value)

    # ---- how it looks ----

    def emulate(self, width, height, dark=False, mobile=False):
        self._devtools("Emulation.setDeviceMetricsOverride",
                       {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile})
        self._devtools("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def send_along(self, **headers):
        """Headers of every request from now on; X_Name is X-Name."""
        self._devtools("Network.enable", {})
        self._devtools("Network.setExtraHTTPHeaders", {"headers": {name.replace("_", "-"): value for name, value in headers.items()}})

    def _devtools(self, command, parameters):
        return self._call("POST", self.session + "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path, whole=False):
        """The window, or all of the page."""
        picture = self._devtools("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        pathlib.Path(path).write_bytes(base64.b64decode(picture["data"]))

    # ---- what it did ----

    def complaints(self):
        """What the console says since the last call: errors and warnings, also those of the page's own policy."""
        entries = self._call("POST", self.session + "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def requested(self):
        """The addresses of all that the page has asked for since the last call."""
        entries = self._call("POST", self.session + "/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"]
