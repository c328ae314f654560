"""A gateway that has lost the database: it serves what it has, says so in sentences, and leaves the balancer."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest
from wheelhouse import cli
from wheelhouse.errors import Unreachable
from wheelhouse.index import gateways, health
from wheelhouse.index.tokens import LIVE_FILE, Wanted
from wheelhouse.web.app import Application, application

from . import postgresql
from .gateways import Gateway, make
from .samples import PASSWORD, Answer, Client, Wheel, basic


@dataclass
class Office:
    """A gateway, and the door to its database."""

    gateway: Gateway
    application: Application
    door: Path
    server: str
    settings: postgresql.Settings

    def close(self) -> None:
        """Nobody gets through any more, and who was through is out."""
        self.door.unlink()
        with postgresql.connected({**self.settings, "host": self.server}) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def open(self) -> None:
        self.door.symlink_to(self.server)

    def upload(self, version: str) -> Answer:
        wheel = Wheel(version=version)
        return Client(self.application).upload(wheel.filename, wheel.build())

    def health(self) -> Answer:
        return Client(self.application).send("GET", "/health")


@pytest.fixture
def office(socket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr(health, "KEPT", 0.0)
    door, level = tmp_path / "door", logging.getLogger().level
    door.symlink_to(socket)
    with postgresql.database(socket) as settings:
        settings = {**settings, "host": str(door)}
        gateway = make(tmp_path, "a", settings)
        (gateway.config / "htpasswd").write_text(
            f"ada:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n"
        )
        with gateway.here():
            yield Office(gateway, application(), door, socket, settings)
    logging.getLogger().setLevel(level)


def test_uploads_are_refused_in_a_sentence_and_taken_again(office: Office) -> None:
    assert office.upload("1.0").status == 200
    office.close()
    refused = office.upload("2.0")
    assert (refused.status, refused.text) == (
        503,
        "The index's database does not answer: try again in a minute.\n",
    )
    assert len(office.gateway.listed()) == 1
    office.open()
    assert office.upload("2.0").status == 200
    assert len(office.gateway.listed()) == 2


@pytest.mark.parametrize("path", ["/", "/search", "/simple/nothing/", "/projects/acme-tools/"])
def test_pages_of_the_program_say_so(office: Office, path: str) -> None:
    office.close()
    assert Client(office.application).send("GET", path).status == 503


def test_it_leaves_the_balancer_after_a_while_and_comes_back(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    office.close()
    assert office.health().status == 200
    monkeypatch.setattr(gateways, "LOST", 0.0)
    answer = office.health()
    assert answer.status == 503 and "The database has not been reached for " in answer.text
    assert cli.main(["metrics"]) == 0
    said = capsys.readouterr()
    assert "wheelhouse_database_age_seconds " in said.out and "does not answer" in said.err
    office.open()
    monkeypatch.setattr(gateways, "LOST", 10.0)
    assert gateways.beat(office.application._index.database)
    assert office.health().status == 200
    assert cli.main(["metrics"]) == 0
    found = dict(line.rsplit(" ", 1) for line in capsys.readouterr().out.splitlines() if line[0] != "#")
    assert float(found["wheelhouse_database_age_seconds"]) < 60
    assert float(found['wheelhouse_gateway_seen_seconds{gateway="a"}']) < 60
    assert float(found['wheelhouse_gateway_behind_seconds{gateway="a"}']) == 0


def test_tokens_are_checked_meanwhile_by_what_is_known_of_them(office: Office) -> None:
    tokens = office.application._tokens
    token, text = tokens.create(Wanted("ada", "laptop"), ["acme-*"], "ada")
    tokens.refresh({"ada"})
    office.close()
    client = Client(office.application)

    def login(password: str) -> int:
        return client.send("GET", "/logins/check", HTTP_AUTHORIZATION=basic("ada", password)).status

    assert login(text) == 200
    unknown = f"{text[:4]}{text[4:12][::-1]}{text[12:]}"
    assert login(unknown) == 401
    live = office.gateway.root / LIVE_FILE
    known = live.read_text()
    live.write_text("")  # as another process writes it, which was told first that it was revoked
    assert login(text) == 503
    live.write_text(known)
    office.open()
    tokens.revoke([token.id], "ada")
    assert login(text) == 401


def test_who_starts_meanwhile_is_told(office: Office) -> None:
    office.close()
    with pytest.raises(Unreachable, match="does not answer"):
        office.gateway.open()


def test_a_standby_that_takes_no_changes(office: Office) -> None:
    """As after a switch to another server, until that one has become the first."""
    with postgresql.connected({**office.settings, "host": office.server}) as connection:
        connection.execute(f"ALTER DATABASE {office.settings['name']} SET default_transaction_read_only = on".encode())
    office.application._index.database.close()
    refused = office.upload("1.0")
    assert refused.status == 503 and "database" in refused.text
