# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The modules that write and look into the files of people, each run as Ansible runs it, in a real home."""

from __future__ import annotations

import json
import netrc
import os
import pwd
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import homes, managed_content
from ansible_collections.wheelhouse.onboarding.plugins.modules import (
    conflicting_package_sources,
    managed_files,
)

from .conftest import RunModule

# --- managed_files

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another person takes root")


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a person with an account."""
    nobody = pwd.getpwnam("nobody")
    home = tmp_path / "ada"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    entry = pwd.struct_passwd(("ada", "x", nobody.pw_uid, nobody.pw_gid, "", str(home), "/bin/sh"))
    account = homes.account
    for module in (managed_files, conflicting_package_sources):
        monkeypatch.setattr(module, "account", lambda name: entry if name == "ada" else account(name))
    monkeypatch.setattr(os, "initgroups", lambda name, group: os.setgroups([group]))
    return home


@needs_root
def test_a_file_is_written_as_its_owner_and_once(run_module: RunModule, ada: Path) -> None:
    wanted = [{"owner": "ada", "path": "~/.config/uv/uv.toml", "content": "secret\n", "mode": "0600"}]
    path = ada / ".config/uv/uv.toml"
    checked = run_module(managed_files, check_mode=True, files=wanted)
    assert (checked["changed"], checked["paths"], path.exists()) == (True, [str(path)], False)
    written = run_module(managed_files, files=wanted)
    assert (written["changed"], written["paths"]) == (True, [str(path)])
    assert "secret" not in json.dumps(written)
    status = path.stat()
    assert (path.read_text(), stat.S_IMODE(status.st_mode), path.owner()) == ("secret\n", 0o600, "nobody")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700 and path.parent.owner() == "nobody"
    assert not run_module(managed_files, files=wanted)["changed"]
    path.chmod(0o644)
    assert run_module(managed_files, files=wanted)["changed"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [left.name for left in path.parent.iterdir()] == ["uv.toml"], "no partial file stays"
    gone = [{"owner": "ada", "path": "~/.config/uv/uv.toml", "state": "absent"}]
    assert run_module(managed_files, files=gone)["changed"] and not path.exists()
    assert not run_module(managed_files, files=gone)["changed"]


@needs_root
def test_a_link_of_the_person_is_followed_with_their_rights_alone(
    run_module: RunModule, ada: Path, tmp_path: Path
) -> None:
    roots = tmp_path / "roots"
    roots.mkdir(0o755)
    (roots / "shadow").write_text("root's\n")
    (roots / "shadow").chmod(0o600)
    (ada / ".netrc").symlink_to(roots / "shadow")
    answer = run_module(managed_files, files=[{"owner": "ada", "path": "~/.netrc", "content": "ada's\n"}])
    assert not answer.get("failed") and not answer["changed"]
    assert answer["people_skipped"] == [{"name": "ada", "reason": f"{ada}/.netrc: Permission denied"}]
    assert (roots / "shadow").read_text() == "root's\n"


@needs_root
def test_a_link_to_a_file_of_their_own_stays_one(run_module: RunModule, ada: Path) -> None:
    dotfiles = ada / "dotfiles"
    dotfiles.mkdir()
    os.chown(dotfiles, *(ada.stat().st_uid, ada.stat().st_gid))
    (ada / ".netrc").symlink_to(dotfiles / "netrc")
    assert run_module(managed_files, files=[{"owner": "ada", "path": "~/.netrc", "content": "ada's\n"}])["changed"]
    assert (ada / ".netrc").is_symlink() and (dotfiles / "netrc").read_text() == "ada's\n"


@needs_root
def test_faults_are_sentences(run_module: RunModule, ada: Path, tmp_path: Path) -> None:
    def says(**wanted) -> str:
        answer = run_module(managed_files, files=[wanted])
        assert answer["failed"]
        return answer["msg"]

    assert says(owner="nemo-x", path="~/.netrc") == "There is no account nemo-x to own ~/.netrc; create it first."
    assert says(owner="ada", path="netrc") == "files[].path is netrc; write ~/... or an absolute path."
    assert "has to belong to root" in says(owner="ada", path=str(ada / "token"))
    assert "does not exist; create it" in says(owner="ada", path=str(tmp_path / "none" / "token"))
    assert run_module(managed_files, check_mode=True, files=[{"owner": "nemo-x", "path": "~/.netrc"}])["changed"]
    gone = [{"owner": "nemo-x", "path": "~/.netrc", "state": "absent"}]
    assert not run_module(managed_files, files=gone)["changed"], "who has left has no files"


def test_a_password_that_its_owner_has_put_into_a_file_stays() -> None:
    def kept(
        found: str, content: str = "# theirs\nHTTPS_PROXY=http://EMEA%5Cada@new.example:80\nNO_PROXY=a@b\n"
    ) -> str:
        after = managed_content.with_passwords(content, found)
        assert managed_content.with_passwords(content, after) == after
        return after

    for found in (
        "",
        "HTTPS_PROXY=http://EMEA%5Cbob:s3cret@old.example:80\n",  # somebody else's
        "HTTP_PROXY=http://EMEA%5Cada:s3cret@old.example:80\n",
        "HTTPS_PROXY=http://EMEA%5Cada:$(s3cret)@old.example:80\n",  # no password, but what a shell would run
        "HTTPS_PROXY=http://EMEA%5Cada:s3\ncret@old.example:80\n",
    ):
        assert "cret" not in kept(found)
    after = kept("LD_PRELOAD=/x\nHTTPS_PROXY=http://EMEA%5Cada:s3%40cret@old.example:80\n")
    assert after == "# theirs\nHTTPS_PROXY=http://EMEA%5Cada:s3%40cret@new.example:80\nNO_PROXY=a@b\n"


NETRC = "machine packages.acme.example login ada password s3cret\n"
OTHERS = (
    "machine git.acme.example login ada password other\n\n# two of them\nmachine lab.acme.example login a password b"
)


@needs_root
def test_what_others_wrote_stays(run_module: RunModule, ada: Path) -> None:
    wanted = {"owner": "ada", "path": "~/.netrc", "content": NETRC, "merge": "netrc"}
    path = ada / ".netrc"
    path.write_text(OTHERS)
    os.chown(path, ada.stat().st_uid, ada.stat().st_gid)
    assert run_module(managed_files, check_mode=True, files=[wanted])["changed"] and path.read_text() == OTHERS
    assert run_module(managed_files, files=[wanted])["changed"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(netrc.netrc(path).hosts) == {"packages.acme.example", "git.acme.example", "lab.acme.example"}
    assert not run_module(managed_files, files=[wanted])["changed"]
    gone = {"owner": "ada", "path": "~/.netrc", "state": "absent", "merge": "netrc"}
    assert run_module(managed_files, check_mode=True, files=[gone])["changed"] and "s3cret" in path.read_text()
    assert run_module(managed_files, files=[gone])["changed"]
    assert path.read_text() == OTHERS
    assert not run_module(managed_files, files=[gone])["changed"]


@needs_root
def test_a_file_with_nothing_else_in_it_is_deleted(run_module: RunModule, ada: Path) -> None:
    wanted = {"owner": "ada", "path": "~/.netrc", "content": NETRC, "merge": "netrc"}
    gone = wanted | {"state": "absent"}
    run_module(managed_files, files=[wanted])
    assert run_module(managed_files, files=[gone])["changed"] and not (ada / ".netrc").exists()
    assert not run_module(managed_files, files=[gone])["changed"]
    (ada / ".netrc").symlink_to(ada / "netrc")
    run_module(managed_files, files=[wanted])
    assert run_module(managed_files, files=[gone])["changed"] and (ada / "netrc").read_text() == ""


@needs_root
def test_a_diff_shows_what_may_be_seen(run_module: RunModule, ada: Path) -> None:
    (ada / "pip.conf").write_text("[global]\nindex-url = https://ada:S3ntinel@old.example/\n")
    shown = {"owner": "ada", "path": "~/pip.conf", "content": "[global]\ntimeout = 5\n", "merge": "ini", "show": True}
    hidden = {"owner": "ada", "path": "~/.netrc", "content": NETRC}
    answer = run_module(managed_files, check_mode=True, files=[shown, hidden])
    seen, unseen = answer["diff"]
    assert seen["before"] == "[global]\nindex-url = https://ada:***@old.example/\n"
    assert "\ntimeout = 5\n" in seen["after"] and seen["after_header"] == str(ada / "pip.conf")
    assert (unseen["before"], unseen["after"]) == ("", f"(the content of {ada}/.netrc is not shown)\n")
    assert "s3cret" not in json.dumps(answer) and "S3ntinel" not in json.dumps(answer)


@needs_root
def test_one_broken_file_keeps_nobody_else_from_theirs(run_module: RunModule, ada: Path) -> None:
    (ada / ".pypirc").write_text("no section = S3ntinel\n")
    answer = run_module(
        managed_files,
        files=[
            {"owner": "ada", "path": "~/.pypirc", "content": "[pypi]\nusername = ada\n", "merge": "ini"},
            {"owner": "ada", "path": "~/.netrc", "content": NETRC, "merge": "netrc"},
        ],
    )
    assert not answer.get("failed") and answer["paths"] == [str(ada / ".netrc")]
    reason = f"{ada}/.pypirc can't be read as an INI file (line 1); mend it, or move it away"
    assert answer["people_skipped"] == [{"name": "ada", "reason": reason}]
    assert (ada / ".netrc").read_text().count("s3cret") == 1
    assert (ada / ".pypirc").read_text() == "no section = S3ntinel\n"


@needs_root
def test_a_word_that_makes_tools_ignore_a_netrc_is_told_and_mended(run_module: RunModule, ada: Path) -> None:
    wanted = {"owner": "ada", "path": "~/.netrc", "content": NETRC, "merge": "netrc"}
    path = ada / ".netrc"
    path.write_text("machine git.acme.example\n  port 443\n  login ada\n  password S3ntinel\n")
    os.chown(path, ada.stat().st_uid, ada.stat().st_gid)
    for check_mode in (True, False):
        answer = run_module(managed_files, check_mode=check_mode, files=[wanted])
        (told,) = answer["mended"]
        assert told.startswith(f"{path} has the word port in line 2, which pip and uv do not know")
        assert "S3ntinel" not in json.dumps(answer)
    assert set(netrc.netrc(path).hosts) == {"packages.acme.example", "git.acme.example"}
    again = run_module(managed_files, files=[wanted])
    assert (again["changed"], again["mended"]) == (False, [])


@needs_root
@pytest.mark.parametrize(
    ("name", "form", "content", "hint"),
    [
        (".netrc", "netrc", NETRC, "machine packages.acme.example login x password x\n"),
        (
            ".pypirc",
            "ini",
            "[pypi]\nrepository = https://packages.acme.example/\nusername = ada\npassword = s3cret\n",
            "[pypi]\nrepository = https://packages.acme.example/\n",
        ),
    ],
)
def test_an_offboarded_persons_password_goes_also_where_somebody_took_the_marks_away(
    run_module: RunModule, ada: Path, name: str, form: str, content: str, hint: str
) -> None:
    path = ada / name
    path.write_text("# mine\n" + content)
    os.chown(path, ada.stat().st_uid, ada.stat().st_gid)
    gone = {"owner": "ada", "path": f"~/{name}", "merge": form, "state": "absent", "content": hint}
    assert run_module(managed_files, files=[gone])["changed"]
    assert "s3cret" not in path.read_text() and "# mine" in path.read_text()
    assert not run_module(managed_files, files=[gone])["changed"]


# --- conflicting_package_sources

INDEX = "https://packages.acme.example"


@needs_root
def test_what_points_elsewhere_is_told_and_removed(run_module: RunModule, ada: Path) -> None:
    files = {
        ".config/pip/pip.conf": """[global]
