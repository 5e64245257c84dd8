"""Policies as views: what each row says, in words, and the form in the units people think in."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from fablab.base.database import UnitOfWork
from fablab.claims.rules import setting, waivers
from fablab.claims.rules.models import Overrun, Permission, Presence, ReservationPolicy, Waiver
from fablab.people import standing
from fablab.people.access import Right, allows
from fablab.people.certifications import terms
from fablab.people.certifications.models import CertificationTerms
from fablab.people.models import Audience
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from web.pages import show_certifications as show
from web.pages.certifications_model import Field, ListRow, PoliciesView, PolicyRow, TermsRow, WaiverRow
from web.pages.eyes import Eyes
from web.pages.people_model import Option

HOUR, DAY, MINUTE = 3600, 86400, 60
#: In how many seconds (or years, or pieces) a column is typed and shown.
UNITS: Mapping[str, int] = {
    "lead_s": HOUR,
    "horizon_s": DAY,
    "shortest_s": MINUTE,
    "longest_s": HOUR,
    "gap_s": HOUR,
    "weekly_s": HOUR,
    "concurrent": 1,
    "grace_s": MINUTE,
    "cancel_s": HOUR,
    "least_age": 1,
    "consent_age": 1,
    "alone_age": 1,
}


def labels(eyes: Eyes) -> Mapping[str, str]:
    """By column: its name with the unit it is typed in."""
    _ = eyes.gettext
    return {
        "lead_s": _("Asked for so many hours before"),
        "horizon_s": _("At most so many days ahead"),
        "shortest_s": _("At least so many minutes"),
        "longest_s": _("At most so many hours"),
        "gap_s": _("Hours between two of one person"),
        "weekly_s": _("Hours a week for one person"),
        "concurrent": _("Reservations to come for one person"),
        "grace_s": _("Kept so many minutes for who is late"),
        "cancel_s": _("Given back so many hours before"),
        "least_age": _("From so many years of age"),
        "consent_age": _("Below this age a parent agrees"),
        "alone_age": _("Below this age only while the staff is there"),
        "presence": _("When members may use it"),
        "subscription": _("Takes a membership"),
        "approval": _("The staff says yes to each"),
        "overrun": _("A run under way that is not over when it begins"),
    }


def view(uow: UnitOfWork, eyes: Eyes, chosen: str) -> PoliciesView:
    """`chosen`: the number of the row that the form begins with, where one is."""
    resources = {row.id: row for row in house.resources(uow, frozenset(ResourceKind))}
    rows = setting.all_policies(uow)
    at = next((row for row in rows if str(row.id) == chosen), None)
    return PoliciesView(
        rows=tuple(_policy(eyes, row, resources) for row in rows),
        terms=tuple(_terms(uow, eyes, row) for row in terms.all_terms(uow)),
        lists=_lists(uow, eyes),
        waivers=tuple(_waiver(uow, eyes, row) for row in waivers.pending(uow)),
        may_set=allows(eyes.actor, Right.MANAGE),
        fields=_fields(eyes, at),
        about=about_of(at) if at is not None else "house",
        audience=at.audience.value if at is not None and at.audience is not None else "",
        abouts=_abouts(eyes, list(resources.values())),
        audiences=_options(eyes, Audience, "audience"),
        scopes=show.scopes(uow, eyes),
        permissions=_options(eyes, Permission, "permission"),
    )


def about_of(row: ReservationPolicy) -> str:
    if row.resource_id is not None:
        return f"resource:{row.resource_id}"
    if row.technology is not None:
        return f"technology:{row.technology.value}"
    return f"kind:{row.kind.value}" if row.kind is not None else "house"


def _abouts(eyes: Eyes, resources: list[Resource]) -> tuple[Option, ...]:
    words = eyes.words
    kinds = dict.fromkeys(row.kind for row in resources)
    technologies = dict.fromkeys(row.technology for row in resources if row.technology is not None)
    return (
        Option(value="house", label=eyes.gettext("The whole house")),
        *(Option(value=f"kind:{kind.value}", label=words.word("resource_kind", kind)) for kind in kinds),
        *(Option(value=f"technology:{t.value}", label=words.word("technology", t)) for t in technologies),
        *(Option(value=f"resource:{row.id}", label=row.name) for row in resources),
    )


def _policy(eyes: Eyes, row: ReservationPolicy, resources: Mapping[int, Resource]) -> PolicyRow:
    known = {option.value: option.label for option in _abouts(eyes, list(resources.values()))}
    title = known.get(about_of(row), "–")
    if row.audience is not None:
        title = f"{title}, {eyes.words.word('audience', row.audience)}"
    names = labels(eyes)
    said = tuple(
        f"{names[column]}: {_value(eyes, row, column)}"
        for column in (*UNITS, *setting.WORDS, *setting.SWITCHES)
        if getattr(row, column) is not None
    )
    return PolicyRow(id=row.id, title=title, said=said)


def _value(eyes: Eyes, row: ReservationPolicy, column: str) -> str:
    value = getattr(row, column)
    if column in UNITS:
        return eyes.words.decimal(value / UNITS[column])
    if column in setting.SWITCHES:
        return eyes.gettext("yes") if value else eyes.gettext("no")
    return eyes.words.word(column, value)


def _fields(eyes: Eyes, row: ReservationPolicy | None) -> tuple[Field, ...]:
    words = {"presence": Presence, "overrun": Overrun}
    switch = (Option(value="yes", label=eyes.gettext("yes")), Option(value="no", label=eyes.gettext("no")))
    found: list[Field] = []
    for column, label in labels(eyes).items():
        value = getattr(row, column) if row is not None else None
        if column in UNITS:
            said = "" if value is None else eyes.words.decimal(value / UNITS[column])
            found.append(Field(name=column, label=label, value=said))
        elif column in words:
            choices = _options(eyes, words[column], column)
            found.append(Field(name=column, label=label, value=value or "", options=choices))
        else:
            said = "" if value is None else "yes" if value else "no"
            found.append(Field(name=column, label=label, value=said, options=switch))
    return tuple(found)


def _terms(uow: UnitOfWork, eyes: Eyes, row: CertificationTerms) -> TermsRow:
    _ = eyes.gettext
    said = [
        _("ends after %(num)s days", num=str(row.valid_days)) if row.valid_days is not None else "",
        _("ends after %(num)s days without use", num=str(row.disuse_days)) if row.disuse_days else "",
        _("%(num)s uses under supervision first", num=str(row.supervised_uses))
        if row.supervised_uses
        else "",
        _("reminded %(num)s days before", num=str(row.remind_days)),
    ]
    title = show.about_of(uow, eyes, row.technology, row.resource_id)
    return TermsRow(id=row.id, title=title, said=tuple(filter(None, said)))


def _lists(uow: UnitOfWork, eyes: Eyes) -> tuple[ListRow, ...]:
    """Of every machine whose technology has materials."""
    found: list[ListRow] = []
    materials = house.materials(uow)
    for machine in house.machines(uow):
        own = [row for row in materials if row.technology is machine.technology]
        if not own:
            continue
        names = {row.id: row.name for row in own}
        lines = tuple(
            (
                names.get(row.material_id, "–"),
                eyes.words.word("permission", row.permission),
                str(row.material_id),
            )
            for row in setting.lists(uow, machine.id)
        )
        options = tuple(Option(value=str(row.id), label=row.name) for row in own)
        found.append(ListRow(machine_id=machine.id, name=machine.name, lines=lines, materials=options))
    return tuple(found)


def _waiver(uow: UnitOfWork, eyes: Eyes, row: Waiver) -> WaiverRow:
    by = standing.get(uow, row.by_id).name
    mine = eyes.actor.member_id in (row.by_id, row.member_id)
    return WaiverRow(
        id=row.id,
        who=standing.get(uow, row.member_id).name,
        rule=eyes.words.short(row.code),
        meta=(row.why, by, eyes.words.when(row.at)),
        can=("withdraw",) if mine else ("second", "withdraw"),
    )


def _options(eyes: Eyes, kind: type[StrEnum], name: str) -> tuple[Option, ...]:
    return tuple(Option(value=each.value, label=eyes.words.word(name, each)) for each in kind)
