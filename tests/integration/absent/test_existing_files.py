"""What people and administrators wrote before IT came stays: in the files that IT writes to, and, where nothing else is asked, anywhere.

Runs first of its scenario; that all is as it was when the roles are gone, test_roles_absent.py says.
"""

from __future__ import annotations

import base64

import pytest
from company import host_of, site

# every one of them with something that a careless merge breaks
FOREIGN = {
    "/etc/pip.conf": "# from the image\n[global]\n  timeout = 45\n  index_url = https://old.acme.example/simple/\n\n[list]\nformat = columns",
    "/etc/uv/uv.toml": 'concurrent-downloads = 7\n[pip]\ncompile-bytecode = true\n\n[[index]] # gone since spring\nurl = "https://old.acme.example/simple/"',
    "/home/ada/.netrc": "machine git.acme.example login ada password git\n\n# two words, then # more\nmachine lab.acme.example\n\tlogin ada\n\tpassword lab\n",
    "/home/ada/.pypirc": "[distutils]\nindex-servers =\n    lab\n    pypi\n\n[lab]\nrepository = https://lab.acme.example/\nusername = ada\n\n[pypi]\nusername = __token__\npassword = not-for-the-company",
}
STRAY = "/home/ada/.config/pip/pip.conf"


@pytest.fixture(scope="module")
def met():
    """The workstation, after files were written on it by others and IT came again."""
    workstation = host_of("workstation")
    for path, text in FOREIGN.items() | {(STRAY, "[global]\nextra-index-url = https://old.acme.example/simple/\n")}:
        owner = "ada" if path.startswith("/home") else "root"
        write = f"mkdir -p $(dirname {path}) && base64 -d >{path}"
        encoded = base64.b64encode(text.encode()).decode()
        workstation.check_output("echo %s | su %s -s /bin/sh -c %s", encoded, owner, write)
    run = site("--limit", "wheelhouse-workstation", "--tags", "clients")
    yield run
    workstation.check_output(f"rm {STRAY}")


def test_pip_and_uv_install_by_both(met, office) -> None:
    office.succeed_as("ada", "python3 -m venv venv-met")
    without_stray = f"mv {STRAY} stray && venv-met/bin/pip install -q --no-cache-dir idna; mv stray {STRAY}"
    office.succeed_as("ada", without_stray + " && venv-met/bin/python -c 'import idna'")
    assert "global.timeout='45'\n" in office.succeed_as("ada", "venv-met/bin/pip config list")
    office.succeed_as(
        "ada", "uv venv -q --clear venv-met-uv && uv pip install -q --no-cache --python venv-met-uv/bin/python idna"
    )
    assert "__pycache__" in office.succeed_as("ada", "ls venv-met-uv/lib/python3*/site-packages/idna"), (
        "compile-bytecode is theirs"
    )


def test_other_logins_are_still_there(met, office) -> None:
    read = "import netrc; print(sorted(netrc.netrc().hosts.items()))"
    logins = office.succeed_as("ada", f'python3 -c "{read}"')
    assert "('git.acme.example', ('ada', '', 'git'))" in logins and "('lab.acme.example', ('ada', '', 'lab'))" in logins
    read = "import configparser as c; p = c.RawConfigParser(); p.read('.pypirc'); print(p['distutils']['index-servers'].split(), dict(p['lab']), p['pypi']['username'])"
    servers = office.succeed_as("ada", f'python3 -c "{read}"')
    assert servers == "['pypi', 'lab'] {'repository': 'https://lab.acme.example/', 'username': 'ada'} ada\n"


def test_what_points_elsewhere_is_told_and_stays(met) -> None:
    words = " ".join(met.output.split())
    assert f"{STRAY}, line 2: extra-index-url has packages come from elsewhere" in words
    assert "old.acme.example" in host_of("workstation").file(STRAY).content_string


def test_a_second_run_changes_nothing(met) -> None:
    assert site("--limit", "wheelhouse-workstation", "--tags", "clients").changed == 0


def test_a_file_that_makes_no_sense_is_told_and_left_alone(met) -> None:
    """The task that writes people's files hides what it does; that one of them could not be written is said all the same."""
    workstation = host_of("workstation")
    workstation.check_output("mv /home/ada/.pypirc /home/ada/kept && echo 'nonsense of hers' >/home/ada/.pypirc")
    fails = ("--extra-vars", "wheelhouse_skipped_people=fail")
    run = site("--limit", "wheelhouse-workstation", *fails, "--tags", "clients", check=False)
    left = workstation.file("/home/ada/.pypirc").content_string
    workstation.check_output("mv /home/ada/kept /home/ada/.pypirc")
    assert run.rc != 0 and left == "nonsense of hers\n"
    words = " ".join(run.output.split())
    assert "/home/ada/.pypirc can't be read as an INI file (line 1); mend it, or move it away." in words
    assert "nonsense of hers" not in words


def test_it_is_removed_where_that_is_asked_for(met) -> None:
    remove = (
        "--limit",
        "wheelhouse-workstation",
        "--extra-vars",
        '{"package_client_remove_conflicting_sources": true}',
    )
    assert site(*remove, "--tags", "clients").changed == 1
    assert "\n# removed by wheelhouse.onboarding: extra-index-url" in host_of("workstation").file(STRAY).content_string