timeout = 60
extra-index-url =
    https://x:S3ntinel@old.example/

[install]
index_url = https://packages.acme.example/simple/
""",
        ".config/uv/uv.toml": """[pip]
extra-index-url = [
  "https://old.example/",
]
[[index]]
url = "https://old.example/"

name = "old"

[[index]]
name = "lab"
url = "https://lab.example/"
explicit = true
""",
        ".bashrc": """alias ll=ls
if true; then
    export PIP_INDEX_URL=https://old.example/
fi
[ -e /x ] && export UV_INDEX=x
# PIP_PROXY=x
""",
        ".config/environment.d/pip.conf": "PIP_TRUSTED_HOST=old.example\nPOETRY_PYPI_MIRROR_URL=https://old.example/\n",
        ".config/pypoetry/config.toml": """[virtualenvs]
in-project = true
[repositories.lab]
url = "https://lab.example/"
[plugins.pypi_mirror]
url = "https://old.example/"
""",
        ".local/share/pipx/venvs/tool/pipx_metadata.json": """{
    "main_package": {
        "pip_args": [
            "--extra-index-url",
            "https://x:S3ntinel@old.example/",
            "--index-url=https://packages.acme.example/simple/"
        ]
    }
}
""",
        ".condarc": """# mine
channels:
- lab-forge   # S3ntinel
- https://x:S3ntinel@old.example/conda

