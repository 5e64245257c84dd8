"""The reports in a terminal: the same figures as the pages', as a table and for scripts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from fablab.base.errors import Invalid
from tests.lab import Lab, submitted
from tests.reports.test_timing import made
from web.cli import cli


def told(lab: Lab, *words: str, language: str = "en") -> str:
    url = lab.database.url.render_as_string(hide_password=False)
    runner = CliRunner(env={"LANG": f"{language}_XX.UTF-8", "LC_ALL": "", "LANGUAGE": ""})
    answer = runner.invoke(cli, ["reports", *words, "--database-url", url])
    if answer.exception is not None:
        raise answer.exception
    return answer.output


def told_json(lab: Lab, *words: str) -> Any:
    return json.loads(told(lab, *words, "--json"))


def test_calibration_is_told_to_scripts(lab: Lab) -> None:
    assert told_json(lab, "calibration")["kept"] is None
    made(lab, factor=1.25)
    found = told_json(lab, "calibration")
    assert (found["runs"], found["promises"]) == (1, 1)
    assert found["lines"][0]["factor"] == pytest.approx(1.25)
    assert sorted(found["kept"]) == ["p10", "p50", "p80", "p90"]


def test_shares_are_told_and_set(lab: Lab) -> None:
    submitted(lab)
    assert told_json(lab, "owe", "personal", "2")["personal"] == 2
    (row,) = told_json(lab, "shares")
    assert (row["audience"], row["waiting"], row["due"]) == ("personal", 1, 1)
    with pytest.raises(Invalid):
        told(lab, "owe", "personal", "0")


def test_tables_are_told_in_the_language_of_the_terminal(lab: Lab) -> None:
    submitted(lab)
    assert "Personnel" in told(lab, "shares", language="fr")
    assert "Personal" in told(lab, "shares")
    assert "No run has been finished yet" in told(lab, "calibration")
    made(lab)
    assert "Matière" in told(lab, "calibration", language="fr")
