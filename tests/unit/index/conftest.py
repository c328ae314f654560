"""One shelf and configuration for each test, and the application on top."""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest
from memory import in_memory
from wheelhouse.index import changes, migrations, takeover
from wheelhouse.index.opening import open_index
from wheelhouse.index.transaction import Index
from wheelhouse.store import foreign, local
from wheelhouse.store_settings import ObjectStore
from wheelhouse.upstream import http_client
from wheelhouse.web.app import application

from . import postgresql, seaweed, second_gateway, tables_at_once
from .everything import Everything
from .intake import Office
from .public import PublicIndex, public_wheel, stopping
from .public_channel import PublicChannel
from .samples import PASSWORD, SETTINGS, Client

HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture
def config(tmp_path: Path, database: postgresql.Settings | None, store_settings: ObjectStore | None) -> Path:
    directory = tmp_path / "config"
    directory.mkdir()
    postgresql.configure(directory, database)
    seaweed.configure(directory, store_settings)
    (directory / "config.json").write_text(json.dumps(SETTINGS))
    (directory / "htpasswd").write_text(f"ada:{HASH}\nbob:{HASH}\n")
    return directory


@pytest.fixture
def configure(config: Path) -> Callable[..., None]:
    """Change keys of config.json."""
    path = config / "config.json"
    return lambda **changes: path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def root() -> Iterator[Path]:
    """Where the shelf is: in memory where that is possible, because these tests sync a great many files."""
    directory = tempfile.mkdtemp(dir=in_memory())
    yield Path(directory) / "shelf"
    shutil.rmtree(directory)


@pytest.fixture
def cache(root: Path) -> Path:
    """Where copies of public files are."""
    return root.with_name("cache")


@pytest.fixture(autouse=True)
def files_lie_where_they_did() -> Iterator[None]:
    """The program has its temporary files on its shelf, which is gone after the test."""
    before = tempfile.tempdir
    yield
    tempfile.tempdir = before


@pytest.fixture(autouse=True)
def no_sync_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is published together is synced with its disk, which takes as long as whatever else this machine does."""
    for module in (changes, takeover, local):
        monkeypatch.setattr(module, "sync_disk", lambda _: None)


@pytest.fixture(autouse=True)
def tables_are_made_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new database has them without each step from one form to the next; that was half of what a test began with."""
    if request.path.name != "test_migrations.py":
        monkeypatch.setattr(migrations, "upgrade", tables_at_once.upgrade)


@pytest.fixture(autouse=True)
def pauses_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is down is asked as often as ever, but not for half a minute."""
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(http_client, "LONGEST_OWN_PAUSE", 0.1)


@pytest.fixture
def store_settings() -> ObjectStore | None:
    """Where bytes are: in the shelf (None), unless the tests are to have them on a server, see `test_postgresql`."""
    return seaweed.of_this_run()


@pytest.fixture(autouse=True)
def database(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    store_settings: ObjectStore | None,
) -> Iterator[postgresql.Settings | None]:
    """Where state is: in the shelf (None), unless the tests are to run on a server, see `test_postgresql`."""
    monkeypatch.delenv("WHEELHOUSE_CONFIG", raising=False)
    socket = os.environ.get(postgresql.SERVER)
    if not socket:
        yield None
        return
    template = "template1" if request.path.name == "test_migrations.py" else tables_at_once.template(socket)
    with postgresql.database(socket, template) as settings:
        directory = tmp_path_factory.mktemp("config")
        postgresql.configure(directory, settings)
        seaweed.configure(directory, store_settings)
        monkeypatch.setenv("WHEELHOUSE_CONFIG", str(directory))
        yield settings


@pytest.fixture(autouse=True)
def second(
    database: postgresql.Settings | None, store_settings: ObjectStore | None
) -> Iterator[second_gateway.Second | None]:
    """A gateway beside the one that a test works on, if there is to be one; in the end it shows the same."""
    with second_gateway.following(database, store_settings) as second:
        yield second
        if second:
            second.agrees()


@pytest.fixture(scope="session")
def socket() -> Iterator[str]:
    """The directory with the socket of a PostgreSQL."""
    if known := os.environ.get(postgresql.SERVER):
        yield known
        return
    if not postgresql.IS_THERE:
        pytest.skip("PostgreSQL is not installed")
    with postgresql.server() as socket:
        yield socket


@pytest.fixture(scope="session")
def seaweed_server() -> Iterator[seaweed.Seaweed]:
    """An object store, which tests stop and start."""
    if not seaweed.WEED:
        pytest.skip("SeaweedFS is not installed")
    with seaweed.server() as server:
        yield server


@pytest.fixture
def index(root: Path, database: postgresql.Settings | None) -> Iterator[Index]:
    """The index on an empty shelf."""
    index = open_index(root)
    yield index
    index.database.close()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, config: Path, root: Path, cache: Path) -> None:
    """What the program finds the shelf, the configuration and the cache by."""
    monkeypatch.setenv("WHEELHOUSE_SHELF", str(root))
    monkeypatch.setenv("WHEELHOUSE_CONFIG", str(config))
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(cache))


@pytest.fixture
def public() -> Iterator[PublicIndex]:
    """A public index with one file of `requests`."""
    with stopping(PublicIndex()) as index:
        index.projects["requests"] = [public_wheel()]
        yield index


@pytest.fixture
def client(environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    level = logging.getLogger().level
    yield Client(application())
    logging.getLogger().setLevel(level)


@pytest.fixture
def office(
    environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, root: Path, configure: Callable[..., None]
) -> Iterator[Office]:
    """An empty public index, and a list to be written."""
    monkeypatch.setenv("WHEELHOUSE_INTAKE", str(tmp_path / "intake"))
    with stopping(PublicIndex()) as index:
        configure(upstream_url=index.url)
        yield Office(tmp_path / "intake", root, index)


@pytest.fixture
def nothing(office: Office, second: second_gateway.Second | None) -> Everything:
    """The office's index, with nothing on its shelf."""
    open_index(office.shelf).database.close()
    return Everything(office.shelf, second)


@pytest.fixture
def channel(office: Office) -> Iterator[PublicChannel]:
    """An empty public channel, which the list of the office calls conda-forge."""
    with stopping(PublicChannel()) as channel:
        office.channels = {"conda-forge": channel.url}
        yield channel


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are copied in count as whole at once."""
    monkeypatch.setattr(foreign, "QUIET", 0.0)
