# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Settings and credentials of the package clients, read by what reads them on hosts."""

from __future__ import annotations

import configparser
import netrc
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.filter import (
    client_setting_faults,
    condarc,
    index_credentials,
    pip_conf,
    removed_users_files,
    uv_toml,
)
from ansible_collections.wheelhouse.onboarding.plugins.lookup.program_files import entries
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils import client_checks, client_settings
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.removals import removal_plan
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.virtualenv_requirements import (
    virtualenv_requirements,
)

URL = "https://packages.acme.example"
SECRET = "S3ntinel"


def ini(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def test_pip_has_one_index_and_a_trust_store_where_it_needs_one() -> None:
    plain = ini(client_settings.pip_conf(URL))
    assert plain == {"global": {"index-url": f"{URL}/simple/"}, "search": {"index": URL}}
    assert ini(client_settings.pip_conf(URL, "/etc/ca.pem"))["global"]["cert"] == "/etc/ca.pem"


def test_uv_has_one_index() -> None:
    settings = tomllib.loads(client_settings.uv_toml(URL))
    assert settings["publish-url"] == f"{URL}/" and settings["trusted-publishing"] == "never"
    (index,) = settings["index"]
    assert index == {"url": f"{URL}/simple/", "default": True, "authenticate": "always", "exclude-newer": False}


def test_conda_prefers_the_companys_channels() -> None:
    text = client_settings.condarc(URL, ["internal", "lab"], ["conda-forge"])
    settings = yaml.safe_load(text)
    assert settings["channels"] == ["internal", "lab", "conda-forge"]
    assert settings["custom_channels"] == {"internal": f"{URL}/conda", "lab": f"{URL}/conda"}
    assert settings["channel_priority"] == "strict" and "ssl_verify" not in settings
    assert text.count("#!top") == 3, "the company's two and the comment: other channels may come before conda-forge"


def test_conda_can_be_locked() -> None:
    other = "https://conda.acme.example/forge"
    text = client_settings.condarc(URL, ["internal"], [other], locked=True, ssl_verify="C:\\ca.pem")
    settings = yaml.safe_load(text)
    wanted = [f"{URL}/conda/internal", other]
    assert settings["default_channels"] == settings["allowlist_channels"] == wanted
    assert settings["override_channels_enabled"] is False and settings["ssl_verify"] == "C:\\ca.pem"
    for name in ("channels", "default_channels", "allowlist_channels", "channel_alias", "custom_channels"):
        assert [line for line in text.splitlines() if line.startswith(name) and line.endswith("#!final")], name


def test_conda_without_channels_of_the_company_is_valid() -> None:
    for locked in (False, True):
        assert yaml.safe_load(client_settings.condarc(URL, [], ["https://x.example"], locked))["custom_channels"] == {}


PEOPLE = [{"name": "ada", "index_password": f'{SECRET} "1" #2'}, {"name": "leo"}]


def files(**more: Any) -> dict[tuple[str, str], client_settings.CredentialsFile]:
    found = client_settings.index_credentials(PEOPLE, URL, **more)
    keyed = {(one["owner"], one["path"]): one for one in found}
    assert len(keyed) == len(found), "nothing is written twice"
    return keyed


def test_each_person_gets_their_own_credentials(tmp_path: Path) -> None:
    found = files(removed=["bob"], machine_username="host", machine_password="x")
    entry = tmp_path / "netrc"
    entry.write_text(found["ada", "~/.netrc"]["content"])
    assert netrc.netrc(entry).authenticators("packages.acme.example") == ("ada", "", f'{SECRET} "1" #2')
    pypirc = ini(found["ada", "~/.pypirc"]["content"])
    assert pypirc["pypi"] == {"repository": f"{URL}/", "username": "ada", "password": f'{SECRET} "1" #2'}
    assert not [key for key in found if key[0] == "leo"], "without a password, nothing is changed"
    assert found["root", "~/.netrc"]["content"].split()[3] == "host"
    for path in ("~/.netrc", "~/.pypirc"):
        assert found["bob", path]["state"] == "absent" and "packages.acme.example" in found["bob", path]["content"]


def test_a_machine_without_an_account_has_no_credentials() -> None:
    assert files()["root", "~/.netrc"] == {"path": "~/.netrc", "owner": "root", "merge": "netrc", "state": "absent"}


def test_absent_takes_away_everyones_and_holds_no_secret() -> None:
    found = files(removed=["bob", "ada"], state="absent", machine_username="host", machine_password=SECRET)
    assert {owner for owner, _path in found} == {"root", "ada", "leo", "bob"}
    assert {one["state"] for one in found.values()} == {"absent"} and SECRET not in str(found)
    unknown = client_settings.index_credentials([{"name": "ada"}], "", state="absent")
    assert {one["content"] for one in unknown} == {""}, "also where the index is not known any more"


def test_a_password_that_cannot_be_written_is_not_shown() -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        index_credentials.index_credentials_filter([{"name": "ada", "index_password": f"{SECRET}\n"}], URL)
    assert SECRET not in str(caught.value)


def test_what_removed_users_had() -> None:
    paths = [one["path"] for one in client_settings.removed_users_files(["bob"])]
    assert paths == ["~/.netrc", "~/.pypirc", "/etc/wheelhouse/people/bob.env", "/etc/ssh/authorized_keys.d/bob"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"index_url": None}, "index_url is not set"),
        ({"index_url": f"{URL}/simple"}, "without a path"),
        ({"index_url": f"https://ada:{SECRET}@x.example"}, "index_url is https://***@x.example"),
        ({"people": [{"name": "leo"}, {"name": "ada", "index_password": f"{SECRET}ä"}]}, "index_password of ada has"),
        ({"machine_password": f"{SECRET}ä"}, "of the machine's account has"),
        ({"conda_channels": ["internal", "https://x.example"]}, 'conda_channels holds "https://x.example"'),
        ({"conda_other_channels": [f"https://x:{SECRET}@old.example/c"]}, "holds https://***@old.example/c"),
        ({"conda_locked": True, "conda_other_channels": ["conda-forge"]}, "holds conda-forge and"),
        ({"conda_installer": "https://x.example/i.sh"}, "conda_installer_sha256 is ''"),
        ({"conda_installer": "i.sh", "conda_installer_sha256": "a" * 64}, "neither a file on the controller"),
        (
            {"conda_installer": f"https://a:{SECRET}@x.example/i.sh", "conda_installer_sha256": "a" * 64},
            "https://***@x",
        ),
    ],
)
def test_a_fault_is_a_sentence(changed: dict[str, object], words: str) -> None:
    settings = {"index_url": URL, "people": [], "conda_channels": ["internal"], "conda_other_channels": []}
    assert list(client_checks.setting_faults(settings, False)) == []
    (fault,) = client_setting_faults.client_setting_faults_filter(settings | changed)
    assert fault.startswith("package_client_") and words in fault and SECRET not in fault


