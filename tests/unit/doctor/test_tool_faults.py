"""What is wrong with the settings of pip, uv, Poetry and conda."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from wheelhouse_doctor.findings import FAIL, OK, SKIPPED, WARN

from doctor.office import rows

# --- pip


def with_company_index(office, place: Path) -> Path:
    """A pip.conf that leads to the office's index, to which tests add."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"[global]\nindex-url = {office.settings().simple_url}\n")
    return place


def test_pip_uses_the_index(office):
    pip_conf = with_company_index(office, office.activate_virtualenv() / "pip.conf")
    (finding,) = rows(office.ask(), "pip")
    assert finding.verdict == OK
    assert finding.sentence == f"{office.settings().simple_url} ({pip_conf}:2)"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "extra-index-url = https://ada:s3cret-word@mirror.acme.example/simple",
            "adds https://***@mirror.acme.example/simple",
        ),
        ("trusted-host = packages.acme.example", "trust packages.acme.example without a certificate"),
        ("proxy = http://ada:s3cret-word@proxy.acme.example:3128", "gives pip a proxy that ignores NO_PROXY"),
        ("no-index = true", "ask no index at all"),
        ("cert = /nowhere.pem", "names /nowhere.pem, which is not there"),
    ],
)
def test_a_line_left_in_a_virtualenv(office, line, sentence):
    office.secrets.add("s3cret-word")
    pip_conf = with_company_index(office, office.activate_virtualenv() / "pip.conf")
    with pip_conf.open("a") as stream:
        stream.write(f"\n# from an old guide\n{line}\n")
    fault = office.only_fault()
    assert fault.check == "pip"
    assert f"{pip_conf}:5" in fault.sentence
    assert sentence in fault.sentence
    assert fault.remedy == f"Take line 5 out of {pip_conf}."


def test_a_variable_wins_over_files(office):
    with_company_index(office, office.activate_virtualenv() / "pip.conf")
    office.secrets.add("s3cret-word")
    office.environ["PIP_INDEX_URL"] = "https://ada:s3cret-word@other.acme.example/simple"
    fault = office.only_fault()
    assert "PIP_INDEX_URL has pip use https://***@other.acme.example/simple instead" in fault.sentence
    assert fault.remedy.startswith("Unset PIP_INDEX_URL")


def test_pip_that_is_told_to_read_no_file(office):
    with_company_index(office, office.activate_virtualenv() / "pip.conf")
    office.environ["PIP_CONFIG_FILE"] = os.devnull
    assert "is not told of the company's index" in office.only_fault().sentence


def test_pip_settings_that_pip_cannot_read(office):
    pip_conf = office.activate_virtualenv() / "pip.conf"
    pip_conf.write_text("[global]\nindex-url = https://a\nindex-url = https://b\n")
    fault = office.only_fault()
    assert f"pip cannot read its settings: {pip_conf}, line" in fault.sentence


def old_pip(office, version: str) -> None:
    """A pip of that version, as far as the doctor asks it, with the office's index in its settings."""
    pip_conf = with_company_index(office, office.directory / "etc" / "pip.conf")
    office.command(
        "pip",
        f"""#!/bin/sh
        case $1 in
            --version) echo "pip {version} from /usr/lib/python3/dist-packages/pip (python 3.11)" ;;
            config) printf 'env_var:\\nenv:\\nglobal:\\n  {pip_conf}, exists: True\\nsite:\\nuser:\\n' ;;
        esac
        """,
    )


def test_pip_too_old_for_the_system_store(office):
    old_pip(office, "23.0.1")
    fault = office.only_fault()
    assert fault.sentence.startswith("pip 23.0 is too old to look into this machine's trust store by itself")
    assert str(office.store) in fault.remedy


@pytest.mark.parametrize("help_", ["newer", "variable", "setting", "no company CA"])
def test_pip_that_finds_the_store(office, help_):
    old_pip(office, "24.2" if help_ == "newer" else "24.1.2")
    if help_ == "variable":
        office.environ["REQUESTS_CA_BUNDLE"] = str(office.store)
    if help_ == "setting":
        office.environ["PIP_CERT"] = str(office.store)
    if help_ == "no company CA":
        office.company_ca = ""
    assert [finding.verdict for finding in rows(office.ask(), "pip")] == [OK]


