"""`database.json`: what it may say, and the sentence for what it may not."""

import json
from pathlib import Path
from typing import Any

import pytest
from wheelhouse import config as settings
from wheelhouse import database_settings
from wheelhouse.config import ConfigError
from wheelhouse.index.postgresql import Postgresql

RIGHT: dict[str, Any] = {
    "host": "db.acme.example",
    "name": "wheelhouse",
    "username": "it",
    "password": "sesame",
}


def write(directory: Path, **changes: Any) -> None:
    path = directory / "database.json"
    path.write_text(json.dumps({**RIGHT, **changes}))
    path.chmod(0o640)


def test_without_it_the_state_is_in_the_shelf(tmp_path: Path) -> None:
    assert settings.database(tmp_path) == (None, "")


def test_the_server_and_the_name_of_the_gateway(config: Path, configure: Any) -> None:
    write(config)
    configure(gateway="idx-1")
    server, gateway = settings.database(config)
    assert (server.host, server.port, gateway) == ("db.acme.example", 5432, "idx-1")
    assert "sesame" not in repr(server)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"host": ""}, "host must be the name of a server"),
        ({"host": "db1.acme.example,"}, "several with commas between them"),
        ({"name": ""}, "name and username must name"),
        ({"port": 0}, "port must be a number such as 5432"),
        ({"port": "5432"}, "Expected `int`"),
        ({"password": ""}, "password must be that of the account"),
        ({"sslmode": "disable"}, "unknown field `sslmode`"),
    ],
)
def test_what_cannot_be_used(config: Path, changes: dict[str, Any], sentence: str) -> None:
    write(config, **changes)
    with pytest.raises(ConfigError, match=sentence) as error:
        settings.load(config)
    assert "sesame" not in str(error.value)


def test_a_file_that_everybody_may_read(config: Path) -> None:
    write(config)
    (config / "database.json").chmod(0o644)
    with pytest.raises(ConfigError, match="all accounts of this host may read it: give it mode 0640"):
        settings.load(config)


def test_what_leaves_the_machine_is_encrypted_and_the_server_is_who_it_says(config: Path) -> None:
    write(config)
    (config / "database-ca.pem").write_text("")
    arguments = Postgresql(database_settings.read(config), "")._arguments  # type: ignore[arg-type]
    assert (arguments["sslmode"], arguments["sslrootcert"]) == ("verify-full", str(config / "database-ca.pem"))
    write(config, host="/run/postgresql", password="")
    assert Postgresql(database_settings.read(config), "")._arguments["sslmode"] == "disable"  # type: ignore[arg-type]
