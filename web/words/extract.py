"""Bring the catalogues up to date with the sentences that stand in the code: `python -m web.words.extract`."""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from web.words import LANGUAGES, LOCALES

WEB = LOCALES.parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"extensions": "jinja2.ext.i18n", "newstyle_gettext": "true"}}
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "_n": (1, 2)}


def extracted() -> Catalog:
    """Every sentence of the web, with where it stands (files only: line numbers would change with every edit)."""
    catalog = Catalog(project="fablab", charset="utf-8")
    found = extract_from_dir(WEB, METHODS, OPTIONS, keywords=KEYWORDS)
    for name, _line, message, _comments, context in sorted(found, key=lambda row: (row[0], row[1])):
        if message and message != ("", ""):
            catalog.add(message, locations=[(name, 0)], context=context)
    return catalog


def update(language: str, found: Catalog) -> Path:
    path = LOCALES / language / "LC_MESSAGES" / "fablab.po"
    with path.open("rb") as file:
        catalog = read_po(file, locale=language)
    catalog.update(found, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    with path.open("wb") as file:
        write_po(file, catalog, width=110, sort_output=True, include_lineno=False)
    return path


def main() -> None:
    found = extracted()
    for language in LANGUAGES:
        if language != "en":
            update(language, found)


if __name__ == "__main__":
    main()
