"""What a workshop is made of, as it is said: frozen values, their rules, and how the database keeps them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fablab.base.errors import Invalid
from fablab.claims.workshops.words import Level, Payer, Theme, Unit, WorkshopKind
from fablab.people.models import Audience
from fablab.places.models import ResourceKind, Technology

LANGUAGES = ("fr", "en")
MOST_TEXT = 2000
MOST_TITLE = 120
MOST_LINES = 40
MOST_PEOPLE = 1000
MOST_MINUTES = 24 * 60
MOST_NEEDS = 12
MOST_QUANTITY = 60
MOST_STATIONS = 12
MOST_PRICE_CENTS = 10_000_000
MOST_VAT_BP = 10_000
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_WORD = re.compile(r"[a-z0-9_-]{1,40}")

#: The same text in both languages, `{"fr": .., "en": ..}`.
Text = Mapping[str, str]
NO_TEXT: Text = {"fr": "", "en": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One need of a session: `quantity` resources of a kind, at the same time as the others. `technology`: of machines;
    `seats`: at least so many in each; `equipment`: words of what has to be there; `skill`: what a person can do;
    `resource_ids`: only these, none for any."""

    kind: ResourceKind
    quantity: int = 1
    technology: Technology | None = None
    seats: int | None = None
    equipment: tuple[str, ...] = ()
    skill: str = ""
    resource_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A table that every group comes to once, for so many minutes."""

    name: Text
    minutes: int
    technology: Technology | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What each one makes on a machine. `sha256`: a sample program in the store."""

    technology: Technology
    minutes: int
    weight_g: float = 0.0
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Without tax; the tax in hundredths of a per cent."""

    audience: Audience
    payer: Payer
    unit: Unit
    price_cents: int
    vat_rate_bp: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """All that is said of a workshop when it is written down or changed."""

    slug: str
    title: Text
    summary: Text
    audiences: tuple[Audience, ...]
    level: Level
    theme: Theme
    most_people: int
    duration_min: int
    least_people: int = 1
    kind: WorkshopKind = WorkshopKind.WORKSHOP
    take_home: Text = field(default_factory=lambda: NO_TEXT)
    steps: tuple[Text, ...] = ()
    materials: tuple[Text, ...] = ()
    setup_min: int = 0
    clear_min: int = 0
    stations: tuple[Station, ...] = ()
    groups: int = 1
    needs: tuple[Want, ...] = ()
    piece: Piece | None = None
    grants: Technology | None = None
    prices: tuple[Price, ...] = ()
    public: bool = False
    partner_id: int | None = None


def checked(said: Said) -> dict[str, object]:
    """The columns of a workshop. Raises `Invalid` workshop.* with the field that is wrong."""
    if not _SLUG.fullmatch(said.slug) or len(said.slug) > 80:
        raise Invalid("workshop.slug", field="slug")
    if not said.audiences:
        raise Invalid("workshop.audiences", field="audiences")
    if not 1 <= said.least_people <= said.most_people <= MOST_PEOPLE:
        raise Invalid("workshop.people", field="most_people", most=MOST_PEOPLE)
    if not 5 <= said.duration_min <= MOST_MINUTES:
        raise Invalid("workshop.minutes", field="duration_min", most=MOST_MINUTES)
    for name, minutes in (("setup_min", said.setup_min), ("clear_min", said.clear_min)):
        if not 0 <= minutes <= MOST_MINUTES:
            raise Invalid("workshop.minutes", field=name, most=MOST_MINUTES)
    _check_rotation(said)
    _check_prices(said.prices)
    return {
        "slug": said.slug,
        "kind": said.kind,
        "partner_id": said.partner_id,
        "title": _text(said.title, "title", most=MOST_TITLE, empty=False),
        "summary": _text(said.summary, "summary"),
        "take_home": _text(said.take_home, "take_home"),
        "steps": _texts(said.steps, "steps"),
        "materials": _texts(said.materials, "materials"),
        "audiences": [word.value for word in dict.fromkeys(said.audiences)],
        "level": said.level,
        "theme": said.theme,
        "least_people": said.least_people,
        "most_people": said.most_people,
        "duration_min": said.duration_min,
        "setup_min": said.setup_min,
        "clear_min": said.clear_min,
        "stations": [_station(each) for each in said.stations],
        "groups": said.groups,
        "needs": _needs(said.needs),
        "piece": _piece(said.piece) if said.piece is not None else None,
        "grants": said.grants,
        "public": said.public,
    }


def wants(kept: Sequence[Mapping[str, object]]) -> tuple[Want, ...]:
    """A workshop's needs, as they were said."""
    return tuple(
        Want(
            kind=ResourceKind(str(row["kind"])),
            quantity=int(str(row["quantity"])),
            technology=Technology(str(row["technology"])) if row.get("technology") else None,
            seats=int(str(row["seats"])) if row.get("seats") else None,
            equipment=tuple(str(word) for word in _list(row.get("equipment"))),
            skill=str(row.get("skill") or ""),
            resource_ids=tuple(int(str(id_)) for id_ in _list(row.get("resource_ids"))),
        )
        for row in kept
    )


