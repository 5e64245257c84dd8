"""What drivers say is said again in the reader's language; what a firmware says stays as it said it."""

from __future__ import annotations

import pytest

from drivers.grbl import meanings
from drivers.grbl.job import look
from drivers.grbl.words import Report, State
from tests.lab import Lab
from web.words import Words, translations
from web.words.machine import clauses

NBSP = "\N{NO-BREAK SPACE}"


def untranslated(said: str) -> list[str]:
    """The clauses of `said` that come out of the French catalogue as they went in."""
    french = translations("fr").gettext
    return [clause for clause in said.split("; ") if clauses(clause, french) == clause]


def test_all_that_grbl_says_by_number_is_said_in_french() -> None:
    said = [meanings.error(number) for number in meanings.ERRORS]
    said += [meanings.alarm(number) for number in meanings.ALARMS]
    said += [meanings.error(99), meanings.UNLOCK]
    assert [one for one in said if untranslated(one)] == []


def test_all_that_a_grbl_is_seen_doing_is_said_in_french() -> None:
    reports = [
        Report(state=state, part=part) for state in State for part in (0, 1, 2, 3) if state is not State.ALARM
    ]
    said = {look(report, 0, program=False, ours=False)[1] for report in reports} - {""}
    assert [one for one in sorted(said) if untranslated(one)] == []


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "door open; close it and press resume",
            f"Porte ouverte{NBSP}; fermez-la, puis appuyez sur Reprendre.",
        ),
        (
            "line 12 (G5 X1): error 20: the machine does not know this command; check the cable",
            f"Ligne 12 (G5 X1){NBSP}: erreur 20{NBSP}: la machine ne connaît pas cette commande{NBSP};"
            " vérifiez le câble.",
        ),
        (
            "prints 100%(x)s.gcode, which the lab did not start",
            "Imprime 100%(x)s.gcode, que le FabLab n’a pas lancé.",
        ),
        ("interrupted: the port is gone", "La machine a été éteinte ou débranchée."),
        ("Heater extruder not heating", "Heater extruder not heating"),
        ("", ""),
    ],
)
def test_what_is_the_labs_own_is_translated_and_a_firmwares_words_are_kept(
    lab: Lab, said: str, shown: str
) -> None:
    assert Words("fr", clock=lab.clock).machine(said) == shown


def test_in_english_it_is_a_sentence_too(lab: Lab) -> None:
    assert Words("en", clock=lab.clock).machine("the print failed") == "The print failed."
    said = Words("en", clock=lab.clock).machine("the printer reports an error: heater 1; put it off")
    assert said == "The printer reports an error: heater 1; put it off."


def test_a_refusal_of_the_machine_names_its_reason_in_the_same_language(lab: Lab) -> None:
    words = Words("fr", clock=lab.clock)
    said = words.say("machine.says_no", {"said": "the door is open; close it and press resume"})
    assert said == (
        f"La machine refuse{NBSP}: la porte est ouverte{NBSP}; fermez-la, puis appuyez sur Reprendre"
    )
