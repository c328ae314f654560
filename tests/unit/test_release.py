"""`make release` makes a changelog that reads right, a file and its checksum, once and of what is committed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import release
import yaml
from acme import checkout

ROOT = Path(__file__).resolve().parents[2]
NEXT = "99.0.0"
"""Whatever has been released before."""
GIT = ["git", "-c", "user.name=it", "-c", "user.email=it@acme.example"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean checkout, in which the release is made."""
    place = tmp_path / "onboarding"
    checkout(place)
    about = yaml.safe_load((place / "galaxy.yml").read_text(encoding="utf-8"))
    (place / "galaxy.yml").write_text(yaml.safe_dump(about | {"version": NEXT}), encoding="utf-8")
    monkeypatch.setattr(release, "ROOT", place)
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "All"]):
        subprocess.run([*GIT, *words], cwd=place, check=True)
    return place


def fragment(repository: Path, text: str) -> None:
    place = repository / "changelogs" / "fragments"
    place.mkdir(parents=True, exist_ok=True)
    (place / "new.yml").write_text(yaml.safe_dump({"minor_changes": [f"accounts - {text}"]}))


def test_the_changelog(repository: Path) -> None:
    """Whatever the fragments say is in it, and no markup that was not understood."""
    release.check_state(NEXT)
    fragment(repository, "the option ``accounts_x`` and two words.")
    release.write_changelog(NEXT)
    text = (repository / "CHANGELOG.md").read_text(encoding="utf-8").replace("\\", "")
    assert f"## v{NEXT}" in text
    assert "the option <code>accounts_x</code> and two words." in text
    assert not list((repository / "changelogs/fragments").iterdir())
    with pytest.raises(release.ReleaseError, match="not committed"):
        release.check_state(NEXT)


@pytest.mark.parametrize("text", ["C(accounts_x) is new.", "`accounts_x` is new.", ":code:`accounts_x` is new."])
def test_markup_of_another_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(release, "ROOT", tmp_path)
    fragment(tmp_path, text)
    with pytest.raises(release.ReleaseError, match=r"new\.yml: write code in a fragment as ``code``"):
        release.write_changelog(NEXT)


def test_a_version_is_released_once(repository: Path) -> None:
    subprocess.run([*GIT, "tag", f"v{NEXT}"], cwd=repository, check=True)
    with pytest.raises(release.ReleaseError, match=f"a tag v{NEXT} already"):
        release.check_state(NEXT)


def test_the_checksum(tmp_path: Path) -> None:
    (tmp_path / "file.tar.gz").write_bytes(b"content")
    assert len(release.write_checksum(tmp_path / "file.tar.gz")) == 64
    subprocess.run(["sha256sum", "--check", "file.tar.gz.sha256"], cwd=tmp_path, check=True)


@pytest.mark.long
def test_what_others_say_of_the_built_file(tmp_path: Path) -> None:
    """galaxy-importer and ansible-builder; their packages come from a package index."""
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    release.check_artefact(release.build(version, tmp_path))
