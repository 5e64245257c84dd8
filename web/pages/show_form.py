"""The form for one more machine: from what was typed to what is drawn, and to what is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from fablab.base.errors import Invalid, LabError
from fablab.places.models import Technology
from web.fleet import BAUDS, KINDS, USUAL_BAUD, Ask, Check, DeviceFacts, Fleet, KeyRequest, Kind, Seen, Wish
from web.pages.eyes import Eyes
from web.pages.machines_model import BlockView, FormView, FoundView, KeyView
from web.pages.model import Choice
from web.pages.show_machines import driver_title, test_view

_WIRE = ("driver", "port", "baud", "url", "user", "serial_number")
_SIZES = ("bed_x", "bed_y", "bed_z", "nozzle", "nozzle_max", "bed_max", "alone")
_TEXTS = (*_WIRE, "name", "technology", "model", *_SIZES)
_LONGEST = 300
#: What nearly every machine of its kind has; a person corrects what differs.
_USUAL = {
    Technology.FDM: {"nozzle": "0.4", "nozzle_max": "250", "bed_max": "100"},
}
_BED = {
    Technology.FDM: ("220", "220", "250"),
    Technology.LASER: ("400", "300", "50"),
}
_BY_DRIVER = {"grbl": Technology.LASER}
#: A code of the house -> the field that it is about.
_FIELD_OF = {
    "machine.name": "name",
    "machine.name_taken": "name",
    "machine.device": "name",
    "machine.device_taken": "name",
    "machine.model": "model",
    "machine.bed": "bed_x",
    "machine.nozzle": "nozzle",
    "machine.heat": "nozzle_max",
    "machine.alone": "alone",
}
_NUMBER = re.compile(r"[0-9]{1,6}([.,][0-9]{1,4})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The side of a machine that the lab's database keeps; lengths in mm, heat in °C, time in hours."""

    name: str
    technology: Technology
    model: str
    bed_mm: tuple[float, float, float]
    nozzle_mm: float | None
    max_nozzle_c: float
    max_bed_c: float
    unattended_h: float
    needs_certification: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What somebody typed. `device`: a table that is in devices.toml already. `secret` never goes back."""

    values: Mapping[str, str]
    device: str = ""
    secret: str = field(default="", repr=False)
    kept: str = ""
    check_id: str = ""

    @property
    def kind(self) -> Kind:
        return next((kind for kind in KINDS if kind.driver == self.values.get("driver")), KINDS[0])

    @property
    def technology(self) -> Technology:
        said = self.values.get("technology", "")
        if said in {technology.value for technology in Technology}:
            return Technology(said)
        return _BY_DRIVER.get(self.kind.driver, Technology.FDM)


class _Taken(msgspec.Struct):
    """What a found machine's button fills in."""

    driver: str = ""
    port: str = ""
    url: str = ""
    baud: str = ""
    serial_number: str = ""
    name: str = ""
    model: str = ""


def read(form: Mapping[str, str], secret: str) -> Typed:
    """From a form; `secret` is what was typed, or what is kept from before. `take`: a found machine, over the rest."""
    try:
        taken = msgspec.json.decode(form.get("take", "{}"), type=_Taken)
    except msgspec.DecodeError:
        taken = _Taken()
    form = {**form, **({name: value for name, value in msgspec.structs.asdict(taken).items() if value})}
    values = {name: " ".join(form.get(name, "").split())[:_LONGEST] for name in _TEXTS}
    values["certification"] = "yes" if form.get("certification") else ""
    return Typed(
        values=values,
        device=form.get("device", "")[:40],
        secret=secret,
        kept=form.get("kept", "")[:60],
        check_id=form.get("check", "")[:60],
    )


def wish_of(typed: Typed, fleet: Fleet) -> Wish:
    """What has to stand in devices.toml; only the fields that its kind has. Raises `Invalid` where one is missing."""
    asks, values = typed.kind.asks, typed.values
    for name, ask in (("port", Ask.PORT), ("url", Ask.URL)):
        if ask in asks and not values.get(name):
            raise Invalid(f"devices.no_{name}", field=name)
    if Ask.SECRET in asks and not typed.secret:
        raise Invalid(f"devices.no_{typed.kind.secret_is}", field="secret")
    baud = values.get("baud", "")
    return Wish(
        name=fleet.name_for(values.get("name", ""), typed.kind.driver),
        driver=typed.kind.driver,
        port=values.get("port", "") if Ask.PORT in asks else "",
        baud=int(baud) if Ask.BAUD in asks and baud.isascii() and baud.isdigit() else USUAL_BAUD,
        url=values.get("url", "") if Ask.URL in asks else "",
        user=values.get("user", "") if Ask.USER in asks else "",
        secret=typed.secret if asks & {Ask.SECRET, Ask.MAY_SECRET} else "",
        serial_number=values.get("serial_number", "") if Ask.PORT in asks else "",
    )


