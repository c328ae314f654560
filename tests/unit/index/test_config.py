"""config.json and htpasswd: what is refused, and what happens when they change."""

import json
import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bcrypt
import pytest
from wheelhouse.config import Config, ConfigError, load

from .samples import PASSWORD, SETTINGS

OPTIONAL = {"contact", "upstream_url"}


def test_read(config: Path) -> None:
    settings = load(config)
    assert settings.upstream == "closed"
    assert settings.publishes == {"ada": ("acme-*",), "bob": ()}
    assert settings.ask == "ask it@acme.example"
    assert settings.knows("ada", PASSWORD)
    assert not settings.knows("ada", PASSWORD.upper())
    assert not settings.knows("eve", PASSWORD)


def test_without_what_may_be_missing(config: Path) -> None:
    (config / "config.json").write_text(json.dumps({key: SETTINGS[key] for key in SETTINGS if key not in OPTIONAL}))
    assert load(config).ask == "ask whoever runs this index"
    assert load(config).upstream_url is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", None),
        (None, None),
        ("https://index.example/simple", "https://index.example/simple/"),
        ("http://192.0.2.1:8080//", "http://192.0.2.1:8080/"),
    ],
)
def test_the_index_upstream(config: Path, written: str | None, read: str | None) -> None:
    (config / "config.json").write_text(json.dumps({**SETTINGS, "upstream_url": written}))
    assert load(config).upstream_url == read


@pytest.mark.parametrize(
    "written",
    [
        "index.example/simple",
        "ftp://index.example/",
        "https://",
        "https://ada:hunter2@index.example/",
        "https://index.example:hunter2/",
        "https://index.example/?token=hunter2",
        "https://index.example/#hunter2",
        "https://[hunter2/",
    ],
)
def test_what_is_no_index_upstream(config: Path, written: str) -> None:
    (config / "config.json").write_text(json.dumps({**SETTINGS, "upstream_url": written}))
    with pytest.raises(ConfigError, match="upstream_url must be an address such as https:") as raised:
        load(config)
    assert "hunter2" not in str(raised.value)


def test_an_account_is_accepted_until_the_end_of_its_last_day(config: Path) -> None:
    """Also with a password that was good before; the others are not touched by it."""
    today = datetime.now(UTC).date()
    (config / "htpasswd.previous").write_text(f"ada:{bcrypt.hashpw(b'of before', bcrypt.gensalt(4)).decode()}\n")
    now = Config(config)
    for last, is_accepted in ((today, True), (today - timedelta(1), False), (today + timedelta(1), True)):
        (config / "htpasswd.until").write_text(f"ada:{last}\n")
        assert now.current().knows("ada", PASSWORD) is is_accepted
        assert now.current().knows("ada", "of before") is is_accepted
        assert now.current().knows("bob", PASSWORD)
    (config / "htpasswd.until").unlink()
    assert now.current().knows("ada", PASSWORD)


def test_a_last_day_that_is_none_is_refused(config: Path) -> None:
    (config / "htpasswd.until").write_text("ada:soon\n")
    with pytest.raises(ConfigError, match=r"htpasswd\.until has a line that is not `name:2026-12-31`"):
        load(config)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"upstream": "open"}, "upstream must be one of closed, redirect, cached"),
        ({"upstream": None}, "upstream must be a str"),
        ({"reserved": "acme-*"}, "reserved must be a list"),
        ({"reserved": [1]}, "reserved must be a list of patterns"),
        ({"denied": "left-pad"}, "denied must be a list"),
        ({"denied": [""]}, "denied must be a list of patterns"),
        ({"minimum_age": "3"}, "minimum_age must be a int"),
        ({"minimum_age": -1}, "minimum_age must be a number of days"),
        ({"upstream_url": 7}, "upstream_url must be a str"),
        ({"publishes": []}, "publishes must be a dict"),
        ({"publishes": {"ada": "acme-*"}}, "publishes of 'ada' must be a list of patterns"),
        ({"max_file_size": "1G"}, "max_file_size must be a int"),
        ({"max_file_size": True}, "max_file_size must be a int"),
        ({"max_file_size": 0}, "above 0"),
        ({"index_url": 7}, "index_url must be a str"),
        ({"contact": 7}, "contact must be a str"),
        ({"upsteam": "closed"}, "does not know: upsteam"),
    ],
)
def test_wrong_settings(config: Path, changes: dict, says: str) -> None:
    (config / "config.json").write_text(json.dumps({**SETTINGS, **changes}))
    with pytest.raises(ConfigError, match=says):
        load(config)


