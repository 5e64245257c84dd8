"""The floor's cards: what a machine wears, what runs on it, what is next, and what this viewer may do with it now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fablab.claims.jobs.models import JobState
from fablab.claims.models import Claim, ClaimKind
from fablab.device import Capability, DeviceState, LinkState, Status
from fablab.places.models import Machine, MachineGate, Resource, Spool, Technology
from fablab.reports.floor import MachineNow
from fablab.runs.models import Run, RunState
from fablab.runs.stops import Stopped
from scheduler.dispatch import MachineLink
from scheduler.first_hands import Todo, What
from scheduler.starting import Prospect
from web.cameras import Address
from web.floor import word_of
from web.pages import eyes as small
from web.pages.eyes import N_, Eyes, Stock
from web.pages.model import (
    Action,
    CameraView,
    FloorView,
    MachineCard,
    MachineWord,
    MaterialView,
    NextUp,
    ReservedView,
    RunView,
    RunWord,
    StopView,
    TapView,
    TodoView,
)
from web.trouble import OTHER, trouble_of

STARTABLE = frozenset({MachineWord.DUE, MachineWord.FREE})
HOT_C = 50.0
MOST_TITLES = 3
MOST_TODOS = 6
_IS_RESERVED = {
    "own": N_("It is yours until %(at)s."),
    "named": N_("Reserved by %(name)s until %(at)s."),
    "somebody": N_("Reserved by somebody until %(at)s."),
}
_WILL_BE_RESERVED = {
    "own": N_("Reserved by you from %(at)s on."),
    "named": N_("Reserved by %(name)s from %(at)s on."),
    "somebody": N_("Reserved by somebody from %(at)s on."),
}
Links = Callable[[int], MachineLink | None]
#: What a stop switches off, by what a machine works with; everything else has "all".
_STOPPED = {Technology.FDM: "heaters", Technology.LASER: "beam", Technology.CNC: "spindle"}
_ON_BED = {
    RunState.SUCCEEDED: N_("“%(title)s” is finished. Take it off the bed."),
    RunState.FAILED: N_("“%(title)s” has failed. Take off what is on the bed."),
    RunState.CANCELLED: N_("“%(title)s” was stopped. Take off what is on the bed."),
    RunState.INTERRUPTED: N_("“%(title)s” was interrupted. Look, and take off what is on the bed."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """What is known of machines beside the database: by id their links and last stops, by device their cameras."""

    link: Links
    stopped: Callable[[int], Stopped | None]
    camera: Callable[[str], Address | None]


def floor(
    eyes: Eyes,
    rows: list[MachineNow],
    wires: Wires,
    stock: Stock,
    prospects: Mapping[int, Prospect],
    *,
    todos: Sequence[Todo] = (),
    in_review: int = 0,
) -> FloorView:
    cards = tuple(card(eyes, row, wires, stock, prospects.get(row.resource.id)) for row in rows)
    technologies = tuple(dict.fromkeys(c.technology for c in cards))
    shown = tuple(view for view in (_todo(eyes, todo, cards) for todo in todos) if view is not None)
    return FloorView(machines=cards, technologies=technologies, in_review=in_review, todos=shown[:MOST_TODOS])


def _todo(eyes: Eyes, todo: Todo, cards: Sequence[MachineCard]) -> TodoView | None:
    """Nothing where the machine does not answer: what is to be done there stands on its card."""
    card_ = next(card for card in cards if card.id == str(todo.resource_id))
    clearing = todo.what is What.CLEAR
    if Action.CLEAR not in card_.can if clearing else Action.TAP not in card_.can:
        return None
    title = todo.claim.title if todo.claim is not None else ""
    if clearing:
        said = (
            eyes.gettext("Clear the bed: “%(title)s”", title=title)
            if title
            else eyes.gettext("Look, and clear the bed")
        )
    else:
        said = eyes.gettext("Start “%(title)s”", title=title)
    return TodoView(
        machine_id=card_.id,
        machine_name=card_.name,
        sentence=said,
        hands_min=todo.hands_min,
        why=eyes.gettext("Somebody has reserved it.") if todo.for_reservation else "",
        is_clearing=clearing,
    )


def startable_at(row: MachineNow) -> datetime | None:
    """When the next job may be started; None where there is none, or where the staff has to look at it first."""
    if row.next_up is None or row.next_job is None or row.next_job.state is JobState.REVIEW:
        return None
    return row.next_up.start_at


def card(
    eyes: Eyes, row: MachineNow, wires: Wires, stock: Stock, prospect: Prospect | None = None
) -> MachineCard:
    """`prospect`: what a start would mean there; None: nobody has asked."""
    machine = row.resource.machine
    assert machine is not None
    ahead = prospect or Prospect(job=row.next_job, claim=row.next_up.claim if row.next_up else None)
    link, stopped = wires.link(row.resource.id), wires.stopped(row.resource.id)
    status = link.status if link is not None else None
    word = word_of(
        machine.gate,
        link.state if link is not None else None,
        status,
        row.run.state if row.run is not None else None,
        startable_at(row),
        eyes.now,
    )
    left = _left_on_bed(row, machine) if word is MachineWord.AWAITING_CLEAR else None
    shown = row.run or left
    known = shown is not None and eyes.knows(shown.claim.member_id)
    tap = _tap(eyes, row, machine, stock, ahead) if word in STARTABLE else None
    return MachineCard(
        id=str(row.resource.id),
        name=row.resource.name,
        technology=eyes.words.word("technology", row.resource.technology),
        word=word,
        model=machine.model,
        said_at=said_at(eyes, link),
        message=_message(eyes, word, link),
        temperatures=small.heat(status),
        loaded=small.on_spool(machine.spool),
        run=run_view(eyes, row.run, link) if row.run is not None else None,
        job_id=shown.claim_id if shown is not None and known else "",
        job_title=_title(eyes, shown),
        owner_name=_owner(eyes, shown.claim) if shown is not None else "",
        thumbnail_url=f"/thumbnails/{row.job.id}" if known and row.job and row.job.program.thumbnail else "",
        on_bed=_on_bed(eyes, left) if left is not None and known else "",
        tap=tap,
        next_up=_next_up(eyes, row, stock),
        reserved=reserved(eyes, ahead, row.run),
        outage_note=outage(eyes, machine),
        stop=stop_view(eyes, row.resource, stopped),
        camera=camera(eyes, row.resource, row.run, wires),
        can=_can(eyes, word, machine, row.run, link, may_tap=tap is not None and not tap.blocked)
        | ({Action.ACKNOWLEDGE} if eyes.operates and stopped is not None else frozenset()),
    )


def stop_sentence(eyes: Eyes, technology: Technology | None, *, confirmed: bool) -> str:
    """A printer has heaters, a laser a beam: what the machine has confirmed is said, and nothing else."""
    said = _STOPPED.get(technology, "all") if technology is not None else "all"
    return eyes.words.word("stop", said if confirmed else "not_confirmed")


def stop_view(eyes: Eyes, resource: Resource, stopped: Stopped | None) -> StopView | None:
    if stopped is None:
        return None
    confirmed = stopped.confirmed_at is not None
    return StopView(
        sentence=stop_sentence(eyes, resource.technology, confirmed=confirmed),
        is_confirmed=confirmed,
        at=stopped.confirmed_at or stopped.at,
        by=stopped.by if eyes.operates else "",
    )


def camera(eyes: Eyes, resource: Resource, run: Run | None, wires: Wires) -> CameraView | None:
    """As `web.cameras.camera_for` allows it: operators always, a maker while their run is on the machine."""
    device = resource.machine.device if resource.machine is not None else None
    address = wires.camera(device) if device else None
    mine = run is not None and run.state is not RunState.PREPARING and eyes.owns(run.claim.member_id)
    if address is None or not (eyes.operates or mine):
        return None
    base = f"/machines/{resource.id}/camera"
    return CameraView(
        machine_name=resource.name,
        snapshot_url=f"{base}/snapshot",
        page_url=base,
        is_moving=bool(address.stream),
        stream_url=f"{base}/stream" if address.stream else "",
    )


def _left_on_bed(row: MachineNow, machine: Machine) -> Run | None:
    """The run that the bed waits for: the last one, unless it was over before the gate was last turned.

    A run turns the gate when it begins; a turn after its end was a person's, who has seen the bed.
    """
    run = row.last_run
    ended = run.ended_at if run is not None else None
    return run if ended is not None and ended >= machine.gate_at else None


def _on_bed(eyes: Eyes, run: Run) -> str:
    """What lies there; of what went wrong also why, for it decides what is looked at."""
    said = eyes.gettext(_ON_BED[run.state], title=run.claim.title)
    why = eyes.words.machine(run.detail) if run.state in (RunState.FAILED, RunState.INTERRUPTED) else ""
    return f"{said} {why}" if why else said


def said_at(eyes: Eyes, link: MachineLink | None) -> datetime | None:
    """When the machine itself last said anything; None if never."""
    age_s = link.age_s if link is not None else None
    return None if age_s is None else eyes.now - timedelta(seconds=age_s)


def run_view(eyes: Eyes, run: Run, link: MachineLink | None, number: int = 1) -> RunView:
    status = link.status if link is not None else None
    return RunView(
        id=run.id,
        number=number,
        machine_id=str(run.resource_id),
        machine_name=run.resource.name,
        state=RunWord(run.state.value),
        started_at=run.started_at,
        ended_at=run.ended_at,
        seen_at=said_at(eyes, link),
        progress=small.progress(eyes, run, status),
        temperatures=small.heat(status),
        detail=_run_detail(eyes, run, status),
        can=run_actions(eyes, run, link),
    )


def _run_detail(eyes: Eyes, run: Run, status: Status | None) -> str:
    if run.cancel_asked_at is not None and run.ended_at is None:
        return eyes.gettext("It is being cancelled.")
    if run.unseen_since is not None and run.ended_at is None:
        return eyes.gettext(
            "The machine has not been heard since %(at)s.", at=eyes.words.clock(run.unseen_since)
        )
    if run.ended_at is None and status is not None and small.own_progress(run, status) is not None:
        return eyes.words.machine(status.message)  # what was written down is of the run's last turn
    return eyes.words.machine(run.detail)


def run_actions(eyes: Eyes, run: Run, link: MachineLink | None) -> frozenset[Action]:
    """Pausing is the operators', giving up also the owner's; nothing that the machine cannot do."""
    if link is None or run.ended_at is not None or run.cancel_asked_at is not None:
        return frozenset()
    can: set[Action] = set()
    state = link.status.state
    if eyes.operates and Capability.PAUSE in link.capabilities:
        if run.state is RunState.RUNNING and state is DeviceState.RUNNING:
            can.add(Action.PAUSE)
        if run.state is RunState.PAUSED and state is DeviceState.PAUSED:
            can.add(Action.RESUME)
    if Capability.CANCEL in link.capabilities and (eyes.operates or eyes.owns(run.claim.member_id)):
        can.add(Action.CANCEL)
    return frozenset(can)


def spool_to_load(machine: Machine, claim: Claim, stock: Stock) -> Spool | None:
    """What has to be put in before `claim` can start here; None when the right one is in, or none is needed."""
    if claim.material_id is None:
        return None
    loaded = machine.spool
    fits = loaded is not None and loaded.material_id == claim.material_id
    if fits and loaded is not None and claim.colour in (None, loaded.colour):
        return None
    return stock.fullest(claim.material_id, claim.colour)


def _tap(eyes: Eyes, row: MachineNow, machine: Machine, stock: Stock, ahead: Prospect) -> TapView | None:
    """For operators, and in a reservation for its holder."""
    job, claim = ahead.job, ahead.claim
    if job is None or claim is None or job.state is JobState.REVIEW:
        return None
    hosted = ahead.reserved is not None and ahead.reserved.is_now
    if not eyes.operates and not (hosted and _is_holder(eyes, ahead) and eyes.owns(claim.member_id)):
        return None
    if not hosted and not ahead.in_session and startable_at(row) is None:
        return None
    change = spool_to_load(machine, claim, stock)
    needed = small.on_spool(change or machine.spool) if claim.material_id is not None else None
    nothing = MaterialView(label=eyes.gettext("nothing"))
    return TapView(
        job_id=job.id,
        title=job.file_name,
        owner_name=job.member.name,
        material=needed,
        weight_g=_weight(job.program.analysis),
        duration_s=claim.estimate_s,
        change_from=(small.on_spool(machine.spool) or nothing) if change is not None else None,
        blocked=_blocked(eyes, ahead),
        moves=_moves(eyes, ahead),
    )


def _is_holder(eyes: Eyes, ahead: Prospect) -> bool:
    return ahead.reserved is not None and eyes.owns(ahead.reserved.member_id)


def _blocked(eyes: Eyes, ahead: Prospect) -> tuple[str, ...]:
    if ahead.against is None:
        return ()
    said = (
        eyes.words.refusal(ahead.against),
        eyes.words.remedy(ahead.against.code, ahead.against.facts),
    )
    return tuple(sentence for sentence in said if sentence)


def _moves(eyes: Eyes, ahead: Prospect) -> str:
    """Whose planned jobs a start now would push away, before it is pressed."""
    titles = [claim.title for claim in ahead.moves if eyes.knows(claim.member_id)]
    count = len(ahead.moves)
    if not count:
        return ""
    said = eyes.words.ngettext(
        "%(count)s planned job would move", "%(count)s planned jobs would move", count
    ) % {"count": count}
    return f"{said}: {', '.join(titles[:MOST_TITLES])}" if titles else said


def reserved(eyes: Eyes, ahead: Prospect, run: Run | None) -> ReservedView | None:
    """Whose it is or will be: one's own, a name for the staff, and "somebody" for everybody else."""
    known = ahead.reserved
    if known is None:
        return None
    own = eyes.owns(known.member_id)
    at = eyes.words.when(known.end_at if known.is_now else known.start_at)
    sentences = _IS_RESERVED if known.is_now else _WILL_BE_RESERVED
    named = not own and eyes.knows(known.member_id) and bool(known.holder)
    said = sentences["own" if own else "named" if named else "somebody"]
    late = ""
    if (
        run is not None
        and ahead.late_until is not None
        and (own or eyes.operates or eyes.owns(run.claim.member_id))
    ):
        late = eyes.gettext(
            "What runs now is expected to be off the bed only %(at)s.", at=eyes.words.when(ahead.late_until)
        )
    return ReservedView(
        sentence=eyes.gettext(said, at=at, name=known.holder),
        is_now=known.is_now,
        is_own=own,
        url=f"/reservations/{known.reservation_id}" if known.reservation_id and (own or named) else "",
        late=late,
    )


