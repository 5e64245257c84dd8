"""The scan itself: ports and services, matched with what devices.toml knows."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from drivers.config import DeviceConfig, NetworkOptions, SerialOptions
from drivers.scan.blocks import name_for
from drivers.scan.found import Found, Kind
from drivers.scan.ports import FIRMWARE, KLIPPER, Port, holders, ports
from drivers.scan.services import Service, services

Resolve = Callable[[str], Awaitable[frozenset[str]]]
_RESOLVE_S: Final = 2.0
_TITLES: Final = {Kind.OCTOPRINT: "OctoPrint", Kind.MOONRAKER: "Moonraker", Kind.PRUSALINK: "PrusaLink"}


async def resolve(host: str) -> frozenset[str]:
    """The addresses this computer finds for a name; none when it finds none in time."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_S):
            answers = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return frozenset()
    return frozenset(str(address[0]) for *_, address in answers)


async def scan(
    known: Mapping[str, DeviceConfig],
    seconds: float,
    *,
    look_at_ports: Callable[[], Iterable[Port]] = ports,
    listen: Callable[[float], Awaitable[Iterable[Service]]] = services,
    find: Resolve = resolve,
) -> tuple[Found, ...]:
    """Everything there is, with the name of its table in `known` where it has one. Opens no port, asks no server.

    `seconds` is how long announcements are listened for: 3 is enough for nearly all. `known` is what
    `drivers.config.load` gives.
    """
    heard = tuple(await listen(seconds)) if seconds > 0 else ()
    names = set(known)
    found = [_of_port(port, known, names) for port in await asyncio.to_thread(lambda: tuple(look_at_ports()))]
    where = await _known_places(known, find)
    seen: set[str] = set()
    for service in heard:
        one = _of_service(service, where, names, resolves=bool(await find(service.host)))
        if one.where not in seen:  # a PrusaLink may announce itself twice
            seen.add(one.where)
            found.append(one)
    return tuple(found)


def _of_port(port: Port, known: Mapping[str, DeviceConfig], names: set[str]) -> Found:
    owner = next(
        (
            name
            for name, config in known.items()
            if isinstance(config.options, SerialOptions)
            and config.options.port
            and os.path.realpath(config.options.port) == port.device
        ),
        "",
    )
    held = "; ".join(f"process {pid} ({words})" for pid, words in holders(port.device))
    klipper = port.usb == KLIPPER
    return Found(
        kind=Kind.SERIAL,
        what=port.words,
        where=port.path,
        device=port.device,
        driver=known[owner].driver if owner else FIRMWARE.get(port.usb or (0, 0), ""),
        known_as=owner,
        name=owner or _new_name(port.words, names, "machine"),
        held_by=held,
        advice="Klipper runs on this board: reach it through its Moonraker" if klipper else "",
    )


def _of_service(
    service: Service, known: Mapping[str, frozenset[tuple[str, int]]], names: set[str], *, resolves: bool
) -> Found:
    hosts = {service.host.lower(), *service.addresses}
    owner = next((n for n, at in known.items() if any((host, service.port) in at for host in hosts)), "")
    words = service.model or service.label
    title = _TITLES[service.kind]
    return Found(
        kind=service.kind,
        what=f"{title} {service.version}".strip() + f", {service.label}",
        where=_url(service, by_name=resolves),
        driver=service.kind.value,
        known_as=owner,
        name=owner or _new_name(_plain_label(words, title), names, service.kind.value),
    )


def _new_name(words: str, names: set[str], otherwise: str) -> str:
    name = name_for(words, names, otherwise=otherwise)
    names.add(name)
    return name


def _plain_label(label: str, title: str) -> str:
    """'OctoPrint instance "Ender" on octopi' is 'Ender'; 'Moonraker-1a2b @ voron' is 'voron'."""
    quotes = label.split('"')
    if len(quotes) >= 3 and quotes[1].strip():
        return quotes[1]
    _, at, host = label.replace(" on ", " @ ").rpartition("@")
    words = host if at and host.strip() else label
    return " ".join(word for word in words.split() if word.lower() != title.lower())


def _url(service: Service, *, by_name: bool) -> str:
    """By name where this computer can find it by name: an address may be another one tomorrow."""
    host = service.host if (by_name and service.host) or not service.addresses else service.addresses[0]
    host = f"[{host}]" if ":" in host else host
    scheme, usual = ("https", 443) if service.port == 443 else ("http", 80)
    return f"{scheme}://{host}" + ("" if service.port == usual else f":{service.port}") + service.path


async def _known_places(
    known: Mapping[str, DeviceConfig], find: Resolve
) -> dict[str, frozenset[tuple[str, int]]]:
    """For each machine behind a server: every (host or address, port) that leads to it."""
    places: dict[str, tuple[str, int]] = {}
    for name, config in known.items():
        if isinstance(config.options, NetworkOptions) and config.options.url:
            parts = urlsplit(config.options.url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            places[name] = ((parts.hostname or "").lower(), port)
    found = await asyncio.gather(*(find(host) for host, _ in places.values()))
    return {
        name: frozenset((alias, port) for alias in {host, *addresses})
        for (name, (host, port)), addresses in zip(places.items(), found, strict=True)
    }
