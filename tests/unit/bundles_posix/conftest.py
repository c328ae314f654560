from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .company import NAME, Company, Laptop, build


@pytest.fixture(scope="session")
def working_company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    company = Company(tmp_path_factory.mktemp("company"))
    yield company
    company.close()


@pytest.fixture
def company(working_company: Company) -> Company:
    """As if nobody had changed a password."""
    working_company.reset()
    return working_company


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory, working_company: Company) -> Path:
    """The directory with the archives that IT hands out."""
    directory = tmp_path_factory.mktemp("archives")
    build(directory, working_company.settings(directory))
    return directory


@pytest.fixture
def laptop(tmp_path: Path, archives: Path) -> Laptop:
    return Laptop(tmp_path, archives / f"{NAME}-linux.tar.gz")
