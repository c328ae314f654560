"""The container is replaced while people work, and none of them notices; a new version that is of no use changes nothing.

The images of other versions are made on the index host, from the one that it has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from company import ROOT, Run, eventually, play, site
from gateway import Gateway
from shelf import Shelf
from testinfra.host import Host
from working import people_at_work

NAME = "wheelhouse-index"
PACKAGE = "/opt/wheelhouse/lib/python3.*/site-packages/wheelhouse"
IMAGE = "wheelhouse-index:tried"
OTHER = "cached"
"""A setting for which the container is another one: it gets the host's network."""
VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]


class Container:
    """The index's container, and images like its own."""

    def __init__(self, index: Host) -> None:
        self.index = index

    @property
    def id(self) -> str:
        return str(self.index.check_output("docker inspect --format '{{.Id}}' wheelhouse-index"))

    @property
    def image(self) -> str:
        return str(self.index.check_output("docker inspect --format '{{.Image}}' wheelhouse-index"))

    @property
    def all(self) -> list[str]:
        """The names of all containers of the index."""
        found = self.index.check_output("docker ps --all --format '{{.Names}}' --filter name=wheelhouse-index")
        return sorted(found.split())

    def make(self, change: str, label: str = "") -> None:
        """Make an image of another version: `change` is run as root in a container of this one."""
        base = self.index.check_output("docker inspect --format '{{.Config.Image}}' wheelhouse-index")
        lines = [
            f"FROM {base}",
            "USER 0",
            f"RUN {change or 'true'}",
            "USER 9898:9898",
            'LABEL org.wheelhouse.content=""',  # made by hand: the role takes it for what it is called
            f"LABEL org.opencontainers.image.version={label or '9.9'}",
        ]
        build = "DOCKER_BUILDKIT=0 docker build --quiet --network none --tag %s -"
        self.index.check_output(f"printf '%%s\\n' %s | {build}", "\n".join(lines), IMAGE)


@pytest.fixture
def container(index: Host, settings, tmp_path: Path) -> Iterator[Container]:
    container = Container(index)
    yield container
    settings.apply()
    assert apply(tmp_path).rc == 0
    index.run("docker image rm --force %s", IMAGE)
    assert container.all == [NAME]


def apply(directory: Path, **variables: object) -> Run:
    """Run the role `pypi_index` with these settings; it may fail."""
    file = directory / "extra.json"
    file.write_text(json.dumps(variables | {"roles_to_run": ["pypi_index"]}))
    return play(Path(__file__).with_name("roles.yml"), "--extra-vars", f"@{file}", check=False)


@pytest.mark.long
def test_nobody_notices_a_new_setting(
    container: Container, gateway: Gateway, shelf: Shelf, settings, version: str
) -> None:
    before = container.id
    with people_at_work(gateway, version) as work:
        settings.apply(pypi_index_upstream=OTHER)
        assert container.id != before and container.all == [NAME]
        work.goes_on()
        settings.apply()  # and back again
    assert container.all == [NAME]
    assert " 0 problems" in shelf.run("verify")


def test_nobody_notices_a_new_version(
    container: Container, gateway: Gateway, shelf: Shelf, version: str, tmp_path: Path
) -> None:
    container.make("")
    with people_at_work(gateway, f"{version}.1"):
        run = apply(tmp_path, pypi_index_image=IMAGE)
        assert run.rc == 0, run.output[-4000:]
    assert container.all == [NAME]
    assert shelf.host.check_output("docker image inspect --format '{{.Id}}' %s", IMAGE) == container.image
    assert apply(tmp_path, pypi_index_image=IMAGE).changed == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "echo 'raise SystemExit(\"it is of no use\")' >>/opt/wheelhouse/gunicorn.conf.py",
            "does not start: it is of no use",
        ),
        (
            f"echo 'def parse_filename(_): raise BadDistribution(\"no file is right\")' >>$(ls {PACKAGE}/formats/distribution.py)",
            "does not take an upload: it answers 400, no file is right",
        ),
        (
            f"echo 'def is_current(_): return False' >>$(ls {PACKAGE}/index/migrations/__init__.py);"
            f" echo 'def upgrade(_): raise OSError(28, \"No space left on device\")' >>$(ls {PACKAGE}/index/migrations/__init__.py)",
            "No space left on device",
        ),
        (
            "rm -r /opt/wheelhouse/lib/python3.*/site-packages/wheelhouse",
            "ModuleNotFoundError",
        ),
    ],
    ids=["does not start", "takes no uploads", "cannot change the tables", "has no program"],
)
def test_a_version_that_is_of_no_use(
    container: Container, gateway: Gateway, version: str, tmp_path: Path, change: str, said: str
) -> None:
    before = container.id
    container.make(change)
    with people_at_work(gateway, f"{version}.2"):
        run = apply(tmp_path, pypi_index_image=IMAGE)
    assert run.rc != 0
    assert said in " ".join(run.output.split())
    assert (container.id, container.all) == (before, [NAME])


@pytest.mark.long
def test_a_container_that_ends_by_itself_is_not_waited_for(
    container: Container, gateway: Gateway, version: str, tmp_path: Path
) -> None:
    """A setting with which it cannot start, which the trial does not see."""
    before = container.id
    with people_at_work(gateway, f"{version}.3"):
        run = apply(tmp_path, pypi_index_upstream=OTHER, pypi_index_memory="16m")
    assert run.rc != 0
    assert "The new container of the package index does not work" in " ".join(run.output.split())
    assert (container.id, container.all) == (before, [NAME])


@pytest.mark.long
def test_an_interrupted_replacement_is_finished(
    container: Container, gateway: Gateway, index: Host, settings, version: str
) -> None:
    """As after a kill of the run at its worst moments."""
    settings.apply(pypi_index_upstream=OTHER)
    with people_at_work(gateway, f"{version}.4") as work:
        # the second one answers already
        image = container.image
        second = (
            "docker run --detach --name wheelhouse-index-second --network none --read-only --tmpfs /tmp"
            " --volume /run/wheelhouse-index:/run/wheelhouse-index --volume /srv/wheelhouse/shelf:/shelf"
            " --volume /srv/wheelhouse/cache:/cache --volume /srv/wheelhouse/config:/config:ro %s"
        )
        index.check_output(f"{second} && docker exec wheelhouse-index-second wheelhouse take-over", image)
        work.goes_on()
        settings.apply()
        assert container.all == [NAME]
        work.goes_on()
        # the first one has lost its name, and nothing has it
        index.check_output("docker rename wheelhouse-index wheelhouse-index-first")
        settings.apply(pypi_index_upstream=OTHER)
        assert container.all == [NAME]


@pytest.mark.long
def test_an_upgrade_and_the_way_back(
    container: Container, gateway: Gateway, index: Host, settings, version: str
) -> None:
    container.make("", label="0.0.9")
    settings.apply(pypi_index_image=IMAGE)
    with people_at_work(gateway, f"{version}.5"):
        said = " ".join(site(playbook="upgrade").output.split())
    assert f"the package index runs 0.0.9, and this collection is {VERSION}. Its program is replaced." in said
    assert "a file was published in the trial" in said and "The tables stay as they are" in said
    with people_at_work(gateway, f"{version}.6"):
        said = " ".join(settings.play("upgrade").output.split())
    assert f"the package index runs {VERSION}, and" in said
    assert container.all == [NAME]
    failed = "systemctl list-units --failed --plain --no-legend | grep -v wheelhouse-intake"
    eventually(lambda: not index.run(failed).stdout, "no unit is failed", 90)
