"""A school asks for a workshop: one form, no account, an address that is confirmed by a link."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from math import ceil

from sqlalchemy import delete, func, or_, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, NotFound, Refusal, TooMany
from fablab.base.ids import new_id
from fablab.claims.models import Claim, ClaimKind, ClaimState
from fablab.claims.workshops import letters, thread
from fablab.claims.workshops.letters import SchoolLetter
from fablab.claims.workshops.models import Session, SessionKey, ThreadEntry, Workshop
from fablab.claims.workshops.words import EntryKind, KeyUse, Payer, SchoolLevel, SessionState
from fablab.people import organisations
from fablab.people.access import Right, allows
from fablab.people.members import clean_email, clean_phone
from fablab.people.models import Audience, Member, Organisation
from fablab.places import house, terms

MOST_WISHES = 6
FARTHEST = timedelta(days=550)  # the next school year, seen from the beginning of this one
MOST_PEOPLE_TEXT = 1000
#: Of one address within a day that nobody has confirmed: its mailbox is not filled by somebody else's hand.
MOST_UNCONFIRMED = 3
#: Of one address at the same time, confirmed ones too.
MOST_OPEN = 12
UNCONFIRMED_KEPT = timedelta(days=7)
MOST_ADULTS = 200
_PLACE = re.compile(r"(\d{5})\s*(.*)")
LANGUAGES = ("fr", "en")


class Half(StrEnum):
    AM = "am"
    PM = "pm"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One day, or a weekday (0: Monday) of the days from `since` to `until`."""

    day: date | None = None
    weekday: int | None = None
    since: date | None = None
    until: date | None = None
    half: Half = Half.ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The form: twelve fields, of which seven have to be filled in.

    `workshop`: its slug. `number`: the school's UAI or SIRET, or nothing. `place`: postcode and town. `adults`: who come
    along. `accessibility`: what somebody in the group needs, and whatever else should be known.
    """

    workshop: str
    school: str
    contact: str
    email: str
    level: SchoolLevel
    people: int
    wishes: tuple[Wish, ...]
    number: str = ""
    place: str = ""
    phone: str = ""
    adults: int = 0
    accessibility: str = ""
    # Not asked on the form: what is known of whoever fills it in.
    audience: Audience = Audience.SCHOOL
    payer: Payer = Payer.SCHOOL
    language: str = "fr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`warnings`: what is not as it should be, and does not stand in the way."""

    session: Session
    warnings: tuple[Refusal, ...]


def ask(uow: UnitOfWork, said: Request) -> Asked:
    """A request with a claim that is open, and a letter to confirm the address. The staff hears of it once that is done.

    By the staff, for a school on the telephone, nothing has to be confirmed, and there need be no address.
    Raises `Invalid` with its field; `NotFound` workshop.unknown; `TooMany` request.too_many.
    """
    is_staff = _is_staff(uow)
    workshop = _workshop(uow, said.workshop, is_staff)
    session = Session(workshop_id=workshop.id, state=SessionState.REQUESTED, **_checked(uow, said, workshop))
    is_known = is_staff or _is_own_address(uow, session.contact_email)
    if not is_known:
        _slow_down(uow, session.contact_email)
    claim = _claim(uow, workshop, session)
    session.id, session.made_at, session.made_by_id = claim.id, uow.now, uow.actor.member_id
    session.email_confirmed_at = uow.now if is_known and session.contact_email else None
    session.organisation_id = _organisation(uow, session)
    uow.session.add(session)
    uow.session.flush()
    uow.session.refresh(session)
    by = uow if is_known else uow.acting(thread.school_actor(session))
    thread.enter(by, session, EntryKind.REQUESTED, facts={"people": session.people})
    if is_known:
        _arrived(uow, session)
    else:
        letters.tell_school(uow, session, SchoolLetter.CONFIRM)
    return Asked(session=session, warnings=warnings(session))


def confirm_email(uow: UnitOfWork, secret: str) -> thread.Opened:
    """The address is theirs: the staff is told, and the school gets the link to its thread.

    Raises `NotFound` key.unknown; `Conflict` key.used, key.expired.
    """
    row = thread.take_key(uow, secret, KeyUse.CONFIRM)
    session = uow.session.get_one(Session, row.session_id)
    acting = uow.acting(thread.school_actor(session))
    if session.email_confirmed_at is None:
        session.email_confirmed_at = uow.now
        uow.session.flush()
        thread.enter(acting, session, EntryKind.EMAIL_CONFIRMED)
        _arrived(acting, session)
    return thread.Opened(session=session, actor=acting.actor)


