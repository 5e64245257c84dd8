"""Forms of the people's pages: what was typed becomes values, a change is made, and what is wrong is said in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from typing import TypeVar
from urllib.parse import quote

from litestar import Response

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, LabError, Refused
from web.pages.people_model import Option, Trouble
from web.pages.shell import AnyRequest, Desk, Flash, desk_of, form_of, go, in_thread
from web.words import Words
from web.words.codes import WORDS

E = TypeVar("E", bound=StrEnum)
Form = Mapping[str, str]
FIELD_LIMIT = 400
#: Never put back into a page.
PASSWORDS = frozenset({"password", "was", "again", "csrf", "key"})


def day_in(form: Form, name: str) -> date | None:
    """Of an `<input type="date">`; empty is None. Raises `Invalid` day.wrong."""
    text = form.get(name, "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid("day.wrong", field=name) from None


def number_in(form: Form, name: str) -> int:
    """Raises `Invalid` choice.unknown: such fields are chosen from a list, not typed."""
    text = form.get(name, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid("choice.unknown", field=name)
    return int(text)


def maybe_number_in(form: Form, name: str) -> int | None:
    return number_in(form, name) if form.get(name, "").strip() else None


def one_of(kind: type[E], form: Form, name: str) -> E:
    try:
        return kind(form.get(name, "").strip())
    except ValueError:
        raise Invalid("choice.unknown", field=name) from None


def cents_in(form: Form, name: str) -> int:
    """Euros as people write them, with a comma or a point."""
    text = form.get(name, "").strip().replace("\N{NO-BREAK SPACE}", "").replace(" ", "").replace(",", ".")
    whole, _, parts = text.removesuffix("€").partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) < 8 and len(parts) <= 2):
        raise Invalid("subscription.price", field=name)
    if parts and not (parts.isascii() and parts.isdigit()):
        raise Invalid("subscription.price", field=name)
    return int(whole) * 100 + int(parts.ljust(2, "0"))


def options(words: Words, kind: type[StrEnum], name: str) -> tuple[Option, ...]:
    return tuple(Option(value=each.value, label=words.word(name, each)) for each in kind)


def typed(form: Form) -> dict[str, str]:
    """What goes back into the form: short, and without any secret."""
    return {name: value[:FIELD_LIMIT] for name, value in form.items() if name not in PASSWORDS}


def trouble(words: Words, error: LabError, form_name: str, form: Form) -> Trouble:
    field = error.field if isinstance(error, Invalid) and error.field else ""
    refusals = error.refusals if isinstance(error, Refused) else ()
    text = " ".join(words.refusal(each) for each in refusals) or words.error(error)
    return Trouble(form=form_name, field=field, text=text, typed=typed(form))


Show = Callable[[Desk, Trouble | None], Response[str]]


async def change(
    request: AnyRequest,
    form_name: str,
    work: Callable[[UnitOfWork, Form], object],
    show: Show,
    to: str | Callable[[object], str],
    done: str,
) -> Response[str]:
    """Make a change in one transaction; then to the page `to`, which says `done`. What is wrong with the input, or has
    meanwhile changed, is said on the page the form stands on, with everything that was typed."""
    desk = desk_of(request)
    form = await form_of(request)

    def make() -> Response[str]:
        try:
            made = desk.database.write(lambda uow: work(uow, form), desk.actor)
        except (Invalid, Conflict, Refused) as error:
            return show(desk, trouble(desk.words, error, form_name, form))
        return go(request, with_done(to if isinstance(to, str) else to(made), done))

    return await in_thread(make)


def with_done(path: str, done: str) -> str:
    """`path` with what the next page says; a place on it stays last."""
    path, mark, place = path.partition("#")
    return f"{path}{'&' if '?' in path else '?'}done={quote(done)}{mark}{place}"


def done_in(request: AnyRequest, words: Words) -> list[Flash]:
    """What the last form has done, as a toast: one of our own words, whatever the address says."""
    said = request.query_params.get("done", "")
    return [Flash(kind="good", text=words.word("done", said))] if said in WORDS["done"] else []
