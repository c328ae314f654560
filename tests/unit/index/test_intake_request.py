"""The list, the targets and the policy: what is understood, and one sentence for each thing that is not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version
from wheelhouse.formats.validation import Verdict
from wheelhouse.intake import request
from wheelhouse.intake.lock import Closure, Pin
from wheelhouse.intake.request import RequestError
from wheelhouse.intake.targets import Target

TARGETS = {"python": ["3.11"], "platforms": ["linux-x86_64"]}


def read(
    directory: Path, packages: Any = (), targets: Any = None, policy: Any = None, channels: Any = None
) -> request.Request:
    raw = {"packages": list(packages), "targets": targets or TARGETS, "policy": policy or {}}
    raw |= {"channels": channels} if channels else {}
    (directory / "intake.json").write_text(json.dumps(raw))
    return request.read(directory, ("acme-*",), ("evil-*",))


def faults(directory: Path, **changes: Any) -> list[str]:
    with pytest.raises(RequestError) as raised:
        read(directory, **changes)
    return raised.value.faults


def test_what_people_write(tmp_path: Path) -> None:
    (tmp_path / "teaching.txt").write_text(
        "\ufeff# for the course, written on Windows\nalpha==1.0 \\\n    --hash=sha256:" + "a" * 64 + "\n"
        "beta[extra]>=2 ; python_version > '3'  # why\n"
    )
    targets = {"python": ["3.12", "3.11"], "platforms": ["windows-x86_64", "linux-x86_64"]}
    policy = {
        "licences": ["mit"],
        "verdicts": {"age": "warn", "licence": "off"},
        "exceptions": [{"package": "Alpha==1.0", "advisory": "CVE-1", "reason": "why", "until": "2026-12-31"}],
    }
    packages = [{"pypi": "networkx==1.10"}, {"pypi": "pandas>=2.2,<3"}, {"pypi": "file:teaching.txt"}]
    found = read(tmp_path, packages, targets, policy)
    assert [line.text for line in found.lines] == [
        "pypi: networkx==1.10",
        "pypi: pandas>=2.2,<3",
        "pypi: file:teaching.txt",
    ]
    assert found.lines[2].requirements == ("alpha==1.0", 'beta[extra]>=2; python_version > "3"')
    assert found.lines[2].hashes == {"alpha": frozenset({"a" * 64})}
    assert [str(target) for target in found.targets] == [
        "3.11 linux-x86_64",
        "3.11 windows-x86_64",
        "3.12 linux-x86_64",
        "3.12 windows-x86_64",
    ]
    assert (found.policy.verdict("age"), found.policy.verdict("licence")) == (Verdict.WARN, None)
    assert found.policy.licences == ("MIT",)
    assert found.policy.exceptions[0].project == "alpha"


def test_a_lock_of_pylock(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "alpha"\nversion = "1.0"\n'
        '[[packages.wheels]]\nname = "alpha-1.0-py3-none-any.whl"\nurl = "https://index.example/alpha"\n'
        f'hashes = {{sha256 = "{"b" * 64}"}}\n'
    )
    (line,) = read(tmp_path, [{"pypi": "file:pylock.toml"}]).lines
    assert (line.requirements, line.hashes) == (("alpha==1.0",), {"alpha": frozenset({"b" * 64})})


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"pypi": "networkx=1.10"}, "'pypi: networkx=1.10' is no requirement"),
        ({"pypi": "x @ https://files.example/x.whl"}, "it has an address, and only the index upstream is asked"),
        ({"pypi": "acme-tools"}, "acme-tools is one of the company's own names"),
        ({"pypi": "Evil.Thing>=1"}, "evil-thing is denied"),
        ({"pypi": "x", "channel": "y"}, "'pypi: x' has a key that means nothing here: channel."),
        ({"conda": "orange3 3.29.3"}, "needs the name of the channel it comes from"),
        ({"conda": "orange3", "channel": "../x"}, "needs the name of the channel it comes from"),
        ({"conda": "orange3", "channel": "elsewhere"}, "channels: there is no address for elsewhere"),
        ({"conda": "orange3 >=3,", "channel": "conda-forge"}, "unable to parse version spec"),
        ({"conda": "", "channel": "conda-forge"}, "missing package name"),
        ({"conda": "-x", "channel": "conda-forge"}, "it names no package"),
        ({"conda": "*", "channel": "conda-forge"}, "only exact package names are allowed"),
        ({"conda": "a b c d", "channel": "conda-forge"}, "more parts than a name, a version and a build"),
        ({"conda": "bioconda::a", "channel": "conda-forge"}, "an address or a channel of its own"),
        ({"conda": "https://x.acme.example/noarch/a-1-0.conda", "channel": "conda-forge"}, "an address or a channel"),
        ({"conda": "acme-tools", "channel": "conda-forge"}, "acme-tools is one of the company's own names"),
        ({"pypi": "alpha", "channel": "conda-forge"}, "has a key that means nothing here: channel"),
        ({"npm": "left-pad"}, "it needs `pypi:` or `conda:`"),
        ("networkx", "it needs `pypi:` or `conda:`"),
        ({"pypi": "file:nothing.txt"}, "nothing.txt cannot be read: No such file"),
        ({"pypi": "file:../intake.json"}, "must name a file below the directory of the list"),
        ({"pypi": "file:/etc/passwd"}, "must name a file below the directory of the list"),
        ({"pypi": "file:empty.txt"}, "it asks for nothing"),
        ({"pypi": "file:options.txt"}, "line 2, '-e .', is no requirement"),
        ({"pypi": "file:md5.txt"}, "it has no SHA-256 among its hashes"),
        ({"pypi": "file:poetry.toml"}, "it is not a lock as pylock.toml is one"),
    ],
)
def test_an_entry_that_is_none(tmp_path: Path, entry: Any, says: str) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "options.txt").write_text("alpha\n-e .\n")
    (tmp_path / "md5.txt").write_text(f"alpha==1 --hash=md5:{'0' * 32}\n")
    (tmp_path / "poetry.toml").write_text("[[package]]\n")
    (fault,) = faults(tmp_path, packages=[entry])
    assert says in fault


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"targets": {"python": ["3.11"], "platforms": ["linux"]}},
            "there is no platform 'linux'; there are linux-x86_64,",
        ),
        ({"targets": {"python": [3.1], "platforms": ["linux-x86_64"]}}, 'write one such as "3.12", in quotes'),
        ({"targets": {"python": ["2.7"], "platforms": ["linux-x86_64"]}}, "'2.7' is no version of Python"),
        ({"targets": {"python": []}}, "targets must have a list"),
        ({"policy": {"ages": 3}}, "a key this program does not know: ages"),
        ({"policy": {"minimum_age": -1}}, "minimum_age is -1"),
        ({"policy": {"licences": ["BSD-ish"]}}, "'BSD-ish' is no SPDX identifier"),
        ({"policy": {"verdicts": {"archive": "off"}}}, "there is no check 'archive'"),
        ({"policy": {"verdicts": {"age": "no"}}}, "age is 'no'; write block, warn or off"),
        ({"policy": {"on_shelf": "delete"}}, "on_shelf is 'delete'"),
        ({"policy": {"minimum_age": True}}, "minimum_age is True; write a number of days"),
        ({"policy": {"verdicts": ["age"]}}, "verdicts must be a mapping"),
        ({"policy": {"licences": [7]}}, "licences: 7 is no SPDX identifier"),
        ({"policy": {"advisories": 7}}, "must be an absolute directory, or an address"),
        ({"policy": {"advisories": "https://ada:hunter2@osv.example/"}}, "without credentials"),
        ({"policy": {"advisories": "osv"}}, "must be an absolute directory, or an address"),
        ({"policy": {"exceptions": [{"package": "x"}]}}, "must have package, advisory, reason and until"),
        (
            {"policy": {"exceptions": [{"package": "x", "advisory": "y", "reason": "z", "until": "soon"}]}},
            "is not understood: Invalid isoformat string: 'soon'",
        ),
    ],
)
def test_targets_and_policies_that_are_none(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    (fault,) = faults(tmp_path, **changes)
    assert says in fault
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"[]", "must hold an object with packages, targets, policy and channels, and nothing else"),
        (b"{}", "must hold an object with packages, targets, policy and channels, and nothing else"),
        (b'{"packages": [], "targets": {}, "policy": {}, "more": 1}', "and nothing else"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "intake.json").write_bytes(content)
    with pytest.raises(RequestError) as raised:
        request.read(tmp_path, (), ())
    (fault,) = raised.value.faults
    assert says in fault


def test_a_list_without_conda_needs_no_resolver_of_conda(tmp_path: Path) -> None:
    """py-rattler takes a second and 100 MB."""
    raw = {"packages": [{"pypi": "alpha"}], "targets": TARGETS, "policy": {}, "channels": {}}
    (tmp_path / "intake.json").write_text(json.dumps(raw))
    program = (
        "import sys; from pathlib import Path; from wheelhouse.intake import cli, request, run;"
        f" request.read(Path({str(tmp_path)!r}), (), ());"
        " sys.exit('rattler' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], env=environment(), check=False).returncode == 0
    raw["packages"].append({"conda": "alpha", "channel": "conda-forge"})
    (tmp_path / "intake.json").write_text(json.dumps(raw))
    assert subprocess.run([sys.executable, "-c", program], env=environment(), check=False).returncode == 1


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_all_faults_at_once(tmp_path: Path) -> None:
    assert len(faults(tmp_path, packages=[{"pypi": "=="}, {"conda": "x"}], policy={"on_shelf": ""})) == 3


@pytest.mark.parametrize(
    ("tag", "runs"),
    [
        ("py3-none-any", True),
        ("cp311-cp311-manylinux_2_28_x86_64", True),
        ("cp39-abi3-manylinux2014_x86_64", True),
        ("cp311-cp311-manylinux_2_34_x86_64", False),
        ("cp311-cp311-musllinux_1_2_x86_64", False),
        ("cp312-cp312-manylinux_2_28_x86_64", False),
        ("cp311-cp311-win_amd64", False),
    ],
)
def test_which_wheels_a_target_takes(tag: str, runs: bool) -> None:
    assert (tag in {str(one) for one in Target("3.11", "linux-x86_64").tags}) is runs


def test_the_order_of_a_closure() -> None:
    """Leaves first; in a circle, what was asked for comes last."""
    needed_by = {"root": (), "left": ("root",), "leaf": ("left", "root"), "a": ("root", "b"), "b": ("a",)}
    pins = tuple(Pin(name, Version("1"), (), by, {}) for name, by in needed_by.items())
    order = Closure("x", pins).in_order()
    assert order[-1] == "root"
    assert order.index("leaf") < order.index("left")
    assert sorted(order) == sorted(needed_by)


def test_conda_lines(tmp_path: Path) -> None:
    """conda-forge is known; others, and mirrors of it, have an address."""
    packages = [{"conda": " orange3=3.29.3", "channel": "conda-forge"}, {"conda": "samtools", "channel": "bio"}]
    found = read(tmp_path, packages, channels={"bio": "https://conda.acme.example/bio", "unused": "https://x"})
    assert [(line.text, line.requirements, line.channel) for line in found.lines] == [
        ("conda: conda-forge::orange3=3.29.3", ("orange3=3.29.3",), "conda-forge"),
        ("conda: bio::samtools", ("samtools",), "bio"),
    ]
    assert found.channels["bio"] == "https://conda.acme.example/bio/"
    assert found.channels["conda-forge"].endswith("/conda-forge/")
    mirror = {"conda-forge": "http://192.0.2.7/forge/"}
    assert read(tmp_path, packages[:1], channels=mirror).channels == mirror


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("conda.acme.example", "must have an address with https://"),
        ("file:///srv", "must have an address with https://"),
        (7, "must have an address with https://"),
        ("https://ada:s3cret@conda.acme.example", "must have an address without credentials"),
    ],
)
def test_an_address_that_is_none(tmp_path: Path, address: Any, says: str) -> None:
    (fault,) = faults(tmp_path, packages=[{"conda": "a", "channel": "bio"}], channels={"bio": address})
    assert says in fault
    assert "s3cret" not in fault
