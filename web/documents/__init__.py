"""Paper: a template written in Typst and the data of one document make a tagged PDF (PDF/UA-1), in French or English.

Whatever people wrote reaches a template as JSON and never as markup, so `#`, `*` or `\\` in a name are letters. A
template reads nothing but the files beside it, and no network. The templates say their own labels in both languages;
dates, durations and amounts arrive as text, written by `web.words`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import date, datetime
from functools import cache
from pathlib import Path

import typst

from fablab.base.errors import Invalid, LabError

__all__ = ["TEMPLATES", "DocumentFailed", "pdf"]

TEMPLATES = Path(__file__).resolve().parent / "typst"
LANGUAGES = ("fr", "en")

#: What one document may hold. Typst sets about 30 kB of text a second on a slow day, and cannot be interrupted: the
#: bound on what goes in is the bound on the time.
MOST_BYTES = 200_000
MOST_ITEMS = 2_000
DEEPEST = 8
TIMEOUT_S = 20.0
#: Two documents at a time: the machines' drivers live in the same process.
AT_ONCE = 2

_NAME = re.compile(r"[a-z]+(-[a-z]+)*")
#: Control characters (but tab and line feed), and the halves of surrogate pairs: no font has them, XML forbids them.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class DocumentFailed(LabError):
    """The template could not be set with this data: a key is missing or is of another kind; `reason` says which."""

    code = "document.failed"


def pdf(
    template: str, data: Mapping[str, object], *, language: str = "fr", at: datetime | None = None
) -> bytes:
    """The document `template` (a name in `TEMPLATES`, as "quote") made from `data`.

    `data` is what JSON can say, with a `title`; `at` is the instant that the file calls its creation: with it, equal
    data make equal bytes. Call it in a thread: it takes some 5 to 60 ms, and never longer than `TIMEOUT_S`.

    Raises `Invalid` document.value (with the value's path as its field) or document.too_long, `DocumentFailed`
    when the template finds no sense in the data, and LookupError for a template there is not.
    """
    path = TEMPLATES / f"{template}.typ"
    if not _NAME.fullmatch(template) or not path.is_file():
        raise LookupError(f"there is no document template {template!r}")
    if language not in LANGUAGES:
        raise Invalid("document.value", field="language", path="language")
    told = {str(key): _plain(value, str(key), 0) for key, value in data.items()}
    text = json.dumps(told | {"language": language}, ensure_ascii=False)
    if len(text.encode()) > MOST_BYTES:
        raise Invalid("document.too_long", most_bytes=MOST_BYTES)
    waiting = _pool().submit(_compile, path, text, at)
    try:
        return waiting.result(TIMEOUT_S)
    except FutureTimeout:
        waiting.cancel()
        raise DocumentFailed(template=template, reason="timeout") from None
    except typst.TypstError as error:
        raise DocumentFailed(template=template, reason=error.message[:300]) from error


def _plain(value: object, path: str, depth: int) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _UNSEEN.sub("", value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, date):  # an instant without its zone's words would be printed as nobody says it
        raise Invalid("document.value", field=path, path=path)
    if depth < DEEPEST and isinstance(value, Mapping):
        return {str(key): _plain(inner, f"{path}.{key}", depth + 1) for key, inner in value.items()}
    if depth < DEEPEST and isinstance(value, list | tuple):
        if len(value) > MOST_ITEMS:
            raise Invalid("document.too_long", field=path, most_items=MOST_ITEMS)
        return [_plain(inner, f"{path}[{number}]", depth + 1) for number, inner in enumerate(value)]
    raise Invalid("document.value", field=path, path=path)


def _compile(path: Path, text: str, at: datetime | None) -> bytes:
    try:
        return _set(path, text, at, "ua-1")
    except typst.TypstError as error:
        if "could not be displayed" not in error.message:
            raise
    # A name in letters that no font here has: PDF/UA forbids the empty box that stands for them, the house does not.
    return _set(path, text, at, "1.7")


def _set(path: Path, text: str, at: datetime | None, standard: typst.PDFStandard) -> bytes:
    compiler = typst.Compiler(path, root=TEMPLATES, font_paths=_fonts(), sys_inputs={"data": text})
    made = compiler.compile(
        format="pdf", pdf_standards=standard, timestamp=None if at is None else int(at.timestamp())
    )
    if not isinstance(made, bytes):
        raise DocumentFailed(template=path.stem, reason="pages")
    return made


@cache
def _fonts() -> typst.Fonts:
    """The fonts that Typst carries, which all templates use, and the system's for letters these have not."""
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="documents")