proxy_servers:
  # of the old guide
  https: http://x:S3ntinel@proxy.example:3128
ssl_verify: /etc/ssl/certs/ca-certificates.crt
"channel_alias" : https://old.example/
always_yes: true
""",
        "miniforge3/.condarc": """channels: [internal, lab-forge,
  'https://packages.acme.example/conda/other'
]
ssl_verify: False""",
    }
    for name, text in files.items():
        (ada / name).parent.mkdir(parents=True, exist_ok=True)
        (ada / name).write_text(text)
    for path in ada.rglob("*"):
        os.chown(path, ada.stat().st_uid, ada.stat().st_gid)
    expected = {
        (".config/pip/pip.conf", 3, "extra-index-url", True),
        (".config/uv/uv.toml", 2, "extra-index-url", True),
        (".config/uv/uv.toml", 5, "[[index]]", True),
        (".bashrc", 3, "PIP_INDEX_URL", True),
        (".bashrc", 5, "UV_INDEX", False),
        (".config/environment.d/pip.conf", 1, "PIP_TRUSTED_HOST", True),
        (".config/environment.d/pip.conf", 2, "POETRY_PYPI_MIRROR_URL", True),
        (".config/pypoetry/config.toml", 6, "plugins.pypi_mirror.url", True),
        (".local/share/pipx/venvs/tool/pipx_metadata.json", 4, "--extra-index-url", False),
        (".condarc", 2, "channels", True),
        (".condarc", 6, "proxy_servers", True),
        (".condarc", 10, "channel_alias", True),
        ("miniforge3/.condarc", 4, "ssl_verify", True),
    }
    channels = ["internal", "lab-forge"]

    def told(answer: dict, removed: bool) -> bool:
        assert "S3ntinel" not in json.dumps(answer)
        below = [setting for setting in answer["settings"] if setting["path"].startswith(str(ada))]
        found = {(s["path"].removeprefix(f"{ada}/"), s["line"], s["setting"], s["removed"]) for s in below}
        return found == {(path, line, setting, can and removed) for path, line, setting, can in expected}

    for mode in ({}, {"remove": True, "check_mode": True}):
        answer = run_module(
            conflicting_package_sources, index_url=INDEX, channels=channels, people=["ada", "nemo-x"], **mode
        )
        assert told(answer, bool(mode))
        assert {name: (ada / name).read_text() for name in files} == files
    answer = run_module(conflicting_package_sources, index_url=INDEX, channels=channels, people=["ada"], remove=True)
    assert told(answer, True) and answer["changed"]
    assert subprocess.run(["sh", "-n", ada / ".bashrc"], check=False).returncode == 0
    assert tomllib.loads((ada / ".config/uv/uv.toml").read_text()) == {
        "pip": {},
        "index": [{"name": "lab", "url": "https://lab.example/", "explicit": True}],
    }
    assert yaml.safe_load((ada / ".condarc").read_text()) == {
        "ssl_verify": "/etc/ssl/certs/ca-certificates.crt",
        "always_yes": True,
    }
    assert yaml.safe_load((ada / "miniforge3/.condarc").read_text()) == {
        "channels": ["internal", "lab-forge", "https://packages.acme.example/conda/other"]
    }
    pip = (ada / ".config/pip/pip.conf").read_text()
    assert "\n# removed by wheelhouse.onboarding:     https://x:" in pip and "\nindex_url = " in pip
    again = run_module(conflicting_package_sources, index_url=INDEX, channels=channels, people=["ada"], remove=True)
    assert not again["changed"] and {s["setting"] for s in again["settings"] if s["path"].startswith(str(ada))} == {
        "UV_INDEX",
        "--extra-index-url",
    }
    poetry = tomllib.loads((ada / ".config/pypoetry/config.toml").read_text())
    assert poetry["repositories"] == {"lab": {"url": "https://lab.example/"}}, "where one may publish is no stray"
