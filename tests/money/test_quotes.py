"""Prices: lines that add up, promises that do not change, and the share of a part that was not finished."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from fablab.base.database import UnitOfWork
from fablab.money import quotes
from fablab.money.models import MaterialPrice, Tariff
from fablab.money.quotes import Line, Prices, Quote, Usage, price, share
from fablab.people.models import Audience
from fablab.places.models import Spool, Technology
from tests.conftest import LabMaker
from tests.lab import Lab

HALF_HOURS = Prices(hour_cents=100, step_s=1800, kilogram_cents=4000)


def usage(duration_s: float = 1800, weight_g: float = 0, audience: Audience = Audience.PERSONAL) -> Usage:
    return Usage(
        technology=Technology.FDM, audience=audience, duration_s=duration_s, material_id=1, weight_g=weight_g
    )


cents = st.integers(0, 10_000)
all_prices = st.builds(
    Prices,
    hour_cents=st.none() | cents,
    step_s=st.sampled_from([60, 900, 1800, 3600]),
    kilogram_cents=st.none() | cents,
)
durations = st.floats(0, 30 * 86400)
weights = st.floats(0, 10_000)


@pytest.mark.parametrize(
    ("duration_s", "weight_g", "amounts"),
    [
        (0, 0, [0]),
        (1, 0, [50]),
        (1800, 0, [50]),
        (1800.1, 0, [100]),
        (3600, 4.5, [100, 18]),
        (5400, 0.124, [150, 0]),
        (5400, 0.125, [150, 1]),  # half a cent is a cent, as at a till
    ],
)
def test_begun_steps_count_whole_and_half_a_cent_is_a_cent(
    duration_s: float, weight_g: float, amounts: list[int]
) -> None:
    quote = price(usage(duration_s, weight_g), HALF_HOURS)
    assert [line.amount_cents for line in quote.lines] == amounts
    assert quote.total_cents == sum(amounts)


def test_where_there_is_no_tariff_nothing_is_asked() -> None:
    assert price(usage(9999, 99), Prices(hour_cents=None, step_s=3600, kilogram_cents=None)) == Quote(
        lines=(), total_cents=0
    )


@given(durations, weights, all_prices)
def test_the_total_is_the_sum_of_lines_that_are_never_negative(
    duration_s: float, weight_g: float, prices: Prices
) -> None:
    quote = price(usage(duration_s, weight_g), prices)
    assert quote.total_cents == sum(line.amount_cents for line in quote.lines)
    assert all(line.amount_cents >= 0 and isinstance(line.amount_cents, int) for line in quote.lines)


@given(durations, durations, weights, weights, all_prices)
def test_more_never_costs_less(t1: float, t2: float, w1: float, w2: float, prices: Prices) -> None:
    less = price(usage(min(t1, t2), min(w1, w2)), prices)
    more = price(usage(max(t1, t2), max(w1, w2)), prices)
    assert less.total_cents <= more.total_cents


@given(durations, weights, all_prices, st.floats(0, 1), st.floats(0, 1))
def test_a_share_grows_from_nothing_to_the_whole(
    duration_s: float, weight_g: float, prices: Prices, a: float, b: float
) -> None:
    quote = price(usage(duration_s, weight_g), prices)
    assert share(quote, 0).total_cents == 0
    assert share(quote, 1) == quote
    part, more = share(quote, min(a, b)), share(quote, max(a, b))
    assert 0 <= part.total_cents <= more.total_cents <= quote.total_cents
    assert part.total_cents == sum(line.amount_cents for line in part.lines)


# -- the rules of a day --------------------------------------------------------------------------------------------


def in_force(uow: UnitOfWork, day: date, audience: Audience = Audience.PERSONAL) -> Prices:
    return quotes.prices_for(uow, usage(audience=audience), day)


def test_prices_are_those_of_the_day(any_lab: Lab) -> None:
    with any_lab.database.begin() as uow:
        material = uow.session.get_one(Spool, any_lab.spools["PLA"]).material_id
        uow.session.add_all(
            [
                Tariff(
                    audience=Audience.PERSONAL,
                    technology=Technology.FDM,
                    hour_cents=300,
                    step_s=900,
                    first_day=date(2027, 1, 1),
                    last_day=date(2027, 1, 31),
                ),
                MaterialPrice(material_id=material, kilogram_cents=9000, first_day=date(2027, 1, 15)),
            ]
        )
        uow.session.flush()

        def of(*day: int) -> tuple[int | None, int, int | None]:
            found = quotes.prices_for(
                uow,
                Usage(
                    technology=Technology.FDM,
                    audience=Audience.PERSONAL,
                    duration_s=1,
                    material_id=material,
                    weight_g=1,
                ),
                date(*day),
            )
            return found.hour_cents, found.step_s, found.kilogram_cents

        assert of(2019, 12, 31) == (None, 3600, None)
        assert of(2026, 12, 31) == (100, 1800, 4000)
        assert of(2027, 1, 1) == (300, 900, 4000)
        assert of(2027, 1, 31) == (300, 900, 9000)
        assert of(2027, 2, 1) == (100, 1800, 9000)


def test_an_audience_without_a_tariff_pays_for_material_only(lab: Lab) -> None:
    with lab.database.read() as uow:
        assert in_force(uow, date(2026, 11, 24), Audience.SCHOOL).hour_cents is None


# -- promised and charged ------------------------------------------------------------------------------------------

PROMISED = price(usage(3600, 4.5), HALF_HOURS)


def test_a_promise_is_frozen_as_it_was(any_lab: Lab) -> None:
    with any_lab.database.begin() as uow:
        quotes.freeze(uow, "claim", PROMISED)
    with any_lab.database.begin() as uow:
        for tariff in uow.session.query(Tariff):
            tariff.hour_cents *= 10
    with any_lab.database.read() as uow:
        assert quotes.quote_of(uow, "claim") == PROMISED
        assert quotes.quote_of(uow, "other") is None


def test_charges_of_a_claim_add_up(lab: Lab) -> None:
    with lab.database.begin() as uow:
        assert quotes.charge_of(uow, "claim") is None
        for run_id, owed in (("r1", share(PROMISED, 0.5)), ("r2", PROMISED)):
            charged(uow, lab, run_id, owed)
        uow.session.flush()
        whole = quotes.charge_of(uow, "claim")
    assert whole is not None
    assert whole.total_cents == 59 + 118
    assert [line.code for line in whole.lines] == ["machine_time", "material"] * 2


def test_one_run_is_charged_once(lab_maker: LabMaker, database_url: str) -> None:
    lab = lab_maker(database_url)
    with lab.database.begin() as uow:
        charged(uow, lab, "r1", PROMISED)

    def again() -> None:
        with lab.database.begin() as uow:
            charged(uow, lab, "r1", PROMISED)

    with pytest.raises(IntegrityError):
        again()


def charged(uow: UnitOfWork, lab: Lab, run_id: str, owed: Quote) -> None:
    quotes.charge(
        uow,
        owed,
        claim_id="claim",
        run_id=run_id,
        member_id=lab.maker.member_id,
        project_id=None,
        audience=Audience.PERSONAL,
    )


def test_a_line_says_what_it_counts() -> None:
    assert PROMISED.lines == (
        Line(code="machine_time", quantity=1.0, unit_cents=100, amount_cents=100),
        Line(code="material", quantity=4.5, unit_cents=4000, amount_cents=18),
    )
