"""Who belongs where in the demo lab: subscriptions, organisations, a family, and what waits for the staff. Invented."""

from __future__ import annotations

import random
from datetime import date, timedelta

from fablab.base.database import UnitOfWork
from fablab.money import subscriptions
from fablab.money.subscriptions import Cover, Subscription, SubscriptionState, SubscriptionTariff
from fablab.people import families, log, organisations
from fablab.people.families import Child
from fablab.people.models import Audience, ConsentKind, Member, MemberState, Seat
from fablab.people.organisations import Firm
from fablab.places import house

#: (name, audience, cover, months, price in cents): what a lab of this size asks.
TARIFFS: tuple[tuple[str, Audience | None, Cover, int, int], ...] = (
    ("Adhésion individuelle", None, Cover.PERSON, 12, 4500),
    ("Adhésion étudiante", Audience.STUDENT, Cover.PERSON, 12, 2000),
    ("Adhésion famille", None, Cover.FAMILY, 12, 7000),
    ("Adhésion professionnelle", Audience.PROFESSIONAL, Cover.PERSON, 12, 30000),
    ("Convention d’organisation", None, Cover.ORGANISATION, 12, 30000),
    ("Convention scolaire", Audience.SCHOOL, Cover.ORGANISATION, 12, 10000),
)
#: (name, audience, SIRET, UAI); the numbers only have right check digits.
ORGANISATIONS: tuple[tuple[str, Audience, str, str], ...] = (
    ("Lycée des Trois Terrils (démo)", Audience.SCHOOL, "", "0620001P"),
    ("Association Vélo Cargo (démo)", Audience.ASSOCIATION, "12345678200010", ""),
    ("Menuiserie Delattre (démo)", Audience.PROFESSIONAL, "98765432100023", ""),
)
COVERED = 0.94
WAITING = ("Inès Quenton", "Maël Vasseur")


def belong(uow: UnitOfWork, everybody: list[Member], chance: random.Random) -> None:
    """The first of `everybody` are those who can sign in."""
    today = house.today(uow)
    rows = [_tariff(uow, each) for each in TARIFFS]
    uow.session.flush()
    for member in everybody:
        age = chance.randint(16, 74)
        member.born_on = date(today.year - age - 1, chance.randint(1, 12), chance.randint(1, 28))
    _organise(uow, everybody, rows, today)
    for member in everybody[1:]:
        if chance.random() < COVERED or member in everybody[:5]:
            _subscribe(uow, member, rows, today, chance)
    parent = everybody[0]
    parent.born_on = date(today.year - 38, 4, 12)
    consents = frozenset({ConsentKind.MEMBERSHIP})
    assert parent.id is not None
    _held(
        uow,
        parent,
        next(row for row in rows if row.cover is Cover.FAMILY),
        today - timedelta(days=40),
        due=True,
    )
    child = Child(name="Zoé Morel", born_on=date(today.year - 11, 6, 3), consents=consents)
    families.add_child(uow, parent.id, child)
    for name in WAITING:
        row = next((m for m in everybody[5:] if m.name == name), everybody[-1])
        row.name, row.state, row.email = name, MemberState.WAITING, f"{name.split()[0].lower()}@demo.example"
        log.record(uow, "member.confirmed", for_member_id=row.id)
        everybody = [m for m in everybody if m is not row]
    asking = everybody[7]
    tariff = subscriptions.for_member(uow, asking)[0]
    wish = _held(uow, asking, tariff, today, due=True)
    wish.state, wish.agreed_at = SubscriptionState.ASKED, None
    uow.session.flush()


def _tariff(uow: UnitOfWork, said: tuple[str, Audience | None, Cover, int, int]) -> SubscriptionTariff:
    name, audience, cover, months, price_cents = said
    row = SubscriptionTariff(
        name=name,
        audience=audience,
        cover=cover,
        months=months,
        price_cents=price_cents,
        currency="EUR",
        first_day=date(2020, 1, 1),
    )
    uow.session.add(row)
    return row


def _organise(uow: UnitOfWork, everybody: list[Member], rows: list[SubscriptionTariff], today: date) -> None:
    """The teacher speaks for the school; a few members of the fitting audience belong to each."""
    for name, audience, siret, uai in ORGANISATIONS:
        made = organisations.create(uow, Firm(name=name, audience=audience, siret=siret, uai=uai))
        fitting = [member for member in everybody[5:] if member.audience is audience][:6]
        for member in fitting:
            organisations.put_in(uow, made, member)
        if audience is Audience.SCHOOL:
            organisations.put_in(uow, made, everybody[3], Seat.MANAGER)
        kept = [row for row in rows if row.cover is Cover.ORGANISATION and row.audience in (audience, None)]
        own = next((row for row in kept if row.audience is audience), kept[0])
        _held(uow, None, own, today - timedelta(days=90), organisation_id=made.id, audience=audience)


def _subscribe(
    uow: UnitOfWork, member: Member, rows: list[SubscriptionTariff], today: date, chance: random.Random
) -> None:
    persons = [row for row in rows if row.cover is Cover.PERSON]
    own = next((row for row in persons if row.audience is member.audience), persons[0])
    _held(uow, member, own, today - timedelta(days=chance.randint(5, 330)), due=chance.random() < 0.1)


def _held(
    uow: UnitOfWork,
    member: Member | None,
    tariff: SubscriptionTariff,
    first_day: date,
    *,
    due: bool = False,
    organisation_id: int | None = None,
    audience: Audience | None = None,
) -> Subscription:
    """One that was agreed long ago, written down as it would have been."""
    row = Subscription(
        member_id=member.id if member is not None else None,
        organisation_id=organisation_id,
        tariff_id=tariff.id,
        state=SubscriptionState.AGREED,
        name=tariff.name,
        audience=audience or (member.audience if member is not None else Audience.PERSONAL),
        cover=tariff.cover,
        price_cents=tariff.price_cents,
        due_cents=tariff.price_cents if due else 0,
        currency=tariff.currency,
        first_day=first_day,
        last_day=first_day + timedelta(days=364),
        made_at=uow.now,
        agreed_at=uow.now,
        settled_at=None if due else uow.now,
    )
    uow.session.add(row)
    return row