def _weight(analysis: dict[str, object]) -> float | None:
    grams = analysis.get("filament_g")
    return float(grams) if isinstance(grams, int | float) and grams > 0 else None


def _next_up(eyes: Eyes, row: MachineNow, stock: Stock) -> NextUp | None:
    if row.next_up is None:
        return None
    claim, job = row.next_up.claim, row.next_job
    known = eyes.knows(claim.member_id)
    return NextUp(
        title=claim.title if known else eyes.gettext("Occupied"),
        start_at=row.next_up.start_at,
        end_at=row.next_up.end_at,
        owner_name=_owner(eyes, claim),
        job_id=job.id if job is not None and known else "",
        material=stock.material(job.material, job.colour) if job is not None and known else None,
        in_review=eyes.operates and job is not None and job.state is JobState.REVIEW,
    )


def _title(eyes: Eyes, run: Run | None) -> str:
    if run is None:
        return ""
    return run.claim.title if eyes.knows(run.claim.member_id) else eyes.gettext("Occupied")


def _owner(eyes: Eyes, claim: Claim) -> str:
    """Empty where it may not be said, and where there is nobody (an outage)."""
    if claim.member is None or claim.kind is ClaimKind.OUTAGE:
        return ""
    return claim.member.name if eyes.knows(claim.member_id) else ""


