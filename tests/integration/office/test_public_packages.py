"""What IT has brought in from outside: people install it as anything else, and what was kept back has a reason."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest
from company import Office, eventually

RECORD = "/srv/wheelhouse/shelf/reports/last-run.json"
LET_IN = "networkx==1.10"
CHANNEL = "https://packages.acme.example/conda/conda-forge"
REFUSED, ADVISORY = "sqlparse", "CVE-2023-30608"
INSTALLERS = {
    "pip": "python3 -m venv {0} && {0}/bin/pip install --quiet --no-cache-dir networkx",
    "uv": "uv venv -q {0} && uv pip install --quiet --no-cache --python {0}/bin/python networkx",
}


@pytest.fixture(scope="module", autouse=True)
def brought_in(office: Office) -> None:
    """site.yml began it and did not wait."""
    index = office.host("index")
    eventually(lambda: index.file(RECORD).exists, "what is on the list is brought in", 300)


@pytest.mark.proof
@pytest.mark.parametrize("installer", INSTALLERS)
def test_what_is_on_the_list_is_what_people_get(office: Office, installer: str) -> None:
    """In the version on the list, whatever the public index has, with what it needs."""
    place = f"venv-public-{installer}"
    office.succeed_as("leo", f"rm -rf {place} && " + INSTALLERS[installer].format(place))
    show = "import importlib.metadata as m; print('networkx==' + m.version('networkx'), bool(m.version('decorator')))"
    assert office.succeed_as("leo", f'{place}/bin/python -c "{show}"').split() == [LET_IN, "True"]


@pytest.fixture(scope="module")
def in_conda(office: Office) -> str:
    """An environment of leo's, with what conda finds when he asks for it as anywhere else."""
    place = "env-public"
    office.succeed_as("leo", f"rm -rf {place} .conda && conda create --yes --quiet --prefix ./{place} orange3=3.29.3")
    return place


@pytest.mark.proof
def test_conda_gets_it_from_the_companys_channel(office: Office, in_conda: str) -> None:
    """With what it needs, and nowhere else: conda has written down where each package came from."""
    installed = json.loads(office.succeed_as("leo", f"conda list --json --prefix ./{in_conda}"))
    assert {one["name"]: (one["version"], one["base_url"]) for one in installed} == {
        "orange3": ("3.29.3", CHANNEL),
        "orange-widget-base": ("4.15.1", CHANNEL),
        "anyqt": ("0.0.13", CHANNEL),
    }
    urls = office.succeed_as("leo", f'grep -ho \'"url": "[^"]*\' {in_conda}/conda-meta/*.json').splitlines()
    assert len(urls) == 3 and all(url.startswith(f'"url": "{CHANNEL}/noarch/') for url in urls), urls
    assert office.succeed_as("leo", f"cat {in_conda}/share/orange3.txt") == "3.29.3\n"


@pytest.mark.proof
def test_what_conda_keeps_holds_no_password(office: Office, in_conda: str) -> None:
    leo = office.person("leo")
    forms = {form(secret) for secret in (leo.index_password, leo.proxy_password) for form in (str, quote, quote_plus)}
    kept = office.succeed_as(
        "leo", f"find .conda {in_conda} -type f -exec cat {{}} + | LC_ALL=C tr -c '[:print:]' '\n'"
    )
    assert CHANNEL in kept and "orange3" in kept
    assert not any(form in kept for form in forms)


@pytest.mark.proof
def test_conda_finds_nothing_that_is_not_on_the_list(office: Office) -> None:
    """Though the channel outside has it."""
    result = office.run_as("leo", "conda create --yes --quiet --prefix ./env-none orange3=3.30.1")
    assert result.rc != 0 and "orange3=3.30.1" in result.stdout + result.stderr, result


@pytest.mark.proof
def test_the_channel_outside_is_reached_through_the_proxy_alone(office: Office) -> None:
    """By the machine that brings packages in, under its own name."""
    connect = "import socket; socket.create_connection(('proxy.acme.example', {}), 5)"
    index = office.host("index")
    index.check_output("python3 -c %s", connect.format(3128))
    assert "ConnectionRefusedError" in index.run("python3 -c %s", connect.format(80)).stderr
    lines = office.host("proxy").check_output("grep conda.example.net /var/log/squid/access.log").splitlines()
    fetched = [line for line in lines if "svc-machines" in line and "/orange3-" in line]
    assert fetched and all("/orange3-3.29.3-0.conda" in line for line in fetched), lines


@pytest.mark.proof
def test_a_vulnerable_release_is_refused_with_its_advisory(office: Office) -> None:
    index = office.host("index")
    assert not index.file(f"/srv/wheelhouse/shelf/packages/{REFUSED}").exists
    (problem,) = json.loads(index.file(RECORD).content_string)["problems"]
    assert REFUSED in problem and ADVISORY in problem
    fetch = (
        "import netrc, sys, urllib.request as u;"
        " name, _, password = netrc.netrc().authenticators('packages.acme.example');"
        " passwords = u.HTTPPasswordMgrWithDefaultRealm(); passwords.add_password(None, sys.argv[1], name, password);"
        " print(u.build_opener(u.HTTPBasicAuthHandler(passwords)).open(sys.argv[1]).read().decode())"
    )
    page = office.succeed_as("leo", f'python3 -c "{fetch}" {office.index_url}/reports/')
    assert "<html" in page and ADVISORY in page
