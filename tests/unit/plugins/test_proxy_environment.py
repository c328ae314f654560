# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The files with the proxy's environment variables, which logins change in them, and faults of the settings."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.filter.proxy_environments import proxy_environments_filter
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.proxy_environment import (
    MACHINE,
    OWN_PASSWORD,
    Person,
    changed_logins,
    environment_files,
    setting_faults,
)

SECRET = "S3ntinel@:/#%?&+ \"'\\"
ADA: Person = {"name": "ada", "proxy_username": "EMEA\\ada", "proxy_password": SECRET}
OWN: Person = {"name": "leo", "proxy_username": "EMEA\\leo"}
NONE: Person = {"name": "bob"}
PROXY = "proxy.acme.example:8080"
OF_PROXY = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"]
OF_CA = ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"]
ENCODED = "EMEA%5Cada:S3ntinel%40%3A%2F%23%25%3F%26%2B%20%22%27%5C"


def contents(people: list[Person], proxy: str = PROXY, **settings: Any) -> dict[str, str]:
    """{last part of the path: content}."""
    files = environment_files(people, proxy, "localhost,.acme.example", **settings)
    return {file["path"].rpartition("/")[2]: file.get("content", "(absent)") for file in files}


def as_shell_reads(text: str) -> dict[str, str]:
    """The variables that a shell has after reading a file."""
    script = "set -a; . /dev/stdin; env"
    done = subprocess.run(["env", "-i", "sh", "-c", script], input=text, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_a_shell_reads_what_was_meant() -> None:
    text = contents([ADA], ca_store="/etc/ssl/ca.crt")["ada.env"]
    variables = as_shell_reads(text)
    assert [line.split("=")[0] for line in text.splitlines()] == OF_PROXY + OF_CA
    assert variables["https_proxy"] == variables["HTTP_PROXY"] == f"http://{ENCODED}@proxy.acme.example:8080"
    assert variables["NO_PROXY"] == variables["no_proxy"] == "localhost,.acme.example"
    assert variables["NODE_EXTRA_CA_CERTS"] == "/etc/ssl/ca.crt"


def test_each_account_has_its_own_credentials() -> None:
    files = environment_files([ADA, OWN, NONE], PROXY, "", username="svc", password="machine", removed=["eve"])
    by_path = {file["path"]: file for file in files}
    assert [file.get("owner") for file in files] == [None, "ada", "leo", "bob", None]
    assert "HTTP_PROXY=http://svc:machine@" in by_path["/etc/wheelhouse/proxy.env"]["content"]
    assert "HTTP_PROXY=http://proxy.acme.example:8080\n" in by_path["/etc/wheelhouse/people/bob.env"]["content"]
    assert by_path["/etc/wheelhouse/people/eve.env"]["state"] == "absent"


def test_whoever_types_the_password_keeps_it() -> None:
    [_machine, ada, leo] = environment_files([ADA, OWN], PROXY, "")
    assert (ada["keep_passwords"], leo["keep_passwords"]) == (False, True)
    assert leo["content"].startswith(OWN_PASSWORD + "HTTP_PROXY=http://EMEA%5Cleo@proxy.acme.example:8080\n")


def test_with_a_relay_no_file_holds_credentials() -> None:
    for text in contents([ADA, OWN], "127.0.0.1:3128", username="svc", password=SECRET, relay=True).values():
        assert text.startswith("HTTP_PROXY=http://127.0.0.1:3128\n") and "@" not in text


def test_without_a_proxy_only_the_trust_store_is_named() -> None:
    assert contents([NONE], "", ca_store="/ca")["bob.env"] == (
        "REQUESTS_CA_BUNDLE=/ca\nSSL_CERT_FILE=/ca\nNODE_EXTRA_CA_CERTS=/ca\n"
    )
    assert contents([NONE], "")["proxy.env"] == ""


@pytest.mark.parametrize(
    ("person", "named"), [(ADA | {"proxy_username": "a:da"}, "of ada "), (NONE, "of the machines ")]
)
def test_credentials_that_do_not_fit_are_named_and_not_shown(person: Person, named: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        proxy_environments_filter([person], PROXY, "", password=SECRET if person is NONE else None)
    assert named in str(caught.value) and "S3ntinel" not in str(caught.value)


def test_a_single_person_is_no_list() -> None:
    with pytest.raises(AnsibleFilterError, match="is a mapping, not a list"):
        proxy_environments_filter(dict(ADA), PROXY, "")


CHANGED = ["/etc/wheelhouse/proxy.env", "/etc/wheelhouse/people/ada.env", "/etc/wheelhouse/people/leo.env"]


def names(changed: list[str], **settings: Any) -> list[str]:
    logins = changed_logins([ADA, OWN, NONE], changed, username="svc", password="machine", **settings)
    return [login["name"] for login in logins]


def test_logins_of_files_that_change() -> None:
    assert names(CHANGED) == [MACHINE, "ada"], "leo's password is not known here"
    assert names(CHANGED[:1]) == [MACHINE]
    assert names(["/etc/wheelhouse/people/bob.env"]) == []
    assert changed_logins([ADA], CHANGED) == [{"name": "ada", "username": "EMEA\\ada", "password": SECRET}]


@pytest.mark.parametrize("file", ["haproxy.cfg", "password"])
def test_with_a_relay_the_hosts_account_is_the_only_login(file: str) -> None:
    assert names(CHANGED, relay=True) == []
    assert names([*CHANGED, f"/etc/wheelhouse/relay/{file}"], relay=True) == [MACHINE]


def faults(relay_supported: bool = True, **settings: Any) -> list[str]:
    usual = {"regions": {"europe": PROXY}, "mode": "direct", "authentication": "basic", "people": [dict(ADA)]}
    return list(setting_faults(usual | settings, relay_supported, "Fedora"))


RELAY = {"mode": "relay", "username": "svc", "password": "of ASCII ~"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"region": "asia"}, "corporate_proxy_region is asia; write one of europe, or leave it out"),
        (RELAY | {"relay_supported": False}, "is relay, which is not supported on Fedora; write direct"),
        (RELAY | {"username": ""}, "corporate_proxy_username or corporate_proxy_password is missing"),
        (RELAY | {"password": None}, "corporate_proxy_username or corporate_proxy_password is missing"),
        (RELAY | {"authentication": "ntlm", "password": "ä"}, "has a character outside ASCII"),
        (
            {"people": [{"name": "leo", "proxy_password": "€" + SECRET}]},
            "people[].proxy_password of leo has a character",
        ),
        ({"password": "€" + SECRET}, "corporate_proxy_password has a character outside of Latin-1"),
    ],
)
def test_wrong_settings_are_one_sentence_each(settings: dict, said: str) -> None:
    [sentence] = faults(**settings)
    assert said in sentence and "S3ntinel" not in sentence


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"region": "europe", "password": "ÿ" + SECRET},
        RELAY,
        RELAY | {"authentication": "ntlm"},
        RELAY | {"people": [{"name": "leo", "proxy_password": "€"}]},
        {"mode": "relay", "regions": {}},
    ],
)
def test_right_settings(settings: dict) -> None:
    assert faults(**settings) == []
