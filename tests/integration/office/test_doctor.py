"""`wheelhouse-doctor` on a real workstation: nothing is wrong, and then one thing is, which it names and nothing else."""

from __future__ import annotations

import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from company import site

INDEX = "packages.acme.example"
PROXY = "proxy.acme.example:3128"
STORE = "/etc/ssl/certs/ca-certificates.crt"


def diagnose(office, command: str = "wheelhouse-doctor --json", name: str = "ada", around: str = "") -> dict:
    """The report of a command that ends in the doctor, run in a login shell of a person.

    `around` is run before it, as root, where nobody else sees what it mounts.
    """
    shell = f"su - {name} -c {shlex.quote(command)}"
    if around:
        shell = f"unshare --mount sh -euc {shlex.quote(f'{around}; {shell}')}"
    result = office.host("workstation").run(shell)
    said = result.stdout + result.stderr
    person = office.person(name)
    for secret in (person.proxy_password, person.index_password):
        assert not any(form(secret) in said for form in (str, quote, quote_plus, lambda text: quote(text, safe="")))
    assert result.stdout.startswith("{"), said
    report = json.loads(result.stdout)
    assert (result.rc, report["works"]) == ((1, False) if report["faults"] else (0, True))
    return report


def faults(report: dict) -> list[tuple[str, str]]:
    """What is wrong, as (check, sentence)."""
    return [(one["check"], one["sentence"]) for one in report["findings"] if one["verdict"] == "fail"]


def the_fault(report: dict) -> tuple[str, str]:
    """The one thing that is wrong."""
    found = faults(report)
    assert len(found) == 1, found
    return found[0]


def with_proxy(url: str) -> str:
    """The doctor in a shell that has this proxy."""
    variables = " ".join(f"{name}={shlex.quote(url)}" for name in ("HTTPS_PROXY", "https_proxy"))
    return f"{variables} wheelhouse-doctor --json"


@pytest.mark.proof
@pytest.mark.parametrize(("name", "role"), [("ada", "workstation"), ("leo", "workstation"), ("ada", "jupyter")])
def test_everything_works(office, name, role) -> None:
    said = office.succeed_as(name, "wheelhouse-doctor", on=role)
    assert said.splitlines()[-1] == "Everything works.", said


def test_it_takes_no_five_seconds_to_say_so(office) -> None:
    report = diagnose(office)
    assert report["says"] == "Everything works."
    assert report["seconds"] < 5
    seen = {one["check"]: one for one in report["findings"]}
    assert seen["proxy login"]["sentence"] == "Basic offered, EMEA\\ada is accepted"
    assert seen["index answer"]["sentence"].startswith("accepts ada")
    assert seen["outside"]["verdict"] == "ok"
    assert seen["uv"]["sentence"].startswith(f"https://{INDEX}/simple/ (/etc/uv/uv.toml:")


def test_a_wrong_proxy_password(office) -> None:
    report = diagnose(office, with_proxy(f"http://EMEA%5Cada:wrong@{PROXY}"))
    check, sentence = the_fault(report)
    assert check == "proxy login"
    assert sentence.startswith("The proxy does not accept the password of EMEA\\ada")
    assert "log in anew" in next(one for one in report["findings"] if one["check"] == check)["remedy"]


def test_a_proxy_that_is_down(office) -> None:
    check, sentence = the_fault(diagnose(office, with_proxy("http://proxy.acme.example:3129")))
    assert check == "proxy"
    assert "proxy.acme.example:3129 cannot be reached: nothing listens there" in sentence


def test_a_wrong_index_password(office) -> None:
    entry = f"machine {INDEX} login ada password wrong"
    command = f"umask 077; echo {shlex.quote(entry)} >netrc; NETRC=~/netrc wheelhouse-doctor --json"
    check, sentence = the_fault(diagnose(office, command))
    assert check == "index answer"
    assert "does not accept ada with the password in /home/ada/netrc" in sentence


def test_an_index_that_is_down(office, index) -> None:
    index.check_output("systemctl stop nginx.service")
    try:
        check, sentence = the_fault(diagnose(office))
    finally:
        index.check_output("systemctl start nginx.service")
    assert check == "index"
    assert f"The index {INDEX}:443 cannot be reached: nothing listens there" in sentence


def test_a_store_without_the_companys_ca(office) -> None:
    public = "cat /usr/share/ca-certificates/mozilla/*.crt >/run/public.pem"
    report = diagnose(office, around=f"{public}; mount --bind /run/public.pem {STORE}")
    check, sentence = the_fault(report)
    assert check == "index certificate"
    assert sentence.startswith(f"The company's CA, which signed the certificate of {INDEX}, is missing from {STORE}")


def test_a_store_of_ones_own_without_the_companys_ca(office) -> None:
    command = (
        "cat /usr/share/ca-certificates/mozilla/*.crt >public.pem; SSL_CERT_FILE=~/public.pem wheelhouse-doctor --json"
    )
    check, sentence = the_fault(diagnose(office, command))
    assert check == "index certificate"
    assert "is missing from /home/ada/public.pem (named by SSL_CERT_FILE): uv and Python will not connect" in sentence


