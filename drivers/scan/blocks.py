"""From what was found to what stands in devices.toml: a name nobody has, and a table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from enum import StrEnum
from typing import Final

from drivers.config.edit import quoted
from drivers.scan.found import Found, Kind

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")  # as drivers.config has it
_VENDOR: Final = re.compile(r"(?=.*[0-9])[0-9a-f]{4}")  # "1a86": a maker that has no name
_LONGEST_BASE: Final = 30  # leaves room for a number
_USUAL_BAUD: Final = 115200
#: What makers write into every name, and what tells no machine from another.
_NOISE: Final = frozenset(
    {"3d", "at", "bridge", "com", "controller", "de", "fr", "http", "inc", "instance", "labs", "local", "ltd"}
    | {"on", "org", "original", "research", "serial", "silicon", "technologies", "technology", "the", "to"}
    | {"uart", "usb", "www"}
)


class Lacking(StrEnum):
    """What a table still needs that no scan can know."""

    NOTHING = "nothing"
    DRIVER = "driver"  # which firmware speaks on the port
    API_KEY = "api_key"  # an application key of OctoPrint: drivers.octoprint.appkey gets one
    PASSWORD = "password"  # noqa: S105 - the word, not one; PrusaLink shows its own on the printer's screen


def lacking(found: Found, *, driver: str = "") -> Lacking:
    if found.kind is Kind.OCTOPRINT:
        return Lacking.API_KEY
    if found.kind is Kind.PRUSALINK:
        return Lacking.PASSWORD
    return Lacking.NOTHING if driver or found.driver else Lacking.DRIVER


def block(found: Found, *, name: str = "", driver: str = "", secret_file: str = "") -> str:
    """A table for devices.toml, ready for `edit.append` once what `lacking` names is there.

    `driver` overrules the one that was found. `secret_file` is the file, beside devices.toml, that holds the key
    or password; NAME.key unless said otherwise. Raises ValueError for a name devices.toml does not take, and
    for a port whose firmware nobody knows.
    """
    name = name or found.name
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r}: a name has 1 to 40 of a-z, 0-9, - and _, and begins with a letter or digit"
        )
    driver = driver or found.driver
    if not driver:
        raise ValueError(f"{found.where}: which firmware? say a driver, or ask the port")
    secret = secret_file or f"{name}.key"
    lines = [f"[devices.{name}]", f"# {_comment(found.what)}", f"driver = {quoted(driver)}"]
    match found.kind:
        case Kind.SERIAL:
            lines.append(f"port = {quoted(found.where)}")
            if found.baud and found.baud != _USUAL_BAUD:
                lines.append(f"baud = {found.baud}")
            if found.serial_number:
                lines.append(f"serial_number = {quoted(found.serial_number)}")
        case Kind.OCTOPRINT:
            lines += [f"url = {quoted(found.where)}", f"api_key_file = {quoted(secret)}"]
        case Kind.PRUSALINK:
            lines += [f"url = {quoted(found.where)}", f"password_file = {quoted(secret)}"]
        case Kind.MOONRAKER:
            lines.append(f"url = {quoted(found.where)}")
    return "\n".join(lines) + "\n"


def name_for(words: str, taken: Collection[str], *, otherwise: str) -> str:
    """A name out of `words` that devices.toml takes and that is not `taken`: "Original Prusa i3 MK3S" is prusa-i3-mk3s."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
    parts = [
        part
        for part in re.split(r"[^a-z0-9]+", plain)
        if part and part not in _NOISE and not _VENDOR.fullmatch(part)
    ]
    base = ""
    for part in parts:
        longer = f"{base}-{part}" if base else part
        if len(longer) > _LONGEST_BASE:
            break
        base = longer
    base = base or (parts[0][:_LONGEST_BASE] if parts else otherwise)
    number = 1
    name = base
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def _comment(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:100].strip()
