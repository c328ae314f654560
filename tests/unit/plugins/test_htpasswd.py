# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""htpasswd: hashes that others verify, and nothing changed that need not be."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import htpasswd as module
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.htpasswd import htpasswd, superseded_credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from passlib.apache import HtpasswdFile

from .strategies import CONTROLS

SECRET = "S3ntinel"
ADA: dict[str, Any] = {"name": "ada", "index_password": "p@ss %w\"o'r:d#1"}
LEO: dict[str, Any] = {"name": "leo", "index_password": "s3cret", "state": "present", "publishes": ["acme-*"]}


def made(*people, existing="", rounds=4):
    return htpasswd(list(people), existing, rounds)


def test_others_verify_the_hashes():
    """passlib is what pypiserver reads the file with."""
    file = HtpasswdFile.from_string(made(LEO, ADA, {"name": "zoe", "index_password": "x" * 72}))
    assert file.users() == ["ada", "leo", "zoe"]
    assert file.check_password("ada", ADA["index_password"])
    assert file.check_password("zoe", "x" * 72)
    assert not file.check_password("leo", "S3cret")


def test_hashes_are_salted_bcrypt_of_the_wanted_cost():
    assert made(LEO, rounds=5).startswith("leo:$2b$05$")
    assert htpasswd([LEO]).startswith("leo:$2b$10$")
    assert made(LEO) != made(LEO)


def test_a_second_run_changes_nothing():
    first = made(LEO, ADA)
    assert made(ADA, LEO, existing=first, rounds=6) == first


def test_a_rotation_changes_one_line():
    before = made(LEO, ADA)
    after = made(LEO, {**ADA, "index_password": "new"}, existing=before)
    assert after.splitlines()[1] == before.splitlines()[1]
    assert after.splitlines()[0] != before.splitlines()[0]


def test_hashes_that_other_tools_wrote_are_kept():
    """Apache's htpasswd writes $2y$, older libraries $2a$; neither keeps the order."""
    existing = made(LEO).replace("$2b$", "$2y$") + made(ADA).replace("$2b$", "$2a$")
    assert made(ADA, LEO, existing=existing) == "".join(sorted(existing.splitlines(keepends=True)))


def test_who_should_not_be_there_vanishes():
    existing = made(LEO, ADA, {"name": "eve", "index_password": "x"})
    without_password = {"name": "leo", "index_password": None}
    assert made({**ADA, "state": "absent"}, without_password, {"name": "bob"}, existing=existing) == ""
    assert made(existing=existing) == ""


@pytest.mark.parametrize(
    "line",
    [
        "ada:p@ss %w\"o'r:d#1",  # the password in clear, which htpasswd files allow
        "ada:$2b$04$tooshort",
        "ada:$2b$99$" + "." * 53,
        "ada:$apr1$x$y",
        "ada",
        ":",
        "# ada",
        "\x00",
    ],
)
def test_malformed_lines_vanish(line):
    kept = made(LEO)
    content = made(ADA, LEO, existing=f"{line}\n{kept}{line}")
    assert content.endswith("\n" + kept)
    assert content.startswith("ada:$2b$04$")
    assert content.count("\n") == 2


def test_lines_of_another_system_are_written_anew():
    """A line that ends in a carriage return is no line that nginx or pypiserver could read."""
    assert "\r" not in made(LEO, existing=made(LEO).replace("\n", "\r\n"))


@pytest.mark.parametrize(
    ("person", "words"),
    [
        ({"name": "ada", "index_password": SECRET + "x" * (73 - len(SECRET))}, "72 bytes"),
        ({"name": "ada", "index_password": SECRET + "ü"}, "outside ASCII"),
        ({"name": "ada", "index_password": ""}, "is empty"),
        ({"name": "ada", "index_password": [SECRET]}, "a list, not a string"),
        ({"name": "ada", "index_password": 12345}, "a number, not a string"),
        ({"name": "a:da", "index_password": SECRET}, "name"),
        ({"name": "a da", "index_password": SECRET}, "name"),
        ({"name": "ada\n", "index_password": SECRET}, "name"),
        ({"name": "#ada", "index_password": SECRET}, "name"),
        ({"name": "", "index_password": SECRET}, "name"),
        ({"name": {"x": SECRET}, "index_password": SECRET}, "a mapping"),
        ({"index_password": SECRET}, "name is nothing"),
        ({"name": "leo", "index_password": SECRET}, "another entry"),
        ({"name": "ada", "index_password": SECRET, "state": "gone"}, "present or absent"),
        *[({"name": "ada", "index_password": SECRET + character}, "control character") for character in CONTROLS],
    ],
)
def test_what_cannot_work_is_refused(person, words):
    with pytest.raises(ValueError, match=words) as refusal:
        made(LEO, person)
    assert "people[1]" in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert "12345" not in str(refusal.value)


