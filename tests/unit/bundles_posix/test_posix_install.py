"""What a person has after install.sh, with the real tools and nothing on their command lines."""

from __future__ import annotations

import configparser
import netrc
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from doctor.office import ACCOUNT

from .company import INTERNAL, NAME, PUBLIC, Company, Laptop, build

SHELLS = [shell for shell in ("dash", "bash", "busybox sh", "zsh") if shutil.which(shell.split()[0])]
# of different authors; that of macOS is `original-awk` here
AWKS = [awk for awk in ("mawk", "gawk", "original-awk", "busybox") if shutil.which(awk)]


@pytest.mark.parametrize("shell", SHELLS)
def test_it_installs_twice_and_goes_again(laptop: Laptop, company: Company, shell: str) -> None:
    before = laptop.holds()
    laptop.install(company, shell)
    once = laptop.holds()
    again = laptop.run(shell=shell)
    assert again.returncode == 0, again.stderr.decode()
    assert laptop.holds() == once
    laptop.uninstall(shell)
    assert laptop.holds() == before


@pytest.mark.parametrize("awk", AWKS)
def test_every_awk_will_do(laptop: Laptop, company: Company, awk: str) -> None:
    company.index_password, company.proxy.password = "a@b:c/d#e%f?&+ \"q'", "grün\\&€"
    (laptop.bin / "awk").symlink_to(shutil.which(awk) or "")
    laptop.write(
        ".netrc",
        "# of my own\n\n# making\nmachine localhost\n  login old\n  password past\nmachine x login y password z",
        0o600,
    )
    laptop.write(".config/pip/pip.conf", "[global]\n  timeout = 9\n  index-url =\n     https://old.example\n")
    before = laptop.holds()
    laptop.install(company)
    assert netrc.netrc(laptop.home / ".netrc").hosts == {
        "localhost": (NAME, "", company.index_password),
        "x": ("y", "", "z"),
    }
    told = laptop.log_in('pip config list; printf %s "$https_proxy"').stdout.splitlines()
    assert "global.cert='~/.config/wheelhouse/ca-bundle.pem'" in told
    assert f"global.index-url='{company.url}/simple/'" in told
    assert unquote(told[-1]) == f"http://{ACCOUNT}:{company.proxy.password}@127.0.0.1:{company.proxy_port}"
    laptop.uninstall()
    assert laptop.holds() == before


def installs_with_pip(laptop: Laptop) -> bool:
    done = laptop.log_in("pip download --no-cache-dir --no-deps --dest wheels acme-tools public-thing")
    assert done.returncode == 0, done.stdout + done.stderr
    names = sorted(path.name for path in (laptop.home / "wheels").iterdir())
    shutil.rmtree(laptop.home / "wheels")
    return names == sorted([INTERNAL.filename, PUBLIC.filename])


def installs_with_uv(laptop: Laptop) -> bool:
    done = laptop.log_in(f"uv pip install --no-cache --python {sys.executable} --target there acme-tools public-thing")
    assert done.returncode == 0, done.stdout + done.stderr
    names = {path.name for path in (laptop.home / "there").glob("*.dist-info")}
    shutil.rmtree(laptop.home / "there")
    return names == {"acme_tools-1.0.dist-info", "public_thing-1.0.dist-info"}


def test_pip_and_uv_install_internal_and_public_packages(laptop: Laptop, company: Company) -> None:
    laptop.install(company)
    assert installs_with_pip(laptop)
    assert installs_with_uv(laptop)
    # what is public came through the proxy, and the index did not
    assert {path for path, _ in company.proxy.asked} == {
        f"localhost:{company.index.server_port}",
        "public.acme.example:443",
    }


