"""What every test may ask for: a lab on SQLite, a lab on PostgreSQL, and a database server that comes as a wheel."""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.lab import Lab, make_lab
from tests.remembering import SCHEME, remembering

LabMaker = Callable[..., Lab]

# What is measured are the tests' own processes. Servers and hosts that they start run at their own pace, and are
# reached in process too; measured as well, they took a third of the processor's time.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


# A port, a firmware's pace, a browser, another's program: what needs those may stumble on a busy computer. It is tried
# a second time, and what was seen the first time is shown at the end; all other tests have one attempt.
OUTSIDE = frozenset({"browser", "drivers", "peers", "runs", "stories", "web"})
SECOND_ATTEMPTS = 5  # more than so many in one run are no accident: it fails


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] in OUTSIDE and "soak" not in item.keywords:
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"tried again: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and len(reporter.stats.get("rerun", ())) > SECOND_ATTEMPTS:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL server, started once for each test process."""
    # A folder of its own: as root the server runs as somebody else, and every pytest that starts on this computer
    # closes pytest's common folder to others again.
    with tempfile.TemporaryDirectory(prefix="fablab-pg-") as folder, warnings.catch_warnings():
        # The wheel asks for a runtime directory that a bare machine does not have, and falls back by itself.
        warnings.simplefilter("ignore")
        import pgserver

        server = pgserver.get_server(Path(folder) / "data")
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        _forget_power_cuts(url)
        yield url
        server.cleanup()


def _forget_power_cuts(url: str) -> None:
    """No test pulls the plug of this server: waiting for the disk would only be waiting."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh database on it."""
    name = f"lab_{uuid.uuid4().hex[:12]}"
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres_server.replace("/postgres?", f"/{name}?")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Both engines, one after the other."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'lab.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def lab_maker(tmp_path: Path) -> Iterator[LabMaker]:
    made: list[Lab] = []

    def make(url: str | None = None, **options: object) -> Lab:
        lab = make_lab(url or f"{SCHEME}:///{tmp_path / 'lab.db'}", tmp_path, **options)  # type: ignore[arg-type]
        made.append(lab)
        return lab

    yield make
    for lab in made:
        lab.database.dispose()


@pytest.fixture
def lab(lab_maker: LabMaker) -> Lab:
    """On SQLite."""
    return lab_maker()


@pytest.fixture
def any_lab(lab_maker: LabMaker, database_url: str) -> Lab:
    """On SQLite, and again on PostgreSQL."""
    return lab_maker(remembering(database_url))