def row_of(typed: Typed) -> Row:
    """Raises `Invalid` machine.number with the field that is no number."""
    has_nozzle = typed.technology is Technology.FDM

    def number(name: str, otherwise: float | None = None) -> float:
        said = typed.values.get(name, "").replace(" ", "")
        if not said and otherwise is not None:
            return otherwise
        if not _NUMBER.fullmatch(said):
            raise Invalid("machine.number", field=name)
        return float(said.replace(",", "."))

    return Row(
        name=typed.values.get("name", ""),
        technology=typed.technology,
        model=typed.values.get("model", ""),
        bed_mm=(number("bed_x"), number("bed_y"), number("bed_z")),
        nozzle_mm=number("nozzle") if has_nozzle else None,
        max_nozzle_c=number("nozzle_max") if has_nozzle else 0.0,
        max_bed_c=number("bed_max") if has_nozzle else 0.0,
        unattended_h=number("alone", 0.0),
        needs_certification=bool(typed.values.get("certification")),
    )


def usual(typed: Typed) -> Typed:
    """With what is usual where nothing was typed."""
    technology = typed.technology
    bed = dict(zip(("bed_x", "bed_y", "bed_z"), _BED.get(technology, ("", "", "")), strict=True))
    usual_values = {
        "technology": technology.value,
        "baud": str(USUAL_BAUD),
        "user": "maker",
        "alone": "0",
        **bed,
        **_USUAL.get(technology, {}),
    }
    values = {**typed.values}
    for name, value in usual_values.items():
        values[name] = values.get(name) or value
    return replace(typed, values=values)


def form_view(
    eyes: Eyes,
    typed: Typed,
    fleet: Fleet,
    *,
    error: LabError | None = None,
    found: tuple[Seen, ...] | None = None,
    check_id: str = "",
    check: Check | None = None,
    key: KeyRequest | None = None,
    block: BlockView | None = None,
) -> FormView:
    typed = usual(typed)
    kind, facts = typed.kind, fleet.devices().get(typed.device)
    errors, problem = _errors(eyes, error)
    return FormView(
        values=typed.values,
        kinds=tuple(
            Choice(value=one.driver, label=driver_title(eyes, one.driver), selected=one is kind)
            for one in KINDS
        ),
        asks=frozenset(ask.value for ask in kind.asks) if not typed.device else frozenset(),
        technologies=tuple(
            Choice(
                value=one.value,
                label=eyes.words.word("technology", one),
                selected=one is typed.technology,
            )
            for one in Technology
        ),
        bauds=tuple(
            Choice(value=str(baud), label=str(baud), selected=str(baud) == typed.values["baud"])
            for baud in BAUDS
        ),
        device=typed.device,
        where=_where(eyes, facts),
        has_nozzle=typed.technology is Technology.FDM,
        secret_is=kind.secret_is,
        hands_out_keys=kind.hands_out_keys,
        kept=typed.kept if typed.secret else "",
        errors=errors,
        problem=problem,
        found=tuple(map(_found, found)) if found is not None else None,
        check_id=check_id,
        check=test_view(eyes, check),
        key=key_view(eyes, key),
        file=str(fleet.file),
        is_writable=fleet.is_writable,
        block=block,
    )


def key_view(eyes: Eyes, key: KeyRequest | None) -> KeyView | None:
    if key is None:
        return None
    return KeyView(
        id=key.id,
        state=key.state.value,
        sentence=eyes.words.word("key_state", key.state),
        page=key.page,
        said=key.said,
    )


def _where(eyes: Eyes, facts: DeviceFacts | None) -> str:
    if facts is None:
        return ""
    mock = eyes.gettext("pretended") if facts.is_mock else ""
    return " · ".join(filter(None, (driver_title(eyes, facts.driver), mock, facts.where)))


def _errors(eyes: Eyes, error: LabError | None) -> tuple[dict[str, str], str]:
    """By field where it is about one; else over the whole form."""
    if error is None:
        return {}, ""
    name = error.field if isinstance(error, Invalid) and error.code == "machine.number" else None
    name = name or _FIELD_OF.get(error.code)
    if name is None and isinstance(error, Invalid) and error.code.startswith("devices."):
        name = error.field
    sentence = eyes.words.error(error)
    return ({name: sentence}, "") if name else ({}, sentence)


def _found(seen: Seen) -> FoundView:
    where = "url" if seen.is_url else "port"
    values = {
        "driver": seen.driver,
        where: seen.where,
        "baud": str(seen.baud),
        "serial_number": seen.serial_number,
        "name": seen.name.replace("-", " ").title(),
        "model": seen.what[:120],
    }
    return FoundView(
        what=seen.what,
        where=seen.where,
        known_as=seen.known_as,
        held_by=seen.held_by,
        values={name: value for name, value in values.items() if value},
    )
