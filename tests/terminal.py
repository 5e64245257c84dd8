"""The `fablab` command as a person types it, run inside the test's own process: words in, output and exit code out.

A process of its own takes two seconds to begin; `tests/web/test_cli.py` starts one to see that it does.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from web.cli import main

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def environment(**more: str) -> dict[str, str]:
    """All that a command is told by its surroundings."""
    return {"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "LANG": "en_GB.UTF-8", **more}


def fablab(*words: str, stdin: str = "", **environ: str) -> Done:
    out, err, code = StringIO(), StringIO(), 0
    with (
        _surroundings(environment(**environ), ["fablab", *words], stdin),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Done(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


@contextmanager
def _surroundings(environ: dict[str, str], argv: list[str], stdin: str) -> Iterator[None]:
    kept, folder = (dict(os.environ), sys.argv, sys.stdin), Path.cwd()
    os.environ.clear()
    os.environ.update(environ)
    sys.argv, sys.stdin = argv, StringIO(stdin)
    os.chdir(ROOT)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(kept[0])
        _, sys.argv, sys.stdin = kept


def said(done: Done) -> Any:
    """What it printed for a script, once it has gone well."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def failed(done: Done) -> str:
    """What it told a person, once it has not."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr
