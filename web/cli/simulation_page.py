"""docs/simulation.md and its charts, from the scores of a simulated year: figures are never typed by hand."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from web.cli.charts import bars, lines
from web.words.simulation import POLICIES, ROWS, VARIANTS, cell

if TYPE_CHECKING:
    from scheduler.simulate import Score, Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"


def charts(scores: Sequence[Score], folder: Path) -> list[Path]:
    """The files written, one for each chart."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        "waiting.svg": bars(
            "How long people wait",
            "hours",
            ["waiting, mean", "waiting, 95 in 100 less", "wish to part, mean"],
            {
                POLICIES[s.policy]: (s.wait_mean_min / 60, s.wait_p95_min / 60, s.ready_mean_min / 60)
                for s in scores
            },
        ),
        "late.svg": bars(
            "Late jobs, of those with a date",
            "%",
            ["late"],
            {POLICIES[s.policy]: (100 * s.late / max(1, s.with_due),) for s in scores},
        ),
        "weeks.svg": lines(
            "From wish to part, week by week",
            "hours, mean",
            "week",
            {POLICIES[s.policy]: [minutes / 60 for minutes in s.weekly_ready_min] for s in scores},
        ),
        "audiences.svg": bars(
            "From wish to part, by audience",
            "hours, mean",
            [name.replace("_", " ") for name in scores[0].audience_ready_min],
            {POLICIES[s.policy]: [m / 60 for m in s.audience_ready_min.values()] for s in scores},
        ),
    }
    for name, svg in drawn.items():
        (folder / name).write_text(svg, encoding="utf-8")
    return [folder / name for name in drawn]


def write_docs(base: Settings, scores: Sequence[Score], what_if: Mapping[str, Score]) -> list[Path]:
    written = charts(scores, DOCS / "simulation")
    page = DOCS / "simulation.md"
    page.write_text(_page(base, scores, what_if), encoding="utf-8")
    return [page, *written]


def _page(base: Settings, scores: Sequence[Score], what_if: Mapping[str, Score]) -> str:
    ours = [score for score in scores if score.policy == "ours"]
    settings = f"{base.days} days, seed {base.seed}, {base.printers} printers, load {base.load:g}"
    columns = [POLICIES[score.policy] for score in scores]
    variants = [VARIANTS["base"], *(VARIANTS[name] for name in what_if)]
    text = _TEXT.format(
        summary=_summary(scores),
        settings=settings,
        table=_markdown(columns, scores),
        what_if=_markdown(variants, [*ours, *what_if.values()]),
    )
    return wrapped(text)


