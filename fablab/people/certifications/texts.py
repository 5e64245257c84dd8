"""The rules one signs: which version counts, what is still to be signed, and who has signed what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.people.certifications.models import RuleSignature, RuleText
from fablab.places.models import Technology


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A published version, without its words. `resource_id` None: of the whole technology."""

    id: int
    technology: Technology
    resource_id: int | None
    version: int
    sign_by: date | None


def published(uow: UnitOfWork) -> tuple[Text, ...]:
    """Every version of the rules that are in force, the older ones too: their signatures may still be good."""
    rows = list(uow.session.scalars(select(RuleText).where(RuleText.withdrawn_at.is_(None))))
    return tuple(
        Text(
            id=row.id,
            technology=row.technology,
            resource_id=row.resource_id,
            version=row.version,
            sign_by=row.sign_by,
        )
        for row in rows
    )


def of_machine(texts: Iterable[Text], technology: Technology | None, resource_id: int | None) -> list[Text]:
    """Those that are about this machine: its technology's and its own."""
    return [
        text for text in texts if text.technology is technology and text.resource_id in (None, resource_id)
    ]


def unsigned(texts: Sequence[Text], signed: Collection[int], today: date) -> list[Text]:
    """Pure. The newest version of each rules that this member has to sign, for want of a signature that counts.

    A signature counts from the version it was given on up to the next one that demands a new one, and with that one
    until its day has come.
    """
    groups: dict[tuple[Technology, int | None], list[Text]] = {}
    for text in texts:
        groups.setdefault((text.technology, text.resource_id), []).append(text)
    missing: list[Text] = []
    for versions in groups.values():
        versions.sort(key=lambda text: text.version)
        least = max(
            (text.version for text in versions if text.sign_by is not None and text.sign_by <= today),
            default=0,
        )
        if not any(text.id in signed and text.version >= least for text in versions):
            missing.append(versions[-1])
    return sorted(missing, key=lambda text: text.id)


def signed_by(uow: UnitOfWork, member_id: int) -> frozenset[int]:
    """The ids of the versions under which this member's name stands."""
    ahead: dict[int, frozenset[int]] | None = uow.ahead.get("certifications.signed")
    if ahead is not None and member_id in ahead:
        return ahead[member_id]
    query = select(RuleSignature.rule_text_id).where(RuleSignature.member_id == member_id)
    return frozenset(uow.session.scalars(query))


def signed_by_many(uow: UnitOfWork, member_ids: Collection[int]) -> dict[int, frozenset[int]]:
    """`signed_by` for each of them, in one query."""
    found: dict[int, set[int]] = {id_: set() for id_ in member_ids}
    query = select(RuleSignature.member_id, RuleSignature.rule_text_id)
    for id_, text_id in uow.session.execute(query.where(RuleSignature.member_id.in_(member_ids))):
        found[id_].add(text_id)
    return {id_: frozenset(texts) for id_, texts in found.items()}
