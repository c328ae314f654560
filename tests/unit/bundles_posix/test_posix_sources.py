"""What install.sh finds of settings by which packages come from elsewhere: the list of the run, and the same places."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import package_sources
from plugins.test_conflicting_settings import CHANNELS, FOUND, IN_ORDER, INDEX

from .company import Company, Laptop
from .test_posix_files import PROGRAM
from .test_posix_install import AWKS

ROOT = Path(__file__).resolve().parents[3]

FORMS = {
    "ini": "pip",
    "pypirc": "pypirc",
    "toml": "uv",
    "condarc": "conda",
    "shell": "variable",
    "environment": "variable",
}
# what a shell program of this size leaves to the doctor and the run: options in aliases, fish's own file of variables,
# where PAM sets some, passwords in addresses, and tables of TOML in one line; [pypi] is what install.sh sets
HERE = [
    case
    for case in FOUND
    if case[0] in FORMS
    and case[3] != package_sources.PASSWORD
    and " -" not in case[2]
    and not case[1].startswith("SETUVAR")
    and " DEFAULT=" not in case[1]
    and not case[1].startswith(("pip = {", "[pypi]"))
]


def told(awk: str, form: str, text: str, directory: Path) -> list[str]:
    (directory / "file").write_bytes(text.encode("utf-8", "surrogateescape"))
    settings = ("-v", f"form={FORMS[form]}", "-v", f"index_url={INDEX}", "-v", f"channels={' '.join(CHANNELS)}")
    command: list[str | Path] = [
        *([awk, "awk"] if awk == "busybox" else [awk]),
        *settings,
        "-f",
        PROGRAM / "sources.awk",
    ]
    done = subprocess.run(
        [*command, PROGRAM / "sources", directory / "file"],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert "S3ntinel" not in done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("awk", AWKS)
def test_it_finds_what_the_run_finds(awk: str, tmp_path: Path) -> None:
    assert len(HERE) > 50
    wrong = []
    for form, text, place, effect in HERE:
        line, _, name = place.partition(" ")
        found = told(awk, form, text, tmp_path)
        if not (
            found and found[0].startswith(f"{line} ") and found[0].endswith(effect.format(index=INDEX))
        ) or name.split(".")[-1] not in found[0].replace("index has", "[[index]] has"):
            wrong.append((form, text, place, found))
    assert not wrong


@pytest.mark.parametrize("awk", AWKS)
def test_what_is_in_order_is_not_told_of(awk: str, tmp_path: Path) -> None:
    # which only a parser of TOML and INI sees are none
    unreadable = ("no section", "index-url = \n", "a = [[")
    texts = [case for case in IN_ORDER if case[0] in FORMS and not case[1].startswith(unreadable)]
    # between marks of ours is what install.sh takes out before it looks
    texts = [case for case in texts if "wheelhouse.onboarding>>>" not in case[1]]
    assert len(texts) > 9
    assert [(case, found) for case in texts if (found := told(awk, *case, tmp_path))] == []


def test_the_list_is_the_collections() -> None:
    """The one for Windows is written by the same program."""
    command = [sys.executable, str(ROOT / "tests" / "tools" / "source_lists.py"), "--check"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, f"run python tests/tools/source_lists.py\n{done.stdout}{done.stderr}"


def test_where_somebody_publishes_is_told_of(laptop: Laptop, company: Company) -> None:
    laptop.write(".bashrc", "export TWINE_REPOSITORY_URL=https://ada:hidden@other.example/legacy/\nPIP_NO_INDEX=1\n")
    laptop.write(".condarc", "ssl_verify: 0\nchannels: [conda-forge]\n")
    lab = "[lab]\nrepository = https://lab.example/\npassword = hidden\n"
    laptop.write(".pypirc", f"{lab}[pypi]\nusername = x\n[testpypi]\nusername = x\n")
    laptop.write(".config/pip/pip.conf", "[global]\nindex-url = https://lab.example/\nno-index = true\n")
    said = laptop.run(answers=company.answers).stderr.decode()
    assert f"{laptop.home}/.pypirc, line 2 of what is your own: [lab] repository has what is published go" in said
    assert f"{laptop.home}/.bashrc, line 1 of what is your own: TWINE_REPOSITORY_URL has what is published go" in said
    assert f"{laptop.home}/.bashrc, line 2 of what is your own: PIP_NO_INDEX keeps packages of {company.url}" in said
    assert f"{laptop.home}/.condarc, line 1 of what is your own: ssl_verify has servers trusted" in said
    assert f"{laptop.home}/.pypirc, line 6 of what is your own: [testpypi] has what is published go" in said
    assert f"{laptop.home}/.config/pip/pip.conf, line 3 of what is your own: no-index keeps packages" in said
    assert "hidden" not in said and "channels" not in said
    # the company's take the place of these
    assert "index-url" not in said and "[pypi]" not in said
