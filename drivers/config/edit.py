"""devices.toml changed by a program: a table in, a table out, and every other line as a person left it.

The new text is read back before anything is written, and nothing but the one machine may have changed. The file
is then replaced in one step, and what stood there before is kept beside it as `devices.toml.bak`.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from drivers.config import ConfigError, Secret, parse

_HEADER: Final = re.compile(r"\s*\[(?P<path>[^\[\]]+)\]\s*(#.*)?")
_MODE: Final = 0o600  # of a new file: it may hold a key

_Tables = dict[str, Any]


def append(path: Path, block: str) -> tuple[str, ...]:
    """Add `block`, one or more whole tables `[devices.NAME]`, at the end; answers the new names.

    The file is made (mode 0600) where there is none. Raises `ConfigError`, and changes nothing, when a name is
    taken or the file would not be right any more: a port with two owners, a key file that is not there.
    """
    with _locked(path):
        text = _read(path)
        before, new = _toml(text, path), _toml(block, path)
        names = tuple(_devices(new))
        if not names or set(new) != {"devices"}:
            raise ConfigError(path, "", "what was to be added is no table [devices.NAME]")
        for name in names:
            if name in _devices(before):
                raise ConfigError(path, f"[devices.{name}]", "is taken; choose another name")
        joined = f"{text.rstrip()}\n\n{block.strip()}\n".lstrip("\n")
        _replace(path, text, joined, {**before, "devices": _devices(before) | _devices(new)})
    return names


def remove(path: Path, name: str) -> str:
    """Take the table `[devices.NAME]` and its sub-tables out; answers the lines that were taken.

    Comments inside the table go with it; those above the next one stay. Raises `ConfigError`, and changes
    nothing, when there is no such machine or its table is not written as a block of lines of its own.
    """
    with _locked(path):
        text = _read(path)
        before = _toml(text, path)
        _must_have(before, name, path)
        kept, gone = _cut(text, name)
        rest = {known: table for known, table in _devices(before).items() if known != name}
        after = {key: value for key, value in before.items() if key != "devices"}
        _replace(path, text, kept, after | ({"devices": rest} if rest else {}))
    return gone


def set_key(path: Path, name: str, key: str, value: str, *, instead_of: tuple[str, ...] = ()) -> None:
    """Set `key` of `[devices.NAME]` to the string `value`; the keys `instead_of` are taken out.

    Only the result has to be right, so a table that lacks just this key can be mended. Raises `ConfigError`,
    and changes nothing, when there is no such table or the file would not be right.
    """
    with _locked(path):
        text = _read(path)
        before = _toml(text, path)
        _must_have(before, name, path)
        table = {k: v for k, v in _devices(before)[name].items() if k not in instead_of} | {key: value}
        after = {**before, "devices": _devices(before) | {name: table}}
        _replace(path, text, _with_key(text, name, key, value, instead_of), after)


def tables(path: Path) -> dict[str, dict[str, Any]]:
    """The tables `[devices.NAME]` by name as they stand there, whether or not their keys are right; {} without
    a file. Raises `ConfigError` when it cannot be read or is no TOML."""
    return {
        name: table for name, table in _devices(_toml(_read(path), path)).items() if isinstance(table, dict)
    }


def write_secret(path: Path, name: str, secret: Secret) -> str:
    """Keep a machine's key or password in NAME.key beside devices.toml, readable by its owner only.

    Answers the file's name as `api_key_file` or `password_file` takes it. Raises `ConfigError`.
    """
    file = path.with_name(f"{name}.key")
    try:
        _write(file, f"{secret.reveal()}\n", mode=_MODE)
    except OSError as error:
        raise ConfigError(file, "", f"cannot be written ({error.strerror})") from None
    return file.name


def quoted(value: str) -> str:
    """`value`, whatever is in it, as a TOML string of one line."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'


def _devices(top: Mapping[str, Any]) -> _Tables:
    found = top.get("devices", {})
    return found if isinstance(found, dict) else {}


