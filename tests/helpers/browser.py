"""A headless Chromium that tests press keys in, by its DevTools over a pipe."""

import base64
import json
import os
import shutil
import subprocess

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATH = next(filter(None, map(shutil.which, BROWSERS)), None)

_CODES = {
    "ArrowLeft": 37,
    "ArrowRight": 39,
    "Enter": 13,
    "Tab": 9,
    "Escape": 27,
}


class Browser:
    """One tab.

    with Browser(folder) as tab:
        tab.open("file:///...")
        tab.press("k")
        tab.run("document.title")
    """

    def __init__(self, folder, width=1280, height=900, dark=False):
        """Starts it.

        Args:
            folder: where its profile and downloads are.
            width: of the window in pixels.
            height: likewise.
            dark: whether the reader prefers dark colours.
        """
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # DevTools are at the file descriptors 3 and 4.
        command = (
            f"exec 3<&{to_read} 4>&{to_write}; exec {PATH} --headless=new "
            "--no-sandbox --disable-gpu --hide-scrollbars --no-first-run "
            f"--remote-debugging-pipe --user-data-dir={folder}/profile "
            f"--window-size={width},{height} about:blank"
        )
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            pass_fds=(to_read, to_write),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._number, self._buffer, self._session = 0, b"", None
        self.folder = folder
        (target,) = [
            one
            for one in self._call("Target.getTargets")["targetInfos"]
            if one["type"] == "page"
        ]
        self._session = self._call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )["sessionId"]
        self._call("Page.enable")
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        if dark:
            feature = {"name": "prefers-color-scheme", "value": "dark"}
            self._call("Emulation.setEmulatedMedia", features=[feature])
        self._call(
            "Browser.setDownloadBehavior",
            behavior="allow",
            downloadPath=str(folder),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def open(self, url):
        """Opens a page and waits until it is there."""
        self._call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def run(self, script):
        """Returns the value of a JavaScript expression."""
        found = self._call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script, tries=200):
        """Waits until an expression is true."""
        for _ in range(tries):
            if self.run(script):
                return
            self.run("new Promise(done => setTimeout(done, 25))")
        raise AssertionError(f"never true: {script}")

    def press(self, *keys):
        """Presses keys, one after another."""
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = _CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
            event = {"key": key, "windowsVirtualKeyCode": code}
            self._call(
                "Input.dispatchKeyEvent",
                type="keyDown" if text else "rawKeyDown",
                **event,
                **({"text": text} if text else {}),
            )
            self._call("Input.dispatchKeyEvent", type="keyUp", **event)

    def screenshot(self, path):
        """Writes a PNG of the page, all of it."""
        found = self._call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def _call(self, method, **arguments):
        self._number += 1
        message = {"id": self._number, "method": method, "params": arguments}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._next())
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _next(self):
        while b"\0" not in self._buffer:
            more = os.read(self._read, 1 << 16)
            assert more, "the browser has ended"
            self._buffer += more
        message, self._buffer = self._buffer.split(b"\0", 1)
        return message
