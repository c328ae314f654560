"""One command on the workstation ends in a JupyterLab page, as each of two people, and what they type there is computed."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium; demo/browser installs it")

NOTEBOOK = {
    "cells": [{"cell_type": "code", "id": "a", "execution_count": None, "metadata": {}, "outputs": [], "source": ""}],
    "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
STATUS_BAR = "(document.querySelector('#jp-main-statusbar')?.innerText ?? '')"
CELL = "import getpass; print(getpass.getuser(), 6 * 7)"


@pytest.mark.parametrize("name", ["ada", "leo"])
def test_a_cell_is_run_in_the_page(office, name, tmp_path) -> None:
    office.succeed_as(name, f"printf %s '{json.dumps(NOTEBOOK)}' >browser.ipynb", on="jupyter")
    address = urlsplit(office.succeed_as(name, "jupyter-tunnel --no-browser").strip())
    page = f"http://{address.netloc}/lab/tree/browser.ipynb?{address.query}"
    with Browser(office.access["hosts"]["workstation"], tmp_path / "profile") as browser:
        browser.open(page)
        # until its kernel is there, the page takes the focus away again
        browser.wait_for(f"{STATUS_BAR}.includes('| Idle')")
        browser.click(".jp-Notebook .cm-content")
        browser.wait_for(f"{STATUS_BAR}.includes('Mode: Edit')")
        browser.write(CELL)
        browser.wait_for("document.querySelector('.jp-Notebook .cm-content').innerText.includes('getpass')")
        browser.shift_enter()
        said = browser.wait_for("document.querySelector('.jp-OutputArea-output')?.innerText")
        browser.picture(tmp_path / "jupyterlab.png")
    assert str(said).strip() == f"{name} 42"
