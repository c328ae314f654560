"""What is in a Windows bundle: the same bytes each time, no secret, and files that their real readers understand."""

from __future__ import annotations

import hashlib
import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from browser import complaints_of, needs_chromium, open_page
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1

from .conftest import HOST_KEY, Bundle, Company, Office
from .windows import Windows

SECRETS = {"index_password": "S3ntinel-index", "proxy_password": "S3ntinel-proxy"}
FOR_ADA = {
    *("README.html", "install.cmd", "uninstall.cmd", "setup.js", "pip.ini", "uv.toml", "condarc", "env.reg"),
    *("putty.reg", "jupyter.cmd", "ssh_config", "known_hosts", "company-ca-1.crt", "ca-bundle.pem", "SHA256SUMS"),
}
FOR_LEO = FOR_ADA - {"putty.reg", "jupyter.cmd", "ssh_config", "known_hosts"}


@pytest.fixture
def ada_files(company: Company, tmp_path: Path) -> Path:
    return Bundle(company.bundles / "ada-windows.zip", tmp_path / "ada").directory


def read_by(*command: str | Path, home: Path, **variables: str) -> str:
    """What a client says that runs with nothing of this machine's settings."""
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(home), **variables}
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_everybody_gets_what_is_theirs(company: Company, ada_files: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in company.bundles.iterdir()) == ["ada-windows.zip", "leo-windows.zip"]
    assert stat.S_IMODE(company.bundles.stat().st_mode) == 0o700
    assert {path.name for path in ada_files.iterdir()} == FOR_ADA
    leos = Bundle(company.bundles / "leo-windows.zip", tmp_path / "leo").directory
    assert {path.name for path in leos.iterdir()} == FOR_LEO
    assert "proxy" not in (leos / "install.cmd").read_text().lower(), "he has no account there"
    for line in (ada_files / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((ada_files / name).read_bytes()).hexdigest() == digest


def test_no_secret_is_in_it(company: Company, tmp_path: Path) -> None:
    ada, leo, _eve = company.settings["wheelhouse_people"]
    people = [ada | SECRETS, leo | {"index_password": SECRETS["index_password"]}]
    said = company.run(
        "-vvv",
        "--diff",
        wheelhouse_people=people,
        wheelhouse_proxy_password=SECRETS["proxy_password"],
        wheelhouse_proxy_username="svc",
    )
    assert "changed=0" in said, "nothing in an archive depends on a password"
    for name in ("ada", "leo"):
        files = Bundle(company.bundles / f"{name}-windows.zip", tmp_path / name).directory
        assert not any(b"S3ntinel" in path.read_bytes() for path in files.iterdir())


def test_a_leaver_has_none(company: Company) -> None:
    """That a second run changes nothing, the one in test_no_secret_is_in_it says."""
    company.run(wheelhouse_people=those_who_left(company))
    assert not list(company.bundles.iterdir())
    company.run()


def those_who_left(company: Company) -> list[dict[str, object]]:
    ada, leo, _eve = company.settings["wheelhouse_people"]
    return [ada | {"state": "absent"}, leo | {"laptops": []}]


@pytest.mark.long
def test_a_check_takes_no_archive(company: Company) -> None:
    assert "changed=0" in company.run()
    assert "changed=1" in company.run("--check", wheelhouse_people=those_who_left(company))
    assert len(list(company.bundles.iterdir())) == 2


@pytest.mark.long
def test_absent_takes_the_archives_and_nothing_else(company: Company) -> None:
    (company.bundles / "notes.txt").touch()
    company.run(onboarding_bundle_state="absent")
    assert [path.name for path in company.bundles.iterdir()] == ["notes.txt"]
    (company.bundles / "notes.txt").unlink()
    company.run(onboarding_bundle_state="absent")
    assert not company.bundles.exists()
    assert "changed=2" in company.run("--check"), "the directory and the archives"
    assert not company.bundles.exists()
    company.run()


def test_commands_and_settings_are_plain_text_of_windows(ada_files: Path) -> None:
    for path in ada_files.iterdir():
        text = path.read_bytes()
        assert text.isascii() or path.name == "README.html", f"{path.name} would be read in some code page"
        if path.name not in ("ssh_config", "known_hosts", "SHA256SUMS"):
            assert text.count(b"\n") == text.count(b"\r\n"), path.name


def test_pip_uv_and_ssh_read_their_settings(ada_files: Path, office: Office, tmp_path: Path) -> None:
    said = read_by("pip", "config", "list", home=tmp_path, PIP_CONFIG_FILE=str(ada_files / "pip.ini"))
    assert f"global.index-url='http://{office.server}/simple/'" in said
    assert "cert" not in (ada_files / "pip.ini").read_text(), "the store of Windows is what counts"
    said = read_by("uv", "--config-file", ada_files / "uv.toml", "pip", "list", "--show-settings", home=tmp_path)
    assert office.server.rpartition(":")[2] in said
    said = read_by("ssh", "-G", "-F", ada_files / "ssh_config", "jupyter", home=tmp_path)
    for line in ("hostname jupyter.acme.example", "user ada", "hostkeyalias jupyter-1", "stricthostkeychecking true"):
        assert line in said.splitlines()
    assert (ada_files / "known_hosts").read_text() == f"jupyter-1 {HOST_KEY}\n"


def test_the_certificate_is_known_by_its_own_fingerprint(ada_files: Path) -> None:
    certificate = x509.load_pem_x509_certificate((ada_files / "company-ca-1.crt").read_bytes())
    fingerprint = certificate.fingerprint(SHA1()).hex()
    assert f'"sha1": "{fingerprint}"' in (ada_files / "setup.js").read_text()
    assert fingerprint.upper() in (ada_files / "README.html").read_text()


def test_conda_is_given_a_file_of_certificates_since_a_proxy_has_it_drop_the_store_of_windows(ada_files: Path) -> None:
    condarc = yaml.safe_load((ada_files / "condarc").read_text())
    assert condarc["ssl_verify"] == "%LOCALAPPDATA%\\wheelhouse-onboarding\\ca-bundle.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=ada_files / "ca-bundle.pem")
    names = [str(one["subject"]) for one in context.get_ca_certs()]
    assert any("Acme CA" in name for name in names) and len(names) > 50, "the company's, and the public ones"
    assert 'join(memory, "ca-bundle.pem")' in (ada_files / "setup.js").read_text(), "where conda looks for it"


@pytest.mark.long
def test_without_a_proxy_or_a_ca_conda_reads_the_store_of_windows(company: Company, tmp_path: Path) -> None:
    for settings in ({"onboarding_bundle_proxy": ""}, {"onboarding_bundle_ca_bundle": ""}):
        company.run(**settings)
        other = Bundle(company.bundles / "leo-windows.zip", tmp_path / str(len(str(settings)))).directory
        assert yaml.safe_load((other / "condarc").read_text())["ssl_verify"] == "truststore"
        assert not (other / "ca-bundle.pem").exists()
    company.run()


@pytest.mark.parametrize(("name", "key"), [("env.reg", r"HKCU\Environment"), ("putty.reg", "sessions")])
def test_the_registry_takes_all_that_is_in_a_file(windows: Windows, ada_files: Path, name: str, key: str) -> None:
    """`reg import` leaves out what it does not understand and exits with 0."""
    assert windows.run("reg", "import", name, cwd=ada_files)[0] == 0
    sessions = r"HKCU\Software\SimonTatham\PuTTY\Sessions\wheelhouse-jupyter-1"
    found = windows.registry(sessions if key == "sessions" else key)
    lines = [line for line in (ada_files / name).read_text().splitlines() if line.startswith('"')]
    assert lines
    for line in lines:
        variable, value = line.replace('"', "").split("=", 1)
        expected = hex(int(value.removeprefix("dword:"), 16)) if value.startswith("dword:") else value
        assert found[variable] == expected


@needs_chromium
def test_the_page_is_well_formed_and_complete_in_a_browser(ada_files: Path, tmp_path: Path) -> None:
    with open_page(tmp_path) as page:
        complaints = complaints_of(page)
        page.goto((ada_files / "README.html").as_uri())
        assert complaints == []
        text = page.inner_text("body")
        for words in ("EMEA\\ada", "install.cmd", "Your JupyterLab", "Take it all back", "it@acme.example"):
            assert words in text
        assert "{{" not in page.content() and page.locator("[src], link").count() == 0