def stations(kept: Sequence[Mapping[str, object]]) -> tuple[Station, ...]:
    found = []
    for row in kept:
        name = row["name"]
        found.append(
            Station(
                name={str(k): str(v) for k, v in name.items()} if isinstance(name, Mapping) else NO_TEXT,
                minutes=int(str(row["minutes"])),
                technology=Technology(str(row["technology"])) if row.get("technology") else None,
            )
        )
    return tuple(found)


def piece(kept: Mapping[str, object] | None) -> Piece | None:
    if kept is None:
        return None
    return Piece(
        technology=Technology(str(kept["technology"])),
        minutes=int(str(kept["minutes"])),
        weight_g=float(str(kept.get("weight_g") or 0)),
        sha256=str(kept["sha256"]) if kept.get("sha256") else None,
    )


def in_language(text: Text, language: str) -> str:
    """In that language, or in the other one where nothing is said in it."""
    return text.get(language) or next((text[other] for other in LANGUAGES if text.get(other)), "")


def _check_rotation(said: Said) -> None:
    """Every group comes to every station: as many rounds as stations, each as long as the longest of them."""
    if len(said.stations) > MOST_STATIONS or any(each.minutes < 1 for each in said.stations):
        raise Invalid("workshop.stations", field="stations", most=MOST_STATIONS)
    if not 1 <= said.groups <= max(len(said.stations), 1):
        raise Invalid("workshop.groups", field="groups", most=max(len(said.stations), 1))
    rounds_min = len(said.stations) * max((each.minutes for each in said.stations), default=0)
    if rounds_min > said.duration_min:
        raise Invalid("workshop.rotation", field="stations", rounds_min=rounds_min)


def _check_prices(prices: Sequence[Price]) -> None:
    keys = [(row.audience, row.payer, row.unit) for row in prices]
    if len(set(keys)) != len(keys):
        raise Invalid("workshop.price_twice", field="prices")
    for row in prices:
        if not 0 <= row.price_cents <= MOST_PRICE_CENTS:
            raise Invalid("workshop.price", field="prices")
        if not 0 <= row.vat_rate_bp <= MOST_VAT_BP:
            raise Invalid("workshop.vat", field="prices")
        if row.payer is Payer.FREE and row.price_cents:
            raise Invalid("workshop.price_free", field="prices")


def _needs(needs: Sequence[Want]) -> list[dict[str, object]]:
    if len(needs) > MOST_NEEDS:
        raise Invalid("workshop.needs", field="needs", most=MOST_NEEDS)
    return [_need(want) for want in needs]


def _need(want: Want) -> dict[str, object]:
    named = set(want.resource_ids)
    wrong = (
        not 1 <= want.quantity <= MOST_QUANTITY
        or (want.technology is not None and want.kind is not ResourceKind.MACHINE)
        or (want.seats is not None and not 1 <= want.seats <= MOST_PEOPLE)
        or (named and len(named) < want.quantity)
        or len(want.equipment) > MOST_LINES
        or not all(_WORD.fullmatch(word) for word in (*want.equipment, *filter(None, (want.skill,))))
    )
    if wrong:
        raise Invalid("workshop.need", field="needs", kind=want.kind.value)
    return {
        "kind": want.kind.value,
        "technology": want.technology.value if want.technology is not None else None,
        "quantity": want.quantity,
        "seats": want.seats,
        "equipment": list(want.equipment),
        "skill": want.skill,
        "resource_ids": sorted(named),
    }


def _station(said: Station) -> dict[str, object]:
    return {
        "name": _text(said.name, "stations", most=MOST_TITLE, empty=False),
        "technology": said.technology.value if said.technology is not None else None,
        "minutes": said.minutes,
    }


def _piece(said: Piece) -> dict[str, object]:
    sha = said.sha256
    if not 1 <= said.minutes <= MOST_MINUTES or not 0 <= said.weight_g <= 10_000:
        raise Invalid("workshop.piece", field="piece")
    if sha is not None and not re.fullmatch(r"[0-9a-f]{64}", sha):
        raise Invalid("workshop.piece", field="piece")
    return {
        "technology": said.technology.value,
        "minutes": said.minutes,
        "weight_g": said.weight_g,
        "sha256": sha,
    }


def _texts(said: Sequence[Text], field: str) -> list[dict[str, str]]:
    if len(said) > MOST_LINES:
        raise Invalid("workshop.too_many_lines", field=field, most=MOST_LINES)
    return [_text(each, field, most=500, empty=False) for each in said]


def _text(said: Text, field: str, *, most: int = MOST_TEXT, empty: bool = True) -> dict[str, str]:
    found = {language: str(said.get(language, "")).strip() for language in LANGUAGES}
    is_wrong = any(len(text) > most or not _shown(text) for text in found.values())
    if is_wrong or set(said) - set(LANGUAGES) or not (empty or any(found.values())):
        raise Invalid("workshop.text", field=field, most=most)
    return found


def _shown(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()
