"""Where a test's own home is not enough: a real new account, and the page that the person reads, in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import complaints_of, needs_chromium, open_page

from .company import NAME, TOOLS, Company, unpack

ACCOUNT = "wheelhouse-newcomer"


@pytest.fixture
def home() -> Iterator[Path]:
    """The home of an account that was made a moment ago."""
    if os.geteuid() != 0 or not shutil.which("useradd"):
        pytest.skip("only root can make an account")
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", ACCOUNT], check=True)
    yield Path(f"~{ACCOUNT}").expanduser()
    # also while systemd still has a manager for the session that `su` was
    subprocess.run(["userdel", "--force", "--remove", ACCOUNT], check=True, capture_output=True)


def be(command: str, answers: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        ["su", "-", ACCOUNT, "-c", command], input=answers, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_new_account(home: Path, company: Company, archives: Path) -> None:
    shutil.copy(archives / f"{NAME}-linux.tar.gz", home)
    subprocess.run(["chown", ACCOUNT, home / f"{NAME}-linux.tar.gz"], check=True)
    assert be(f"tar xzf {NAME}-linux.tar.gz").returncode == 0
    before = be("find . -type f | sort | xargs sha256sum").stdout
    done = be(f"cd {NAME}-linux && sh install.sh", "\n".join(company.answers) + "\n")
    assert done.returncode == 0, done.stderr
    # the tools may be where a new account cannot look: curl, with what a login shell has, speaks for them
    curl = "curl --silent --fail"
    done = be(f"{curl} --netrc {company.url}/simple/acme-tools/ && {curl} --head https://public.acme.example/files/")
    assert "acme_tools-1.0" in done.stdout, done.stderr
    assert "public.acme.example:443" in {path for path, _ in company.proxy.asked}, done.stderr
    if be(f"test -x {TOOLS}/uv").returncode == 0:
        done = be(f"{TOOLS}/uv pip install --no-cache --target there acme-tools public-thing && rm -r there")
        assert done.returncode == 0, done.stderr
    # ssh takes the configuration where a person is really at home
    told = be("ssh -G jupyter-1").stdout
    assert f"\nuser {NAME}\n" in f"\n{told}"
    assert (
        "userknownhostsfile ~/.config/wheelhouse/known_hosts" in told
        or f"{home}/.config/wheelhouse/known_hosts" in told
    )
    # once more, and taken back, by what it left, when the archive is long gone
    be(f"rm -r {NAME}-linux")
    done = be("sh ~/.config/wheelhouse/install.sh")
    assert done.returncode == 0, done.stderr
    assert be("cd / && sh ~/.config/wheelhouse/uninstall.sh").returncode == 0
    assert (
        be(f"tar xzf {NAME}-linux.tar.gz; rm -rf .cache .local; find . -type f | sort | xargs sha256sum").stdout
        == before
    )


@needs_chromium
@pytest.mark.parametrize("system", ["linux", "macos"])
def test_the_page_that_explains_it(tmp_path: Path, archives: Path, system: str) -> None:
    unpack(archives / f"{NAME}-{system}.tar.gz", tmp_path)
    with open_page(tmp_path) as page:
        complaints = complaints_of(page)
        page.goto((tmp_path / f"{NAME}-{system}" / "README.html").as_uri())
        assert complaints == []
        text = page.inner_text("body")
        assert ("Finder" in text) == (system == "macos")
        assert "EMEA\\ada" in text
        assert "{{" not in page.content()
        # nothing is fetched from elsewhere: the page is read before there is a way out
        assert page.locator("[src], [href]").count() == 0
