"""What these tests have in common: the running demo of several gateways."""

from __future__ import annotations

import pytest
from company import NAME, STATE, Office
from hosts import office as the_office


@pytest.fixture(scope="session")
def office() -> Office:
    if NAME != "cluster" or not (STATE / "vault.json").is_file():
        pytest.exit("The hosts of the demo are not there: run `make demo-cluster` first", returncode=2)
    return the_office()