def test_good_settings_have_no_fault() -> None:
    settings = {
        "index_url": URL,
        "people": [{"name": "ada", "index_password": """@:/#%?&+ "'\\~"""}],
        "machine_password": "",
        "conda_channels": ["internal", "lab-1.x"],
        "conda_other_channels": ["https://conda.example/forge"],
        "conda_locked": True,
        "conda_installer": "/srv/miniforge.sh",
        "conda_installer_sha256": "A" * 64,
    }
    assert list(client_checks.setting_faults(settings, True)) == []


def test_input_of_another_kind_is_refused() -> None:
    for call in (
        lambda: pip_conf.pip_conf_filter(None),
        lambda: uv_toml.uv_toml_filter([]),
        lambda: condarc.condarc_filter(URL, "internal"),
        lambda: index_credentials.index_credentials_filter([{"user": "ada"}], URL),
        lambda: removed_users_files.removed_users_files_filter("ada"),
        lambda: client_setting_faults.client_setting_faults_filter([]),
    ):
        with pytest.raises(AnsibleFilterError):
            call()


def test_a_program_of_several_files(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    for name, text in (("b.py", "{{ 1 }}\n"), ("a.py", "x = 1\n"), ("notes.txt", "")):
        (tmp_path / "program" / name).write_text(text)
    (tmp_path / "run").write_text("#!/bin/sh\n")
    found = entries([tmp_path / "run", tmp_path / "program"], "/opt/x", "0755", "present")
    assert [(one["path"], one["content"]) for one in found] == [
        ("/opt/x/run", "#!/bin/sh\n"),
        ("/opt/x/a.py", "x = 1\n"),
        ("/opt/x/b.py", "{{ 1 }}\n"),
    ]
    gone = entries([tmp_path / "run"], "/opt/x", "0755", "absent")
    assert gone == [{"path": "/opt/x/run", "mode": "0755", "content": "", "state": "absent"}]


def test_requirements_are_listed_and_locked_ones() -> None:
    locked = {"lock.txt": "\ufeffidna==3.6\n"}
    one = {"path": "/opt/a", "requirements": ["pip", "uv"], "requirements_file": "lock.txt", "owner": None}
    (found,) = virtualenv_requirements([one], locked, "present")
    assert found["requirements"] == "pip\nuv\nidna==3.6" and found["owner"] == "root" and found["state"] == "present"
    assert virtualenv_requirements([{"path": "/a"}], {}, "absent")[0]["state"] == "absent"
    assert virtualenv_requirements([{"path": "/a", "state": "absent"}], {}, "present")[0]["state"] == "absent"


def test_a_removal_is_described_for_each_host() -> None:
    hostvars: dict[str, dict[str, object]] = {
        "ws-1": {"wheelhouse_removed_users": ["ada", "leo"]},
        "ws-2": {"wheelhouse_removed_users": ["ada"], "accounts_removed_home": "remove"},
        "index": {},
    }
    first, one, two, *_ = removal_plan(list(hostvars), hostvars, "keep")
    assert first.endswith("on ws-1, ws-2, index.")
    assert one.startswith("ws-1: locks the accounts of ada, leo") and "leaves their homes where they are" in one
    assert two.startswith("ws-2: ") and "deletes their homes" in two
