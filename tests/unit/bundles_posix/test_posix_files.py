"""A person's own files: what is in them stays, counts where nothing contradicts it, and is all that is left at last."""

from __future__ import annotations

import configparser
import netrc as python_netrc
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .company import Company, Laptop

PROGRAM = Path(__file__).parents[3] / "roles/onboarding_bundle/files/posix/program"
AWKWARD: dict[str, str | bytes] = {
    ".profile": "# no end",
    ".bashrc": "case $- in *i*) ;; *) return ;; esac\n",
    ".bash_profile": "",
    ".zshrc": "# caf\xe9\r\n".encode("latin-1"),
    ".config/pip/pip.conf": "; mine\n  [global]\n  timeout = 9\n  Index_URL: https://a.example\n     https://b.example\n"
    "\n[install]\nuser = no",
    ".config/uv/uv.toml": 'index-url = "https://old.example/simple/"\n[pip]\nno-binary = [\n  "a",\n]',
    ".netrc": "#mine\n\n# of two words\nmachine localhost login me\n  password was-here # kept\nmacdef init\ncd /pub\n"
    "\ndefault login anonymous password x%20y",
    ".pypirc": "[distutils]\nindex-servers = pypi mine\n[pypi]\nusername=__token__\npassword=pypi-x%\n\n",
    ".ssh/config": "Host *\n    ServerAliveInterval 9",
    ".condarc": "channels: [mine]\n",
}


def test_awkward_files_come_back_to_the_byte(laptop: Laptop, company: Company) -> None:
    for path, content in AWKWARD.items():
        laptop.write(path, content, 0o600 if path in (".netrc", ".pypirc") else 0o640)
    # a person who keeps such files elsewhere
    shutil.move(laptop.home / ".bashrc", laptop.home / "dotfiles-bashrc")
    (laptop.home / ".bashrc").symlink_to("dotfiles-bashrc")
    before = laptop.holds()
    laptop.install(company)
    once = laptop.holds()
    assert all(
        once[path] != before[path] for path in AWKWARD if path not in (".bashrc", ".condarc", ".config/uv/uv.toml")
    )
    assert once["dotfiles-bashrc"] != before["dotfiles-bashrc"]
    assert laptop.run().returncode == 0
    assert laptop.holds() == once
    # uv's own file stays as it is, and yet uv asks the company
    done = laptop.log_in(f"uv pip install --dry-run --no-cache --python {sys.executable} acme-tools")
    assert "acme-tools==1.0" in done.stderr, done.stderr
    laptop.uninstall()
    assert laptop.holds() == before


def test_what_was_written_since_stays(laptop: Laptop, company: Company) -> None:
    laptop.write(".bashrc", "alias a=b")
    laptop.install(company)
    for path in (".bashrc", ".config/uv/uv.toml", ".netrc"):
        with (laptop.home / path).open("a") as file:
            file.write("# since\n")
    laptop.uninstall()
    assert (laptop.home / ".bashrc").read_text() == "alias a=b\n# since\n"
    assert (laptop.home / ".config/uv/uv.toml").read_text() == "# since\n"
    assert (laptop.home / ".netrc").read_text() == "# since\n"


def test_settings_that_bring_packages_from_elsewhere_are_told_of(laptop: Laptop, company: Company) -> None:
    laptop.write(".config/pip/pip.conf", "[global]\nextra-index-url = https://ada:hidden@other.example/simple\n")
    laptop.write(".bashrc", "x=1\nexport PIP_EXTRA_INDEX_URL=https://other.example/\n")
    said = laptop.run(answers=company.answers).stderr.decode()
    assert f"Look at {laptop.home}/.config/pip/pip.conf, line 2 " in said
    assert f"Look at {laptop.home}/.bashrc, line 2 " in said
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("path", "content", "sentence"),
    [
        (".netrc", "machine localhost login a password b machine x login y password z\n", "line 1; write each"),
        (".netrc", "#>>>wheelhouse.onboarding>>>\nmachine x\n", "only one of the two marks"),
        (".pypirc", b"[pypi]\0", "is no text"),
        (".netrc", "machine git.example\n  port 443\n  login a\n  password hidden\n", "has the word port in line 2"),
        (".netrc", "machine git.example login a password hidden protocol https\n", "has the word protocol in line 1"),
        (".netrc", "machine git.example username a password hidden\n", "Write login instead"),
        (".netrc", "machine git.example login a password hidden\nmacdef init\ncd /pub\n", "has a macro in line 2"),
        (".netrc", b"\xef\xbb\xbfmachine git.example login a password hidden\n", "begins with a byte order mark"),
        (".config/pip/pip.conf", b"[global]\n# caf\xe9\ntimeout = 9\n", "not in UTF-8, in line 2"),
        (".pypirc", b"\xef\xbb\xbf[pypi]\nusername = a\n", "begins with a byte order mark"),
    ],
)
def test_a_file_that_has_no_place_is_left_alone(
    laptop: Laptop, company: Company, path: str, content: str | bytes, sentence: str
) -> None:
    laptop.write(path, content, 0o600)
    before = laptop.holds()
    done = laptop.run(answers=company.answers)
    assert done.returncode == 1
    assert f"{laptop.home}/{path} " in done.stderr.decode()
    said = done.stderr.decode()
    assert sentence in said and "hidden" not in said and "Done." not in said
    assert laptop.holds() == before


