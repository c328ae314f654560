# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""validate_inventory: every fault is said, no good inventory is blamed, no secret is shown."""

from __future__ import annotations

import ast
import base64
import copy
import grp
import pwd
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory import validate_inventory
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.names_in_use import why_reserved
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
SECRET = "S3ntinel-of-Acme"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5vdEFSZWFsS2V5SnVzdEFuRXhhbXBsZUZvclRlc3Rz ada@ws-ada"
GROUPS: dict[str, Any] = {
    "all": ["index", "jup", "ws-ada", "ws-win", "proxy"],
    "ungrouped": [],
    "index_hosts": ["index"],
    "jupyter_hosts": ["jup"],
    "workstations": ["ws-ada", "ws-win"],
    "windows": ["ws-win"],
    "proxy_hosts": ["proxy"],
    "berlin": ["ws-ada", "index"],
}
KNOWN_GROUPS = (
    "index_hosts, jupyter_hosts, workstations, database_hosts, store_hosts, balancer_hosts, windows, proxy_hosts"
)
ADA: dict[str, Any] = {
    "name": "ada",
    "workstations": ["ws-ada"],
    "jupyter": True,
    "publishes": ["acme-*", "acme[0-9]?"],
    "index_password": f"{SECRET} @:/#%?&+\"'",
    "proxy_username": "EMEA\\ada",
    "proxy_password": f"{SECRET}ü",
    "ssh_public_key": KEY,
}
BOB: dict[str, Any] = {"name": "bob", "state": "absent"}
SETTINGS: dict[str, Any] = {
    "wheelhouse_index_url": "https://packages.acme.example",
    "wheelhouse_proxy": {
        "regions": {"europe": "proxy.acme.example:3128"},
        "no_proxy": [".acme.example", "192.0.2.0/24"],
    },
    "wheelhouse_proxy_username": "EMEA\\svc",
    "wheelhouse_proxy_password": SECRET,
    "wheelhouse_index_username": "machines",
    "wheelhouse_index_password": SECRET,
    "wheelhouse_people": [ADA, BOB],
}


def faults(groups=GROUPS, **changes):
    """The faults of the good inventory after changes to its settings."""
    before = copy.deepcopy((SETTINGS, changes, groups))
    found = validate_inventory({**SETTINGS, **changes}, groups)
    assert (SETTINGS, changes, groups) == before
    assert all(isinstance(fault, str) and "\n" not in fault and fault.endswith((".", "?")) for fault in found)
    assert SECRET not in "".join(found)
    return found


def of_person(groups=GROUPS, **changes):
    """The faults after changes to ada's entry; `...` takes a key out."""
    ada = {key: value for key, value in {**ADA, **changes}.items() if value is not ...}
    return faults(groups, wheelhouse_people=[BOB, ada])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"wheelhouse_people": [{"name": "ada"}]},
        {"wheelhouse_people": [{"name": "ada", "laptops": ["windows", "macos"], "proxy_username": "EMEA\\ada"}]},
        {"wheelhouse_index_url": "https://192.0.2.7:8855"},
        {"wheelhouse_index_username": None, "wheelhouse_index_password": None},
        {"wheelhouse_index_username": "", "wheelhouse_index_password": ""},
        {"wheelhouse_proxy_username": "", "wheelhouse_proxy_password": ""},
        {"wheelhouse_proxy": {"regions": {"europe": "http://[2001:db8::1]:80", "pacific": "192.0.2.7:1"}}},
        {"wheelhouse_proxy": {**SETTINGS["wheelhouse_proxy"], "mode": "direct"}},
        {"wheelhouse_proxy": {**SETTINGS["wheelhouse_proxy"], "mode": "relay"}},
        {"wheelhouse_proxy": {**SETTINGS["wheelhouse_proxy"], "mode": "relay", "authentication": "ntlm"}},
    ],
)
def test_good_settings(changes):
    assert faults(**changes) == []


def test_a_company_without_a_proxy():
    ada = {**ADA, "proxy_username": None, "proxy_password": None}
    settings = {"wheelhouse_index_url": "https://packages.acme.example", "wheelhouse_people": [ada]}
    assert validate_inventory(settings, GROUPS) == []


def test_an_index_that_the_company_has_already_may_have_a_path():
    groups = {**GROUPS, "index_hosts": [], "berlin": []}
    assert faults(groups, wheelhouse_index_url="https://artifacts.acme.example/pypi") == []


