"""What is offered for a claim: instants and names, nothing written, and everybody named who would have to leave."""

from __future__ import annotations

from datetime import timedelta

from fablab.base.ids import new_id
from fablab.claims import calendar
from fablab.claims.models import Claim, ClaimKind, ClaimState, Need
from scheduler import planner
from scheduler.planner.standing import FREEZE
from tests.lab import TUESDAY, Lab, analysed, counted, submitted

HOUR = timedelta(hours=1)


def wish(lab: Lab, hours: float, **more: object) -> Claim:
    """A claim that is not in the database."""
    return Claim(
        **{
            "id": new_id(TUESDAY),
            "kind": ClaimKind.JOB,
            "state": ClaimState.OPEN,
            "title": "wish.gcode",
            "priority": 0,
            "release_at": TUESDAY,
            "estimate_s": round(hours * 3600),
            "estimate_source": "slicer",
            "attended": False,
            "made_at": TUESDAY,
            "needs": [Need(quantity=1, eligible=[lab.resources["mk3"], lab.resources["ender"]], barred={})],
            **more,
        }
    )


def test_the_first_offer_is_what_would_be_promised_and_nothing_is_written(lab: Lab) -> None:
    for hours in (3, 3, 2):
        submitted(lab, analysed(duration_s=hours * 3600))
    before = counted(lab, "SELECT version FROM calendar_version")
    with lab.database.read() as uow:
        claim = wish(lab, 1)
        offers = planner.options(uow, claim, 4)
        promise = planner.preview(uow, claim)
    assert promise is not None
    assert len(offers) == 4
    assert (offers[0].start_at, offers[0].ready_at) == (promise.start_at, promise.ready_at)
    assert offers[0].resource_ids == promise.resource_ids
    assert [offer.ready_at for offer in offers] == sorted(offer.ready_at for offer in offers)
    assert {name for offer in offers for name in offer.machines} <= {"mk3", "ender"}
    assert all(offer.reasons and not offer.displaced for offer in offers)
    assert counted(lab, "SELECT version FROM calendar_version") == before


def test_a_claim_that_has_a_place_may_be_offered_its_own(lab: Lab) -> None:
    job = submitted(lab, analysed(duration_s=3600))
    with lab.database.read() as uow:
        claim = calendar.claim(uow, job)
        (offer,) = planner.options(uow, claim, 1)
        assert offer.ready_at == claim.ready_at


def test_an_earlier_place_says_who_would_leave_and_where_to(lab: Lab) -> None:
    near = [submitted(lab, analysed(duration_s=4 * 3600)) for _ in range(2)]
    far = {submitted(lab, analysed(duration_s=3600)) for _ in range(4)}
    with lab.database.read() as uow:
        offers = planner.options(uow, wish(lab, 1), 1, displacing=3)
        plain, *earlier = offers
        assert earlier
        for offer in earlier:
            assert offer.ready_at < plain.ready_at
            assert offer.start_at >= TUESDAY + FREEZE
            for each in offer.displaced:
                assert each.claim_id in far
                assert each.claim_id not in near
                assert each.was_ready_at == calendar.claim(uow, each.claim_id).ready_at
                assert each.machines
                assert each.ready_at > each.start_at
