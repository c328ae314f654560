# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Settings merged into files that people wrote: in force for real readers, and gone again to the byte."""

from __future__ import annotations

import configparser
import netrc
import tomllib
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_block import CannotMerge
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.merging import merged, without
from hypothesis import assume, given
from hypothesis import strategies as st

PIP = "[global]\nindex-url = https://packages.acme.example/simple/\n\n[search]\n# why\nindex = https://packages.acme.example\n"
PYPIRC = """[distutils]
index-servers = pypi

[pypi]
repository = https://packages.acme.example/
username = ada
password = s3#cret
"""
UV = 'system-certs = true\n\n[[index]]\nurl = "https://packages.acme.example/simple/"\ndefault = true\n'
NETRC = 'machine packages.acme.example login ada password "s3\\"c ret" #\n'
SETTINGS = {"pip": (PIP, "ini"), "pypirc": (PYPIRC, "ini"), "uv": (UV, "toml"), "netrc": (NETRC, "netrc")}


def ini(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("empty", ["", "\n", "# mine\n", "# mine, without an end"])
def test_into_an_empty_file(name: str, empty: str) -> None:
    settings, form = SETTINGS[name]
    after = merged(empty, settings, form)
    assert settings in after or form != "netrc"
    assert merged(after, settings, form) == after
    assert without(after) == empty


def test_ours_counts_and_theirs_stays() -> None:
    theirs = "# mine\n[global]\n  timeout = 60\n  index_url: https://old.example/simple\n     \n[install]\nuser = true"
    after = merged(theirs, PIP, "ini")
    found = ini(after)
    assert found["global"]["index-url"] == "https://packages.acme.example/simple/"
    assert (found["global"]["timeout"], found["install"]["user"]) == ("60", "true")
    assert "index_url" not in found["global"]
    assert found["search"]["index"] == "https://packages.acme.example"
    assert without(after) == theirs


def test_what_ran_over_several_lines_is_displaced_whole() -> None:
    theirs = (
        "[distutils]\nindex-servers =\n    testpypi\n    # a comment\n\n    lab\n\n"
        "[pypi]\nusername = __token__\npassword = pypi-mine\n[lab]\nrepository = https://lab.example/\n"
    )
    after = merged(theirs, PYPIRC, "ini")
    found = ini(after)
    assert found["distutils"]["index-servers"].split() == ["pypi", "testpypi", "lab"]
    assert dict(found["pypi"]) == {
        "repository": "https://packages.acme.example/",
        "username": "ada",
        "password": "s3#cret",
    }
    assert found["lab"]["repository"] == "https://lab.example/"
    assert without(after) == theirs


def test_the_same_password_is_not_kept_as_a_comment() -> None:
    theirs = "[pypi]\nusername = ada\nsign = no\npassword = s3#cret"
    after = merged(theirs, PYPIRC, "ini")
    assert after.count("s3#cret") == 1 and ini(after)["pypi"]["sign"] == "no"
    assert without(after) == "[pypi]\nusername = ada\nsign = no\n"
    assert merged(after, PYPIRC, "ini") == after


def test_toml_values_come_first_and_tables_last() -> None:
    theirs = (
        'native-tls = true\nsystem-certs = false # no\nno-build-package = [\n  "a", # [[index]]\n]\n'
        'x = """\n[[index]]\nsystem-certs = 1\n"""\n\n'
        '# two of mine\n[[index]]\nurl = "https://old.example/"\n\n[pip]\ncompile-bytecode = true'
    )
    after = merged(theirs, UV, "toml")
    found = tomllib.loads(after)
    assert found == tomllib.loads(theirs) | tomllib.loads(UV)
    assert without(after) == theirs


def test_netrc_entries_of_the_same_machine_go_and_all_others_stay(tmp_path: Path) -> None:
    theirs = (
        "# mine\nmachine git.example login x password machine\n"
        "machine Packages.acme.example\n  login old\n\tpassword old\n"
        "# after\ndefault login anonymous password a@b\n\nmacdef init\nmachine packages.acme.example\n\n"
    )
    after = merged(theirs, NETRC, "netrc")
    path = tmp_path / "netrc"
    path.write_text(after)
    hosts = netrc.netrc(path).hosts
    assert hosts == {
        "packages.acme.example": ("ada", "", 's3"c ret'),
        "git.example": ("x", "", "machine"),
        "default": ("anonymous", "", "a@b"),
    }
    expected = theirs.replace("machine Packages.acme.example\n  login old\n\tpassword old\n", "")
    assert without(after) == expected and "old" not in after


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("timeout = 60\n", "pip", "can't be read as an INI file (line 1)"),
        ("[global]\n[global]\n", "pip", "can't be read as an INI file (line 2)"),
        ("a = \n", "uv", "can't be read as a TOML file"),
        ("machine a.example login x password y z\n", "netrc", "can't be read as a netrc file (near line"),
        (
            "machine a.example login x password y machine packages.acme.example login x password S3ntinel",
            "netrc",
            "in line 1",
        ),
        ("machine a.example username x password S3ntinel\n", "netrc", "has the word username in line 1"),
        ("[global]\ntimeout = \udce9S3ntinel\n", "pip", "has a letter in line 2 that is not in UTF-8"),
        ("cache-dir = '\udce9S3ntinel'\n", "uv", "has a letter in line 1 that is not in UTF-8"),
    ],
)
def test_what_cannot_be_merged_is_told_without_secrets(text: str, name: str, says: str) -> None:
    with pytest.raises(CannotMerge) as caught:
        merged(text, *SETTINGS[name])
    assert says in str(caught.value) and "S3ntinel" not in str(caught.value)


