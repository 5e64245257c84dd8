"""Every fault of every driver, at each of four moments: the run ends in the state that the table names.

The cases of one driver are played at the same time, each on a mock of its own, because nearly all of their time is
waiting. `python -m tests.drivers.test_fault_matrix` writes docs/faults.md anew.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fablab.device import Safety
from fablab.runs.models import RunState
from tests.drivers.matrix.play import Ended, FastClock, Phase, played
from tests.drivers.matrix.rigs import RIGS
from tests.drivers.matrix.table import MATRIX, Row, page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
AT_ONCE = 8
CASES = [
    pytest.param(
        driver,
        row,
        phase,
        id=f"{driver}-{row.fault}-{phase}",
        marks=pytest.mark.xdist_group("matrix"),
    )
    for driver, rows in MATRIX.items()
    for row in rows
    for phase in Phase
]
Outcomes = dict[tuple[str, Phase], Ended | BaseException]


async def _play_all(driver: str, folder: Path, at_once: int = AT_ONCE) -> Outcomes:
    free = asyncio.Semaphore(at_once)

    async def one(row: Row, phase: Phase) -> Ended:
        place = folder / f"{row.fault.replace(':', '-')}-{phase}"
        place.mkdir()
        clock = FastClock()
        async with free, RIGS[driver](place, clock) as rig:
            return await played(rig, clock, row.fault, phase)

    wanted = [(row, phase) for row in MATRIX[driver] for phase in Phase]
    ended = await asyncio.gather(*(one(row, phase) for row, phase in wanted), return_exceptions=True)
    return {(row.fault, phase): how for (row, phase), how in zip(wanted, ended, strict=True)}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcomes]:
    """Filled by the first case of each driver."""
    return {}


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("driver", "row", "phase"), CASES)
def test_a_run_ends_as_the_table_says(
    driver: str,
    row: Row,
    phase: Phase,
    outcomes: dict[str, Outcomes],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if driver not in outcomes:
        outcomes[driver] = asyncio.run(_play_all(driver, tmp_path_factory.mktemp(driver)))
    ended = outcomes[driver][row.fault, phase]
    if isinstance(ended, BaseException):
        raise ended
    assert row.allows(phase, ended.state), ended
    assert ended.truth.starts <= 1, "begun twice"
    assert not ended.resumed_by_itself
    assert ended.truth.whole or ended.state is not RunState.SUCCEEDED
    assert not ended.truth.whole or ended.state not in (RunState.FAILED, RunState.CANCELLED)
    assert not (ended.safe is Safety.CONFIRMED and ended.truth.hot), "called safe, and hot"


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.drivers.test_fault_matrix"


if __name__ == "__main__":
    PAGE.write_text(page())
