"""`store.json`: which server keeps the bytes, and the sentences for what is wrong in it."""

import json
from pathlib import Path
from typing import Any

import pytest
from wheelhouse import store_settings
from wheelhouse.config import ConfigError, load, read_store
from wheelhouse.index.opening import open_index
from wheelhouse.store.local import LocalStore
from wheelhouse.store.s3 import S3Store

GIVEN = {
    "endpoint": "https://s3.acme.example/",
    "bucket": "wheelhouse",
    "access_key": "AKIA",
    "secret_key": "top-secret",
    "cache_size": 2**30,
}


def write(config: Path, mode: int = 0o640, **changes: Any) -> None:
    path = config / "store.json"
    path.write_text(json.dumps({**GIVEN, **changes}))
    path.chmod(mode)


def test_without_the_file_a_directory_has_the_bytes(config: Path, root: Path, environment: None) -> None:
    (config / "store.json").unlink(missing_ok=True)
    assert read_store(config) is None
    assert isinstance(open_index(root).store, LocalStore)


def test_with_it_a_server_has_them(config: Path, root: Path, environment: None) -> None:
    write(config, prefix="python/index", region="eu-1")
    (config / "store-ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    found = read_store(config)
    assert found and (found.shown, found.region) == ("https://s3.acme.example/wheelhouse/python/index", "eu-1")
    assert found.ca == b"-----BEGIN CERTIFICATE-----" and "top-secret" not in repr(found)
    index = open_index(root)
    assert isinstance(index.store, S3Store) and index.site.is_partial


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"endpoint": "s3.acme.example"}, "endpoint must be the address of a server such as https://s3.acme.example"),
        ({"endpoint": "https://s3.acme.example/wheelhouse"}, "endpoint must be the address of a server"),
        ({"endpoint": "https://me:top-secret@s3.acme.example"}, "endpoint must be the address of a server"),
        ({"endpoint": "https://s3.acme.example:x"}, "endpoint must be the address of a server"),
        ({"bucket": "Wheel House"}, "bucket must be a name of 3 to 63 characters"),
        ({"prefix": "/a/"}, "prefix must be empty, or names"),
        ({"prefix": "a/../b"}, "prefix must be empty, or names"),
        ({"access_key": ""}, "region, access_key and secret_key must not be empty"),
        ({"cache_size": 0}, "cache_size must be a number of bytes above 0"),
        ({"secret_key": 5}, "Expected `str`, got `int` - at `$.secret_key`"),
        ({"colour": "red"}, "Object contains unknown field `colour`"),
    ],
)
def test_what_is_wrong_gets_a_sentence(config: Path, change: dict[str, Any], sentence: str) -> None:
    write(config, **change)
    with pytest.raises(ConfigError) as caught:
        load(config)
    assert sentence in str(caught.value) and str(config / "store.json") in str(caught.value)
    assert "top-secret" not in str(caught.value)


def test_a_key_is_no_lack(config: Path) -> None:
    write(config)
    known = {name: value for name, value in GIVEN.items() if name != "bucket"}
    (config / "store.json").write_text(json.dumps(known))
    with pytest.raises(ConfigError, match="missing required field `bucket`"):
        read_store(config)


def test_others_may_not_read_the_key(config: Path) -> None:
    write(config, 0o644)
    with pytest.raises(ConfigError, match=r"all accounts of this host may read it: give it mode 0640\.$"):
        read_store(config)


def test_the_endpoint_has_no_slash_at_its_end() -> None:
    settings = store_settings.ObjectStore(**GIVEN)  # type: ignore[arg-type]
    assert store_settings.complete(settings, b"").endpoint == "https://s3.acme.example"
