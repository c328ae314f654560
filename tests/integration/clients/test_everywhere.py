"""The proxy's environment is there in whatever starts a program: shells, ssh, cron, systemd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from company import Office, eventually
from testinfra.host import Host

PROXY = "https_proxy=http"


@pytest.fixture
def services_of_ada(workstation: Host) -> Iterator[str]:
    """Ada's systemd runs, as it does while she is logged in; how to ask it."""
    # what a desktop or a server has, and the smallest Debian has not
    workstation.check_output("apt-get -qq install --no-install-recommends libpam-systemd </dev/null")
    uid = workstation.check_output("id -u ada")
    workstation.check_output(f"systemctl start user@{uid}.service")
    yield f"runuser -u ada -- env XDG_RUNTIME_DIR=/run/user/{uid} systemctl --user"
    workstation.check_output(f"systemctl stop user@{uid}.service")
    workstation.check_output("apt-get -qq purge libpam-systemd </dev/null")


@pytest.fixture
def cron(workstation: Host) -> Iterator[None]:
    workstation.check_output("apt-get -qq install --no-install-recommends cron </dev/null")
    yield
    workstation.check_output("crontab -u ada -r && apt-get -qq purge cron </dev/null")


@pytest.mark.parametrize(
    "shell",
    [
        "su - ada -c env",
        "runuser -u ada -- env -i HOME=/home/ada bash -ic env",  # a terminal that is no login shell
        "runuser -u ada -- env -i /usr/local/bin/corporate-env env",
        "runuser -u ada -- env -i /usr/local/bin/corporate-env -c 'env | sort'",
    ],
)
def test_shells(workstation: Host, shell: str) -> None:
    environment = workstation.run(shell).stdout
    assert PROXY in environment
    assert "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt" in environment


def test_a_command_through_ssh(office: Office) -> None:
    assert PROXY in office.succeed_as("ada", "ssh wheelhouse-jupyter env")


def test_services_of_a_person(workstation: Host, services_of_ada: str) -> None:
    directory = f"/run/user/{workstation.check_output('id -u ada')}"
    service = r"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'env >%t/environment'\n"
    workstation.check_output(
        f"mkdir -p {directory}/systemd/user && printf %s >{directory}/systemd/user/hers.service",
        service.replace("%", "%%"),
    )
    workstation.check_output(f"{services_of_ada} daemon-reload && {services_of_ada} start hers.service")
    assert PROXY in workstation.check_output(f"cat {directory}/environment")
    as_ada = services_of_ada.removesuffix("systemctl --user")
    save = f"env >{directory}/new && mv {directory}/new {directory}/other"
    workstation.check_output(f"{as_ada}systemd-run --user --quiet sh -c '{save}'")
    eventually(lambda: workstation.file(f"{directory}/other").exists, "a service without a file of its own ran")
    assert PROXY in workstation.check_output(f"cat {directory}/other")


def test_a_service_of_the_machine(workstation: Host) -> None:
    service = "systemd-run --quiet --pipe --wait -p EnvironmentFile=/etc/wheelhouse/proxy.env env"
    assert PROXY in workstation.check_output(service)


def test_a_job_of_cron(workstation: Host, cron: None) -> None:
    """With the one line that the README gives; jobs for `@reboot` are those that one needs not wait a minute for."""
    workstation.check_output("rm -f /run/crond.reboot /tmp/cron-environment")
    lines = r"SHELL=/usr/local/bin/corporate-env\n@reboot env >/tmp/cron-environment.new; mv /tmp/cron-environment.new /tmp/cron-environment\n"
    workstation.check_output(f"printf '{lines}' | crontab -u ada -")
    workstation.check_output("systemctl restart cron")
    eventually(lambda: workstation.file("/tmp/cron-environment").exists, "cron has run the job", 30)
    assert PROXY in workstation.check_output("cat /tmp/cron-environment; rm /tmp/cron-environment")
