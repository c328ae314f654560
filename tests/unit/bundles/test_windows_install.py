"""install.cmd and uninstall.cmd, run in Wine by its cmd and script engine; what they wrote is read by real clients."""

from __future__ import annotations

import netrc
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import proxy_url
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.merging import merged, without
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.netrc import netrc_entry

from .conftest import Bundle, Company, Office
from .windows import Windows

PASSWORDS = [  # at the index, at the proxy
    ("100%PATH%!x!^&|<>() '\\\"`~;,=*[]{}$", '%41!PATH!%PATH%^&|<>" \\Grüße(*)'),
    ("correct horse battery", "p@ss:w/rd#1"),
    ('a@b:c/d#e%f?&+ "q', "100%"),
]


def first_of(cases: list) -> list:
    """The first case always, the others in the exhaustive form."""
    return [case if case is cases[0] else pytest.param(*case, marks=pytest.mark.long) for case in cases]


SESSION = r"HKCU\Software\SimonTatham\PuTTY\Sessions\wheelhouse-jupyter-1"


def logs_in(command: list[str], windows: Windows, office: Office, **variables: str) -> bool:
    """Whether a client that runs here, with the files of the Windows account, is let in by the index."""
    office.accepted = 0
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as home:
        for logins in windows.home.glob("[._]netrc"):
            shutil.copy(logins, home)
        environment = {"PATH": path, "HOME": home, **variables}
        subprocess.run(command, cwd=home, env=environment, check=False, capture_output=True, timeout=60)
    return office.accepted > 0


def pip_logs_in(windows: Windows, office: Office) -> bool:
    settings = str(windows.roaming / "pip" / "pip.ini")
    return logs_in(["pip", "download", "--no-input", "idna"], windows, office, PIP_CONFIG_FILE=settings)


def uv_logs_in(windows: Windows, office: Office) -> bool:
    settings = windows.roaming / "uv" / "uv.toml"
    command = [
        "uv",
        "--config-file",
        str(settings),
        "pip",
        "install",
        "--dry-run",
        "--no-cache",
        "--python",
        sys.executable,
    ]
    return logs_in([*command, "no-such"], windows, office, NETRC=str(windows.home / "_netrc"), UV_HTTP_RETRIES="0")


@pytest.mark.parametrize(("index", "proxy"), first_of(PASSWORDS))
def test_passwords_are_typed_once_and_used_by_everything(
    windows: Windows, office: Office, ada: Bundle, index: str, proxy: str
) -> None:
    office.index_account, office.proxy_account = f"ada:{index}", f"EMEA\\ada:{proxy}"
    code, said = ada.install(index, proxy)
    assert code == 0 and not any(words in said for words in ("FAILED", "not accept", "not answer")), said
    assert index not in said and proxy not in said
    assert netrc.netrc(windows.home / "_netrc").authenticators("127.0.0.1") == ("ada", "", index)
    variables = windows.registry(r"HKCU\Environment")
    assert variables["HTTPS_PROXY"] == variables["HTTP_PROXY"] == proxy_url(office.server, "EMEA\\ada", proxy)
    assert pip_logs_in(windows, office)
    assert uv_logs_in(windows, office)