def test_no_proxy_without_the_index(office) -> None:
    check, sentence = the_fault(diagnose(office, "NO_PROXY=localhost no_proxy=localhost wheelhouse-doctor --json"))
    assert (check, INDEX in sentence) == ("NO_PROXY", True)


def test_a_variable_that_contradicts_the_other(office) -> None:
    check, sentence = the_fault(diagnose(office, f"https_proxy=http://{PROXY} wheelhouse-doctor --json"))
    assert check == "proxy settings"
    assert sentence.startswith("https_proxy and HTTPS_PROXY contradict each other")


def test_a_shell_without_a_proxy(office) -> None:
    unset = "env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy"
    check, sentence = the_fault(diagnose(office, f"{unset} wheelhouse-doctor --json"))
    assert check == "proxy settings"
    assert "IT has set one for you in /etc/wheelhouse/people/ada.env" in sentence
    # and where no login shell has set it, there is a way
    assert faults(diagnose(office, f"{unset} corporate-env wheelhouse-doctor --json")) == []


def test_a_virtualenv_and_what_was_left_in_it(office) -> None:
    activate = "test -d venv-doctor || python3 -m venv venv-doctor; . venv-doctor/bin/activate"
    report = diagnose(office, f"{activate}; wheelhouse-doctor --json")
    assert faults(report) == []
    (pip,) = [one for one in report["findings"] if one["check"] == "pip"]
    assert pip["looked_at"].startswith("/home/ada/venv-doctor/bin/pip ")
    assert pip["sentence"].startswith(f"https://{INDEX}/simple/ (/etc/pip.conf:")

    old_guide = "printf '%s\\n' '[global]' 'extra-index-url = https://u:secret@mirror.acme.example/simple' >$VIRTUAL_ENV/pip.conf"
    report = diagnose(
        office, f"{activate}; {old_guide}; wheelhouse-doctor --json; code=$?; rm $VIRTUAL_ENV/pip.conf; exit $code"
    )
    check, sentence = the_fault(report)
    assert check == "pip"
    assert sentence.startswith("/home/ada/venv-doctor/pip.conf:2 adds https://***@mirror.acme.example/simple, ")

    # Debian's pip is older than 24.2: without IT's settings it trusts nobody of the company's
    bare = f"env -u REQUESTS_CA_BUNDLE PIP_CONFIG_FILE=/dev/null PIP_INDEX_URL=https://{INDEX}/simple/"
    report = diagnose(office, f"{activate}; {bare} wheelhouse-doctor --json")
    if office.run_as("ada", "venv-doctor/bin/pip --version | grep '^pip 23'").rc == 0:
        check, sentence = the_fault(report)
        assert (check, "is too old to look into this machine's trust store by itself" in sentence) == ("pip", True)
    else:
        assert faults(report) == []


def test_a_clock_that_is_off_by_a_year(office, workstation) -> None:
    """By libfaketime, which has Python's wait for a program fail now and then (clock_nanosleep with an absolute time): what
    is found about tools that are run is left out."""
    workstation.check_output("test -x /usr/bin/faketime || apt-get install -qq --no-install-recommends faketime")
    # timeouts go by another clock, which stays
    command = "FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f -365d wheelhouse-doctor --json"
    found = faults(diagnose(office, command))
    ((check, sentence),) = [one for one in found if one[0] not in ("pip", "uv", "Poetry", "conda")]
    assert check == "clock"
    assert f"This machine's clock is 365 days behind that of {INDEX}" in sentence


def test_a_disk_that_is_full(office) -> None:
    report = diagnose(
        office, "TMPDIR=/mnt wheelhouse-doctor --json", around="mount -t tmpfs -o size=64k,mode=1777 tmpfs /mnt"
    )
    check, sentence = the_fault(report)
    assert check == "disk"
    assert sentence.startswith("There is no room in /mnt (temporary files)")


def test_it_asks_for_everybody(office) -> None:
    # what it makes of the adversaries' homes is in test_zy_adversaries.py
    people = ("--extra-vars", json.dumps({"wheelhouse_people": "{{ acme_people }}"}))
    healthy = site(*people, playbook="doctor")
    assert healthy.output.count("Everything works for everyone here.") == 2, healthy.output
    settings = ".config/uv/uv.toml"
    office.succeed_as(
        "leo", f"mkdir -p .config/uv; echo 'extra-index-url = [\"https://mirror.acme.example/simple\"]' >{settings}"
    )
    try:
        run = site(*people, "--limit", "workstations", playbook="doctor", check=False)
    finally:
        office.succeed_as("leo", f"rm {settings}")
    assert run.rc != 0
    assert "leo, uv: /home/leo/.config/uv/uv.toml:1 has uv ask https://mirror.acme.example/simple" in " ".join(
        run.output.split()
    )
    assert "ada, " not in run.output
    assert run.changed == healthy.changed == 0
