"""The table of rules: each says its own, all at once, in whatever order they are asked; and the start gate's truth table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.intervals import Interval
from fablab.claims.rules import RULES, Act, Asked, Context, Pass, Policy, check
from fablab.claims.rules.asking import (
    Booked,
    Closed,
    Quota,
    Scope,
    Taken,
    Unsigned,
    Waived,
    Where,
    Who,
)
from fablab.claims.rules.models import Permission, Presence
from fablab.claims.trainings.following import NextTraining
from fablab.people.certifications.standing import Held, Lapse, Standing
from fablab.people.models import CertificationLevel, MemberState
from fablab.places.models import ResourceKind, Technology

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)  # a Tuesday, ten in the morning in Paris
HOUR = timedelta(hours=1)
DAY = Interval(NOW - 9 * HOUR, NOW + 15 * HOUR)
HELD = Held(certification_id=1, level=CertificationLevel.USER, ends_at=None, end=None)
LASER = Where(
    resource_id=1,
    name="laser",
    kind=ResourceKind.MACHINE,
    technology=Technology.LASER,
    policy=Policy(consent_age=None, alone_age=None),
    needs_certification=True,
    standing=Standing(held=HELD),
    bed_mm=(600, 400, 50),
    open=(DAY,),
    staffed=(DAY,),
)
ASKED = Asked(
    act=Act.RESERVE,
    member_id=1,
    resource_ids=(1,),
    start_at=NOW + HOUR,
    end_at=NOW + 3 * HOUR,
    materials=(7,),
)
CONTEXT = Context(now=NOW, zone=ZoneInfo("Europe/Paris"), who=Who(), where=(LASER,))


def codes(asked: Asked = ASKED, context: Context = CONTEXT) -> list[str]:
    return [refusal.code for refusal in check(asked, context)]


def at(where: Where | None = None, /, **changes: object) -> Context:
    """The context with its one resource changed."""
    return replace(CONTEXT, where=(replace(where or LASER, **changes),))  # type: ignore[arg-type]  # a table of any field


def under(**policy: object) -> Context:
    return at(policy=replace(LASER.policy, **policy))  # type: ignore[arg-type]  # a table of any field


def booked(start: timedelta, end: timedelta, claim_id: str = "b", resource_id: int = 1) -> Booked:
    return Booked(
        claim_id=claim_id,
        resource_id=resource_id,
        kind=ResourceKind.MACHINE,
        technology=Technology.LASER,
        span=Interval(NOW + start, NOW + end),
    )


LASERS = Scope(technology=Technology.LASER)
LAPSED = NOW - timedelta(days=3)

#: One cause, and the one refusal it is.
CAUSES: dict[str, tuple[Asked, Context]] = {
    "membership.not_active": (ASKED, replace(CONTEXT, who=Who(state=MemberState.SUSPENDED))),
    "minor.no_consent": (ASKED, replace(CONTEXT, consent_age=15, who=Who(age=12))),
    "minor.too_young": (ASKED, replace(under(least_age=14), who=Who(age=12, consent=True))),
    "minor.alone": (
        ASKED,
        replace(at(policy=replace(LASER.policy, alone_age=15), staffed=()), who=Who(age=12, consent=True)),
    ),
    "subscription.missing": (ASKED, under(subscription=True)),
    "certification.missing": (ASKED, at(standing=Standing(held=None))),
    "certification.expired": (
        ASKED,
        at(standing=Standing(held=None, lapse=Lapse.EXPIRED, lapsed_at=LAPSED)),
    ),
    "certification.disused": (
        ASKED,
        at(standing=Standing(held=None, lapse=Lapse.DISUSED, lapsed_at=LAPSED)),
    ),
    "certification.supervised": (
        ASKED,
        at(standing=Standing(held=replace(HELD, supervised_left=2)), staffed=()),
    ),
    "rules.unsigned": (ASKED, at(unsigned=(Unsigned(rule_text_id=3, version=2),))),
    "machine.out_of_service": (replace(ASKED, start_at=NOW), at(out_of_service=True)),
    "reservation.somebody_elses": (
        replace(ASKED, act=Act.START),
        at(taken=(Taken(claim_id="x", word="reservation", span=DAY),)),
    ),
    "material.forbidden": (ASKED, at(materials={7: Permission.FORBIDDEN})),
    "material.unlisted": (ASKED, at(materials={8: Permission.ALLOWED})),
    "bed.too_small": (replace(ASKED, size_mm=(500, 500, 3)), CONTEXT),
    "unattended.not_allowed": (replace(ASKED, alone_from=NOW + 2 * HOUR), CONTEXT),
    "unattended.too_long": (
        replace(ASKED, alone_from=NOW + 2 * HOUR),
        at(unattended=True, unattended_max_s=3599, staffed=()),
    ),
    "house.closure": (ASKED, replace(CONTEXT, closures=(Closed(name="Inventory", span=DAY),))),
    "hours.closed": (ASKED, at(open=(Interval(NOW, NOW + 2 * HOUR),))),
    "hours.not_staffed": (
        ASKED,
        at(policy=replace(LASER.policy, presence=Presence.STAFFED), staffed=(Interval(NOW, NOW + 2 * HOUR),)),
    ),
    "time.past": (replace(ASKED, start_at=NOW - 2 * HOUR, end_at=NOW), CONTEXT),
    "time.too_soon": (ASKED, under(lead_s=3602)),
    "time.too_far": (ASKED, under(horizon_s=3599)),
    "time.too_short": (ASKED, under(shortest_s=7201)),
    "time.too_long": (ASKED, under(longest_s=7199)),
    "quota.gap": (ASKED, replace(under(gap_s=3601), booked=(booked(4 * HOUR, 5 * HOUR),))),
    "quota.week": (
        ASKED,
        replace(under(weekly=Quota(most=10799, scope=LASERS)), booked=(booked(9 * HOUR, 10 * HOUR),)),
    ),
    "quota.concurrent": (
        ASKED,
        replace(under(concurrent=Quota(most=1, scope=LASERS)), booked=(booked(9 * HOUR, 10 * HOUR),)),
    ),
}


def test_every_rule_has_a_cause_here() -> None:
    assert CAUSES.keys() == RULES.keys()


def test_nothing_stands_against_a_sound_wish() -> None:
    assert [codes(replace(ASKED, act=act)) for act in Act] == [[], [], [], []]


@pytest.mark.parametrize("code", RULES)
def test_one_cause_is_one_refusal(code: str) -> None:
    assert codes(*CAUSES[code]) == [code]


@pytest.mark.parametrize("code", RULES)
def test_what_was_let_pass_is_not_said_again(code: str) -> None:
    asked, context = CAUSES[code]
    assert codes(asked, replace(context, waived=frozenset({Waived(code=code)}))) == []
    assert codes(asked, replace(context, waived=frozenset({Waived(code=code, resource_id=99)}))) == [code]


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.by_role])
def test_the_staff_are_not_asked_for_what_their_role_answers_for(code: str) -> None:
    asked, context = CAUSES[code]
    assert codes(asked, replace(context, who=replace(context.who, staff=True))) == []


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if not rule.by_role])
def test_the_staff_are_asked_for_everything_else_like_anybody(code: str) -> None:
    asked, context = CAUSES[code]
    assert codes(asked, replace(context, who=replace(context.who, staff=True))) == [code]


@pytest.mark.parametrize("code", RULES)
def test_a_refusal_says_whether_anybody_may_let_it_pass(code: str) -> None:
    (refusal,) = check(*CAUSES[code])
    assert refusal.waivable is (RULES[code].passes is not Pass.NEVER)


# -- boundaries: a hair to the other side, and nothing is said ---------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "context"),
    [
        pytest.param(ASKED, replace(CONTEXT, consent_age=15, who=Who(age=15)), id="old enough"),
        pytest.param(ASKED, replace(CONTEXT, consent_age=15, who=Who(age=12, consent=True)), id="consented"),
        pytest.param(ASKED, replace(under(subscription=True), who=Who(subscribed=True)), id="subscribed"),
        pytest.param(
            ASKED,
            at(standing=Standing(held=replace(HELD, supervised_left=2))),
            id="supervised in staffed hours",
        ),
        pytest.param(ASKED, at(out_of_service=True), id="out of service today, wanted later"),
        pytest.param(
            replace(ASKED, act=Act.START, claim_id="x"),
            at(taken=(Taken(claim_id="x", word="reservation", span=DAY),)),
            id="its own reservation",
        ),
        pytest.param(
            replace(ASKED, materials=None), at(materials={8: Permission.ALLOWED}), id="not known yet"
        ),
        pytest.param(replace(ASKED, size_mm=(400, 600, 50)), CONTEXT, id="turned by ninety degrees"),
        pytest.param(
            replace(ASKED, alone_from=NOW + 2 * HOUR),
            at(unattended=True, unattended_max_s=3600, staffed=()),
            id="alone for as long as it may",
        ),
        pytest.param(
            replace(ASKED, alone_from=NOW + 2 * HOUR),
            at(unattended=True, unattended_max_s=0),
            id="somebody is in the house",
        ),
        pytest.param(
            ASKED, at(policy=replace(LASER.policy, presence=Presence.ANYTIME), open=()), id="anytime"
        ),
        pytest.param(ASKED, under(lead_s=3600), id="early enough"),
        pytest.param(ASKED, under(horizon_s=3600), id="near enough"),
        pytest.param(ASKED, under(shortest_s=7200, longest_s=7200), id="exactly as long"),
        pytest.param(
            ASKED, replace(under(gap_s=3600), booked=(booked(4 * HOUR, 5 * HOUR),)), id="far enough apart"
        ),
        pytest.param(
            ASKED,
            replace(under(gap_s=3601), booked=(booked(4 * HOUR, 5 * HOUR, resource_id=2),)),
            id="a gap is one resource's",
        ),
        pytest.param(
            ASKED,
            replace(under(weekly=Quota(most=10800, scope=LASERS)), booked=(booked(9 * HOUR, 10 * HOUR),)),
            id="the whole share of the week",
        ),
        pytest.param(
            ASKED,
            replace(
                under(weekly=Quota(most=7200, scope=LASERS)),
                booked=(booked(timedelta(days=7), timedelta(days=7, hours=5)),),
            ),
            id="another week",
        ),
        pytest.param(
            replace(ASKED, claim_id="b"),
            replace(under(concurrent=Quota(most=1, scope=LASERS)), booked=(booked(HOUR, 2 * HOUR),)),
            id="moved, not one more",
        ),
        pytest.param(
            ASKED,
            replace(under(concurrent=Quota(most=1, scope=LASERS)), booked=(booked(-2 * HOUR, -HOUR),)),
            id="what is over does not count",
        ),
    ],
)
def test_a_hair_to_the_other_side_and_nothing_is_said(asked: Asked, context: Context) -> None:
    assert codes(asked, context) == []


def test_a_refused_certification_names_the_next_training() -> None:
    training = NextTraining(session_id="s1", start_at=NOW + timedelta(days=2), free=3)
    (refusal,) = check(ASKED, at(standing=Standing(held=None), next_training=training))
    assert dict(refusal.facts) == {
        "machine": "laser",
        "technology": "laser",
        "session": "s1",
        "at": training.start_at.isoformat(),
        "free": 3,
    }


def test_a_week_begins_on_the_houses_monday_and_two_are_counted_apart() -> None:
    """Sunday 22:00 to Monday 02:00 in Paris: two hours of each week."""
    sunday = datetime(2026, 11, 29, 21, tzinfo=UTC)
    asked = replace(ASKED, start_at=sunday, end_at=sunday + 4 * HOUR)
    always = at(open=(Interval(NOW, NOW + timedelta(days=9)),))
    wide, narrow = (
        replace(always, where=(replace(always.where[0], policy=replace(LASER.policy, weekly=quota)),))
        for quota in (Quota(most=7200, scope=LASERS), Quota(most=7199, scope=LASERS))
    )
    assert (codes(asked, wide), codes(asked, narrow)) == ([], ["quota.week"])


def test_a_gang_counts_for_as_many_hours_as_it_has_machines_and_is_refused_once() -> None:
    policy = replace(LASER.policy, weekly=Quota(most=14399, scope=LASERS))
    pair = (replace(LASER, policy=policy), replace(LASER, resource_id=2, name="second", policy=policy))
    asked = replace(ASKED, resource_ids=(1, 2))
    assert codes(asked, replace(CONTEXT, where=pair)) == ["quota.week"]
    assert codes(ASKED, replace(CONTEXT, where=pair[:1])) == []


# -- all at once, in any order -----------------------------------------------------------------------------------------

#: Causes that can be laid one upon the other: each changes fields that no other one reads.
LAYERS: dict[str, Callable[[Asked, Context, Where], tuple[Asked, Context, Where]]] = {
    "membership.not_active": lambda a, c, w: (a, replace(c, who=replace(c.who, state=MemberState.LEFT)), w),
    "minor.no_consent": lambda a, c, w: (a, replace(c, who=replace(c.who, consent=False)), w),
    "minor.too_young": lambda a, c, w: (a, c, replace(w, policy=replace(w.policy, least_age=16))),
    "minor.alone": lambda a, c, w: (a, c, replace(w, policy=replace(w.policy, alone_age=15))),
    "subscription.missing": lambda a, c, w: (a, c, replace(w, policy=replace(w.policy, subscription=True))),
    "certification.missing": lambda a, c, w: (a, c, replace(w, needs_certification=True)),
    "rules.unsigned": lambda a, c, w: (a, c, replace(w, unsigned=(Unsigned(rule_text_id=1, version=1),))),
    "machine.out_of_service": lambda a, c, w: (a, c, replace(w, out_of_service=True)),
    "reservation.somebody_elses": lambda a, c, w: (
        a,
        c,
        replace(w, taken=(Taken(claim_id="x", word="session", span=DAY),)),
    ),
    "material.forbidden": lambda a, c, w: (a, c, replace(w, materials={7: Permission.FORBIDDEN})),
    "unattended.not_allowed": lambda a, c, w: (a, c, replace(w, unattended=False)),
    "hours.not_staffed": lambda a, c, w: (
        a,
        c,
        replace(w, policy=replace(w.policy, presence=Presence.STAFFED)),
    ),
}
CHILD = Who(age=12, consent=True)
BARE = replace(
    LASER,
    needs_certification=False,
    standing=Standing(held=None),
    unattended=True,
    unattended_max_s=86400,
    materials={7: Permission.ALLOWED},
    staffed=(),
)
START = replace(ASKED, act=Act.START, start_at=NOW, alone_from=NOW + HOUR)


def laid(names: frozenset[str]) -> tuple[Asked, Context]:
    asked, context, where = START, replace(CONTEXT, who=CHILD, consent_age=15), BARE
    for name in sorted(names):
        asked, context, where = LAYERS[name](asked, context, where)
    return asked, replace(context, where=(where,))


def test_the_start_gate_says_exactly_its_causes_in_all_4096_combinations() -> None:
    names = tuple(LAYERS)
    wrong = []
    for chosen in product((False, True), repeat=len(names)):
        causes = frozenset(name for name, is_so in zip(names, chosen, strict=True) if is_so)
        if set(codes(*laid(causes))) != causes:
            wrong.append(causes)
    assert (len(names), wrong) == (12, [])


@given(
    st.sets(st.sampled_from(sorted(LAYERS)), min_size=1).flatmap(
        lambda names: st.tuples(st.just(frozenset(names)), st.sampled_from(sorted(names)))
    )
)
def test_taking_one_cause_away_takes_exactly_its_refusal_away(drawn: tuple[frozenset[str], str]) -> None:
    causes, gone = drawn
    before, after = codes(*laid(causes)), codes(*laid(causes - {gone}))
    assert [code for code in before if code != gone] == after


where_st = st.builds(
    Where,
    resource_id=st.integers(1, 6),
    name=st.sampled_from(["a", "b"]),
    kind=st.sampled_from(ResourceKind),
    technology=st.none() | st.sampled_from(Technology),
    policy=st.builds(
        Policy,
        lead_s=st.integers(0, 10**6),
        longest_s=st.none() | st.integers(1, 10**5),
        gap_s=st.integers(0, 10**5),
        weekly=st.none()
        | st.builds(Quota, most=st.integers(0, 10**5), scope=st.sampled_from([Scope(), LASERS])),
        concurrent=st.none() | st.builds(Quota, most=st.integers(0, 3), scope=st.just(Scope())),
        presence=st.sampled_from(Presence),
        subscription=st.booleans(),
        least_age=st.none() | st.integers(0, 18),
    ),
    out_of_service=st.booleans(),
    needs_certification=st.booleans(),
    standing=st.sampled_from(
        [Standing(held=None), Standing(held=HELD), Standing(held=None, lapse=Lapse.DISUSED)]
    ),
    unattended=st.booleans(),
    bed_mm=st.none() | st.just((100.0, 100.0, 100.0)),
    materials=st.none() | st.just({7: Permission.ALLOWED, 8: Permission.FORBIDDEN}),
    open=st.sampled_from([(), (DAY,)]),
    staffed=st.sampled_from([(), (DAY,)]),
    taken=st.sampled_from([(), (Taken(claim_id="x", word="session", span=DAY),)]),
)
hours = st.integers(-30, 200).map(lambda n: NOW + n * HOUR)
asked_st = st.builds(
    lambda act, start, length, alone, materials, size: Asked(
        act=act,
        member_id=1,
        resource_ids=(1,),
        start_at=start,
        end_at=start + length,
        alone_from=alone,
        materials=materials,
        size_mm=size,
    ),
    st.sampled_from(Act),
    hours,
    st.integers(1, 10**6).map(lambda n: timedelta(seconds=n)),
    st.none() | hours,
    st.none() | st.lists(st.integers(6, 9), max_size=2).map(tuple),
    st.none() | st.tuples(*[st.none() | st.floats(0, 500)] * 3),
)
context_st = st.builds(
    Context,
    now=st.just(NOW),
    zone=st.just(ZoneInfo("Europe/Paris")),
    who=st.builds(
        Who, state=st.sampled_from(MemberState), staff=st.booleans(), age=st.none() | st.integers(0, 90)
    ),
    consent_age=st.none() | st.integers(0, 18),
    where=st.lists(where_st, max_size=3, unique_by=lambda where: where.resource_id).map(tuple),
    closures=st.sampled_from([(), (Closed(name="c", span=DAY),)]),
    booked=st.lists(st.just(booked(HOUR, 2 * HOUR)), max_size=2).map(tuple),
)


@given(asked_st, context_st, st.randoms(use_true_random=False))
def test_whatever_is_asked_is_answered_and_the_order_does_not_matter(
    asked: Asked, context: Context, chance: object
) -> None:
    shuffled = list(context.where)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's own Random
    found = check(asked, context)
    assert found == check(asked, replace(context, where=tuple(shuffled), booked=context.booked[::-1]))
    assert {refusal.code for refusal in found} <= RULES.keys()
    assert all(asked.act in RULES[refusal.code].acts for refusal in found)
