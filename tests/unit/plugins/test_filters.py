# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The filters as Ansible runs them: their documented examples, the wrappers around values, and their error texts."""

from __future__ import annotations

import importlib
import json
import re
from collections import UserString

import pytest
import yaml
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.template import Templar, trust_as_template
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native, shown

PACKAGE = "ansible_collections.wheelhouse.onboarding.plugins.filter"
FILTERS = [
    "proxy_url",
    "with_credentials",
    "redact_credentials",
    "netrc_entry",
    "htpasswd",
    "superseded_credentials",
    "no_proxy",
    "validate_inventory",
    "certificate_files",
    "only_certificates",
    "proxy_environments",
    "changed_proxy_logins",
    "proxy_setting_faults",
    "index_configuration",
    "listed_files",
    "read_rights",
    "setting_faults",
    "names_of_people",
]
SECRET = "S3ntinel-of-Acme"
# what filters of the index take besides their input
INDEX: dict[str, list] = {"index_configuration": [[]], "read_rights": [[]], "setting_faults": ["pypi_index"]}


def filter_plugin(name):
    """The function that Ansible calls."""
    return importlib.import_module(f"{PACKAGE}.{name}").FilterModule().filters()[name]


def examples():
    """(name of the filter, template, variables, the result that the comment after the template promises)."""
    for name in FILTERS:
        text = importlib.import_module(f"{PACKAGE}.{name}").EXAMPLES
        promised = re.findall(r"^ +# => (.*)$", text, re.MULTILINE)
        tasks = yaml.safe_load(text)
        assert len(promised) == len(tasks) >= 1
        for task, result in zip(tasks, promised, strict=True):
            yield name, task["ansible.builtin.debug"]["msg"], task.get("vars", {}), json.loads(result)


@pytest.mark.parametrize(("name", "template", "variables", "result"), list(examples()))
def test_examples_do_what_they_say(name, template, variables, result):
    assert f"wheelhouse.onboarding.{name}" in template
    assert Templar(loader=DataLoader(), variables=variables).template(trust_as_template(template)) == result


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars:
    server: proxy.acme.example:8080
    secret: {vaulted}
    people:
      - name: ada
        index_password: {vaulted}
      - name: "{{ 'leo' }}"
        index_password: "{{ secret }}"
    domains: [.acme.example, "{{ 'lab.example' }}", lab.example:80]
    settings:
      wheelhouse_index_url: https://packages.acme.example
      wheelhouse_people: "{{ people }}"
  tasks:
    - ansible.builtin.assert:
        that:
          - server | wheelhouse.onboarding.proxy_url('ada', secret) == 'http://ada:' ~ secret ~ '@' ~ server
          - "'http://h/' | wheelhouse.onboarding.with_credentials('ada', secret) == 'http://ada:' ~ secret ~ '@h/'"
          - secret | wheelhouse.onboarding.redact_credentials == secret
          - "'h' | wheelhouse.onboarding.netrc_entry('ada', secret) == 'machine h login ada password ' ~ secret ~ '\\n'"
          - people | wheelhouse.onboarding.htpasswd(rounds=4) is match('ada:[$]2b[$]04[$].{53}\\nleo:[$]2b[$]04[$]')
          - domains | wheelhouse.onboarding.no_proxy == 'localhost,127.0.0.1,::1,.acme.example,lab.example'
          - settings | wheelhouse.onboarding.validate_inventory({'workstations':['ws-1']}) == []
    - ansible.builtin.debug:
        msg: "{{ server | wheelhouse.onboarding.proxy_url('ada', secret ~ '\\n') }}"
