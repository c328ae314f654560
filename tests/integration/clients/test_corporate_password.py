"""corporate-password: somebody types their own password at the proxy, and the role leaves it to them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from company import Office, Run, site
from company_proxy import CompanyProxy, as_extra
from testinfra.host import Host

LIMIT = ("--limit", "wheelhouse-workstation")
FILE = "/etc/wheelhouse/people/ada.env"
NEW = 'x@y:z/1#2%3?&+ "\u00fc\u2603'
ASK = "import urllib.request as u; print(u.urlopen('http://proxy.acme.example:3128/squid-internal-static/icons/SN.png').status)"


@pytest.fixture(scope="module")
def run(
    office: Office, proxy: Host, workstation: Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Run]]:
    """A run of an inventory in which ada has no `proxy_password`; afterwards she has hers again."""
    people = [
        {"name": "ada", "proxy_username": office.person("ada").proxy_username},
        {
            "name": "leo",
            "proxy_username": office.person("leo").proxy_username,
            "proxy_password": office.person("leo").proxy_password,
        },
    ]
    extra = as_extra(tmp_path_factory.mktemp("extra"), corporate_proxy_people=people)
    workstation.check_output(f"rm -f {FILE}")  # else she keeps what IT had given her
    site(*LIMIT, "-e", extra, "--tags", "base")
    yield lambda: site(*LIMIT, "-e", extra, "--tags", "base")
    squid = CompanyProxy(proxy)
    squid.accept(office.person("ada").proxy_password, account=office.person("ada").proxy_username)
    squid.forget()
    site(*LIMIT, "--tags", "base")


def types(workstation: Host, password: str) -> subprocess.CompletedProcess:
    """What comes of it when ada gives `password` on standard input."""
    command = ["docker", "exec", "-i", workstation.backend.name, "su", "-", "ada", "-c", "corporate-password"]
    return subprocess.run(command, input=password + "\n", capture_output=True, text=True, check=False)


def gets_out(office: Office) -> str:
    """How the proxy answers ada's programs."""
    result = office.run_as("ada", f'NO_PROXY= no_proxy= python3 -c "{ASK}"')
    return "let through" if result.rc == 0 or "407" not in result.stderr else "refused"


def test_who_has_given_none_is_told(office: Office, workstation: Host, run: Callable[[], Run]) -> None:
    assert gets_out(office) == "refused"
    told = office.run_as("ada", "bash -ic true").stderr
    assert told.count("run corporate-password") == 1, told


def test_a_wrong_password_is_not_saved(office: Office, workstation: Host, run: Callable[[], Run]) -> None:
    before = workstation.file(FILE).content_string
    done = types(workstation, "wr@ng")
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not accept this password for EMEA\\ada" in done.stderr and "wr@ng" not in done.stderr
    assert workstation.file(FILE).content_string == before


def test_a_right_one_is_saved_and_stays_hers(office: Office, workstation: Host, run: Callable[[], Run]) -> None:
    password = office.person("ada").proxy_password
    done = types(workstation, password)
    assert (done.returncode, done.stderr) == (0, "") and password not in done.stdout
    assert gets_out(office) == "let through"
    after = workstation.file(FILE).content_string
    assert run().changed == 0
    assert workstation.file(FILE).content_string == after


def test_one_that_changed_or_expired(office: Office, proxy: Host, workstation: Host, run: Callable[[], Run]) -> None:
    squid = CompanyProxy(proxy)
    squid.accept(NEW, account=office.person("ada").proxy_username)
    squid.forget()
    assert gets_out(office) == "refused"
    assert types(workstation, office.person("ada").proxy_password).returncode == 1
    assert types(workstation, NEW).returncode == 0
    assert gets_out(office) == "let through"


def test_a_proxy_that_is_down_is_no_wrong_password(proxy: Host, workstation: Host, run: Callable[[], Run]) -> None:
    proxy.check_output("systemctl stop squid")
    done = types(workstation, "whatever")
    proxy.check_output("systemctl start squid")
    assert done.returncode == 3 and "cannot be reached" in done.stderr


def test_nothing_else_can_be_put_in_the_place_of_the_file(workstation: Host, run: Callable[[], Run]) -> None:
    for attempt in (f"ln -sf /etc/shadow {FILE}", f"mv {FILE} /tmp/", f"rm -f {FILE}"):
        assert workstation.run(f"su - ada -c '{attempt}'").rc != 0
    assert workstation.file(FILE).mode == 0o600 and workstation.file(FILE).user == "ada"
    assert quote(NEW, safe="") not in workstation.run("su - leo -c 'cat /etc/wheelhouse/people/*'").stdout


def test_where_it_keeps_the_password_nobody_else_does(office: Office, run: Callable[[], Run]) -> None:
    result = office.run_as("leo", "echo x | corporate-password")
    assert result.rc == 4 and "IT sets your password at the proxy" in result.stderr
