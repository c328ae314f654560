"""Offboarding is one word and a run: who left is gone from every host, whatever they did about it, and nobody else notices."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from adversaries import NAMES, entries, gains
from adversary import digs_in, runs_wild
from company import STATE, host_of, site, vault
from testinfra.host import Host

# what belongs to others, where links of the leaver lead to
OF_OTHERS = "stat --format '%U %G %a %n' / /home/ada /home/ada/diary /srv/team /srv/team/plan; cat /srv/team/plan /home/ada/diary"
ADA = {"name": "ada", "workstations": ["wheelhouse-workstation"], "jupyter": True, "publishes": ["acme-*"]}
LEAVES = {"name": "leo", "state": "absent"}
# people whose homes are full of traps leave with him
ADVERSARIES_LEAVE = [{"name": name, "state": "absent"} for name in NAMES]
MEANT = f"wheelhouse_offboard=leo,ci-acme-hello,{','.join(NAMES)}"


def settings_of(*people: dict, adversaries: list[dict] | None = None) -> tuple[str, str]:
    """The arguments for a run with these people, ada, and the adversaries, who are here unless it says otherwise."""
    secrets = {
        "index_password": vault()["ada_index"],
        "proxy_username": "EMEA\\ada",
        "proxy_password": vault()["ada_proxy"],
    }
    return "--extra-vars", json.dumps({"wheelhouse_people": [ADA | secrets, *(adversaries or entries()), *people]})


@pytest.fixture(scope="module")
def before(office, workstation) -> dict:
    """What is to stay, and a leaver who has dug in."""
    office.succeed_as("leo", "echo mine >notes.txt")
    office.succeed_as("ada", "echo hers >diary")
    has_fuse = digs_in(workstation, "leo")
    return {
        "uid": uid_of(workstation, "leo"),
        "others": workstation.check_output(OF_OTHERS),
        "has_fuse": has_fuse,
    }


@pytest.fixture(scope="module")
def left(before, workstation):
    """leo has left. What he had is in `vault()`, what stays is ada; mia is new."""
    newcomer = {"name": "mia", "workstations": ["wheelhouse-workstation"]}
    settings = settings_of(LEAVES, newcomer, adversaries=ADVERSARIES_LEAVE)
    # the job that publishes goes without a word in the list, which takes one here
    runs_wild(workstation, "leo")
    assert any("base64" in line for _ in range(20) for line in processes_of(workstation, before["uid"]))
    run = site(*settings, "--extra-vars", MEANT)
    return settings, run


def uid_of(host: Host, name: str) -> int:
    return host.user(name).uid


def processes_of(host: Host, uid: int) -> list[str]:
    """What runs with a uid; what has ended and only waits to be seen by its parent does not."""
    lines = host.check_output("ps -e --no-headers -o uid,stat,pid,args").splitlines()
    return [line for line in lines if line.split()[0] == str(uid) and not line.split()[1].startswith("Z")]


@pytest.mark.parametrize(
    ("playbook", "arguments"),
    [
        ("site", ()),
        pytest.param("site", ("--check",), marks=pytest.mark.long),
        pytest.param("site", ("--limit", "wheelhouse-workstation"), marks=pytest.mark.long),
        pytest.param("people", ("--limit", "wheelhouse-index"), marks=pytest.mark.long),
        pytest.param("people", (), marks=pytest.mark.long),
        pytest.param("site", ("--tags", "offboard"), marks=pytest.mark.long),
        ("site", ("--limit", "wheelhouse-index", "--tags", "index")),
        ("rotate", ()),
    ],
)
def test_who_is_missing_from_the_list_is_not_offboarded(before, workstation, index, playbook, arguments) -> None:
    accounts = index.file("/srv/wheelhouse/config/htpasswd").content
    run = site(*settings_of(), *arguments, playbook=playbook, check=False)
    said = " ".join(run.output.split())
    assert run.rc != 0 and "leo: no entry in wheelhouse_people; goes from" in said
    assert "-e wheelhouse_offboard=" in said and run.changed == 0
    assert index.file("/srv/wheelhouse/config/htpasswd").content == accounts
    assert processes_of(workstation, before["uid"])


def test_more_than_a_few_at_a_time_are_not_offboarded(before, workstation) -> None:
    run = site(*settings_of(LEAVES), "--extra-vars", "wheelhouse_offboard_max=0", playbook="people", check=False)
    assert run.rc != 0 and "more than wheelhouse_offboard_max (0)" in " ".join(run.output.split())
    assert processes_of(workstation, before["uid"])


@pytest.mark.long
@pytest.mark.parametrize("playbook", ["people", "site"])
def test_an_offboarding_can_be_looked_at_first(before, workstation, playbook) -> None:
    settings = settings_of(LEAVES, adversaries=ADVERSARIES_LEAVE)
    run = site(*settings, "--extra-vars", MEANT, "--check", playbook=playbook)
    assert "leo: state: absent; goes from" in " ".join(run.output.split())
    assert processes_of(workstation, before["uid"])


@pytest.mark.parametrize("role", ["workstation", "jupyter"])
def test_the_account_is_locked(left, role) -> None:
    host = host_of(role)
    assert host.check_output("getent shadow leo").split(":")[1] == "!"
    assert host.user("leo").shell == "/usr/sbin/nologin"
    assert set(host.user("leo").groups) == {"leo", "wheelhouse-former"}
    assert "expired" in host.run("su - leo -c true").stderr


@pytest.mark.parametrize("pam", ["yes", "no"])
def test_a_key_that_was_left_somewhere_lets_nobody_in(left, jupyter, pam) -> None:
    """Also where IT overlooked one."""
    jupyter.check_output("rm -f /run/k /run/k.pub && ssh-keygen -q -t ed25519 -N '' -f /run/k && mkdir -p /run/sshd")
    try:
        jupyter.check_output("for name in ada leo; do cat /run/k.pub >/run/keys-$name; done")
        jupyter.check_output(
            f"/usr/sbin/sshd -p 2299 -o UsePAM={pam} -o PidFile=/run/sshd-2299 -o AuthorizedKeysFile=/run/keys-%u -o StrictModes=no"
        )
        login = "ssh -p 2299 -i /run/k -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null {}@127.0.0.1 id -un"
        assert jupyter.check_output(login.format("ada")) == "ada"
        refused = jupyter.run(login.format("leo"))
        assert refused.rc == 255 and refused.stdout == ""
    finally:
        jupyter.run("kill $(cat /run/sshd-2299); sleep 1; rm -f /run/k* /run/sshd-2299")


def test_nothing_of_theirs_runs_on(left, before, workstation) -> None:
    # one that forks and ends is not in each look
    assert [line for _ in range(20) for line in processes_of(workstation, before["uid"])] == []
    assert workstation.run("ls /var/lib/systemd/linger/leo /var/spool/cron/crontabs/leo").stdout == ""
    assert workstation.check_output("find /var/spool -uid %s", str(before["uid"])) == ""


def test_nothing_of_theirs_lies_about(left, before, workstation) -> None:
    places = "/tmp /var/tmp /dev/shm /run /var/mail /var/spool"
    assert workstation.check_output(f"find {places} -uid %s", str(before["uid"])) == ""
    shared_memory = workstation.check_output("cat /proc/sysvipc/shm").splitlines()[1:]
    assert str(before["uid"]) not in [line.split()[7] for line in shared_memory]
    assert f"user_id={before['uid']}," not in workstation.check_output("cat /proc/self/mountinfo")


def test_what_belongs_to_others_is_untouched(left, before, workstation) -> None:
    assert workstation.check_output(OF_OTHERS) == before["others"]


def test_nobody_is_given_the_uid_again(left, before, workstation) -> None:
    assert uid_of(workstation, "leo") == before["uid"] != uid_of(workstation, "mia")
    assert workstation.run("su - mia -c 'ls /home/leo'").rc != 0


def test_the_run_says_what_became_of_them(left) -> None:
    said = " ".join(left[1].output.split())
    assert "processes ended." in said and "leo: the home /home/leo stays, for root alone." in said


@pytest.mark.parametrize("role", ["index", "jupyter", "workstation"])
def test_no_secret_of_theirs_is_left(left, role) -> None:
    host = host_of(role)
    for name in ("leo_index", "leo_proxy"):
        found = host.run(
            "grep -rlF -e %s /etc /home /root /srv /opt /usr/local /var/lib/wheelhouse /run", vault()[name]
        )
        assert found.stdout == "", name
    assert "leo" not in host.run("ls /etc/wheelhouse/people").stdout


def test_no_secret_is_left_of_people_with_awkward_files(left, workstation) -> None:
    """Who came for the scenario `clients` has left with leo."""
    file = STATE / "colleagues.json"
    if not file.is_file():
        pytest.skip("the scenario clients has not run on these hosts")
    for person in json.loads(file.read_text()):
        for secret in (person["index_password"], person["proxy_password"], quote(person["proxy_password"], safe="")):
            found = workstation.run("grep -rlF -e %s /etc /home /root /opt /usr/local /var/lib/wheelhouse /run", secret)
            assert found.stdout == "", person["name"]


def test_the_index_knows_them_no_more(left, index) -> None:
    accounts = index.file("/srv/wheelhouse/config/htpasswd").content_string
    assert [line.partition(":")[0] for line in accounts.splitlines()] == ["ada", "machines"]
    assert "leo" not in json.loads(index.file("/srv/wheelhouse/config/config.json").content_string)["publishes"]


def test_nothing_of_theirs_runs(left, jupyter) -> None:
    assert "leo" not in jupyter.run("systemctl list-units --all --plain --no-legend 'jupyterlab@*'").stdout


def test_their_data_is_kept_where_only_root_finds_it(left, workstation) -> None:
    home = workstation.file("/home/leo")
    assert (home.user, home.mode) == ("root", 0o700)
    assert workstation.file("/home/leo/notes.txt").content_string == "mine\n"


def test_the_others_work_on(left, office) -> None:
    office.succeed_as(
        "ada", "uv venv -q --clear venv-on && uv pip install -q --no-cache --python venv-on/bin/python idna"
    )
    office.succeed_as("ada", "jupyter-tunnel --no-browser")


@pytest.mark.long
def test_a_second_run_changes_nothing(left) -> None:
    assert site(*left[0]).changed == 0


def test_who_comes_back_has_the_account_and_the_home_of_before(left, before, office, workstation) -> None:
    run = site("--extra-vars", "wheelhouse_offboard=mia", playbook="people")
    assert "leo: is back, with the account and the home of before" in " ".join(run.output.split())
    assert uid_of(workstation, "leo") == before["uid"]
    assert office.succeed_as("leo", "cat notes.txt") == "mine\n"
    office.succeed_as(
        "leo", "uv venv -q --clear venv-back && uv pip install -q --no-cache --python venv-back/bin/python idna"
    )
    # what had been told to run in his absence is as dead as it was
    assert workstation.run("crontab -u leo -l").rc != 0


def test_the_adversaries_who_left_and_came_back_have_gained_nothing(left, workstation) -> None:
    """They have the homes of before, and everything else belongs to whom it did. Runs after the one above."""
    assert gains() == []
    assert workstation.file("/home/mallory-links").user == "mallory-links"
