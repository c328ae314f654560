"""The pages for people in a real browser, which knows best whether markup, style, script and policy go together."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import complaints_of, needs_chromium, open_page
from playwright.sync_api import expect

from .samples import PASSWORD, Wheel, basic, metadata
from .test_server import Server, server  # noqa: F401  (a fixture)

pytestmark = needs_chromium

SUMMARY = """Forecasts <script>document.title = "taken over"</script> & more"""

README = """Text with `a_very_long_name_that_has_no_place_to_break_it.and_goes_on_and_on_and_on_until_it_ends()` in it.

| option | what it does | default |
|---|---|---|
| `--a-very-long-option-name` | something very long that needs room | `None_of_them_at_all` |

    a line of code that is longer than any screen is wide, and therefore has to scroll in a box of its own, always

<script>document.title = "taken over"</script> ![badge](https://badges.acme.example/x.svg)

<img src="x" onerror="document.title = 'taken over'"> <p style="color: red" onclick="x()">text</p>
"""


@pytest.fixture
def address(server: Server) -> str:  # noqa: F811
    """Of an index with a project whose description tries everything."""
    fields = f"Summary: {SUMMARY}\nDescription-Content-Type: text/markdown\n"
    described = metadata("acme-tools", "1.0", fields) + f"\n# Forecasts\n\n{README}".encode()
    wheel = Wheel("acme_tools", "1.0", metadata=described)
    assert server.upload(wheel)[0] == 200
    return f"http://127.0.0.1:{server.port}"


BUTTONS = {"/": 5, "/projects/acme-tools/": 7, "/search?q=forecasts": 0, "/projects/x/": 0}


def test_the_pages_work_in_a_browser(address: str, tmp_path: Path) -> None:
    """The script makes the buttons that copy: they are there if it came, was allowed and ran."""
    with open_page(tmp_path) as page:
        complaints = complaints_of(page)
        for path, buttons in BUTTONS.items():
            complaints.clear()
            page.goto(address + path)
            # A style or script that is not there, not allowed or broken, and a script that should not be there.
            assert [said for said in complaints if "404" not in said or path != "/projects/x/"] == [], path
            assert page.locator('button[type="button"][aria-label^="Copy "]').count() == buttons, path
            assert "taken over" not in page.title(), path


def test_no_page_is_wider_than_the_screen(address: str, tmp_path: Path) -> None:
    """What does not fit scrolls in a box of its own."""
    with open_page(tmp_path) as page:
        for path in ("/", "/projects/acme-tools/", "/search?q=acme", "/projects/x/"):
            for width in (320, 800):
                page.set_viewport_size({"width": width, "height": 900})
                page.goto(address + path)
                page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
                assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_a_token_is_made_and_revoked(
    server: Server,  # noqa: F811
    configure: Callable[..., None],
    tmp_path: Path,
) -> None:
    """With the headers that a browser sends by itself, which the program asks for."""
    url = f"http://127.0.0.1:{server.port}"
    configure(index_url=url)
    login = {"username": "ada", "password": PASSWORD}
    with open_page(tmp_path, http_credentials=login) as page:
        complaints = complaints_of(page)
        page.goto(f"{url}/")
        page.get_by_role("link", name="Your tokens").click()
        page.get_by_label("What it is for").fill("<script>document.title = 'taken over'</script>")
        page.get_by_label("Projects it may publish").fill("requests")
        page.get_by_role("button", name="Make the token").click()
        expect(page.get_by_role("alert")).to_contain_text("The token cannot publish requests: ada may publish acme-*.")
        page.get_by_label("Projects it may publish").fill("acme-hello")
        page.get_by_role("button", name="Make the token").click()
        text = page.locator(".first code").inner_text().strip()
        assert re.fullmatch("whl_[a-z2-7]{47}", text)
        assert server.ask("GET", "/logins/check", headers={"Authorization": basic("ada", text)})[0] == 200
        page.goto(f"{url}/account/tokens")
        assert text not in page.content()
        for width in (320, 800):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_role("button", name="Revoke").click()
        expect(page.get_by_text("revoked", exact=True)).to_be_visible()
        assert server.ask("GET", "/logins/check", headers={"Authorization": basic("ada", text)})[0] == 401
        assert [said for said in complaints if "401" not in said and "403" not in said] == []
        assert "taken over" not in page.title()
