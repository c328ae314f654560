"""The office and its hosts, as fixtures; what they can do is in company.py."""

from __future__ import annotations

import json

import pytest
from company import STATE, Office, host_of
from testinfra.host import Host


@pytest.fixture(scope="session")
def office() -> Office:
    file = STATE / "access.json"
    if not file.is_file():
        pytest.exit(f"{file} is missing: run `make demo` first", returncode=2)
    return Office(json.loads(file.read_text()))


@pytest.fixture(scope="session")
def proxy() -> Host:
    return host_of("proxy")


@pytest.fixture(scope="session")
def index() -> Host:
    return host_of("index")


@pytest.fixture(scope="session")
def jupyter() -> Host:
    return host_of("jupyter")


@pytest.fixture(scope="session")
def workstation() -> Host:
    return host_of("workstation")
