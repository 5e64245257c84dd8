"""Certifications, rules and trainings as views: how somebody stands with each machine, in words."""

from __future__ import annotations

from collections.abc import Mapping

from fablab.base.database import UnitOfWork
from fablab.claims.rules import passport
from fablab.claims.rules.passport import Leave, Stamp
from fablab.claims.trainings import following
from fablab.claims.trainings import use as trainings
from fablab.claims.trainings.models import SeatState, Training, TrainingState
from fablab.people.certifications import granting, signing
from fablab.people.certifications.models import RuleText
from fablab.people.certifications.standing import Lapse
from fablab.people.models import CertificationLevel
from fablab.places import house
from fablab.places.models import ResourceKind, Technology
from web.pages.certifications_model import LeaveRow, SignatureRow, StampRow, ToSign, TrainingRow
from web.pages.eyes import Eyes
from web.pages.people_model import Mark, Option

_SEAT_TONE = {
    SeatState.JOINED: "good",
    SeatState.WAITING: "wait",
    SeatState.LEFT: "quiet",
    SeatState.ATTENDED: "good",
    SeatState.ABSENT: "bad",
}
_STATE_TONE = {
    TrainingState.PLANNED: "wait",
    TrainingState.DELIVERED: "good",
    TrainingState.CANCELLED: "quiet",
}


def scopes(uow: UnitOfWork, eyes: Eyes) -> tuple[Option, ...]:
    """What a certification can be for: every technology of the house, and every machine of it. `laser` or `laser:3`."""
    machines = house.machines(uow)
    found: list[Option] = []
    for technology in sorted({row.technology for row in machines if row.technology}):
        name = eyes.words.word("technology", technology)
        found.append(Option(value=technology.value, label=eyes.gettext("%(kind)s: all of them", kind=name)))
        found += [
            Option(value=f"{technology.value}:{row.id}", label=f"{name}: {row.name}")
            for row in machines
            if row.technology is technology
        ]
    return tuple(found)


def levels(eyes: Eyes) -> tuple[Option, ...]:
    return tuple(
        Option(value=level.value, label=eyes.words.word("certification_level", level))
        for level in CertificationLevel
    )


def holdable(uow: UnitOfWork) -> tuple[Option, ...]:
    """Machines, rooms and kits that a session may keep for itself."""
    kinds = frozenset({ResourceKind.MACHINE, ResourceKind.ROOM, ResourceKind.KIT})
    return tuple(Option(value=str(row.id), label=row.name) for row in house.resources(uow, kinds))


def leaves(uow: UnitOfWork, eyes: Eyes, member_id: int) -> tuple[LeaveRow, ...]:
    mine = trainings.seats_of(uow, member_id)
    return tuple(_leave(uow, eyes, each, mine) for each in passport.leaves(uow, member_id))


def _leave(uow: UnitOfWork, eyes: Eyes, each: Leave, mine: Mapping[str, SeatState]) -> LeaveRow:
    session = each.following
    return LeaveRow(
        technology=each.technology.value,
        name=eyes.words.word("technology", each.technology),
        mark=_standing(eyes, each),
        note=_note(eyes, each),
        unsigned=tuple(_to_sign(eyes, signing.text(uow, text_id)) for text_id in each.unsigned),
        training=training_row(eyes, trainings.get(uow, session.session_id), mine) if session else None,
    )


def _to_sign(eyes: Eyes, text: RuleText) -> ToSign:
    return ToSign(id=text.id, title=title_of(eyes, text))


def _standing(eyes: Eyes, each: Leave) -> Mark:
    held = each.held
    if held is not None and held.supervised_left:
        said = eyes.words.ngettext(
            "%(num)s use under supervision to come",
            "%(num)s uses under supervision to come",
            held.supervised_left,
        )
        return Mark(tone="wait", word=said % {"num": held.supervised_left})
    if held is not None:
        return Mark(tone="good", word=eyes.words.word("certification_level", held.level))
    if each.lapse is not None:
        return Mark(tone="bad", word=eyes.words.word("lapse", each.lapse))
    if not each.asks:
        return Mark(tone="quiet", word=eyes.gettext("no certification needed"))
    return Mark(tone="bad", word=eyes.gettext("not certified"))


