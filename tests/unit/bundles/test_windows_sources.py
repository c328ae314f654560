"""Settings by which packages come from elsewhere that install.cmd finds: those of the run, in the places of Windows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import package_sources
from plugins.test_conflicting_settings import CHANNELS, FOUND, IN_ORDER, INDEX

from .conftest import Bundle, Company, Office
from .windows import Windows

FORMS = {"ini": "pip", "pypirc": "pypirc", "toml": "uv", "condarc": "conda"}
# told by the run alone: passwords in addresses of the index, and tables of TOML in one line
HERE = [
    case
    for case in FOUND
    if case[0] in FORMS and case[3] != package_sources.PASSWORD and not case[1].startswith("pip = {")
]
# only a parser of TOML or INI sees that its reader has no use for these; and nothing is merged into files on Windows
UNREADABLE = ("no section", "index-url = \n", "a = [[")
RIGHT = [
    case
    for case in IN_ORDER
    if case[0] in FORMS and not case[1].startswith(UNREADABLE) and "wheelhouse.onboarding>>>" not in case[1]
]
# what somebody would set on Windows of what the run finds in shells: {name: (value, what it does)}
VARIABLES = {
    match[1]: (match[2], effect)
    for form, text, _place, effect in FOUND
    if form == "shell" and (match := re.fullmatch(r"export ([A-Z_]+)=(\S+)\n", text))
}
ENVIRONMENT = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Session Manager\Environment"


@pytest.fixture
def program_data(windows: Windows) -> Path:
    """C:\\ProgramData, of which `windows` makes nothing new."""
    return windows.home.parents[1] / "ProgramData"


def told(windows: Windows, bundle: Bundle, cases: list[tuple[str, str]]) -> list[list[str]]:
    """What setup.js says of each (form, text): its own functions on its own engine, once for all."""
    program = (bundle.directory / "setup.js").read_text().partition("// What the commands do.")[0]
    calls = []
    for number, (form, text) in enumerate(cases):
        (bundle.directory / f"{number}.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
        calls.append(f"tell({number}, {json.dumps(FORMS[form])});\n")
    (bundle.directory / "look.js").write_text(
        f"{program}\nsettings.index_url = {json.dumps(INDEX)}; settings.conda_channels = {json.dumps(CHANNELS)};\n"
        "function tell(number, form) {\n"
        "    var found = sourcesIn(form, readAsIs(join(here, number + '.txt')));\n"
        "    for (var i = 0; i < found.length; i += 1) {\n"
        "        say(number + '|' + found[i].line + ' ' + found[i].name + ' ' + found[i].does);\n"
        f"    }}\n}}\n{''.join(calls)}say('all');\n"
    )
    code, said = windows.run("cscript", "//nologo", "look.js", cwd=bundle.directory)
    assert code == 0 and said.endswith("all\n"), said
    assert "S3ntinel" not in said
    sentences: list[list[str]] = [[] for _ in cases]
    for number, sentence in re.findall(r"^(\d+)\|(.*)$", said, re.MULTILINE):
        sentences[int(number)].append(sentence)
    return sentences


def test_it_finds_what_the_run_finds(windows: Windows, leo: Bundle) -> None:
    assert len(HERE) > 35
    found = told(windows, leo, [(form, text) for form, text, _place, _effect in HERE])
    expected = [f"{place} {effect.format(index=INDEX)}" for _form, _text, place, effect in HERE]
    # the run names a key of a table by the key alone
    assert [[one.replace(" pip.", " ") for one in sentences] for sentences in found] == [[one] for one in expected]


def test_what_is_in_order_is_not_told_of(windows: Windows, leo: Bundle) -> None:
    assert len(RIGHT) > 8
    more = [
        ("toml", f'index-url = "{INDEX}/simple/" # was https://old.example/simple\n'),
        ("toml", f'index = [\n  {{ url = "https://old.example/", explicit = true }},\n  {{ url = "{INDEX}/x" }}\n]\n'),
        ("condarc", "channels: # mine: https://old.example\n  - internal #!top\n- lab-forge\n"),
        ("ini", f"; find-links = /srv\n[global]\n  timeout = 3\n  index-url = {INDEX}/simple\n"),
        ("pypirc", f"[distutils]\nindex-servers =\n  pypi\n[testpypi]\n[pypi]\nrepository: {INDEX}/\nusername: x\n"),
    ]
    assert [sentences for sentences in told(windows, leo, RIGHT + more) if sentences] == []


def test_files_of_all_tools_are_told_with_their_lines(
    windows: Windows, office: Office, leo: Bundle, program_data: Path
) -> None:
    office.index_account = "leo:one"
    code, said = leo.install("one")
    assert code == 0 and "Look at" not in said, "the company's own files are in order"
    # these are in use beside the company's, which take the place of what had the same name
    texts = {
        "pip/pip.ini": "[global]\r\ntimeout = 5\r\nextra-index-url = https://leo:S3ntinel@old.example/simple\r\n",
        ".pypirc": "# mine\n[lab]\nrepository = https://lab.example/\npassword = S3ntinel\n",
        ".conda/.condarc": "channels:\n  - internal\nssl_verify: false\n",
        "miniforge3/condarc.d/mine.yml": "\n\ncustom_channels:\n  lab: https://S3ntinel@lab.example/conda\n",
    }
    for name, text in texts.items():
        (windows.home / name).parent.mkdir(parents=True, exist_ok=True)
        (windows.home / name).write_bytes(text.encode())
    everybodys = program_data / "uv" / "uv.toml"
    everybodys.parent.mkdir()
    everybodys.write_text('[[index]]\nname = "lab"\nurl = "https://S3ntinel@lab.example/"\n')
    url = f"http://{office.server}"
    try:
        code, said = leo.install("one")
    finally:
        everybodys.unlink()
        everybodys.parent.rmdir()
    home = f"C:\\users\\{windows.home.name}"
    assert code == 0, said
    elsewhere = f"has packages come from elsewhere than {url}."
    assert {line for line in said.splitlines() if line.startswith("Look at ")} == {
        f"Look at {home}\\pip\\pip.ini, line 3 of what is your own: extra-index-url {elsewhere}",
        f"Look at {home}\\.pypirc, line 3 of what is your own: [lab] repository has what is published go elsewhere "
        f"than to {url}.",
        f"Look at {home}\\.conda\\.condarc, line 3 of what is your own: ssl_verify has servers trusted without a "
        "certificate.",
        f"Look at {home}\\miniforge3\\condarc.d\\mine.yml, line 3 of what is your own: custom_channels {elsewhere}",
        f"Look at C:\\ProgramData\\uv\\uv.toml, line 1: [[index]] {elsewhere}",
    }
    assert "S3ntinel" not in said
    assert {name: (windows.home / name).read_bytes() for name in texts} == {
        name: text.encode() for name, text in texts.items()
    }


def test_variables_are_told_of_account_and_computer(windows: Windows, office: Office, leo: Bundle) -> None:
    office.index_account = "leo:one"
    url = f"http://{office.server}"
    assert len(VARIABLES) > 12
    mine = {name: value for name, (value, _effect) in VARIABLES.items()}
    mine |= {"UV_INDEX_URL": f"{url}/simple/", "UV_OFFLINE": "0", "MAMBARC": r"%ProgramData%\conda\.mambarc"}
    mine |= {"pip_no_index": "yes", "POETRY_REPOSITORIES_LAB_URL": "https://S3ntinel@lab.example/"}
    everybodys = {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "TWINE_REPOSITORY_URL": "https://lab.example/"}
    text = "Windows Registry Editor Version 5.00\r\n"
    for key, values in ((r"HKEY_CURRENT_USER\Environment", mine), (ENVIRONMENT, everybodys)):
        escaped = (f'"{name}"="{value}"'.replace("\\", "\\\\") for name, value in values.items())
        text += f"\r\n[{key}]\r\n" + "".join(f"{line}\r\n" for line in escaped)
    (windows.home / "variables.reg").write_text(text, newline="")
    assert windows.run("reg", "import", "variables.reg", cwd=windows.home)[0] == 0
    code, said = leo.install("one")
    assert code == 0, said
    expected = {
        f"Look at the variables of your account: {name} {effect.format(index=url)}."
        for name, (_value, effect) in VARIABLES.items()
        if name != "TWINE_REPOSITORY_URL"  # the bundle's own takes its place, and that of the computer's
    }
    expected |= {
        f"Look at the variables of your account: PIP_NO_INDEX keeps packages of {url} from being found.",
        "Look at the variables of your account: POETRY_REPOSITORIES_LAB_URL has what is published go elsewhere than "
        f"to {url}.",
        f"Look at the variables of this computer: UV_NO_CONFIG has settings read that are not those for {url}.",
    }
    assert {line for line in said.splitlines() if line.startswith("Look at ")} == expected
    assert "S3ntinel" not in said


def test_the_channels_of_its_condarc_are_in_order(company: Company, tmp_path: Path) -> None:
    settings = (Bundle(company.bundles / "leo-windows.zip", tmp_path / "leo").directory / "setup.js").read_text()
    channels = json.loads(settings.partition("var settings = ")[2].partition(";")[0])["conda_channels"]
    assert channels == ["internal", "conda-forge"], "those that its condarc names"
