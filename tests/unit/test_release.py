"""`make release` makes a changelog that reads right, a file and its checksum, once and of what is committed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import release
import yaml
from acme import checkout

ROOT = Path(__file__).resolve().parents[2]
VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
GIT = ["git", "-c", "user.name=it", "-c", "user.email=it@acme.example"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean checkout, in which the release is made."""
    place = tmp_path / "onboarding"
    checkout(place)
    monkeypatch.setattr(release, "ROOT", place)
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "All"]):
        subprocess.run([*GIT, *words], cwd=place, check=True)
    return place


def fragment(repository: Path, text: str) -> None:
    (repository / "changelogs/fragments/new.yml").write_text(yaml.safe_dump({"minor_changes": [f"accounts - {text}"]}))


def test_the_changelog(repository: Path) -> None:
    """Whatever the fragments say is in it, and no markup that was not understood."""
    release.check_state(VERSION)
    fragment(repository, "the option ``accounts_x`` and two words.")
    release.write_changelog(VERSION)
    text = (repository / "CHANGELOG.md").read_text(encoding="utf-8").replace("\\", "")
    assert f"## v{VERSION}" in text
    assert "the option <code>accounts_x</code> and two words." in text
    assert "wheelhouse.onboarding.proxy_url" in text, "new plugins are listed"
    assert not list((repository / "changelogs/fragments").iterdir())
    with pytest.raises(release.ReleaseError, match="not committed"):
        release.check_state(VERSION)


@pytest.mark.parametrize("text", ["C(accounts_x) is new.", "`accounts_x` is new.", ":code:`accounts_x` is new."])
def test_markup_of_another_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "changelogs/fragments").mkdir(parents=True)
    monkeypatch.setattr(release, "ROOT", tmp_path)
    fragment(tmp_path, text)
    with pytest.raises(release.ReleaseError, match=r"new\.yml: write code in a fragment as ``code``"):
        release.write_changelog(VERSION)


def test_a_version_is_released_once(repository: Path) -> None:
    subprocess.run([*GIT, "tag", f"v{VERSION}"], cwd=repository, check=True)
    with pytest.raises(release.ReleaseError, match=f"a tag v{VERSION} already"):
        release.check_state(VERSION)


def test_the_checksum(tmp_path: Path) -> None:
    (tmp_path / "file.tar.gz").write_bytes(b"content")
    assert len(release.write_checksum(tmp_path / "file.tar.gz")) == 64
    subprocess.run(["sha256sum", "--check", "file.tar.gz.sha256"], cwd=tmp_path, check=True)


@pytest.mark.long
def test_what_others_say_of_the_built_file(tmp_path: Path) -> None:
    """galaxy-importer and ansible-builder; their packages come from a package index."""
    release.check_artefact(release.build(VERSION, tmp_path))
