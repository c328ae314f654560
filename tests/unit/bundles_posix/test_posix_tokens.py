"""On laptops, a token that may only install lies in the place of the password."""

from __future__ import annotations

import netrc
from pathlib import Path

import pytest

from .company import NAME, Company, Laptop, build


@pytest.fixture(scope="module")
def with_tokens(tmp_path_factory: pytest.TempPathFactory, working_company: Company) -> Path:
    """The archive of a company whose index gives tokens."""
    directory = tmp_path_factory.mktemp("archives")
    build(directory, working_company.settings(directory, onboarding_bundle_store_passwords=False))
    return directory / f"{NAME}-linux.tar.gz"


@pytest.fixture
def laptop(tmp_path: Path, with_tokens: Path) -> Laptop:
    return Laptop(tmp_path, with_tokens)


def stored(laptop: Laptop) -> str:
    return str((netrc.netrc(laptop.home / ".netrc").authenticators("localhost") or [""])[2])


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_no_file_has_the_password(laptop: Laptop, company: Company, shell: str) -> None:
    company.index_password = 'odd "in\\side" #1 %s'
    laptop.install(company, shell)
    (token,) = company.index.state.tokens
    assert stored(laptop) == token
    files = [content for _kind, _mode, content in laptop.holds().values() if isinstance(content, bytes)]
    assert not [content for content in files if b"odd " in content]
    pypirc = (laptop.home / ".pypirc").read_text()
    assert f"username = {NAME}\n" in pypirc and "password =" not in pypirc and token not in pypirc
    (wanted,) = company.index.state.wanted
    assert wanted["name"].startswith("laptop ") and wanted["for"] == "366d" and set(wanted) == {"name", "for"}


def test_a_second_run_keeps_the_token(laptop: Laptop, company: Company) -> None:
    laptop.install(company)
    before = laptop.holds()
    assert laptop.run().returncode == 0, "it asks for nothing"
    assert laptop.holds() == before and len(company.index.state.tokens) == 1


def test_a_token_that_has_ended_is_replaced(laptop: Laptop, company: Company) -> None:
    laptop.install(company)
    company.index.state.tokens[0] = "ended"
    done = laptop.run(answers=[company.index_password])
    assert done.returncode == 0 and b"The login for localhost that was saved" in done.stderr
    assert stored(laptop) == company.index.state.tokens[1]


def test_a_new_password_needs_no_other_token(laptop: Laptop, company: Company) -> None:
    laptop.install(company)
    company.index_password = "another-one-82"
    assert laptop.run().returncode == 0 and stored(laptop) == company.index.state.tokens[0]


def test_a_password_that_was_saved_before_becomes_a_token(
    tmp_path: Path, archives: Path, with_tokens: Path, company: Company
) -> None:
    earlier = Laptop(tmp_path, archives / f"{NAME}-linux.tar.gz")
    earlier.install(company)
    assert stored(earlier) == company.index_password
    (tmp_path / "later").mkdir()
    later = Laptop(tmp_path / "later", with_tokens)
    later.environ["HOME"], later.home = str(earlier.home), earlier.home
    assert later.run().returncode == 0, "it asks for nothing"
    assert stored(later) == company.index.state.tokens[0]
    assert company.index_password not in (later.home / ".pypirc").read_text()


def test_a_token_may_be_typed(laptop: Laptop, company: Company) -> None:
    company.index.state.tokens.append("whl_" + "b" * 47)
    done = laptop.run(answers=["whl_" + "b" * 47, company.proxy.password])
    assert done.returncode == 0 and stored(laptop) == "whl_" + "b" * 47 and len(company.index.state.tokens) == 1


def test_an_index_that_gives_none_leaves_all_as_it_was(
    laptop: Laptop, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    from .company import PagesHandler  # noqa: PLC0415

    monkeypatch.setattr(PagesHandler, "do_POST", lambda self: self._answer(403, b"IT says no.\n"))
    done = laptop.run(answers=company.answers)
    assert done.returncode == 1
    assert b"localhost gives no token for this computer: IT says no." in done.stderr
    assert not (laptop.home / ".netrc").exists()