def adults_needed(level: SchoolLevel | None, people: int) -> int:
    """How many adults must come along on an outing without a night: élémentaire two up to 30 pupils, and one more for
    15; maternelle two up to 16, and one more for 8 (circulaire 99-136). Elsewhere the school decides."""
    if level is SchoolLevel.MATERNELLE:
        return 2 + max(0, ceil((people - 16) / 8))
    if level is SchoolLevel.ELEMENTAIRE:
        return 2 + max(0, ceil((people - 30) / 15))
    return 0


def warnings(session: Session) -> tuple[Refusal, ...]:
    """What whoever reads the request should know; nothing here stands in the way."""
    found = []
    needed = adults_needed(session.school_level, session.people)
    if session.adults < needed:
        facts = {"needed": needed, "adults": session.adults, "people": session.people}
        found.append(Refusal(code="request.adults", waivable=True, facts=facts))
    return tuple(found)


def check_people(workshop: Workshop, people: int, adults: int) -> None:
    """Raises `Invalid` request.people, request.adults_count."""
    least, most = workshop.least_people, workshop.most_people
    if not least <= people <= most:
        raise Invalid("request.people", field="people", least=least, most=most)
    if not 0 <= adults <= MOST_ADULTS:
        raise Invalid("request.adults_count", field="adults", most=MOST_ADULTS)


def zone_of(session: Session) -> terms.Zone | None:
    """The school's holidays."""
    zone = session.school.get("zone")
    return terms.Zone(str(zone)) if zone else None


def forget_unconfirmed(uow: UnitOfWork) -> int:
    """Requests whose address nobody confirmed within a week, and all that was written of them; how many."""
    query = select(Session.id).where(
        Session.state == SessionState.REQUESTED,
        Session.email_confirmed_at.is_(None),
        Session.contact_email != "",
        Session.public.is_(False),
        Session.made_at < uow.now - UNCONFIRMED_KEPT,
    )
    ids = list(uow.session.scalars(query))
    if ids:
        for table, column in ((ThreadEntry, ThreadEntry.session_id), (SessionKey, SessionKey.session_id)):
            uow.session.execute(delete(table).where(column.in_(ids)))
        uow.session.execute(delete(Session).where(Session.id.in_(ids)))
        uow.session.execute(delete(Claim).where(Claim.id.in_(ids)))
    return len(ids)


def _is_staff(uow: UnitOfWork) -> bool:
    """Somebody of them by name: whoever is not signed in asks in the lab's own name, and is a visitor."""
    return uow.actor.member_id is not None and allows(uow.actor, Right.OPERATE)


def _workshop(uow: UnitOfWork, slug: str, is_staff: bool) -> Workshop:
    row = uow.session.scalar(select(Workshop).where(Workshop.slug == slug[:80], Workshop.active))
    if row is None or not (row.public or is_staff):
        raise NotFound("workshop.unknown")
    return row


def _checked(uow: UnitOfWork, said: Request, workshop: Workshop) -> dict[str, object]:
    """The columns of the session, but for what is known of it without asking."""
    is_staff = _is_staff(uow)
    uai, siret = _number(said.number)
    postcode, city = _place(said.place)
    if said.audience.value not in workshop.audiences:
        raise Invalid("request.audience", field="workshop")
    check_people(workshop, said.people, said.adults)
    if said.language not in LANGUAGES:
        raise Invalid("member.language", field="language")
    zone = terms.zone_of(postcode=postcode, uai=uai or "")
    return {
        "audience": said.audience,
        "school": {
            "name": _line(said.school, "school", most=200),
            "uai": uai,
            "siret": siret,
            "city": city,
            "postcode": postcode,
            "zone": zone.value if zone is not None else None,
        },
        "contact_name": _line(said.contact, "contact", most=120),
        "contact_email": "" if is_staff and not said.email.strip() else clean_email(said.email),
        "contact_phone": clean_phone(said.phone) or "",
        "language": said.language,
        "people": said.people,
        "adults": said.adults,
        "school_level": said.level,
        "accessibility": _text(said.accessibility, "accessibility"),
        "wishes": _wishes(said.wishes, house.today(uow)),
        "payer": said.payer,
    }


def _number(said: str) -> tuple[str | None, str | None]:
    """UAI and SIRET of one field. Raises `Invalid` request.number, or what the number's own rule says."""
    plain = re.sub(r"[\s.]", "", said)
    if not plain:
        return None, None
    try:
        if len(plain) == 8:
            return organisations.uai(plain), None
        if len(plain) == 14:
            return None, organisations.siret(plain)
    except Invalid as error:
        raise Invalid(error.code, field="number") from error
    raise Invalid("request.number", field="number")


def _place(said: str) -> tuple[str, str]:
    text = " ".join(said.split())
    found = _PLACE.fullmatch(text)
    city = found[2] if found else text
    if len(city) > 100 or not city.isprintable():
        raise Invalid("request.place", field="place")
    return (found[1] if found else ""), city


