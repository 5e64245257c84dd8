"""A draft with its form and its offer; and how the form's words become wishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from fablab.base.errors import Invalid, Refusal
from fablab.base.intervals import instant
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job
from fablab.claims.jobs.use import Appraisal, Wishes
from fablab.people.models import Project
from fablab.places.models import Technology
from scheduler.intake import Preview
from scheduler.planner import Offer, Promise
from web.pages import eyes as small
from web.pages.eyes import Eyes, Stock
from web.pages.model import (
    Choice,
    DraftView,
    DraftWord,
    OfferView,
    PlaceView,
    PromiseView,
    QuoteView,
)

MOST_REASONS = 2  # for one place among others: more would not be read
SEPARATOR = "|"  # between material and colour in the form's one choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """The form as it came: what could be understood, what could not, and the words themselves to show again."""

    wishes: Wishes = field(default_factory=Wishes)
    errors: Mapping[str, str] = field(default_factory=dict)  # field -> code of the sentence
    project: str = ""
    material: str | None = None  # None: the form has not been touched, the file decides
    due_at: str = ""
    priority: str = "0"


def fill(form: Mapping[str, object], zone: ZoneInfo) -> Filled:
    """Never raises: whatever cannot be understood is an error of its field."""
    texts = {name: str(value).strip()[:200] for name, value in form.items()}
    errors: dict[str, str] = {}
    project, due, priority = texts.get("project", ""), texts.get("due_at", ""), texts.get("priority", "0")
    if project and not project.isdecimal():
        errors["project"] = "project.unknown"
    due_at = local_instant(due, zone)
    if due and due_at is None:
        errors["due_at"] = "time.wrong"
    if priority not in [str(each) for each in jobs.PRIORITIES]:
        errors["priority"] = "priority.unknown"
    code, _, colour = texts.get("material", "").partition(SEPARATOR)
    wishes = Wishes(
        project_id=int(project) if project.isdecimal() and len(project) < 12 else None,
        material=code or None,
        colour=colour or None,
        due_at=due_at,
        priority=int(priority) if "priority" not in errors else 0,
        note=texts.get("note", ""),
    )
    return Filled(
        wishes=wishes,
        errors=errors,
        project=project,
        material=texts.get("material"),
        due_at=due,
        priority=priority,
    )


def local_instant(text: str, zone: ZoneInfo) -> datetime | None:
    """A browser's local "YYYY-MM-DDTHH:MM", in the house's time; an hour that the clocks skip becomes the next."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return None
    if local.tzinfo is not None or not 2000 < local.year < 2200:
        return None
    return instant(local.date(), local.time(), zone)


def until_of(text: str, zone: ZoneInfo) -> datetime | None:
    """Until when, as a form says it; None where it was left open. Raises `Invalid` time.wrong."""
    if not text.strip():
        return None
    at = local_instant(text.strip(), zone)
    if at is None:
        raise Invalid("time.wrong", field="until", text=text[:40])
    return at


def draft(
    eyes: Eyes,
    job: Job,
    preview: Preview,
    filled: Filled,
    projects: Sequence[Project],
    stock: Stock,
    names: Mapping[int, str],
) -> DraftView:
    found = jobs.analysis_of(job.program)
    words = eyes.words
    return DraftView(
        id=job.id,
        name=job.file_name,
        state=DraftWord.READY,
        size_bytes=found.size_bytes,
        fraction=1.0,
        analysis=small.analysis(found),
        thumbnail_url=f"/thumbnails/{job.id}" if job.program.thumbnail else "",
        offer=offer(eyes, preview, names),
        projects=_projects(eyes, projects, filled.project),
        materials=_materials(eyes, preview, filled.material, stock),
        priorities=tuple(
            Choice(value=str(p), label=words.word("priority", p), selected=str(p) == filled.priority)
            for p in jobs.PRIORITIES
            if p <= 0 or eyes.operates
        ),
        due_value=filled.due_at,
        errors={name: words.say(code, {"text": filled.due_at}) for name, code in filled.errors.items()},
    )