def _must_have(top: Mapping[str, Any], name: str, path: Path) -> None:
    known = _devices(top)
    if not isinstance(known.get(name), dict):
        raise ConfigError(
            path, f"[devices.{name}]", f"no such machine; there are: {', '.join(known) or 'none'}"
        )


def _toml(text: str, path: Path) -> _Tables:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, "", f"is not valid TOML: {error}; correct that line") from None


# -- lines


def _cut(text: str, name: str) -> tuple[str, str]:
    """The text without the table's lines, and those lines."""
    kept: list[str] = []
    gone: list[str] = []
    for lines, ours in _blocks(text, name):
        end = _end(lines) if ours else 0
        gone += lines[:end]
        kept += lines[end:]
    return "\n".join(kept), "\n".join(gone)


def _with_key(text: str, name: str, key: str, value: str, instead_of: tuple[str, ...]) -> str:
    line = f"{key} = {quoted(value)}"
    out: list[str] = []
    done = False
    for lines, ours in _blocks(text, name):
        if ours and not done and _header(lines[0]) == ["devices", name]:
            old = re.compile(rf"\s*({'|'.join(map(re.escape, (key, *instead_of)))})\s*=")
            end = _end(lines)
            body = [kept for kept in lines[:end] if not old.match(kept)]
            out += [*body, line, *lines[end:]]
            done = True
        else:
            out += lines
    return "\n".join(out)


def _blocks(text: str, name: str) -> Iterator[tuple[list[str], bool]]:
    """The text cut at its table headers; True for the machine's own table and sub-tables."""
    lines: list[str] = []
    ours = False
    for line in text.split("\n"):
        header = _header(line)
        if header is not None:
            yield lines, ours
            lines, ours = [], header[:2] == ["devices", name]
        lines.append(line)
    yield lines, ours


def _header(line: str) -> list[str] | None:
    """The parts of a table header, unquoted; None for any other line."""
    found = _HEADER.fullmatch(line)
    if found is None:
        return None
    try:
        table = tomllib.loads(f"[{found['path']}]")
    except tomllib.TOMLDecodeError:
        return None
    parts = []
    while table:
        ((key, table),) = table.items()
        parts.append(key)
    return parts


def _end(lines: list[str]) -> int:
    """Where a block's own lines end: what follows are comments and blank lines that belong to what comes next."""
    end = max(n for n, line in enumerate(lines, 1) if n == 1 or not _is_aside(line))
    last = end
    while last < len(lines) and lines[last].lstrip().startswith("#"):
        last += 1
    # Comments right below the last key are its own, unless they stand right above the next header.
    return last if last < len(lines) and not lines[last].strip() else end


def _is_aside(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


# -- the file


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(path, "", f"cannot be read ({error.strerror}); check its place and mode") from None
    except UnicodeDecodeError:
        raise ConfigError(path, "", "is not UTF-8 text; save it as UTF-8") from None


def _replace(path: Path, old: str, new: str, expected: _Tables) -> None:
    """`new` becomes the file's text if it says just what is `expected` and is a right devices.toml."""
    try:
        same = tomllib.loads(new) == expected
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise ConfigError(path, "", "is written in a way that only a person can change; edit it by hand")
    parse(new, path)
    real = Path(os.path.realpath(path))  # a symlink stays one
    try:
        mode = real.stat().st_mode & 0o7777 if real.exists() else _MODE
        if old:
            _write(real.with_name(f"{real.name}.bak"), old, mode=mode)
        _write(real, new, mode=mode)
    except OSError as error:
        raise ConfigError(path, "", f"cannot be written ({error.strerror}); nothing was changed") from None


def _write(path: Path, text: str, *, mode: int) -> None:
    """All of `text` or nothing, also when the power goes in between."""
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
            os.fchmod(fd, mode)
            file.write(text)
            file.flush()
            os.fsync(fd)
        os.replace(name, path)  # noqa: PTH105 - both are names, not paths
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One change at a time: the page and the command line may both be at it. The folder itself is the lock."""
    try:
        fd = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(path, "", f"its folder cannot be opened ({error.strerror})") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
