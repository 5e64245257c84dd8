"""The two pages of figures through the real app: how true our times are, and who got what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fablab.claims.models import Claim
from fablab.people import shares as due
from fablab.people.models import Audience
from tests.lab import Lab, analysed, submitted
from tests.reports.test_timing import made
from tests.web.conftest import copy_of
from tests.web.page_rig import Browser, browser
from tests.web.test_pages import INLINE, LEFT_OPEN
from web.pages import charts
from web.pages.charts import factor_x, wilson

Seat = tuple[Browser, Lab]


@pytest.fixture(scope="module")
def busy(template: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seat]:
    """A lab with a few finished runs, a job of the maker's that waits since yesterday, and one of somebody else's."""
    folder = tmp_path_factory.mktemp("figures")
    lab = copy_of(template, folder)
    for factor in (0.95, 1.05, 1.1, 1.3):
        made(lab, factor=factor)
    mine = submitted(lab, analysed(duration_s=7200), name="mine.gcode")
    submitted(lab, analysed(duration_s=3600), actor=lab.actors["other"], name="theirs.gcode")
    with lab.database.begin() as uow:
        uow.session.get_one(Claim, mine).made_at -= timedelta(days=1)
    with browser(lab, folder, dispatch=False) as (desk, _):
        yield desk, lab
    lab.database.dispose()


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(
    ("who", "path"), [("staff", "/calibration"), ("admin", "/shares"), ("maker", "/shares")]
)
def test_the_pages_are_whole_in_both_languages(busy: Seat, who: str, path: str, language: str) -> None:
    desk, _ = busy
    desk.sign_in(who, language=language)
    answer = desk.get(path)
    assert answer.status_code == 200
    assert f'lang="{language}"' in answer.text
    assert INLINE.search(answer.text) is None
    assert LEFT_OPEN.search(answer.text) is None


def test_the_calibration_page_has_a_dot_for_every_run_and_a_row_for_every_group(busy: Seat) -> None:
    desk, _ = busy
    desk.sign_in("staff")
    page = desk.get("/calibration").text
    assert page.count('class="chart-dot"') == 4
    assert page.count('class="chart-point"') == 8  # promises and durations, at four quantiles
    assert "4 promises, 4 runs" in page
    assert "Too few parts" in page
    (row,) = re.findall(r'<th scope="row">mk3</th>.*?</tr>', page, re.S)
    assert "PETG" in row
    assert "×\u202f1.08" in row  # the middle of 1.05 and 1.1


def test_the_calibration_page_is_not_for_makers(busy: Seat) -> None:
    desk, _ = busy
    desk.sign_in("maker")
    assert desk.get("/calibration").status_code == 403
    assert "/calibration" not in desk.get("/jobs").text
    assert "/shares" in desk.get("/jobs").text


def test_staff_see_every_waiting_job_and_a_maker_their_own(busy: Seat) -> None:
    desk, _ = busy
    desk.sign_in("staff")
    page = desk.get("/shares").text
    assert "mine.gcode" in page
    assert "theirs.gcode" in page
    assert "chart-bars" in page
    desk.sign_in("maker")
    page = desk.get("/shares").text
    assert "mine.gcode" in page
    assert "theirs.gcode" not in page
    assert "Other" not in page
    assert "chart-bars" not in page


def test_a_waiting_job_says_what_its_turn_depends_on(busy: Seat) -> None:
    desk, _ = busy
    desk.sign_in("maker")
    page = desk.get("/shares").text
    assert "It has waited 24" in page.replace("\u00a0", " ")
    assert "×\u202f1.41" in page  # a day is half a doubling
    assert "Its priority is the usual one." in page
    assert re.search(r"Planned for .* on mk3\.", page)


def test_how_long_an_audience_waits_is_of_all_its_jobs_not_of_the_readers_alone(busy: Seat) -> None:
    """Nine wait, the longest for a day: that one's own came a minute ago does not make it a minute."""
    desk, _ = busy
    desk.sign_in("other")
    (row,) = re.findall(r'<th scope="row">Personal</th>.*?</tr>', desk.get("/shares").text, re.S)
    assert "24" in row[row.index("Longest wait") :]


def test_only_an_administrator_sets_the_shares_due(busy: Seat) -> None:
    desk, lab = busy
    desk.sign_in("staff")
    assert "/shares/due" not in desk.get("/shares").text
    assert desk.post("/shares/due", school="2").status_code == 403
    desk.sign_in("admin")
    assert desk.post("/shares/due", school="2,5", personal="1").status_code == 303
    with lab.database.read() as uow:
        assert due.parts_due(uow)[Audience.SCHOOL] == 2.5


def test_a_share_that_cannot_be_is_said_beside_its_field_and_none_is_kept(busy: Seat) -> None:
    desk, lab = busy
    desk.sign_in("admin")
    answer = desk.post("/shares/due", student="7", personal="much")
    assert answer.status_code == 422
    assert 'value="much"' in answer.text
    assert answer.text.count("field-error") == 1
    with lab.database.read() as uow:
        assert due.parts_due(uow)[Audience.STUDENT] == 1


def test_an_empty_lab_says_what_will_be_there(lab: Lab, tmp_path: Path) -> None:
    with browser(lab, tmp_path, dispatch=False) as (desk, _):
        desk.sign_in("staff")
        assert "No run has been finished yet" in desk.get("/calibration").text
        assert "As soon as somebody uses a machine" in desk.get("/shares").text
        desk.sign_in("maker")
        assert "As soon as you use a machine" in desk.get("/shares").text


def test_half_as_long_lies_as_far_from_the_middle_as_twice_as_long() -> None:
    middle = factor_x(1)
    assert middle - factor_x(0.5) == factor_x(2) - middle
    assert (factor_x(0), factor_x(99)) == (charts.DOT_LEFT, charts.DOT_RIGHT)


def test_few_promises_leave_much_to_chance() -> None:
    few, many = wilson(0.8, 5), wilson(0.8, 5000)
    assert few[0] < many[0] < 0.8 < many[1] < few[1]
    assert wilson(1.0, 3)[1] == 1.0
    assert wilson(0.0, 0) == (0.0, 1.0)
