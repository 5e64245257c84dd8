"""devices.toml: which machines there are and how each is reached, parsed strictly into frozen values.

A wrong file is never half read: the first error stops, and says file, table, key and what to do.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, get_type_hints
from urllib.parse import urlsplit

import msgspec

from drivers.config.options import (
    Camera,
    GrblOptions,
    ManualOptions,
    MarlinOptions,
    MoonrakerOptions,
    NetworkOptions,
    OctoPrintOptions,
    Options,
    PrusaLinkOptions,
    Secret,
    SerialOptions,
)

__all__ = [
    "Camera",
    "ConfigError",
    "DeviceConfig",
    "GrblOptions",
    "ManualOptions",
    "MarlinOptions",
    "MoonrakerOptions",
    "NetworkOptions",
    "OctoPrintOptions",
    "Options",
    "PrusaLinkOptions",
    "Secret",
    "SerialOptions",
    "load",
    "parse",
]

# A device's name becomes a file name (socket, journal, log) and part of a URL.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_URL: Final = re.compile(r"https?://[^\s/@]+(/[^\s?#]*)?")
_CAMERA_URL: Final = re.compile(r"https?://[^\s/@?#]+(/[^\s#]*)?(\?[^\s#]*)?")
_REMOTE_PORT: Final = re.compile(r"(socket|rfc2217)://[A-Za-z0-9._\[\]:-]+:[0-9]{1,5}")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]")
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


class DeviceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One table of devices.toml. `serial_number` is the one right machine.

    Of a mock only: `speed`, its time factor, and `faults`, what goes wrong with it from the start. A network
    mock's `options` have no address: who starts it fills them in.
    """

    name: str
    driver: str
    options: Options
    mock: bool = False
    speed: float = 1.0
    faults: tuple[str, ...] = ()
    serial_number: str = ""
    camera: Camera | None = None
    source: Path = Path("devices.toml")

    @property
    def fingerprint(self) -> str:
        """Equal for equal settings, whatever file they stand in; tells nothing about secrets."""
        options = repr(self.options)
        facts = (self.name, self.driver, options, self.mock, self.speed, self.faults, self.serial_number)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


