"""The form of an entry of the catalogue: a workshop becomes the fields of the form, and what was typed a workshop."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from itertools import zip_longest
from typing import TypeVar

from fablab.base.errors import Invalid
from fablab.claims.workshops import offer
from fablab.claims.workshops.models import Workshop
from fablab.claims.workshops.offer import LANGUAGES, Piece, Price, Said, Station, Text, Want
from fablab.claims.workshops.words import Level, Payer, Theme, Unit, WorkshopKind
from fablab.people.models import Audience
from fablab.places.models import ResourceKind, Technology
from web.pages.people_forms import Form, cents_in, maybe_number_in, one_of

E = TypeVar("E", bound=StrEnum)
#: More than any text of an entry may have, so that one that is too long comes back whole.
TYPED_LIMIT = 25_000
MOST_ROWS = 100
#: By section: how its fields begin, and those of them that say that a row is meant.
ROWS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "needs": ("need", ("what", "quantity", "seats", "equipment", "skill", "only")),
    "stations": ("station", ("fr", "en", "technology", "minutes")),
    "prices": ("price", ("audience", "price")),
}
NEW: Form = {"kind": "workshop", "level": "debutant", "theme": "creer_avec_le_numerique", "groups": "1"}
_ROW = re.compile(r"(need|station|price)\.(\d{1,3})\.([a-z]+)")
_WHOLE = Said(
    slug="x",
    title={"fr": "x"},
    summary={},
    audiences=(Audience.SCHOOL,),
    level=Level.DEBUTANT,
    theme=Theme.EMAIL,
    most_people=1,
    duration_min=offer.MOST_MINUTES,
)

# -- a workshop as it stands in the form -------------------------------------------------------------------------


def values(row: Workshop, things: Mapping[int, str], *, point: str = ",") -> Form:
    """The form's fields by name. `things`: names of resources by id; `point`: what stands before decimals."""
    piece = offer.piece(row.piece)
    found = {
        "slug": row.slug,
        "kind": row.kind.value,
        "partner": str(row.partner_id or ""),
        "level": row.level.value,
        "theme": row.theme.value,
        "grants": row.grants.value if row.grants else "",
        "public": "1" if row.public else "",
        "piece.technology": piece.technology.value if piece else "",
        "piece.minutes": str(piece.minutes) if piece else "",
        "piece.weight_g": f"{piece.weight_g:g}".replace(".", point) if piece else "",
        "piece.sha256": (piece.sha256 or "") if piece else "",
        **{f"audience.{word}": "1" for word in row.audiences},
    }
    for name in ("least_people", "most_people", "duration_min", "setup_min", "clear_min", "groups"):
        found[name] = str(getattr(row, name))
    for language in LANGUAGES:
        for name in ("title", "summary", "take_home"):
            found[f"{name}.{language}"] = getattr(row, name).get(language, "")
        for name in ("steps", "materials"):
            lines = (each.get(language, "").replace("\n", " ") for each in getattr(row, name))
            found[f"{name}.{language}"] = "\n".join(lines)
    for n, want in enumerate(offer.wants(row.needs)):
        found |= _fields(f"need.{n}", _of_want(want, things))
    for n, station in enumerate(offer.stations(row.stations)):
        said = {**station.name, "technology": station.technology or "", "minutes": str(station.minutes)}
        found |= _fields(f"station.{n}", said)
    for n, price in enumerate(row.prices):
        said = {"audience": price.audience, "payer": price.payer, "unit": price.unit}
        said |= {"price": hundredths(price.price_cents, point), "vat": hundredths(price.vat_rate_bp, point)}
        found |= _fields(f"price.{n}", said)
    return found


def hundredths(value: int, point: str) -> str:
    """Cents as euros, hundredths of a per cent as per cent, as they are typed."""
    return f"{value / 100:.2f}".removesuffix(".00").replace(".", point)


def label(things: Mapping[int, str], id_: int) -> str:
    """A thing as it is named in a list with commas."""
    name = things.get(id_, "")
    return name if name and "," not in name else f"#{id_}"


