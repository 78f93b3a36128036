# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a page, as PNG that says of which page it is: each version of a browser draws the same page differently."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path

from PIL import Image, PngImagePlugin
from selenium import webdriver

from .browser import show

# The keyword of the text in the file that has the fingerprint.
SOURCE = "Source"
SCALE = 1.5
# A page has few colours, and the shades between them at the edges of letters.
COLOURS = 96


def take(driver: webdriver.Chrome, page: Path, width: int, height: int, dark: bool) -> Image.Image:
    """Return a picture of the upper part of ``page``, in a window of ``width`` and ``height`` pixels; it has more of them."""
    show(driver, page, width, dark)
    metrics = {"width": width, "height": height, "deviceScaleFactor": SCALE, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    png = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")


def write(picture: Image.Image, file: Path, page: Path) -> None:
    """Write ``picture``, which shows ``page``, to ``file``."""
    text = PngImagePlugin.PngInfo()
    text.add_text(SOURCE, fingerprint(page))
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True, pnginfo=text)


def fingerprint(page: Path) -> str:
    """Return what differs as soon as ``page`` does."""
    return hashlib.sha256(page.read_bytes()).hexdigest()
