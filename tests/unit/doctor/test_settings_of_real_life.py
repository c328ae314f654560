# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What people have in their environment and files, with which not everything works, and what to do then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.package_sources import same_place
from wheelhouse_doctor import commands, findings, network, report
from wheelhouse_doctor.findings import FAIL, OK, WARN

from doctor.office import NETRC, rows
from doctor.test_tool_faults import old_pip, uv, with_company_index  # noqa: F401  a fixture of the same name

TOOLS = Path(sys.executable).parent


# --- uv, which is asked


@pytest.mark.parametrize(
    ("line", "sentence", "remedy"),
    [
        (
            "no-such-key = 's3cret-word'",
            "uv.toml, line 1, has no-such-key, which it does not know",
            "Take no-such-key out",
        ),
        ("required-version = '==0.1'", ":1 has uv demand that it is ==0.1 itself, which", "Take required-version out"),
        ("offline = 3", "the value in", "Mend that line"),
        ("publish-url = 's3cret-word x'", "uv cannot read its settings, and so it does nothing", "Mend"),
        ("offline = true", "(offline) keeps packages of", "Take it out of"),
        ("no-index = true", "(no-index) keeps packages of", "Take it out of"),
        ("pip.no-index = true", "(pip.no-index) keeps packages of", "Take it out of"),
        ("find-links = ['/srv/wheels']", "(find-links) has packages come from elsewhere", "Take it out of"),
    ],
)
def test_uv_with_a_setting_of_which_nothing_works(office, uv, line, sentence, remedy):  # noqa: F811
    office.secrets.add("s3cret-word")
    uv.write_text(f"{line}\n{uv.read_text()}")
    fault = office.only_fault()
    assert fault.check == "uv" and sentence in fault.sentence and fault.remedy.startswith(remedy), fault
    done = subprocess.run(
        [office.bin / "uv", "pip", "install", "--dry-run", "--no-cache", "--python", sys.executable, "six"],
        env={**office.environ, "UV_HTTP_RETRIES": "0"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0 or "find-links" in line, "it is a fault"


def test_uv_in_another_encoding_or_with_a_byte_order_mark(office, uv):  # noqa: F811
    text = uv.read_bytes()
    uv.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    assert [finding.verdict for finding in rows(office.ask(), "uv")] == [OK], "which uv reads"
    uv.write_bytes(b"# caf\xe9\n" + text)
    fault = office.only_fault()
    assert f"{uv} has a letter that is not in UTF-8" in fault.sentence and "Save" in fault.remedy


def test_a_file_of_uvs_that_is_not_there(office, uv):  # noqa: F811
    office.environ["UV_CONFIG_FILE"] = "/nope/uv.toml"
    fault = office.only_fault()
    assert (fault.sentence, fault.remedy[:21]) == (
        "UV_CONFIG_FILE is /nope/uv.toml, which is not there, and so uv does nothing.",
        "Unset UV_CONFIG_FILE,",
    )


def test_a_variable_that_uv_cannot_read(office, uv):  # noqa: F811
    office.environ["UV_HTTP_TIMEOUT"] = "s3cret-word"
    office.secrets.add("s3cret-word")
    assert office.only_fault().remedy == "Unset UV_HTTP_TIMEOUT."


@pytest.mark.parametrize(
    ("variable", "value"), [("UV_OFFLINE", "1"), ("UV_FIND_LINKS", "/srv"), ("UV_NO_INDEX", "true")]
)
def test_a_variable_that_shuts_the_index_out(office, uv, variable, value):  # noqa: F811
    office.environ[variable] = value
    fault = office.only_fault()
    assert fault.sentence.startswith(f"{variable} ") and fault.remedy.startswith(f"Unset {variable}")


# --- pip, also where there is none


def test_settings_of_pips_where_no_pip_is_on_the_path(office):
    file = office.home / ".config/pip/pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[global]\ntimeout = 9\nextra-index-url = https://x:s3cret-word@old.acme.example/simple\n")
    office.secrets.add("s3cret-word")
    fault = office.only_fault()
    assert (fault.check, fault.remedy) == ("other sources", f"Take line 3 out of {file}.")


def test_a_pip_conf_in_latin_1(office):
    pip_conf = with_company_index(office, office.activate_virtualenv() / "pip.conf")
    pip_conf.write_bytes(pip_conf.read_bytes() + b"# f\xfcr das B\xfcro\n")
    fault = office.only_fault()
    assert f"{pip_conf}, line 3, has a letter that is not in UTF-8" in fault.sentence
    assert f"`iconv -f latin1 -t utf-8 {pip_conf} > new && mv new {pip_conf}`" in fault.remedy
    subprocess.run(fault.remedy.split("`")[1], shell=True, check=True, cwd=office.directory)
    assert [finding.verdict for finding in rows(office.ask(), "pip")] == [OK], "the remedy works as it is written"


def test_a_pip_conf_with_a_byte_order_mark(office):
    pip_conf = with_company_index(office, office.activate_virtualenv() / "pip.conf")
    pip_conf.write_bytes(b"\xef\xbb\xbf" + pip_conf.read_bytes())
    assert "byte order mark" in office.only_fault().remedy


def test_find_links_of_pips(office):
    pip_conf = with_company_index(office, office.activate_virtualenv() / "pip.conf")
    pip_conf.write_text(pip_conf.read_text() + "find-links = /srv/wheels\n")
    assert f"{pip_conf}:3 has pip take packages from /srv/wheels as well" in office.only_fault().sentence


def test_the_index_with_its_port_is_the_index(office):
    settings = office.settings()
    default = type(settings)("https://packages.acme.example", conda_channels=())
    for address in ("https://packages.acme.example:443/simple/", "https://Packages.Acme.example/simple"):
        assert same_place(address, default.index_url)
    for address in (
        "http://packages.acme.example/simple",
        "https://packages.acme.example:8443/",
        "https://x/",
        "nonsense",
    ):
        assert not same_place(address, default.index_url)


@pytest.mark.parametrize(("version", "warned"), [("26.0", True), ("24.1.2", False)])
def test_an_index_that_is_an_ip_address(office, monkeypatch, version, warned):
    old_pip(office, version)
    settings = office.settings()
    by_ip = type(settings)(settings.index_url.replace("localhost", "127.0.0.1"), settings.ca_store, "", "", "/nowhere")
    (office.directory / "etc/pip.conf").write_text(f"[global]\nindex-url = {by_ip.simple_url}\n")
    monkeypatch.setattr(office, "settings", lambda: by_ip)
    sentences = [finding.sentence for finding in rows(office.ask(), "pip") if finding.verdict == WARN]
    assert bool([one for one in sentences if "IP address, 127.0.0.1, with which pip from 24.2 on" in one]) is warned


# --- other tools, and where one publishes


@pytest.mark.parametrize(
    ("variable", "value", "verdict"),
    [
        ("PDM_PYPI_URL", "https://x:s3cret-word@old.acme.example/simple", FAIL),
        ("PIPENV_PYPI_MIRROR", "https://old.acme.example/simple", FAIL),
        ("PIP_FIND_LINKS", "/srv/wheels", FAIL),
        ("CONDA_SSL_VERIFY", "false", FAIL),
        ("CONDA_CHANNELS", "https://old.acme.example/conda", FAIL),
        ("PIP_CONFIG_FILE", "/home/ada/other.conf", WARN),
        ("TWINE_REPOSITORY_URL", "https://x:s3cret-word@old.acme.example/legacy/", WARN),
        ("UV_PUBLISH_URL", "https://old.acme.example/legacy/", WARN),
        ("HATCH_INDEX_REPO", "test", WARN),
        ("FLIT_INDEX_URL", "https://old.acme.example/legacy/", WARN),
    ],
)
def test_a_variable_of_another_tool(office, variable, value, verdict):
    office.environ[variable] = value
    office.secrets.add("s3cret-word")
    (finding,) = rows(office.ask(), "other sources")
    assert finding.verdict == verdict and finding.sentence.startswith(variable) and variable in finding.remedy


def test_a_variable_is_found_where_it_is_set(office):
    (office.home / ".bashrc").write_text("x=1\n\nexport PDM_PYPI_URL=https://old.acme.example/\n")
    (finding,) = rows(office.ask(), "other sources")
    assert (finding.verdict, finding.remedy) == (WARN, f"Take line 3 out of {office.home}/.bashrc.")
    office.environ["PDM_PYPI_URL"] = "https://old.acme.example/"
    assert office.only_fault().remedy == f"Unset PDM_PYPI_URL, and take it out of {office.home}/.bashrc:3."


def test_what_is_in_order_is_not_told_of(office):
    (office.home / ".bashrc").write_text(f"export PIP_INDEX_URL={office.settings().simple_url} TWINE_REPOSITORY=pypi\n")
    (office.home / ".pypirc").write_text(f"[pypi]\nrepository = {office.settings().index_url}/\nusername = ada\n")
    assert [finding.verdict for finding in rows(office.ask(), "other sources")] == [OK]


# --- the environment


@pytest.mark.parametrize("value", ["*", "localhost,*"])
def test_no_proxy_for_everything(office, value):
    office.environ["NO_PROXY"] = office.environ["no_proxy"] = value
    fault = office.only_fault()
    assert fault.sentence.startswith("no_proxy and NO_PROXY are `*`, so that nothing goes through the proxy")


def test_a_proxy_that_does_not_speak_tls(office):
    office.use_proxy(office.proxy_url().replace("http://", "https://"))
    fault = office.only_fault()
    assert "begins with https://, which means TLS to the proxy itself" in fault.sentence
    assert fault.remedy.startswith("Write http:// in https_proxy")


def test_a_proxy_of_yesterday(office):
    office.set_by_it(office.proxy_url())
    office.use_proxy("http://ada:s3cret-word@proxy-of-yesterday.invalid:3128")
    office.secrets.add("s3cret-word")
    assert office.only_fault().remedy.startswith("This shell has other proxy settings than ")


def test_a_netrc_that_is_not_there(office):
    office.environ["NETRC"] = "/nope"
    fault = office.only_fault()
    assert (fault.check, fault.remedy[:12]) == ("credentials", "Unset NETRC,")
    assert "NETRC is /nope, which is not there" in fault.sentence


@pytest.mark.parametrize("word", ["port", "protocol", "method"])
def test_a_netrc_with_a_word_of_another_program(office, word):
    office.netrc.write_text(f"machine git.acme.example {word} x login a password b\n{NETRC}")
    fault = office.only_fault()
    assert f"Line 1 of {office.netrc} has the word {word}" in fault.sentence and word in fault.remedy


def test_a_netrc_with_another_name_for_login(office):
    office.netrc.write_text(NETRC.replace(" login ", " username "))
    fault = office.only_fault()
    assert ("the word username" in fault.sentence, fault.remedy) == (True, "Write login there instead.")


@pytest.mark.parametrize(("start", "words"), [(b"\xef\xbb\xbf", "byte order mark"), (b"# caf\xe9\n", "not in UTF-8")])
def test_a_netrc_of_another_encoding(office, start, words):
    office.netrc.write_bytes(start + NETRC.encode())
    fault = office.only_fault()
    assert fault.check == "credentials" and words in fault.sentence


def test_a_directory_for_temporary_files_that_is_not_there(office):
    office.environ["TMPDIR"] = str(office.directory / "gone")
    fault = office.only_fault()
    assert f"TMPDIR is {office.directory}/gone, which is no directory" in fault.sentence
    subprocess.run(fault.remedy.split("`")[1], shell=True, check=True)
    assert office.faults() == []


# --- a busy machine, and files that are none


def slow_tool(office, name: str) -> None:
    text = f"#!{shutil.which('sh')}\n{shutil.which('sleep')} 30 &\necho $! > {office.directory}/child\nwait\n"
    office.command(name, text)


@pytest.mark.parametrize("name", ["pip", "uv", "conda"])
def test_a_slow_tool_is_no_fault(office, monkeypatch, name):
    monkeypatch.setattr(commands, "RUN_TIME", 0.5)
    monkeypatch.setattr(findings, "load", lambda: (23.4, 2))
    slow_tool(office, name)
    begin = time.monotonic()
    found = office.ask()
    assert time.monotonic() - begin < 10, "it is not waited for, nor what it has started"
    child = Path("/proc", (office.directory / "child").read_text().strip(), "stat")
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() - begin < 10, "nor does that stay"
    (finding,) = rows(found, name)
    assert finding.verdict == WARN and "its load is 23.4, and it has 2 processors" in finding.remedy
    assert "anew" not in finding.remedy
    assert report.verdict_of(found) == "Nothing wrong was found, but not everything could be looked at in time."


def test_a_machine_without_room_for_more_processes(office, monkeypatch):
    office.command("uv", "#!/bin/sh\necho 'thread panicked: Resource temporarily unavailable' >&2\nexit 134\n")
    (finding,) = rows(office.ask(), "uv")
    assert finding.verdict == WARN and "no room" in finding.sentence


def test_what_does_not_answer_in_time_on_a_busy_machine(office, silent_port, monkeypatch):
    monkeypatch.setattr(network, "ANSWER_TIME", 0.3)
    office.use_proxy(office.proxy_url(port=silent_port))
    for load, verdict in (((0.1, 2), FAIL), ((9.0, 2), WARN)):
        monkeypatch.setattr(findings, "load", lambda load=load: load)
        (finding,) = rows(office.ask(), "proxy login")
        assert finding.verdict == verdict


@pytest.mark.parametrize("path", [".netrc", ".config/uv/uv.toml", ".config/pip/pip.conf", ".bashrc", ".pypirc"])
@pytest.mark.parametrize("kind", ["fifo", "huge", "directory"])
def test_what_is_no_file_of_settings_holds_nothing_up(office, uv, path, kind):  # noqa: F811
    old_pip(office, "26.0")
    place = office.home / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
    else:
        with place.open("wb") as stream:
            stream.truncate(8 * 1024 * 1024 * 1024)  # a hole
    if path == ".config/uv/uv.toml":
        office.command("uv", "#!/bin/sh\n")  # the real one waits for a pipe as well
    begin = time.monotonic()
    found = office.ask()
    assert time.monotonic() - begin < 12
    assert not [one for one in found if "The doctor itself failed" in one.sentence]


def test_a_store_that_is_a_pipe(office):
    os.mkfifo(office.directory / "pipe")
    office.environ["SSL_CERT_FILE"] = str(office.directory / "pipe")
    assert "pipe, which is no file" in office.only_fault().sentence


def test_output_without_end_is_not_kept(office, monkeypatch):
    monkeypatch.setattr(commands, "RUN_TIME", 1.0)
    office.command("yes-man", f"#!/bin/sh\nexec {shutil.which('yes')}\n")
    with pytest.raises(commands.Slow):
        commands.run([str(office.bin / "yes-man")], office.environ)
    monkeypatch.setattr(commands, "RUN_TIME", 10.0)
    said = commands.run([shutil.which("head") or "", "-c", "3000000", "/dev/zero"], office.environ)
    assert said and len(said.output) == commands.LONGEST_OUTPUT
