"""Documents on paper: what people wrote stays text, a bad value is named, and both languages say the same things."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from fablab.base.errors import Invalid
from web import documents

LAB = {"name": "La Fabrique", "address": "1 place du Test", "phone": "03 00 00 00 00", "email": None}
AT = datetime(2027, 3, 12, 9, tzinfo=UTC)
LABELS: dict[str, Any] = {
    "lab": LAB,
    "title": "Étiquettes",
    "labels": [{"number": 1, "name": "Zoé", "file": "tag.gcode", "machine": "Prusa 1"}],
}


def labels(name: str) -> dict[str, Any]:
    return LABELS | {"labels": [{"number": 1, "name": name, "file": "a", "machine": None}]}


@pytest.mark.parametrize("language", documents.LANGUAGES)
def test_a_document_is_a_tagged_pdf_in_the_language_asked_for(language: str) -> None:
    made = documents.pdf("labels", LABELS, language=language, at=AT)
    assert made.startswith(b"%PDF-")
    assert b"/StructTreeRoot" in made
    assert re.search(rb"/Lang ?\(" + language.encode(), made)


def test_equal_data_make_equal_bytes() -> None:
    assert documents.pdf("labels", LABELS, at=AT) == documents.pdf("labels", LABELS, at=AT)


@pytest.mark.parametrize(
    "name",
    [
        '#panic("no")',
        "*a_b* `c` $x$ \\ <l> @me",
        '#read("house.typ")',
        "]#pagebreak()[",
        "Zo\x00\x07é",
        "王小明",
        "😀",
    ],
)
def test_what_a_person_wrote_is_text_and_never_markup(name: str) -> None:
    assert documents.pdf("labels", labels(name), at=AT).startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("value", "field"), [(AT, "subtitle"), (float("nan"), "subtitle"), ({"a": [b"x"]}, "subtitle.a[0]")]
)
def test_a_value_that_json_cannot_say_is_named(value: object, field: str) -> None:
    with pytest.raises(Invalid) as raised:
        documents.pdf("labels", LABELS | {"subtitle": value})
    assert (raised.value.code, raised.value.field) == ("document.value", field)


def test_a_key_that_is_missing_is_said() -> None:
    with pytest.raises(documents.DocumentFailed) as raised:
        documents.pdf("labels", {"lab": LAB, "title": "x"})
    assert "labels" in str(raised.value.facts["reason"])


def test_too_much_text_is_refused_before_any_of_it_is_set() -> None:
    with pytest.raises(Invalid, match=r"document\.too_long"):
        documents.pdf("labels", labels("é" * documents.MOST_BYTES))


@pytest.mark.parametrize("name", ["../house", "nothing", "Labels"])
def test_only_templates_of_the_house_are_set(name: str) -> None:
    with pytest.raises(LookupError):
        documents.pdf(name, LABELS)


def test_each_template_says_every_label_in_both_languages() -> None:
    for path in documents.TEMPLATES.glob("*.typ"):
        text = path.read_text(encoding="utf-8")
        tables = re.search(
            r"#let words = \(\n  fr: \((.*?)\n  \),\n  en: \((.*?)\n  \),\n\)", text, re.DOTALL
        )
        if "#let w(key)" not in text:
            continue
        assert tables is not None, path.name
        french, english = (
            set(re.findall(r'(?m)(?:^\s*|, )([a-z][a-z-]*): "', table)) for table in tables.groups()
        )
        assert french == english, path.name
        assert set(re.findall(r"w\(\"([\w-]+)\"\)", text)) <= french, path.name