def _wishes(said: Sequence[Wish], today: date) -> list[dict[str, object]]:
    if not 1 <= len(said) <= MOST_WISHES:
        raise Invalid("request.wishes", field="wishes", most=MOST_WISHES)
    return [_wish(each, today) for each in said]


def _wish(said: Wish, today: date) -> dict[str, object]:
    last = today + FARTHEST
    if said.day is not None:
        if not today <= said.day <= last:
            raise Invalid("request.day", field="wishes", day=said.day.isoformat())
        return {"day": said.day.isoformat(), "half": said.half.value}
    if said.weekday is None or said.since is None or said.until is None or not 0 <= said.weekday <= 6:
        raise Invalid("request.wish", field="wishes")
    if said.since > said.until or said.until < today or said.until > last:
        raise Invalid("request.weeks", field="wishes")
    return {
        "weekday": said.weekday,
        "from": said.since.isoformat(),
        "until": said.until.isoformat(),
        "half": said.half.value,
    }


def wishes_of(session: Session) -> tuple[Wish, ...]:
    """As they were said."""
    return tuple(_read(row) for row in session.wishes)


def _read(row: dict[str, object]) -> Wish:
    half = Half(str(row.get("half", Half.ANY)))
    if "day" in row:
        return Wish(day=date.fromisoformat(str(row["day"])), half=half)
    return Wish(
        weekday=int(str(row["weekday"])),
        since=date.fromisoformat(str(row["from"])),
        until=date.fromisoformat(str(row["until"])),
        half=half,
    )


def _line(said: str, field: str, *, most: int) -> str:
    text = " ".join(said.split())
    if not 2 <= len(text) <= most or not text.isprintable():
        raise Invalid("request.line", field=field, most=most)
    return text


def _text(said: str, field: str) -> str:
    text = said.strip()
    if len(text) > MOST_PEOPLE_TEXT or not all(c.isprintable() or c in "\r\n\t" for c in text):
        raise Invalid("request.text", field=field, most=MOST_PEOPLE_TEXT)
    return text


def _slow_down(uow: UnitOfWork, email: str) -> None:
    mine = select(func.count(), func.min(Session.made_at)).where(Session.contact_email == email)
    since = uow.now - timedelta(days=1)
    count, oldest = uow.session.execute(
        mine.where(Session.email_confirmed_at.is_(None), Session.made_at > since)
    ).one()
    if count >= MOST_UNCONFIRMED:
        wait = oldest + timedelta(days=1) - uow.now
        raise TooMany("request.too_many", retry_after_s=max(1, ceil(wait.total_seconds())))
    waiting = mine.where(Session.state.in_((SessionState.REQUESTED, SessionState.OFFERED)))
    if uow.session.execute(waiting).one()[0] >= MOST_OPEN:
        raise TooMany("request.too_many", retry_after_s=86_400)


def _is_own_address(uow: UnitOfWork, email: str) -> bool:
    """A member who is signed in has shown already that their address is theirs."""
    if uow.actor.member_id is None:
        return False
    member = uow.session.get(Member, uow.actor.member_id)
    return member is not None and member.email == email


def _organisation(uow: UnitOfWork, session: Session) -> int | None:
    """The school, where its number is known here: what it is charged and what it may see goes by that, so only once
    somebody of the staff or of the school itself says so; a number alone is public."""
    uai, siret = session.school.get("uai"), session.school.get("siret")
    if not (uai or siret) or uow.actor.member_id is None:
        return None
    same = or_(Organisation.uai == uai if uai else False, Organisation.siret == siret if siret else False)  # type: ignore[arg-type]
    row = uow.session.scalar(select(Organisation).where(same, Organisation.closed_at.is_(None)).limit(1))
    if row is None:
        return None
    is_theirs = any(
        seat.organisation_id == row.id for seat in organisations.seats_of(uow, uow.actor.member_id)
    )
    return row.id if is_theirs or _is_staff(uow) else None


def _claim(uow: UnitOfWork, workshop: Workshop, session: Session) -> Claim:
    row = Claim(
        id=new_id(uow.now),
        kind=ClaimKind.SESSION,
        state=ClaimState.OPEN,
        title=thread.claim_title(workshop, session),
        audience=session.audience,
        priority=0,
        release_at=uow.now,
        estimate_s=workshop.duration_min * 60,
        estimate_source="given",
        attended=True,
        made_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()
    return row


def _arrived(uow: UnitOfWork, session: Session) -> None:
    letters.tell_school(uow, session, SchoolLetter.RECEIVED)
    thread.tell_staff(uow, session, "request.new", people=session.people)
