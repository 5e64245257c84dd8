"""The calibration report in words and drawings: what was promised beside what came."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from fablab.reports.timing import QUANTILES, Calibration, Line
from web.pages import charts
from web.pages.eyes import Eyes
from web.pages.figures_model import CalibrationView, KeptCell, TimingRow

FEW = 20  # promises: below that no verdict is worth its words
#: A share kept that chance does not explain any more, and that is this far from what was said, is worth a mark.
OFF = 0.03


def view(eyes: Eyes, found: Calibration) -> CalibrationView:
    verdict, is_good = _verdict(eyes, found)
    return CalibrationView(
        runs=found.runs,
        promises=found.promises,
        verdict=verdict,
        is_good=is_good,
        since=found.since,
        headings=tuple(f"P{round(q * 100)}" for q in QUANTILES),
        kept=_cells(eyes, found.shares, found.promises),
        run_kept=_cells(eyes, found.run_shares, found.foreseen),
        kept_chart=_kept_chart(eyes, found),
        dot_chart=_dot_chart(eyes, found),
        rows=tuple(_row(eyes, line) for line in found.lines),
    )


def _verdict(eyes: Eyes, found: Calibration) -> tuple[str, bool]:
    if found.shares is None or found.promises < FEW:
        few = eyes.gettext("Too few parts have been finished yet to say how true our promises are.")
        return few, True
    told, kept = QUANTILES[2], found.shares[2]
    facts = {"kept": _share(eyes, kept), "told": _share(eyes, told)}
    if _is_off(told, kept, found.promises):
        if kept < told:
            return eyes.gettext(
                "We promise too much: only %(kept)s were finished by the time that should hold for %(told)s.",
                **facts,
            ), False
        return eyes.gettext(
            "We are too careful: %(kept)s were finished by the time that should hold for %(told)s.", **facts
        ), False
    low, high = found.shares[0], found.shares[3]
    within, wanted = high - low, QUANTILES[3] - QUANTILES[0]
    if abs(within - wanted) > 2 * OFF and _is_off(wanted, within, found.promises):
        facts |= {"within": _share(eyes, within), "wanted": _share(eyes, wanted)}
        if within < wanted:
            return eyes.gettext(
                "The times we promise are too narrow: %(within)s were finished between the earliest and the latest"
                " time, and it should be %(wanted)s.",
                **facts,
            ), False
        return eyes.gettext(
            "The times we promise are wider than they need be: %(within)s were finished between the earliest and"
            " the latest time, and it should be %(wanted)s.",
            **facts,
        ), False
    return eyes.gettext(
        "What we promise holds: %(kept)s were finished by the time that should hold for %(told)s.", **facts
    ), True


def _cells(eyes: Eyes, shares: Sequence[float] | None, count: int) -> tuple[KeptCell, ...]:
    if shares is None:
        return ()
    return tuple(
        KeptCell(text=_share(eyes, kept), is_off=_is_off(told, kept, count))
        for told, kept in zip(QUANTILES, shares, strict=True)
    )


def _is_off(told: float, kept: float, count: int) -> bool:
    low, high = charts.wilson(kept, count)
    return abs(kept - told) > OFF and not low <= told <= high


def _kept_chart(eyes: Eyes, found: Calibration) -> charts.KeptChart | None:
    series: list[charts.KeptSeries] = []
    for kind, label, shares, count in (
        ("promises", eyes.gettext("Finish, as promised on submission"), found.shares, found.promises),
        ("runs", eyes.gettext("Duration, as foreseen at the start"), found.run_shares, found.foreseen),
    ):
        if shares is not None:
            said = [
                f"P{round(q * 100)}: {_share(eyes, kept)}" for q, kept in zip(QUANTILES, shares, strict=True)
            ]
            series.append(charts.kept_series(kind, label, QUANTILES, shares, count, said))
    if not series:
        return None
    marks = [(share, _share(eyes, share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    ticks_x, ticks_y = charts.kept_ticks(marks)
    return charts.KeptChart(
        label=eyes.gettext("Promised share against kept share; on the diagonal both are the same."),
        ticks_x=ticks_x,
        ticks_y=ticks_y,
        series=tuple(series),
    )


def _dot_chart(eyes: Eyes, found: Calibration) -> charts.DotChart | None:
    if not found.dots:
        return None
    rows = [
        charts.dot_row(
            number, row.machine, _times(eyes, median(row.factors)), row.factors, median(row.factors)
        )
        for number, row in enumerate(found.dots)
    ]
    marks = (0.5, 0.75, 1.0, 1.5, 2.0)
    return charts.DotChart(
        label=eyes.gettext("How long each run took beside its estimate, by machine."),
        high=charts.dots_high(len(rows)),
        ticks=tuple(charts.Tick(at=charts.factor_x(mark), label=_times(eyes, mark)) for mark in marks),
        rows=tuple(rows),
    )


def _row(eyes: Eyes, line: Line) -> TimingRow:
    spread = f"{_times(eyes, line.low)} – {_times(eyes, line.high)}" if line.low and line.high else ""
    return TimingRow(
        machine=line.machine,
        material=line.material or "–",
        source=eyes.words.word("estimate_source", line.source),
        runs=line.runs,
        factor=_times(eyes, line.factor) if line.factor is not None else "–",
        spread=spread or "–",
        promises=line.promises,
        kept=_cells(eyes, line.shares, line.promises),
    )


def _times(eyes: Eyes, factor: float) -> str:
    return f"×\u202f{eyes.words.formats.decimal(factor)}"


def _share(eyes: Eyes, share: float) -> str:
    return eyes.words.percent(share)
