"""Plain words for people: the codes of the house become sentences in the caller's language.

English stands in the code (`web.words.codes` and the templates), the other languages in `locales`, compiled in
memory when first used, so that nothing has to be built.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.core import negotiate_locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from fablab.base.clock import Clock
from fablab.base.errors import LabError, Refusal
from web.words import machine
from web.words.codes import NOTICES, REMEDIES, SENTENCES, SHORT, TITLES, WORDS
from web.words.formats import NBSP, Formats
from web.words.problems import FAULTS
from web.words.reasons import REASONS, Counted

__all__ = ["LANGUAGES", "Catalogue", "Words", "choose_language"]

LANGUAGES = ("fr", "en")
LOCALES = Path(__file__).resolve().parent.parent / "locales"
DEFAULT_ZONE = ZoneInfo("Europe/Paris")

_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")

#: Facts that are instants, said as "Thursday 14:20".
_INSTANTS = frozenset({"due", "was", "ready", "since", "until", "start", "ready_at", "from", "horizon", "at"})
#: Facts that are one word of an enumeration.
_ENUMS = {"technology": "technology", "program": "technology"}


@cache
def translations(language: str) -> NullTranslations:
    """The catalogue of a language, compiled from its .po files; English is the code's own."""
    catalogues = [catalogue for _path, catalogue in read_catalogues(language)]
    if not catalogues:
        return NullTranslations()
    first, *others = catalogues
    for message in (message for other in others for message in other if message.id):
        first[message.id] = message
    compiled = io.BytesIO()
    write_mo(compiled, first)
    compiled.seek(0)
    return GNUTranslations(compiled)


