"""`fablab plan solve`: an instance of the planning problem from a file to a plan that the referee has passed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from scheduler.check import violations
from scheduler.instance import plan_to_json, problem_from_json
from scheduler.plan import Objective, Plan, Reason, objective
from scheduler.problem import BadProblem, Problem
from web.cli.show import CliError, as_json, console, errors, put, table, words
from web.words import Words
from web.words.problems import TIERS

MOST_FAULTS = 20
MOST_ROWS = 60
DAY_MIN = 24 * 60

SOME_UNPLACED = (
    3  # exit codes; 0: all have a place, 1: the file is no instance, 2: click's own, 130: interrupted
)
NOT_SOUND = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    problem: Problem
    first: Objective
    plan: Plan
    value: Objective
    broken: tuple[str, ...]  # codes of the referee: none, or a fault of ours
    iterations: int
    runtime_s: float

    @property
    def late_min(self) -> dict[str, int]:
        """By demand, those with the most weighted lateness first."""
        late = {
            d.id: (d.weight, self.plan.ready_at(d.id) - d.due)
            for d in self.problem.demands
            if d.due is not None and d.id in self.plan.slots and self.plan.ready_at(d.id) > d.due
        }
        return {name: late[name][1] for name in sorted(late, key=lambda n: -late[n][0] * late[n][1])}

    @property
    def exit_code(self) -> int:
        return NOT_SOUND if self.broken else SOME_UNPLACED if self.plan.unplaced else 0


@click.command()
@click.argument("instance", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--limit", "limit_s", type=click.FloatRange(0, 86_400), default=5.0, show_default=True, help="seconds"
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="of the search")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="write the plan here, as JSON")
@as_json
def solve(instance: Path, limit_s: float, seed: int, out: Path | None, json_: bool) -> None:
    """Solve the planning problem in INSTANCE (JSON, see docs/plan.md): a first plan, then a search, then the check.

    Moments are shown as day and time from the instance's origin: 2/09:30 is on the second day. Exit code 0: all have a
    place; 1: the file is no instance; 3: some have no place; 4: the check found a broken rule.
    """
    speech = words()
    found = _solve(_read(instance, speech), limit_s, seed, speech)
    if out is not None:
        _write(out, plan_to_json(found.plan, found.value))
    put(_plain(found), json_=json_, lines=lambda: _show(speech, found))
    if found.exit_code:
        raise click.exceptions.Exit(found.exit_code)


def _read(path: Path, speech: Words) -> Problem:
    try:
        return problem_from_json(path.read_bytes())
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}") from None
    except BadProblem as error:
        lines = [f"{f.subject}: {speech.fault(f.code, f.facts)}" for f in error.faults[:MOST_FAULTS]]
        if len(error.faults) > MOST_FAULTS:
            lines.append(speech.gettext("… and %(num)s more") % {"num": len(error.faults) - MOST_FAULTS})
        raise CliError("\n  ".join([f"{path}:", *lines])) from None


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}") from None


def _solve(problem: Problem, limit_s: float, seed: int, speech: Words) -> Solved:
    """The search is imported late: to load its compiled half takes a second that no other command should wait for."""
    from scheduler.search import first_plan, search, usual_threads, warm

    with errors.status(speech.gettext("Getting the search ready, half a minute the first time …")) as status:
        warm()
        status.update(speech.gettext("Searching …"))
        first = first_plan(problem)
        found = search(problem, first, limit_s=max(limit_s, 1e-3), seed=seed, threads=usual_threads())
    return Solved(
        problem=problem,
        first=objective(problem, first),
        plan=found.plan,
        value=found.objective,
        broken=tuple(f"{v.code} ({v.demand})" for v in violations(problem, found.plan)),
        iterations=found.iterations,
        runtime_s=found.runtime_s,
    )


def _plain(found: Solved) -> dict[str, Any]:
    return {
        "sound": not found.broken,
        "violations": found.broken,
        "placed": len(found.plan.slots),
        "unplaced": {
            name: [{"code": reason.code, "facts": dict(reason.facts)} for reason in entry.reasons]
            for name, entry in found.plan.unplaced.items()
        },
        "late_min": found.late_min,
        "first": asdict(found.first),
        "objective": asdict(found.value),
        "iterations": found.iterations,
        "runtime_s": round(found.runtime_s, 3),
    }


def _show(speech: Words, found: Solved) -> None:
    _show_machines(speech, found)
    late = found.late_min
    if late:
        due = {d.id: d.due or 0 for d in found.problem.demands}
        rows = [
            (
                escape(name),
                moment(due[name]),
                moment(found.plan.ready_at(name)),
                speech.duration(60 * minutes),
            )
            for name, minutes in list(late.items())[:MOST_ROWS]
        ]
        columns = [
            speech.gettext("What"),
            speech.gettext("Due"),
            speech.gettext("Ready"),
            speech.gettext("Late by"),
        ]
        table(speech.gettext("Late (%(num)s)") % {"num": len(late)}, columns, rows)
    if found.plan.unplaced:
        rows_ = [
            (escape(name), escape("\n".join(dict.fromkeys(_reason(speech, r) for r in entry.reasons))))
            for name, entry in list(found.plan.unplaced.items())[:MOST_ROWS]
        ]
        title = speech.gettext("Without a place (%(num)s)") % {"num": len(found.plan.unplaced)}
        table(title, [speech.gettext("What"), speech.gettext("Why")], rows_)
    _show_worth(speech, found)


def _show_machines(speech: Words, found: Solved) -> None:
    """A machine a row: what runs on it in order of time, when it starts and when it is free again."""
    on: dict[int, list[str]] = defaultdict(list)
    late = found.late_min
    slots = sorted(
        (slot for slots in found.plan.slots.values() for slot in slots), key=lambda slot: slot.setup_start
    )
    for slot in slots:
        mark = "[red]![/red]" if slot.demand in late else ""
        on[slot.machine].append(
            f"{moment(slot.run_start)}–{moment(slot.free_at)} {escape(slot.demand)}{mark}"
        )
    rows = [
        (
            speech.gettext("Machine %(number)s") % {"number": m.index},
            str(len(on[m.index])),
            "  ".join(on[m.index]),
        )
        for m in found.problem.machines
    ]
    table(
        "", [speech.gettext("Where"), speech.gettext("Runs"), speech.gettext("When and what (! late)")], rows
    )


def _show_worth(speech: Words, found: Solved) -> None:
    before, after = asdict(found.first), asdict(found.value)
    rows = [
        (speech.gettext(words_), speech.decimal(before[tier]), speech.decimal(after[tier]))
        for tier, words_ in TIERS.items()
    ]
    columns = [
        speech.gettext("Tier, the first counts most"),
        speech.gettext("First plan"),
        speech.gettext("Found"),
    ]
    table("", columns, rows)
    if found.broken:
        said = speech.gettext("This plan breaks rules; that is a fault of the program: %(codes)s")
        line = said % {"codes": ", ".join(found.broken[:MOST_FAULTS])}
    else:
        said = speech.gettext("Every rule is kept; %(moves)s moves tried in %(seconds)s s.")
        line = said % {
            "moves": speech.formats.number(found.iterations),
            "seconds": speech.decimal(found.runtime_s),
        }
    console.print(line, markup=False, soft_wrap=True)


def _reason(speech: Words, reason: Reason) -> str:
    """Words of `claim.reasons`, with this file's machines and minutes for names and instants."""
    facts: dict[str, object] = dict(reason.facts)
    machine = facts.get("machine")
    if isinstance(machine, int):
        facts["machine"] = speech.gettext("Machine %(number)s") % {"number": machine}
    for name in ("horizon", "until", "since", "start", "ready_at"):
        minute = facts.get(name)
        if isinstance(minute, int):
            facts[name] = moment(minute)
    said: Mapping[str, object] = {"about": "unplaced", "code": reason.code, "facts": facts}
    return speech.reason(said)


def moment(minute: int) -> str:
    """ "2/09:30": the second day from the origin."""
    day, rest = divmod(minute, DAY_MIN)
    return f"{day + 1}/{rest // 60:02d}:{rest % 60:02d}"