def test_someone_who_left_needs_only_a_name():
    left = {
        **ADA,
        "state": "absent",
        "workstations": ["gone"],
        "jupyter": "x",
        "index_password": "",
        "ssh_public_key": 1,
    }
    assert faults(wheelhouse_people=[left]) == []


def test_someone_who_types_their_password_at_the_proxy_has_none_in_the_inventory():
    assert of_person(proxy_password=...) == []


def test_all_faults_are_said_at_once():
    found = validate_inventory(
        {"wheelhouse_people": [{"jupyter": 1}, "x"], "wheelhouse_proxy": {}}, {"workstatons": ["ws-9"]}
    )
    for word in (
        "index_url",
        "regions",
        "[0].name",
        "[0].jupyter",
        "people[1]",
        "in any of the groups",
        "'workstatons'",
    ):
        assert sum(word in fault for fault in found) == 1, word


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "is not set"),
        ("", "is not set"),
        (8855, "a number, not a string"),
        ("packages.acme.example", "begins with https://"),
        ("http://packages.acme.example", "write https://"),
        ("https://", "host"),
        (f"https://ada:{SECRET}@packages.acme.example", "credentials"),
        ("https://packages.acme.example?a", "'?'"),
        ("https://packages.acme.example/#a", "'#'"),
        ("https://packages.acme.example/", "'/' at its end"),
        ("https://packages.acme.example/simple", "without '/simple'"),
        ("https://packages.acme.example/pypi", "without a path"),
        ("https://packages.acme.example ", "space"),
        ("https://packages.acme.example:x", "port"),
    ],
)
def test_index_url(url, words):
    [fault] = faults(wheelhouse_index_url=url)
    assert "wheelhouse_index_url" in fault
    assert words in fault


@pytest.mark.parametrize(
    ("proxy", "path", "words"),
    [
        (f"http://u:{SECRET}@proxy:80", "wheelhouse_proxy ", "a string, not a mapping"),
        ({}, "wheelhouse_proxy.regions", "nothing"),
        ({"regions": {}}, "wheelhouse_proxy.regions", "empty"),
        ({"regions": ["proxy.acme.example:80"]}, "wheelhouse_proxy.regions", "a list"),
        ({"regions": {"europe": "proxy.acme.example"}}, "wheelhouse_proxy.regions.europe", "without a port"),
        ({"regions": {"europe": "proxy.acme.example:99999"}}, "wheelhouse_proxy.regions.europe", "port"),
        ({"regions": {"europe": f"proxy.acme.example:{SECRET}"}}, "wheelhouse_proxy.regions.europe", "port"),
        ({"regions": {"europe": f"u:{SECRET}@p.example:80"}}, "wheelhouse_proxy.regions.europe", "credentials"),
        ({"regions": {"europe": 8080}}, "wheelhouse_proxy.regions.europe", "a number"),
        ({"regions": {"europe": "p.example:80"}, "no_proxy": "a,b"}, "wheelhouse_proxy.no_proxy", "not a list"),
        ({"regions": {"europe": "p.example:80"}, "no_proxy": ["http://x"]}, "wheelhouse_proxy.no_proxy", "scheme"),
        ({"regions": {"europe": "p.example:80"}, "noproxy": []}, "wheelhouse_proxy ", "'noproxy'"),
        ({"regions": {"europe": "p.example:80"}, "noproxy": []}, "wheelhouse_proxy ", "did you mean 'no_proxy'?"),
        ({"regions": {"europe": "p.example:80"}, "pac": ""}, "wheelhouse_proxy ", "authentication."),
        ({"regions": {"europe": "p.example:80"}, "mode": "relais"}, "wheelhouse_proxy.mode", "direct or relay"),
        ({"regions": {"europe": "p.example:80"}, "mode": []}, "wheelhouse_proxy.mode", "direct or relay"),
        (
            {"regions": {"europe": "p.example:80"}, "authentication": "kerberos"},
            "wheelhouse_proxy.authentication",
            "basic or ntlm",
        ),
        ({"regions": {"europe": "p.example:80"}, "authentication": "ntlm"}, "wheelhouse_proxy.authentication", "relay"),
        ({"regions": {"europe": "p.example:80"}, "mode": "relay"}, "wheelhouse_proxy.mode", "_password"),
    ],
)
def test_proxy(proxy, path, words):
    settings = {
        "wheelhouse_index_url": SETTINGS["wheelhouse_index_url"],
        "wheelhouse_proxy": proxy,
        "wheelhouse_people": [{"name": "ada"}],
    }
    [fault] = validate_inventory(settings, GROUPS)
    assert path in fault
    assert words in fault
    assert SECRET not in fault


