"""Servers that announce themselves on the network (mDNS, RFC 6763): OctoPrint, Moonraker, PrusaLink.

What a name or a TXT record says is anybody's word: it is cleaned, bounded, and never more than an address to
look at. OctoPrint may announce a user and password (`u`, `p`); they are not read.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from drivers.scan.found import Kind

log = logging.getLogger(__name__)

_SERVICES: Final[Mapping[str, Kind | None]] = {
    "_octoprint._tcp.local.": Kind.OCTOPRINT,
    "_moonraker._tcp.local.": Kind.MOONRAKER,
    "_prusalink._tcp.local.": Kind.PRUSALINK,
    "_http._tcp.local.": None,  # anything; some PrusaLinks are only here
}
_PRUSA: Final = re.compile(r"(?!.*(?:octoprint|moonraker|klipper)).*prusa", re.IGNORECASE)
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]{1,60}){1,6}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_DETAIL_S: Final = 2.0
_MOST: Final = 500  # a network with more announcements than this is a prank


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An announcement. `host` is a name without its closing dot; `path` is empty or begins with a slash."""

    kind: Kind
    label: str
    host: str
    addresses: tuple[str, ...]
    port: int
    path: str = ""
    model: str = ""
    version: str = ""


async def services(
    seconds: float, *, begin: Callable[[], AsyncZeroconf] = AsyncZeroconf
) -> tuple[Service, ...]:
    """What announces itself within `seconds`. Without a network there is nothing, and no error."""
    try:
        zeroconf = begin()
    except (OSError, RuntimeError) as error:  # the latter is zeroconf's word for "no network interface"
        log.info("mDNS cannot be used here: %s", error)
        return ()
    try:
        return await _listen(zeroconf, seconds)
    finally:
        await zeroconf.async_close()


async def _listen(zeroconf: AsyncZeroconf, seconds: float) -> tuple[Service, ...]:
    seen: dict[tuple[str, str], asyncio.Task[Service | None]] = {}

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        key = (service_type, name)
        wanted = service_type != "_http._tcp.local." or _PRUSA.match(name)
        if state_change is ServiceStateChange.Removed or key in seen or not wanted or len(seen) >= _MOST:
            return
        seen[key] = asyncio.get_running_loop().create_task(_detail(zeroconf, service_type, name))

    # A browser for each type: printers were seen that answer only the first question of a packet.
    browsers = [AsyncServiceBrowser(zeroconf.zeroconf, [kind], handlers=[changed]) for kind in _SERVICES]
    try:
        await asyncio.sleep(seconds)
    finally:
        for browser in browsers:
            await browser.async_cancel()
    found = [service for service in await asyncio.gather(*seen.values()) if service is not None]
    return tuple(sorted(found, key=lambda service: (service.kind, service.label, service.port)))


async def _detail(zeroconf: Zeroconf, service_type: str, name: str) -> Service | None:
    info = AsyncServiceInfo(service_type, name)
    if not await info.async_request(zeroconf, _DETAIL_S * 1000):
        return None
    # A link-local IPv6 address needs a scope that no URL of ours can carry.
    addresses = [
        address
        for address in info.parsed_addresses(IPVersion.All)[:8]
        if not ipaddress.ip_address(address.partition("%")[0]).is_link_local
    ]
    addresses.sort(key=lambda address: ":" in address)
    host = (info.server or "").rstrip(".")
    if not info.port or not (addresses or host):
        return None
    said = {key: clean(value) for key, value in info.decoded_properties.items()}
    path = (said.get("path") or "").rstrip("/")
    return Service(
        kind=_SERVICES[service_type] or Kind.PRUSALINK,
        label=clean(name.removesuffix(f".{service_type}")),
        host=host if _HOST.fullmatch(host) else "",
        addresses=tuple(addresses),
        port=info.port,
        path=path if _PATH.fullmatch(path) else "",
        model=" ".join(filter(None, (said.get("vendor"), said.get("model")))),
        version=said.get("version", ""),
    )


def clean(text: str | None) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in (text or "")[:300])
    return " ".join(shown.split())[:100]
