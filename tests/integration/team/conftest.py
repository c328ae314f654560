"""The team, small unless the exhaustive form is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from colleagues import LIMITS, Team, settle
from company import Office
from testinfra.host import Host


@pytest.fixture(scope="session", params=[5, pytest.param(30, marks=pytest.mark.long)])
def team(request: pytest.FixtureRequest, office: Office, jupyter: Host) -> Iterator[Team]:
    settle(request.param, LIMITS)
    yield Team(office, jupyter, request.param)
    settle(0)