def _of_want(want: Want, things: Mapping[int, str]) -> Form:
    return {
        "what": f"machine:{want.technology}" if want.technology else want.kind.value,
        "quantity": str(want.quantity),
        "seats": str(want.seats or ""),
        "equipment": ", ".join(want.equipment),
        "skill": want.skill,
        "only": ", ".join(label(things, id_) for id_ in want.resource_ids),
    }


def _fields(prefix: str, said: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{name}": str(value) for name, value in said.items()}


def rows(form: Form, section: str) -> dict[int, dict[str, str]]:
    """The rows of a section that say something, by their number, in order."""
    prefix, telling = ROWS[section]
    found: dict[int, dict[str, str]] = {}
    for name, value in form.items():
        match = _ROW.fullmatch(name)
        if match and match[1] == prefix and int(match[2]) < MOST_ROWS:
            found.setdefault(int(match[2]), {})[match[3]] = value.strip()
    return {n: found[n] for n in sorted(found) if any(found[n].get(name) for name in telling)}


# -- what was typed, as a workshop -------------------------------------------------------------------------------


def said_in(form: Form, things: Mapping[int, str]) -> Said:
    """Raises `Invalid` with the field, or the section, that is wrong."""
    title = _both(form, "title")
    if not any(title.values()):  # before the address that would be made of it
        raise Invalid("workshop.text", field="title", most=offer.MOST_TITLE)
    return Said(
        slug=form.get("slug", "").strip() or slug_of(offer.in_language(title, "fr")),
        kind=one_of(WorkshopKind, form, "kind"),
        partner_id=maybe_number_in(form, "partner"),
        title=title,
        summary=_both(form, "summary"),
        take_home=_both(form, "take_home"),
        steps=_lines(form, "steps"),
        materials=_lines(form, "materials"),
        audiences=tuple(each for each in Audience if form.get(f"audience.{each.value}")),
        level=one_of(Level, form, "level"),
        theme=one_of(Theme, form, "theme"),
        least_people=_people(form, "least_people"),
        most_people=_people(form, "most_people"),
        duration_min=_minutes(form, "duration_min"),
        setup_min=_minutes(form, "setup_min"),
        clear_min=_minutes(form, "clear_min"),
        stations=tuple(_station(row) for row in rows(form, "stations").values()),
        groups=_groups(form),
        needs=tuple(_want(row, things) for row in rows(form, "needs").values()),
        piece=_piece(form),
        grants=one_of(Technology, form, "grants") if form.get("grants") else None,
        prices=tuple(_price(row) for row in rows(form, "prices").values()),
        public=form.get("public") == "1",
    )


def wrong_row(form: Form, section: str, things: Mapping[int, str]) -> int | None:
    """Which row of the section is wrong by itself; None where it is all of them together."""
    tries: Mapping[str, Callable[[dict[str, str]], Said]] = {
        "needs": lambda row: replace(_WHOLE, needs=(_want(row, things),)),
        "stations": lambda row: replace(_WHOLE, stations=(_station(row),)),
        "prices": lambda row: replace(_WHOLE, prices=(_price(row),)),
    }
    if section not in tries:
        return None
    for n, row in rows(form, section).items():
        try:
            offer.checked(tries[section](row))
        except Invalid:
            return n
    return None


def slug_of(title: str) -> str:
    """An address made of a title: `Mon badge en 3D` is `mon-badge-en-3d`."""
    plain = unicodedata.normalize("NFKD", title.replace("œ", "oe").replace("’", " ")).encode(
        "ascii", "ignore"
    )
    return "-".join(re.findall(r"[a-z0-9]+", plain.decode().lower()))[:80].strip("-")


def _both(form: Form, name: str) -> Text:
    return {each: form.get(f"{name}.{each}", "").replace("\r\n", "\n").strip() for each in LANGUAGES}


def _lines(form: Form, name: str) -> tuple[Text, ...]:
    """One a line; the same line of both languages belongs together."""
    columns = [form.get(f"{name}.{each}", "").rstrip().splitlines() for each in LANGUAGES]
    pairs = (tuple(text.strip() for text in pair) for pair in zip_longest(*columns, fillvalue=""))
    return tuple(dict(zip(LANGUAGES, pair, strict=True)) for pair in pairs if any(pair))


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _people(form: Form, name: str) -> int:
    count = _whole(form.get(name, "").strip())
    if count is None:
        raise Invalid("workshop.people", field=name, most=offer.MOST_PEOPLE)
    return count


def _minutes(form: Form, name: str) -> int:
    """Empty is none at all: before and after there may be nothing to do."""
    minutes = _whole(form.get(name, "").strip() or "0")
    if minutes is None:
        raise Invalid("workshop.minutes", field=name, most=offer.MOST_MINUTES)
    return minutes


def _groups(form: Form) -> int:
    count = _whole(form.get("groups", "").strip() or "1")
    if count is None:
        raise Invalid("workshop.groups", field="groups", most=max(len(rows(form, "stations")), 1))
    return count


def _want(row: Form, things: Mapping[int, str]) -> Want:
    wrong = Invalid("workshop.need", field="needs")
    kind, _, technology = row.get("what", "").partition(":")
    quantity = _whole(row.get("quantity") or "1")
    seats = _whole(row.get("seats") or "0")
    if quantity is None or seats is None or not kind:
        raise wrong
    ids = {label(things, id_).casefold(): id_ for id_ in things}
    only = _words(row.get("only", ""))
    if not all(each.casefold() in ids for each in only):
        raise Invalid("workshop.resource", field="needs")
    return Want(
        kind=_word(ResourceKind, kind, "needs"),
        technology=_word(Technology, technology, "needs") if technology else None,
        quantity=quantity,
        seats=seats or None,
        equipment=_words(row.get("equipment", "")),
        skill=row.get("skill", ""),
        resource_ids=tuple(ids[each.casefold()] for each in only),
    )


def _station(row: Form) -> Station:
    minutes = _whole(row.get("minutes", ""))
    if minutes is None:
        raise Invalid("workshop.stations", field="stations", most=offer.MOST_STATIONS)
    technology = row.get("technology")
    return Station(
        name={each: row.get(each, "") for each in LANGUAGES},
        minutes=minutes,
        technology=_word(Technology, technology, "stations") if technology else None,
    )


def _piece(form: Form) -> Piece | None:
    said = {name: form.get(f"piece.{name}", "").strip() for name in ("technology", "minutes", "weight_g")}
    if not any(said.values()):
        return None
    minutes = _whole(said["minutes"])
    weight = said["weight_g"].replace(",", ".") or "0"
    if minutes is None or not said["technology"] or not re.fullmatch(r"\d{1,5}(\.\d{1,3})?", weight, re.A):
        raise Invalid("workshop.piece", field="piece")
    return Piece(
        technology=_word(Technology, said["technology"], "piece"),
        minutes=minutes,
        weight_g=float(weight),
        sha256=form.get("piece.sha256", "").strip() or None,
    )


def _price(row: Form) -> Price:
    payer = _word(Payer, row.get("payer", ""), "prices")
    try:
        cents = 0 if payer is Payer.FREE and not row.get("price") else cents_in(row, "price")
    except Invalid:
        raise Invalid("workshop.price", field="prices") from None
    try:
        vat_rate_bp = cents_in(row, "vat") if row.get("vat") else 0
    except Invalid:
        raise Invalid("workshop.vat", field="prices") from None
    return Price(
        audience=_word(Audience, row.get("audience", ""), "prices"),
        payer=payer,
        unit=_word(Unit, row.get("unit", ""), "prices"),
        price_cents=cents,
        vat_rate_bp=vat_rate_bp,
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _word(kind: type[E], text: str, field: str) -> E:
    return one_of(kind, {field: text}, field)