@pytest.mark.parametrize("key", sorted(SETTINGS.keys() - OPTIONAL))
def test_missing_key(config: Path, key: str) -> None:
    (config / "config.json").write_text(json.dumps({name: SETTINGS[name] for name in SETTINGS if name != key}))
    with pytest.raises(ConfigError, match=f"lacks the key '{key}'"):
        load(config)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "{'a': 1}"])
def test_not_a_json_object(config: Path, text: str) -> None:
    (config / "config.json").write_text(text)
    with pytest.raises(ConfigError, match="JSON"):
        load(config)


@pytest.mark.parametrize(
    "line",
    [
        "eve:clear-text",
        "eve:$apr1$x$y",
        "eve:{SHA}5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
        "eve",
        "eve:$2y$05$tooshort",
    ],
)
def test_a_line_that_is_no_bcrypt_hash(config: Path, line: str) -> None:
    with (config / "htpasswd").open("a") as passwords:
        passwords.write(f"{line}\n")
    with pytest.raises(ConfigError, match="htpasswd") as raised:
        load(config)
    assert "clear-text" not in str(raised.value)


@pytest.mark.parametrize("name", ["config.json", "htpasswd"])
def test_a_missing_file(config: Path, name: str) -> None:
    (config / name).unlink()
    with pytest.raises(ConfigError, match=f"{name} cannot be read: No such file or directory"):
        Config(config)


def test_a_change_is_seen_and_a_break_is_not(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched = Config(config)
    path = config / "config.json"
    path.write_text(json.dumps({**SETTINGS, "upstream": "redirect"}))
    assert watched.current().upstream == "redirect"
    path.write_text("{")
    with caplog.at_level(logging.ERROR):
        assert [watched.current().upstream, watched.current().upstream] == ["redirect", "redirect"]
    assert len(caplog.records) == 1 and "stays in use" in caplog.text
    path.unlink()
    assert watched.current().upstream == "redirect"
    path.write_text(json.dumps(SETTINGS))
    assert watched.current().upstream == "closed"


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_seen(config: Path) -> None:
    watched = Config(config)
    path = config / "htpasswd"
    before = path.stat()
    replacement = config / "new"
    replacement.write_text(path.read_text().replace("ada:", "eve:"))
    os.utime(replacement, ns=(before.st_atime_ns, before.st_mtime_ns))
    replacement.rename(path)
    assert watched.current().knows("eve", PASSWORD)
    assert not watched.current().knows("ada", PASSWORD)


def test_a_password_of_before_is_good_for_as_long_as_its_file_is_there(config: Path) -> None:
    watched = Config(config)
    previous = config / "htpasswd.previous"
    previous.write_text((config / "htpasswd").read_text().splitlines()[0] + "\n")
    changed = bcrypt.hashpw(b"new", bcrypt.gensalt(4)).decode()
    (config / "htpasswd").write_text(f"ada:{changed}\nbob:{changed}\n")
    assert watched.current().knows("ada", "new") and watched.current().knows("ada", PASSWORD)
    assert watched.current().knows("bob", "new") and not watched.current().knows("bob", PASSWORD)
    previous.unlink()
    assert watched.current().knows("ada", "new") and not watched.current().knows("ada", PASSWORD)


@pytest.mark.parametrize("password", ["", "x" * 73, "x" * 100_000, "nul\0", "söme", "\ud800"])
def test_any_password_is_an_answer_and_no_error(config: Path, password: str) -> None:
    assert not load(config).knows("ada", password)


@pytest.mark.parametrize("user", ["", "a:b", "x" * 10_000, "ad\na", "nul\0"])
def test_any_user_name_is_an_answer_and_no_error(config: Path, user: str) -> None:
    assert not load(config).knows(user, PASSWORD)