def outage(eyes: Eyes, machine: Machine) -> str:
    if machine.gate is not MachineGate.OUT_OF_SERVICE:
        return ""
    since = eyes.gettext("Since %(when)s.", when=eyes.words.when(machine.gate_at))
    return f"{machine.gate_note} · {since}" if machine.gate_note else since


def _message(eyes: Eyes, word: MachineWord, link: MachineLink | None) -> str:
    """The wire's own words are for those who can do something about them."""
    if link is None:
        return eyes.words.say("machine.no_link")
    if word is MachineWord.UNKNOWN:
        return eyes.words.say("machine.no_answer")
    if word is MachineWord.OFFLINE:
        return _why_away(eyes, link) if link.reason and eyes.operates else ""
    return eyes.words.machine(link.status.message)


def _why_away(eyes: Eyes, link: MachineLink) -> str:
    """In plain words; what no word fits is said as the driver said it. What to do stands on the machines page."""
    trouble = trouble_of(link.reason)
    why = link.reason if trouble == OTHER else eyes.words.word("trouble", trouble)
    return f"{eyes.words.word('link_state', link.state)}. {why}"


def _can(
    eyes: Eyes,
    word: MachineWord,
    machine: Machine,
    run: Run | None,
    link: MachineLink | None,
    *,
    may_tap: bool,
) -> frozenset[Action]:
    able = link is not None and link.state is LinkState.ONLINE and Capability.START in link.capabilities
    if not eyes.operates:
        return frozenset({Action.TAP}) if may_tap and able else frozenset()
    out = machine.gate is MachineGate.OUT_OF_SERVICE
    can: set[Action] = {Action.BACK} if out else set()
    if run is None and not out:
        can.add(Action.OUT_OF_SERVICE)
        if word is MachineWord.AWAITING_CLEAR:
            can.add(Action.CLEAR)
    if link is not None and link.state is LinkState.ONLINE:
        if may_tap and able:
            can.add(Action.TAP)
        if run is not None or _is_awake(link.status):
            can.add(Action.STOP)
    return frozenset(can)


def _is_awake(status: Status) -> bool:
    """Moving, or hot: there is something that a stop would end."""
    return status.state in (DeviceState.RUNNING, DeviceState.PAUSED, DeviceState.FAULT) or any(
        degrees >= HOT_C for degrees in status.heat_c.values()
    )