"""


def test_a_real_run_takes_vaulted_tagged_and_lazy_values(tmp_path, run):
    """Everything before the last task passes; the last one fails with our sentence, and without the secret."""
    ciphertext = VaultLib().encrypt(SECRET, VaultSecret(b"vault password")).decode()
    vaulted = "!vault |\n" + "".join(f"          {line}\n" for line in ciphertext.splitlines())
    playbook, password_file = tmp_path / "play.yml", tmp_path / "password"
    playbook.write_text(PLAYBOOK.replace("{vaulted}", vaulted))
    password_file.write_text("vault password")
    done = run(
        [
            "ansible-playbook",
            "-i",
            "localhost,",
            "-c",
            "local",
            "--vault-password-file",
            str(password_file),
            str(playbook),
        ],
        {"ANSIBLE_DEPRECATION_WARNINGS": "0", "ANSIBLE_LOCAL_TEMP": str(tmp_path)},
    )
    output = done.stdout + done.stderr
    assert "All assertions passed" in output, output
    assert "password has a line break" in output
    assert "Left out of NO_PROXY: 'lab.example:80' has a port" in " ".join(output.split())
    assert SECRET not in output


@pytest.mark.parametrize("junk", [None, 7, True, 1.5, b"x", ["x"], {"x": SECRET}, "x"])
@pytest.mark.parametrize("name", FILTERS)
def test_wrong_input_is_an_error_of_ansible(name, junk):
    """Never a traceback; what is text is for the function to judge."""
    more: dict[str, list] = {"netrc_entry": ["ada", SECRET], "validate_inventory": [{}], **INDEX}
    more |= {"proxy_environments": ["", ""]}
    more |= {"changed_proxy_logins": [[]], "proxy_setting_faults": [True, "Debian"]}
    try:
        filter_plugin(name)(junk, *more.get(name, []))
    except AnsibleFilterError as error:
        assert SECRET not in str(error)
        assert str(error).rstrip().endswith(".")
    else:
        assert (name, type(junk)) in [
            ("redact_credentials", str),
            ("netrc_entry", str),
            ("superseded_credentials", str),
            ("no_proxy", list),
            ("validate_inventory", dict),
            ("proxy_setting_faults", dict),
            ("certificate_files", str),
            ("only_certificates", str),
            ("setting_faults", dict),
            ("read_rights", list),
            ("names_of_people", list),
        ]


def test_errors_reach_the_user_without_the_secret():
    templar = Templar(loader=DataLoader(), variables={"secret": SECRET + "\n"})
    with pytest.raises(AnsibleError, match="password has a line break") as error:
        templar.template(trust_as_template("{{ 'p.example:1' | wheelhouse.onboarding.proxy_url('ada', secret) }}"))
    assert SECRET not in str(error.value)


def test_no_proxy_warns_of_what_it_leaves_out(monkeypatch):
    warnings: list[str] = []
    plugin = filter_plugin("no_proxy")
    monkeypatch.setattr(importlib.import_module(f"{PACKAGE}.no_proxy").display, "warning", warnings.append)
    assert plugin(["a.example", "a.example:80"]) == "localhost,127.0.0.1,::1,a.example"
    assert warnings == [
        "Left out of NO_PROXY: 'a.example:80' has a port, which not every tool understands: write only the host."
    ]


def test_native_takes_every_wrapper_off():
    """A UserString is like the vaulted strings of all versions: no `str`, but with its methods."""
    value = native({UserString("x"): [UserString("a"), ("b", {"c": UserString("d")})], "n": None, "t": True, "i": 7})
    assert value == {"x": ["a", ["b", {"c": "d"}]], "n": None, "t": True, "i": 7}
    assert {type(text) for text in (*value, value["x"][0], value["x"][1][1]["c"])} == {str}


ADDRESSES = [
    ("http://u:pw@h", "http://***@h"),
    ("u:pw@h", "***@h"),
    ("https://pw@h/x", "https://***@h/x"),
    ("https://u:pass pw@h", "https://***@h"),
    ("https://u:p@pw@h", "https://***@h"),
    ("https://u:p/pw@h", "https://***@h"),
    ("https://u%3Apw@h", "https://***@h"),
    ("https//u:pw@h", "https//***@h"),
    ("//u:pw@h", "//***@h"),
    ("u%3apw@h", "***@h"),
    ("https://h/x?token=pw", "https://h/x?***"),
    ("https://h/x#pw", "https://h/x#***"),
    ("https://h/t/tk-pw/main", "https://h/t/***/main"),
    ("pkg @ https://u:pw@h/x", "pkg @ https://***@h/x"),
    ("Bob@acme.example", "Bob@acme.example"),
    ("acme-?", "acme-?"),
]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ada", "'ada'"),
        ("a\nb", "'a\\nb'"),
        ("x" * 61, "'" + "x" * 60 + "...'"),
        *((text.replace("pw", SECRET), f"'{said}'") for text, said in ADDRESSES),
        ({"x": SECRET}, "a mapping"),
        ([SECRET], "a list"),
        (None, "nothing"),
        (True, "True"),
    ],
)
def test_shown(value, text):
    assert shown(value) == text


@pytest.mark.parametrize(
    ("value", "words"), [(None, "nothing"), (False, "true or false"), (1, "a number"), (b"", "a bytes")]
)
def test_kind(value, words):
    assert kind(value) == words
