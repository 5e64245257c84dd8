"""The screens of reserving: what there is with why not and the way out, the best options, and what would be so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fablab.base.errors import Refusal
from fablab.money.quotes import Quote
from fablab.people.models import Project
from fablab.places.models import Resource, ResourceKind, Technology
from scheduler.planner.forecast import Forecast
from scheduler.reserving import ReservingOffer
from web.pages import eyes as small
from web.pages.eyes import Eyes
from web.pages.model import Choice, RefusalView
from web.pages.reserve_form import (
    CARRIED,
    LENGTHS_MIN,
    MOST_WEEKS,
    OTHER,
    SOON,
    USUAL_LENGTH_MIN,
    WHENS,
    Asking,
    Placing,
    Thing,
    address,
    carried,
    exact_text,
    local_text,
)
from web.pages.reserve_model import (
    AlsoView,
    AskView,
    BestView,
    ConfirmView,
    KindView,
    PersonView,
    ThingView,
    TrainingView,
)
from web.pages.show_hand import displaced
from web.words import hand as said

MOST_REASONS = 2
MOST_NAMED = 3
WEEKS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 26)
KINDS = [ResourceKind.MACHINE, ResourceKind.ROOM, ResourceKind.DESK, ResourceKind.KIT, ResourceKind.PERSON]
ICONS = {ResourceKind.DESK: "desk", ResourceKind.ROOM: "room", ResourceKind.KIT: "tools"}
Why = Mapping[int, tuple[Refusal, ...]]  # resource id to what stands against this person's using it


# ---- the first screen ----


def ask(
    eyes: Eyes,
    asking: Asking,
    resources: Sequence[Resource],
    why: Why,
    prices: Mapping[Technology, int],
    *,
    errors: Mapping[str, str],
    person: PersonView | None = None,
    found: tuple[PersonView, ...] = (),
    is_fresh: bool = False,
) -> AskView:
    """`is_fresh`: nothing has been asked yet, so nothing is wrong either."""
    texts = asking.texts
    return AskView(
        kinds=_kinds(eyes, resources, why, prices, texts.get("what", "")),
        lengths=_lengths(eyes, texts.get("length") or str(USUAL_LENGTH_MIN)),
        whens=tuple(
            Choice(value=when, label=eyes.words.word("reserve_when", when), selected=when == asking.when)
            for when in WHENS
        ),
        length_h=texts.get("length_h", ""),
        length_min=texts.get("length_min", ""),
        day=texts.get("day", ""),
        from_value=texts.get("from", ""),
        until_value=texts.get("until", ""),
        errors={} if is_fresh else {name: eyes.words.say(code, texts) for name, code in errors.items()},
        for_member=person,
        found=found,
        who=texts.get("who", ""),
        carried=tuple(
            (n, texts[n])
            for n in CARRIED
            if texts.get(n) and n in ("note", "project", "party", "weeks", "setup")
        ),
    )


def _lengths(eyes: Eyes, chosen: str) -> tuple[Choice, ...]:
    values = [str(minutes) for minutes in LENGTHS_MIN]
    if chosen not in values:
        chosen = OTHER
    return (
        *(Choice(value=v, label=eyes.words.duration(int(v) * 60), selected=v == chosen) for v in values),
        Choice(value=OTHER, label=eyes.gettext("Another length"), selected=chosen == OTHER),
    )


def _kinds(
    eyes: Eyes, resources: Sequence[Resource], why: Why, prices: Mapping[Technology, int], chosen: str
) -> tuple[KindView, ...]:
    groups: dict[str, list[Resource]] = {}
    for row in sorted(resources, key=_order):
        groups.setdefault(value_of(row), []).append(row)
    kinds = [_kind(eyes, value, rows, why, prices, chosen) for value, rows in groups.items()]
    return tuple(sorted(kinds, key=lambda kind: bool(kind.reasons)))  # what can be had first


def _order(row: Resource) -> tuple[int, int, str]:
    technologies = list(Technology)
    return (
        KINDS.index(row.kind),
        technologies.index(row.technology) if row.technology is not None else 0,
        row.name,
    )


def value_of(row: Resource) -> str:
    """What the form calls its kind."""
    return row.technology.value if row.technology is not None else row.kind.value


def _kind(
    eyes: Eyes,
    value: str,
    rows: Sequence[Resource],
    why: Why,
    prices: Mapping[Technology, int],
    chosen: str,
) -> KindView:
    things = tuple(
        ThingView(
            value=f"r{row.id}",
            label=row.name,
            detail=_seats(eyes, row),
            selected=chosen == f"r{row.id}",
            reasons=small.refusals(eyes.words, why.get(row.id, ())),
        )
        for row in rows
    )
    common = _common([why.get(row.id, ()) for row in rows])
    technology = rows[0].technology
    return KindView(
        value=value,
        label=kind_word(eyes, technology, rows[0].kind),
        icon=technology.value if technology is not None else ICONS.get(rows[0].kind, "tools"),
        detail=_detail(eyes, rows, prices.get(technology) if technology is not None else None),
        selected=chosen == value or (len(rows) == 1 and chosen == things[0].value),
        things=things,
        reasons=small.refusals(eyes.words, common),
        training=training(eyes, common),
        anyway=address("/reserve", (("what", value),))
        if common and all(refusal.waivable for refusal in common)
        else "",
    )


def _common(each: Sequence[tuple[Refusal, ...]]) -> tuple[Refusal, ...]:
    """What stands against all of them alike, said once."""
    if not all(each):
        return ()
    codes = set.intersection(*({refusal.code for refusal in rows} for rows in each))
    return tuple(refusal for refusal in each[0] if refusal.code in codes) or each[0]


def kind_word(eyes: Eyes, technology: Technology | None, kind: ResourceKind) -> str:
    if technology is not None:
        return eyes.words.word("technology", technology)
    return eyes.words.word("resource_kind", kind)


def _seats(eyes: Eyes, row: Resource) -> str:
    return eyes.gettext("%(seats)s seats", seats=str(row.seats)) if row.seats else ""


def _detail(eyes: Eyes, rows: Sequence[Resource], hour_cents: int | None) -> str:
    words = eyes.words
    if len(rows) <= MOST_NAMED:
        parts = [words.formats.listed([row.name for row in rows])]
    else:
        parts = [words.ngettext("%(num)s of them", "%(num)s of them", len(rows)) % {"num": len(rows)}]
    if hour_cents is not None:
        parts.append(eyes.gettext("%(price)s an hour", price=words.money(hour_cents)))
    return " · ".join(parts)


def training(eyes: Eyes, refusals: Iterable[Refusal]) -> TrainingView | None:
    """The next training that a refusal names."""
    for row in refusals:
        session, start = row.facts.get("session"), row.facts.get("at")
        if not session or not isinstance(start, str):
            continue
        free = row.facts.get("free")
        return TrainingView(
            id=str(session),
            title=eyes.gettext("Next training"),
            start_at=datetime.fromisoformat(start),
            seats_left=free if isinstance(free, int) else 0,
        )
    return None


# ---- the second ----


def what(eyes: Eyes, thing: Thing, names: Mapping[int, Resource]) -> str:
    if thing.resource_id is not None:
        return names[thing.resource_id].name if thing.resource_id in names else "?"
    return kind_word(eyes, thing.technology, thing.kind)


def when(eyes: Eyes, asking: Asking) -> str:
    words = eyes.words
    if asking.when == "day":
        return words.day(asking.since)
    if asking.when == "window":
        return f"{words.when(asking.since)} – {words.when(asking.until)}"
    return words.word("reserve_when", asking.when)


def best(eyes: Eyes, offer: ReservingOffer, quote: Quote, href: str) -> BestView:
    reasons = [eyes.words.reason(reason) for reason in offer.reasons[:MOST_REASONS] if not _is_count(reason)]
    return BestView(
        href=href,
        names=eyes.words.formats.listed(list(offer.names)),
        start_at=offer.start_at,
        end_at=offer.end_at,
        total_cents=quote.total_cents if quote.lines else None,
        why=tuple(reasons),
        moves=len(offer.in_the_way),
        asks=bool(offer.refusals),
    )


def _is_count(reason: Mapping[str, object]) -> bool:
    """How many move is said apart."""
    return reason.get("code") == "others_give_way"


def place_fields(resource_ids: Iterable[int], start_at: datetime, end_at: datetime) -> dict[str, str]:
    return {
        "resources": ",".join(map(str, resource_ids)),
        "start": exact_text(start_at),
        "end": exact_text(end_at),
    }


def confirm_address(
    texts: Mapping[str, str], resource_ids: Iterable[int], start_at: datetime, end_at: datetime
) -> str:
    fields = (*carried(texts), *place_fields(resource_ids, start_at, end_at).items())
    return address("/reserve/confirm", fields)


def take(offer: ReservingOffer) -> str:
    """What the button of an alternative sends."""
    return "|".join(place_fields(offer.resource_ids, offer.start_at, offer.end_at).values())


# ---- the third ----


def confirm(
    eyes: Eyes,
    placing: Placing,
    names: Mapping[int, Resource],
    forecast: Forecast | None,
    *,
    zone: ZoneInfo,
    quote: Quote | None = None,
    rules: tuple[str, ...] = (),
    refusals: Sequence[Refusal] = (),
    alternatives: tuple[BestView, ...] = (),
    lost: str = "",
    also: tuple[AlsoView, ...] = (),
    projects: Sequence[Project] = (),
    for_name: str = "",
    giving_way: int | None = None,
    errors: Mapping[str, str] | None = None,
) -> ConfirmView:
    """`placing` has its start and end. `forecast` None: the place is not one that could be had. `giving_way`: how many
    planned jobs would on any date of a series, None where it is none."""
    assert placing.start_at is not None
    assert placing.end_at is not None
    against = (*(forecast.refusals if forecast is not None else ()), *refusals)
    possible = forecast is not None and not any(not refusal.waivable for refusal in against)
    texts = placing.texts
    return ConfirmView(
        names=eyes.words.formats.listed(
            [names[each].name for each in placing.everything if each in names] or ["?"]
        ),
        start_at=placing.start_at,
        end_at=placing.end_at,
        fields=_fields(texts, placing),
        back=address("/reserve/options", carried(texts)),
        here=confirm_address(texts, placing.everything, placing.start_at, placing.end_at),
        quote=small.price(eyes.words, quote) if quote is not None and quote.lines else None,
        rules=rules,
        refusals=small.refusals(eyes.words, against),
        training=training(eyes, against),
        displaced=displaced(eyes, forecast) if forecast is not None and possible else (),
        summary=said.summary(eyes.words, forecast) if forecast is not None and possible else "",
        alternatives=alternatives,
        lost=lost,
        also=also,
        projects=_projects(eyes, projects, texts.get("project", "")),
        weeks=_weeks(eyes, texts.get("weeks") or "1"),
        series=_series(eyes, giving_way),
        why=placing.why,
        setup_min=texts.get("setup", ""),
        can_setup=any(_runs_alone(names.get(each)) for each in placing.resource_ids),
        party=texts.get("party") or "1",
        note=placing.note,
        start_value=local_text(placing.start_at, zone),
        end_value=local_text(placing.end_at, zone),
        errors=dict(errors or {}),
        for_name=for_name,
    )


def _series(eyes: Eyes, giving_way: int | None) -> str:
    if giving_way is None:
        return ""
    if not giving_way:
        return eyes.gettext("On all these dates nobody else moves.")
    return eyes.words.ngettext(
        "On these dates %(num)s planned job makes room; its owner is told.",
        "On these dates %(num)s planned jobs make room; their owners are told.",
        giving_way,
    ) % {"num": giving_way}


def _fields(texts: Mapping[str, str], placing: Placing) -> tuple[tuple[str, str], ...]:
    """What the form brings along unseen; what it shows it brings itself."""
    assert placing.start_at is not None
    assert placing.end_at is not None
    unseen = carried(texts, "note", "party", "project", "weeks", "setup")
    mine = {
        "resources": ",".join(map(str, placing.resource_ids)),
        "start_at": exact_text(placing.start_at),
        "end_at": exact_text(placing.end_at),
        "key": placing.key,
    }
    return (*unseen, *mine.items())


def _runs_alone(row: Resource | None) -> bool:
    return row is not None and row.machine is not None and row.machine.unattended


def _projects(eyes: Eyes, projects: Sequence[Project], chosen: str) -> tuple[Choice, ...]:
    none = Choice(value="", label=eyes.gettext("No project"), selected=not chosen)
    return (none, *(Choice(value=str(p.id), label=p.name, selected=str(p.id) == chosen) for p in projects))


def _weeks(eyes: Eyes, chosen: str) -> tuple[Choice, ...]:
    shown = sorted({*WEEKS, int(chosen) if chosen.isdecimal() and 0 < int(chosen) <= MOST_WEEKS else 1})
    return tuple(
        Choice(
            value=str(count),
            label=eyes.gettext("Just once")
            if count == 1
            else eyes.words.ngettext("%(num)s week", "%(num)s weeks in a row", count) % {"num": count},
            selected=str(count) == chosen,
        )
        for count in shown
    )


def also(
    eyes: Eyes, resources: Sequence[Resource], taken: Mapping[int, bool], why: Why, placing: Placing
) -> tuple[AlsoView, ...]:
    """Everything else in the house at the same time. `taken`: id to whether it is firmly somebody's."""
    found = []
    for row in sorted(resources, key=_order):
        if row.id in placing.resource_ids:
            continue
        problem = ""
        if taken.get(row.id):
            problem = eyes.gettext("taken")
        elif any(not refusal.waivable for refusal in why.get(row.id, ())):
            problem = eyes.words.refusal(next(r for r in why[row.id] if not r.waivable))
        found.append(
            AlsoView(
                value=str(row.id),
                label=row.name,
                detail=" · ".join(
                    filter(None, (kind_word(eyes, row.technology, row.kind), _seats(eyes, row)))
                ),
                selected=row.id in placing.also,
                problem=problem,
            )
        )
    return tuple(found)


def said_refusals(eyes: Eyes, refusals: Iterable[Refusal]) -> tuple[RefusalView, ...]:
    return small.refusals(eyes.words, refusals)


def round_up(at: datetime, step: timedelta) -> datetime:
    """The next full step of the clock."""
    seconds = int(step.total_seconds())
    over = int(at.timestamp()) % seconds
    whole = at.replace(microsecond=0)
    return at if over == 0 and at.microsecond == 0 else whole + timedelta(seconds=seconds - over)


__all__ = [
    "SOON", "Why", "also", "ask", "best", "confirm", "confirm_address", "kind_word", "place_fields", "round_up",
    "said_refusals", "take", "training", "value_of", "what", "when",
]  # fmt: skip
