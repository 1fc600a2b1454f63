"""A real browser without a screen: Debian's Chromium, driven by its own chromedriver."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

BINARIES = ("chromium", "chromedriver")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""It speaks to nobody but the page."""
CONTAINED = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
"""It runs as root, without a screen and with little shared memory, as in a container."""
PHONE = (390, 844)


def missing() -> list[str]:
    """What this machine lacks."""
    return [binary for binary in BINARIES if shutil.which(binary) is None]


@contextmanager
def browsing(folder: Path) -> Iterator[Chrome]:
    """A browser the size of a phone, for the block, that knows nothing of earlier visits."""
    options = ChromeOptions()
    options.binary_location = str(shutil.which(BINARIES[0]))
    for argument in (*CONTAINED, *QUIET, f"--user-data-dir={folder / 'browser'}"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={PHONE[0]},{PHONE[1]}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Both paths are given, so Selenium looks for nothing to download.
    browser = Chrome(options, ChromeService(str(shutil.which(BINARIES[1]))))
    try:
        yield browser
    finally:
        browser.quit()
