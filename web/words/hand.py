"""What would come of taking a job in hand, in sentences: whom it moves, by how much, and whether they are told."""

from __future__ import annotations

from datetime import datetime

from fablab.claims.decisions import Action, Decision
from scheduler.planner.forecast import Forecast, Moved
from web.words import Words


def N_(message: str) -> str:
    """Marks a sentence that is translated when it is said."""
    return message


_NOTHING = N_("Nobody else is moved.")
#: What was done, as the history says it.
_DONE = {
    Action.MOVE: N_("Moved by hand to %(machine)s, start %(start)s."),
    Action.PIN: N_("Made firm on %(machine)s, start %(start)s."),
    Action.UNPIN: N_("No longer firm: the plan may move it."),
    Action.FORBID: N_("Kept off %(barred)s."),
    Action.ALLOW: N_("Allowed on %(barred)s again."),
    Action.PRIORITISE: N_("Priority: %(priority)s."),
}


def summary(words: Words, said: Forecast) -> str:
    """How many others move, in one sentence."""
    count = len(said.displaced)
    if not count:
        return words.gettext(_NOTHING)
    told = said.told
    moves = words.ngettext("Moves %(num)s other job", "Moves %(num)s other jobs", count) % {"num": count}
    if not told:
        return words.gettext("%(moves)s; nobody has to be told.") % {"moves": moves}
    heard = words.ngettext("%(num)s person is told", "%(num)s people are told", told) % {"num": told}
    return words.gettext("%(moves)s; %(told)s.") % {"moves": moves, "told": heard}


def shift(words: Words, each: Moved) -> str:
    """By how much: "+40 min", "−15 min", "same time", "no place"."""
    if each.ready_at is None:
        return words.gettext("no place any more")
    later_s = each.later_s
    if later_s is None:
        return words.gettext("has a place now")
    if abs(later_s) < 60:
        return words.gettext("same time")
    return f"{'+' if later_s > 0 else '−'}{words.duration(abs(later_s))}"


def late(words: Words, said: Forecast) -> str:
    """What it costs the plan as a whole in weighted lateness; empty where it costs nothing."""
    late_min = round(said.cost.get("late_min", 0.0))
    if late_min == 0:
        return ""
    if late_min > 0:
        template = words.gettext("The plan is %(late)s later in all, weighed by whose turn it is.")
    else:
        template = words.gettext("The plan gains %(late)s in all, weighed by whose turn it is.")
    return template % {"late": words.duration(abs(late_min) * 60)}


def decided(words: Words, row: Decision) -> str:
    """A decision as a line of the job's history."""
    facts = row.facts
    start = facts.get("start")
    said = {
        "machine": str(facts.get("machine", "")),
        "start": words.when(datetime.fromisoformat(str(start))) if start else "",
        "barred": str(facts.get("barred", "")),
        "priority": words.word("priority", value) if isinstance(value := facts.get("priority"), int) else "",
    }
    sentence = words.gettext(_DONE[row.action]) % said
    return f"{sentence} {row.why}".strip()
