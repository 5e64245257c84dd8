"""A driver's own keys: from what stands in its table to its options, each mistake named with what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from drivers.config.options import (
    GrblOptions,
    ManualOptions,
    MarlinOptions,
    MoonrakerOptions,
    OctoPrintOptions,
    Options,
    PrusaLinkOptions,
    Secret,
    SerialOptions,
)

_URL: Final = re.compile(r"https?://[^\s/@]+(/[^\s?#]*)?")
_REMOTE_PORT: Final = re.compile(r"(socket|rfc2217)://[A-Za-z0-9._\[\]:-]+:[0-9]{1,5}")
_BAUDS: Final = frozenset({9600, 19200, 38400, 57600, 115200, 230400, 250000, 500000, 921600, 1000000})
# One line of G-code as a Marlin can take it.
_COMMAND: Final = re.compile(r"[A-Z][0-9][ -:<-~]{0,78}")


class ConfigError(Exception):
    """devices.toml cannot be used; `str()` names file, table and key and says what to do."""

    def __init__(self, file: Path, where: str, problem: str) -> None:
        self.file = file
        self.where = where
        self.problem = problem
        super().__init__(f"{file}: {where}: {problem}" if where else f"{file}: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in which file we are, for errors and for what is looked up beside the file."""

    path: Path
    where: str
    environ: Mapping[str, str]
    mock: bool = False

    def wrong(self, problem: str) -> ConfigError:
        return ConfigError(self.path, self.where, problem)


class _ServerKeys(msgspec.Struct):
    """A machine behind an HTTP server, as its table stands in the file, before secrets are fetched."""

    url: str = ""
    api_key: str = ""
    api_key_file: str = ""
    api_key_env: str = ""


class _PrusaLinkKeys(_ServerKeys):
    user: str = "maker"
    password: str = ""
    password_file: str = ""
    password_env: str = ""


# driver -> the keys its table may have beside the common ones
KEYS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "marlin": MarlinOptions,
    "grbl": GrblOptions,
    "octoprint": _ServerKeys,
    "moonraker": _ServerKeys,
    "prusalink": _PrusaLinkKeys,
    "manual": ManualOptions,
}


def _manual(values: Mapping[str, object], place: Place) -> ManualOptions:
    options = msgspec.convert(values, ManualOptions)
    if options.estimate_s is not None and not 0 < options.estimate_s <= 31_536_000:
        raise place.wrong("estimate_s: must be more than 0 seconds and at most a year")
    return options


def _marlin(values: Mapping[str, object], place: Place) -> MarlinOptions:
    options = msgspec.convert(values, MarlinOptions)
    _check_serial(options, place, remote=True)
    for key in ("on_pause", "on_resume", "on_cancel"):
        for command in getattr(options, key):
            if not _COMMAND.fullmatch(command):
                raise place.wrong(f"{key}: {command!r} is not one short line of G-code; correct it")
    return options


def _grbl(values: Mapping[str, object], place: Place) -> GrblOptions:
    options = msgspec.convert(values, GrblOptions)
    _check_serial(options, place, remote=False)
    return options


def _check_serial(options: SerialOptions, place: Place, *, remote: bool) -> None:
    port = options.port
    if place.mock and port:
        raise place.wrong("port: a mock brings its own port; remove port, or remove mock")
    if not place.mock and not port:
        raise place.wrong("port: missing; add the path from `ls -l /dev/serial/by-id/`")
    if "://" in port and not remote:
        raise place.wrong("port: a laser is run over its own cable only; give a path of this computer")
    if "://" in port and not _REMOTE_PORT.fullmatch(port):
        raise place.wrong(f"port: {port!r} is not socket://HOST:PORT or rfc2217://HOST:PORT")
    if port and "://" not in port and not Path(port).is_absolute():
        raise place.wrong(f"port: {port!r} is not an absolute path; best is /dev/serial/by-id/...")
    if options.baud not in _BAUDS:
        rates = ", ".join(map(str, sorted(_BAUDS)))
        raise place.wrong(f"baud: {options.baud} is no usual rate; use one of: {rates}")


def _octoprint(values: Mapping[str, object], place: Place) -> OctoPrintOptions:
    if _is_mock_server(values, place):
        return OctoPrintOptions()
    return OctoPrintOptions(url=_url(values, place), api_key=_one_secret(values, place, "api_key"))


def _moonraker(values: Mapping[str, object], place: Place) -> MoonrakerOptions:
    if _is_mock_server(values, place):
        return MoonrakerOptions()
    key = _one_secret(values, place, "api_key") if _given(values, "api_key") else Secret("")
    return MoonrakerOptions(url=_url(values, place), api_key=key)


def _prusalink(values: Mapping[str, object], place: Place) -> PrusaLinkOptions:
    if _is_mock_server(values, place):
        return PrusaLinkOptions()
    both = [name for name in ("password", "api_key") if _given(values, name)]
    if len(both) != 1:
        raise place.wrong("password: give either password_file (with user) or api_key_file; see the printer")
    user = str(values["user"])
    if not user.isascii() or not user.isprintable() or not user or ":" in user:
        raise place.wrong("user: must be plain ASCII without a colon; a PrusaLink's usual one is maker")
    secret = _one_secret(values, place, both[0])
    url = _url(values, place)
    if both[0] == "password":
        return PrusaLinkOptions(url=url, user=user, password=secret)
    return PrusaLinkOptions(url=url, user=user, api_key=secret)


def _is_mock_server(values: Mapping[str, object], place: Place) -> bool:
    """A mock's table may not have an address or a key: it makes its own."""
    if place.mock:
        for key in ("url", *(f"{n}{suffix}" for n in ("api_key", "password") for suffix in _SECRET_FROM)):
            if values.get(key):
                raise place.wrong(f"{key}: a mock brings its own; remove the key, or remove mock")
    return place.mock


def _url(values: Mapping[str, object], place: Place) -> str:
    url = str(values["url"])
    if not url:
        raise place.wrong("url: missing; add it")
    if not _URL.fullmatch(url):
        # The value is not repeated: a URL may hold a password.
        raise place.wrong("url: must be http(s)://HOST[:PORT][/PATH], without user or password")
    return url.rstrip("/")


_SECRET_FROM: Final = ("", "_file", "_env")


def _given(values: Mapping[str, object], name: str) -> list[str]:
    return [f"{name}{suffix}" for suffix in _SECRET_FROM if values.get(f"{name}{suffix}")]


def _one_secret(values: Mapping[str, object], place: Place, name: str) -> Secret:
    given = _given(values, name)
    if len(given) != 1:
        problem = "missing" if not given else f"given {len(given)} times ({', '.join(given)})"
        raise place.wrong(f"{name}: {problem}; give one of {name}_file, {name}_env, {name}")
    source, said = given[0], str(values[given[0]])
    if source.endswith("_file"):
        file = place.path.parent / said
        try:
            value = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise place.wrong(f"{source}: {file} cannot be read; write the key into it, mode 0600") from None
    elif source.endswith("_env"):
        value = place.environ.get(said, "").strip()
    else:
        value = said.strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        hint = f"set the variable {said}" if source.endswith("_env") else "put the key there"
        raise place.wrong(f"{source}: holds no usable key; {hint}, in plain ASCII without blanks")
    return Secret(value)


# driver -> how its own keys become its options; `KEYS` has the same names
OPTIONS: Final[Mapping[str, Callable[[Mapping[str, object], Place], Options]]] = {
    "marlin": _marlin,
    "grbl": _grbl,
    "octoprint": _octoprint,
    "moonraker": _moonraker,
    "prusalink": _prusalink,
    "manual": _manual,
}
