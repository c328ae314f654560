"""What is looked at, what the policy makes of it, and how long an exception lasts."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from simple_repository.model import File
from wheelhouse.formats.validation import Verdict
from wheelhouse.intake.advisories import Advisories, Unavailable
from wheelhouse.intake.checks import Release, World, look_at
from wheelhouse.intake.checks.licence import says
from wheelhouse.intake.policy import Exemption, Policy

from .intake import UNCHECKED, Office
from .public import PublicFile
from .samples import Wheel, metadata

TODAY = date.today()
VULNERABLE = {"vulnerability": "block"}


def file(name: str = "alpha-1.0-py3-none-any.whl", days: float | None = 1000, **changes: Any) -> File:
    now = datetime.now(UTC).replace(tzinfo=None)
    uploaded = None if days is None else now - timedelta(days=days)
    return File(filename=name, url="x", hashes={"sha256": "0" * 64}, upload_time=uploaded, **changes)


def release(*files: File, described: bytes | None = None, **changes: Any) -> Release:
    files = files or (file(),)
    licences = says(described) if described else None
    known = {one.filename: one for one in files}
    return Release("alpha", Version("1.0"), known, described is not None, licences, **changes)


def world(upstream: Release | None, **policy: Any) -> World:
    listed = {"alpha": dict(upstream.files) if upstream else None}
    advisories: Any = {("alpha", Version("1.0")): []}
    return World(Policy(**policy), TODAY, listed, advisories, own=frozenset({"acme-*", "colours"}))


def told(one: Release, where: World) -> list[tuple[str, Verdict]]:
    return [(opinion.finding.check, opinion.verdict) for opinion in look_at(one, where)]


def test_nothing_is_wrong() -> None:
    assert told(release(), world(release())) == []


@pytest.mark.parametrize(
    ("one", "policy", "finds"),
    [
        (release(file(days=2)), {}, ("age", Verdict.BLOCK)),
        (release(file(days=None)), {}, ("age", Verdict.BLOCK)),
        (release(file(yanked="oops")), {}, ("yanked", Verdict.BLOCK)),
        (release(file("alpha-1.0.tar.gz")), {}, ("sdist", Verdict.BLOCK)),
        (release(record=("RECORD is odd.",)), {}, ("record", Verdict.BLOCK)),
        (release(record=("RECORD is odd.",)), {"verdicts": {"record": Verdict.WARN}}, ("record", Verdict.WARN)),
        (release(references=("It requires beta by an address.",)), {}, ("reference", Verdict.BLOCK)),
        (release(scripts=("x.pth runs code.",)), {}, ("scripts", Verdict.WARN)),
        (release(scripts=("x.pth runs code.",)), {"verdicts": {"scripts": Verdict.BLOCK}}, ("scripts", Verdict.BLOCK)),
        (release(broken=("It is a bomb.",)), {"verdicts": {"archive": None}}, ("archive", Verdict.BLOCK)),
        (
            release(described=metadata(extra="License: Secret\n")),
            {"licences": ("MIT",)},
            ("licence", Verdict.BLOCK),
        ),
        (
            release(described=metadata(extra="License: Apache-2.0\n")),
            {"licences": ("MIT",)},
            ("licence", Verdict.BLOCK),
        ),
        (replace(release(), project="acme1"), {}, ("lookalike", Verdict.BLOCK)),
    ],
)
def test_a_finding(one: Release, policy: dict[str, Any], finds: tuple[str, Verdict]) -> None:
    where = world(one, **policy)
    where = replace(where, upstream={one.project: dict(one.files)}, advisories={(one.project, one.version): []})
    assert told(one, where) == [finds]


def test_what_is_on_the_shelf_was_old_enough() -> None:
    young = file(days=None)
    assert told(release(young, shelved=frozenset({young.filename})), world(release(young))) == []


def test_gone_upstream() -> None:
    """May stay, unless the policy says otherwise; and nobody claims it where upstream does not answer."""
    assert told(release(), world(None)) == [("removed", Verdict.WARN)]
    assert told(release(), world(release(file("other-2.0-py3-none-any.whl")))) == [("removed", Verdict.WARN)]
    assert told(release(), world(None, verdicts={"removed": Verdict.BLOCK})) == [("removed", Verdict.BLOCK)]
    assert told(release(), replace(world(release()), upstream={})) == []


def test_what_could_not_be_looked_up_has_not_passed() -> None:
    for nothing in ({}, {("alpha", Version("1.0")): None}):
        where = replace(world(release()), advisories=nothing, why_no_advisories="it answers 502")
        (opinion,) = look_at(release(), where)
        assert opinion.verdict is Verdict.BLOCK
        assert opinion.finding.evidence == "Known vulnerabilities could not be looked up: it answers 502."


@pytest.mark.parametrize(
    ("until", "about", "versions", "verdict"),
    [
        (TODAY, "sdist", "", Verdict.WARN),
        (TODAY, "SDIST", "==1.0", Verdict.WARN),
        (TODAY - timedelta(days=1), "sdist", "", Verdict.BLOCK),
        (TODAY, "yanked", "", Verdict.BLOCK),
        (TODAY, "sdist", "==1.1", Verdict.BLOCK),
    ],
)
def test_an_exception(until: date, about: str, versions: str, verdict: Verdict) -> None:
    one = release(file("alpha-1.0.tar.gz"))
    granted = Exemption("alpha", SpecifierSet(versions), about, "a good reason", until)
    (opinion,) = look_at(one, world(one, exceptions=(granted,)))
    assert opinion.verdict is verdict
    assert opinion.expired is (until < TODAY)


@pytest.mark.parametrize(
    ("name", "own", "is_like"),
    [
        ("c0lours", "colours", True),
        ("col-ours", "colours", True),
        ("coluors", "colours", True),
        ("colour", "colours", True),
        ("colors", "colours", True),
        ("flavours", "colours", False),
        ("acme", "acme-*", True),
        ("acmetools", "acme-*", True),
        ("acne-tools", "acme-*", True),
        ("tools-acme", "acme-*", False),
        ("six", "sox", False),
        ("anything", "*", False),
    ],
)
def test_lookalikes(name: str, own: str, is_like: bool) -> None:
    one = replace(release(), project=name)
    where = replace(world(one), own=frozenset({own}), advisories={(name, one.version): []}, upstream={})
    assert told(one, where) == ([("lookalike", Verdict.BLOCK)] if is_like else [])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("License-Expression: mit OR apache-2.0\n", ("MIT OR Apache-2.0",)),
        ("License: MIT\n", ("MIT",)),
        ("License: see the file\nClassifier: License :: OSI Approved :: MIT License\n", ("MIT",)),
        ("Classifier: License :: OSI Approved :: BSD License\n", ("BSD-3-Clause", "BSD-2-Clause")),
        (
            "Classifier: License :: OSI Approved :: MIT License\n"
            "Classifier: License :: OSI Approved :: ISC License (ISCL)\n",
            ("MIT AND ISC",),
        ),
        ("Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: Other\n", None),
        ("License: " + "x" * 4000 + "\n", None),
        ("", None),
    ],
)
def test_what_licence_the_metadata_name(lines: str, expected: tuple[str, ...] | None) -> None:
    assert says(metadata(extra=lines)) == expected


@pytest.mark.parametrize(
    ("expression", "allowed", "passes"),
    [
        ("MIT OR GPL-3.0-only", ("MIT",), True),
        ("MIT AND GPL-3.0-only", ("MIT",), False),
        ("(MIT OR GPL-3.0-only) AND Apache-2.0", ("MIT", "Apache-2.0"), True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ("GPL-2.0-only",), True),
    ],
)
def test_licence_expressions(expression: str, allowed: tuple[str, ...], passes: bool) -> None:
    one = release(described=metadata(extra=f"License-Expression: {expression}\n"))
    assert (told(one, world(one, licences=allowed)) == []) is passes


# advisories


def advisory(directory: Path, name: str = "alpha", events: Any = None, **changes: Any) -> None:
    directory.mkdir(exist_ok=True)
    events = events or [{"introduced": "0"}, {"fixed": "1.1"}]
    entry = {
        "id": "PYSEC-2026-1",
        "modified": "2026-01-01T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "aliases": ["CVE-2026-1"],
        "details": "It runs what it is sent.",
        "affected": [
            {"package": {"ecosystem": "PyPI", "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
        ],
    }
    (directory / f"{name}.json").write_text(json.dumps({**entry, **changes}))


@pytest.mark.parametrize(
    ("events", "affected"),
    [
        ([{"introduced": "0"}], ["0.9", "1.0", "1.1", "2.0"]),
        ([{"introduced": "0"}, {"fixed": "1.1"}], ["0.9", "1.0"]),
        ([{"introduced": "1.0"}, {"fixed": "1.1"}], ["1.0"]),
        ([{"introduced": "1.0"}, {"last_affected": "1.1"}], ["1.0", "1.1"]),
        ([{"fixed": "1.1"}, {"introduced": "0"}, {"introduced": "2.0"}], ["0.9", "1.0", "2.0"]),
    ],
)
def test_the_versions_that_an_advisory_is_about(tmp_path: Path, events: Any, affected: list[str]) -> None:
    advisory(tmp_path / "osv", "Al_pha", events)
    source = Advisories(str(tmp_path / "osv"), client=None)  # type: ignore[arg-type]

    def is_affected(version: str) -> bool:
        asked = {"package": {"name": "al-pha", "ecosystem": "PyPI"}, "version": version}
        return bool(json.loads(source.answer(json.dumps(asked).encode()))["vulns"])

    assert [version for version in ("0.9", "1.0", "1.1", "2.0") if is_affected(version)] == affected


@pytest.mark.parametrize("spoil", [lambda path: None, lambda path: (path.mkdir(), (path / "a.json").write_text("{"))])
def test_a_directory_of_advisories_that_is_none(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    """Says nothing about any release, and that is no pass."""
    spoil(tmp_path / "osv")
    with pytest.raises(Unavailable):
        Advisories(str(tmp_path / "osv"), client=None)  # type: ignore[arg-type]


def test_a_vulnerable_release(office: Office, tmp_path: Path) -> None:
    """Is refused with its advisory, with all of its line; an exception lets it in until it expires."""
    office.publish("alpha", needs=["beta"])
    office.publish("beta")
    osv = str(tmp_path / "osv")
    advisory(tmp_path / "osv", "beta")
    office.wants("alpha", verdicts=VULNERABLE, advisories=osv)
    assert office.run() == 1
    assert (office.shelved(), office.status("alpha")) == (set(), "blocked")
    (finding,) = office.report()["releases"]["beta==1.0"]["findings"]
    assert (finding["advisory"], finding["verdict"]) == ("PYSEC-2026-1", "block")
    assert "It runs what it is sent. Fixed in 1.1." in finding["evidence"]
    assert "PYSEC-2026-1" in (office.shelf / "reports/index.html").read_text()
    (event,) = office.events()
    assert (event["event"], event["file"]) == ("quarantine", "beta-1.0-py3-none-any.whl")

    granted = {"package": "beta", "advisory": "CVE-2026-1", "reason": "not reachable", "until": "2000-01-01"}
    office.wants("alpha", verdicts=VULNERABLE, advisories=osv, exceptions=[granted])
    assert office.run() == 1
    (finding,) = office.report()["releases"]["beta==1.0"]["findings"]
    assert finding["exception"]["expired"]

    office.wants("alpha", verdicts=VULNERABLE, advisories=osv, exceptions=[{**granted, "until": "2999-01-01"}])
    assert office.run() == 0
    assert len(office.shelved()) == 2
    assert office.fetched() == [], "it was in quarantine"
    bom = json.loads((office.shelf / "reports/intake.cdx.json").read_text())
    assert [one["purl"] for one in bom["components"]] == ["pkg:pypi/alpha@1.0", "pkg:pypi/beta@1.0"]
    assert {one["ref"]: one.get("dependsOn", []) for one in bom["dependencies"]}["alpha==1.0"] == ["beta==1.0"]


def test_what_is_held_back_has_not_moved(office: Office, tmp_path: Path) -> None:
    """People are still offered what they were."""
    policy: dict[str, Any] = {"verdicts": VULNERABLE, "advisories": str(tmp_path / "osv")}
    advisory(tmp_path / "osv", "beta", events=[{"introduced": "2.0"}])
    office.publish("beta")
    office.wants("beta", **policy)
    assert office.run() == 0
    before = office.report()["moved"]
    office.publish("beta", "2.0")
    assert office.run() == 1
    (line,) = office.report()["lines"]
    assert (line["status"], line["versions"], line["offered"]) == ("blocked", {"beta": ["2.0"]}, {"beta": ["1.0"]})
    assert office.report()["moved"] == before


@pytest.mark.parametrize("on_shelf", ["yank", "report"])
def test_an_advisory_appears(office: Office, tmp_path: Path, on_shelf: str) -> None:
    """For what is on the shelf, also if no line asks for it any more."""
    office.publish("alpha")
    office.publish("beta")
    advisory(tmp_path / "osv", "something-else")
    policy: dict[str, Any] = {"verdicts": VULNERABLE, "advisories": str(tmp_path / "osv"), "on_shelf": on_shelf}
    office.wants("alpha", "beta", **policy)
    assert office.run() == 0
    advisory(tmp_path / "osv", "alpha")
    office.wants("beta", **policy)
    assert office.run() == 1
    assert "alpha 1.0 is on the shelf and vulnerable (PYSEC-2026-1)" in office.last_run()["problems"][0]
    assert office.yanked() == ({"alpha-1.0-py3-none-any.whl"} if on_shelf == "yank" else set())
    assert office.report()["releases"]["alpha==1.0"]["verdict"] == "block"
    before = office.content()
    assert office.run() == (0 if on_shelf == "yank" else 1), "as long as somebody has to do something"
    assert office.content() == before, "once is enough"


def test_nobody_can_be_asked(office: Office) -> None:
    """pip-audit says that nothing is known, and that must not pass."""
    office.publish("alpha")
    office.wants("alpha", verdicts=VULNERABLE, advisories=f"http://127.0.0.1:{office.public.port}/nothing/here")
    assert office.run() == 1
    assert office.shelved() == set()
    assert "Known vulnerabilities could not be looked up" in office.last_run()["problems"][0]


def test_a_service_is_asked(tmp_path: Path) -> None:
    """The question goes there as it is, and the answer comes back as it is."""
    advisory(tmp_path / "osv", "alpha")
    directory = Advisories(str(tmp_path / "osv"), client=None)  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = directory.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if self.path == "/v1/query" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server, httpx.Client(trust_env=False) as client:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        question = json.dumps({"package": {"name": "alpha", "ecosystem": "PyPI"}, "version": "1.0"}).encode()
        address = f"http://127.0.0.1:{server.server_port}"
        assert b"PYSEC-2026-1" in Advisories(f"{address}/v1/query", client).answer(question)
        with pytest.raises(Unavailable, match="it answers 404"):
            Advisories(f"{address}/elsewhere", client).answer(question)
        server.shutdown()


# what is in the archives


def odd_release(name: str, version: str = "1.0", **changes: Any) -> PublicFile:
    wheel = Wheel(name, version, **changes)
    return PublicFile(wheel.filename, wheel.build(), described=metadata(name, version))


def findings(office: Office, release: str) -> list[tuple[str, str, bool]]:
    found = office.report()["releases"][release]["findings"]
    return [(one["check"], one["verdict"], one.get("new", False)) for one in found]


def test_what_record_has_wrong_is_for_the_policy(office: Office) -> None:
    """Installers put up with it, so an exception lets it in; nothing lets in what leads out of its place."""
    odd = odd_release("alpha", record=lambda lines: [f"/{lines[0]}", *lines[1:]])
    office.public.projects["alpha"] = [odd]
    office.wants("alpha")
    assert office.run() == 1
    assert (office.shelved(), findings(office, "alpha==1.0")) == (set(), [("record", "block", False)] * 2)
    granted = {"package": "alpha", "advisory": "record", "reason": "everybody has it", "until": "2999-01-01"}
    office.wants("alpha", exceptions=[granted])
    assert office.run() == 0
    assert office.shelved() == {odd.name}
    assert findings(office, "alpha==1.0") == [("record", "warn", False)] * 2
    before = office.content()
    assert office.run() == 0
    assert office.content() == before, "it is known of what is on the shelf, too"
    office.wants("alpha")
    office.run()
    assert findings(office, "alpha==1.0") == [("record", "block", False)] * 2

    slipping = odd_release("beta", entries=lambda archive: archive.writestr("../../x", b""))
    office.public.projects["beta"] = [slipping]
    office.wants("beta", verdicts={**UNCHECKED, "archive": "off", "record": "off"}, exceptions=[
        {**granted, "package": "beta", "advisory": "archive"}
    ])  # fmt: skip
    assert office.run() != 0
    assert slipping.name not in office.shelved()


def test_what_is_required_by_an_address(office: Office) -> None:
    """Installers would fetch it from there. With an exception it is let in, and the next run still says so."""
    line = "Requires-Dist: beta @ https://files.acme.example/beta-1.0-py3-none-any.whl ; extra == 'all'\n"
    office.public.projects["alpha"] = [odd_release("alpha", metadata=metadata("alpha", extra=line))]
    office.wants("alpha==1.0")
    assert office.run() == 1
    assert findings(office, "alpha==1.0") == [("reference", "block", False)]
    assert office.shelved() == set()
    for _ in range(2):
        office.wants("alpha==1.0", verdicts={**UNCHECKED, "reference": "warn"})
        assert office.run() == 0
        assert findings(office, "alpha==1.0") == [("reference", "warn", False)]
    assert "alpha-1.0-py3-none-any.whl" in office.shelved()


def test_scripts_that_are_new_stand_out(office: Office) -> None:
    pth = {"members": {"starts.pth": b"import alpha\n"}}
    office.public.projects["always"] = [odd_release("always", version, **pth) for version in ("1.0", "2.0")]
    office.public.projects["alpha"] = [odd_release("alpha"), odd_release("alpha", "2.0", **pth)]
    office.wants("alpha==1.0", "always==1.0")
    assert office.run() == 0
    assert findings(office, "alpha==1.0") == []
    assert findings(office, "always==1.0") == [("scripts", "warn", False)]

    office.wants("alpha==2.0", "always==2.0", verdicts={**UNCHECKED, "scripts": "block"})
    assert office.run() == 1
    assert "alpha-2.0-py3-none-any.whl" not in office.shelved()

    office.wants("alpha==2.0", "always==2.0")
    assert office.run() == 0
    assert findings(office, "always==2.0") == [("scripts", "warn", False)]
    assert findings(office, "alpha==2.0") == [("scripts", "warn", True)]
    (told,) = office.report()["releases"]["alpha==2.0"]["findings"]
    assert told["evidence"] == (
        "New: 'starts.pth' runs code whenever Python starts. No other release of alpha on the shelf has such a thing."
    )
    page = (office.shelf / "reports/index.html").read_text()
    assert page.count('<span class="mark bad">new</span>') == 1
