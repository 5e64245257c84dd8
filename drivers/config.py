"""devices.toml: which machines there are and how each is reached, parsed strictly into frozen values.

A wrong file is never half read: the first error stops, and says file, table, key and what to do.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_type_hints

import msgspec

# A device's name becomes a file name (socket, journal, log) and part of a URL.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_URL: Final = re.compile(r"https?://[^\s/@]+(/[^\s?#]*)?")
_BAUDS: Final = frozenset({9600, 19200, 38400, 57600, 115200, 230400, 250000, 500000, 921600, 1000000})
# One line of G-code as a Marlin can take it.
_COMMAND: Final = re.compile(r"[A-Z][0-9][ -:<-~]{0,78}")
_MAX_FILE_BYTES: Final = 1_000_000


class ConfigError(Exception):
    """devices.toml cannot be used; `str()` names file, table and key and says what to do."""

    def __init__(self, file: Path, where: str, problem: str) -> None:
        self.file = file
        self.where = where
        self.problem = problem
        super().__init__(f"{file}: {where}: {problem}" if where else f"{file}: {problem}")


class Secret:
    """A value that never shows itself in a log, a repr or an error; `reveal()` is the one way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class MarlinOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`port` is a device path; empty only for a mock, which brings a port of its own.

    `on_pause`, `on_resume`, `on_cancel` are lines of G-code for parking; `quick_stop` and `kill` say how far
    a software stop may go (M410, M112).
    """

    port: str = ""
    baud: int = 115200
    on_pause: tuple[str, ...] = ()
    on_resume: tuple[str, ...] = ()
    on_cancel: tuple[str, ...] = ()
    quick_stop: bool = False
    kill: bool = False


class OctoPrintOptions(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    api_key: Secret


class ManualOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`estimate_s`: how long a piece of work usually takes; None shows no fraction."""

    estimate_s: float | None = None


Options = MarlinOptions | OctoPrintOptions | ManualOptions


class DeviceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One table of devices.toml. `speed` is a mock's time factor; `serial_number` the one right machine."""

    name: str
    driver: str
    options: Options
    mock: bool = False
    speed: float = 1.0
    serial_number: str = ""
    source: Path = Path("devices.toml")

    @property
    def fingerprint(self) -> str:
        """Equal for equal settings, whatever file they stand in; tells nothing about secrets."""
        facts = (self.name, self.driver, repr(self.options), self.mock, self.speed, self.serial_number)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


class _Common(msgspec.Struct):
    driver: str
    mock: bool = False
    speed: float = 1.0
    serial_number: str = ""


class _OctoPrintKeys(msgspec.Struct):
    """OctoPrint's keys as they stand in the file, before the secret is fetched from where it lives."""

    url: str
    api_key: str = ""
    api_key_file: str = ""
    api_key_env: str = ""


# driver -> the keys its table may have beside the common ones
_KEYS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "marlin": MarlinOptions,
    "octoprint": _OctoPrintKeys,
    "manual": ManualOptions,
}
_MOCKED: Final = frozenset({"marlin"})


