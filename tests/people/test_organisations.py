"""Official numbers of organisations, and who speaks for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound
from fablab.people import organisations
from fablab.people.models import Audience, Seat
from fablab.people.organisations import Firm, siret, uai
from tests.lab import Lab

INSEE = "12002701600563"  # INSEE's own seat


@pytest.mark.parametrize(
    "said",
    [
        INSEE,
        "120 027 016 00563",
        "35600000000048",  # La Poste's seat: Luhn's sum holds
        "35600000049837",  # a post office: only the plain sum does
        "732 829 320 00074",
    ],
)
def test_a_siret_is_taken_with_or_without_blanks(said: str) -> None:
    found = siret(said)
    assert found is not None
    assert len(found) == 14


@pytest.mark.parametrize(
    "said", ["1", "12002701600564", "3560000004983", "35600000049838", "7328293200007a", "٣" * 14]
)
def test_what_is_no_siret_is_sent_back(said: str) -> None:
    with pytest.raises(Invalid, match="siret"):
        siret(said)


@given(st.integers(0, 10**13 - 1), st.integers(0, 13), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(start: int, place: int, more: int) -> None:
    """Luhn's promise; La Poste's own sum does not make it, so its numbers are left out."""
    body = f"{start:013d}"
    if body.startswith("356000000"):
        return
    whole = next(body + check for check in "0123456789" if _is_siret(body + check))
    wrong = whole[:place] + str((int(whole[place]) + more) % 10) + whole[place + 1 :]
    assert wrong.startswith("356000000") or not _is_siret(wrong)


def _is_siret(said: str) -> bool:
    try:
        return siret(said) is not None
    except Invalid:
        return False


@pytest.mark.parametrize("said", ["0750655E", "0620001p", " 0750655 e "])
def test_a_uai_is_taken_as_people_type_it(said: str) -> None:
    found = uai(said)
    assert found is not None
    assert found[-1].isupper()


@pytest.mark.parametrize("said", ["0750655F", "750655E", "0750655", "07506551", "0750655O"])
def test_what_is_no_uai_is_sent_back(said: str) -> None:
    with pytest.raises(Invalid, match="uai"):
        uai(said)


def test_no_number_is_no_mistake() -> None:
    assert (siret(" "), uai("")) == (None, None)


@pytest.fixture
def school(lab: Lab) -> int:
    """The maker speaks for it, the other belongs to it."""
    with lab.database.begin(lab.staff) as uow:
        row = organisations.create(uow, Firm(name="Lycée", audience=Audience.SCHOOL))
        for who, seat in (("maker", Seat.MANAGER), ("other", Seat.MEMBER)):
            member_id = lab.actors[who].member_id
            assert member_id is not None
            organisations.add(uow, row.id, member_id, seat)
        return row.id


def test_a_name_stands_once(lab: Lab, school: int) -> None:
    with pytest.raises(Conflict, match="taken"), lab.database.begin(lab.staff) as uow:
        organisations.create(uow, Firm(name="Lycée", audience=Audience.SCHOOL))


def test_whoever_speaks_for_it_changes_its_name_but_not_its_prices(lab: Lab, school: int) -> None:
    with lab.database.begin(lab.maker) as uow:
        organisations.edit(uow, school, Firm(name="Lycée neuf", audience=Audience.SCHOOL))
    with pytest.raises(Forbidden), lab.database.begin(lab.maker) as uow:
        organisations.edit(uow, school, Firm(name="Lycée", audience=Audience.PERSONAL))


def test_whoever_only_belongs_to_it_changes_nothing_but_may_leave(lab: Lab, school: int) -> None:
    other = lab.actors["other"]
    with pytest.raises(Forbidden, match="not_yours"), lab.database.begin(other) as uow:
        organisations.edit(uow, school, Firm(name="Mine", audience=Audience.SCHOOL))
    with lab.database.begin(other) as uow:
        organisations.leave(uow, school)
    with pytest.raises(NotFound), lab.database.begin(other) as uow:
        organisations.seen(uow, school)


def test_nobody_joins_one_that_is_closed(lab: Lab, school: int) -> None:
    with lab.database.begin(lab.staff) as uow:
        organisations.close(uow, school)
        assert lab.actors["admin"].member_id is not None
        with pytest.raises(Conflict, match="closed"):
            organisations.add(uow, school, lab.actors["admin"].member_id)
