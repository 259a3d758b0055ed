"""A real headless Chromium, driven through the pipe of its DevTools protocol."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to look at the page with")
PATIENCE_S = 60.0


@contextlib.contextmanager
def browser(profile, *further):
    """Yields a `Browser` with an empty profile in the folder `profile`, and further options."""
    reads, they_write = os.pipe()
    they_read, writes = os.pipe()

    options = [
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--no-first-run", "--hide-scrollbars", "--autoplay-policy=no-user-gesture-required"),
        *("--disable-background-networking", "--remote-debugging-pipe", "--mute-audio"),
        f"--user-data-dir={profile}",
        *further,
    ]
    # DevTools listens on 3 and speaks on 4
    ends = ((they_read, 103), (they_write, 104), (103, 3), (104, 4))
    start = (
        f"import os, sys; [os.dup2(*pair) for pair in {ends}]; os.execv(sys.argv[1], sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", start, CHROMIUM, *options, "about:blank"],
        pass_fds=(they_read, they_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(they_read)
    os.close(they_write)
    try:
        opened = Browser(reads, writes)
        yield opened
        opened.send("Browser.close")
        process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()
        os.close(reads)
        os.close(writes)


class Browser:
    """One page of a browser, and what its console said."""

    def __init__(self, reads, writes):
        self._reads, self._writes = reads, writes
        self._rest, self._count, self._session = b"", 0, None
        self._events = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def open(self, url, *, width=1280, height=900, scheme="light", motion="no-preference"):
        """Loads a page in a window of that size, on a light or dark, lively or calm system."""
        self.resize(width, height)
        media = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.send("Emulation.setEmulatedMedia", features=media)
        self._events.clear()
        self.send("Page.navigate", url=url)
        self._wait(lambda: any(e["method"] == "Page.loadEventFired" for e in self._events))
        return self

    def wait_for(self, condition):
        """Waits until a JavaScript expression is true."""
        self.run(
            "new Promise((done) => { const look = () => "
            f"({condition}) ? done() : setTimeout(look, 20); look(); }})"
        )

    def resize(self, width, height):
        """Gives the window another size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)

    def run(self, script):
        """The value of a JavaScript expression; that of its promise if it is one."""
        answer = self.send(
            *("Runtime.evaluate",), expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def press(self, key, code, text=""):
        """Presses and lets go of a key."""
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=code, text=text)

    @property
    def complaints(self):
        """Errors and warnings of the console, exceptions of scripts."""
        found = []
        for event in self._events:
            params = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"])
            elif event["method"] == "Log.entryAdded":
                found.append(params["entry"])
            elif event["method"] == "Runtime.consoleAPICalled":
                found.append(params["args"])
        return found

    @property
    def errors(self):
        """Those of the complaints that are errors."""
        return [
            event["params"]
            for event in self._events
            if event["method"] == "Runtime.exceptionThrown"
            or event["params"].get("entry", {}).get("level") == "error"
            or (event["method"], event["params"].get("type"))
            == ("Runtime.consoleAPICalled", "error")
        ]

    @property
    def requests(self):
        """The addresses that the page asked for, other than those that hold their own data."""
        urls = [
            event["params"]["request"]["url"]
            for event in self._events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith("data:")]

    def screenshot(self, path, *, whole=True):
        """Writes a PNG of the page, or of what is seen of it."""
        image = self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(image))

    def send(self, method, **params):
        """Sends a command of the protocol and returns its result."""
        self._count += 1
        number = self._count
        command = {"id": number, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        content = json.dumps(command).encode() + b"\0"
        while content:
            content = content[os.write(self._writes, content) :]
        answers = []
        self._wait(lambda: answers, lambda m: m.get("id") == number and answers.append(m))
        if "error" in answers[0]:
            raise AssertionError(f"{method}: {answers[0]['error']}")
        return answers[0]["result"]

    def _wait(self, done, look=lambda message: None):
        patient_until = time.monotonic() + PATIENCE_S
        while not done():
            left = patient_until - time.monotonic()
            if left <= 0 or not select.select([self._reads], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            *messages, self._rest = (self._rest + os.read(self._reads, 1 << 16)).split(b"\0")
            for message in map(json.loads, messages):
                look(message)
                if "method" in message:
                    self._events.append(message)