def read_catalogues(language: str) -> list[tuple[Path, Catalog]]:
    """A language's .po files, one a room; none for the code's own language."""
    found: list[tuple[Path, Catalog]] = []
    for path in sorted((LOCALES / language / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            found.append((path, read_po(file, locale=language)))
    return found


def choose_language(cookie: str | None, member: str | None, accept: str | None) -> str:
    """What was chosen by hand, then what the member's own page says, then what the browser asks for, then French."""
    for wanted in (cookie, member):
        if wanted in LANGUAGES:
            return wanted
    asked = [part.split(";", 1)[0].strip().replace("-", "_") for part in _by_weight(accept or "")]
    found = negotiate_locale(asked, LANGUAGES, sep="_")
    return found or LANGUAGES[0]


def _by_weight(accept: str) -> list[str]:
    def weight(part: str) -> float:
        try:
            return float(part.partition("q=")[2] or 1.0)
        except ValueError:
            return 0.0

    parts = [part.strip() for part in accept[:500].split(",") if part.strip()]
    return sorted((part for part in parts if weight(part) > 0), key=lambda part: -weight(part))


class _Facts(dict[str, str]):
    """Facts ready to be put in; one that is missing leaves a mark, never an error: words must not fail."""

    def __missing__(self, name: str) -> str:
        return "…"


class Words:
    """One language, one house, one moment: `now` is asked of the clock when a sentence needs it."""

    def __init__(self, language: str, zone: ZoneInfo = DEFAULT_ZONE, *, clock: Clock) -> None:
        self.language = language
        self.formats = Formats(language, zone)
        self._clock = clock
        self._translations = translations(language)

    # -- gettext, for templates ------------------------------------------------------------------------------

    def gettext(self, message: str) -> str:
        return self._translations.gettext(message) if message else ""

    def ngettext(self, one: str, many: str, count: int) -> str:
        return self._translations.ngettext(one, many, count)

    # -- codes -----------------------------------------------------------------------------------------------

    def say(self, code: str, facts: Mapping[str, object] | None = None) -> str:
        """The sentence of an error's or a refusal's code; an unknown code says so plainly rather than failing."""
        return self._fill(SENTENCES.get(code) or SENTENCES["error"], facts)

    def remedy(self, code: str, facts: Mapping[str, object] | None = None) -> str:
        """What to do about it; empty where nothing is to be said. A fact that opens another way has words of its own:
        `code:fact`."""
        known = (f"{code}:{name}" for name, value in (facts or {}).items() if value is not None)
        found = next((key for key in (*known, code) if key in REMEDIES), None)
        return self._fill(REMEDIES[found], facts) if found is not None else ""

    def error(self, error: LabError) -> str:
        """Sentence and remedy of an error."""
        code = error.code if error.code in SENTENCES else _kind_of(error)
        return " ".join(filter(None, (self.say(code, error.facts), self.remedy(code, error.facts))))

    def title(self, kind: str) -> str:
        return self.gettext(TITLES.get(kind, TITLES["invalid"]))

    def refusal(self, refusal: Refusal) -> str:
        return self.say(refusal.code, refusal.facts)

    def reason(self, reason: Mapping[str, object]) -> str:
        """A step of an explanation as `claim.reasons` keeps it: `about`, `code`, `facts`."""
        code, found = str(reason.get("code")), reason.get("facts")
        facts = found if isinstance(found, Mapping) else {}
        known = [f"{code}:{key}" for key in ("kept", "who", "title") if facts.get(key)]
        keys = (*known, f"{reason.get('about')}:{code}", f"{code}:{facts.get('reason')}", code)
        message = next((REASONS[key] for key in keys if key in REASONS), SENTENCES["error"])
        if isinstance(message, Counted):
            count = facts.get("count")
            return self._put(self.ngettext(*message, count if isinstance(count, int) else 1), facts)
        return self._fill(message, facts)

    def subject(self, reason: Mapping[str, object]) -> str:
        """What a step of an explanation is about: the time that was not possible, or the machine."""
        facts = reason.get("facts")
        facts = facts if isinstance(facts, Mapping) else {}
        if reason.get("about") == "not_earlier" and "since" in facts:
            return self._fact("since", facts["since"])
        if reason.get("about") == "would_help" and "gain_min" in facts:
            gain = self._fact("gain_min", facts["gain_min"])
            return self.gettext("%(gain)s earlier") % {"gain": gain}
        return str(facts.get("machine", ""))

    def short(self, code: str) -> str:
        """A refusal where a sentence has no room."""
        return self.gettext(SHORT.get(code, SHORT["unknown"]))

    def notice(self, code: str, facts: Mapping[str, object] | None = None) -> str:
        return self._fill(NOTICES.get(code) or SENTENCES["error"], facts)

    def fault(self, code: str, facts: Mapping[str, object] | None = None) -> str:
        """What is wrong with an instance of the planning problem."""
        return self._fill(FAULTS.get(code) or SENTENCES["error"], facts)

    def word(self, kind: str, value: str | StrEnum | int | None) -> str:
        """The word of an enumeration's value, as in `word("job_state", job.state)`."""
        if value is None:
            return ""
        known = WORDS[kind].get(str(value))
        return self.gettext(known) if known else str(value)

    def machine(self, said: str) -> str:
        """What a machine or its driver says: the lab's own words translated, a firmware's as it said them."""
        known = WORDS["run_detail"].get(said)
        return self.gettext(known) if known else machine.sentence(said, self.gettext)

    def _fill(self, message: str, facts: Mapping[str, object] | None) -> str:
        return self._put(self.gettext(message), facts)

    def _put(self, said: str, facts: Mapping[str, object] | None) -> str:
        return said % _Facts({name: self._fact(name, value) for name, value in (facts or {}).items()})

    def _fact(self, name: str, value: object) -> str:
        if value is None:
            return "–"
        if name in _INSTANTS and isinstance(value, str):
            return self._instant(value)
        if name == "day" and isinstance(value, str):
            return self._instant(value, day=True)
        if name == "said":
            return machine.clauses(str(value), self.gettext)
        if name in ("reason", "why_code"):
            return self.gettext(SHORT.get(str(value), SHORT["unknown"]))
        if name in _ENUMS or (name == "machine" and str(value) in WORDS["technology"]):
            return self.word("technology", str(value))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._quantity(name, value)
        return str(value)

    def _instant(self, text: str, *, day: bool = False) -> str:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return text
        if at.tzinfo is None:
            return text
        return self.day(at) if day else self.when(at)

    def _quantity(self, name: str, value: float) -> str:
        unit = name.rpartition("_")[2]
        write = self._units.get(unit)
        if write is not None:
            return write(self.formats, value)
        return self.formats.decimal(value) if isinstance(value, float) else str(value)

    _units: Mapping[str, Callable[[Formats, float], str]] = {
        "s": lambda formats, value: formats.duration(value),
        "min": lambda formats, value: formats.duration(value * 60),
        "g": lambda formats, value: formats.grams(value),
        "mm": lambda formats, value: f"{formats.decimal(value)}{NBSP}mm",
        "c": lambda formats, value: f"{formats.decimal(value, 0)}{NBSP}°C",
        "bytes": lambda formats, value: formats.size(int(value)),
        "cents": lambda formats, value: formats.money(int(value)),
    }

    # -- filters, for templates ------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self._clock.now()

    def when(self, at: datetime) -> str:
        return self.formats.when(at, self.now())

    def day(self, at: datetime | date) -> str:
        return self.formats.day(at, self.now())

    def clock(self, at: datetime) -> str:
        return self.formats.clock(at)

    def ago(self, at: datetime) -> str:
        return self.formats.ago(at, self.now())

    def duration(self, seconds: float) -> str:
        return self.formats.duration(seconds)

    def money(self, cents: int) -> str:
        return self.formats.money(cents)

    def grams(self, weight_g: float) -> str:
        return self.formats.grams(weight_g)

    def decimal(self, value: float) -> str:
        return self.formats.decimal(value)

    def percent(self, fraction: float) -> str:
        return self.formats.percent(fraction)

    def size(self, size_bytes: int) -> str:
        return self.formats.size(size_bytes)


#: The filters that templates have, each a method of `Words`.
FILTERS = ("when", "day", "clock", "ago", "duration", "money", "grams", "decimal", "percent", "size")


def _kind_of(error: LabError) -> str:
    """The code of the error's class, for a code that has no words of its own."""
    codes = (vars(kind).get("code") for kind in type(error).__mro__)
    return next((code for code in codes if isinstance(code, str) and code in SENTENCES), "error")


class Catalogue:
    """The words of one house in every language; made once, shared by all requests."""

    def __init__(self, zone: ZoneInfo, clock: Clock) -> None:
        self.zone = zone
        self._words = {language: Words(language, zone, clock=clock) for language in LANGUAGES}

    def of(self, language: str) -> Words:
        return self._words[language if language in LANGUAGES else LANGUAGES[0]]


def placeholders(message: str) -> set[str]:
    """The facts that a message asks for."""
    return set(_PLACEHOLDER.findall(message))