def test_a_pip_that_does_not_run(office):
    office.command("pip", "#!/nonexistent/python\n")
    assert "/pip does not run." in office.only_fault().sentence


# --- uv


@pytest.fixture
def uv(office) -> Path:
    """uv on the PATH, with the settings that the role writes; the file."""
    (office.bin / "uv").symlink_to(Path(sys.executable).parent / "uv")
    file = office.home / ".config" / "uv" / "uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'system-certs = true\n\n[[index]]\nurl = "{office.settings().simple_url}"\ndefault = true\n')
    return file


def test_uv_uses_the_index(office, uv):
    (finding,) = rows(office.ask(), "uv")
    assert (finding.verdict, finding.sentence) == (OK, f"{office.settings().simple_url} ({uv}:4)")


def test_another_index_for_uv(office, uv):
    with uv.open("a") as stream:
        stream.write('\n[[index]]\nurl = "https://ada:s3cret-word@mirror.acme.example/simple"\n')
    office.secrets.add("s3cret-word")
    fault = office.only_fault()
    assert f"{uv}:8 has uv ask https://***@mirror.acme.example/simple before the company's index" in fault.sentence


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("UV_EXTRA_INDEX_URL", "https://mirror.acme.example/simple", "before the company's index"),
        ("UV_INDEX", "mirror=https://mirror.acme.example/simple", "ask https://mirror.acme.example/simple before"),
        ("UV_DEFAULT_INDEX", "https://mirror.acme.example/simple", "instead of the company's index"),
        ("UV_INSECURE_HOST", "packages.acme.example", "without a certificate"),
        ("UV_SYSTEM_CERTS", "false", "not told to look into this machine's trust store"),
    ],
)
def test_a_variable_for_uv(office, uv, variable, value, sentence):
    office.environ[variable] = value
    fault = office.only_fault()
    assert fault.check == "uv"
    assert sentence in fault.sentence


def test_uv_without_settings(office, uv):
    uv.unlink()
    office.company_ca = ""
    assert [fault.sentence for fault in office.faults() if "goes to the public one" in fault.sentence]


def test_a_project_with_an_index_of_its_own_for_one_package(office, uv):
    Path("pyproject.toml").write_text(
        '[[tool.uv.index]]\nname = "x"\nurl = "https://mirror.acme.example/simple"\nexplicit = true\n'
    )
    assert [finding.verdict for finding in rows(office.ask(), "uv")] == [OK]


def test_a_project_that_says_nothing_to_uv_is_passed_over(office, uv):
    office.directory.joinpath("uv.toml").write_text('extra-index-url = ["https://mirror.acme.example/simple"]\n')
    Path("pyproject.toml").write_text('[project]\nname = "x"\n')
    assert f"{office.directory}/uv.toml:1 has uv ask" in office.only_fault().sentence
    Path("pyproject.toml").write_text("[tool.uv]\n")
    assert office.faults() == []


def test_settings_that_uv_cannot_read(office, uv):
    uv.write_text('[[index]\nurl = "x"\n')
    assert f"{uv} is no TOML from line 1 on" in office.only_fault().sentence


# --- Poetry and conda


def poetry_project(office, *sources: str) -> None:
    office.command("poetry", "#!/bin/sh\n")
    blocks = "".join(f"[[tool.poetry.source]]\n{source}\n" for source in sources)
    Path("pyproject.toml").write_text(f'[tool.poetry]\nname = "x"\n{blocks}')


def test_a_poetry_project_on_the_index(office):
    poetry_project(office, f'name = "company"\nurl = "{office.settings().simple_url}"')
    assert [finding.verdict for finding in rows(office.ask(), "Poetry")] == [OK]


def test_a_poetry_project_elsewhere(office):
    poetry_project(office)
    assert "poetry source add" in office.only_fault().remedy


def test_a_poetry_project_with_another_source(office):
    url = "https://mirror.acme.example/simple"
    poetry_project(office, f'url = "{office.settings().simple_url}"', f'url = "{url}"\npriority = "supplemental"')
    fault = office.only_fault()
    assert "pyproject.toml:6 has Poetry ask https://mirror.acme.example/simple" in fault.sentence