@pytest.mark.parametrize("account", ["wheelhouse_proxy", "wheelhouse_index"])
@pytest.mark.parametrize(
    ("username", "password", "words"),
    [
        ("svc", None, "given without {}_password"),
        (None, SECRET, "given without {}_username"),
        ("", SECRET, "given without {}_username"),
        (f"svc:{SECRET}", SECRET, "{}_username has a ':'"),
        ("svc\n", SECRET, "{}_username has a line break"),
        ("svc", f"{SECRET}\n", "{}_password has a line break"),
        ("svc", [SECRET], "{}_password is a list"),
        ({SECRET: SECRET}, SECRET, "{}_username is a mapping"),
    ],
)
def test_accounts_of_machines(account, username, password, words):
    [fault] = faults(**{f"{account}_username": username, f"{account}_password": password})
    assert words.format(account) in fault


def test_accounts_at_a_proxy_that_is_not_there():
    found = faults(wheelhouse_proxy=None)
    assert len(found) == 2
    assert all("of no use without wheelhouse_proxy" in fault for fault in found)
    assert "wheelhouse_people[ada].proxy_username" in found[1]


def test_a_password_that_ntlm_does_not_carry():
    relay = {**SETTINGS["wheelhouse_proxy"], "mode": "relay"}
    [fault] = faults(wheelhouse_proxy={**relay, "authentication": "ntlm"}, wheelhouse_proxy_password=f"{SECRET}ü")
    assert "wheelhouse_proxy_password has a character outside ASCII" in fault
    assert faults(wheelhouse_proxy={**relay, "authentication": "basic"}, wheelhouse_proxy_password=f"{SECRET}ü") == []


def test_passwords_of_the_index_that_clients_send_differently():
    [fault] = faults(wheelhouse_index_password=f"{SECRET}ü")
    assert "wheelhouse_index_password has a character outside ASCII" in fault