def wrapped(text: str) -> str:
    """Paragraphs in lines that can be read in an editor; tables, lists, headings and pictures as they are."""
    parts = text.split("\n\n")
    lines_of = partial(textwrap.fill, width=120, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join(part if part[0] in "|#-!" else lines_of(part) for part in parts) + "\n"


def _markdown(columns: Sequence[str], scores: Sequence[Score]) -> str:
    head = f"| | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}"
    rows = [f"| {row.label} | {' | '.join(cell(row, score) for score in scores)} |" for row in ROWS]
    return "\n".join((head, *rows))


def _summary(scores: Sequence[Score]) -> str:
    """En français : ce que l'année simulée a donné, face à chacun des autres."""
    by = {score.policy: score for score in scores}
    ours = by.pop("ours", None)
    if ours is None:
        return ""
    names = {"slots": "des créneaux réservés", "fcfs": "une file d’attente", "edf": "une file par échéance"}
    parts = [
        f"face à {names[name]}, {_change(ours.late, other.late)} de travaux en retard et "
        f"{_change(ours.wait_mean_min, other.wait_mean_min)} d’attente"
        for name, other in by.items()
    ]
    kept = f"{100 * ours.kept.get('p80', 0.0):.0f}\u00a0%"
    return f"{'; '.join(parts)}. La promesse donnée à 80\u00a0% est tenue dans {kept} des cas.".replace(
        ";", "\u00a0;"
    )


def _change(ours: float, other: float) -> str:
    return f"{100 * (ours / other - 1):+.0f}\u00a0%".replace("-", "−") if other else "–"


_TEXT = """# A simulated year

**Résumé.** Un laboratoire fictif (celui de la démonstration) vit la même année, avec les mêmes gens, les mêmes
pannes et le même hasard, sous quatre façons de planifier : {summary} `fablab plan simulate --year --docs`
récrit cette page et ses graphiques.

Written by `fablab plan simulate --year --docs`: {settings}. Everything is synthetic. The same seed gives the
same figures.

{table}

![How long people wait](simulation/waiting.svg)

![Late jobs](simulation/late.svg)

![Week by week](simulation/weeks.svg)

![By audience](simulation/audiences.svg)

*Waiting* is how much later a part is ready than an empty lab could have had it ready (set up, run and cleared
at once in staffed time): nights and the run itself are nobody's queue. *From wish to part* counts every hour of
the clock, nights and week-ends too. *The least share* compares what an audience got with its part of what was
wished for: over a year next to everything is made, so it says little; over 28 days it does, but a small
audience has only a few jobs then. Booked slots have most of the machines' hours reserved and unused at this
load, so their waiting grows through the year: real people would give up before.

## What if

The same year under this planner, with one thing changed.

{what_if}

## What is modelled

- **The lab** is the demo lab: eight printers, of which four may print alone for 14 hours, one resin printer,
  two lasers, a mill, a vinyl cutter. Staffed from Monday to Friday, 9:30 to 12:30 and 13:30 to 18:30; the house
  is open from 9 to 20. Shut between the years and for two weeks of August.
- **Wishes** come at random by hour, weekday, audience, term and holidays (zone B): 229 print jobs a month (260
  prints, as 12 % fail and are made again), 84 other jobs, 116 visits in person, six classes a month asked for
  three to seven weeks ahead. Seven in ten jobs name a day, three staffed days ahead in the middle.
- **Runs** take the slicer's minutes times a factor of machine and material that nobody is told, times chance
  (13 %). A run may fail part way (novices' more often); after three tries a job is given up. Machines break
  down every 60 days on average and are mended in a day and a half, believed more or less rightly. 8 % of
  visitors do not come; some stay longer.
- **One operator** with one pair of hands sets up printers and clears beds, in staffed time, and walks to each.
  Lasers have a mediator of their own. A part is ready when its bed has been cleared.
- **A class or a visitor** finds a machine as it is: a run that still prints is not thrown off.

## The policies

- **This planner.** The functions of the live one: insertion when a job comes in, `replan` for what has lost its
  place, the search every half hour with a fixed number of moves over all that starts in more than two hours,
  durations and odds learnt from the simulation's own finished runs, fairness from the shares of 28 days. A
  machine that something happened to is laid out again in the order it had. Before a visitor or a class a run is
  begun only if it is cleared by then at P90. What waiting costs (`scheduler.wish`: from the wish on, and more as the
  day named comes near; times fairness and ageing) and which job a machine that would stand idle takes
  (`scheduler.pull`) are the functions that the live planner calls. Two things differ: here the operator goes first
  to where a minute of hands is worth most (`pull.worth`), which the floor leaves to people; and a live repair
  (`scheduler.repair`) keeps promises where this one keeps the order.
- **What these three are worth**, measured once over the first 56 days (seed 1; waiting, late jobs), with a weight
  that grew slower with the wait than the live one, which has been taken over since: queue, first come 21.6 h, 39;
  this planner 15.4 h, 14; with the operator going first come 16.8 h, 14; without the idle machine that takes a job
  20.9 h, 23; and with jobs due by their date or their promise 25.4 h, 30. The plan knows nothing of the operator's
  hands, which are the narrowest place of this lab: what is planned for 9:30 on eight machines is begun by noon.
- **Booked slots.** A person books the first free whole hours, in staffed time, on a machine: two in five insist
  on the one they know. A third more than the slicer's time is kept, rounded up to hours; nobody moves a
  booking, and what is left of a slot stays empty. The day's last slot may run into the night where a machine
  may; what no day can take may be begun earlier. In its favour: people use their own hands and never wait for
  the operator, beds are cleared in staffed time at once, whoever finds the machine still printing waits an hour
  and then books again. One in twenty misses a slot and books again. Failed prints are booked again.
- **Queue, first come.** A queue for each technology. In its favour: the operator passes over what does not fit
  at this moment (length, night, material, the next visitor at the slicer's time and a tenth), takes the machine
  with the right spool where there is a choice, and a failed job goes back to its old place.
- **Queue, by due date.** The same, ordered by the day named; whoever names none has a fortnight.

Late jobs are as few with the queue by due date: it pays for them with the waiting of everybody else.

Visits and classes are placed the same way by the three others: the first of the wished times at which nothing
else has a date.
"""