def _note(eyes: Eyes, each: Leave) -> str:
    if each.held is not None and each.held.ends_at is not None:
        day = eyes.words.day(each.held.ends_at)
        if each.held.end is Lapse.DISUSED:
            return eyes.gettext("Without use it ends: %(day)s.", day=day)
        return eyes.gettext("It ends: %(day)s.", day=day)
    if each.lapsed_at is not None:
        return eyes.gettext("It ended: %(day)s.", day=eyes.words.day(each.lapsed_at))
    return ""


def stamps(uow: UnitOfWork, eyes: Eyes, member_id: int) -> tuple[StampRow, ...]:
    return tuple(_stamp(uow, eyes, each) for each in passport.stamps(uow, member_id))


def _stamp(uow: UnitOfWork, eyes: Eyes, each: Stamp) -> StampRow:
    words = eyes.words
    name = words.word("technology", each.technology)
    meta = [eyes.gettext("granted: %(day)s", day=words.day(each.granted_at))]
    if each.granted_by:
        meta.append(eyes.gettext("by %(name)s", name=each.granted_by))
    if each.ends_at is not None and not each.over:
        meta.append(eyes.gettext("ends %(day)s", day=words.day(each.ends_at)))
    over = each.over and each.end is not None
    mark = Mark(tone="bad", word=words.word("lapse", each.end)) if over else None
    may = granting.may_vouch(uow, each.technology, each.resource_id, each.level)
    return StampRow(
        id=each.id,
        icon=each.technology.value,
        title=f"{name}: {each.machine}" if each.machine else name,
        mark=mark or Mark(tone="good", word=words.word("certification_level", each.level)),
        meta=tuple(meta),
        can=("renew", "revoke") if may else (),
    )


def training_row(eyes: Eyes, session: Training, mine: Mapping[str, SeatState]) -> TrainingRow:
    words = eyes.words
    name = words.word("technology", session.technology)
    own = mine.get(session.id)
    free = following.free_places(session)
    places = (
        words.ngettext("%(num)s free place", "%(num)s free places", free) % {"num": free}
        if free
        else eyes.gettext("full")
    )
    level = words.word("certification_level", session.level)
    upcoming = session.state is TrainingState.PLANNED and session.start_at > eyes.now
    can: tuple[str, ...] = ()
    if upcoming and own in (SeatState.JOINED, SeatState.WAITING):
        can = ("leave",)
    elif upcoming and session.trainer_id != eyes.actor.member_id:
        can = ("join",) if free else ("wait",)
    return TrainingRow(
        id=session.id,
        icon=session.technology.value,
        title=f"{name}: {session.resource.name}" if session.resource is not None else name,
        when=f"{words.when(session.start_at)} – {words.clock(session.end_at)}",
        meta=tuple(
            filter(
                None,
                (level if session.level is not CertificationLevel.USER else "", session.trainer.name, places),
            )
        ),
        mark=Mark(tone=_SEAT_TONE[own], word=words.word("seat_state", own)) if own else None,
        can=can,
    )


def seat_mark(eyes: Eyes, state: SeatState) -> Mark:
    return Mark(tone=_SEAT_TONE[state], word=eyes.words.word("seat_state", state))


def state_mark(eyes: Eyes, state: TrainingState) -> Mark:
    return Mark(tone=_STATE_TONE[state], word=eyes.words.word("training_state", state))


def title_of(eyes: Eyes, text: RuleText) -> str:
    return text.title_fr if eyes.words.language == "fr" else text.title_en


def about_of(uow: UnitOfWork, eyes: Eyes, technology: Technology, resource_id: int | None) -> str:
    name = eyes.words.word("technology", technology)
    row = granting.about(uow, technology, resource_id)
    return f"{name}: {row.name}" if row is not None else name


def signatures(uow: UnitOfWork, eyes: Eyes, member_id: int) -> tuple[SignatureRow, ...]:
    return tuple(
        SignatureRow(
            title=title_of(eyes, text),
            href=f"/rules/{text.id}",
            meta=(
                eyes.gettext("version %(num)s", num=str(text.version)),
                row.typed_name,
                eyes.words.when(row.signed_at),
                *((eyes.gettext("on paper"),) if row.witness_id is not None else ()),
            ),
        )
        for row, text in signing.signatures_of(uow, member_id)
    )
