"""Through whose eyes a page is seen: the viewer's language, the instant, and whose names they may know.

Below it the small views that every page shares: a material, heat, progress, a price, refusals, an explanation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fablab.base.database import Actor
from fablab.base.errors import Refusal
from fablab.device import Progress, Status
from fablab.money.quotes import Line, Quote
from fablab.people.access import Right, allows
from fablab.places.models import Material, Spool
from fablab.programs.gcode import Analysis, Kind
from fablab.runs.models import Run
from web.pages.model import (
    AnalysisView,
    DurationSource,
    ExplanationView,
    LineView,
    MaterialView,
    ProgressView,
    QuoteView,
    ReasonView,
    RefusalView,
    TemperatureView,
)
from web.words import Words, placeholders
from web.words.codes import SENTENCES

TARGET = "_target"


def N_(message: str) -> str:
    """Marks a sentence that is translated when it is said."""
    return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """`now` is the unit of work's instant, so that a page agrees with itself."""

    words: Words
    now: datetime
    actor: Actor

    @property
    def operates(self) -> bool:
        return allows(self.actor, Right.OPERATE)

    def owns(self, member_id: int | None) -> bool:
        return member_id is not None and member_id == self.actor.member_id

    def knows(self, member_id: int | None) -> bool:
        """Whether whose it is and what it is for may be said; everybody else sees that it is taken."""
        return self.owns(member_id) or allows(self.actor, Right.SEE_ALL)

    def gettext(self, message: str, **facts: str) -> str:
        """The sentence in the viewer's language; named so that `web.words.extract` finds it."""
        said = self.words.gettext(message)
        return said % facts if facts else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The spools of the house, and the kinds of sheet that are not counted, looked at once for a page."""

    spools: Sequence[Spool] = field(default_factory=tuple)
    sheets: Sequence[Material] = field(default_factory=tuple)

    def colour_hex(self, material_id: int | None, colour: str | None) -> str:
        fitting = (s.colour_hex for s in self.spools if s.material_id == material_id and s.colour == colour)
        return next(fitting, "")

    def material(self, material: Material | None, colour: str | None) -> MaterialView | None:
        if material is None:
            return None
        label = f"{material.code} {colour}" if colour else material.code
        return MaterialView(label=label, colour=self.colour_hex(material.id, colour))

    def fullest(self, material_id: int | None, colour: str | None) -> Spool | None:
        """What somebody would take from the shelf for this wish."""
        fitting = [s for s in self.spools if s.material_id == material_id and colour in (None, s.colour)]
        return max(fitting, key=lambda spool: spool.left_g, default=None)


def on_spool(spool: Spool | None) -> MaterialView | None:
    if spool is None:
        return None
    return MaterialView(label=f"{spool.material.code} {spool.colour}", colour=spool.colour_hex)


def heat(status: Status | None) -> tuple[TemperatureView, ...]:
    """Nozzle before bed before whatever else a machine measures."""
    found = status.heat_c if status is not None else {}
    parts = sorted((name for name in found if not name.endswith(TARGET)), key=_heat_order)
    return tuple(
        TemperatureView(part=part, now_c=found[part], target_c=found.get(part + TARGET)) for part in parts
    )


def _heat_order(part: str) -> tuple[int, str]:
    return (0 if part.startswith("tool") else 1 if part == "bed" else 2, part)


def own_progress(run: Run, status: Status | None) -> Progress | None:
    """What the machine says of this very run; what it says of another program is not about it."""
    told = status.progress if status is not None else None
    return told if told is not None and told.token == run.id else None


def progress(eyes: Eyes, run: Run, status: Status | None) -> ProgressView:
    """The live look first, what was last written down second; what remains is else the estimate's own rest."""
    told = own_progress(run, status)
    fraction = told.fraction if told is not None and told.fraction is not None else run.fraction
    remaining_s = told.remaining_s if told is not None else run.remaining_s
    elapsed_s = told.elapsed_s if told is not None else run.elapsed_s
    if remaining_s is None and fraction is not None and run.started_at is not None:
        remaining_s = run.claim.estimate_s * (1 - min(1.0, fraction))
    ends_at = eyes.now + timedelta(seconds=remaining_s) if remaining_s is not None else None
    return ProgressView(
        fraction=None if fraction is None else min(1.0, max(0.0, fraction)),
        elapsed_s=round(elapsed_s),
        remaining_s=None if remaining_s is None else round(remaining_s),
        ends_at=ends_at,
        detail=eyes.words.machine(told.detail) if told is not None else "",
    )


