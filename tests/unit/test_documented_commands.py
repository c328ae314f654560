"""Every command in the documentation is run by a test as it is written, or there is a reason why it is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documented_commands import Found, Typed, found, of_markdown, of_settings, runs, stands_in, typed

ROOT = Path(__file__).resolve().parents[2]

CI_JOBS = "examples/ci/"
CI_JOBS_TESTS = (
    "tests/integration/index/test_ci_jobs.py",
    "tests/integration/index/test_trusted_publishing.py",
    "tests/unit/index/test_ci_clients.py",
)
"""The lines of the files in that directory are read by these tests, and run."""

# Run by something else than `as_written`: {command: (the file that does, words in it)}
ELSEWHERE = {
    "/opt/wheelhouse/monitoring/wheelhouse-collect --print": (
        "tests/integration/office/test_monitoring.py",
        '"/opt/wheelhouse/monitoring/wheelhouse-collect --print"',
    ),
    "docker exec wheelhouse-index wheelhouse health": (
        "tests/integration/index/test_health.py",
        '"docker exec wheelhouse-index wheelhouse health"',
    ),
    "wheelhouse metrics": (
        "tests/integration/index/test_health.py",
        '"docker exec wheelhouse-index wheelhouse metrics"',
    ),
    "ansible-playbook -i inventories/acme --ask-vault-pass"
    " wheelhouse.onboarding.export": ("tests/integration/index/test_air_gap.py", 'settings.play("export")'),
    "ansible-playbook -i inventories/acme --ask-vault-pass"
    " wheelhouse.onboarding.export -e package_transfer_since=/root/receipt-000001.json": (
        "tests/integration/index/test_air_gap.py",
        '"export", "-e", "package_transfer_since=/root/receipt-000001.json"',
    ),
    "ansible-playbook -i inventories/acme --ask-vault-pass"
    " wheelhouse.onboarding.import": ("tests/integration/index/test_air_gap.py", "inside.play()"),
    "ansible-playbook -i inventories/acme --ask-vault-pass"
    " wheelhouse.onboarding.import -e package_transfer_apply=true": (
        "tests/integration/index/test_air_gap.py",
        '"-e", "package_transfer_apply=true"',
    ),
    "ansible-playbook -i inventories/acme --ask-vault-pass"
    " wheelhouse.onboarding.directory": (
        "tests/integration/index/test_directory.py",
        'settings.play("directory", "--check", "--diff")',
    ),
    "ansible-playbook -i inventories/acme --ask-vault-pass"
    " wheelhouse.onboarding.site -e wheelhouse_serial=20% -e wheelhouse_max_fail_percentage=10": (
        "tests/integration/index/test_fleets.py",
        '"-e", "wheelhouse_serial=20%", "-e", "wheelhouse_max_fail_percentage=10"',
    ),
    "ansible-playbook -i inventories/acme --ask-vault-pass"
    " wheelhouse.onboarding.enroll --limit ws-ada.acme.example": (
        "tests/integration/index/test_fleets.py",
        'fleet.play("enroll", "--limit", HOST)',
    ),
    "ansible-playbook -i inventories/acme --ask-vault-pass"
    " wheelhouse.onboarding.fleet -e wheelhouse_serial=20%": (
        "tests/integration/index/test_fleets.py",
        'fleet.publish("-e", "wheelhouse_serial=20%")',
    ),
    'ssh-keygen -t ed25519 -N "" -C release -f ~/.ssh/wheelhouse-release': (
        "tests/integration/index/test_fleets.py",
        'ssh-keygen -t ed25519 -N "" -C release -f ~/.ssh/wheelhouse-release',
    ),
    "systemctl start wheelhouse-pull": ("tests/integration/index/test_fleets.py", '"systemctl start wheelhouse-pull"'),
    "systemctl status wheelhouse-pull": (
        "tests/integration/index/test_fleets.py",
        '"systemctl status wheelhouse-pull"',
    ),
    "journalctl -u wheelhouse-pull": ("tests/integration/index/test_fleets.py", '"journalctl -u wheelhouse-pull '),
    "cp examples/inventory/cmdb.py examples/inventory/machines.csv inventories/acme/": (
        "tests/unit/test_inventory_example.py",
        "cp examples/inventory/cmdb.py examples/inventory/machines.csv inventories/acme/",
    ),
    "sha256sum extras/*": ("tests/unit/index/test_air_gap.py", '"sha256sum extras/*"'),
    "ssh-keygen -Y verify -f allowed_signers -I wheelhouse-export -n wheelhouse-export"
    " -s manifest.json.sig < manifest.json": (
        "tests/unit/index/test_air_gap.py",
        "-s manifest.json.sig < manifest.json",
    ),
    "wheelhouse-transfer": ("tests/integration/index/test_air_gap.py", "/usr/local/sbin/wheelhouse-transfer"),
    "wheelhouse-transfer --since /root/receipt-000001.json --refused-too": (
        "tests/integration/index/test_air_gap.py",
        "wheelhouse-transfer --since /root/receipt-000001.json --refused-too",
    ),
    "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.migrate_store": (
        "tests/integration/cluster/test_zz_migration.py",
        'play("wheelhouse.onboarding.migrate_store", inventory=INVENTORY)',
    ),
    "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.migrate_store"
    " -e migrate_store_back=true": (
        "tests/integration/cluster/test_zz_migration.py",
        '"wheelhouse.onboarding.migrate_store", "-e", "migrate_store_back=true"',
    ),
    "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.promote_database": (
        "tests/integration/cluster/test_promotion.py",
        'play("wheelhouse.onboarding.promote_database"',
    ),
    "ansible-test sanity": ("tests/tools/sanity.py", 'command = [BIN / "ansible-test", "sanity"'),
    "corporate-password": ("tests/integration/clients/test_corporate_password.py", '"ada", "-c", "corporate-password"'),
    "docker build --network host": ("tests/integration/docker_builds.py", "--network host"),
    "docker build --secret id=netrc,src=$HOME/.netrc --secret id=pip,src=/etc/pip.conf"
    " --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt --build-arg HTTP_PROXY --build-arg HTTPS_PROXY"
    " --build-arg NO_PROXY --tag app .": ("tests/integration/docker_builds.py", "of_settings(DOCKERFILE, 1)"),
    "export DOCKER_BUILDKIT=1": ("tests/integration/docker_builds.py", "export DOCKER_BUILDKIT=1"),
    "install.cmd": ("tests/unit/bundles/conftest.py", '"cmd", "/c", "install.cmd"'),
    "install.sh": ("tests/unit/bundles_posix/test_posix_account.py", "&& sh install.sh"),
    "make docs": ("Makefile", "sanity unit docs $(SETS:%=on-%)"),
    "make lint": ("Makefile", "\ntest: lint "),
    "make molecule": ("Makefile", "sanity unit docs $(SETS:%=on-%)"),
    "molecule converge": ("Makefile", "$(step) --show \"$$scenario\" -- molecule $${run%:*} "),
    "molecule destroy": ("Makefile", "demo/destroy.yml"),
    "molecule test": ("Makefile", "verify:interrupted test:default "),
    "molecule verify": ("Makefile", "$(step) --show \"$$scenario\" -- molecule $${run%:*} "),
    "make sanity": ("Makefile", "sanity unit docs $(SETS:%=on-%)"),
    "make setup": ("Makefile", "\nlint: setup "),
    "make test": (".ci/run", "make test 2>&1"),
    "sh ~/.config/wheelhouse/install.sh": (
        "tests/unit/bundles_posix/test_posix_account.py",
        '"sh ~/.config/wheelhouse/install.sh"',
    ),
    "sh ~/.config/wheelhouse/uninstall.sh": (
        "tests/unit/bundles_posix/test_posix_account.py",
        "&& sh ~/.config/wheelhouse/uninstall.sh",
    ),
    "sh install.sh": ("tests/unit/bundles_posix/test_posix_account.py", "&& sh install.sh"),
    "ssh -G": ("tests/unit/bundles_posix/test_posix_account.py", '"ssh -G jupyter-1"'),
    "systemctl --user": ("tests/integration/clients/test_everywhere.py", "/run/user/{uid} systemctl --user"),
    "systemd-run --user": ("tests/integration/clients/test_everywhere.py", "{as_ada}systemd-run --user "),
    "systemctl status wheelhouse-relay wheelhouse-relay-ntlm": (
        "tests/integration/clients/test_relay.py",
        '"systemctl status wheelhouse-relay wheelhouse-relay-ntlm"',
    ),
    "runuser -u ada -- mkdir /home/ada/restored": (
        "tests/integration/office/test_backup_of_homes.py",
        "runuser -u ada -- mkdir /home/ada/restored",
    ),
    "runuser -u ada -- tar --extract --directory /home/ada/restored < /root/ada.tar": (
        "tests/integration/office/test_backup_of_homes.py",
        "runuser -u ada -- tar --extract --directory /home/ada/restored < /root/ada.tar",
    ),
    "wheelhouse-backup home ada > /root/ada.tar": (
        "tests/integration/office/test_backup_of_homes.py",
        "wheelhouse-backup home ada > /root/ada.tar",
    ),
    "uninstall.cmd": ("tests/unit/bundles/conftest.py", '"cmd", "/c", "uninstall.cmd"'),
}  # fmt: skip

# What sentences speak of, for nobody to type: {words: where it is tried}
SPOKEN_OF = {
    "-e index_database_promoted=db-2.acme.example": "with several standbys; cluster/test_promotion.py has one",
    "-e fleet_state=absent": "with a host, how tests/integration/index/test_fleets.py ends",
    "wheelhouse-pull": "what its unit runs: roles/fleet/files/wheelhouse-pull.service, in index/test_fleets.py",
    "-e damaged=accepted": "what restore.yml hands to wheelhouse-backup: unit/backup/test_index.py",
    "restic restore": "what the program runs in each drill: unit/backup/test_index.py",
    "restore.yml -e from=latest": "the same with the inventory: documentation/test_hosts.py",
    "--override-channels -c other": "conda's arguments in the table of what is refused: clients/test_conda.py",
    "-b -p PREFIX": "how the role calls an installer of conda: demo/conda-installer.sh takes it so",
    "-c other": "conda's argument in the same table: clients/test_conda.py",
    "-vvv --diff": "how secrets are searched for: secrets/test_secrets.py",
    "conda install https://.../package.conda": "a row of the same table: what nothing prevents",
    "docker inspect": "where secrets are searched for: secrets/test_secrets.py",
    "docker save": "how the tests' own image becomes a file: demo/images",
    "--tags people": "what people.yml runs: test_tags.py compares the two",
    "--tags secrets": "what rotate.yml runs: test_tags.py compares the two",
    "site.yml --tags people": "test_tags.py",
    "site.yml --tags secrets": "test_tags.py",
}

# What cannot be run where the tests run
EXCUSED = {
    "make demo": "an office of its own; those of the tests are set up by the same steps (demo/up)",
    "make demo-cluster": "hosts of its own beside those of the tests; `make integration` runs its proof on them",
    "make demo-cluster-down": "the end of that",
    "make demo-down": "the end of that; the tests' hosts go by the same playbook (demo/destroy.yml)",
    "ansible-playbook -i inventories/demo site.yml": "what `make demo` runs; molecule/converge.yml is the same",
    ".venv/bin/ansible-playbook -i inventories/demo site.yml": "the same",
    "make lock": "asks a registry for the newest versions; test_repository.py looks at the result",
    "make bench": "22 minutes of measuring on a machine that does nothing else",
    "make test-long": "the same tests as `make test`, with a marker, for hours",
    "docker compose build": "no Compose that knows secrets is to be had",
    "conda activate": "the conda that is to be had brings no functions for shells, and the README says so",
    "security add-trusted-cert": "a Mac's",
    "jupyter.cmd": "a Windows with an SSH client",
    "ssh jupyter": "the same",
}


def places(text: str) -> set[str]:
    return {one.place for one in found() if one.text == text}


@pytest.fixture(scope="module")
def everything() -> list[Found]:
    return found()


@pytest.fixture(scope="module")
def commands() -> list[Typed]:
    return typed()


def without_a_test(everything: list[Found], commands: list[Typed]) -> list[str]:
    """What nothing runs, and what nobody has said a reason for."""
    listed = ELSEWHERE.keys() | SPOKEN_OF.keys() | EXCUSED.keys()
    return [
        f"{one.place}: {one.text}"
        for one in everything
        if one.kind in ("command", "named", "arguments")
        and not runs(one, commands)
        and one.text not in listed
        and not one.place.startswith(CI_JOBS)
    ]


def test_the_documentation_is_read(everything: list[Found]) -> None:
    kinds = [one.kind for one in everything]
    assert kinds.count("command") > 40
    assert kinds.count("named") > 100
    assert {one.place.rpartition(":")[0] for one in everything} >= {
        *("README.md", "SECURITY.md", "docs/security.md", "examples/ci/gitlab-ci.yml", "examples/docker/Dockerfile"),
        *("inventories/example/hosts.yml", "inventories/example/group_vars/all/vault.yml"),
    }


def test_every_command_is_run_or_there_is_a_reason(everything: list[Found], commands: list[Typed]) -> None:
    assert without_a_test(everything, commands) == []


def test_nothing_between_backticks_is_a_riddle(everything: list[Found]) -> None:
    """A new program belongs into PROGRAMS, a new form of a setting into NO_COMMAND, of documented_commands.py."""
    assert [one for one in everything if one.kind == "unknown"] == []


def test_every_playbook_that_is_named_is_there(everything: list[Found]) -> None:
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    # files of other kinds that sentences name
    files = {path.stem for path in (ROOT / "inventories" / "example").rglob("*.yml")} | {"galaxy", "requirements"}
    roles = {path.name for path in (ROOT / "roles").iterdir()}
    named = {(one.text, one.place) for one in everything if one.kind == "playbook"}
    stems = {(re.sub(r"^playbooks/|\.yml$|^wheelhouse\.onboarding\.", "", text), place) for text, place in named}
    assert {one for one in stems if one[0] not in playbooks | files | roles} == set()


@pytest.mark.parametrize("text", [*ELSEWHERE, *SPOKEN_OF, *EXCUSED])
def test_no_entry_is_stale(everything: list[Found], commands: list[Typed], text: str) -> None:
    """It is in the documentation, and no test runs it meanwhile."""
    shown = [one for one in everything if one.text == text]
    assert shown, "it is no longer in the documentation"
    assert not all(runs(one, commands) for one in shown), "a test runs it: take it out of the list"


@pytest.mark.parametrize("text", ELSEWHERE)
def test_what_runs_elsewhere_is_run_there(text: str) -> None:
    file, words = ELSEWHERE[text]
    assert [words] if words not in (ROOT / file).read_text(encoding="utf-8") else [] == []


def test_the_jobs_of_ci_are_run_from_their_files() -> None:
    files = [path.name for path in (ROOT / CI_JOBS).iterdir()]
    source = "".join((ROOT / test).read_text(encoding="utf-8") for test in CI_JOBS_TESTS)
    assert [name for name in files if f'"{CI_JOBS}{name}"' not in source] == []


def test_no_test_types_what_nobody_is_told_to(everything: list[Found], commands: list[Typed]) -> None:
    assert [command for command in commands if not any(runs(one, [command]) for one in everything)] == []


def test_few_are_excused() -> None:
    assert len(EXCUSED) <= 14


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```sh\nwheelhouse-doctor --new   # says more\n```\n", "wheelhouse-doctor --new"),
        ("1. so:\n\n   ```sh\n   uv pip install \\\n       idna\n   ```\n", "uv pip install idna"),
        ("Type `uv python pin 3.12` there", "uv python pin 3.12"),
        ("or `ansible-playbook\n-i acme acme.new`", "ansible-playbook -i acme acme.new"),
        ("with `-e rotate_all=true`", "-e rotate_all=true"),
        ("`sudo systemctl restart nginx`", "sudo systemctl restart nginx"),
        ("`X=1 /opt/acme/bin/uv sync --all`", "X=1 /opt/acme/bin/uv sync --all"),
    ],
)  # fmt: skip
def test_a_new_command_needs_a_test(commands: list[Typed], text: str, expected: str) -> None:
    new = [Found(words, "README.md:1", kind) for words, _, kind in of_markdown(text)]
    assert without_a_test(new, commands) == [f"README.md:1: {expected}"]


@pytest.mark.parametrize(
    "text",
    [
        "# with\n#     uv tool install \\\n#         black\n",
        "on_failure: uv tool install black\n",
        "#   uv tool install black\n",
    ],
)
def test_a_command_in_a_setting_or_a_comment(text: str) -> None:
    assert [words for words, _, _ in of_settings(text, 1)] == ["uv tool install black"]


def test_a_program_that_is_new_is_asked_about() -> None:
    assert [kind for _, _, kind in of_markdown("Use `frobnicate the index`.")] == ["unknown"]
    assert [kind for _, _, kind in of_markdown("`state: absent`, `x = 1`, `[a, b]` and `POST /`")] == []


def test_words_are_compared_whole() -> None:
    assert stands_in("uv publish", "uv build && uv publish")
    assert not stands_in("uv publish", "uv publishes")
