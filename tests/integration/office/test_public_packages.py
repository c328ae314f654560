"""What IT has brought in from outside: people install it as anything else, and what was kept back has a reason."""

from __future__ import annotations

import json

import pytest
from company import Office, eventually

RECORD = "/srv/wheelhouse/shelf/reports/last-run.json"
LET_IN = "networkx==1.10"
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