def refusals(words: Words, rows: Iterable[Refusal]) -> tuple[RefusalView, ...]:
    """Each sentence once: two machines may say the same of one file. `line` only where the sentence has none."""
    said: dict[str, RefusalView] = {}
    for row in rows:
        line = row.facts.get("line")
        view = RefusalView(
            code=row.code,
            sentence=words.refusal(row),
            waivable=row.waivable,
            remedy=words.remedy(row.code, row.facts),
            line=line if isinstance(line, int) and not _says_line(row.code) else None,
            rule_text=str(row.facts.get("rule_text") or ""),
        )
        said.setdefault(view.sentence, view)
    return tuple(said.values())


def _says_line(code: str) -> bool:
    return "line" in placeholders(SENTENCES.get(code, ""))


def explanation(
    eyes: Eyes, reasons: Sequence[Mapping[str, object]], machine: str = ""
) -> ExplanationView | None:
    """Why there and then; `machine` empty: there is no place, and the reasons say why."""
    if not reasons:
        return None
    about: dict[str, list[ReasonView]] = {}
    for reason in reasons:
        view = ReasonView(subject=eyes.words.subject(reason), sentence=eyes.words.reason(reason))
        about.setdefault(str(reason.get("about")), []).append(view)

    def found(*keys: str) -> tuple[ReasonView, ...]:
        return tuple(view for key in keys for view in about.get(key, ()))

    if machine:
        chosen = eyes.gettext("It is made on %(machine)s.", machine=machine)
    else:
        chosen = eyes.gettext("No machine has room for it before the end of the plan.")
    return ExplanationView(
        chosen=" ".join([chosen, *(view.sentence for view in found("here"))]),
        earlier=found("not_earlier"),
        elsewhere=found("not_there", "unplaced"),
        helps=found("would_help", "nearest"),
        placed=bool(machine),
    )


def price(words: Words, quote: Quote | None, *, charged_at: datetime | None = None) -> QuoteView | None:
    if quote is None:
        return None
    return QuoteView(
        lines=tuple(
            LineView(
                label=words.word("charge_line", line.code),
                amount_cents=line.amount_cents,
                detail=_sum(words, line),
            )
            for line in quote.lines
        ),
        total_cents=quote.total_cents,
        charged_at=charged_at,
    )


def _sum(words: Words, line: Line) -> str:
    if line.code in ("machine_time", "reserved_time"):
        return f"{words.duration(line.quantity * 3600)} × {words.money(line.unit_cents)}/h"
    if line.code.startswith("stay_"):
        return stay_sum(words, line)
    return f"{words.grams(line.quantity)} × {words.money(line.unit_cents)}/kg"


def stay_sum(words: Words, line: Line) -> str:
    """Half-days that a pass has paid have no price of their own."""
    if line.code == "stay_hour":
        return f"{words.duration(line.quantity * 3600)} × {words.money(line.unit_cents)}/h"
    if line.code == "stay_pass":
        return words.ngettext("%(num)s half-day", "%(num)s half-days", int(line.quantity)) % {
            "num": int(line.quantity)
        }
    return f"{line.quantity:g} × {words.money(line.unit_cents)}"


def analysis(found: Analysis) -> AnalysisView:
    """What the file says and what we found in it; 0 layers or grams mean that there are none.

    Layers are a printer's: the one height at which a laser or a mill works is none.
    """
    printed = found.kind is Kind.FDM
    work, slicer = found.work_mm, found.slicer
    size = None
    if work is not None:
        size = (work.max_x_mm - work.min_x_mm, work.max_y_mm - work.min_y_mm, max(0.0, work.max_z_mm))
    return AnalysisView(
        duration_s=round(found.duration_s),
        duration_source=DurationSource(found.duration_source.value),
        own_duration_s=round(found.motion_s),
        weight_g=found.filament_g or None,
        filament_mm=found.filament_mm or None,
        material=next(iter([f.material for f in found.filament if f.material] or slicer.materials), "") or "",
        layers=(found.layers or None) if printed else None,
        layer_height_mm=slicer.layer_height_mm if printed else None,
        nozzle_mm=next(iter(slicer.nozzle_mm), None),
        nozzle_c=None if not found.nozzle_c else round(found.nozzle_c),
        bed_c=None if not found.bed_c else round(found.bed_c),
        size_mm=size,
        slicer=" ".join(filter(None, (slicer.name, slicer.version))),
        printer_model=slicer.printer_model or "",
        lines=found.lines,
        size_bytes=found.size_bytes,
    )