def load(path: Path, *, environ: Mapping[str, str] | None = None) -> dict[str, DeviceConfig]:
    """All devices of the file by name, in the file's order; raises `ConfigError`."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a symlinked file away from its secrets
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(path, "", "larger than 1 MB; this is not a list of devices")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(path, "", "no such file; copy devices.example.toml to this place") from None
    except OSError as error:
        raise ConfigError(path, "", f"cannot be read ({error.strerror}); check its place and mode") from None
    except UnicodeDecodeError:
        raise ConfigError(path, "", "is not UTF-8 text; save it as UTF-8") from None
    return parse(text, path, environ=environ)


def parse(text: str, path: Path, *, environ: Mapping[str, str] | None = None) -> dict[str, DeviceConfig]:
    """As `load`, from text; `path` is named in errors and is where relative secret files are looked for."""
    try:
        top = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, "", f"is not valid TOML: {error}; correct that line") from None
    for key in top:
        if key != "devices":
            raise ConfigError(
                path, f"[{key}]", "unknown table; every machine stands in a table [devices.NAME]"
            )
    tables = top.get("devices", {})
    if not isinstance(tables, dict):
        raise ConfigError(path, "devices", "must be tables; write [devices.NAME] above a machine's keys")
    env = os.environ if environ is None else environ
    devices = {name: _device(name, table, path, env) for name, table in tables.items()}
    _one_owner_per_port(devices, path)
    return devices


def _device(name: str, table: object, path: Path, environ: Mapping[str, str]) -> DeviceConfig:
    where = f"[devices.{name}]"
    if not _NAME.fullmatch(name):
        raise ConfigError(
            path,
            where,
            "a name has 1 to 40 of a-z, 0-9, - and _, and begins with a letter or digit; rename it",
        )
    if not isinstance(table, dict):
        raise ConfigError(path, where, f"must be a table; write {where} above its keys")
    known = ", ".join(_KEYS)
    if "driver" not in table:
        raise ConfigError(path, where, f"driver: missing; add one of: {known}")
    driver = table["driver"]
    if not isinstance(driver, str) or driver not in _KEYS:
        raise ConfigError(path, where, f"driver: {driver!r} is not known; use one of: {known}")
    own = _KEYS[driver]
    _no_unknown_keys(table, own, path, where, driver)
    common = _values(_Common, table, path, where)
    special = _values(own, table, path, where)
    mock = bool(common["mock"])
    speed = float(str(common["speed"]))
    if mock and driver not in _MOCKED:
        raise ConfigError(path, where, f"mock: the {driver} driver has no mock; remove the key")
    if not mock and "speed" in table:
        raise ConfigError(path, where, "speed: only a mock can be hurried; remove the key or add mock = true")
    if not 0.1 <= speed <= 10_000:
        raise ConfigError(path, where, f"speed: {speed:g} is not between 0.1 and 10000")
    return DeviceConfig(
        name=name,
        driver=driver,
        options=_options(driver, special, mock=mock, path=path, where=where, environ=environ),
        mock=mock,
        speed=speed,
        serial_number=str(common["serial_number"]),
        source=path,
    )


def _no_unknown_keys(
    table: Mapping[str, object], own: type[msgspec.Struct], path: Path, where: str, driver: str
) -> None:
    allowed = [*_Common.__struct_fields__, *own.__struct_fields__]
    for key in table:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"did you mean {near[0]}?" if near else f"{driver} knows: {', '.join(allowed)}"
            raise ConfigError(path, where, f"{key}: unknown key; {hint}")


def _values(
    kind: type[msgspec.Struct], table: Mapping[str, object], path: Path, where: str
) -> dict[str, object]:
    """Each key of `kind` by itself, so that an error names the key; defaults are filled in."""
    hints = get_type_hints(kind)
    values: dict[str, object] = {}
    for item in msgspec.structs.fields(kind):
        if item.name in table:
            try:
                values[item.name] = msgspec.convert(table[item.name], hints[item.name], strict=True)
            except msgspec.ValidationError as error:
                problem = str(error)
                problem = problem[0].lower() + problem[1:]
                raise ConfigError(path, where, f"{item.name}: {problem}; correct the value") from None
        elif item.required:
            raise ConfigError(path, where, f"{item.name}: missing; add it")
        else:
            values[item.name] = item.default
    return values


def _options(
    driver: str,
    values: Mapping[str, object],
    *,
    mock: bool,
    path: Path,
    where: str,
    environ: Mapping[str, str],
) -> Options:
    match driver:
        case "marlin":
            return _marlin(values, mock=mock, path=path, where=where)
        case "octoprint":
            return _octoprint(values, path=path, where=where, environ=environ)
        case _:
            options = msgspec.convert(values, ManualOptions)
            if options.estimate_s is not None and not 0 < options.estimate_s <= 31_536_000:
                raise ConfigError(path, where, "estimate_s: must be more than 0 seconds and at most a year")
            return options


def _marlin(values: Mapping[str, object], *, mock: bool, path: Path, where: str) -> MarlinOptions:
    options = msgspec.convert(values, MarlinOptions)
    if mock and options.port:
        raise ConfigError(path, where, "port: a mock brings its own port; remove port, or remove mock")
    if not mock and not options.port:
        raise ConfigError(path, where, "port: missing; add the path from `ls -l /dev/serial/by-id/`")
    if options.port and not Path(options.port).is_absolute():
        raise ConfigError(
            path, where, f"port: {options.port!r} is not an absolute path; best is /dev/serial/by-id/..."
        )
    if options.baud not in _BAUDS:
        rates = ", ".join(map(str, sorted(_BAUDS)))
        raise ConfigError(path, where, f"baud: {options.baud} is no usual rate; use one of: {rates}")
    for key in ("on_pause", "on_resume", "on_cancel"):
        for command in getattr(options, key):
            if not _COMMAND.fullmatch(command):
                raise ConfigError(
                    path, where, f"{key}: {command!r} is not one short line of G-code; correct it"
                )
    return options


def _octoprint(
    values: Mapping[str, object], *, path: Path, where: str, environ: Mapping[str, str]
) -> OctoPrintOptions:
    keys = msgspec.convert(values, _OctoPrintKeys)
    if not _URL.fullmatch(keys.url):
        # The value is not repeated: a URL may hold a password.
        raise ConfigError(path, where, "url: must be http(s)://HOST[:PORT][/PATH], without user or password")
    return OctoPrintOptions(url=keys.url.rstrip("/"), api_key=_secret(keys, path, where, environ))


def _secret(keys: _OctoPrintKeys, path: Path, where: str, environ: Mapping[str, str]) -> Secret:
    given = [k for k in ("api_key", "api_key_file", "api_key_env") if getattr(keys, k)]
    if len(given) != 1:
        problem = "missing" if not given else f"given {len(given)} times ({', '.join(given)})"
        raise ConfigError(path, where, f"api_key: {problem}; give one of api_key_file, api_key_env, api_key")
    if keys.api_key_file:
        file = path.parent / keys.api_key_file
        try:
            value = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(
                path, where, f"api_key_file: {file} cannot be read; write the key into it, mode 0600"
            ) from None
        source = "api_key_file"
    elif keys.api_key_env:
        value, source = environ.get(keys.api_key_env, "").strip(), "api_key_env"
    else:
        value, source = keys.api_key.strip(), "api_key"
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        hint = f"set the variable {keys.api_key_env}" if source == "api_key_env" else "put the key there"
        raise ConfigError(
            path, where, f"{source}: holds no usable key; {hint}, in plain ASCII without blanks"
        )
    return Secret(value)


def _one_owner_per_port(devices: Mapping[str, DeviceConfig], path: Path) -> None:
    """By real path: /dev/ttyUSB0 and its by-id name are one port."""
    owners: dict[str, str] = {}
    for name, device in devices.items():
        if not isinstance(device.options, MarlinOptions) or not device.options.port:
            continue
        real = os.path.realpath(device.options.port)
        if real in owners:
            raise ConfigError(
                path,
                f"[devices.{owners[real]}] and [devices.{name}]",
                f"port: both name {real}; a port has one machine, correct one of the two",
            )
        owners[real] = name