@pytest.mark.parametrize(
    ("project", "verdict"),
    [
        ('build-system = "odd"', SKIPPED),
        ('tool = "odd"', SKIPPED),
        ('[tool]\npoetry = "odd"', FAIL),
        ('[tool.poetry]\nsource = ["odd"]', FAIL),
        ('[tool.poetry]\nsource = "odd"', FAIL),
    ],
)
def test_a_project_that_is_not_as_poetry_has_them(office, project: str, verdict: str) -> None:
    poetry_project(office)
    Path("pyproject.toml").write_text(project)
    (row,) = rows(office.ask(), "Poetry")
    assert row.verdict == verdict and "The doctor itself" not in (row.sentence or "")


def told_poetry(office, *sources: str) -> None:
    """A project, and a Poetry that IT has told of the index."""
    poetry_project(office, *sources)
    office.poetry = str(office.bin / "poetry")


@pytest.mark.parametrize(
    "source",
    ['name = "PyPI"', 'name = "lab"\nurl = "https://lab.acme.example/simple"\npriority = "explicit"', None],
)
def test_its_own_poetry_needs_no_source(office, source):
    told_poetry(office, *([source] if source else []))
    assert [finding.verdict for finding in rows(office.ask(), "Poetry")] == [OK]


def test_its_own_poetry_outside_of_projects(office):
    told_poetry(office)
    Path("pyproject.toml").unlink()
    assert [finding.verdict for finding in rows(office.ask(), "Poetry")] == [OK]


def test_its_own_poetry_elsewhere(office):
    told_poetry(office, 'name = "lab"\nurl = "https://lab.acme.example/simple"')
    sentences = [fault.sentence for fault in office.faults()]
    assert len(sentences) == 2 and "besides" in sentences[0] and "does not name" in sentences[1]


def test_its_own_poetry_with_a_supplemental_source(office):
    url = "https://mirror.acme.example/simple"
    told_poetry(office, f'name = "mirror"\nurl = "{url}"\npriority = "supplemental"')
    assert "pyproject.toml:5 has Poetry ask https://mirror.acme.example/simple besides" in office.only_fault().sentence


def test_a_variable_of_its_own_poetry(office):
    told_poetry(office)
    office.environ["POETRY_PYPI_MIRROR_URL"] = "https://u:pw-secret@lab.acme.example/simple/"
    office.secrets.add("pw-secret")
    fault = office.only_fault()
    assert fault.sentence.startswith(
        "POETRY_PYPI_MIRROR_URL has Poetry use https://***@lab.acme.example/simple/ instead"
    )


def conda(office, sources: str) -> None:
    (office.bin / "cat").symlink_to(shutil.which("cat"))
    office.command("conda", f"#!/bin/sh\ncat <<'END'\n{sources}\nEND\n")


def test_conda_says_its_channels(office):
    conda(office, '{"/etc/conda/.condarc": {"channels": ["https://u:pw-secret@packages.acme.example/conda/main"]}}')
    office.secrets.add("pw-secret")
    warning, finding = rows(office.ask(), "conda")
    assert (warning.verdict, finding.verdict) == (WARN, OK)
    assert warning.sentence.startswith("/etc/conda/.condarc has packages come from elsewhere than ")
    assert "channels https://***@packages.acme.example/conda/main" in finding.sentence


@pytest.mark.parametrize(
    ("does", "why"), [("exit 3", "it ends with 3"), ("kill -KILL $$", "it ends with -9"), ("echo", "it says no JSON")]
)
def test_a_conda_that_does_not_work(office, does, why):
    office.command("conda", f"#!/bin/sh\n{does}\n")
    assert office.only_fault().sentence.endswith(f"/conda cannot say what its settings are: {why}.")


def test_a_variable_of_condas(office):
    conda(office, '{"envvars": {"ssl_verify": false}}')
    assert office.only_fault().sentence.startswith("CONDA_SSL_VERIFY has conda trust everybody")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [('{"proxy_servers": {"https": "http://x"}}', "ignores NO_PROXY"), ('{"ssl_verify": false}', "trust everybody")],
)
def test_a_condarc_of_an_old_guide(office, settings, sentence):
    condarc = office.home / ".condarc"
    condarc.write_text("# old guide\nproxy_servers:\n  https: http://x\nssl_verify: false\n")
    conda(office, f'{{"{condarc}": {settings}}}')
    fault = office.only_fault()
    assert sentence in fault.sentence and f"{condarc}:" in fault.sentence