# --- properties: files as people write them, in all their variety


def is_plain(value: str) -> bool:
    """Whether a value can be written in lines of its own: a word that opens a comment can't."""
    return bool(value) and all(word[0] not in "#;" for word in value.split())


blank = st.sampled_from(["\n", "  \n", "# a comment\n", "; another = one\n", "\r\n"])
hash_blank = st.sampled_from(["\n", "  \n", "# a [comment]\n", "\t# index = 1\n"])
end = st.sampled_from(["\n", "\n", "\r\n"])
words = st.text("abc=:#;[]\"'%ä ", min_size=1, max_size=8).map(str.strip).filter(is_plain)
ini_keys = st.sampled_from(
    ["timeout", "index-url", "index_url", "Index", "username", "password", "index-servers", "repository", "a b"]
)


@st.composite
def ini_files(draw: st.DrawFn) -> str:
    text = "".join(draw(st.lists(blank, max_size=2)))
    for section in draw(
        st.lists(st.sampled_from(["global", "search", "pypi", "distutils", "install", "DEFAULT"]), unique=True)
    ):
        indent = draw(st.sampled_from(["", "", "  "]))
        text += indent + f"[{section}]" + draw(end)
        for key in draw(st.lists(ini_keys, unique_by=lambda key: key.lower().replace("_", "-"), max_size=4)):
            text += (
                draw(st.sampled_from(["", "", " ", "\t"]))
                + key
                + draw(st.sampled_from(["=", " = ", ": "]))
                + draw(words)
                + draw(end)
            )
            text += "".join("      " + draw(words) + "\n" for _ in range(draw(st.integers(0, 2))))
            text += "".join(draw(st.lists(blank, max_size=1)))
    return text.rstrip("\n") if draw(st.booleans()) else text


toml_statements = st.sampled_from(
    [
        "a = 1",
        "system-certs = false",
        "b = [\n 1, # ]\n]",
        'c = """\n[[index]]\n"""',
        "publish-url = 'x'",
        "index-url = 'y'",
        "d.e = 1",
    ]
)
toml_tables = st.sampled_from(
    [
        "[pip]\nsystem-certs = 1",
        "[[index]]\nurl = 'x'\n[index.more]\ny = 1",
        "[[index]]\n\n# z\nname = 'n'",
        "[t.u]",
        "[v]\nw = [\n1,\n]",
    ]
)


@st.composite
def toml_files(draw: st.DrawFn) -> str:
    parts = draw(st.lists(toml_statements, unique=True, max_size=4)) + draw(
        st.lists(toml_tables, unique=True, max_size=4)
    )
    text = "".join("".join(draw(st.lists(hash_blank, max_size=2))) + part + "\n" for part in parts)
    return text.rstrip("\n") if draw(st.booleans()) else text


tokens = st.sampled_from(["x", "machine", "default", '"a b"', '"a\\"#"', "p#q", "packages.acme.example"])
comments = st.sampled_from(
    ["# a b\n", "#a b %20\n", "#\n", "\n", "\n# a \u00a0 b\r\n", "\n\n  # machine packages.acme.example\n# x y\n"]
)
machines = st.sampled_from(["git.example", "packages.acme.example", "lab.example"])


@st.composite
def netrc_files(draw: st.DrawFn) -> str:
    text = ""
    for machine in draw(st.lists(machines, max_size=4)):
        gap = draw(st.sampled_from([" ", "\n  ", "\n\n\t"]))
        text += "".join(draw(st.lists(comments, max_size=2)))
        text += f"machine {machine}{gap}login {draw(tokens)}{gap}password {draw(tokens)}" + draw(
            st.sampled_from(["\n", "\n", " "])
        )
    return text + draw(st.sampled_from(["", "default login a password b", "macdef m\nmachine x\n\n"]))


@given(ini_files(), st.sampled_from(["pip", "pypirc"]))
def test_any_ini_file_comes_back(text: str, name: str) -> None:
    try:
        ini(text.replace("_", "-"))
    except configparser.Error:  # an indented heading that is a line of a value, and what follows it is there twice
        assume(False)
    after = merged(text, *SETTINGS[name])
    assert without(after) == text
    assert merged(after, *SETTINGS[name]) == after


@given(toml_files())
def test_any_toml_file_comes_back(text: str) -> None:
    after = merged(text, UV, "toml")
    assert without(after) == text
    assert merged(after, UV, "toml") == after


@given(netrc_files())
def test_any_netrc_file_keeps_what_is_not_ours(text: str) -> None:
    try:
        after = merged(text, NETRC, "netrc")
    except CannotMerge as exc:
        assume("in line" not in str(exc))  # two entries share a line, and one of them is ours
        raise
    left = without(after)
    assert merged(left, NETRC, "netrc") == after, "what is left has nothing more of ours in it"
    if "machine packages.acme.example" not in text:
        assert left == text


@given(st.text('ab[]=#:"\\ \n\r\t', max_size=40), st.sampled_from(sorted(SETTINGS)))
def test_any_text_is_merged_or_refused(text: str, name: str) -> None:
    try:
        after = merged(text, *SETTINGS[name])
    except CannotMerge:
        return
    assert without(after) == text
