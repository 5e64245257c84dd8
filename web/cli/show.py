"""How the command line speaks: one object as JSON or as lines, errors as one sentence on stderr."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from fablab.base.clock import SystemClock
from fablab.base.errors import LabError, Refused
from web.words import Words

F = TypeVar("F", bound=Callable[..., Any])

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


class CliError(Exception):
    """Something the person at the terminal can mend; `str()` says how."""


def as_json(function: F) -> F:
    """The `--json` switch: one JSON object (or one a line) on stdout, and nothing else."""
    return click.option("--json", "json_", is_flag=True, help="print JSON, for scripts")(function)


def language() -> str:
    """The terminal's own, as far as we speak it; French where it says nothing."""
    said = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "en" if said.startswith("en") else "fr"


def words() -> Words:
    return Words(language(), clock=SystemClock())


def put(value: Mapping[str, Any] | Sequence[Any], *, json_: bool, lines: Callable[[], None]) -> None:
    """`value` as JSON, or whatever `lines` prints."""
    if json_:
        print(json.dumps(value, ensure_ascii=False, default=_plain))
    else:
        lines()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column)
    for row in rows:
        shown.add_row(*row)
    console.print(shown)


def say_error(error: Exception) -> None:
    if isinstance(error, Refused):
        lines = [words().refusal(refusal) for refusal in error.refusals]
    elif isinstance(error, LabError):
        lines = [words().error(error)]
    else:
        lines = [str(error)]
    for line in lines:
        # Not marked up, not wrapped: what is named may hold brackets, and scripts read lines.
        errors.print(f"✗ {line}", style="red", markup=False, soft_wrap=True)


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