@pytest.mark.parametrize("shell", ["bash --login", "bash -i", "dash -l", "zsh -i"])
def test_each_kind_of_shell_knows_the_proxy(laptop: Laptop, company: Company, shell: str) -> None:
    if not shutil.which(shell.split(maxsplit=1)[0]):
        pytest.skip(f"there is no {shell}")
    laptop.environ["SHELL"] = f"/bin/{shell.split(maxsplit=1)[0]}"
    laptop.install(company)
    done = subprocess.run(
        [*shell.split(), "-c", 'printf %s "$https_proxy $SSL_CERT_FILE"'],
        env=laptop.environ, capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip
    assert f"@127.0.0.1:{company.proxy_port} {laptop.base}/ca-bundle.pem" in done.stdout


def test_twine_would_publish_to_the_company_alone(laptop: Laptop, company: Company) -> None:
    mine = "[mine]\nrepository = https://mine.example/\n"
    public = "[pypi]\nusername = __token__\npassword = pypi-x\n"
    laptop.write(".pypirc", f"[distutils]\nindex-servers =\n    pypi\n    mine\n{public}{mine}")
    laptop.install(company)
    program = (
        "from twine.utils import get_config; c = get_config('~/.pypirc'); "
        "print(sorted(c)); print(c['pypi']['repository'], c['pypi']['username'], c['pypi']['password'])"
    )
    done = laptop.log_in(f'python -c "{program}"')
    assert done.stdout.splitlines() == ["['mine', 'pypi']", f"{company.url}/ {NAME} {company.index_password}"], (
        done.stderr
    )
    assert (laptop.home / ".pypirc").stat().st_mode & 0o077 == 0


def test_ssh_knows_the_jupyter_host(laptop: Laptop, company: Company) -> None:
    laptop.write(".ssh/config", "Host jupyter-1\n    User somebody\n    Port 2222\n")
    laptop.install(company)
    # ssh asks the system, and not HOME, where a person is at home
    config = (
        (laptop.home / ".ssh/config")
        .read_text()
        .replace("~/.config/wheelhouse/ssh_config", f'"{laptop.base}/ssh_config"')
    )
    shown = laptop.write("config", config)
    done = subprocess.run(["ssh", "-G", "-F", shown, "jupyter-1"], capture_output=True, text=True, check=True)
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert (told["hostname"], told["user"], told["port"]) == ("192.0.2.9", NAME, "2222")
    assert told["stricthostkeychecking"] == "true"
    assert told["hostkeyalias"] == "jupyter-1"
    assert (laptop.base / "known_hosts").read_text().startswith("jupyter-1 ssh-ed25519 ")
    # the command is found, and knows the host
    assert laptop.log_in("jupyter-tunnel --status").stdout == "jupyter-1: no tunnel\n"


def test_files_are_what_their_readers_expect(laptop: Laptop, company: Company) -> None:
    laptop.install(company)
    pip = configparser.RawConfigParser()
    pip.read(laptop.home / ".config/pip/pip.conf")
    assert pip["global"]["index-url"] == f"{company.url}/simple/"
    for path in (".netrc", ".pypirc", ".config/wheelhouse/environment"):
        assert (laptop.home / path).stat().st_mode & 0o777 == 0o600
    assert not (laptop.base / "work").exists()


def test_archives_are_the_same_bytes_and_hold_no_secret(
    tmp_path: Path, archives: Path, working_company: Company
) -> None:
    """Also in another directory, at another time."""
    people = [
        {"name": NAME, "laptops": ["linux"], "proxy_username": ACCOUNT, "jupyter": True},
        {"name": "bob", "laptops": ["macos"]},
    ]
    build(tmp_path, working_company.settings(tmp_path, onboarding_bundle_people=people))
    assert sorted(path.name for path in tmp_path.glob("*.tar.gz")) == ["ada-linux.tar.gz", "bob-macos.tar.gz"]
    assert (tmp_path / "ada-linux.tar.gz").read_bytes() == (archives / "ada-linux.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "bob-macos.tar.gz") as packed:
        assert not {Path(name).name for name in packed.getnames()} & {"ssh_config", "known_hosts", "jupyter-tunnel"}


def test_a_damaged_bundle_is_not_begun_with(laptop: Laptop, company: Company) -> None:
    with (laptop.bundle / "uv.toml").open("a") as file:
        file.write("#")
    done = laptop.run(answers=company.answers)
    assert done.returncode == 1
    assert "damaged" in done.stderr.decode()
    assert laptop.holds() == {}


def test_it_is_not_for_sudo_and_explains_itself(laptop: Laptop) -> None:
    assert b"sh install.sh --uninstall" in laptop.run("--help").stdout
    assert laptop.run("--nonsense").returncode == 2
    laptop.environ["SUDO_USER"] = "ada"
    done = laptop.run()
    assert (done.returncode, laptop.holds()) == (2, {})
    assert "without sudo" in done.stderr.decode()
