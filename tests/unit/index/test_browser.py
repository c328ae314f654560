"""The pages for people in a real browser, which knows best whether markup, style, script and policy go together."""

import html
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .samples import Wheel, metadata
from .test_server import Server, server  # noqa: F401  (a fixture)

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM and "CI" not in os.environ, reason="there is no chromium")

SUMMARY = """Forecasts <script>document.title = "taken over"</script> & more"""

README = """Text with `a_very_long_name_that_has_no_place_to_break_it.and_goes_on_and_on_and_on_until_it_ends()` in it.

| option | what it does | default |
|---|---|---|
| `--a-very-long-option-name` | something very long that needs room | `None_of_them_at_all` |

    a line of code that is longer than any screen is wide, and therefore has to scroll in a box of its own, always

<script>document.title = "taken over"</script> ![badge](https://badges.acme.example/x.svg)

<img src="x" onerror="document.title = 'taken over'"> <p style="color: red" onclick="x()">text</p>
"""


class Browser:
    """chromium without a window, new for each page."""

    def __init__(self, server: Server, profile: Path) -> None:  # noqa: F811
        self._server = server
        self._server_url = f"http://127.0.0.1:{server.port}"
        self._profile = profile

    def open(self, path: str) -> tuple[str, list[str]]:
        """The document after its scripts have run, and what the browser's console complains of."""
        return self._open(f"{self._server_url}{path}")

    def width(self, path: str, width: int) -> int:
        """Of the whole page on a screen of this width, which is a frame in a page of ours: windows are wider."""
        _, page = self._server.ask("GET", path)
        page = page.replace('="/assets/', f'="{self._server_url}/assets/').replace("<details", "<details open")
        wrapper = self._profile.with_name("wrapper.html")
        frame = f'<iframe srcdoc="{html.escape(page)}" style="width: {width}px; height: 9000px; border: 0"></iframe>'
        measure = "document.title = document.querySelector('iframe').contentDocument.documentElement.scrollWidth"
        script = f"<script>onload = () => {{ {measure} }}</script>"
        wrapper.write_text(f'<!doctype html><meta charset="utf-8"><title></title>{frame}{script}')
        document, _ = self._open(wrapper.as_uri())
        (measured,) = re.findall("<title>([0-9]+)</title>", document.partition("<iframe")[0])
        return int(measured)

    def _open(self, url: str) -> tuple[str, list[str]]:
        done = subprocess.run(
            [
                CHROMIUM or "chromium",
                *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"),
                *("--enable-logging=stderr", "--log-level=0", f"--user-data-dir={self._profile}"),
                url,
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout, re.findall(r"CONSOLE[^\]]*\] (.*)", done.stderr)


@pytest.fixture
def browser(server: Server, tmp_path: Path) -> Browser:  # noqa: F811
    fields = f"Summary: {SUMMARY}\nDescription-Content-Type: text/markdown\n"
    described = metadata("acme-tools", "1.0", fields) + f"\n# Forecasts\n\n{README}".encode()
    wheel = Wheel("acme_tools", "1.0", metadata=described)
    assert server.upload(wheel)[0] == 200
    return Browser(server, tmp_path / "profile")


@pytest.mark.parametrize(
    ("path", "buttons"), [("/", 5), ("/projects/acme-tools/", 7), ("/search?q=forecasts", 0), ("/projects/x/", 0)]
)
def test_the_pages_work_in_a_browser(browser: Browser, path: str, buttons: int) -> None:
    document, complaints = browser.open(path)
    # A style or script that is not there, not allowed or broken, and a script that should not be there.
    assert [said for said in complaints if "404" not in said or path != "/projects/x/"] == []
    # The script makes them: they are there if it came, was allowed and ran.
    assert document.count('<button type="button" aria-label="Copy ') == buttons
    assert "taken over" not in document.partition("</title>")[0]


def test_no_page_is_wider_than_the_screen(browser: Browser) -> None:
    """What does not fit scrolls in a box of its own."""
    for path in ("/", "/projects/acme-tools/", "/search?q=acme", "/projects/x/"):
        for width in (320, 800):
            assert browser.width(path, width) <= width, path