def offer(eyes: Eyes, preview: Preview, names: Mapping[int, str], also: Sequence[Refusal] = ()) -> OfferView:
    appraisal = preview.appraisal
    stands = preview.promise
    machine = names.get(stands.resource_ids[0], "") if stands is not None else ""
    return OfferView(
        promise=_promise(stands, appraisal.wish.due_at, names) if stands is not None else None,
        quote=_price(eyes, appraisal) if appraisal.quote.lines else None,
        explanation=small.explanation(eyes, preview.reasons, machine),
        places=tuple(_place(eyes, each) for each in preview.offers),
        refusals=small.refusals(eyes.words, (*appraisal.verdict.refusals, *also)),
    )


def _place(eyes: Eyes, offer: Offer) -> PlaceView:
    return PlaceView(
        machine_name=eyes.words.formats.listed(list(offer.machines)),
        start_at=offer.run_start_at,
        ready_at=offer.ready_at,
        why=" ".join(eyes.words.reason(reason) for reason in offer.reasons[:MOST_REASONS]),
    )


def _price(eyes: Eyes, appraisal: Appraisal) -> QuoteView | None:
    """With a word on the machine time where a begun step of the tariff makes it longer than the file's own."""
    found = small.price(eyes.words, appraisal.quote)
    counted_s = sum(line.quantity * 3600 for line in appraisal.quote.lines if line.code == "machine_time")
    real, counted = eyes.words.duration(appraisal.wish.duration_s), eyes.words.duration(counted_s)
    if found is None or counted_s <= appraisal.wish.duration_s or real == counted:
        return found
    said = eyes.gettext(
        "%(real)s count as %(counted)s: a begun step counts whole.", real=real, counted=counted
    )
    return replace(found, note=said)


def _promise(found: Promise, due_at: datetime | None, names: Mapping[int, str]) -> PromiseView:
    first = found.resource_ids[0]
    return PromiseView(
        ready_at=found.ready_at,
        early_at=found.ready_from,
        late_at=found.ready_until,
        start_at=found.start_at,
        machine_id=str(first),
        machine_name=names.get(first, ""),
        due_at=due_at,
        misses_due=due_at is not None and found.ready_at > due_at,
    )


def _projects(eyes: Eyes, projects: Sequence[Project], chosen: str) -> tuple[Choice, ...]:
    none = Choice(value="", label=eyes.gettext("No project"), selected=not chosen)
    return (none, *(Choice(value=str(p.id), label=p.name, selected=str(p.id) == chosen) for p in projects))


def _materials(eyes: Eyes, preview: Preview, chosen: str | None, stock: Stock) -> tuple[Choice, ...]:
    """What is in stock, each colour once; the file's own material in any colour unless something was chosen. For a beam or
    a blade the kinds of sheet: nobody counts those."""
    wish = preview.appraisal.wish
    if wish.technology is not Technology.FDM:
        return tuple(
            Choice(value=row.code, label=row.name, selected=row.code == chosen)
            for row in stock.sheets
            if row.technology is wish.technology
        )
    spools = [s for s in stock.spools if s.left_g > 0 and s.material.technology is wish.technology]
    found: dict[str, Choice] = {}
    for spool in sorted(spools, key=lambda s: (s.material_id != wish.material_id, s.material.code, s.colour)):
        code = spool.material.code
        if code not in found:
            label = eyes.gettext("%(material)s, any colour", material=code)
            selected = chosen == code or (not chosen and spool.material_id == wish.material_id)
            found[code] = Choice(value=code, label=label, selected=selected)
        value = f"{code}{SEPARATOR}{spool.colour}"
        found[value] = Choice(
            value=value,
            label=f"{code} {spool.colour}",
            selected=value == chosen,
            colour=spool.colour_hex,
        )
    return tuple(found.values())


def failed(name: str, problem: str, *, id: str = "", size_bytes: int = 0) -> DraftView:
    """`id` empty: nothing is kept of it."""
    return DraftView(id=id, name=name, state=DraftWord.FAILED, size_bytes=size_bytes, problem=problem)


def with_errors(view: DraftView, errors: Mapping[str, str]) -> DraftView:
    return replace(view, errors={**view.errors, **errors})
