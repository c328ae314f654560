"""`wheelhouse export` and `wheelhouse import`: what the outside let in arrives inside, and nothing else does.

Two real shelves, real signatures. Every refusal leaves the inside as it was, to the byte.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from memory import in_memory
from wheelhouse.index import queries
from wheelhouse.intake import last_report
from wheelhouse.transfer import bundle

from . import kept, kills, seaweed
from .conda_samples import CondaPackage
from .everything import Everything
from .intake import Office
from .intake_conda import advisory
from .killed_run import forked
from .samples import Wheel, sdist
from .sites import Gap, SiteOfTests

ALPHA, BETA = (Wheel(name, members={f"{name}/__init__.py": b"answer = 42\n"}) for name in ("alpha", "beta"))
OWN = Wheel("acme_tools")
PACKAGE = CondaPackage("hello", depends=("python",))


@pytest.fixture
def gap() -> Iterator[Gap]:
    directory = Path(tempfile.mkdtemp(dir=in_memory()))
    yield Gap(directory)
    shutil.rmtree(directory)


@pytest.fixture
def carried(gap: Gap) -> Gap:
    """Bundle 1 on the medium: two public projects, a source distribution among them, a package, and an own project."""
    gap.outside.admit(ALPHA)
    gap.outside.publish("beta-1.0.tar.gz", sdist("beta"))
    gap.outside.admit_package(PACKAGE)
    gap.outside.admit(OWN, who="ada", origin="192.0.2.7")
    gap.export()
    # source distributions are for the inside's policy to judge
    gap.inside.policy(verdicts={"sdist": "warn"})
    return gap


def test_what_is_public_arrives_with_everything_that_clients_are_shown(carried: Gap) -> None:
    carried.apply()
    public = {name: digest for name, digest in carried.outside.listed().items() if not name.startswith("acme")}
    assert carried.inside.listed() == public and len(public) == 2
    assert carried.inside.packages() == carried.outside.packages() != {}
    served = carried.inside.shelf / "packages/alpha" / ALPHA.filename
    assert served.read_bytes() == ALPHA.build()
    assert served.with_name(f"{ALPHA.filename}.metadata").exists()
    assert (carried.inside.shelf / "conda/conda-forge/noarch" / PACKAGE.filename).read_bytes() == PACKAGE.build_it()
    upstream_time = [
        json.loads((site.shelf / "simple/alpha/index.json").read_text())["files"][0]["upload-time"]
        for site in (carried.outside, carried.inside)
    ]
    assert upstream_time[0] == upstream_time[1], "cooldowns of clients count from upstream's time"


def test_public_projects_stay_public_inside(carried: Gap) -> None:
    carried.apply()
    assert not carried.inside.is_own("alpha")


def test_own_projects_go_by_their_names_alone(carried: Gap) -> None:
    carried.apply()
    assert OWN.filename not in carried.inside.listed()
    carried.export("--internal", "acme-*")
    assert [one.file for one in carried.manifest(2).files] == [OWN.filename]
    carried.apply()
    assert OWN.filename in carried.inside.listed()
    assert carried.inside.is_own("acme-tools")


def test_nothing_of_other_own_projects_is_in_a_bundle(carried: Gap) -> None:
    for path in carried.medium.rglob("*"):
        assert not path.is_file() or b"acme" not in path.read_bytes(), path


def test_the_audit_says_who_brought_what_in(carried: Gap) -> None:
    carried.apply()
    told = [event for event in carried.inside.events() if event.event == "import"]
    assert [event.who for event in told] == ["ida"]
    digest = bundle.digest((carried.bundle(1) / "manifest.json").read_bytes())
    assert f"bundle 1 ({digest})" in (told[0].reason or "")
    record = carried.inside.state / "bundles/wheelhouse-000001"
    assert bundle.manifest((record / "manifest.json").read_bytes()).number == 1
    assert ALPHA.filename in (record / "events.jsonl").read_text()


def test_a_dry_run_says_what_would_come_and_changes_nothing(carried: Gap) -> None:
    before = carried.content()
    said = carried.inside.run("import", carried.medium, "--dry-run")
    assert said.code == 0
    assert "would bring: 2 files and 1 conda packages, 0 refused" in said.text
    assert carried.content() == before


def test_the_next_bundle_has_only_what_is_new(carried: Gap) -> None:
    carried.apply()
    carried.outside.admit(BETA)
    carried.export()
    assert [one.file for one in carried.manifest(2).files] == [BETA.filename]
    assert carried.manifest(2).packages == []
    assert carried.manifest(2).previous == bundle.digest((carried.bundle(1) / "manifest.json").read_bytes())
    assert "Bundle 1 is older" not in carried.apply()
    assert BETA.filename in carried.inside.listed()


def test_without_news_there_is_no_bundle(carried: Gap) -> None:
    assert "Nothing is new since the last bundle." in carried.export()
    assert not carried.bundle(2).exists()


def test_several_bundles_are_applied_in_their_order(carried: Gap) -> None:
    carried.outside.admit(BETA)
    carried.export()
    assert carried.inside.run("import", carried.medium, "--dry-run").code == 0
    carried.apply()
    assert {ALPHA.filename, BETA.filename} <= carried.inside.listed().keys()
    assert carried.receipt(2).number == 2


def test_the_same_bundle_again_changes_nothing(carried: Gap) -> None:
    carried.apply()
    before = carried.content()
    receipt = carried.receipt(1)
    carried.apply()
    again = carried.content()
    for known in (before, again):
        known.pop("transfer/state/receipts/receipt-000001.json")
    assert again == before
    assert carried.receipt(1).has == receipt.has


# yanks and denials


def test_yanks_go_and_come_back(carried: Gap) -> None:
    carried.apply()
    carried.outside.run("yank", "alpha", "1.0", "--reason", "it eats files")
    carried.export()
    carried.apply()
    assert carried.inside.yanked() == {ALPHA.filename: "it eats files"}
    carried.outside.run("unyank", "alpha", "1.0")
    carried.export()
    carried.apply()
    assert carried.inside.yanked() == {}


def test_a_yank_of_the_inside_stays(carried: Gap) -> None:
    carried.apply()
    carried.inside.run("yank", "alpha", "1.0", "--reason", "not here")
    carried.outside.admit(BETA)
    carried.export()
    carried.apply()
    assert carried.inside.yanked() == {ALPHA.filename: "not here"}


def test_what_is_removed_outside_is_yanked_inside(carried: Gap) -> None:
    carried.apply()
    carried.outside.run("remove", "alpha", "1.0", "--reason", "malware")
    carried.export()
    carried.apply()
    assert carried.inside.yanked() == {ALPHA.filename: "removed from the outside index: malware"}


def test_a_package_that_is_withheld_outside_is_in_no_index_inside(carried: Gap) -> None:
    carried.apply()
    with carried.outside.index() as index:
        index.withhold("conda-forge", {f"noarch/{PACKAGE.filename}": "vulnerable: X"}, "intake", "intake")
    carried.export()
    carried.apply()
    assert carried.inside.packages() == {}
    with carried.outside.index() as index:
        index.offer("conda-forge", [f"noarch/{PACKAGE.filename}"], "intake", "intake")
    carried.export()
    carried.apply()
    assert carried.inside.packages() == carried.outside.packages() != {}


def test_records_that_upstream_changed_later_arrive(carried: Gap) -> None:
    carried.apply()
    name = f"noarch/{PACKAGE.filename}"
    with carried.outside.index() as index:
        record = {**carried.outside.packages()[name], "depends": ["python <3.13"]}
        index.update_records("conda-forge", {name: record})
    carried.export()
    carried.apply()
    assert carried.inside.packages()[name]["depends"] == ["python <3.13"]


def test_what_is_denied_outside_is_denied_inside_until_it_is_not(carried: Gap) -> None:
    with carried.outside.index() as index:
        index.deny({"gamma": {"2.0": ("It is bad.", ("sdist",))}})
    with carried.inside.index() as index:
        index.deny({"delta": {"1.0": ("We say no.", ())}})
    carried.export()
    carried.apply()
    assert denied(carried.inside) == {"gamma", "delta"}
    with carried.outside.index() as index:
        index.deny({})
    carried.export()
    carried.apply()
    assert denied(carried.inside) == {"delta"}


def denied(site: SiteOfTests) -> set[str]:
    with site.index() as index, index.database.read() as connection:
        return set(queries.denied(connection))


# what the bundle itself can have wrong


def flip_a_byte_of_a_file(gap: Gap) -> None:
    path = next(iter((gap.bundle(1) / "files").iterdir()))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def flip_a_byte_of_the_manifest(gap: Gap) -> None:
    path = gap.bundle(1) / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"alpha"', b'"alphb"', 1))


def cut_a_file_off(gap: Gap) -> None:
    path = max((gap.bundle(1) / "files").iterdir(), key=lambda one: one.stat().st_size)
    path.write_bytes(path.read_bytes()[:-1])


def lose_a_file(gap: Gap) -> None:
    next(iter((gap.bundle(1) / "files").iterdir())).unlink()


def lose_the_signature(gap: Gap) -> None:
    (gap.bundle(1) / "manifest.json.sig").unlink()


def sign_with_another_key(gap: Gap) -> None:
    other = SiteOfTests(gap.medium.parent / "other")
    other.admit(ALPHA)
    assert other.run("export", other.root).code == 0
    gap.sign(1, (gap.bundle(1) / "manifest.json").read_bytes(), other.state / "key")


def sign_for_another_purpose(gap: Gap) -> None:
    path = gap.bundle(1) / "manifest.json"
    (gap.bundle(1) / "manifest.json.sig").unlink()
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", str(gap.outside.state / "key"), str(path)]
    subprocess.run(command, check=True, capture_output=True)


def put_a_link_in_the_place_of_a_file(gap: Gap) -> None:
    path = next(iter((gap.bundle(1) / "files").iterdir()))
    moved = gap.medium.parent / "elsewhere"
    path.rename(moved)
    path.symlink_to(moved)


def put_a_link_in_the_place_of_the_files(gap: Gap) -> None:
    path = gap.bundle(1) / "files"
    path.rename(gap.medium.parent / "elsewhere")
    path.symlink_to(gap.medium.parent / "elsewhere")


def put_a_pipe_in_the_place_of_a_file(gap: Gap) -> None:
    path = next(iter((gap.bundle(1) / "files").iterdir()))
    path.unlink()
    os.mkfifo(path)


def put_a_link_in_the_place_of_the_manifest(gap: Gap) -> None:
    path = gap.bundle(1) / "manifest.json"
    path.rename(gap.medium.parent / "elsewhere")
    path.symlink_to(gap.medium.parent / "elsewhere")


def make_the_manifest_huge(gap: Gap) -> None:
    os.truncate(gap.bundle(1) / "manifest.json", 10 * 2**30)


def have_a_later_form(gap: Gap) -> None:
    gap.forge(1, format=2)


def have_an_extra_that_escapes(gap: Gap) -> None:
    extra = bundle.Thing("../../../evil", 1, "0" * 64)
    gap.forge(1, extras=[extra])


def have_a_digest_that_escapes(gap: Gap) -> None:
    (one, *others) = gap.manifest(1).files
    gap.forge(1, files=[msgspec.structs.replace(one, sha256="../../config/config.json"), *others])


def have_no_sense(gap: Gap) -> None:
    gap.sign(1, b'{"format": 1, "number": "one"}')


def have_another_number(gap: Gap) -> None:
    gap.forge(1, number=2)


def have_a_report_that_is_none(gap: Gap) -> None:
    content = b'{"lines": 7}'
    (gap.bundle(1) / "files" / bundle.digest(content)).write_bytes(content)
    gap.forge(1, attachments=[bundle.Thing("intake.json", len(content), bundle.digest(content))])


WRONG: dict[Callable[[Gap], None], str] = {
    flip_a_byte_of_a_file: "is not what its manifest says",
    flip_a_byte_of_the_manifest: "was changed after it was signed",
    cut_a_file_off: "is not what its manifest says",
    lose_a_file: "is missing in the bundle",
    lose_the_signature: "has no manifest.json.sig",
    sign_with_another_key: "is not signed by any of the allowed signers",
    sign_for_another_purpose: "is not signed by any of the allowed signers",
    put_a_link_in_the_place_of_a_file: "is a link",
    put_a_link_in_the_place_of_the_files: "is missing in the bundle",
    put_a_pipe_in_the_place_of_a_file: "is a named pipe",
    put_a_link_in_the_place_of_the_manifest: "is a link",
    make_the_manifest_huge: "more than any export writes",
    have_a_later_form: "upgrade the index first",
    have_an_extra_that_escapes: "an extra with a name that is none",
    have_a_digest_that_escapes: "is not what an export writes",
    have_no_sense: "is not what an export writes",
    have_another_number: "holds bundle 2",
    have_a_report_that_is_none: "is no report of an intake",
}


@pytest.mark.parametrize("spoil", WRONG, ids=lambda spoil: spoil.__name__)
def test_a_bundle_that_is_not_right_changes_nothing(carried: Gap, spoil: Callable[[Gap], None]) -> None:
    carried.inside.admit(Wheel("acme_inner"), who="ida", origin="192.0.2.8")
    before = carried.content()
    spoil(carried)
    for how in ("--dry-run", "--apply"):
        said = carried.inside.run("import", carried.medium, how)
        assert said.code == 1
        assert WRONG[spoil] in said.text
        assert len(said.text.splitlines()) == 1, said.text
        assert carried.content() == before


def test_a_bundle_that_does_not_come_next_changes_nothing(carried: Gap) -> None:
    carried.outside.admit(BETA)
    carried.export()
    carried.bundle(1).rename(carried.medium.parent / "kept")
    before = carried.content()
    assert "bundle 1 is missing" in carried.apply(code=1)
    assert carried.content() == before


def test_a_bundle_of_another_chain_changes_nothing(carried: Gap) -> None:
    carried.apply()
    carried.new_medium()
    shutil.rmtree(carried.outside.state / "ledger")
    carried.outside.admit(BETA)
    carried.export()  # number 1, once more
    before = carried.content()
    assert "Another bundle 1 is applied already" in carried.apply(code=1)
    assert carried.content() == before


def test_a_bundle_that_follows_another_one_changes_nothing(carried: Gap) -> None:
    carried.apply()
    carried.new_medium()
    carried.outside.admit(BETA)
    carried.export("--since", "0")  # another bundle 1
    carried.outside.admit(Wheel("gamma"))
    carried.export()
    shutil.rmtree(carried.bundle(1))
    before = carried.content()
    assert "was made to follow another bundle 1" in carried.apply(code=1)
    assert carried.content() == before


def test_an_older_bundle_is_passed_over(carried: Gap) -> None:
    carried.outside.admit(BETA)
    carried.export()
    carried.apply()
    carried.outside.run("yank", "alpha", "1.0", "--reason", "x")
    before = carried.content()
    carried.bundle(2).rename(carried.medium.parent / "kept")
    assert "Bundle 1 is older than bundle 2" in carried.apply()
    assert carried.content() == before


def test_without_allowed_signers_nothing_is_taken(carried: Gap) -> None:
    (carried.inside.root / "transfer/allowed_signers").unlink()
    assert "package_transfer_signers" in carried.apply(code=1)


def test_a_medium_without_a_bundle_is_said(gap: Gap) -> None:
    (gap.inside.root / "transfer/allowed_signers").write_text("")
    assert "There is no bundle in" in gap.apply(code=1)


# what the inside's own rules say


def refused(gap: Gap, sentence: str) -> None:
    """Everything but one thing is taken, and everybody is told."""
    assert sentence in gap.apply(code=1)
    (said,) = gap.receipt(1).refused.values()
    assert sentence in said


def test_a_reserved_name_is_refused(carried: Gap) -> None:
    carried.inside.configure(reserved=["acme-*", "alpha"])
    refused(carried, "alpha is one of the company's own names")
    assert carried.inside.listed().keys() == {"beta-1.0.tar.gz"}


def test_a_denied_project_is_refused(carried: Gap) -> None:
    carried.inside.configure(denied=["alph*"])
    refused(carried, "alpha is denied by the index's own settings")


def test_a_denied_release_is_refused(carried: Gap) -> None:
    with carried.inside.index() as index:
        index.deny({"alpha": {"1.0": ("We say no.", ())}})
    refused(carried, "We say no.")


def test_a_project_that_people_inside_publish_is_refused(carried: Gap) -> None:
    carried.inside.publish("alpha-9.0-py3-none-any.whl", Wheel("alpha", "9.0").build(), "ida", "192.0.2.8")
    refused(carried, "alpha is a project that people here publish")


def test_a_file_that_is_there_with_other_contents_is_refused(carried: Gap) -> None:
    other = Wheel("alpha", members={"alpha/__init__.py": b"other = True\n"})
    carried.inside.admit(other)
    refused(carried, "already exists on the shelf with other contents")


def test_a_reserved_conda_package_is_refused(carried: Gap) -> None:
    carried.inside.configure(reserved=["acme-*", "hello"])
    refused(carried, "'hello' is one of the company's own names")
    assert carried.inside.packages() == {}


def test_a_file_that_is_too_big_is_refused(carried: Gap) -> None:
    big = Wheel("gamma", members={"gamma/data": os.urandom(2**16)})
    carried.outside.admit(big)
    carried.export("--since", "0", code=1)  # the medium has a bundle 1
    carried.new_medium()
    carried.export("--since", "0")
    carried.inside.configure(max_file_size=2**15)
    refused(carried, "is bigger than 32768 bytes")


def test_an_internal_project_needs_its_name_reserved_inside(carried: Gap) -> None:
    carried.new_medium()
    carried.export("--since", "0", "--internal", "acme-*")
    carried.inside.configure(reserved=[])
    refused(carried, "acme-tools comes as an internal project")


def test_bytes_that_are_no_distribution_are_refused_whoever_signed_them(carried: Gap) -> None:
    content = b"no wheel at all"
    (one,) = [one for one in carried.manifest(1).files if one.file == ALPHA.filename]
    digest = carried.replace(1, one.sha256, content)
    files = [one for one in carried.manifest(1).files if one.file != ALPHA.filename]
    forged = msgspec.structs.replace(one, sha256=digest, size=len(content))
    carried.forge(1, files=[*files, forged])
    assert ALPHA.filename in carried.apply(code=1)
    assert ALPHA.filename not in carried.inside.listed()


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("../../../config/evil-1.0-py3-none-any.whl", "evil"),
        ("alpha-1.0-py3-none-any.whl\n", "alpha"),
        ("beta-2.0-py3-none-any.whl", "beta"),
        ("-rf.tar.gz", "rf"),
    ],
)
def test_names_that_are_none_are_refused(carried: Gap, file: str, sentence: str) -> None:
    ones = [
        msgspec.structs.replace(one, file=file) if one.file == ALPHA.filename else one
        for one in carried.manifest(1).files
    ]
    carried.forge(1, files=ones)
    assert sentence in carried.apply(code=1)
    assert carried.inside.listed().keys() == {"beta-1.0.tar.gz"}
    assert not list(carried.inside.root.rglob("*evil*"))


def test_a_record_that_is_not_that_of_the_package_is_refused(carried: Gap) -> None:
    (one,) = carried.manifest(1).packages
    carried.forge(1, packages=[msgspec.structs.replace(one, record={**one.record, "name": "numpy"})])
    assert "do not say the same name" in carried.apply(code=1)
    assert carried.inside.packages() == {}


def test_the_policy_of_the_inside_counts(carried: Gap) -> None:
    carried.inside.policy()  # in which a source distribution blocks
    refused(carried, "beta-1.0.tar.gz")


def test_what_is_too_young_is_refused(carried: Gap) -> None:
    carried.inside.policy(minimum_age=200, verdicts={"sdist": "off"})
    said = carried.apply(code=1)
    assert "less than 200 days ago" in said
    assert carried.inside.listed() == {}


def test_a_licence_that_is_not_allowed_is_refused(carried: Gap) -> None:
    carried.inside.policy(licences=["Apache-2.0"], verdicts={"sdist": "off"})
    carried.apply(code=1)
    assert carried.inside.listed() == {} and carried.inside.packages() == {}


def test_what_was_refused_comes_when_the_policy_lets_it(carried: Gap) -> None:
    carried.inside.policy()
    carried.apply(code=1)
    carried.inside.policy(verdicts={"sdist": "warn"})
    carried.apply()
    assert "beta-1.0.tar.gz" in carried.inside.listed()
    assert carried.receipt(1).refused == {}


# advisories


def test_advisories_come_with_the_bundle_and_count_inside(gap: Gap) -> None:
    gap.outside.admit(ALPHA)
    gap.outside.admit(BETA)
    known = gap.outside.root / "osv"
    advisory(known, "beta", fixed="2.0")
    advisory(known, "unheard-of", fixed="2.0")
    (gap.outside.root / "intake/intake.json").write_text(json.dumps({"policy": {"advisories": str(known)}}))
    gap.export()
    assert gap.manifest(1).advisories_of
    assert "PYSEC-2026-beta" in gap.apply(code=1)
    assert gap.inside.listed().keys() == {ALPHA.filename}
    kept = (gap.inside.state / "bundles/wheelhouse-000001/advisories.jsonl").read_text()
    assert "beta" in kept and "unheard-of" not in kept


def test_a_directory_of_advisories_without_any_about_the_shelf_blocks_nothing(gap: Gap) -> None:
    gap.outside.admit(ALPHA)
    advisory(gap.outside.root / "osv", "unheard-of", fixed="2.0")
    policy = {"policy": {"advisories": str(gap.outside.root / "osv")}}
    (gap.outside.root / "intake/intake.json").write_text(json.dumps(policy))
    gap.export()
    assert "looked up outside alone" not in gap.apply()


def test_a_directory_of_advisories_that_is_not_there_is_named_with_its_setting(carried: Gap) -> None:
    carried.inside.policy(advisories="/nowhere/osv")
    said = carried.apply(code=1)
    assert "package_intake_policy.advisories is '/nowhere/osv', and there is no such directory" in said
    assert not carried.inside.listed()


def test_the_inside_says_when_nobody_looked_for_advisories(carried: Gap) -> None:
    assert "looked up outside alone" in carried.apply()


# receipts


def test_a_receipt_says_what_the_next_export_need_not_bring(carried: Gap) -> None:
    carried.apply()
    carried.outside.admit(BETA)
    carried.export()  # lost on its way
    carried.new_medium()
    carried.outside.admit(Wheel("gamma"))
    carried.export("--since", carried.inside.receipt(1))
    brought = {one.file for one in carried.manifest(2).files}
    assert brought == {BETA.filename, "gamma-1.0-py3-none-any.whl"}
    carried.apply()
    assert brought <= carried.inside.listed().keys()


def test_a_number_does_the_same(carried: Gap) -> None:
    carried.outside.admit(BETA)
    carried.export()
    carried.new_medium()
    carried.export("--since", "1")
    assert {one.file for one in carried.manifest(2).files} == {BETA.filename}


def test_a_receipt_is_enough_where_the_ledger_was_lost(carried: Gap) -> None:
    carried.apply()
    shutil.rmtree(carried.outside.state / "ledger")
    carried.outside.admit(BETA)
    carried.export("--since", carried.inside.receipt(1))
    assert {one.file for one in carried.manifest(2).files} == {BETA.filename}
    carried.apply()


def test_what_was_refused_goes_again_only_when_it_is_wanted(carried: Gap) -> None:
    carried.inside.configure(denied=["alpha"])
    carried.apply(code=1)
    carried.outside.admit(BETA)
    carried.export("--since", carried.inside.receipt(1))
    assert {one.file for one in carried.manifest(2).files} == {BETA.filename}
    carried.bundle(2).rename(carried.medium.parent / "kept")
    carried.export("--since", carried.inside.receipt(1), "--refused-too")
    assert {one.file for one in carried.manifest(2).files} == {BETA.filename, ALPHA.filename}


def test_a_receipt_of_another_site_is_refused(carried: Gap) -> None:
    carried.apply()
    path = carried.inside.receipt(1)
    path.write_text(path.read_text().replace(carried.receipt(1).manifest, "0" * 64))
    assert "is about a bundle 1 that is not the one in the ledger" in carried.export("--since", path, code=1)


@pytest.mark.parametrize("since", ["7", "/nowhere", "YESTERDAY"])
def test_a_since_that_is_none_is_said(carried: Gap, since: str) -> None:
    said = carried.export("--since", since, code=1)
    assert "not in the ledger" in said or "There is no receipt" in said


# parts and extras


def test_parts_for_media_hold_the_same(gap: Gap) -> None:
    gap.outside.admit(ALPHA)
    gap.outside.admit(Wheel("gamma", members={"gamma/data": os.urandom(5 * 2**19)}))
    gap.outside.admit_package(PACKAGE)
    gap.export("--part-size", "1M")
    parts = sorted(path.name for path in gap.bundle(1).iterdir())
    assert parts == ["manifest.json", "manifest.json.sig", *(f"part-{n:04}.tar" for n in (1, 2, 3))]
    assert all(path.stat().st_size <= 2**20 for path in gap.bundle(1).glob("part-*"))
    gap.apply()
    assert gap.inside.listed() == gap.outside.listed()
    assert gap.inside.packages() == gap.outside.packages()


@pytest.mark.parametrize("spoil", ["flip", "cut", "lose"])
def test_parts_that_are_not_right_change_nothing(gap: Gap, spoil: str) -> None:
    gap.outside.admit(Wheel("gamma", members={"gamma/data": os.urandom(5 * 2**19)}))
    gap.export("--part-size", "1M")
    part = gap.bundle(1) / "part-0002.tar"
    content = part.read_bytes()
    part.unlink()
    if spoil != "lose":
        part.write_bytes(content[:-1] if spoil == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    before = gap.content()
    assert "part-0002.tar" in gap.apply(code=1)
    assert gap.content() == before


@pytest.mark.parametrize("size", ["4", "1K", "0M", "many", "-4G"])
def test_a_size_that_is_none_is_said(carried: Gap, size: str) -> None:
    assert "--part-size" in carried.export(f"--part-size={size}", code=1)


def test_extras_are_laid_down_under_their_names(gap: Gap) -> None:
    extras = gap.outside.root / "extras"
    extras.mkdir()
    (extras / "wheelhouse-index.tar").write_bytes(b"an image")
    gap.export("--extras", extras)
    assert (gap.bundle(1) / "extras/wheelhouse-index.tar").read_bytes() == b"an image"
    gap.apply()
    assert (gap.inside.state / "extras/wheelhouse-index.tar").read_bytes() == b"an image"
    (extras / "tools.tar").write_bytes(b"tools")
    gap.export("--extras", extras)
    assert [one.name for one in gap.manifest(2).extras] == ["tools.tar"]
    gap.apply()
    assert len(list((gap.inside.state / "extras").iterdir())) == 2


def test_a_bundle_can_be_verified_by_hand(gap: Gap) -> None:
    """Before there is an index inside."""
    extras = gap.outside.root / "extras"
    extras.mkdir()
    (extras / "wheelhouse-index.tar").write_bytes(b"an image")
    gap.export("--extras", extras)
    key = (gap.outside.state / "key.pub").read_text()
    (gap.bundle(1) / "allowed_signers").write_text(f"wheelhouse-export {key}")
    command = "ssh-keygen -Y verify -f allowed_signers -I wheelhouse-export -n wheelhouse-export"
    command += " -s manifest.json.sig < manifest.json"
    subprocess.run(command, shell=True, cwd=gap.bundle(1), check=True)
    said = subprocess.run(
        "sha256sum extras/*", shell=True, cwd=gap.bundle(1), check=True, capture_output=True, text=True
    )
    assert said.stdout.split() == [gap.manifest(1).extras[0].sha256, "extras/wheelhouse-index.tar"]


def test_an_extra_that_is_no_plain_file_is_said(gap: Gap) -> None:
    extras = gap.outside.root / "extras"
    extras.mkdir()
    (extras / "link").symlink_to("/etc/passwd")
    assert "'link' among the extras is no plain file" in gap.export_fails("--extras", extras)


# the intake's own words


def test_the_report_and_the_bill_of_materials_are_shown_inside(gap: Gap, office: Office) -> None:
    office.publish("alpha", needs=["beta"])
    office.publish("beta")
    office.wants("alpha")
    assert office.run() == 0
    shutil.copytree(office.shelf / "reports", gap.outside.shelf / "reports")
    gap.export()
    gap.apply()
    reports = gap.inside.shelf / "reports"
    with gap.inside.index() as index:
        assert last_report.read(index.site)["lines"][0]["line"] == "pypi: alpha"
    assert (reports / "intake.cdx.json").read_bytes() == (office.shelf / "reports/intake.cdx.json").read_bytes()
    assert "inside.acme.example" in (reports / "index.html").read_text()


def test_an_index_with_a_list_of_its_own_keeps_its_report(gap: Gap, office: Office) -> None:
    office.publish("alpha")
    office.wants("alpha")
    assert office.run() == 0
    shutil.copytree(office.shelf / "reports", gap.outside.shelf / "reports")
    gap.outside.admit(ALPHA)
    gap.export()
    (gap.inside.root / "intake/intake.json").write_text("{}")
    gap.apply()
    assert not (gap.inside.shelf / "reports/index.html").exists()
    assert gap.inside.listed()


# damage and kills


def test_bytes_that_are_damaged_outside_go_nowhere(gap: Gap) -> None:
    gap.outside.admit(ALPHA)
    with gap.outside.here():
        kept.damage(gap.outside.shelf, ALPHA.build())
    assert "are not what was published" in gap.export_fails()
    assert list(gap.medium.iterdir()) == []


def test_two_at_a_time_are_kept_apart(carried: Gap) -> None:
    with carried.inside.index() as index, index.database.alone("import"):
        assert "Another import is under way" in carried.apply(code=1)
    with carried.outside.index() as index, index.database.alone("export"):
        assert "Another export is under way" in carried.export(code=1)


def test_a_document_for_programs_says_what_came(carried: Gap) -> None:
    carried.inside.policy()
    said = carried.inside.run("import", carried.medium, "--apply", "--json")
    told = json.loads(said.text.splitlines()[-1])
    assert told["outcome"] == "problems"
    assert told["facts"]["refused"] == 1 and told["facts"]["number"] == 1
    (gap_key,) = carried.outside.state.glob("key")
    assert gap_key.stat().st_mode & 0o777 == 0o600


IMPORT_STEPS, EXPORT_STEPS = 120, 40


def import_is_repaired(gap: Gap, expected: dict[str, object]) -> Callable[[int], bool]:
    before = everything_of(gap.inside)

    def is_repaired(step: int) -> bool:
        before.put_back()
        killed = forked(step, gap.apply)
        with gap.inside.index() as index, index.database.read() as connection:
            assert len(queries.imported_bytes(connection)) in (0, 3), "whole or not at all"
        gap.apply()
        assert what_counts(gap) == expected, f"killed before change {step}"
        return killed

    return is_repaired


def what_counts(gap: Gap) -> dict[str, object]:
    """Everything but times, and how often somebody began."""
    with gap.inside.index() as index:
        index.sweep()
    found = gap.content()
    found["events"] = [one for one in found["events"] if one[0] != "import"]
    if seaweed.of_this_run():  # what is here of the files is a matter of chance
        found = {name: what for name, what in found.items() if not name.startswith(("shelf/packages", "shelf/conda"))}
    for name in [name for name in found if name.startswith(("transfer/state/receipts", "quarantine"))]:
        del found[name]
    return {
        name: "" if name.endswith((".json", ".html", ".gz", ".atom", "last-look")) else content
        for name, content in found.items()
    } | {"listed": gap.inside.listed(), "packages": gap.inside.packages(), "has": gap.receipt(1).has}


@pytest.fixture
def to_be_killed(carried: Gap) -> tuple[Gap, dict[str, object]]:
    carried.inside.admit(Wheel("acme_inner"), who="ida", origin="192.0.2.8")
    carried.inside.publish("acme_inner-2.0-py3-none-any.whl", Wheel("acme_inner", "2.0").build(), "ida", "x")
    carried.inside.run("remove", "acme-inner", "2.0", "--reason", "x")
    before = everything_of(carried.inside)
    carried.apply()
    expected = what_counts(carried)
    before.put_back()
    return carried, expected


def everything_of(site: SiteOfTests) -> Everything:
    with site.here():
        return Everything(site.root)


def test_an_import_that_is_killed_at_some_moments_is_whole_the_next_time(
    to_be_killed: tuple[Gap, dict[str, object]],
) -> None:
    gap, expected = to_be_killed
    kills.at_random_moments(import_is_repaired(gap, expected), IMPORT_STEPS, 20)


@pytest.mark.long
def test_an_import_that_is_killed_anywhere_is_whole_the_next_time(to_be_killed: tuple[Gap, dict[str, object]]) -> None:
    gap, expected = to_be_killed
    kills.at_every_step(import_is_repaired(gap, expected), 20)


def export_is_repaired(gap: Gap) -> Callable[[int], bool]:
    def is_repaired(step: int) -> bool:
        shutil.rmtree(gap.outside.state, ignore_errors=True)
        gap.new_medium()
        shutil.rmtree(gap.inside.root, ignore_errors=True)
        gap.inside = SiteOfTests(gap.inside.root, gap.inside.settings)
        killed = forked(step, partial(gap.outside.run, "export", gap.medium))
        gap.export()
        assert [path.name for path in gap.medium.iterdir()] == ["wheelhouse-000001"], f"killed before change {step}"
        gap.inside.policy(verdicts={"sdist": "warn"})
        gap.apply()
        assert gap.inside.listed() == gap.outside.listed()
        return killed

    return is_repaired


def test_an_export_that_is_killed_at_some_moments_is_made_the_next_time(gap: Gap) -> None:
    gap.outside.admit(ALPHA)
    kills.at_random_moments(export_is_repaired(gap), EXPORT_STEPS, 5)


@pytest.mark.long
def test_an_export_that_is_killed_anywhere_is_made_the_next_time(gap: Gap) -> None:
    gap.outside.admit(ALPHA)
    kills.at_every_step(export_is_repaired(gap), 5)
