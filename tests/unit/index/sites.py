"""Two sites without a route between them: an index outside, one inside, and a directory that is carried over."""

import contextlib
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from wheelhouse import cli
from wheelhouse.formats import reading
from wheelhouse.formats.validation import Claims, Origin
from wheelhouse.index import events, queries
from wheelhouse.index.events import Event
from wheelhouse.index.opening import open_index
from wheelhouse.index.provenance import Provenance
from wheelhouse.index.transaction import Incoming, IncomingPackage, Index
from wheelhouse.transfer import bundle
from wheelhouse.transfer.bundle import Manifest, Receipt

from . import postgresql, seaweed, tables_at_once
from .conda_samples import CondaPackage
from .public import days_ago
from .samples import SETTINGS, Wheel

VARIABLES = {"SHELF": "shelf", "CONFIG": "config", "TRANSFER": "transfer", "INTAKE": "intake"}


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    text: str


@dataclass
class SiteOfTests:
    """One index, in a directory: its shelf, its configuration, and what transfers remember."""

    root: Path
    settings: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))

    def __post_init__(self) -> None:
        for name in VARIABLES.values():
            if name != "shelf":
                (self.root / name).mkdir(parents=True)
        (self.root / "config/htpasswd").write_text("")
        if socket := os.environ.get(postgresql.SERVER):
            postgresql.configure(self.root / "config", postgresql.create(socket, tables_at_once.template(socket)))
        seaweed.configure(self.root / "config", seaweed.of_this_run())
        self.configure()

    @property
    def shelf(self) -> Path:
        return self.root / "shelf"

    @property
    def state(self) -> Path:
        """What transfers remember."""
        return self.root / "transfer/state"

    def configure(self, **changes: Any) -> None:
        self.settings |= changes
        (self.root / "config/config.json").write_text(json.dumps(self.settings))

    def policy(self, **policy: Any) -> None:
        (self.root / "transfer/policy.json").write_text(json.dumps(policy))

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """The program finds this site."""
        before = dict(os.environ)
        os.environ.update({f"WHEELHOUSE_{name}": str(self.root / place) for name, place in VARIABLES.items()})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def run(self, *arguments: str | Path) -> Said:
        said = io.StringIO()
        with self.here(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = cli.main([str(one) for one in arguments])
        return Said(code, said.getvalue())

    @contextlib.contextmanager
    def index(self) -> Iterator[Index]:
        with self.here():
            index = open_index(self.shelf)
        try:
            yield index
        finally:
            index.database.close()

    def publish(
        self,
        filename: str,
        content: bytes,
        who: str = "intake",
        origin: str = "intake",
        days: float = 100,
        provenance: Provenance | None = None,
    ) -> None:
        """A file, as the intake or anyone else publishes it."""
        with self.index() as index, index.staging.receive(io.BytesIO(content)) as path:
            checked = reading.check(path, filename, Claims(), Origin.OUTSIDE)
            uploaded = days_ago(days) if origin == "intake" else None
            index.publish(
                [Incoming(path, checked, uploaded, provenance=provenance)], who, origin, allow_second_sdist=True
            )

    def admit(self, wheel: Wheel, **changes: Any) -> None:
        self.publish(wheel.filename, wheel.build(), **changes)

    def admit_package(self, package: CondaPackage, channel: str = "conda-forge", **record: Any) -> None:
        content = package.build_it()
        with self.index() as index, index.staging.receive(io.BytesIO(content)) as path:
            found = reading.package(path, package.filename, package.subdir)
            incoming = IncomingPackage(
                path,
                f"{package.subdir}/{package.filename}",
                {**found.record, **record},
                upstream=True,
                inside=found.inside,
                scripts=found.scripts,
                uploaded=events.written(days_ago(100)),
            )
            index.publish_packages(channel, [incoming], "intake", "intake")

    def listed(self) -> dict[str, str]:
        """File -> SHA-256 of what installers are shown."""
        pages = (self.shelf / "simple").glob("*/index.json")
        files = [file for page in pages for file in json.loads(page.read_text())["files"]]
        return {file["filename"]: file["hashes"]["sha256"] for file in files}

    def yanked(self) -> dict[str, str]:
        """File -> reason."""
        pages = (self.shelf / "simple").glob("*/index.json")
        files = [file for page in pages for file in json.loads(page.read_text())["files"]]
        return {file["filename"]: file["yanked"] for file in files if file.get("yanked")}

    def packages(self, channel: str = "conda-forge") -> dict[str, Mapping[str, Any]]:
        """Name with subdir -> record, as conda is shown it."""
        found = {}
        for page in (self.shelf / "conda" / channel).glob("*/repodata.json"):
            known = json.loads(page.read_text())
            for name, record in {**known["packages"], **known["packages.conda"]}.items():
                found[f"{page.parent.name}/{name}"] = record
        return found

    def events(self) -> list[Event]:
        with self.index() as index, index.database.read() as connection:
            return [event for _, event in events.since(connection, 0, 1_000_000)]

    def is_own(self, project: str) -> bool:
        with self.index() as index, index.database.read() as connection:
            return queries.is_own(connection, project)

    def receipt(self, number: int) -> Path:
        return self.state / f"receipts/receipt-{number:06}.json"


class Gap:
    """The two sites, and the medium between them."""

    def __init__(self, directory: Path) -> None:
        self.outside = SiteOfTests(directory / "outside")
        self.inside = SiteOfTests(directory / "inside", {**SETTINGS, "index_url": "https://inside.acme.example"})
        self.medium = directory / "medium"
        self.medium.mkdir()

    def export(self, *arguments: str | Path, code: int = 0) -> str:
        said = self.outside.run("export", self.medium, *arguments)
        assert said.code == code, said.text
        self.trust(self.outside)
        return said.text

    def export_fails(self, *arguments: str | Path) -> str:
        said = self.outside.run("export", self.medium, *arguments)
        assert said.code == 1, said.text
        return said.text

    def trust(self, site: SiteOfTests) -> None:
        """Have the inside take what a site signs."""
        line = f'wheelhouse-export namespaces="wheelhouse-export" {(site.state / "key.pub").read_text()}'
        (self.inside.root / "transfer/allowed_signers").write_text(line)

    def apply(self, *arguments: str | Path, code: int = 0) -> str:
        said = self.inside.run("import", self.medium, "--apply", "--by", "ida", *arguments)
        assert said.code == code, said.text
        return said.text

    def bundle(self, number: int) -> Path:
        return self.medium / bundle.directory_name(number)

    def manifest(self, number: int) -> Manifest:
        return bundle.manifest((self.bundle(number) / bundle.MANIFEST).read_bytes())

    def forge(self, number: int, /, **changes: Any) -> None:
        """Change what a bundle says, and sign it with the outside's key: what an administrator there could do."""
        changed = msgspec.structs.replace(self.manifest(number), **changes)
        self.sign(number, bundle.encoded(changed))

    def sign(self, number: int, content: bytes, key: Path | None = None) -> None:
        path = self.bundle(number) / bundle.MANIFEST
        path.write_bytes(content)
        path.with_suffix(".json.sig").unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "wheelhouse-export"]
        subprocess.run([*command, "-f", key or self.outside.state / "key", path], check=True, capture_output=True)

    def replace(self, number: int, sha256: str, content: bytes) -> str:
        """Have a bundle carry other bytes; returns their SHA-256. The manifest is left as it is."""
        digest = bundle.digest(content)
        (self.bundle(number) / "files" / sha256).unlink()
        (self.bundle(number) / "files" / digest).write_bytes(content)
        return digest

    def content(self) -> dict[str, Any]:
        """Everything of the inside but locks, and what SQLite has beside its rows."""
        told = [(one.event, one.file, one.reason) for one in self.inside.events()]  # makes the shelf, if there is none
        passing = {*(self.inside.shelf / name for name in ("state", "locks", "incoming"))}
        found: dict[str, Any] = {
            str(path.relative_to(self.inside.root)): path.read_bytes()
            for path in sorted(self.inside.root.rglob("*"))
            if path.is_file() and not passing & {*path.parents}
        }
        return found | {"events": told}

    def receipt(self, number: int) -> Receipt:
        return bundle.receipt(self.inside.receipt(number).read_bytes(), "receipt")

    def new_medium(self) -> None:
        shutil.rmtree(self.medium)
        self.medium.mkdir()
