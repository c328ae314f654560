"""Pages in Debian's Chromium, driven by Playwright, for unit tests and scenarios."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(
    not CHROMIUM and "CI" not in os.environ, reason="Chromium is missing; demo/programs installs it"
)


@contextmanager
def open_page(
    directory: Path, *arguments: str, network_of: str = "", seconds: int = 60, **settings: Any
) -> Iterator[Page]:
    """A page in a new browser; a failure leaves a screenshot in `directory` and says where.

    arguments   further ones of Chromium
    network_of  a container: the browser reaches what a browser on that host would reach
    seconds     how long a step, or `expect`, may take
    settings    of the page: see playwright.sync_api.Browser.new_page
    """
    program = CHROMIUM or "chromium"
    if network_of:
        program = str(_in_network_of(network_of, program, directory))
    # one Playwright a page: while it is there, no other event loop can run in this thread
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-proxy-server", *arguments])
        page = browser.new_page(**settings)
        page.set_default_timeout(seconds * 1000)
        expect.set_options(timeout=seconds * 1000)
        try:
            yield page
        except BaseException as error:
            screenshot = directory / "page.png"
            page.screenshot(path=screenshot, full_page=True)
            error.add_note(f"The page at that moment: {screenshot}")
            raise
        finally:
            browser.close()


def complaints_of(page: Page) -> list[str]:
    """What the console of a page says from now on: what is missing, not allowed or broken."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


def _in_network_of(container: str, program: str, directory: Path) -> Path:
    """A program that starts the browser in the network of a container. Playwright's pipes are inherited."""
    command = ["docker", "inspect", "--format", "{{.State.Pid}}", container]
    process = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    start = directory / "chromium"
    start.write_text(f'#!/bin/sh\nexec nsenter --net=/proc/{process}/ns/net {program} "$@"\n')
    start.chmod(0o755)
    return start
