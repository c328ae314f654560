"""Debian's chromium without a window, in the network of a host: it goes where a browser on that host would."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")


class Browser:
    """One page, driven through the DevTools protocol over a pipe."""

    def __init__(self, container: str, profile: Path) -> None:
        asked = subprocess.run(
            ["docker", "inspect", "--format", "{{.State.Pid}}", container], check=True, capture_output=True, text=True
        )
        to_browser, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()
        options = (
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--no-proxy-server", "--window-size=1280,900", "--remote-debugging-pipe", f"--user-data-dir={profile}"),
        )
        # the protocol's pipes are descriptors 3 and 4
        start = f'exec nsenter --net=/proc/{asked.stdout.strip()}/ns/net "$@" 3<&{to_browser} 4>&{from_browser}'
        with (profile.parent / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", start, "browser", str(CHROMIUM), *options],
                pass_fds=(to_browser, from_browser),
                stdout=log,
                stderr=log,
            )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self._session = None
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._answers, 1 << 20)
            assert chunk, "the browser has ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def tell(self, method: str, **parameters: object) -> dict[str, Any]:
        """A command of the protocol, and its result."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while (message := self._message()).get("id") != self._number:
            pass
        assert "error" not in message, message
        return dict(message["result"])

    def open(self, address: str) -> None:
        self.tell("Page.navigate", url=address)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is in the page."""
        return self.tell("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 90) -> Any:
        """Wait until a JavaScript expression is true in the page."""
        end = time.monotonic() + seconds
        while not (value := self.value(expression)):
            assert time.monotonic() < end, (
                f"not within {seconds} s: {expression}\n{self.value('document.body.innerText')}"
            )
            time.sleep(0.1)
        return value

    def click(self, selector: str) -> None:
        """Click into the middle of the first element that fits."""
        box = f"document.querySelector({json.dumps(selector)})?.getBoundingClientRect()"
        x, y = self.wait_for(f"(box => box && box.width && [box.x + box.width / 2, box.y + box.height / 2])({box})")
        for kind in ("mousePressed", "mouseReleased"):
            self.tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def write(self, text: str) -> None:
        self.tell("Input.insertText", text=text)

    def shift_enter(self) -> None:
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "modifiers": 8}
        self.tell("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
        self.tell("Input.dispatchKeyEvent", type="keyUp", **key)

    def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"]))
