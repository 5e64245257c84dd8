"""Words: every code of the house has a sentence, every sentence is in French, and figures are written as people do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pytest

from fablab.base.clock import FakeClock
from fablab.base.errors import LabError, NotFound, Refusal
from fablab.claims.jobs.models import JobState
from fablab.claims.models import AllocationState, ClaimKind, ClaimState
from fablab.device import DeviceState, LinkState, Safety
from fablab.people.models import Audience, CertificationLevel, ProjectKind, Role
from fablab.places.models import MachineGate, ResourceKind, Technology
from fablab.programs.admission import Why
from fablab.programs.gcode import Kind
from fablab.runs.models import RunState
from tests.web.site import Site
from web.words import Words, choose_language, placeholders, read_catalogues
from web.words.codes import NOTICES, REMEDIES, SENTENCES, SHORT, TITLES, WORDS
from web.words.extract import extracted
from web.words.reasons import REASONS

ROOT = Path(__file__).resolve().parents[2]
MONDAY = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)  # noon in Paris
ERRORS = {"LabError", "NotFound", "Forbidden", "Unauthenticated", "TooMany", "Invalid", "Conflict", "BadStep"}
CODE = re.compile(r"[a-z_]+(\.[a-z_]+)?")


def trees(*folders: str) -> Iterator[ast.AST]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(path.read_bytes())


def calls(*folders: str) -> Iterator[tuple[str, ast.Call]]:
    for tree in trees(*folders):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                yield name, node


def strings(node: ast.expr | None) -> set[str]:
    """Every string a small expression may come to: a literal, either side of an `if`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return strings(node.body) | strings(node.orelse)
    return set()


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    if len(call.args) > position:
        return call.args[position]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def raised_codes() -> set[str]:
    found: set[str] = set()
    for name, call in calls("fablab", "scheduler", "web"):
        if name in ERRORS or name == "Refusal":
            found |= strings(argument(call, 0, "code"))
    return found


def test_every_code_that_is_raised_anywhere_has_a_sentence() -> None:
    codes = raised_codes()
    assert len(codes) > 80
    assert sorted(codes - SENTENCES.keys()) == []


def test_every_code_chosen_from_a_table_has_a_sentence() -> None:
    from fablab.programs.store import REFUSED_EXTENSIONS
    from web.errors import DEVICE, HTTP

    codes = {*REFUSED_EXTENSIONS.values(), *(row[2] for row in DEVICE), *(row[0] for row in HTTP.values())}
    codes |= {kind.code for kind in (LabError, *LabError.__subclasses__())}
    assert sorted(codes - SENTENCES.keys()) == []


def test_every_rule_has_a_sentence_and_a_short_form() -> None:
    from fablab.claims.rules import RULES

    assert sorted(RULES.keys() - SENTENCES.keys()) == []
    assert sorted(RULES.keys() - SHORT.keys()) == []


def test_every_reason_of_the_scheduler_has_words() -> None:
    found: set[str] = set()
    for name, call in calls("scheduler"):
        if name in ("Reason", "Wait"):
            found |= strings(argument(call, 0, "code"))
        elif name == "_would":
            found |= strings(argument(call, 2, "code"))
    assert len(found) > 10
    assert sorted(found - REASONS.keys()) == []


def test_every_reason_that_explain_lists_has_words() -> None:
    """Its docstring is the list that people read; it must not promise a code that has no words."""
    from scheduler import explain, helps

    listed = set(re.findall(r"[a-z]+(?:_[a-z]+)+", explain.__doc__ or "")) | helps.ASKS.keys()
    assert sorted(listed - REASONS.keys()) == []


def test_every_notice_has_words() -> None:
    found: set[str] = set()
    for name, call in calls("fablab", "scheduler"):
        if name == "tell":
            found |= {text for text in strings(argument(call, 2, "code")) if CODE.fullmatch(text)}
    found |= {f"job.{state.value}" for state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)}
    found |= {"job.requeued", "job.accepted", "job.rejected"}
    assert sorted(found - NOTICES.keys()) == []


