"""A headless Chromium, driven over its DevTools protocol: pages, what stands on them, and pictures."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One page of a browser; what it asked for is kept by address, and whether an answer came."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.asked: dict[str, str] = {}
        self.answered: set[str] = set()
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=120))
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Network.requestWillBeSent":
            self.asked[message["params"]["requestId"]] = message["params"]["request"]["url"]
        elif message.get("method") == "Network.responseReceived":
            self.answered.add(message["params"]["requestId"])

    def evaluate(self, script: str) -> Any:
        """The value of an expression on the page, awaited."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=url)

    def wait(self, script: str, *, seconds: float = 120) -> Any:
        """The value of an expression as soon as it is true; fails with what stands on the page when it never is."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(AssertionError):
                if value := self.evaluate(script):
                    return value
            time.sleep(0.25)
        raise AssertionError(f"never true: {script}\n{self.text()[:4000]}")

    def text(self) -> str:
        """What a reader sees as text."""
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def picture(self, file: Path) -> None:
        """What the window shows, as PNG."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def hosts_that_answered(self) -> set[str]:
        """Who was reached over the network, from this page's beginning on."""
        return {urlsplit(self.asked[request]).netloc for request in self.answered if request in self.asked} - {""}


@contextlib.contextmanager
def page(profile: Path, *, width: int = 1280, height: int = 2400) -> Iterator[Page]:
    """A page of a browser that knows no host but 127.0.0.1; the browser ends with it."""
    assert PROGRAM is not None, "the test needs Chromium"
    browser = subprocess.Popen(
        [
            PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--remote-debugging-port=0",
            f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank",
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        with connect(_address(profile, browser), max_size=None) as socket:
            yield Page(socket)
    finally:
        browser.terminate()
        try:
            browser.wait(20)
        except subprocess.TimeoutExpired:
            browser.kill()
            browser.wait()


def _address(profile: Path, browser: subprocess.Popen[bytes]) -> str:
    """Where the browser's first page is driven, once the browser says at which port."""
    import urllib.request

    until = time.monotonic() + 60
    while time.monotonic() < until and browser.poll() is None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            port = int((profile / "DevToolsActivePort").read_text().splitlines()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as answer:
                targets = [target for target in json.load(answer) if target["type"] == "page"]
            return str(targets[0]["webSocketDebuggerUrl"])
        time.sleep(0.2)
    raise AssertionError("Chromium did not begin")
