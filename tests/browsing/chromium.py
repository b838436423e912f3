"""A headless Chromium under remote control, as much of it as tests of pages need."""

import base64
import io
import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import matplotlib.image
import numpy as np
from PIL import Image

PATIENCE = 60
"""A page that shows nothing within so many seconds never will."""


def find_chromium():
    """Path of Debian's or another Chromium, None if there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


class Chromium:
    """A page in a browser of its own; closed when left."""

    def __init__(self, address, folder):
        self.address, self.folder, self._ids = address, Path(folder), itertools.count(1)

    def __enter__(self):
        from websockets.sync.client import connect

        options = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--mute-audio"]
        options += [
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
            "--disable-extensions",
        ]
        options += ["--window-size=1100,800", "--remote-debugging-port=0", "--no-first-run"]
        options += [f"--user-data-dir={self.folder / 'profile'}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen([find_chromium(), *options, self.address], **quiet)
        told = self.folder / "profile" / "DevToolsActivePort"
        self._until(lambda: told.exists() and told.read_text().count("\n"), "the browser starts")
        port = told.read_text().split()[0]
        targets = json.load(urlopen(f"http://127.0.0.1:{port}/json"))
        target = next(each for each in targets if each["type"] == "page")
        self._socket = connect(target["webSocketDebuggerUrl"], max_size=None)
        return self

    def __exit__(self, *_):
        self._socket.close()
        self._process.terminate()
        self._process.wait(20)

    def ask(self, method, **parameters):
        """One command of the DevTools protocol, and its result."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE))
            if answer.get("id") == number:
                return answer["result"]

    def evaluate(self, script):
        """Value of an expression in the page."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    def wait_for_text(self, text):
        """Until the page shows a text."""
        there = f"document.body && document.body.innerText.includes({json.dumps(text)})"
        self._until(lambda: self.evaluate(there), f"the page shows '{text}'")

    def press_in_slider(self, label, key):
        """Press a key in the slider behind a label."""
        focus = f"""(() => {{
            const slider = [...document.querySelectorAll('[role=slider]')].find(each => {{
                let node = each;
                for (let i = 0; i < 8 && node; i++, node = node.parentElement)
                    if (node.innerText && node.innerText.includes({json.dumps(label)}))
                        return node.querySelectorAll('[role=slider]').length === 1;
                return false;
            }});
            if (slider) slider.focus();
            return Boolean(slider);
        }})()"""
        self._until(lambda: self.evaluate(focus), f"there is a slider '{label}'")
        for kind in ("rawKeyDown", "keyUp"):
            code = {"End": 35, "Home": 36}[key]
            names = {"key": key, "code": key, "windowsVirtualKeyCode": code}
            self.ask("Input.dispatchKeyEvent", type=kind, **names)

    def screenshot(self):
        """What is seen, (H, W, 3), 0 to 255."""
        data = base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])
        return 255 * np.asarray(matplotlib.image.imread(io.BytesIO(data)))[..., :3]

    def settled(self):
        """`screenshot` once two in a row are equal: whatever was asked for is drawn."""
        seen = [self.screenshot()]

        def still():
            time.sleep(0.5)
            seen.append(self.screenshot())
            return np.array_equal(seen[-1], seen[-2])

        self._until(still, "the page stands still")
        return seen[-1]

    def keep(self, name):
        """Save what is seen as a picture of the documents; only where EQUIGRASP_SCREENSHOTS names a
        folder for it, as `make screenshots` does."""
        folder = os.environ.get("EQUIGRASP_SCREENSHOTS")
        if folder:
            self.evaluate("document.querySelector('.mantine-Notification-closeButton')?.click()")
            shot = Image.fromarray(self.settled().round().astype(np.uint8))
            few = shot.quantize(255, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            few.save(Path(folder) / f"{name}.png", optimize=True)

    @staticmethod
    def _until(condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"waited {PATIENCE} s until {what}"
            time.sleep(0.1)