def test_a_token_lies_in_the_place_of_the_password(
    windows: Windows, office: Office, with_tokens: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.index_account, token = 'leo:odd "one" #1 \\', "whl_" + "b" * 47
    leo = Bundle(with_tokens.bundles / "leo-windows.zip", tmp_path / "leo-windows", windows)
    code, said = leo.install('odd "one" #1 \\')
    assert code == 1 and "FAILED" in said and "gives no token for this computer: IT says no." in said, said
    assert not (windows.home / "_netrc").exists()
    monkeypatch.setattr(office, "token_of", {"leo": token})
    code, said = leo.install('odd "one" #1 \\')
    assert code == 0 and "FAILED" not in said and token not in said, said
    assert netrc.netrc(windows.home / "_netrc").authenticators("127.0.0.1") == ("leo", "", token)
    assert pip_logs_in(windows, office)


def test_a_wrong_password_is_told_and_asked_for_again(windows: Windows, office: Office, ada: Bundle) -> None:
    office.index_account, office.proxy_account = "ada:right", "EMEA\\ada:right, too"
    code, said = ada.install("wrong", "räight", "right", "wrong", "right, too")
    assert code == 0, said
    assert "index does not accept" in said and "no other characters" in said and "proxy does not accept" in said
    assert netrc.netrc(windows.home / "_netrc").authenticators("127.0.0.1") == ("ada", "", "right")
    assert windows.registry(r"HKCU\Environment")["HTTP_PROXY"].startswith("http://EMEA%5Cada:right%2C%20too@")


@pytest.mark.long
def test_who_knows_no_password_has_changed_nothing(windows: Windows, office: Office, leo: Bundle) -> None:
    office.index_account = "leo:right"
    before = windows.state()
    code, said = leo.install(*["wrong"] * 3)
    assert code == 1 and "Nothing was set up. Ask it@acme.example." in said
    assert windows.state() == before


@pytest.mark.long
def test_a_proxy_that_lets_nobody_in_keeps_nobody_from_the_rest(windows: Windows, office: Office, ada: Bundle) -> None:
    office.index_account, office.proxy_account = "ada:one", "EMEA\\ada:right"
    code, said = ada.install("one", *["wrong"] * 3)
    assert code == 1 and "without your login at the proxy" in said, said
    assert pip_logs_in(windows, office)
    assert windows.registry(r"HKCU\Environment")["HTTP_PROXY"] == f"http://{office.server}"


def test_an_index_that_does_not_answer_keeps_nobody(windows: Windows, office: Office, leo: Bundle) -> None:
    for name in ("setup.js", "env.reg"):
        path = leo.directory / name
        path.write_bytes(path.read_bytes().replace(office.server.encode(), b"127.0.0.1:9"))
    code, said = leo.install("one")
    assert code == 0 and said.count("does not answer just now") == 1, said
    assert netrc.netrc(windows.home / "_netrc").authenticators("127.0.0.1") == ("leo", "", "one")


def test_comes_and_goes_without_a_trace(windows: Windows, office: Office, ada: Bundle) -> None:
    """Whatever was there before is there afterwards, to the byte, though it was installed twice."""
    office.index_account, office.proxy_account = "ada:one", "EMEA\\ada:two"
    theirs = {
        ".netrc": b'# my own\r\n\r\n# of words\r\nmachine git.acme.example login ada password "a b"\r\n# \xc3\xa9',
        ".condarc": b"channels: [conda-forge]\n",
        ".ssh/config": b"Host mine\r\n  User me",
        ".ssh/id_ed25519": b"key",
        "AppData/Roaming/pip/pip.ini": b"[global]\r\ntimeout = 5\r\n",
        "AppData/Roaming/uv/uv.toml": b"offline = true",
    }
    for name, content in theirs.items():
        (windows.home / name).parent.mkdir(parents=True, exist_ok=True)
        (windows.home / name).write_bytes(content)
    windows.set_variable("HTTP_PROXY", "http://old:p%40w@old.acme.example:1")
    windows.set_variable("MINE", "mine")
    before = windows.state()

    assert ada.install("one", "two")[0] == 0
    once = windows.state()
    assert ada.install("one", "two")[0] == 0
    assert windows.state() == once
    assert netrc.netrc(windows.home / ".netrc").authenticators("git.acme.example") == ("ada", "", "a b")
    assert not (windows.home / "_netrc").exists(), "pip would not read it beside the other"
    assert pip_logs_in(windows, office)

    code, said = ada.uninstall()
    assert code == 0 and "FAILED" not in said, said
    assert windows.state() == before
    code, said = ada.uninstall()
    assert (code, windows.state()) == (0, before), said


@pytest.mark.long
def test_leaves_a_new_account_as_it_was(windows: Windows, office: Office, ada: Bundle) -> None:
    office.index_account, office.proxy_account = "ada:one", "EMEA\\ada:two"
    before = windows.state()
    folders = sorted(path for path in windows.home.rglob("*") if path.is_dir())
    assert ada.install("one", "two")[0] == 0
    assert windows.registry(SESSION)["HostName"] == "jupyter.acme.example"
    assert ada.uninstall()[0] == 0
    assert windows.state() == before
    assert sorted(path for path in windows.home.rglob("*") if path.is_dir()) == folders


@pytest.mark.long
def test_what_was_written_since_is_kept(windows: Windows, office: Office, leo: Bundle) -> None:
    office.index_account = "leo:one"
    assert leo.install("one")[0] == 0
    settings, logins = windows.roaming / "pip" / "pip.ini", windows.home / "_netrc"
    settings.write_bytes(settings.read_bytes() + b"[install]\r\nuser = true\r\n")
    logins.write_bytes(logins.read_bytes() + b"machine later.example login leo password x\r\n")
    code, said = leo.uninstall()
    assert code == 0 and "pip.ini.changed" in said
    assert b"user = true" in settings.with_name("pip.ini.changed").read_bytes()
    assert logins.read_bytes() == b"machine later.example login leo password x\r\n"


def test_enter_keeps_what_is_saved(windows: Windows, office: Office, ada: Bundle) -> None:
    office.index_account, office.proxy_account = "ada:one", "EMEA\\ada:two"
    assert ada.install("one", "two")[0] == 0
    before = windows.state()
    assert ada.install("", "")[0] == 0
    assert windows.state() == before
    office.index_account = "ada:new"
    assert ada.install("new", "")[0] == 0
    assert netrc.netrc(windows.home / "_netrc").authenticators("127.0.0.1") == ("ada", "", "new")
    assert windows.registry(r"HKCU\Environment") == before["variables"]


NETRCS = [
    ("#\n\n# two words\nmachine b login x password y\n\n#word\n# several % words\nmachine c login x password y #e\n",),
    ("",),
    ("machine 127.0.0.1 login old password withdrawn\n",),
    ("machine 127.0.0.1\n  login old\n  password withdrawn\nmachine b login x password y\n",),
    ("machine b login x password y\ndefault login anonymous password me",),
    ('machine b login "a b" password "c\\"d"\nmacdef init\ncd /\n\nmachine c login x password y\n',),
]


@pytest.mark.parametrize(("theirs",), first_of(NETRCS))
def test_a_netrc_is_merged_as_on_managed_machines(windows: Windows, office: Office, leo: Bundle, theirs: str) -> None:
    office.index_account = "leo:one two"
    path = windows.home / "_netrc"
    path.write_bytes(theirs.encode())
    assert leo.install("one two")[0] == 0
    expected = merged(theirs, netrc_entry("127.0.0.1", "leo", "one two"), "netrc")
    assert path.read_text() == expected
    assert leo.uninstall()[0] == 0
    assert (path.read_text() if path.exists() else "") == without(expected)


def test_the_page_waits_for_jupyter(windows: Windows, office: Office, ada: Bundle, tmp_path: Path) -> None:
    answer, page = windows.home / "jupyter.json", windows.home / "jupyter.html"
    files = {"WHEELHOUSE_JUPYTER_ANSWER": r"Z:" + str(answer), "WHEELHOUSE_JUPYTER_PAGE": r"Z:" + str(page)}
    command = ("cscript", "//nologo", "setup.js", "jupyter")
    answer.write_text('{"person": "ada", "state": "active", "socket": "/run/x", "token": "0a-B_c", "log": []}\n')
    assert windows.run(*command, cwd=ada.directory, variables=files)[0] == 0
    assert "/lab?token=0a-B_c'" in page.read_text()
    page.unlink()
    answer.write_text('{"person": "ada", "state": "none", "socket": "/run/x", "token": "", "log": []}\n')
    code, said = windows.run(*command, cwd=ada.directory, variables=files)
    assert code == 1 and "no JupyterLab for you" in said and not page.exists()
