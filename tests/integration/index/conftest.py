"""The gateway, the shelf behind it, and the settings of both."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import STATE, Office, Run, address_of, play, site
from gateway import Gateway
from index.samples import Wheel
from shelf import Shelf, wait_for_the_intake
from testinfra.host import Host


@pytest.fixture(scope="session")
def gateway(office: Office) -> Gateway:
    passwords = {person.name: person.index_password for person in office.people.values()}
    passwords |= {job["name"]: job["index_password"] for job in office.access["jobs"]}
    return Gateway(address_of("index"), office.index_url.partition("://")[2], STATE / "ca.pem", passwords)


@pytest.fixture(scope="session")
def shelf(index: Host) -> Shelf:
    wait_for_the_intake(index)
    return Shelf(index)


@pytest.fixture(scope="session")
def version() -> str:
    """A version that no run before has published."""
    return f"1.{int(time.time())}"


# settings of one role that another one reads as well
READ_BY = {"index_gateway_certificate_source": "backup"}  # where the certificates are


class Settings:
    """How the index is set up: as the inventory says, or for a while otherwise."""

    # in the order of playbooks/parts/index.yml; each reads the settings that begin with its name
    ROLES = ("pypi_index", "conda_channel", "index_gateway", "package_intake", "backup", "package_transfer")

    def __init__(self, index: Host, file: Path) -> None:
        self._index = index
        file.touch(0o600)
        file.write_text("{}")
        self._file = file
        self._now: dict[str, object] = {}

    def apply(self, **variables: object) -> None:
        """Bring the index to the inventory with these variables, by the roles that read what is different now."""
        different = [name for name in variables | self._now if variables.get(name) != self._now.get(name)]
        if different:
            self._now |= dict.fromkeys(different, object())  # neither, until the run has come to its end
            self._run(variables, [role for name in different for role in self._roles_of(name)])
            self._now = variables
            wait_for_the_intake(self._index)

    def again(self, role: str) -> Run:
        """Run a role once more with what was applied, which is less than a whole run of `site`."""
        return self._run(self._now, [role])

    def play(self, playbook: str, *arguments: str, check: bool = True) -> Run:
        """Run one of the playbooks with what was applied."""
        return site("--extra-vars", f"@{self._file}", *arguments, playbook=playbook, check=check)

    def _run(self, variables: dict[str, object], roles: list[str | None]) -> Run:
        """Run some roles, or, for None among them, all that is done for the index."""
        at_once = ["--extra-vars", "{pypi_index_grace_period: false}"]
        whole = ["--limit", "index_hosts", "--tags", "index", *at_once] if None in roles else []
        playbook = "wheelhouse.onboarding.site" if whole else Path(__file__).with_name("roles.yml")
        in_order = [role for role in self.ROLES if role in roles]
        self._file.write_text(json.dumps(variables | {"roles_to_run": in_order}))
        return play(playbook, "--extra-vars", f"@{self._file}", *whole)

    def _roles_of(self, variable: str) -> list[str | None]:
        role = next((role for role in self.ROLES if variable.startswith(f"{role}_")), None)
        return [role, READ_BY[variable]] if variable in READ_BY else [role]


@pytest.fixture(scope="session")
def settings(index: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = Settings(index, tmp_path_factory.mktemp("settings") / "extra.json")
    yield settings
    settings.apply()


@pytest.fixture
def as_in_the_inventory(settings: Settings) -> None:
    settings.apply()


@pytest.fixture(scope="session")
def wheel(gateway: Gateway, version: str) -> Wheel:
    """A published wheel of some size."""
    data = b"".join(number.to_bytes(4, "big") for number in range(50_000))
    wheel = Wheel("acme_gateway", version, {"acme_gateway/__init__.py": b"", "acme_gateway/data.bin": data})
    answer = gateway.upload(wheel.filename, wheel.build())
    assert answer.status == 200, answer
    return wheel


@pytest.fixture(scope="session")
def file(wheel: Wheel) -> str:
    """The address of a published file."""
    return f"/packages/acme-gateway/{wheel.filename}"