@pytest.mark.parametrize("rounds", [3, 32, "10", True, None, 10.0])
def test_costs_bcrypt_does_not_know_are_refused(rounds):
    with pytest.raises(ValueError, match="4 to 31"):
        htpasswd([], "", rounds)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(module, "bcrypt", None)
    with pytest.raises(ValueError, match="pip install bcrypt"):
        htpasswd([])


def test_the_input_stays_as_it_is():
    people: list[dict[str, object]] = [LEO, ADA]
    before = copy.deepcopy(people)
    htpasswd(people, "", 4)
    assert people == before


names = st.from_regex(r"[a-z][a-z0-9_-]{0,7}", fullmatch=True)
passwords = st.one_of(st.none(), st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=72))


@settings(max_examples=15)
@given(st.dictionaries(names, passwords, max_size=4), st.dictionaries(names, passwords, max_size=4), st.text())
def test_from_any_file_the_next_one_follows(before, after, junk):
    """Whoever has a password can log in with it, nobody else can, and who kept a password keeps the line."""
    first = made(*({"name": name, "index_password": password} for name, password in before.items()))
    people = [{"name": name, "index_password": password} for name, password in after.items()]
    second = made(*people, existing=first + junk)
    wanted = {name: password for name, password in after.items() if password is not None}
    file = HtpasswdFile.from_string(second)
    assert file.users() == sorted(wanted)
    assert all(file.check_password(name, password) for name, password in wanted.items())
    kept = {line for line in first.splitlines() if before[line.split(":")[0]] == wanted.get(line.split(":")[0])}
    if not junk:
        assert kept <= set(second.splitlines())
    assert made(*people, existing=second) == second


# --- while a password is changed


def password_of(content: str, name: str, *passwords: str) -> list[str]:
    """Those of the passwords that are good for `name` in the file."""
    file = HtpasswdFile.from_string(content)
    return [password for password in passwords if file.check_password(name, password)]


def test_the_password_before_is_kept_for_who_has_another_now():
    first = made(ADA, LEO)
    second = made(ADA | {"index_password": "B"}, LEO, existing=first)
    previous = superseded_credentials(second, first)
    assert previous.count("\n") == 1, "leo keeps his"
    assert password_of(previous, "ada", ADA["index_password"], "B") == [ADA["index_password"]]


def test_a_run_that_was_interrupted_is_made_up_for():
    """Files of the run before are there, in each state in which it may have ended."""
    first = made(ADA, LEO)
    second = made(ADA | {"index_password": "B"}, LEO, existing=first)
    previous = superseded_credentials(second, first)
    assert superseded_credentials(second, first, previous) == previous, "before the accounts were written"
    assert superseded_credentials(second, second, previous) == previous, "and after that"
    assert superseded_credentials(second, second) == "", "or when it was withdrawn"
    third = made(ADA | {"index_password": "C"}, LEO, existing=second)
    assert password_of(superseded_credentials(third, second, previous), "ada", ADA["index_password"], "B", "C") == ["B"]


def test_a_password_that_was_taken_back_meanwhile():
    first = made(ADA)
    second = made(ADA | {"index_password": "B"}, existing=first)
    third = made(ADA, existing=second)
    assert password_of(superseded_credentials(third, second, superseded_credentials(second, first)), "ada", "B") == [
        "B"
    ]


def test_who_left_has_no_password_before():
    first = made(ADA, LEO)
    second = made(ADA | {"index_password": "B"}, LEO | {"index_password": "B"}, existing=first)
    third = made(ADA | {"state": "absent"}, LEO | {"index_password": "B"}, existing=second)
    assert superseded_credentials(third, second, superseded_credentials(second, first)).startswith("leo:")
    assert superseded_credentials("", second, superseded_credentials(second, first)) == ""


def test_what_is_no_login_is_no_former_one():
    assert superseded_credentials(made(ADA), "ada:clear text\nada:$2y$05$short\n", "junk") == ""
