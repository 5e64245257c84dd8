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
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple, get_type_hints
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
from drivers.config.own_keys import KEYS, OPTIONS, ConfigError, Place

__all__ = [
    "Camera",
    "ConfigError",
    "DeviceConfig",
    "GrblOptions",
    "Loaded",
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
    "load_whole",
    "parse",
]

# A device's name becomes a file name (socket, journal, log) and part of a URL.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_CAMERA_URL: Final = re.compile(r"https?://[^\s/@?#]+(/[^\s#]*)?(\?[^\s#]*)?")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]")
_MAX_FILE_BYTES: Final = 1_000_000


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


_MOCKED: Final = frozenset(KEYS) - {"manual"}
_FAULT: Final = re.compile(r"[a-z0-9_]{1,40}(:[A-Za-z0-9_.]{1,40})?(@[0-9]{1,9})?")


class Loaded(NamedTuple):
    """Devices by name, in the file's order; `camera_hosts`, in small letters, are all that pictures may come from."""

    devices: dict[str, DeviceConfig]
    camera_hosts: frozenset[str]


def load(path: Path, *, environ: Mapping[str, str] | None = None) -> dict[str, DeviceConfig]:
    """All devices of the file by name, in the file's order; raises `ConfigError`."""
    return load_whole(path, environ=environ).devices


def load_whole(path: Path, *, environ: Mapping[str, str] | None = None) -> Loaded:
    """As `load`, with what stands beside the devices."""
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
    return _parsed(text, path, environ)


def parse(text: str, path: Path, *, environ: Mapping[str, str] | None = None) -> dict[str, DeviceConfig]:
    """As `load`, from text; `path` is named in errors and is where relative secret files are looked for."""
    return _parsed(text, path, environ).devices


def _parsed(text: str, path: Path, environ: Mapping[str, str] | None) -> Loaded:
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
        name: _device(name, table, Place(path=path, where=f"[devices.{name}]", environ=env), hosts)
        for name, table in tables.items()
    }
    _one_owner_per_port(devices, path)
    return Loaded(devices=devices, camera_hosts=frozenset(host.strip("[]") for host in hosts))


def _camera_hosts(table: object, path: Path) -> tuple[str, ...]:
    """The only hosts that pictures are fetched from, so that no page can make the server ask elsewhere."""
    here = Place(path=path, where="[cameras]", environ={})
    if not isinstance(table, dict):
        raise here.wrong("must be a table; write [cameras] above its keys")
    for key in table:
        if key != "hosts":
            raise here.wrong(f"{key}: unknown key; a camera's addresses stand with its machine")
    hosts = table.get("hosts", [])
    if not isinstance(hosts, list) or not all(isinstance(h, str) and _HOST.fullmatch(h) for h in hosts):
        raise here.wrong('hosts: must be a list of host names or addresses without port, ["octopi.local"]')
    return tuple(host.lower() for host in hosts)


def _device(name: str, table: object, place: Place, camera_hosts: tuple[str, ...]) -> DeviceConfig:
    if not _NAME.fullmatch(name):
        raise place.wrong(
            "a name has 1 to 40 of a-z, 0-9, - and _, and begins with a letter or digit; rename it"
        )
    if not isinstance(table, dict):
        raise place.wrong(f"must be a table; write {place.where} above its keys")
    known = ", ".join(KEYS)
    if "driver" not in table:
        raise place.wrong(f"driver: missing; add one of: {known}")
    driver = table["driver"]
    if not isinstance(driver, str) or driver not in KEYS:
        raise place.wrong(f"driver: {driver!r} is not known; use one of: {known}")
    own = KEYS[driver]
    _no_unknown_keys(table, own, driver, place)
    common = msgspec.convert(_values(_Common, table, place), _Common, from_attributes=True)
    _check_mock(common, table, place)
    _check_camera(common.camera, camera_hosts, place)
    place = replace(place, mock=common.mock)
    return DeviceConfig(
        name=name,
        driver=driver,
        options=OPTIONS[driver](_values(own, table, place), place),
        mock=common.mock,
        speed=common.speed,
        faults=common.faults,
        serial_number=common.serial_number,
        camera=common.camera,
        source=place.path,
    )


def _check_mock(common: _Common, table: Mapping[str, object], place: Place) -> None:
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


def _check_camera(camera: Camera | None, hosts: tuple[str, ...], place: Place) -> None:
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
        if host not in tuple(allowed.strip("[]") for allowed in hosts):
            raise place.wrong(f"camera: {host} is not among the hosts of [cameras]; add it there")


def _no_unknown_keys(
    table: Mapping[str, object], own: type[msgspec.Struct], driver: str, place: Place
) -> None:
    allowed = [*_Common.__struct_fields__, *own.__struct_fields__]
    for key in table:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"did you mean {near[0]}?" if near else f"{driver} knows: {', '.join(allowed)}"
            raise place.wrong(f"{key}: unknown key; {hint}")


def _values(kind: type[msgspec.Struct], table: Mapping[str, object], place: Place) -> dict[str, object]:
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
