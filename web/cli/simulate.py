"""`fablab plan simulate`: a lab's year on a virtual clock, under this planner and under what labs do without one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.cli.show import as_json, console, put, table, words
from web.cli.simulation_page import charts, write_docs
from web.words import simulation

if TYPE_CHECKING:
    from scheduler.simulate import Score, Settings

YEAR_DAYS = 364
MONTH_DAYS = 28
AS_IT_IS = "base"


@click.command()
@click.option("--year", is_flag=True, help=f"{YEAR_DAYS} days; a month of {MONTH_DAYS} by default")
@click.option("--days", type=click.IntRange(1, YEAR_DAYS), help="instead of a month or a year")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True, help="of all chance")
@click.option(
    "--policy",
    "policies",
    type=click.Choice(tuple(simulation.POLICIES)),
    multiple=True,
    help="all by default; repeatable",
)
@click.option(
    "--machines", "printers", type=click.IntRange(1, 200), default=8, show_default=True, help="FDM printers"
)
@click.option(
    "--load",
    type=click.FloatRange(0.05, 20),
    default=1.0,
    show_default=True,
    help="wishes, of the demo lab's",
)
@click.option("--add-printer", is_flag=True, help="beside it, the same lab with one printer more")
@click.option("--saturdays", is_flag=True, help="beside it, the same lab open on Saturdays")
@click.option("--processes", type=click.IntRange(1, 64), help="at the same time; two by default")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="write the charts into this folder, as SVG",
)
@click.option("--docs", is_flag=True, help="write docs/simulation.md and its charts anew, with both what-ifs")
@as_json
def simulate(
    *,
    year: bool,
    days: int | None,
    seed: int,
    policies: tuple[str, ...],
    printers: int,
    load: float,
    add_printer: bool,
    saturdays: bool,
    processes: int | None,
    out: Path | None,
    docs: bool,
    json_: bool,
) -> None:
    """Live through the same days under each policy, with the same people, the same failures and the same luck.

    What is modelled, and how, is said in docs/simulation.md. The same seed gives the same figures on any computer.
    """
    # Here and not above: numba takes a second to load, and the other commands have no use for it.
    from scheduler.search import warm
    from scheduler.simulate import Settings, compare

    begun = time.perf_counter()
    base = Settings(
        days=days or (YEAR_DAYS if year or docs else MONTH_DAYS), seed=seed, printers=printers, load=load
    )
    chosen = policies or tuple(simulation.POLICIES)
    variants = _variants(base, add_printer=add_printer or docs, saturdays=saturdays or docs)
    lives = [(base, policy) for policy in chosen]
    lives += [(settings, "ours") for name, settings in variants.items() if name != AS_IT_IS]
    if "ours" in {policy for _, policy in lives}:
        warm()  # once, and into numba's cache, before two processes would each compile the search
    scores = compare(lives, processes=processes)
    side, what_if = scores[: len(chosen)], dict(zip(list(variants)[1:], scores[len(chosen) :], strict=True))
    written = [*(charts(side, out) if out else ()), *(write_docs(base, side, what_if) if docs else ())]
    runtime_s = time.perf_counter() - begun
    said = {
        "settings": asdict(base),
        "policies": [asdict(score) for score in side],
        "what_if": {name: asdict(score) for name, score in what_if.items()},
        "runtime_s": round(runtime_s, 1),
        "written": [str(path) for path in written],
    }
    put(said, json_=json_, lines=lambda: _show(base, side, what_if, written, runtime_s))


def _variants(base: Settings, *, add_printer: bool, saturdays: bool) -> dict[str, Settings]:
    """The base first, then each change by itself, then both."""
    found = {AS_IT_IS: base}
    if add_printer:
        found["printer"] = replace(base, add_printer=True)
    if saturdays:
        found["saturdays"] = replace(base, saturdays=True)
    if add_printer and saturdays:
        found["both"] = replace(base, add_printer=True, saturdays=True)
    return found


def _show(
    base: Settings,
    side: Sequence[Score],
    what_if: dict[str, Score],
    written: Sequence[Path],
    runtime_s: float,
) -> None:
    gettext = words().gettext
    title = gettext("%(days)s days, seed %(seed)s, a simulated lab") % {"days": base.days, "seed": base.seed}
    names = [gettext(simulation.POLICIES[score.policy]) for score in side]
    _table(title, names, side)
    if what_if:
        ours = [score for score in side if score.policy == "ours"]
        columns = [
            *(gettext(simulation.VARIANTS[name]) for name in (*(AS_IT_IS for _ in ours), *what_if)),
        ]
        _table(gettext("What if"), columns, [*ours, *what_if.values()])
    for path in written:
        console.print(str(path), markup=False, soft_wrap=True)
    console.print(gettext("%(seconds)s s") % {"seconds": round(runtime_s)})


def _table(title: str, columns: Sequence[str], scores: Sequence[Score]) -> None:
    gettext = words().gettext
    rows = [
        [gettext(row.label), *(simulation.cell(row, score) for score in scores)] for row in simulation.ROWS
    ]
    table(title, ["", *columns], rows)