def logged_codes() -> tuple[set[str], set[str]]:
    """What `log.record` is given: codes as they stand, also where they go through a function of the same file that is
    handed one; and what codes begin with that are put together."""
    codes: set[str] = set()
    beginnings: set[str] = set()

    def take(node: ast.expr | None) -> None:
        codes.update(strings(node))
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            beginnings.add(str(node.values[0].value).partition(".")[0])

    through: dict[str, int] = {"acting_for": 2}
    for tree in trees("fablab", "scheduler", "web"):
        handed = dict(through)
        again = True
        while again:  # one may be handed on by another
            again = False
            for function in ast.walk(tree):
                if not isinstance(function, ast.FunctionDef) or function.name in handed:
                    continue
                names = [each.arg for each in function.args.args]
                for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                    given = logged(call, handed)
                    if isinstance(given, ast.Name) and given.id in names:
                        handed[function.name] = names.index(given.id)
                        again = True
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            take(logged(call, handed))
    return {code for code in codes if CODE.fullmatch(code)}, beginnings


def logged(call: ast.Call, handed: dict[str, int]) -> ast.expr | None:
    """The code that this call writes into the log, if it writes any."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    of_log = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "log"
    if name == "record" and of_log:
        return argument(call, 1, "code")
    return argument(call, handed[name], "code") if name in handed else None


def test_everything_that_the_log_says_has_words() -> None:
    codes, beginnings = logged_codes()
    assert {"hook.added", "letter.resent", "feed.made", "reservation.shifted", "security.pin_set"} <= codes
    assert sorted(codes - WORDS["doing"].keys()) == []
    assert sorted(beginnings - WORDS["doing"].keys()) == []


@pytest.mark.parametrize(
    ("table", "enum"),
    [
        ("technology", Technology),
        ("technology", Kind),
        ("resource_kind", ResourceKind),
        ("role", Role),
        ("audience", Audience),
        ("project_kind", ProjectKind),
        ("certification_level", CertificationLevel),
        ("job_state", JobState),
        ("run_state", RunState),
        ("claim_state", ClaimState),
        ("claim_kind", ClaimKind),
        ("allocation_state", AllocationState),
        ("machine_gate", MachineGate),
        ("device_state", DeviceState),
        ("link_state", LinkState),
        ("safety", Safety),
    ],
)
def test_every_word_of_an_enumeration_is_said(table: str, enum: type[StrEnum]) -> None:
    assert sorted({member.value for member in enum} - WORDS[table].keys()) == []


def test_every_reason_why_a_machine_is_barred_has_a_short_form() -> None:
    machine_codes = {code for code in SENTENCES if code.startswith("admission.")}
    machine_codes |= {"machine.out_of_service", "machine.other_nozzle", "certification.missing"}
    machine_codes |= {why.value for why in Why}
    assert sorted(machine_codes - SHORT.keys()) == []


def test_remedies_are_for_codes_that_exist() -> None:
    assert sorted({code.partition(":")[0] for code in REMEDIES} - SENTENCES.keys()) == []


def test_every_sentence_asks_only_for_facts_that_are_given_with_its_code() -> None:
    given: dict[str, set[str]] = {}
    for name, call in calls("fablab", "scheduler", "web"):
        if name in ERRORS | {"Refusal"}:
            facts = {keyword.arg for keyword in call.keywords if keyword.arg}
            if name == "Refusal":
                value = argument(call, 2, "facts")
                if not isinstance(value, ast.Dict) and value is not None:
                    continue  # the facts come from a variable
                facts = set().union(*(strings(key) for key in value.keys if key)) if value else set()
            for code in strings(argument(call, 0, "code")):
                given.setdefault(code, set()).update(facts)
    wanting = {
        code: sorted(placeholders(SENTENCES[code]) - facts)
        for code, facts in given.items()
        if code in SENTENCES and placeholders(SENTENCES[code]) - facts
    }
    assert wanting == {}


def french() -> dict[object, object]:
    catalog = {message.id: message for _path, part in read_catalogues("fr") for message in part}
    return {message.id: message.string for message in catalog.values() if message.id}


def test_every_sentence_of_code_and_templates_is_in_french() -> None:
    known = french()
    missing = []
    for message in extracted():
        if message.id:
            said = known.get(message.id)
            if not (said and all(said if isinstance(said, tuple) else (said,))):
                missing.append(message.id)
    assert missing == []


def test_no_french_sentence_is_left_over_from_an_english_one_that_is_gone() -> None:
    wanted = {message.id for message in extracted()}
    assert [each for each in french() if each not in wanted] == []


def test_a_translation_has_the_same_placeholders_as_its_sentence() -> None:
    wrong = []
    for english, said in french().items():
        pairs = zip(english, said, strict=False) if isinstance(english, tuple) else [(english, said)]  # type: ignore[arg-type, call-overload]
        for one, other in pairs:
            if "%(" in one and placeholders(one) != placeholders(other):
                wrong.append(one)
    assert wrong == []


def test_french_punctuation_keeps_its_spaces_unbroken() -> None:
    def texts() -> Iterator[str]:
        for said in french().values():
            yield from said if isinstance(said, tuple) else (str(said),)

    loose = re.compile(r"[ \w][;!?»]|[ \w]:(?!\w|//)|«[^\u00a0]|'")
    assert [text for text in texts() if loose.search(re.sub(r"%\(\w+\)[sd]", "x\u00a0", text))] == []


def test_no_sentence_names_a_code_or_a_field_of_the_machine_room() -> None:
    tables = (SENTENCES, NOTICES, REMEDIES, SHORT, TITLES)
    reasons = [text for said in REASONS.values() for text in ([said] if isinstance(said, str) else said)]
    for table in (reasons, *(each.values() for each in tables)):
        for text in table:
            bare = re.sub(r"%\(\w+\)s", "", text)
            assert not re.search(r"\b[a-z]+_[a-z]+\b", bare), text


@pytest.fixture
def french_words() -> Words:
    return Words("fr", clock=FakeClock(MONDAY))


@pytest.fixture
def english_words() -> Words:
    return Words("en", clock=FakeClock(MONDAY))


@pytest.mark.parametrize(
    ("at", "french_text", "english_text"),
    [
        (MONDAY + timedelta(hours=2), "aujourd’hui 14:00", "today 14:00"),
        (MONDAY + timedelta(days=1), "demain 12:00", "tomorrow 12:00"),
        (MONDAY + timedelta(days=3, hours=2, minutes=20), "jeudi 14:20", "Thursday 14:20"),
        (MONDAY + timedelta(days=6), "dimanche 12:00", "Sunday 12:00"),
        (MONDAY + timedelta(days=7), "lundi 11 mai 12:00", "Monday 11 May 12:00"),
        (MONDAY - timedelta(days=1), "hier 12:00", "yesterday 12:00"),
        (MONDAY - timedelta(days=2), "samedi 2 mai 12:00", "Saturday 2 May 12:00"),
        (MONDAY + timedelta(days=300), "dimanche 28 février 2027 11:00", "Sunday 28 February 2027 11:00"),
        (datetime(2026, 5, 4, 22, 30, tzinfo=UTC), "demain 00:30", "tomorrow 00:30"),
    ],
    ids=str,
)
def test_a_moment_is_said_in_the_labs_own_time(
    french_words: Words, english_words: Words, at: datetime, french_text: str, english_text: str
) -> None:
    assert (french_words.when(at), english_words.when(at)) == (french_text, english_text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "1 h"),
        (7500, "2 h 05"),
        (7200, "2 h"),
        (100_000, "27 h 47"),
        (200_000, "2 j 7 h"),
        (-5, "0 s"),
    ],
)
def test_a_duration_is_short(french_words: Words, seconds: float, text: str) -> None:
    assert french_words.duration(seconds).replace("\u00a0", " ") == text


def test_amounts_are_written_as_the_language_does(french_words: Words, english_words: Words) -> None:
    assert french_words.money(320) == "3,20\u00a0€"
    assert english_words.money(320) == "€3.20"
    assert french_words.money(123_456) == "1\u202f234,56\u00a0€"
    assert french_words.grams(12.34) == "12,3\u00a0g"
    assert french_words.grams(812.6) == "813\u00a0g"
    assert french_words.percent(0.42) == "42\u00a0%"
    assert french_words.decimal(0.4) == "0,4"
    assert french_words.size(300_000_000) == "300\u00a0Mo"
    assert english_words.size(1_638_184) == "1.6\u00a0MB"
    assert french_words.ago(MONDAY - timedelta(seconds=95)) == "il y a 2\u00a0min"
    assert french_words.ago(MONDAY) == "à l’instant"
    assert french_words.day(date(2026, 5, 7)) == "jeudi"


def test_facts_become_words(french_words: Words) -> None:
    reason = {
        "about": "not_there",
        "code": "not_eligible",
        "facts": {"machine": "ender", "reason": "machine.other_nozzle"},
    }
    assert french_words.reason(reason) == "ender ne peut pas le fabriquer\u00a0: elle a une autre buse."
    moved = {"file": "gear", "ready": "2026-05-05T08:00:00+00:00", "was": "2026-05-04T14:00:00+00:00"}
    assert french_words.notice("job.moved", moved) == (
        "«\u00a0gear\u00a0» sera prêt demain 10:00 au lieu de aujourd’hui 16:00."
    )
    refusal = Refusal(code="material.not_enough", waivable=True, facts={"needed_g": 120.0, "left_g": 30.5})
    assert french_words.refusal(refusal) == (
        "Il faut 120\u00a0g\u202f; il reste 30,5\u00a0g sur la bobine la plus pleine."
    )


def test_the_same_reason_is_said_differently_where_it_means_something_else(english_words: Words) -> None:
    busy = {"code": "machine_busy", "facts": {"machine": "mk3", "until": "2026-05-04T12:00:00+00:00"}}
    assert english_words.reason({**busy, "about": "not_earlier"}) == "mk3 is taken until today 14:00."
    assert english_words.reason({**busy, "about": "unplaced"}) == "mk3 has no gap that is long enough."


def test_words_never_fail_whatever_the_code_or_the_facts(french_words: Words) -> None:
    assert french_words.say("no.such.code", {"x": 1})
    assert french_words.error(NotFound("no.such.code")) == "Il n’y a rien ici."
    assert "…" in french_words.say("due.past", {})
    assert french_words.say("due.past", {"due": "not a date"})
    assert french_words.reason({})
    assert french_words.word("job_state", "unheard_of") == "unheard_of"


@pytest.mark.parametrize(
    ("cookie", "member", "accept", "language"),
    [
        ("en", "fr", "fr", "en"),
        (None, "en", "fr", "en"),
        ("tlh", "en", "fr", "en"),
        (None, None, "en-GB,en;q=0.9,fr;q=0.8", "en"),
        (None, None, "fr-CH;q=0.3, en;q=0.9", "en"),
        (None, None, "de-DE,de;q=0.9", "fr"),
        (None, None, "en;q=0", "fr"),
        (None, None, "en;q=abc,;;;,", "fr"),
        (None, None, "", "fr"),
        (None, None, None, "fr"),
    ],
)
def test_the_language_is_what_was_chosen_then_the_members_then_the_browsers(
    cookie: str | None, member: str | None, accept: str | None, language: str
) -> None:
    assert choose_language(cookie, member, accept) == language


def test_a_problem_is_told_in_the_callers_language(site: Site) -> None:
    answers = {
        language: site.client.get("/api/me", headers={"Accept-Language": language})
        for language in ("fr", "en")
    }
    assert answers["fr"].json()["detail"] == "Connectez-vous d’abord."
    assert answers["en"].json()["detail"] == "Please sign in first."
    assert answers["en"].headers["content-language"] == "en"
    site.client.cookies.set("fablab_language", "en")
    assert site.client.get("/api/me").json()["title"] == "Sign in first"
