"""`fablab plan simulate` as a person or a script would use it: figures side by side, charts, and the page of the docs."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.terminal import fablab, said
from web.cli.charts import bars, lines
from web.words.simulation import ROWS

# It compiles the search where that is not yet done: in one worker, as tests/scheduler/test_search.py says.
pytestmark = pytest.mark.xdist_group("search")

WEEK = ("plan", "simulate", "--days", "7", "--load", "0.3", "--processes", "1")


def test_policies_are_put_side_by_side_and_what_ifs_beside_the_base() -> None:
    options = ("--policy", "ours", "--policy", "fcfs", "--add-printer", "--saturdays", "--json")
    found = said(fablab(*WEEK, *options))
    assert [score["policy"] for score in found["policies"]] == ["ours", "fcfs"]
    assert list(found["what_if"]) == ["printer", "saturdays", "both"]
    assert {score["jobs"] for score in (*found["policies"], *found["what_if"].values())} == {
        found["policies"][0]["jobs"]
    }


@pytest.mark.parametrize(
    ("language", "label"), [("en_GB.UTF-8", "late jobs"), ("fr_FR.UTF-8", "travaux en retard")]
)
def test_the_table_is_said_in_the_language_of_the_terminal(language: str, label: str) -> None:
    done = fablab(*WEEK, "--policy", "fcfs", LANG=language)
    assert done.returncode == 0, done.stderr
    assert label in done.stdout


def test_charts_are_drawings_with_a_name(tmp_path: Path) -> None:
    done = fablab(*WEEK, "--policy", "fcfs", "--policy", "edf", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == ["audiences.svg", "late.svg", "waiting.svg", "weeks.svg"]
    for path in tmp_path.iterdir():
        assert ET.fromstring(path.read_text()).get("aria-label")


def test_a_bar_is_as_high_as_its_value_is_of_the_scale() -> None:
    root = ET.fromstring(bars("t", "h", ["a", "b"], {"s": (10.0, 5.0)}))
    high, half = (float(r.get("height", "0")) for r in root.iter() if r.tag.endswith("rect") and len(r))
    assert high == pytest.approx(2 * half, abs=0.2)


def test_names_in_a_chart_cannot_break_it() -> None:
    said_so = bars("<&>", "h", ['"a"'], {"<script>": (1.0,)}) + lines("<&>", "h", "x", {"&": (0.0, 1.0)})
    assert "<script>" not in said_so


def test_the_page_of_the_docs_has_every_line_of_the_table() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "simulation.md").read_text(encoding="utf-8")
    assert [row.label for row in ROWS if f"| {row.label} |" not in page] == []