class _Common(msgspec.Struct):
    driver: str
    mock: bool = False
    speed: float = 1.0
    faults: tuple[str, ...] = ()
    serial_number: str = ""
    camera: Camera | None = None


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
_KEYS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "marlin": MarlinOptions,
    "grbl": GrblOptions,
    "octoprint": _ServerKeys,
    "moonraker": _ServerKeys,
    "prusalink": _PrusaLinkKeys,
    "manual": ManualOptions,
}
_MOCKED: Final = frozenset(_KEYS) - {"manual"}
_FAULT: Final = re.compile(r"[a-z0-9_]{1,40}(:[A-Za-z0-9_.]{1,40})?(@[0-9]{1,9})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in which file we are, for errors and for what is looked up beside the file."""

    path: Path
    where: str
    environ: Mapping[str, str]
    mock: bool = False
    camera_hosts: tuple[str, ...] = ()

    def wrong(self, problem: str) -> ConfigError:
        return ConfigError(self.path, self.where, problem)


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
        if key not in ("devices", "cameras"):
            raise ConfigError(
                path, f"[{key}]", "unknown table; every machine stands in a table [devices.NAME]"
            )
    tables = top.get("devices", {})
    if not isinstance(tables, dict):
        raise ConfigError(path, "devices", "must be tables; write [devices.NAME] above a machine's keys")
    env = os.environ if environ is None else environ
    hosts = _camera_hosts(top.get("cameras", {}), path)
    devices = {
        name: _device(
            name, table, _Place(path=path, where=f"[devices.{name}]", environ=env, camera_hosts=hosts)
        )
        for name, table in tables.items()
    }
    _one_owner_per_port(devices, path)
    return devices


def _camera_hosts(table: object, path: Path) -> tuple[str, ...]:
    """The only hosts that pictures are fetched from, so that no page can make the server ask elsewhere."""
    here = _Place(path=path, where="[cameras]", environ={})
    if not isinstance(table, dict):
        raise here.wrong("must be a table; write [cameras] above its keys")
    for key in table:
        if key != "hosts":
            raise here.wrong(f"{key}: unknown key; a camera's addresses stand with its machine")
    hosts = table.get("hosts", [])
    if not isinstance(hosts, list) or not all(isinstance(h, str) and _HOST.fullmatch(h) for h in hosts):
        raise here.wrong('hosts: must be a list of host names or addresses without port, ["octopi.local"]')
    return tuple(host.lower() for host in hosts)


def _device(name: str, table: object, place: _Place) -> DeviceConfig:
    if not _NAME.fullmatch(name):
        raise place.wrong(
            "a name has 1 to 40 of a-z, 0-9, - and _, and begins with a letter or digit; rename it"
        )
    if not isinstance(table, dict):
        raise place.wrong(f"must be a table; write {place.where} above its keys")
    known = ", ".join(_KEYS)
    if "driver" not in table:
        raise place.wrong(f"driver: missing; add one of: {known}")
    driver = table["driver"]
    if not isinstance(driver, str) or driver not in _KEYS:
        raise place.wrong(f"driver: {driver!r} is not known; use one of: {known}")
    own = _KEYS[driver]
    _no_unknown_keys(table, own, driver, place)
    common = msgspec.convert(_values(_Common, table, place), _Common, from_attributes=True)
    _check_mock(common, table, place)
    _check_camera(common.camera, place)
    place = replace(place, mock=common.mock)
    return DeviceConfig(
        name=name,
        driver=driver,
        options=_OPTIONS[driver](_values(own, table, place), place),
        mock=common.mock,
        speed=common.speed,
        faults=common.faults,
        serial_number=common.serial_number,
        camera=common.camera,
        source=place.path,
    )


def _check_mock(common: _Common, table: Mapping[str, object], place: _Place) -> None:
    if common.mock and common.driver not in _MOCKED:
        raise place.wrong(f"mock: the {common.driver} driver has no mock; remove the key")
    if not common.mock and "speed" in table:
        raise place.wrong("speed: only a mock can be hurried; remove the key or add mock = true")
    if not common.mock and common.faults:
        raise place.wrong("faults: only a mock fails on request; remove the key or add mock = true")
    if not 0.1 <= common.speed <= 10_000:
        raise place.wrong(f"speed: {common.speed:g} is not between 0.1 and 10000")
    for fault in common.faults:
        if not _FAULT.fullmatch(fault):
            raise place.wrong(f"faults: {fault!r} is not KIND, KIND:VALUE or KIND@LINE; correct it")


def _check_camera(camera: Camera | None, place: _Place) -> None:
    if camera is None:
        return
    given = {"snapshot": camera.snapshot, "stream": camera.stream}
    if not any(given.values()):
        raise place.wrong("camera: names no picture; give it a snapshot or a stream address")
    for key, url in given.items():
        if not url:
            continue
        if not _CAMERA_URL.fullmatch(url):
            # As below: the value may hold a password.
            raise place.wrong(f"camera: {key} must be http(s)://HOST[:PORT][/PATH], without user or password")
        try:
            host = (urlsplit(url).hostname or "").lower()
        except ValueError:
            host = ""
        if host not in tuple(allowed.strip("[]") for allowed in place.camera_hosts):
            raise place.wrong(f"camera: {host} is not among the hosts of [cameras]; add it there")


def _no_unknown_keys(
    table: Mapping[str, object], own: type[msgspec.Struct], driver: str, place: _Place
) -> None:
    allowed = [*_Common.__struct_fields__, *own.__struct_fields__]
    for key in table:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"did you mean {near[0]}?" if near else f"{driver} knows: {', '.join(allowed)}"
            raise place.wrong(f"{key}: unknown key; {hint}")


def _values(kind: type[msgspec.Struct], table: Mapping[str, object], place: _Place) -> dict[str, object]:
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
                raise place.wrong(f"{item.name}: {problem}; correct the value") from None
        elif item.required:
            raise place.wrong(f"{item.name}: missing; add it")
        else:
            values[item.name] = item.default
    return values


def _manual(values: Mapping[str, object], place: _Place) -> ManualOptions:
    options = msgspec.convert(values, ManualOptions)
    if options.estimate_s is not None and not 0 < options.estimate_s <= 31_536_000:
        raise place.wrong("estimate_s: must be more than 0 seconds and at most a year")
    return options


def _marlin(values: Mapping[str, object], place: _Place) -> MarlinOptions:
    options = msgspec.convert(values, MarlinOptions)
    _check_serial(options, place, remote=True)
    for key in ("on_pause", "on_resume", "on_cancel"):
        for command in getattr(options, key):
            if not _COMMAND.fullmatch(command):
                raise place.wrong(f"{key}: {command!r} is not one short line of G-code; correct it")
    return options


def _grbl(values: Mapping[str, object], place: _Place) -> GrblOptions:
    options = msgspec.convert(values, GrblOptions)
    _check_serial(options, place, remote=False)
    return options


def _check_serial(options: SerialOptions, place: _Place, *, remote: bool) -> None:
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


def _octoprint(values: Mapping[str, object], place: _Place) -> OctoPrintOptions:
    if _is_mock_server(values, place):
        return OctoPrintOptions()
    return OctoPrintOptions(url=_url(values, place), api_key=_one_secret(values, place, "api_key"))


def _moonraker(values: Mapping[str, object], place: _Place) -> MoonrakerOptions:
    if _is_mock_server(values, place):
        return MoonrakerOptions()
    key = _one_secret(values, place, "api_key") if _given(values, "api_key") else Secret("")
    return MoonrakerOptions(url=_url(values, place), api_key=key)


def _prusalink(values: Mapping[str, object], place: _Place) -> PrusaLinkOptions:
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


def _is_mock_server(values: Mapping[str, object], place: _Place) -> bool:
    """A mock's table may not have an address or a key: it makes its own."""
    if place.mock:
        for key in ("url", *(f"{n}{suffix}" for n in ("api_key", "password") for suffix in _SECRET_FROM)):
            if values.get(key):
                raise place.wrong(f"{key}: a mock brings its own; remove the key, or remove mock")
    return place.mock


def _url(values: Mapping[str, object], place: _Place) -> str:
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


def _one_secret(values: Mapping[str, object], place: _Place, name: str) -> Secret:
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


# driver -> how its own keys become its options; `_KEYS` has the same names
_OPTIONS: Final[Mapping[str, Callable[[Mapping[str, object], _Place], Options]]] = {
    "marlin": _marlin,
    "grbl": _grbl,
    "octoprint": _octoprint,
    "moonraker": _moonraker,
    "prusalink": _prusalink,
    "manual": _manual,
}


def _one_owner_per_port(devices: Mapping[str, DeviceConfig], path: Path) -> None:
    """By real path: /dev/ttyUSB0 and its by-id name are one port; by address for servers and remote ports."""
    owners: dict[str, str] = {}
    for name, device in devices.items():
        key, place = _owned(device.options)
        if not place:
            continue
        if place in owners:
            raise ConfigError(
                path,
                f"[devices.{owners[place]}] and [devices.{name}]",
                f"{key}: both name {place}; a {key} has one machine, correct one of the two",
            )
        owners[place] = name


def _owned(options: Options) -> tuple[str, str]:
    """The key and the place that no other machine may have."""
    if isinstance(options, SerialOptions):
        if "://" in options.port:
            return "port", options.port.partition("://")[2].lower()
        return "port", os.path.realpath(options.port) if options.port else ""
    return "url", "" if isinstance(options, ManualOptions) else options.url.lower()
