# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Chromium, without a screen, as a person at a desk or with a phone would see a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver

from guests.prerequisites import install_packages

PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}
# Nothing is asked of anybody but the page itself; root has no sandbox.
SETTINGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
)


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """A browser; it is installed where there is none."""
    missing = [package for command, package in PACKAGES.items() if not shutil.which(command)]
    if missing:
        install_packages(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for setting in SETTINGS:
        options.add_argument(setting)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def show(driver: webdriver.Chrome, page: Path, width: int, dark: bool) -> None:
    """Have the browser show the file ``page`` in a window ``width`` pixels wide, of somebody who prefers light or dark ones."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    metrics = {"width": width, "height": 2 * width, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get(page.as_uri())
