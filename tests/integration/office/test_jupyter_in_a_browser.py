"""One command on the workstation ends in a JupyterLab page, as each of two people, and what they type there is computed."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import needs_chromium, open_page
from playwright.sync_api import Page, expect

pytestmark = needs_chromium

NOTEBOOK = {
    "cells": [{"cell_type": "code", "id": "a", "execution_count": None, "metadata": {}, "outputs": [], "source": ""}],
    "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
CELL = "import getpass; print(getpass.getuser(), 6 * 7)"


def run_in_first_cell(page: Page, code: str) -> str:
    """Type into the first cell of the notebook that is open, run it with the keyboard, and read what it prints."""
    status, cell = page.locator("#jp-main-statusbar"), page.locator(".jp-Notebook .cm-content").first
    # until its kernel is there, the page takes the focus away again
    expect(status).to_contain_text("| Idle")
    cell.click()
    expect(status).to_contain_text("Mode: Edit")
    page.keyboard.type(code)
    expect(cell).to_have_text(code)
    page.keyboard.press("Shift+Enter")
    return page.locator(".jp-OutputArea-output").first.inner_text().strip()


@pytest.mark.parametrize("name", ["ada", "leo"])
def test_a_cell_is_run_in_the_page(office, name, tmp_path: Path) -> None:
    office.succeed_as(name, f"printf %s '{json.dumps(NOTEBOOK)}' >browser.ipynb", on="jupyter")
    address = urlsplit(office.succeed_as(name, "jupyter-tunnel --no-browser").strip())
    notebook = f"http://{address.netloc}/lab/tree/browser.ipynb"
    with open_page(tmp_path, network_of=office.access["hosts"]["workstation"], seconds=90) as page:
        page.goto(f"{notebook}?{address.query}")
        assert run_in_first_cell(page, CELL) == f"{name} 42"
        # the cookie has the person's name, no script reads it, and with it the address needs no token any more
        logins = [cookie for cookie in page.context.cookies() if cookie["name"] != "_xsrf"]
        assert [(cookie["name"], cookie["httpOnly"]) for cookie in logins] == [(f"jupyter-{name}", True)]
        page.goto(notebook)
        page.locator(".jp-Notebook").wait_for()
