"""For whom something is reserved, what stands against their using a thing, what it costs them, and on what terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from fablab.base.database import UnitOfWork
from fablab.base.errors import Refusal
from fablab.claims.reservations import judging, prices
from fablab.claims.rules import Act, Asked, explain_choices
from fablab.money import quotes
from fablab.money.quotes import Quote
from fablab.people import members, standing
from fablab.people.access import Right, allows
from fablab.people.models import Member
from fablab.places import house
from fablab.places.models import Resource, Technology
from web.pages.eyes import Eyes
from web.pages.reserve_model import PersonView

FOUND = 8
#: Rules about who somebody is and how a machine stands, by the beginning of their codes.
LASTING = frozenset({"membership", "minor", "subscription", "certification", "rules", "machine"})


def whom(uow: UnitOfWork, for_id: int | None) -> Member | None:
    """Who will use it: somebody else only for the staff, and a child for a parent."""
    member_id = for_id if for_id is not None else uow.actor.member_id
    return standing.own_or_at_desk(uow, member_id) if member_id is not None else None


def search(uow: UnitOfWork, text: str) -> tuple[PersonView, ...]:
    """Members whose name or address has this in it, for those who may reserve for others."""
    if not text or not allows(uow.actor, Right.OPERATE):
        return ()
    found = members.search(uow, members.Search(text=text), limit=FOUND)
    return tuple(PersonView(id=str(row.id), name=row.name, detail=row.email or "") for row in found.rows)


def person(member: Member) -> PersonView:
    return PersonView(id=str(member.id), name=member.name, detail=member.email or "")


def why_not(
    uow: UnitOfWork, member: Member | None, resources: Sequence[Resource]
) -> Mapping[int, tuple[Refusal, ...]]:
    """Resource id to what stands against this person's using it, whenever it would be; of hours and quotas, which
    depend on when, nothing is said here."""
    if member is None or not resources:
        return {}
    asked = Asked(
        act=Act.RESERVE,
        member_id=member.id,
        resource_ids=tuple(row.id for row in resources),
        start_at=uow.now,
        end_at=uow.now + timedelta(hours=1),
    )
    found = explain_choices(uow, asked)
    return {
        name: standing
        for name, rows in found.items()
        if (standing := tuple(row for row in rows if row.code.partition(".")[0] in LASTING))
    }


def hour_cents(
    uow: UnitOfWork, member: Member | None, resources: Sequence[Resource]
) -> dict[Technology, int]:
    """What an hour costs this person, by technology."""
    if member is None:
        return {}
    technologies = {row.technology for row in resources if row.technology is not None}
    found = quotes.machine_prices(uow, member.audience, technologies, house.today(uow))
    return {name: each.hour_cents for name, each in found.items() if each.hour_cents is not None}


def quote(
    uow: UnitOfWork,
    member: Member | None,
    resources: Sequence[Resource | None],
    start_at: datetime,
    end_at: datetime,
) -> Quote:
    if member is None:
        return Quote(lines=(), total_cents=0)
    technologies = [row.technology for row in resources if row is not None]
    return prices.quote(uow, technologies, member.audience, start_at, end_at)


def rules(
    uow: UnitOfWork, eyes: Eyes, member: Member | None, resources: Sequence[Resource], start_at: datetime
) -> tuple[str, ...]:
    """What holds for it, said before it is pressed: arrival, cancelling, and who has to agree."""
    if member is None or not resources:
        return ()
    found = judging.terms(uow, member.id, [row.id for row in resources])
    words, lines = eyes.words, []
    grace = words.duration(found.grace.total_seconds())
    lines.append(
        eyes.gettext("Come within %(grace)s of the start: after that it goes to the next.", grace=grace)
    )
    lines.append(cancelling(eyes, found, start_at))
    if found.asks:
        lines.append(eyes.gettext("The staff answers; the place is kept until then."))
    return tuple(lines)


def cancelling(eyes: Eyes, terms: judging.Terms, start_at: datetime) -> str:
    """What cancelling means now, in one sentence."""
    if not terms.cancel:
        return eyes.gettext("Cancel whenever you like before it begins: it costs nothing.")
    until = start_at - terms.cancel
    if eyes.now <= until:
        return eyes.gettext("Cancel until %(until)s: it costs nothing.", until=eyes.words.when(until))
    return eyes.gettext(
        "It is later than %(until)s: cancelling now is noted as late.", until=eyes.words.when(until)
    )
