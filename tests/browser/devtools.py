# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium driven over the DevTools protocol through a pair of pipes; standard library only.

Chromium's ``--remote-debugging-pipe`` reads commands on descriptor 3 and answers on descriptor 4, each message ended by
a zero byte. So there is no port, no WebSocket, and nothing left to connect to.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# Puts the two pipes where Chromium expects them, by way of numbers that are in nobody's way, and becomes Chromium.
_LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for place, end in enumerate(ends, 3):
    os.dup2(end, place)
    os.close(end)
os.execv(sys.argv[3], sys.argv[3:])
"""

_MIDDLE = """(selector) => {
    const element = document.querySelector(selector);
    element.scrollIntoView({ block: "center", behavior: "instant" });
    const box = element.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
}"""


class BrowserError(Exception):
    """Chromium is missing, died, did not answer, or refused a command."""


def find_chromium() -> str:
    """The path of the browser.

    Raises:
        BrowserError: it is not installed.
    """
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        raise BrowserError("Chromium is not on PATH: install it (Debian: apt-get install chromium), then run again.")
    return found


class Chromium:
    """A running Chromium, in which each page has a profile of its own.

    Args:
        timeout: seconds that it may take for an answer.
    """

    def __init__(self, timeout: float = 60.0) -> None:
        self._timeout = timeout
        self._stack = contextlib.ExitStack()
        self._number = 0
        self._buffer = b""
        self.pages: dict[str, list[dict[str, t.Any]]] = {}
        """The events of each page, by its session."""

    def __enter__(self) -> Chromium:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_details: object) -> None:
        with contextlib.suppress(BrowserError, OSError):
            self.send("Browser.close")
        self._stack.close()

    def _start(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="report-chromium-", ignore_cleanup_errors=True)
        profile = self._stack.enter_context(folder)
        commands_out, self._commands = os.pipe()
        self._answers, answers_in = os.pipe()
        launch = [sys.executable, "-c", _LAUNCH, str(commands_out), str(answers_in)]
        process = subprocess.Popen(
            [*launch, find_chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(commands_out, answers_in),
        )
        self._stack.callback(_end, process)
        for end in (commands_out, answers_in):
            os.close(end)
        for end in (self._commands, self._answers):
            self._stack.callback(os.close, end)

    def send(self, method: str, session: str | None = None, **params: t.Any) -> dict[str, t.Any]:
        """Send a command and wait for its answer; events that come first are kept."""
        number = self._write(method, session, params)
        deadline = time.monotonic() + self._timeout
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error'].get('message')}")
                return t.cast(dict[str, t.Any], answer["result"])
            self._event(answer)

    def wait_for(self, method: str, session: str | None) -> dict[str, t.Any]:
        """Wait for an event of a page that has not come yet."""
        deadline = time.monotonic() + self._timeout
        while True:
            message = self._receive(deadline)
            self._event(message)
            if message.get("method") == method and message.get("sessionId") == session:
                return t.cast(dict[str, t.Any], message["params"])

    def _write(self, method: str, session: str | None, params: dict[str, t.Any]) -> int:
        self._number += 1
        message: dict[str, t.Any] = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        return self._number

    def _event(self, message: dict[str, t.Any]) -> None:
        session = message.get("sessionId")
        if "method" in message and session in self.pages:
            self.pages[session].append(message)
        # A dialog blocks the page; it is on record in the events.
        if message.get("method") == "Page.javascriptDialogOpening":
            self._write("Page.handleJavaScriptDialog", session, {"accept": False})

    def _receive(self, deadline: float) -> dict[str, t.Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise BrowserError(f"Chromium did not answer within {self._timeout:.0f} s.")
            chunk = os.read(self._answers, 1 << 20)
            if not chunk:
                raise BrowserError("Chromium ended unexpectedly.")
            self._buffer += chunk
        message, _zero, self._buffer = self._buffer.partition(b"\0")
        return t.cast(dict[str, t.Any], json.loads(message))


class Page:
    """One tab, with everything that it logged, asked for and threw since it was opened.

    Args:
        chromium: in which it opens; without one, it starts its own.
    """

    def __init__(self, chromium: Chromium | None = None) -> None:
        self._stack = contextlib.ExitStack()
        self._given = chromium
        self._session: str | None = None
        self.events: list[dict[str, t.Any]] = []

    def __enter__(self) -> Page:
        try:
            self._chromium = self._given or self._stack.enter_context(Chromium())
            self._attach()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_details: object) -> None:
        self._stack.close()

    def _attach(self) -> None:
        profile = self._chromium.send("Target.createBrowserContext")["browserContextId"]
        self._stack.callback(self._leave, profile)
        target = self._chromium.send("Target.createTarget", url="about:blank", browserContextId=profile)["targetId"]
        session = self._chromium.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = session
        self._chromium.pages[session] = self.events
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Audits"):
            self.send(f"{domain}.enable")
        self.media()
        self.send(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    def _leave(self, profile: str) -> None:
        if self._session:
            del self._chromium.pages[self._session]
        with contextlib.suppress(BrowserError, OSError):
            self._chromium.send("Target.disposeBrowserContext", browserContextId=profile)

    # --- Protocol ---

    def send(self, method: str, **params: t.Any) -> dict[str, t.Any]:
        """Send a command and wait for its answer; events that come first are kept."""
        return self._chromium.send(method, self._session, **params)

    def wait_for(self, method: str) -> dict[str, t.Any]:
        """Wait for an event that has not come yet."""
        return self._chromium.wait_for(method, self._session)

    # --- What a person does ---

    def open(self, path: pathlib.Path) -> None:
        """Open a local file and wait until it is loaded."""
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> t.Any:
        """The value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = 10.0) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({expression})"):
            if time.monotonic() > end:
                raise BrowserError(f"This did not become true: {expression}")
            time.sleep(0.02)

    def click(self, selector: str) -> None:
        """A real mouse click in the middle of the first element that matches."""
        spot = self.evaluate(f"({_MIDDLE})({json.dumps(selector)})")
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left", clickCount=1)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release one key on whatever has the focus."""
        common: dict[str, t.Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, selector: str, text: str) -> None:
        """Focus a field, empty it, and type."""
        self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.focus(); e.select(); }})()"
        )
        self.send("Input.insertText", text=text)

    def choose(self, selector: str, label: str) -> None:
        """Choose the option with this label in a select box."""
        self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            f" const o = [...e.options].find((o) => o.label === {json.dumps(label)}); e.value = o.value;"
            " e.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def media(self, *, scheme: str = "light", kind: str = "") -> None:
        """Emulate a colour scheme and a medium (``print``)."""
        # A smooth scroll would still be on its way when the mouse clicks where it was.
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        features = [{"name": "prefers-color-scheme", "value": scheme}, still]
        self.send("Emulation.setEmulatedMedia", media=kind, features=features)

    def viewport(self, width: int, height: int, scale: float = 1) -> None:
        """Set the size of the window in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **metrics)

    def screenshot(self, path: pathlib.Path, *, whole_page: bool = False) -> None:
        """Save a PNG."""
        answer = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole_page)
        path.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self) -> bytes:
        """Print to PDF as the page asks for it."""
        return base64.b64decode(self.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])

    # --- What the page did ---

    def of_kind(self, method: str) -> list[dict[str, t.Any]]:
        """The parameters of all events of one kind so far."""
        return [event["params"] for event in self.events if event["method"] == method]

    def complaints(self) -> list[str]:
        """Exceptions, console output, log entries (blocked loads among them), policy violations and dialogs."""
        methods = (
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
            "Audits.issueAdded",
            "Page.javascriptDialogOpening",
        )
        return [json.dumps(params) for method in methods for params in self.of_kind(method)]

    def requests(self) -> list[str]:
        """Every address that the page asked for."""
        return [params["request"]["url"] for params in self.of_kind("Network.requestWillBeSent")]


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
