"""A member's page in words: who they are, what they have, what may be done."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from babel.dates import format_date

from fablab.base.states import actions
from fablab.money.subscriptions import Subscription, SubscriptionState, SubscriptionTariff
from fablab.people import ages
from fablab.people.access import RIGHTS, Right, allows
from fablab.people.log import Doing
from fablab.people.models import (
    MEMBER_STEPS,
    ConsentKind,
    DocumentState,
    Invitation,
    Member,
    MemberDocument,
    MemberState,
    OrganisationMember,
    Project,
    Role,
    Seat,
)
from fablab.reports.members import Card, Child
from web.pages.eyes import Eyes
from web.pages.people_model import (
    CardView,
    ChildRow,
    ConsentRow,
    DocumentRow,
    InvitationRow,
    LogRow,
    Mark,
    Option,
    PersonRow,
    PlaceRow,
    SubscriptionRow,
)
from web.words.codes import WORDS

STATE_TONES = {
    MemberState.UNCONFIRMED: "quiet",
    MemberState.WAITING: "wait",
    MemberState.ACTIVE: "good",
    MemberState.SUSPENDED: "bad",
    MemberState.LEFT: "quiet",
}
DOCUMENT_TONES = {DocumentState.WAITING: "wait", DocumentState.ACCEPTED: "good", DocumentState.REFUSED: "bad"}


def view(eyes: Eyes, card: Card, here: str) -> CardView:
    member, words = card.member, eyes.words
    own = eyes.actor.member_id == member.id
    staff = allows(eyes.actor, Right.OPERATE)
    return CardView(
        id=member.id,
        here=here,
        own=own,
        name=member.name,
        email=member.email or "",
        phone=member.phone or "",
        born_on=member.born_on.isoformat() if member.born_on else "",
        born_on_fixed=member.born_on is not None and (own or not staff),
        age=eyes.gettext("%(num)s years old", num=str(card.age)) if card.age is not None else "",
        language=member.language,
        audience=member.audience.value,
        audience_word=words.word("audience", member.audience),
        role=member.role.value,
        role_word=words.word("role", member.role),
        state=member.state.value,
        mark=state_mark(eyes, member),
        since=member.created_at,
        parent=person(eyes, card.parent) if card.parent is not None else None,
        as_child=_child(eyes, card.as_child) if card.as_child is not None else None,
        children=tuple(_child(eyes, each) for each in card.children),
        places=tuple(_seat(eyes, each) for each in card.seats),
        projects=tuple(project_row(eyes, each, member.id) for each in card.projects),
        subscriptions=tuple(subscription(eyes, each, card.today) for each in card.subscriptions),
        covered=_covered(eyes, card),
        due=words.money(card.due_cents) if card.due_cents else "",
        tariffs=tuple(tariff_option(eyes, each) for each in card.tariffs),
        documents=tuple(document(eyes, each, card.today) for each in card.documents),
        invitations=tuple(invitation(eyes, each) for each in card.invitations),
        certifications=tuple(_certifications(eyes, card)),
        log=tuple(log_row(eyes, each) for each in card.log),
        can=_can(eyes, card, own=own, staff=staff),
    )


def _can(eyes: Eyes, card: Card, *, own: bool, staff: bool) -> tuple[str, ...]:
    """What the buttons may offer; the use cases ask again."""
    member = card.member
    found: list[str] = []
    above = not RIGHTS[member.role] <= RIGHTS.get(Role(eyes.actor.role), frozenset())
    if staff and not above:
        found += ["edit", "papers", "sell"]
        steps = actions(MEMBER_STEPS, member.state)
        found += [step for step in steps if step != "confirm" and not (own and step == "suspend")]
        if member.active and member.email:
            found.append("send_key")
    if own or eyes.actor.member_id == member.parent_id:
        found += ["ask", "send"]
    if staff and member.active and not above:
        found.append("send")
    if member.active and member.parent_id is None and (card.age is None or card.age >= ages.ADULT_AGE):
        found.append("child")
    if allows(eyes.actor, Right.MANAGE):
        found += ["role"] if not own else []
        found += ["forget"] if member.state is MemberState.LEFT else []
    return tuple(dict.fromkeys(found))


def state_mark(eyes: Eyes, member: Member) -> Mark:
    return Mark(tone=STATE_TONES[member.state], word=eyes.words.word("member_state", member.state))


def person(eyes: Eyes, member: Member, *meta: str, can: tuple[str, ...] = ()) -> PersonRow:
    """The link leads to their page for whoever may read it."""
    seen = allows(eyes.actor, Right.SEE_ALL) or eyes.actor.member_id in (member.id, member.parent_id)
    mine = eyes.actor.member_id == member.id
    href = "/profile" if mine else f"/members/{member.id}" if seen else ""
    return PersonRow(
        id=member.id,
        name=member.name,
        href=href,
        mark=None if member.active else state_mark(eyes, member),
        meta=tuple(filter(None, meta)),
        can=can,
    )


def subscription(eyes: Eyes, row: Subscription, today: date) -> SubscriptionRow:
    words = eyes.words
    running = row.state is SubscriptionState.AGREED and row.first_day <= today <= row.last_day
    over = row.state is SubscriptionState.AGREED and row.last_day < today
    key = "running" if running else "over" if over else row.state.value
    tone = {"running": "good", "asked": "wait", "cancelled": "quiet", "over": "quiet"}.get(key, "quiet")
    can: list[str] = []
    staff = allows(eyes.actor, Right.OPERATE)
    if row.state is SubscriptionState.ASKED:
        can += ["agree", "cancel"] if staff else ["cancel"]
    elif row.state is SubscriptionState.AGREED and staff:
        can += ["settle"] if row.due_cents else []
        can += ["cancel"] if not over else []
    due = row.due_cents if row.state is SubscriptionState.AGREED else 0
    return SubscriptionRow(
        id=row.id,
        name=row.name,
        mark=Mark(tone=tone, word=words.word("subscription_state", key)),
        days=eyes.gettext(
            "from %(first)s to %(last)s",
            first=full_day(eyes, row.first_day),
            last=full_day(eyes, row.last_day),
        ),
        price=words.money(row.price_cents),
        due=words.money(due) if due else "",
        can=tuple(can),
    )


def tariff_option(eyes: Eyes, row: SubscriptionTariff) -> Option:
    months = eyes.words.ngettext("%(num)s month", "%(num)s months", row.months) % {"num": row.months}
    return Option(value=str(row.id), label=f"{row.name} · {months} · {eyes.words.money(row.price_cents)}")


def document(eyes: Eyes, row: MemberDocument, today: date) -> DocumentRow:
    words = eyes.words
    over = row.expires_on is not None and row.expires_on < today
    key = "expired" if over else row.state.value
    tone = "quiet" if over else DOCUMENT_TONES[row.state]
    own = eyes.actor.member_id in (row.member_id, row.member.parent_id)
    can = ["delete"] if own or allows(eyes.actor, Right.OPERATE) else []
    if not own and allows(eyes.actor, Right.OPERATE):
        can += [step for step in ("accept", "refuse") if _may_decide(row.state, step)]
    until = eyes.gettext("good until %(day)s", day=full_day(eyes, row.expires_on)) if row.expires_on else ""
    return DocumentRow(
        id=row.id,
        name=row.file_name,
        kind=words.word("document_kind", row.kind),
        whose=row.member.name,
        whose_href=f"/members/{row.member_id}",
        mark=Mark(tone=tone, word=words.word("document_state", key)),
        meta=tuple(filter(None, (words.size(row.size_bytes), words.day(row.sent_at), until))),
        reason=row.reason,
        can=tuple(can),
    )


def _may_decide(state: DocumentState, step: str) -> bool:
    return not (
        (state is DocumentState.ACCEPTED and step == "accept")
        or (state is DocumentState.REFUSED and step == "refuse")
    )


def invitation(eyes: Eyes, row: Invitation) -> InvitationRow:
    """To whoever was invited: by whom and to what."""
    who = row.invited_by.name if row.invited_by is not None else eyes.gettext("The lab")
    if row.project is not None:
        text = eyes.gettext(
            "%(who)s invites you to the project %(project)s.", who=who, project=row.project.name
        )
    elif row.organisation is not None:
        text = eyes.gettext(
            "%(who)s invites you to %(organisation)s.", who=who, organisation=row.organisation.name
        )
    else:
        text = eyes.gettext("%(who)s invites you to the lab.", who=who)
    return InvitationRow(id=row.id, text=text, meta=(_until(eyes, row),))


def sent_invitation(eyes: Eyes, row: Invitation) -> InvitationRow:
    """To whoever sent it, or may take it back."""
    who = row.invited_by.name if row.invited_by is not None else ""
    return InvitationRow(id=row.id, text=row.email, meta=tuple(filter(None, (who, _until(eyes, row)))))


def _until(eyes: Eyes, row: Invitation) -> str:
    return eyes.gettext("good until %(day)s", day=eyes.words.day(row.expires_at))


def log_row(eyes: Eyes, row: Doing) -> LogRow:
    facts = {name: value for name, value in row.facts.items() if isinstance(value, str | int | float)}
    known = row.code if row.code in WORDS["doing"] else row.code.partition(".")[0]
    text = eyes.words.word("doing", known)
    why = str(facts.get("why", ""))
    return LogRow(at=row.at, text=f"{text}: {why}" if why else text, who=row.actor_name)


def project_row(eyes: Eyes, row: Project, member_id: int) -> PlaceRow:
    meta = [eyes.words.word("project_kind", row.kind)]
    if row.owner_id != member_id:
        meta.append(eyes.gettext("led by %(name)s", name=row.owner.name))
    if row.organisation is not None:
        meta.append(row.organisation.name)
    return PlaceRow(id=row.id, name=row.name, href=f"/projects/{row.id}", meta=tuple(meta))


def full_day(eyes: Eyes, day: date) -> str:
    """With its year: what lasts long is not said as "on Thursday"."""
    return str(format_date(day, "d MMMM y", locale=eyes.words.formats.locale))


def _seat(eyes: Eyes, row: OrganisationMember) -> PlaceRow:
    meta = [eyes.words.word("audience", row.organisation.audience)]
    if row.seat is Seat.MANAGER:
        meta.append(eyes.words.word("seat", row.seat))
    return PlaceRow(
        id=row.organisation_id,
        name=row.organisation.name,
        href=f"/organisations/{row.organisation_id}",
        meta=tuple(meta),
    )


def _child(eyes: Eyes, child: Child) -> ChildRow:
    member = child.member
    age = eyes.gettext("%(num)s years old", num=str(child.age)) if child.age is not None else ""
    consents = tuple(_consent(eyes, child, kind) for kind in ConsentKind)
    given = child.consents[ConsentKind.MEMBERSHIP] is not None
    can = []
    if child.age is not None and not child.needs_consent:
        can.append("address" if not member.email else "")
        can.append("release" if child.age >= ages.ADULT_AGE else "")
    return ChildRow(
        id=member.id,
        name=member.name,
        href=f"/members/{member.id}",
        meta=tuple(filter(None, (age, member.email or ""))),
        mark=None if member.active else state_mark(eyes, member),
        consents=consents,
        missing=child.needs_consent and not given,
        can=tuple(filter(None, can)),
    )


def _consent(eyes: Eyes, child: Child, kind: ConsentKind) -> ConsentRow:
    row = child.consents[kind]
    said = ""
    if row is not None:
        said = eyes.gettext("%(who)s, %(day)s", who=row.said_by, day=eyes.words.day(row.given_at))
        if row.expires_on is not None:
            said += " · " + eyes.gettext("good until %(day)s", day=full_day(eyes, row.expires_on))
    return ConsentRow(
        kind=kind.value, label=eyes.words.word("consent_kind", kind), said=said, is_given=row is not None
    )


def _covered(eyes: Eyes, card: Card) -> str:
    row = card.covering
    if row is None:
        return ""
    day = full_day(eyes, row.last_day)
    if row.organisation_id is not None:
        return eyes.gettext("By the subscription of an organisation, until %(day)s.", day=day)
    if row.member_id != card.member.id:
        return eyes.gettext("By the family’s subscription, until %(day)s.", day=day)
    return eyes.gettext("Until %(day)s.", day=day)


def _certifications(eyes: Eyes, card: Card) -> list[PlaceRow]:
    found = []
    for row in card.certifications:
        over = row.expires_at is not None and row.expires_at <= eyes.now
        meta = [eyes.words.word("certification_level", row.level)]
        if row.expires_at is not None:
            meta.append(eyes.gettext("good until %(day)s", day=eyes.words.day(row.expires_at)))
        found.append(
            PlaceRow(
                id=row.id,
                name=eyes.words.word("technology", row.technology),
                href="",
                meta=tuple(meta),
                mark=Mark(tone="quiet", word=eyes.words.word("document_state", "expired")) if over else None,
            )
        )
    return found


def euros(price_cents: int) -> str:
    """As a form holds it."""
    return str(Decimal(price_cents) / 100)
