"""Chromium without a window, driven over a pipe by the DevTools protocol: nothing else is needed."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

WHERE = shutil.which("chromium")
WRONG = (
    "Runtime.exceptionThrown",
    "Runtime.consoleAPICalled",
    "Log.entryAdded",
    "Audits.issueAdded",
)


class Chromium:
    def __init__(self, folder: Path) -> None:
        assert WHERE
        self.said: list[str] = []
        """What its console and its issues said."""
        self._number, (read, theirs), (mine, write) = 0, os.pipe(), os.pipe()

        def wired() -> None:
            # 3 and 4 are what the browser reads and writes; both ends may be one of these now
            ends = os.dup(mine), os.dup(theirs)
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        more = "headless no-sandbox disable-gpu no-first-run remote-debugging-pipe disable-sync"
        more += " disable-background-networking disable-component-update"
        argv = [WHERE, *(f"--{one}" for one in more.split())]
        self._process = subprocess.Popen(
            [*argv, f"--user-data-dir={folder}"],
            preexec_fn=wired, close_fds=False,  # noqa: PLW1509  no other thread here
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        os.close(mine)
        os.close(theirs)
        self._in, self._out = os.fdopen(read, "rb", 0), os.fdopen(write, "wb", 0)
        self._session, self._rest = "", b""
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Audits", "Accessibility"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **params: Any) -> Any:
        """Ask, and return what came of it."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": params}
        asked |= {"sessionId": self._session} if self._session else {}
        self._out.write(json.dumps(asked).encode() + b"\0")
        while True:
            one = self._next()
            if one.get("id") == self._number:
                assert "error" not in one, one
                return one["result"]

    def _next(self) -> Any:
        while b"\0" not in self._rest:
            more = self._in.read(1 << 16)
            assert more, "the browser has gone"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        one = json.loads(line)
        if one.get("method") in WRONG:
            self.said.append(json.dumps(one["params"])[:600])
        return one

    def show(self, page: Path, width: int, height: int = 900, *, dark: bool = False) -> None:
        self.said.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self("Emulation.setEmulatedMedia", media="", features=[scheme])
        self("Page.navigate", url=page.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> Any:
        how = dict.fromkeys(("awaitPromise", "returnByValue", "userGesture"), True)
        done = self("Runtime.evaluate", expression=script, **how)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def key(self, name: str, code: int, text: str = "") -> None:
        about = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        self("Input.dispatchKeyEvent", type="keyDown", **about, **({"text": text} if text else {}))
        self("Input.dispatchKeyEvent", type="keyUp", **about)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
