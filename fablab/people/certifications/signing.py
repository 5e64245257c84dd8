"""Rules in writing: publishing a version, withdrawing them, and putting one's name under them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import date

from sqlalchemy import ColumnElement, Select, func, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound
from fablab.people import log, standing
from fablab.people.access import Right, allows, require
from fablab.people.certifications import texts
from fablab.people.certifications.granting import about
from fablab.people.certifications.models import RuleSignature, RuleText
from fablab.people.models import Member
from fablab.places import house
from fablab.places.models import Technology

MOST_TEXT = 20_000
MOST_TITLE = 160


def publish(
    uow: UnitOfWork,
    technology: Technology,
    *,
    resource_id: int | None = None,
    title_fr: str,
    title_en: str,
    text_fr: str,
    text_en: str,
    sign_by: date | None = None,
) -> RuleText:
    """A new version, in both languages. `sign_by`: the day from which everybody must have signed this one.

    Raises `Invalid` rules.title_fr, .title_en, .text_fr, .text_en, .sign_by with the field.
    """
    require(uow.actor, Right.MANAGE)
    about(uow, technology, resource_id)
    said = {
        "title_fr": " ".join(title_fr.split()),
        "title_en": " ".join(title_en.split()),
        "text_fr": _plain(text_fr),
        "text_en": _plain(text_en),
    }
    for field, text in said.items():
        most = MOST_TITLE if field.startswith("title") else MOST_TEXT
        if not 1 <= len(text) <= most:
            raise Invalid("rules.words", field=field, most=most)
    if sign_by is not None and sign_by < house.today(uow):
        raise Invalid("rules.sign_by", field="sign_by")
    row = RuleText(
        technology=technology,
        resource_id=resource_id,
        version=1 + (uow.session.scalar(_newest(technology, resource_id)) or 0),
        sign_by=sign_by,
        published_at=uow.now,
        published_by_id=uow.actor.member_id,
        **said,
    )
    uow.session.add(row)
    uow.session.flush()
    log.record(uow, "rules.published", about=f"rules {row.id}", version=row.version)
    uow.raise_event("rules", row.id, "published")
    return row


def withdraw(uow: UnitOfWork, rule_text_id: int) -> RuleText:
    """These rules are in force no more, in any version; what was signed stays kept."""
    require(uow.actor, Right.MANAGE)
    row = text(uow, rule_text_id)
    for version in versions(uow, row.technology, row.resource_id):
        if version.withdrawn_at is None:
            version.withdrawn_at = uow.now
    log.record(uow, "rules.withdrawn", about=f"rules {row.id}")
    uow.raise_event("rules", row.id, "withdrawn")
    return row


def sign(
    uow: UnitOfWork, rule_text_id: int, typed_name: str, *, member_id: int | None = None, language: str = "fr"
) -> RuleSignature:
    """One's name under a version: one's own, of a child one answers for, or, by the staff, of somebody who has signed it
    on paper before their eyes.

    Raises `Conflict` rules.signed, rules.old_version; `Invalid` rules.name for a name that is not the member's, nor of
    whoever signs for them.
    """
    row = text(uow, rule_text_id)
    member = standing.own_or_at_desk(uow, _whom(uow, member_id))
    if row.withdrawn_at is not None or row.version != uow.session.scalar(
        _newest(row.technology, row.resource_id)
    ):
        raise Conflict("rules.old_version")
    if row.id in texts.signed_by(uow, member.id):
        raise Conflict("rules.signed")
    name = " ".join(typed_name.split())
    is_own = uow.actor.member_id in (member.id, member.parent_id)
    if _letters(name) not in (_letters(member.name), *([_letters(uow.actor.name)] if is_own else [])):
        raise Invalid("rules.name", field="name", name=member.name)
    signature = RuleSignature(
        rule_text_id=row.id,
        member_id=member.id,
        typed_name=name[:120],
        signed_at=uow.now,
        language=language[:5],
        witness_id=None if is_own else uow.actor.member_id,
    )
    uow.session.add(signature)
    uow.session.flush()
    log.record(
        uow, "rules.signed", for_member_id=member.id, about=f"rules {row.id}", version=row.version, name=name
    )
    uow.raise_event("member", member.id, "signed")
    return signature


def text(uow: UnitOfWork, rule_text_id: int) -> RuleText:
    row = uow.session.get(RuleText, rule_text_id)
    if row is None:
        raise NotFound("rules.unknown", id=rule_text_id)
    return row


def versions(uow: UnitOfWork, technology: Technology, resource_id: int | None) -> list[RuleText]:
    """The newest first."""
    query = select(RuleText).where(RuleText.technology == technology, _same(resource_id))
    return list(uow.session.scalars(query.order_by(RuleText.version.desc())))


def newest(uow: UnitOfWork) -> list[RuleText]:
    """Of each rules in force the version that is to be signed, by technology."""
    rows = uow.session.scalars(select(RuleText).where(RuleText.withdrawn_at.is_(None)))
    found: dict[tuple[Technology, int | None], RuleText] = {}
    for row in rows:
        known = found.get((row.technology, row.resource_id))
        if known is None or row.version > known.version:
            found[(row.technology, row.resource_id)] = row
    return sorted(found.values(), key=lambda row: (row.technology, row.resource_id or 0))


def signatures_of(uow: UnitOfWork, member_id: int) -> list[tuple[RuleSignature, RuleText]]:
    """What they have signed, newest first. Theirs, a child's, or anybody's for the staff."""
    standing.seen_by(uow, member_id)
    query = (
        select(RuleSignature, RuleText)
        .join(RuleText, RuleText.id == RuleSignature.rule_text_id)
        .where(RuleSignature.member_id == member_id)
        .order_by(RuleSignature.id.desc())
    )
    return [(signature, row) for signature, row in uow.session.execute(query)]


def signatures(uow: UnitOfWork, rule_text_id: int) -> list[tuple[RuleSignature, Member]]:
    """Who signed this version, for the staff."""
    require(uow.actor, Right.SEE_ALL)
    query = (
        select(RuleSignature, Member)
        .join(Member, Member.id == RuleSignature.member_id)
        .where(RuleSignature.rule_text_id == rule_text_id)
        .order_by(RuleSignature.id)
    )
    return [(signature, member) for signature, member in uow.session.execute(query)]


def counts(uow: UnitOfWork, rule_text_ids: Sequence[int]) -> dict[int, int]:
    """How many names stand under each version."""
    query = (
        select(RuleSignature.rule_text_id, func.count())
        .where(RuleSignature.rule_text_id.in_(rule_text_ids))
        .group_by(RuleSignature.rule_text_id)
    )
    return {row[0]: row[1] for row in uow.session.execute(query)}


def _whom(uow: UnitOfWork, member_id: int | None) -> int:
    found = member_id if member_id is not None else uow.actor.member_id
    if found is None or not (allows(uow.actor, Right.SUBMIT) or found == uow.actor.member_id):
        raise Forbidden("rules.nobody")
    return found


def _newest(technology: Technology, resource_id: int | None) -> Select[int]:
    return select(func.max(RuleText.version)).where(RuleText.technology == technology, _same(resource_id))


def _same(resource_id: int | None) -> ColumnElement[bool]:
    return RuleText.resource_id.is_(None) if resource_id is None else RuleText.resource_id == resource_id


def _plain(said: str) -> str:
    """Lines of plain text; what cannot be printed is dropped."""
    lines = said.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("".join(c for c in line if c.isprintable()).rstrip() for line in lines).strip()


def _letters(name: str) -> str:
    """Without accents, case, blanks and hyphens: whoever types Helene Muller means Hélène Müller."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(char for char in plain if char.isalpha())