@pytest.mark.parametrize("edit", ["CRLF", "blanks", "BOM"])
def test_what_an_editor_does_to_our_marks(laptop: Laptop, company: Company, edit: str) -> None:
    for path, content in AWKWARD.items():
        laptop.write(path, content, 0o600)
    laptop.install(company)
    places = [".profile", ".bashrc", ".config/pip/pip.conf", ".netrc", ".pypirc", ".ssh/config"]
    for path in places:
        content = (laptop.home / path).read_bytes()
        if edit == "BOM":
            content = b"\xef\xbb\xbf" + content if content.startswith(b"#>>>") else content
        else:
            content = content.replace(b"\n", b"\r\n" if edit == "CRLF" else b" \t\n")
        (laptop.home / path).write_bytes(content)
    laptop.uninstall()
    for path in places:
        left = (laptop.home / path).read_bytes()
        assert b"wheelhouse" not in left and company.index_password.encode() not in left
        awkward = AWKWARD[path]
        theirs = awkward.encode() if isinstance(awkward, str) else awkward
        assert left.split() == theirs.split() or path == ".netrc", "what is theirs is all there"


def merged(form: str, ours: str, theirs: str, directory: Path) -> str:
    """`theirs` with `ours`, after it was seen that they come out again to the byte."""
    (directory / "ours").write_text(ours)
    (directory / "theirs").write_bytes(theirs.encode())
    result = awk(f"{form}.awk", theirs, directory / "ours", directory / "theirs")
    (directory / "merged").write_bytes(result.encode())
    assert awk("take-out.awk", result, directory / "merged") == theirs
    return result


def awk(program: str, text: str, *files: Path) -> str:
    unended = int(bool(text) and not text.endswith("\n"))
    command: list[str | Path] = ["awk", "-v", f"unended={unended}", "-f", PROGRAM / program, *files]
    return subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, capture_output=True, check=True
    ).stdout.decode()


def read_ini(text: str) -> dict[str, dict[str, str]] | None:
    parser = configparser.RawConfigParser(default_section="\n")
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return {name: dict(parser[name]) for name in parser.sections()}


OURS_INI = "[global]\n# why\nindex-url = https://a.example\ncert = ~/x\n\n[search]\nindex = https://a.example\n"
LINES = ["[global]", "[search]", "  [global]", "[other]", "index-url = x", "  index-url=y", "Cert: z", "    more",
         "\tmore", "timeout = 9", "  retries: 1", "# c", "  ; c", "",
         "   ", "index=q", "\xe9 = \xe9", "  cert"]  # fmt: skip
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=9), st.booleans())
def test_ini_files(tmp_path: Path, lines: list[str], ended: bool) -> None:
    theirs = "\n".join(lines) + "\n" * ended
    before, ours = read_ini(theirs), read_ini(OURS_INI)
    if before is None or ours is None or not theirs:
        return
    wanted = {name: before.get(name, {}) | ours.get(name, {}) for name in before | ours}
    assert read_ini(merged("ini", OURS_INI, theirs, tmp_path)) == wanted


WORDS = [
    "machine localhost login a password b",
    "machine LOCALHOST\nlogin a password b",
    "machine x login y password z",
    "machine x\n  login y\n\n  password z",
    'machine q login "a b" password "c # d" #',
    "default login d password e",
    "macdef m\necho 1\n\n",
    "# two words",
    "#one",
    "",
]


@few
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6), st.booleans())
def test_netrc_files(tmp_path: Path, parts: list[str], ended: bool) -> None:
    theirs = "\n".join(parts) + "\n" * ended
    if not theirs:
        return
    result = merged("netrc", 'machine localhost login ada password "p # q" #\n', theirs, tmp_path)
    (tmp_path / "result").write_text(result)
    hosts = python_netrc.netrc(tmp_path / "result").hosts
    assert hosts.pop("localhost") == ("ada", "", "p # q")
    expected = {"x": ("y", "", "z"), "q": ("a b", "", "c # d"), "default": ("d", "", "e")}
    assert hosts == {host: account for host, account in expected.items() if has_entry(host, parts)}


def has_entry(host: str, parts: list[str]) -> bool:
    return any(part.startswith((f"machine {host} ", f"machine {host}\n", f"{host} ")) for part in parts)
