"""Bring the catalogues up to date with the sentences that stand in the code: `python -m web.words.extract`."""

from __future__ import annotations

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from web.words import LANGUAGES, LOCALES, read_catalogues

WEB = LOCALES.parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"extensions": "jinja2.ext.i18n", "newstyle_gettext": "true"}}
GENERAL = "fablab.po"
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "_n": (1, 2)}


def extracted() -> Catalog:
    """Every sentence of the web, with where it stands (files only: line numbers would change with every edit)."""
    catalog = Catalog(project="fablab", charset="utf-8")
    found = extract_from_dir(WEB, METHODS, OPTIONS, keywords=KEYWORDS)
    for name, _line, message, _comments, context in sorted(found, key=lambda row: (row[0], row[1])):
        if message and message != ("", ""):
            catalog.add(message, locations=[(name, 0)], context=context)
    return catalog


def update(language: str, found: Catalog) -> None:
    """Each sentence stays in the file that has it; a new one goes to fablab.po, and one that is said no more goes."""
    files = read_catalogues(language)
    elsewhere = {message.id for path, catalogue in files if path.name != GENERAL for message in catalogue}
    for path, catalogue in files:
        mine = {message.id for message in catalogue}
        part = Catalog(project="fablab", charset="utf-8")
        for message in found:
            if message.id and (message.id not in elsewhere if path.name == GENERAL else message.id in mine):
                part.add(message.id, locations=message.locations, context=message.context)
        catalogue.update(part, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        with path.open("wb") as file:
            write_po(file, catalogue, width=110, sort_output=True, include_lineno=False)


def main() -> None:
    found = extracted()
    for language in LANGUAGES:
        if language != "en":
            update(language, found)


if __name__ == "__main__":
    main()
