"""The agenda's views: public dates in plain words, for whoever comes and for the staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from babel.dates import format_date

from fablab.base.database import UnitOfWork
from fablab.claims.workshops import came, catalogue, line, programme, public, registrations
from fablab.claims.workshops.models import Registration
from fablab.claims.workshops.offer import in_language
from fablab.claims.workshops.programme import Choice, Hall, PublicDate
from fablab.claims.workshops.words import RegistrationState, WorkshopKind
from fablab.people.models import Audience
from web.agenda import Place, json_ld
from web.pages.agenda_model import (
    AgendaView,
    DatesView,
    DateView,
    GuestRow,
    HallView,
    MineView,
    MonthView,
    OneView,
)
from web.pages.people_model import Mark, Option
from web.words import Words

AUDIENCES = (Audience.PERSONAL, Audience.STUDENT, Audience.PROFESSIONAL, Audience.SCHOOL)
FEW_SEATS = 3

TONES = {
    RegistrationState.JOINED: "good",
    RegistrationState.ATTENDED: "good",
    RegistrationState.OFFERED: "wait",
    RegistrationState.WAITING: "wait",
    RegistrationState.ABSENT: "bad",
    RegistrationState.LEFT: "quiet",
}


def agenda(uow: UnitOfWork, words: Words, choice: Choice, typed: Mapping[str, str]) -> AgendaView:
    """`typed`: what the filters say, as they came."""
    dates = programme.coming(uow, choice)
    everything = programme.coming(uow) if choice != Choice() else dates
    return AgendaView(
        months=months(words, dates),
        kinds=tuple(Option(value=each.value, label=kind_word(words, each)) for each in WorkshopKind),
        audiences=tuple(Option(value=each.value, label=words.word("audience", each)) for each in AUDIENCES),
        month_options=tuple(
            Option(value=f"{first:%Y-%m}", label=month_name(words, first))
            for first, _ in programme.by_month(everything, _days(words, everything))
        ),
        kind=typed.get("kind", ""),
        audience=typed.get("audience", ""),
        month=typed.get("month", ""),
        free=choice.only_free,
        chosen=choice != Choice(),
        count=len(dates),
    )


def months(words: Words, dates: Sequence[PublicDate]) -> tuple[MonthView, ...]:
    return tuple(
        MonthView(name=month_name(words, first), dates=tuple(view(words, each) for each in rows))
        for first, rows in programme.by_month(dates, _days(words, dates))
    )


def next_few(uow: UnitOfWork, words: Words, most: int) -> tuple[DateView, ...]:
    """The first ones to come."""
    return tuple(view(words, each) for each in programme.coming(uow, Choice(most=most)))


def _days(words: Words, dates: Sequence[PublicDate]) -> dict[str, date]:
    return {each.id: words.formats.local(each.start_at).date() for each in dates}


def month_name(words: Words, first: date) -> str:
    text = format_date(first, "LLLL y", locale=words.formats.locale)
    return text[:1].upper() + text[1:]


def kind_word(words: Words, kind: WorkshopKind) -> str:
    return words.gettext("Workshop") if kind is WorkshopKind.WORKSHOP else words.gettext("Event")


def view(words: Words, each: PublicDate) -> DateView:
    start = words.formats.local(each.start_at)
    locale = words.formats.locale
    times = f"{words.clock(each.start_at)} – {words.clock(each.end_at)}"
    price = _price(words, each)
    day = format_date(start.date(), "EEEE d MMMM y", locale=locale)
    return DateView(
        id=each.id,
        title=in_language(each.title, words.language),
        summary=in_language(each.summary, words.language),
        take_home=in_language(each.take_home, words.language),
        kind=kind_word(words, each.kind),
        day=str(start.day),
        month=format_date(start.date(), "LLL", locale=locale),
        weekday=format_date(start.date(), "EEE", locale=locale),
        when=day[:1].upper() + day[1:],
        times=times,
        facts=tuple(filter(None, (times, ", ".join(each.rooms), price))),
        seats=seats(words, each),
        rooms=", ".join(each.rooms),
        price=price,
        note=each.note,
        partner=each.partner,
        audiences=", ".join(
            words.word("audience", Audience(word)) for word in each.audiences if word in set(Audience)
        ),
        level=words.word("workshop_level", each.level),
        open=each.open,
        cancelled=each.cancelled,
        over=each.over,
        full=each.is_full,
        least=_least(words, each),
        iso=start.isoformat(timespec="minutes"),
    )


def _price(words: Words, each: PublicDate) -> str:
    if each.price_cents is None:
        return ""
    if each.price_cents == 0:
        return words.gettext("Free of charge")
    return words.gettext("%(price)s each") % {"price": words.money(each.price_cents)}


def _least(words: Words, each: PublicDate) -> str:
    if each.decide_at is None or each.least < 2 or not each.open:
        return ""
    return words.gettext("It takes place with %(least)s people or more. We decide on %(at)s.") % {
        "least": each.least,
        "at": words.when(each.decide_at),
    }


def seats(words: Words, each: PublicDate) -> Mark:
    if each.cancelled:
        return Mark(tone="bad", word=words.gettext("Called off"))
    if each.over:
        return Mark(tone="quiet", word=words.gettext("Over"))
    if each.is_full:
        return Mark(tone="wait", word=words.gettext("Full, waiting list"))
    if each.free <= FEW_SEATS:
        said_so = words.ngettext("%(n)s seat left", "%(n)s seats left", each.free)
        return Mark(tone="wait", word=said_so % {"n": each.free})
    return Mark(
        tone="good", word=words.ngettext("%(n)s seat free", "%(n)s seats free", each.free) % {"n": each.free}
    )


def one(
    words: Words, place: Place, each: PublicDate, member: str | None, mine: Registration | None
) -> OneView:
    """`member`: the name of whoever is signed in."""
    return OneView(
        date=view(words, each),
        most=each.most_together,
        member=member is not None,
        name=member or "",
        mine=own(words, each, mine, member or "") if mine is not None else None,
        json_ld=json_ld(place, each, words.language),
    )


def own(words: Words, each: PublicDate, row: Registration, name: str) -> MineView:
    live = row.state in line.LIVE
    return MineView(
        id=row.id,
        state=Mark(tone=TONES[row.state], word=words.word("registration_state", row.state)),
        sentence=_sentence(words, each, row),
        seats=row.seats,
        held=row.state is RegistrationState.OFFERED and each.open,
        may_leave=live and each.open,
        confirmed=row.member_id is not None or row.email_confirmed_at is not None,
        name=name,
    )


def _sentence(words: Words, each: PublicDate, row: Registration) -> str:
    if each.cancelled:
        return words.gettext("This date is called off. You need not do anything.")
    if row.state is RegistrationState.OFFERED and row.hold_until is not None:
        until = words.when(row.hold_until)
        return words.gettext("There is room for you. It is held until %(until)s.") % {"until": until}
    if row.state is RegistrationState.WAITING:
        return words.gettext("When there is room for all of you, it is held for you, and you get a letter.")
    if row.state is RegistrationState.JOINED:
        return words.gettext(
            "We count on you. If you cannot come, please say so: somebody else would like to."
        )
    if row.state is RegistrationState.LEFT:
        return words.gettext("You are not registered any more.")
    return ""


# -- for the staff --------------------------------------------------------------------------------------------------


def dates(uow: UnitOfWork, words: Words) -> DatesView:
    offered = [row for row in catalogue.everything(uow) if row.active]
    offered.sort(key=lambda row: row.kind is not WorkshopKind.EVENT)
    return DatesView(
        months=months(words, programme.coming(uow)),
        past=tuple(view(words, each) for each in programme.behind(uow)),
        workshops=tuple(
            Option(
                value=str(row.id),
                label=f"{in_language(row.title, words.language)} ({words.duration(row.duration_min * 60)})",
            )
            for row in offered
        ),
        holds=holdable(uow, words),
    )


def holdable(uow: UnitOfWork, words: Words) -> tuple[Option, ...]:
    return tuple(
        Option(
            value=str(row.id),
            label=f"{row.name} ({words.ngettext('%(n)s seat', '%(n)s seats', row.seats) % {'n': row.seats}})"
            if row.seats
            else row.name,
        )
        for row in public.holdable(uow)
    )


def hall(uow: UnitOfWork, words: Words, found: Hall) -> HallView:
    session, each = found.session, found.date
    assert session.start_at is not None, "a hall is of a date that has a beginning"
    here = [row for row in found.rows if row.state is not RegistrationState.LEFT]
    counted = any(row.came is not None for row in found.rows) or session.people > 0
    begun = uow.now >= session.start_at and not each.cancelled
    return HallView(
        date=view(words, each),
        holds=found.holds,
        holding=tuple(str(a.resource_id) for a in session.claim.allocations),
        rows=tuple(guest(words, found, row) for row in here),
        gone=len(found.rows) - len(here),
        coming=line.seats_of(found.rows),
        waiting=each.waiting,
        capacity=each.capacity,
        least=session.least,
        decides=words.when(session.decide_at) if session.decide_at is not None else "",
        start=f"{words.formats.local(session.start_at):%Y-%m-%dT%H:%M}",
        more=came.walk_ins(session, list(found.rows)) if counted else 0,
        people=session.people,
        ticks=begun,
        counted=counted,
        planned=each.open,
        options=holdable(uow, words),
    )


def guest(words: Words, found: Hall, row: Registration) -> GuestRow:
    meta = [_since(words, row.asked_at)]
    if row.member_id is not None:
        meta.append(words.gettext("member"))
    elif row.email and row.email_confirmed_at is None:
        meta.append(words.gettext("address not confirmed"))
    if row.hold_until is not None:
        meta.append(words.gettext("held until %(until)s") % {"until": words.when(row.hold_until)})
    if row.note:
        meta.append(row.note)
    marked = row.came is not None
    return GuestRow(
        id=row.id,
        name=found.name(row) or words.gettext("forgotten"),
        email=found.email(row),
        seats=row.seats,
        mark=Mark(tone=TONES[row.state], word=words.word("registration_state", row.state)),
        meta=tuple(meta),
        came=row.came if row.came is not None else row.seats,
        ticked=bool(row.came) if marked else row.state is RegistrationState.JOINED,
        live=row.state in line.LIVE,
    )


def _since(words: Words, at: datetime) -> str:
    return words.gettext("asked %(ago)s") % {"ago": words.ago(at)}


def most_together() -> int:
    return registrations.MOST_TOGETHER


def sheet(words: Words, found: Hall, lab: str) -> dict[str, object]:
    """The data of the sign-in sheet (`sign-in.typ`): who is expected, by name, with an empty box each."""
    each = found.date
    shown = view(words, each)
    rows = [row for row in found.rows if row.state in (RegistrationState.JOINED, RegistrationState.ATTENDED)]
    names = sorted(((found.name(row), row.seats) for row in rows), key=lambda row: row[0].casefold())
    return {
        "lab": {"name": lab},
        "title": shown.title,
        "when": f"{shown.when}, {shown.times}",
        "where": shown.rooms,
        "people": sum(count for _, count in names),
        "capacity": each.capacity,
        "rows": [{"name": name, "seats": count} for name, count in names],
        "blanks": max(4, min(12, each.capacity - sum(count for _, count in names))),
        "forgotten_days": came.NAMES_KEPT.days,
    }
