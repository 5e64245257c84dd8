"""The catalogue, what a school may ask for, and how a request goes on to its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from fablab.base.database import SYSTEM, Actor
from fablab.base.errors import BadStep, Conflict, Forbidden, Invalid, NotFound, TooMany
from fablab.claims import calendar, workshops
from fablab.claims.models import Claim, ClaimState
from fablab.claims.workshops import asking, catalogue, forgetting, pricing, thread
from fablab.claims.workshops.models import Session, SessionKey, ThreadEntry
from fablab.claims.workshops.offer import Price, Station, Want
from fablab.claims.workshops.words import (
    AcceptedBy,
    EntryKind,
    OfferState,
    Payer,
    SchoolLevel,
    SessionState,
    Unit,
)
from fablab.notices import Notice
from fablab.people import organisations
from fablab.people.documents import Sent
from fablab.people.models import Audience
from fablab.people.organisations import Firm
from fablab.places.models import ResourceKind, Technology
from tests.claims.workshops_rig import (
    ASKED,
    MORNING,
    TAGS,
    Class,
    all_held,
    entry_of,
    make_class,
    secret_in,
    stock,
)
from tests.lab import TUESDAY, Lab

SCAN = Sent(sha256="a" * 64, size_bytes=10, media_type="application/pdf", file_name="bon.pdf")
ONLINE = workshops.Answer(by=AcceptedBy.ONLINE)


@pytest.fixture
def group(lab: Lab) -> Class:
    return make_class(lab)


# -- the catalogue -------------------------------------------------------------------------------------------


def test_a_workshop_is_read_back_as_it_was_said(lab: Lab) -> None:
    row = entry_of(lab, stock(lab))
    assert (row.title, row.take_home, row.groups) == (TAGS.title, TAGS.take_home, 2)
    assert workshops.offer.wants(row.needs) == TAGS.needs
    assert workshops.offer.stations(row.stations) == TAGS.stations
    assert workshops.offer.piece(row.piece) == TAGS.piece
    assert [price.price_cents for price in row.prices] == [6000, 333, 5000]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"slug": "Name Tags"}, "workshop.slug", "slug"),
        ({"title": {"fr": "", "en": " "}}, "workshop.text", "title"),
        ({"title": {"de": "Namensschild"}}, "workshop.text", "title"),
        ({"audiences": ()}, "workshop.audiences", "audiences"),
        ({"least_people": 25}, "workshop.people", "most_people"),
        ({"duration_min": 0}, "workshop.minutes", "duration_min"),
        ({"groups": 3}, "workshop.groups", "groups"),
        (
            {"stations": (Station(name={"fr": "Dessin"}, minutes=121),), "groups": 1},
            "workshop.rotation",
            "stations",
        ),
        ({"needs": (Want(kind=ResourceKind.ROOM, technology=Technology.FDM),)}, "workshop.need", "needs"),
        ({"needs": (Want(kind=ResourceKind.ROOM, resource_ids=(4711,)),)}, "workshop.resource", "needs"),
        ({"prices": (TAGS.prices[0], TAGS.prices[0])}, "workshop.price_twice", "prices"),
        ({"prices": (replace(TAGS.prices[0], price_cents=-1),)}, "workshop.price", "prices"),
        ({"prices": (replace(TAGS.prices[0], payer=Payer.FREE),)}, "workshop.price_free", "prices"),
    ],
)
def test_what_is_wrong_with_a_workshop_is_said_with_its_field(
    lab: Lab, change: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(Invalid) as caught, lab.database.begin(lab.actors["admin"]) as uow:
        catalogue.create(uow, replace(TAGS, **change))
    assert (caught.value.code, caught.value.field) == (code, field)


def test_two_workshops_never_have_one_address(lab: Lab) -> None:
    stock(lab)
    with pytest.raises(Conflict, match=r"workshop.taken"), lab.database.begin(lab.actors["admin"]) as uow:
        catalogue.create(uow, TAGS)


def test_whoever_read_an_older_version_changes_nothing(lab: Lab) -> None:
    row = entry_of(lab, stock(lab))
    longer = replace(TAGS, duration_min=150)
    with lab.database.begin(lab.actors["admin"]) as uow:
        catalogue.change(uow, row.id, row.version, longer)
    with pytest.raises(Conflict, match=r"workshop.changed"), lab.database.begin(lab.actors["admin"]) as uow:
        catalogue.change(uow, row.id, row.version, TAGS)
    assert entry_of(lab, row.id).duration_min == 150


def test_only_whoever_runs_the_house_writes_in_the_catalogue(lab: Lab) -> None:
    with pytest.raises(Forbidden), lab.database.begin(lab.staff) as uow:
        catalogue.create(uow, TAGS)


def test_a_retired_workshop_is_found_by_nobody_and_what_was_asked_for_goes_on(group: Class) -> None:
    row = entry_of(group.lab, group.workshop)
    group.does(catalogue.retire, row.id, row.version, by=group.lab.actors["admin"])
    with group.lab.database.read(Actor(member_id=None, name="?", role="visitor")) as uow:
        assert catalogue.public(uow) == []
        with pytest.raises(NotFound):
            catalogue.by_slug(uow, "name-tags")
    assert group.confirmed().session.state is SessionState.CONFIRMED


# -- what it costs -------------------------------------------------------------------------------------------


def test_a_session_and_a_price_for_each_pupil_make_two_lines_with_their_own_tax(lab: Lab) -> None:
    row = entry_of(lab, stock(lab))
    found = pricing.lines(row.prices, row.title, audience=Audience.SCHOOL, payer=Payer.SCHOOL, people=20)
    assert [(line.quantity, line.net_cents, line.vat_cents, line.total_cents) for line in found] == [
        (1, 6000, 1200, 7200),
        (20, 6660, 366, 7026),  # 366.3 cents of tax
    ]


@pytest.mark.parametrize(
    ("payer", "total"), [(Payer.CITY, 5000), (Payer.PASS_CULTURE, 14226), (Payer.FREE, 0)]
)
def test_a_payer_without_a_price_of_its_own_pays_what_the_school_would(
    lab: Lab, payer: Payer, total: int
) -> None:
    row = entry_of(lab, stock(lab))
    found = pricing.lines(row.prices, row.title, audience=Audience.SCHOOL, payer=payer, people=20)
    assert pricing.total_cents(found) == total


def test_nothing_is_free_because_its_price_was_forgotten(lab: Lab) -> None:
    row = entry_of(lab, stock(lab))
    with pytest.raises(Conflict, match=r"session.no_price"):
        pricing.lines(row.prices, row.title, audience=Audience.ASSOCIATION, payer=Payer.SCHOOL, people=20)


# -- asking --------------------------------------------------------------------------------------------------


def test_a_request_is_heard_of_once_its_address_is_confirmed(lab: Lab) -> None:
    stock(lab)
    with lab.database.begin(SYSTEM) as uow:
        session = workshops.ask(uow, ASKED).session
    with lab.database.read(lab.staff) as uow:
        assert workshops.requests(uow) == []
    with lab.database.begin(SYSTEM) as uow:
        workshops.confirm_email(uow, secret_in(lab, "session.confirm"))
    with lab.database.read(lab.staff) as uow:
        assert [row.id for row in workshops.requests(uow, text="jean-mace")] == [session.id]
        told = set(uow.session.scalars(select(Notice.member_id).where(Notice.code == "request.new")))
    assert told == {lab.staff.member_id, lab.actors["admin"].member_id}


def test_what_was_asked_is_kept_with_the_holidays_of_the_school(group: Class) -> None:
    session = group.session
    assert session.school == {
        "name": "École Jean-Macé",
        "uai": "0620001P",
        "siret": None,
        "city": "Béthune",
        "postcode": "62400",
        "zone": "B",
    }
    assert workshops.wishes_of(session) == ASKED.wishes
    assert session.contact_email == "claire.martin@ac-lille.example"
    assert group.claim.state is ClaimState.OPEN


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"people": 5}, "request.people", "people"),
        ({"people": 25}, "request.people", "people"),
        ({"number": "0620001A"}, "organisation.uai", "number"),
        ({"number": "12345678901234"}, "organisation.siret", "number"),
        ({"number": "12"}, "request.number", "number"),
        ({"email": "claire"}, "member.email", "email"),
        ({"email": ""}, "member.email", "email"),
        ({"phone": "hello"}, "member.phone", "phone"),
        ({"school": ""}, "request.line", "school"),
        ({"contact": "x" * 121}, "request.line", "contact"),
        ({"wishes": ()}, "request.wishes", "wishes"),
        ({"wishes": (workshops.Wish(day=date(2026, 11, 23)),)}, "request.day", "wishes"),
        ({"wishes": (workshops.Wish(weekday=1),)}, "request.wish", "wishes"),
        (
            {"wishes": (workshops.Wish(weekday=1, since=date(2027, 3, 31), until=date(2027, 3, 1)),)},
            "request.weeks",
            "wishes",
        ),
        ({"accessibility": "x" * 1001}, "request.text", "accessibility"),
        ({"audience": Audience.PROFESSIONAL}, "request.audience", "workshop"),
        ({"language": "de"}, "member.language", "language"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_with_its_field(
    lab: Lab, change: dict[str, Any], code: str, field: str
) -> None:
    stock(lab)
    with pytest.raises(Invalid) as caught, lab.database.begin(SYSTEM) as uow:
        workshops.ask(uow, replace(ASKED, **change))
    assert (caught.value.code, caught.value.field) == (code, field)


@pytest.mark.parametrize(
    ("level", "people", "adults"),
    [
        (SchoolLevel.MATERNELLE, 16, 2),
        (SchoolLevel.MATERNELLE, 17, 3),
        (SchoolLevel.MATERNELLE, 25, 4),
        (SchoolLevel.ELEMENTAIRE, 30, 2),
        (SchoolLevel.ELEMENTAIRE, 31, 3),
        (SchoolLevel.LYCEE, 30, 0),
    ],
)
def test_how_many_adults_come_along_goes_by_the_class(level: SchoolLevel, people: int, adults: int) -> None:
    assert workshops.adults_needed(level, people) == adults


def test_too_few_adults_are_said_and_stop_nobody(lab: Lab) -> None:
    stock(lab)
    with lab.database.begin(SYSTEM) as uow:
        asked = workshops.ask(uow, replace(ASKED, adults=1))
    assert [(row.code, row.facts["needed"]) for row in asked.warnings] == [("request.adults", 2)]


def test_one_mailbox_is_not_filled_with_letters_by_somebody_elses_hand(lab: Lab) -> None:
    stock(lab)
    for _ in range(asking.MOST_UNCONFIRMED):
        with lab.database.begin(SYSTEM) as uow:
            workshops.ask(uow, ASKED)
    with pytest.raises(TooMany), lab.database.begin(SYSTEM) as uow:
        workshops.ask(uow, ASKED)
    lab.clock.advance(timedelta(days=1, minutes=1))
    with lab.database.begin(SYSTEM) as uow:
        workshops.ask(uow, ASKED)


def test_a_link_confirms_once_and_not_for_ever(lab: Lab) -> None:
    stock(lab)
    with lab.database.begin(SYSTEM) as uow:
        workshops.ask(uow, ASKED)
    secret = secret_in(lab, "session.confirm")
    with pytest.raises(NotFound), lab.database.begin(SYSTEM) as uow:
        thread.by_key(uow, secret)
    with lab.database.begin(SYSTEM) as uow:
        workshops.confirm_email(uow, secret)
    with pytest.raises(Conflict, match=r"key.used"), lab.database.begin(SYSTEM) as uow:
        workshops.confirm_email(uow, secret)


def test_what_nobody_confirmed_is_forgotten_after_a_week(lab: Lab) -> None:
    stock(lab)
    with lab.database.begin(SYSTEM) as uow:
        workshops.ask(uow, ASKED)
    lab.clock.advance(timedelta(days=8))
    with lab.database.begin(SYSTEM) as uow:
        assert workshops.forget_unconfirmed(uow) == 1
    with lab.database.read() as uow:
        for table in (Session, ThreadEntry, SessionKey, Claim):
            assert uow.session.scalar(select(func.count()).select_from(table)) == 0


def test_the_staff_asks_for_a_school_on_the_telephone_without_any_address(lab: Lab) -> None:
    stock(lab)
    with lab.database.begin(lab.staff) as uow:
        workshops.ask(uow, replace(ASKED, email=""))
        assert len(workshops.requests(uow)) == 1


def test_a_school_that_is_known_here_is_known_by_its_number_to_the_staff_alone(lab: Lab) -> None:
    stock(lab)
    with lab.database.begin(lab.staff) as uow:
        firm = Firm(name="Jean-Macé", audience=Audience.SCHOOL, uai="0620001P")
        known = organisations.create(uow, firm).id
        assert workshops.ask(uow, ASKED).session.organisation_id == known
    with lab.database.begin(SYSTEM) as uow:
        assert workshops.ask(uow, replace(ASKED, email="x@y.example")).session.organisation_id is None


# -- a date --------------------------------------------------------------------------------------------------


def test_a_date_is_held_with_its_whole_gang_from_the_setting_up_to_the_clearing(group: Class) -> None:
    group.offered()
    assert group.session.state is SessionState.OFFERED
    assert group.claim.state is ClaimState.OFFERED
    start, end = MORNING - timedelta(minutes=30), MORNING + timedelta(minutes=135)
    wanted = {group.lab.resources[name] for name in ("mk3", "ender", "room", "mediator")}
    assert {(resource, start, end) for resource in wanted} == set(group.held)
    assert [need.quantity for need in group.claim.needs] == [2, 1, 1]


def test_the_price_is_promised_when_the_date_is_held_and_never_changes(group: Class) -> None:
    group.offered()
    row = entry_of(group.lab, group.workshop)
    dearer = replace(TAGS, prices=(replace(TAGS.prices[0], price_cents=99_900),))
    group.does(catalogue.change, row.id, row.version, dearer, by=group.lab.actors["admin"])
    group.does(workshops.accept, group.id, ONLINE, by=group.school)
    assert group.session.price_cents == 7200 + 7026
    assert pricing.total_cents(pricing.read(group.session.price_lines)) == 14226


def test_one_thing_that_is_taken_leaves_all_the_others_free(group: Class) -> None:
    group.proposed()
    other = make_second(group)
    group.does(workshops.hold, group.id, 1)
    with pytest.raises(Conflict, match=r"slot_taken"):
        other.does(workshops.hold, other.id, 1)
    assert other.held == []
    assert (other.session.state, other.claim.state) == (SessionState.REQUESTED, ClaimState.OPEN)
    assert other.claim.needs == []


def make_second(group: Class) -> Class:
    """Another school that was proposed the same date."""
    with group.lab.database.begin(group.lab.staff) as uow:
        asked = workshops.ask(uow, replace(ASKED, school="Collège Verlaine", email="v@lille.example"))
    return Class(group.lab, group.workshop, asked.session.id).proposed()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda spots: spots[1:],
        lambda spots: (*spots, spots[0]),
        lambda spots: (*spots[:-1], replace(spots[-1], need=1)),
        lambda spots: (*spots[:-1], replace(spots[-1], need=7)),
        lambda spots: (
            *spots[:-1],
            replace(spots[-1], place=replace(spots[-1].place, end_at=MORNING + timedelta(minutes=60))),
        ),
    ],
    ids=["one too few", "one twice", "wrong need", "no such need", "gone before the end"],
)
def test_a_gang_that_does_not_meet_every_need_is_no_date(group: Class, spoil) -> None:  # type: ignore[no-untyped-def]
    whole = group.proposal()
    with pytest.raises(Invalid, match=r"session.gang"):
        group.does(workshops.propose, group.id, [replace(whole, spots=spoil(whole.spots))])


def test_dates_are_proposed_for_what_is_confirmed_only(lab: Lab) -> None:
    workshop = stock(lab)
    with lab.database.begin(SYSTEM) as uow:
        asked = workshops.ask(uow, ASKED)
    with pytest.raises(Conflict, match=r"session.unconfirmed"):
        Class(lab, workshop, asked.session.id).proposed()


def test_the_school_chooses_among_the_dates_that_were_proposed_to_it(group: Class) -> None:
    later = MORNING + timedelta(days=1)
    group.proposed(MORNING, later)
    group.does(workshops.hold, group.id, 2, by=group.school)
    assert group.session.start_at == later
    assert [row.state for row in group.session.offers] == [OfferState.PROPOSED, OfferState.HELD]


def test_a_date_is_kept_two_weeks_and_not_into_the_days_in_which_the_head_gives_leave(group: Class) -> None:
    group.offered()
    assert group.session.hold_until == TUESDAY + timedelta(days=14)
    other = make_second(group)
    soon = TUESDAY + timedelta(days=10)
    other.proposed(soon)
    other.does(workshops.hold, other.id, 1)
    assert other.session.hold_until == soon - timedelta(days=3)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (ONLINE, EntryKind.ACCEPTED),
        (workshops.Answer(by=AcceptedBy.ORDER_NUMBER, order_number=" BC 2026-17 "), EntryKind.ORDERED),
        (workshops.Answer(by=AcceptedBy.SIGNED, file=SCAN), EntryKind.SIGNED),
    ],
)
def test_a_school_says_yes_online_by_an_order_or_with_its_signature(
    group: Class, answer: workshops.Answer, line: EntryKind
) -> None:
    group.offered()
    group.does(workshops.accept, group.id, answer, by=group.school)
    assert group.lines()[-1] is line
    assert (group.session.state, group.claim.state) == (SessionState.CONFIRMED, ClaimState.HELD)
    assert group.session.hold_until is None
    assert len(group.held) == 4


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (workshops.Answer(by=AcceptedBy.ORDER_NUMBER, order_number=" "), "session.order_number"),
        (workshops.Answer(by=AcceptedBy.SIGNED), "session.no_file"),
    ],
)
def test_a_yes_without_what_it_rests_on_is_none(group: Class, answer: workshops.Answer, code: str) -> None:
    group.offered()
    with pytest.raises(Invalid, match=code):
        group.does(workshops.accept, group.id, answer, by=group.school)


def test_nobody_but_the_school_and_the_staff_answers_for_it(group: Class) -> None:
    group.offered()
    stranger = Actor(member_id=None, name="X", role="school 0000000000000000")
    for actor in (stranger, group.lab.maker):
        with pytest.raises(NotFound):
            group.does(workshops.accept, group.id, ONLINE, by=actor)


# -- it lapses, moves, ends ------------------------------------------------------------------------------------


def test_a_date_that_nobody_answered_for_is_free_and_both_sides_are_told(group: Class) -> None:
    group.offered()
    group.lab.clock.advance(timedelta(days=14))
    assert group.does(workshops.lapse_due, by=SYSTEM) == (group.id,)
    assert all_held(group.lab) == set()
    assert (group.session.state, group.claim.state) == (SessionState.LAPSED, ClaimState.OPEN)
    assert (group.session.start_at, group.session.price_cents, group.session.price_lines) == (None, None, [])
    assert group.letters()[-1] == "session.lapsed"
    with group.lab.database.read() as uow:
        query = select(func.count()).select_from(Notice).where(Notice.code == "request.lapsed")
        assert uow.session.scalar(query) == 2
    with pytest.raises(Conflict, match=r"session.lapsed"):
        group.does(workshops.accept, group.id, ONLINE, by=group.school)


def test_whoever_answers_after_the_hour_and_before_the_clock_has_come_by_is_too_late_too(
    group: Class,
) -> None:
    group.offered()
    group.lab.clock.advance(timedelta(days=14))
    with pytest.raises(Conflict, match=r"session.lapsed"):
        group.does(workshops.accept, group.id, ONLINE, by=group.school)


def test_a_school_is_reminded_once_two_days_before(group: Class) -> None:
    group.offered()
    group.lab.clock.advance(timedelta(days=11))
    assert group.does(workshops.remind_due, by=SYSTEM) == 0
    group.lab.clock.advance(timedelta(days=1))
    assert group.does(workshops.remind_due, by=SYSTEM) == 1
    assert group.does(workshops.remind_due, by=SYSTEM) == 0
    assert group.letters()[-1] == "session.reminder"


def test_a_lapsed_request_is_taken_up_again_by_the_school_itself(group: Class) -> None:
    group.offered()
    group.lab.clock.advance(timedelta(days=14))
    group.does(workshops.lapse_due, by=SYSTEM)
    group.does(workshops.reopen, group.id, "Nous voulons toujours venir.", by=group.school)
    assert group.session.state is SessionState.REQUESTED
    assert group.offered().session.state is SessionState.OFFERED


def test_a_date_that_does_not_suit_is_given_back_and_another_one_is_looked_for(group: Class) -> None:
    group.offered()
    group.does(workshops.give_back, group.id, "Plutôt en mars.", by=group.school)
    assert group.held == []
    assert [row.state for row in group.session.offers] == [OfferState.PASSED]
    assert group.session.state is SessionState.REQUESTED


def test_a_moved_date_takes_its_whole_gang_along(group: Class) -> None:
    group.confirmed()
    later = MORNING + timedelta(days=7)
    group.does(workshops.move, group.id, group.proposal(later), "Panne de courant")
    assert {start for _, start, _ in group.held} == {later - timedelta(minutes=30)}
    assert len(group.held) == 4
    assert len(group.claim.needs) == 3
    assert (group.session.state, group.session.start_at) == (SessionState.CONFIRMED, later)
    assert group.session.price_cents == 14226
    assert group.letters()[-1] == "session.moved"


def test_a_date_may_be_moved_by_less_than_its_own_length(group: Class) -> None:
    group.confirmed()
    group.does(workshops.move, group.id, group.proposal(MORNING + timedelta(hours=1)))
    assert len(group.held) == 4


def test_a_date_that_cannot_be_moved_stays_where_it_was(group: Class) -> None:
    group.confirmed()
    before = group.held
    later = MORNING + timedelta(days=7)
    other = make_second(group)
    other.proposed(later)
    other.does(workshops.hold, other.id, 1)
    with pytest.raises(Conflict, match=r"slot_taken"):
        group.does(workshops.move, group.id, group.proposal(later), "?")
    assert group.held == before
    assert group.session.start_at == MORNING


@pytest.mark.parametrize("state", ["requested", "offered", "confirmed"])
def test_whatever_is_called_off_holds_nothing_any_more(group: Class, state: str) -> None:
    if state != "requested":
        getattr(group, state)()
    group.does(workshops.cancel, group.id, "Grève des bus", by=group.school)
    assert all_held(group.lab) == set()
    assert (group.session.state, group.claim.state) == (SessionState.CANCELLED, ClaimState.CLOSED)
    assert group.claim.needs == []


def test_another_number_of_pupils_is_another_price_until_it_is_accepted(group: Class) -> None:
    group.offered()
    group.does(workshops.recount, group.id, 10, 2, by=group.school)
    assert group.session.price_cents == 7200 + 3513  # ten at 3.33 and 5.5 % of tax
    assert group.lines()[-2:] == [EntryKind.EDITED, EntryKind.QUOTED]
    group.does(workshops.accept, group.id, ONLINE, by=group.school)
    group.does(workshops.recount, group.id, 12, 2, by=group.school)
    assert (group.session.people, group.session.price_cents) == (12, 7200 + 3513)
    with pytest.raises(Invalid, match=r"request.people"):
        group.does(workshops.recount, group.id, 25, 2)


def test_a_date_that_is_kept_longer_is_reminded_of_again(group: Class) -> None:
    group.offered()
    group.lab.clock.advance(timedelta(days=12, hours=1))
    group.does(workshops.remind_due, by=SYSTEM)
    until = MORNING - timedelta(days=4)
    group.does(workshops.move, group.id, group.proposal(MORNING + timedelta(days=1)), "", until)
    assert group.session.hold_until == until
    group.lab.clock.set(until - timedelta(days=1))
    assert group.does(workshops.remind_due, by=SYSTEM) == 1


def test_what_a_child_needs_is_forgotten_after_the_visit_and_a_name_after_three_years(group: Class) -> None:
    group.does(workshops.cancel, group.id, "Grève des bus")
    group.lab.clock.advance(timedelta(days=31))
    assert group.does(forgetting.forget, by=SYSTEM) == 1
    assert (group.session.accessibility, group.session.contact_name) == ("", "Claire Martin")
    group.lab.clock.advance(timedelta(days=3 * 365))
    assert group.does(forgetting.forget, by=SYSTEM) == 1
    assert (group.session.contact_name, group.session.contact_email) == ("", "")
    with group.lab.database.read(group.lab.staff) as uow:
        names = {row.by_name for row in thread.entries(uow, workshops.get(uow, group.id))}
    assert names == {"", "Staff"}
    assert group.session.school["name"] == ASKED.school


def test_what_was_turned_down_by_mistake_is_taken_up_again(group: Class) -> None:
    group.does(workshops.decline, group.id, "Fermé en mars")
    assert group.letters()[-1] == "session.declined"
    with pytest.raises(Forbidden):
        group.does(workshops.reopen, group.id, by=group.school)
    group.does(workshops.reopen, group.id)
    assert group.confirmed().claim.state is ClaimState.HELD


def test_a_visit_that_has_begun_is_neither_moved_nor_called_off(group: Class) -> None:
    group.confirmed()
    group.lab.clock.set(MORNING + timedelta(minutes=5))
    with pytest.raises(Conflict, match=r"session.begun"):
        group.does(workshops.cancel, group.id, "Trop tard")
    with pytest.raises(Conflict, match=r"session.begun"):
        group.does(workshops.move, group.id, group.proposal(MORNING + timedelta(days=7)))


def test_what_is_over_goes_back_to_no_earlier_step(group: Class) -> None:
    group.does(workshops.cancel, group.id, "Grève des bus")
    for work in (workshops.cancel, workshops.decline):
        with pytest.raises(BadStep):
            group.does(work, group.id, "encore")


def test_a_reason_is_asked_for(group: Class) -> None:
    for work in (workshops.cancel, workshops.decline):
        with pytest.raises(Invalid, match=r"session.why"):
            group.does(work, group.id, " ")


# -- the thread ------------------------------------------------------------------------------------------------


def test_every_step_stands_in_the_thread_with_its_day_and_by_whom(group: Class) -> None:
    group.confirmed()
    with group.lab.database.read(group.lab.staff) as uow:
        found = [(row.code, row.by_name) for row in thread.entries(uow, workshops.get(uow, group.id))]
    assert found == [
        (EntryKind.REQUESTED, "Claire Martin"),
        (EntryKind.EMAIL_CONFIRMED, "Claire Martin"),
        (EntryKind.PROPOSED, "Staff"),
        (EntryKind.HELD, "Staff"),
        (EntryKind.QUOTED, "Staff"),
        (EntryKind.ACCEPTED, "Claire Martin"),
    ]


def test_the_link_of_any_letter_opens_the_thread_and_no_other_one(group: Class) -> None:
    first = secret_in(group.lab, "session.received")
    group.offered()
    second = secret_in(group.lab, "session.held")
    with group.lab.database.read() as uow:
        assert {thread.by_key(uow, secret).session.id for secret in (first, second)} == {group.id}
        with pytest.raises(NotFound):
            thread.by_key(uow, "nothing")


def test_a_note_among_the_staff_is_not_for_the_school(group: Class) -> None:
    with group.lab.database.begin(group.lab.staff) as uow:
        session = workshops.get(uow, group.id)
        thread.message(uow, session, "Classe remuante", for_staff=True)
        thread.message(uow, session, "Bonjour")
    with group.lab.database.read(group.school) as uow:
        found = [row.text for row in thread.entries(uow, workshops.get(uow, group.id)) if row.text]
    assert found == ["Bonjour"]
    assert group.letters()[-1] == "session.message"


def test_a_school_does_not_write_all_day(group: Class) -> None:
    school = group.school

    def write() -> None:
        with group.lab.database.begin(school) as uow:
            thread.message(uow, workshops.get(uow, group.id), "Encore une question")

    for _ in range(thread.MOST_MESSAGES_A_DAY):
        write()
    with pytest.raises(TooMany):
        write()


def test_somebody_of_the_house_leads_it_and_hears_of_it(group: Class) -> None:
    admin = group.lab.actors["admin"].member_id
    group.does(workshops.assign, group.id, admin)
    group.confirmed()
    group.does(workshops.cancel, group.id, "Grève des bus")
    with group.lab.database.read() as uow:
        codes = set(uow.session.scalars(select(Notice.code).where(Notice.member_id == admin)))
    assert {"request.yours", "request.cancelled"} <= codes
    with pytest.raises(Invalid, match=r"session.mediator"):
        group.does(workshops.assign, group.id, group.lab.maker.member_id)


def test_a_gang_is_whole_on_both_databases(any_lab: Lab) -> None:
    group = make_class(any_lab).confirmed()
    group.does(workshops.move, group.id, group.proposal(MORNING + timedelta(days=2)))
    assert len(group.held) == 4
    group.does(workshops.cancel, group.id, "Grève des bus")
    assert all_held(any_lab) == set()


def test_prices_may_be_said_again_as_they_were(lab: Lab) -> None:
    row = entry_of(lab, stock(lab))
    with lab.database.begin(lab.actors["admin"]) as uow:
        changed = catalogue.change(uow, row.id, row.version, TAGS)
        assert len(changed.prices) == len(TAGS.prices)
    extra = Price(audience=Audience.SCHOOL, payer=Payer.FREE, unit=Unit.SESSION, price_cents=0)
    with lab.database.begin(lab.actors["admin"]) as uow:
        catalogue.change(uow, row.id, changed.version, replace(TAGS, prices=(extra,)))
    assert [price.payer for price in entry_of(lab, row.id).prices] == [Payer.FREE]


def test_a_claim_that_is_reopened_is_open_and_not_over(group: Class) -> None:
    group.does(workshops.cancel, group.id, "Grève des bus")
    group.does(workshops.reopen, group.id)
    with group.lab.database.read() as uow:
        claim = calendar.claim(uow, group.id)
    assert (claim.state, claim.closed_at) == (ClaimState.OPEN, None)