@pytest.mark.parametrize(
    ("people", "words"),
    [
        ({"ada": SECRET}, "wheelhouse_people is a mapping, not a list"),
        (SECRET, "wheelhouse_people is a string, not a list"),
        ([ADA, SECRET], "wheelhouse_people[1] is a string, not a mapping"),
        ([ADA, [SECRET]], "wheelhouse_people[1] is a list, not a mapping"),
        ([ADA, None], "wheelhouse_people[1] is nothing, not a mapping"),
        (
            [ADA, BOB, {"name": "ada"}],
            "wheelhouse_people[2].name is 'ada', which wheelhouse_people[0].name has already",
        ),
        ([ADA, {"name": "ada", "state": "absent"}], "which wheelhouse_people[0].name has already"),
        ([{"state": "absent"}], "wheelhouse_people[0].name is missing"),
        # a run with such a list would offboard everybody
        (None, "wheelhouse_people is not set: write one '- name:' per person"),
        ([], "wheelhouse_people is empty: write one '- name:' per person"),
        ("", "wheelhouse_people is empty: write one '- name:' per person"),
        ({}, "wheelhouse_people is empty: write one '- name:' per person"),
        ([{"name": "ada", 7: SECRET}], "wheelhouse_people[ada] has the key 7, which is not known"),
    ],
)
def test_people(people, words):
    [fault] = faults(wheelhouse_people=people)
    assert words in fault


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ...}, ".name is missing"),
        ({"name": "Ada"}, ".name is 'Ada', which can't be a login name"),
        ({"name": "ada lovelace"}, "can't be a login name"),
        ({"name": "1ada"}, "can't be a login name"),
        ({"name": "ada\n"}, "can't be a login name"),
        ({"name": "a" * 33}, "can't be a login name"),
        ({"name": {"x": SECRET}}, ".name is a mapping"),
        ({"name": "root"}, "an account of the system"),
        ({"name": "www-data"}, "an account of the system"),
        ({"name": "systemd-network"}, "an account of the system"),
        ({"name": "sudo"}, "an account of the system"),  # a group: a new account could not have one of its name
        ({"name": "_apt"}, "an account of the system"),
        ({"name": "wheelhouse"}, "an account of the system"),
        ({"name": "intake"}, "which the index's journal calls the intake"),
        ({"name": "administrator"}, "which the index's journal calls the administrator"),
        ({"name": "timer"}, "which the index's journal calls the timer"),
        ({"name": "all"}, "which stands for everybody"),
        ({"name": "machines"}, "which stands for the machines' own account"),
        ({"state": "gone"}, ".state is 'gone': write present or absent"),
        ({"state": None}, ".state is nothing"),
        ({"index_pasword": SECRET}, "has the key 'index_pasword', which is not known: did you mean 'index_password'?"),
        ({"colour": SECRET}, "has the key 'colour', which is not known: write one of name,"),
        ({"workstations": "ws-ada"}, ".workstations is a string, not a list"),
        (
            {"workstations": ["ws-adda"]},
            ".workstations names 'ws-adda', which is not in the group workstations (did you mean",
        ),
        ({"workstations": ["index"]}, ".workstations names 'index'"),
        ({"workstations": [{"x": SECRET}]}, ".workstations has a mapping in it"),
        ({"laptops": "windows"}, ".laptops is a string, not a list: write"),
        ({"laptops": ["windows", "win11"]}, ".laptops has 'win11' in it: write windows, linux, macos"),
        ({"laptops": [["windows"]]}, ".laptops has"),
        ({"jupyter": "yes"}, ".jupyter is 'yes': write true or false"),
        ({"jupyter": 1}, ".jupyter is 1"),
        (
            {"jupyter_host": "jupp"},
            ".jupyter_host is 'jupp', which is not in the group jupyter_hosts (did you mean 'jup'?)",
        ),
        ({"jupyter_host": ["jup"]}, ".jupyter_host is"),
        ({"jupyter": ..., "jupyter_host": "jup"}, ".jupyter_host is given without wheelhouse_people[ada].jupyter"),
        ({"publishes": "acme-*"}, ".publishes is a string, not a list"),
        (
            {"publishes": ["Acme_Tools.*"]},
            ".publishes has 'Acme_Tools.*', but rights go by normalised names: write 'acme-tools-*'",
        ),
        ({"publishes": ["acme tools"]}, ".publishes has 'acme tools': write lower-case letters"),
        ({"publishes": [""]}, ".publishes has '': write"),
        ({"publishes": [7]}, ".publishes has a number in it"),
        ({"index_password": ...}, ".publishes is given without wheelhouse_people[ada].index_password"),
        ({"index_password": 12345678}, ".index_password is a number, not a string"),
        ({"index_password": {"x": SECRET}}, ".index_password is a mapping, not a string"),
        ({"index_password": ""}, ".index_password is empty"),
        ({"index_password": f"{SECRET}ü"}, ".index_password has a character outside ASCII"),
        ({"index_password": f"{SECRET}\n"}, ".index_password has a line break"),
        ({"index_password": SECRET * 5}, ".index_password is longer than the 72 bytes"),
        ({"index_password": "S3ntinel-ab"}, ".index_password has fewer than 12 characters: choose a longer one"),
        ({"index_password": f" {SECRET}"}, ".index_password begins or ends with a space"),
        ({"index_password": f"{SECRET} "}, ".index_password begins or ends with a space"),
        ({"proxy_password": ..., "proxy_username": f"ada:{SECRET}"}, ".proxy_username has a ':'"),
        ({"proxy_username": ...}, ".proxy_password is given without wheelhouse_people[ada].proxy_username"),
        ({"proxy_username": f"ada:{SECRET}"}, ".proxy_username has a ':'"),
        ({"proxy_password": f"{SECRET}\x00"}, ".proxy_password has a line break, a tab or another control character"),
        ({"proxy_password": [SECRET]}, ".proxy_password is a list, not a string"),
        ({"ssh_public_key": [SECRET]}, ".ssh_public_key is a list, not a string"),
        ({"ssh_public_key": SECRET}, ".ssh_public_key is not an OpenSSH public key"),
        ({"ssh_public_key": ""}, ".ssh_public_key is not an OpenSSH public key"),
        ({"ssh_public_key": KEY + "\n" + KEY}, ".ssh_public_key is not an OpenSSH public key"),
        ({"ssh_public_key": "ssh-dss AAAA"}, ".ssh_public_key is not an OpenSSH public key"),
        (
            {"ssh_public_key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n"},
            ".ssh_public_key holds a private key",
        ),
        ({"ssh_public_key": f"PuTTY-User-Key-File-3: ssh-ed25519\n{SECRET}"}, ".ssh_public_key holds a private key"),
    ],
)
def test_a_person(changes, words):
    [fault] = of_person(**changes)
    assert "wheelhouse_people[1].name" in fault or "wheelhouse_people[ada]" in fault
    assert words in fault
    assert "12345678" not in fault


