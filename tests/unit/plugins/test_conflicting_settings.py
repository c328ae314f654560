# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Settings by which packages come from elsewhere, in the files of many tools; what they do is seen with the tools."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import package_sources
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.conflicting_settings import (
    conflicting_package_sources,
    removed,
    sentence,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.merging import merged
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.package_sources import (
    ELSEWHERE,
    OTHER_SETTINGS,
    PASSWORD,
    PUBLISHES,
    SHUT_OUT,
    THROUGH_PROXY,
    UNVERIFIED,
)
from index.samples import Wheel, metadata

from .test_merging import PIP, UV

INDEX = "https://packages.acme.example"
OURS = f"{INDEX}/simple/"
OTHER = "https://ada:S3ntinel@old.example/simple"
CHANNELS = ("internal", "lab-forge")

# (form, what is in the file, line and name of the setting, what it does)
FOUND = [
    ("ini", f"[global]\nindex-url = {OTHER}\n", "2 index-url", ELSEWHERE),
    ("ini", f"[install]\nINDEX_URL: {OTHER}\n", "2 index-url", ELSEWHERE),
    ("ini", f"[download]\nextra-index-url =\n\n    {OTHER}\n", "2 extra-index-url", ELSEWHERE),
    ("ini", f"[wheel]\npypi-url = {OTHER}\n", "2 pypi-url", ELSEWHERE),
    ("ini", f"[global]\nextra-index-url = {OURS} {OTHER}\n", "2 extra-index-url", ELSEWHERE),
    ("ini", "[global]\nfind-links = /srv/wheels\n", "2 find-links", ELSEWHERE),
    ("ini", f"[global]\nfind_links =\n  {INDEX}/x\n  ~/wheels\n", "2 find-links", ELSEWHERE),
    ("ini", "[global]\nno-index = true\n", "2 no-index", SHUT_OUT),
    ("ini", "[install]\nno_index = 1\n", "2 no-index", SHUT_OUT),
    ("ini", "[global]\ntrusted-host = packages.acme.example\n", "2 trusted-host", UNVERIFIED),
    ("ini", "[global]\nproxy = http://x:S3ntinel@proxy.example:80\n", "2 proxy", THROUGH_PROXY),
    ("ini", "[global]\nindex-url = https://ada:S3ntinel@packages.acme.example/simple/\n", "2 index-url", PASSWORD),
    ("ini", "[global]\nindex-url = https://packages.acme.example.evil.example/\n", "2 index-url", ELSEWHERE),
    ("ini", "[global]\nindex-url = http://packages.acme.example/simple\n", "2 index-url", ELSEWHERE),
    ("ini", "\ufeff[global]\r\nno-index = yes\r\n", "2 no-index", SHUT_OUT),
    ("ini", "# caf\udce9\n[global]\nno-index = yes\n", "3 no-index", SHUT_OUT),
    ("easy_install", f"[easy_install]\nindex_url = {OTHER}\n", "2 index-url", ELSEWHERE),
    ("pypirc", f"[lab]\nrepository = {OTHER}\nusername = x\n", "2 [lab] repository", PUBLISHES),
    ("pypirc", "[pypi]\nusername = __token__\npassword = S3ntinel\n", "1 [pypi]", PUBLISHES),
    ("toml", f'index-url = "{OTHER}"\n', "1 index-url", ELSEWHERE),
    ("toml", f'pip.index-url = "{OTHER}"\n', "1 index-url", ELSEWHERE),
    ("toml", f"pip = {{ no-build = true, 'extra-index-url' = ['{OTHER}'] }}\n", "1 extra-index-url", ELSEWHERE),
    ("toml", f'[pip]\nno-build = true\nindex-url = "{OTHER}"\n', "3 index-url", ELSEWHERE),
    ("toml", f'"index-url" = "{OTHER}"\n', "1 index-url", ELSEWHERE),
    ("toml", f'[[index]]\nname = "a"\nurl = "{OTHER}"\n', "1 [[index]]", ELSEWHERE),
    ("toml", f'index = [{{ url = "{OTHER}" }}]\n', "1 [[index]]", ELSEWHERE),
    ("toml", f'index = [\n  {{ url = "{OURS}" }},\n  {{ url = "{OTHER}" }},\n]\n', "1 [[index]]", ELSEWHERE),
    ("toml", 'find-links = ["/srv/wheels"]\n', "1 find-links", ELSEWHERE),
    ("toml", '[pip]\nfind-links = ["/srv/wheels"]\n', "2 find-links", ELSEWHERE),
    ("toml", "no-index = true\n", "1 no-index", SHUT_OUT),
    ("toml", "pip.no-index = true\n", "1 no-index", SHUT_OUT),
    ("toml", "offline = true\n", "1 offline", SHUT_OUT),
    ("toml", 'allow-insecure-host = ["packages.acme.example"]\n', "1 allow-insecure-host", UNVERIFIED),
    ("toml", 'index-strategy = "unsafe-best-match"\n', "1 index-strategy", ELSEWHERE),
    ("toml", '[pip]\ntorch-backend = "auto"\n', "2 torch-backend", ELSEWHERE),
    ("toml", f'publish-url = "{OTHER}"\n', "1 publish-url", PUBLISHES),
    ("toml", "\ufeffoffline = true\r\n", "1 offline", SHUT_OUT),
    ("poetry", f'[plugins.pypi_mirror]\nurl = "{OTHER}"\n', "2 plugins.pypi_mirror.url", ELSEWHERE),
    ("poetry", "[certificates.lab]\ncert = false\n", "2 certificates.lab.cert", UNVERIFIED),
    ("pdm", f'[pypi]\nurl = "{OTHER}"\n', "2 pypi.url", ELSEWHERE),
    ("pdm", f'[pypi.extra]\nurl = "{OTHER}"\n', "2 pypi.extra.url", ELSEWHERE),
    ("pdm", "[pypi]\nverify_ssl = false\n", "2 pypi.verify_ssl", UNVERIFIED),
    ("hatch", f'[publish.index.repos.main]\nurl = "{OTHER}"\n', "2 publish.index.repos.main.url", PUBLISHES),
    ("pixi", 'default-channels = ["conda-forge"]\n', "1 default-channels", ELSEWHERE),
    ("pixi", f'[mirrors]\n"https://a.example/x" = ["{OTHER}"]\n', "2 mirrors.https://a.example/x", ELSEWHERE),
    ("pixi", f'[pypi-config]\nindex-url = "{OTHER}"\n', "2 pypi-config.index-url", ELSEWHERE),
    ("pixi", "tls-no-verify = true\n", "1 tls-no-verify", UNVERIFIED),
    ("condarc", f"channels: [{OTHER}]\n", "1 channels", ELSEWHERE),
    ("condarc", f"custom_channels:\n  internal: {OTHER}\n", "1 custom_channels", ELSEWHERE),
    ("condarc", "custom_multichannels:\n  defaults: [conda-forge]\n", "1 custom_multichannels", ELSEWHERE),
    ("condarc", f"mirrored_channels:\n  internal:\n  - {OTHER}\n", "1 mirrored_channels", ELSEWHERE),
    ("condarc", "ssl_verify: 0\n", "1 ssl_verify", UNVERIFIED),
    ("condarc", "ssl_verify: 'False'\r\n", "1 ssl_verify", UNVERIFIED),
    ("condarc", "\ufeffssl_verify: no\n", "1 ssl_verify", UNVERIFIED),
    ("condarc", "offline: true\n", "1 offline", SHUT_OUT),
    ("condarc", "proxy_servers:\n  http: x\n", "1 proxy_servers", THROUGH_PROXY),
    ("shell", f"export PIP_INDEX_URL={OTHER}\n", "1 PIP_INDEX_URL", ELSEWHERE),
    ("shell", f'x=1; PIP_EXTRA_INDEX_URL="{OTHER}" pip install y\n', "1 PIP_EXTRA_INDEX_URL", ELSEWHERE),
    ("shell", "export PIP_FIND_LINKS=/srv/wheels\n", "1 PIP_FIND_LINKS", ELSEWHERE),
    ("shell", "PIP_NO_INDEX=1\n", "1 PIP_NO_INDEX", SHUT_OUT),
    ("shell", "export UV_OFFLINE=true UV_INDEX=\n", "1 UV_OFFLINE", SHUT_OUT),
    ("shell", f"export UV_INDEX=lab={OTHER}\n", "1 UV_INDEX", ELSEWHERE),
    ("shell", f"export UV_PUBLISH_URL={OTHER}\n", "1 UV_PUBLISH_URL", PUBLISHES),
    ("shell", "export UV_CONFIG_FILE=~/uv.toml\n", "1 UV_CONFIG_FILE", OTHER_SETTINGS),
    ("shell", f"export TWINE_REPOSITORY_URL={OTHER}\n", "1 TWINE_REPOSITORY_URL", PUBLISHES),
    ("shell", "export TWINE_REPOSITORY=testpypi\n", "1 TWINE_REPOSITORY", PUBLISHES),
    ("shell", f"export FLIT_INDEX_URL={OTHER}\n", "1 FLIT_INDEX_URL", PUBLISHES),
    ("shell", f"export HATCH_INDEX_REPO={OTHER}\n", "1 HATCH_INDEX_REPO", PUBLISHES),
    ("shell", "export HATCH_INDEX_REPO=test\n", "1 HATCH_INDEX_REPO", PUBLISHES),
    ("shell", f"export PDM_PYPI_URL={OTHER}\n", "1 PDM_PYPI_URL", ELSEWHERE),
    ("shell", f"export PIPENV_PYPI_MIRROR={OTHER}\n", "1 PIPENV_PYPI_MIRROR", ELSEWHERE),
    ("shell", f"export POETRY_REPOSITORIES_LAB_URL={OTHER}\n", "1 POETRY_REPOSITORIES_LAB_URL", PUBLISHES),
    ("shell", "export CONDA_SSL_VERIFY=false\n", "1 CONDA_SSL_VERIFY", UNVERIFIED),
    ("shell", "export CONDA_CHANNELS=conda-forge,defaults\n", "1 CONDA_CHANNELS", ELSEWHERE),
    ("shell", "declare -x CONDARC=/x\n", "1 CONDARC", OTHER_SETTINGS),
    ("shell", f"set -gx PIP_INDEX_URL {OTHER}\n", "1 PIP_INDEX_URL", ELSEWHERE),
    ("shell", f"set -x -U UV_DEFAULT_INDEX '{OTHER}'\n", "1 UV_DEFAULT_INDEX", ELSEWHERE),
    ("shell", f"SETUVAR --export PIP_INDEX_URL:{OTHER.replace(':', chr(92) + 'x3a')}\n", "1 PIP_INDEX_URL", ELSEWHERE),
    ("shell", f"setenv PIP_INDEX_URL {OTHER}\n", "1 PIP_INDEX_URL", ELSEWHERE),
    ("shell", f"alias pip='pip --index-url {OTHER}'\n", "1 --index-url", ELSEWHERE),
    ("shell", f'alias pip3="/usr/bin/pip3 -i {OTHER}"\n', "1 -i", ELSEWHERE),
    ("shell", f"alias p 'python -m pip --extra-index-url={OTHER}'\n", "1 --extra-index-url", ELSEWHERE),
    ("shell", 'pip() {\n  command pip "$@" --find-links ~/wheels\n}\n', "2 --find-links", ELSEWHERE),
    ("shell", f"alias uvi='uv pip install --default-index {OTHER}'\n", "1 --default-index", ELSEWHERE),
    ("shell", "alias conda='conda --insecure'\n", "1 --insecure", UNVERIFIED),
    ("shell", "alias ci='mamba install -c conda-forge'\n", "1 -c", ELSEWHERE),
    ("shell", f"alias up='twine upload --repository-url {OTHER}'\n", "1 --repository-url", PUBLISHES),
    ("environment", f"PIP_INDEX_URL={OTHER}\n", "1 PIP_INDEX_URL", ELSEWHERE),
    ("environment", f'PIP_INDEX_URL DEFAULT="{OTHER}"\n', "1 PIP_INDEX_URL", ELSEWHERE),
    ("pipx", '"pip_args": [\n  "--find-links",\n  "/srv/S3ntinel"\n]\n', "2 --find-links", ELSEWHERE),
]  # fmt: skip

IN_ORDER = [
    ("ini", PIP),
    ("ini", f"[global]\nindex-url = {OURS}\nfind-links = {INDEX}/x/\nno-index = false\ntimeout = 60\n"),
    ("ini", "[global]\nindex-url = https://PACKAGES.acme.example:443/simple\ntrusted-host =\n"),
    ("ini", merged("[global]\ntimeout = 6\n", PIP, "ini")),
    ("ini", merged(f"[global]\nindex-url = {OTHER}\n", PIP, "ini").replace("\n", "\r\n")),
    ("ini", "no section = https://old.example/\n"),
    ("pypirc", f"[pypi]\nrepository = {INDEX}/\nusername = ada\npassword = S3ntinel\n[distutils]\nindex-servers = a\n"),
    ("toml", UV),
    ("toml", f'[[index]]\nname = "lab"\nurl = "{OTHER}"\nexplicit = true\n[pip]\nno-index = false\n'),
    ("toml", f'offline = false\npublish-url = "{INDEX}/"\nindex-strategy = "first-index"\n'),
    ("toml", f'index-url = \n"{OTHER}"\n'),
    ("toml", "a = " + "[" * 5000 + "]" * 5000 + "\n"),
    ("poetry", f'[repositories.lab]\nurl = "{OTHER}"\n'),
    ("pdm", f'[repository.lab]\nurl = "{OTHER}"\n[pypi]\nurl = "{OURS}"\n'),
    ("hatch", f'[publish.index.repos.main]\nurl = "{INDEX}/"\n[dirs]\nproject = []\n'),
    ("pixi", f'default-channels = ["{INDEX}/conda/internal"]\ntls-no-verify = false\n'),
    ("condarc", f"channels: [internal, lab-forge, {INDEX}/conda/x]\nssl_verify: true\noffline: false\n"),
    ("condarc", f"custom_channels:\n  internal: {INDEX}/conda\nssl_verify: /etc/ssl/ca.pem\nproxy_servers: {{}}\n"),
    ("shell", f"export PIP_INDEX_URL={OURS} UV_OFFLINE=0\nexport TWINE_REPOSITORY=pypi\nset -gx PIP_NO_INDEX false\n"),
    ("shell", f"# export PIP_INDEX_URL={OTHER}\n: # removed: export PIP_INDEX_URL={OTHER}\nPIP_TIMEOUT=9\n"),
    ("shell", f"alias pip='pip --index-url {OURS}'\nalias p='pip install --upgrade'\necho pipe -i x\n"),
    ("shell", "conda activate -c\n"),
    ("shell", "export PIP_CONFIG_FILE=/etc/pip.conf\nunset PIP_INDEX_URL\n[ -n \"$PIP_INDEX_URL\" ] && echo\n"),
    ("shell", "alias mamba='mamba -c internal'\nexport CONDA_CHANNELS=internal\nexport CONDA_SSL_VERIFY=/etc/ca.pem\n"),
    ("environment", f"UV_DEFAULT_INDEX={OURS}\nLANG=C\n"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "text", "place", "effect"), FOUND)
def test_what_has_packages_come_or_go_elsewhere(form: str, text: str, place: str, effect: str) -> None:
    (found,) = conflicting_package_sources(text, form, INDEX, CHANNELS)
    assert (f"{found.first + 1} {found.setting}", found.effect) == (place, effect)
    said = sentence(found.setting, found.effect, INDEX)
    assert "S3ntinel" not in said and "{" not in said
    if found.removable:
        after = removed(text, [found], form)
        assert conflicting_package_sources(after, form, INDEX, CHANNELS) == []
        if form in package_sources.TOML:
            tomllib.loads(after.removeprefix("\ufeff"))
        if form == "condarc":
            yaml.safe_load(after)


@pytest.mark.parametrize(("form", "text"), IN_ORDER)
def test_what_is_in_order(form: str, text: str) -> None:
    assert conflicting_package_sources(text, form, INDEX, CHANNELS) == []


def test_what_a_person_decides_is_not_removed() -> None:
    for form, text in (
        ("pypirc", f"[lab]\nrepository = {OTHER}\n"),
        ("shell", f"export FOO=a \\\n  PIP_INDEX_URL={OTHER}\n"),
        ("shell", f"[ -e /x ] && export PIP_INDEX_URL={OTHER}\n"),
        ("shell", f"SETUVAR --export PIP_INDEX_URL:{OTHER}\n"),
    ):
        (found,) = conflicting_package_sources(text, form, INDEX)
        assert not found.removable, text


@pytest.mark.parametrize("shell", [shell for shell in ("sh", "bash", "zsh", "fish") if shutil.which(shell)])
def test_a_shell_still_runs_what_is_left(shell: str, tmp_path: Path) -> None:
    text = f"if true; then\n    export PIP_INDEX_URL={OTHER}\nfi\nalias pip='pip -i {OTHER}'\necho done\n"
    if shell == "fish":
        text = f"if true\n    set -gx PIP_INDEX_URL {OTHER}\nend\nalias pip='pip -i {OTHER}'\necho done\n"
    found = conflicting_package_sources(text, "shell", INDEX)
    assert [stray.removable for stray in found] == [True, True]
    (tmp_path / "rc").write_text(removed(text, found, "shell"))
    done = subprocess.run([shell, tmp_path / "rc"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


# --- what the tools themselves make of it: a wheel that nobody but the setting can have brought


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A directory with version 99.0 of the company's package."""
    wheel = Wheel("acme_tools", "99.0", metadata=metadata("acme_tools", "99.0", ""))
    directory = tmp_path / "wheels"
    directory.mkdir()
    (directory / wheel.filename).write_bytes(wheel.build())
    return directory


PIP_SETTINGS = ["[global]\nfind-links = {}\nno-index = true\n", "[download]\nfind_links =\n  {}\nno_index = yes\n"]


@pytest.mark.parametrize("text", PIP_SETTINGS)
def test_pip_takes_it_from_there_until_it_is_removed(run, wheels: Path, tmp_path: Path, text: str, server) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(text.format(wheels) + f"[other]\n[install]\nindex-url = {server.url}/simple\n")
    command = ["pip", "download", "--no-deps", "--dest", str(tmp_path / "there"), "acme-tools"]
    variables = {"PIP_CONFIG_FILE": str(file), "PIP_NO_INPUT": "1", "PIP_RETRIES": "0", "PIP_INDEX_URL": server.url}
    assert run(command, variables).returncode == 0 and list((tmp_path / "there").glob("*-99.0-*"))
    shutil.rmtree(tmp_path / "there")
    file.write_text(removed(file.read_text(), conflicting_package_sources(file.read_text(), "ini", server.url), "ini"))
    server.taken()
    assert run(command, variables).returncode != 0
    assert server.taken(), "the index was asked"


@pytest.mark.parametrize(
    "text",
    [
        'find-links = ["{}"]\noffline = true\n',
        'pip.find-links = ["{}"]\npip.no-index = true\n',
        'pip = {{ find-links = ["{}"], no-index = true }}\n',
    ],
)
def test_uv_takes_it_from_there_until_it_is_removed(run, wheels: Path, tmp_path: Path, text: str, server) -> None:
    file = tmp_path / "uv.toml"
    file.write_text(text.format(wheels))
    command = ["uv", "--config-file", str(file), "pip", "install", "--dry-run", "--no-cache", "--no-deps"]
    command += ["--python", sys.executable, "--default-index", f"{server.url}/simple", "acme-tools"]
    if "no-index" in text:
        command.remove("--default-index")
        command.remove(f"{server.url}/simple")
    said = run(command, {"UV_HTTP_RETRIES": "0"})
    assert "acme-tools==99.0" in said.stderr, said.stderr
    file.write_text(
        removed(file.read_text(), conflicting_package_sources(file.read_text(), "toml", server.url), "toml")
    )
    said = run([*command, "--index-url", f"{server.url}/simple"][: len(command) + 2], {"UV_HTTP_RETRIES": "0"})
    assert said.returncode != 0 and "99.0" not in said.stderr


# --- a misspelled name would find nothing


def test_uv_knows_the_names_of_the_list(run, tmp_path: Path) -> None:
    described = " ".join(
        run(["uv", "help", "--no-pager", *command.split()]).stdout for command in ("pip install", "publish", "run")
    )
    # which only some releases know
    variables = {name for name in package_sources.VARIABLES if name.startswith("UV_")} - {"UV_NO_INDEX"}
    assert {name for name in variables if name not in described} == set()
    values = {"no-index": "true", "offline": "true", "index-strategy": '"first-index"', "torch-backend": '"cpu"'}
    lists = ("extra-index-url", "find-links", "allow-insecure-host")
    for key in package_sources.UV:
        name = key.rpartition(".")[2]
        value = values.get(name, '["https://a.example/"]' if name in lists else '"https://a.example/"')
        line = f"{key.removesuffix('.*')} = {value}" if name != "*" else 'index = [{ url = "https://a.example/" }]'
        (tmp_path / "uv.toml").write_text(line)
        said = run(["uv", "--config-file", str(tmp_path / "uv.toml"), "cache", "dir"])
        assert said.returncode == 0, said.stderr


def test_pip_knows_the_names_of_the_list(run) -> None:
    described = run(["pip", "install", "--help"]).stdout
    for key in package_sources.PIP.keys() - {"pypi-url"}:  # an old name of index-url, which its help leaves out
        assert f"--{key} " in described, key
    assert run(["pip", "download", "--pypi-url", "x", "--help"]).returncode == 0
    for option in package_sources.OPTIONS["pip"]:
        assert option in described, option
