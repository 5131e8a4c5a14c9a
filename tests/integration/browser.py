"""A headless Chromium for tests, driven over the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

T = TypeVar("T")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
START_SECONDS = 30.0
CALL_SECONDS = 30.0


def find_browser() -> str | None:
    """Path of a Chromium or Chrome; ``HYREC_BROWSER`` names another one."""
    return os.environ.get("HYREC_BROWSER") or next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Page:
    """A tab.

    Args:
        messages: Console messages and exceptions of the page.
        requests: Addresses that the page asked for.
    """

    _socket: aiohttp.ClientWebSocketResponse
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _last: int = 0
    _seen: set[str] = field(default_factory=set)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._last += 1
        number = self._last
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return await self._until(lambda m: m if m.get("id") == number else None)

    async def open(self, path: Path, *, width: int, height: int = 900, scheme: str = "light") -> None:
        """Load a file in a window of a size, with a preference for light or dark."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 700,
        )
        preference = {"name": "prefers-color-scheme", "value": scheme}
        await self.call("Emulation.setEmulatedMedia", media="", features=[preference])
        self._seen.discard("Page.loadEventFired")
        await self.call("Page.navigate", url=path.resolve().as_uri())
        if "Page.loadEventFired" not in self._seen:
            await self._until(lambda m: m if m.get("method") == "Page.loadEventFired" else None)

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer["result"]:
            raise AssertionError(f"{expression}: {answer['result']['exceptionDetails']}")
        return answer["result"]["result"].get("value")

    async def screenshot(self, target: Path) -> None:
        """Save a picture of the whole page."""
        answer = await self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        target.write_bytes(base64.b64decode(answer["result"]["data"]))

    async def _until(self, wanted: Callable[[dict[str, Any]], dict[str, Any] | None]) -> dict[str, Any]:
        while True:
            message = await self._socket.receive_json(timeout=CALL_SECONDS)
            self._note(message)
            if (found := wanted(message)) is not None:
                if "error" in found:
                    raise AssertionError(f"The browser refused: {found['error']}")
                return found

    def _note(self, message: dict[str, Any]) -> None:
        method, details = message.get("method", ""), message.get("params", {})
        self._seen.add(method)
        if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.messages.append(str(details))
        elif method == "Network.requestWillBeSent":
            self.requests.append(details["request"]["url"])


def browse(visit: Callable[[Page], Coroutine[Any, Any, T]]) -> T:
    """Start a browser, hand its tab to a function and return what that returns; the browser never outlives it."""
    program = find_browser()
    if program is None:
        raise FileNotFoundError("There is no Chromium on the path.")
    with tempfile.TemporaryDirectory(prefix="hyrec-browser-", ignore_cleanup_errors=True) as profile:
        log = Path(profile) / "log.txt"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [
                    program,
                    "--headless=new",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-quic",
                    "--disable-sync",
                    "--no-first-run",
                    "--hide-scrollbars",
                    "--remote-debugging-port=0",
                    f"--user-data-dir={profile}",
                    "about:blank",
                ],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        try:
            return asyncio.run(_visit(_address(log, process), visit))
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"DevTools listening on ws://([^/\s]+)/", log.read_text(errors="replace"))
        if found:
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"The browser did not start: {log.read_text(errors='replace')[-2000:]}")


async def _visit(address: str, visit: Callable[[Page], Coroutine[Any, Any, T]]) -> T:
    async with aiohttp.ClientSession(trust_env=False) as session:
        async with session.get(f"http://{address}/json/list") as answer:
            target = next(tab for tab in await answer.json() if tab["type"] == "page")
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            return await visit(Page(socket))