def test_the_machines_account_is_no_persons():
    [fault] = faults(wheelhouse_index_username="ada")
    assert "wheelhouse_people[0].name is 'ada', which wheelhouse_index_username is, too" in fault


def test_how_long_a_password_is():
    [fault] = faults(wheelhouse_password_min_length=30)[1:]
    assert fault.startswith("wheelhouse_people[ada].index_password has fewer than 30 characters")
    assert faults(wheelhouse_password_min_length=8, wheelhouse_index_password="12345678") == []
    [fault] = faults(wheelhouse_index_password="12345678901")
    assert fault.startswith("wheelhouse_index_password has fewer than 12 characters") and "1234" not in fault
    [fault] = faults(wheelhouse_password_min_length=3)
    assert fault == "wheelhouse_password_min_length is 3: write a number from 8 to 72."


def _who(arguments: list[ast.arg] | list[str]) -> set[int]:
    names = [one if isinstance(one, str) else one.arg for one in arguments]
    return {place for place, name in enumerate(name for name in names if name != "self") if name in ("who", "by")}


def names_of_the_program() -> set[str]:
    """What the index's program, and what works with it, gives for who did something: every text in such an argument."""
    roles = ROOT / "roles"
    places = ("pypi_index/files/wheelhouse/src", "backup/files", "package_transfer/files")
    trees = [ast.parse(path.read_text("utf-8")) for place in places for path in (roles / place).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    # where a function or a class takes it, and which constants there are
    takes: dict[str, set[int]] = {}
    constants: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            takes.setdefault(node.name, set()).update(_who(node.args.args))
        elif isinstance(node, ast.ClassDef):
            fields = [
                one.target.id
                for one in node.body
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
            ]
            takes.setdefault(node.name, set()).update(_who(fields))
        elif (
            isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        ):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    constants.setdefault(target.id, set()).add(node.value.value)
    given: list[ast.expr] = []
    for node in nodes:
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given += [node.args[place] for place in takes.get(name, ()) if place < len(node.args)]
            given += [word.value for word in node.keywords if word.arg in ("who", "by")]
    found = {one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    for one in given:
        found |= constants.get(getattr(one, "id", ""), set())
    tasks = [
        path.read_text("utf-8")
        for kind in ("tasks", "files", "templates")
        for path in roles.glob(f"*/{kind}/*")
        if path.is_file()
    ]
    found |= {name for text in tasks for name in re.findall(r"""--by(?:['"], ['"]| )([a-z]+)\b""", text)}
    return {name for name in found if re.fullmatch(r"[a-z]+", name)}


def test_names_of_the_system_and_of_the_journal():
    """What this system has for users and groups, and what the index's program writes for itself as who did it."""
    written = names_of_the_program()
    assert {"intake", "administrator", "onboarding", "import", "offboarding", "drill", "housekeeping"} <= written
    system = {entry.pw_name for entry in pwd.getpwall() if entry.pw_uid < 1000 or entry.pw_uid == 65534}
    system |= {entry.gr_name for entry in grp.getgrall() if entry.gr_gid < 100}
    assert sorted(name for name in written | system if not why_reserved(name)) == []


def public_key(kind: str, *parts: bytes, inside: str = "") -> str:
    """A line as ssh-keygen writes it; `inside` is another type than stands before it."""
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in ((inside or kind).encode(), *parts))
    return f"{kind} {base64.b64encode(blob).decode()}"


@pytest.mark.parametrize(
    "key",
    [
        public_key("ssh-rsa", b"\1\0\1", b"\0" * 385),
        public_key("ecdsa-sha2-nistp256", b"nistp256", b"\4" * 65) + " ada lovelace, laptop",
        public_key("sk-ssh-ed25519@openssh.com", b"\7" * 32, b"ssh:"),
    ],
)
def test_public_keys(key):
    assert of_person(ssh_public_key=key) == []


@pytest.mark.parametrize(
    "key",
    [
        public_key("ssh-ed25519", b"\7" * 31),
        public_key("ssh-ed25519", b"\7" * 32, inside="ssh-rsa"),
        public_key("ssh-rsa", b"\1\0\1", b"\0" * 385)[:-12],
        public_key("ssh-rsa")[:40],
    ],
)
def test_public_keys_that_are_damaged(key):
    [fault] = of_person(ssh_public_key=key)
    assert "ssh_public_key is" in fault


def test_jupyter_without_a_jupyter_host():
    [fault] = of_person({**GROUPS, "jupyter_hosts": [], "all": []})
    assert "wheelhouse_people[ada].jupyter is true, but there is no host in the group jupyter_hosts" in fault


@pytest.mark.parametrize(
    ("groups", "sentences"),
    [
        (
            {**GROUPS, "workstatons": ["ws-9"]},
            [
                "Group 'workstatons' (host ws-9) is not one this collection uses; did you mean 'workstations'? "
                f"Put its hosts in one of {KNOWN_GROUPS}."
            ],
        ),
        (
            {**GROUPS, "berlin": ["ws-ada", "nas-1", "nas-2"]},
            [
                "Group 'berlin' (hosts nas-1, nas-2) is not one this collection uses. "
                f"Put its hosts in one of {KNOWN_GROUPS}."
            ],
        ),
        (
            {**GROUPS, "ungrouped": ["ws-9", "localhost"]},
            [f"Host 'ws-9' is in no group: put it in one of {KNOWN_GROUPS}."],
        ),
        (
            {**GROUPS, "windows": ["ws-win", "ws-8"]},
            ["Host 'ws-8' is in the group windows, but not in workstations: put it in both."],
        ),
        (
            {**GROUPS, "windows": "ws-win"},
            ["The group 'windows' is no list of hosts: pass Ansible's variable `groups`."],
        ),
    ],
)
def test_groups(groups, sentences):
    assert faults(groups) == sentences


def test_no_host_to_work_on():
    people = [{"name": "ada"}]
    for groups in ({}, {"all": ["proxy"], "proxy_hosts": ["proxy"]}):
        [fault] = faults(groups, wheelhouse_people=people)
        assert fault.startswith("There is no host in any of the groups index_hosts, jupyter_hosts, workstations")


@pytest.mark.parametrize("groups", [None, "all", [GROUPS], 7])
def test_groups_that_are_none(groups):
    assert any("pass Ansible's variable `groups`" in fault for fault in faults(groups))


leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("ada"), st.just("a:b@c/d"))
keys = st.one_of(st.text(), st.sampled_from([*SETTINGS, *ADA, "state", "regions", "no_proxy", *GROUPS]), st.integers())
junk = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(SETTINGS, junk)), junk)
def test_any_junk_gives_sentences(settings, groups):
    found = validate_inventory(settings, groups)
    assert all(isinstance(fault, str) and len(fault) > 20 for fault in found)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys([*ADA, "state", "colour"], junk)))
def test_any_junk_in_an_entry_gives_sentences(person):
    assert isinstance(faults(wheelhouse_people=[person, person]), list)


wrapped = st.recursive(
    st.just(SECRET),
    lambda inner: st.one_of(st.lists(inner, min_size=1), inner.map(lambda value: {"x": value})),
    max_leaves=3,
)
broken = st.sampled_from(
    [SECRET, f"{SECRET}\n", f"ü{SECRET}", SECRET * 20, f"{SECRET}:{SECRET}", f"http://u:{SECRET}@p:x"]
)
ACCOUNTS = [key for key in SETTINGS if key.endswith(("_username", "_password"))]
SECRETS = ["index_password", "proxy_username", "proxy_password", "ssh_public_key"]


@given(
    st.fixed_dictionaries(dict.fromkeys(SECRETS, wrapped | broken)),
    st.fixed_dictionaries(dict.fromkeys(ACCOUNTS, wrapped | broken)),
)
def test_no_secret_is_shown(person, accounts):
    """`faults` looks for the sentinel."""
    faults(wheelhouse_people=[{"name": "ada", **person}], **accounts)
