"""Where a webhook may lead. Whoever registers one makes this server fetch an address of theirs: it must not be one that
only this server can reach (server-side request forgery).

A name is resolved once, every address it has is looked at, and the connection is made to one that was looked at: a
name that says something else the second time changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fablab.base.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = {"https": 443, "http": 80}
MOST_URL = 500
#: Prefixes in which an IPv4 address hides: NAT64 (RFC 6052, RFC 8215) carries it in the last 32 bits.
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


class NotAllowed(Exception):
    """`reason` is a code: hook.private, hook.no_name, hook.not_https."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An address as it was written down. `path` with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def networks(said: Sequence[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in said)


def target_of(url: str) -> Target:
    """Raises `Invalid("hook.url")` for anything but http(s)://HOST[:PORT][/PATH], without name and password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Invalid("hook.url", field="url") from None
    good = (
        len(url) <= MOST_URL
        and url.isascii()
        and url.isprintable()
        and not set(url) & set(' "<>\\^`{|}')
        and parts.scheme in PORTS
        and parts.hostname
        and parts.username is None
        and parts.password is None
        and not parts.fragment
        and port != 0
    )
    if not good or parts.hostname is None:
        raise Invalid("hook.url", field="url")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=parts.hostname, port=port or PORTS[parts.scheme], path=path)


def look_at(url: str, allowed: Sequence[Network]) -> str:
    """The address as it is kept. What is plainly not allowed is said at once, the rest when it is delivered.

    Raises `Invalid` with hook.url, hook.private or hook.not_https.
    """
    url = url.strip()
    target = target_of(url)
    if target.host == "localhost" or target.host.endswith(".localhost"):
        found: Address | None = ipaddress.ip_address("127.0.0.1")
    else:
        found = _literal(target.host)
    if found is not None:
        try:
            check(target, found, allowed)
        except NotAllowed as error:
            raise Invalid(error.reason, field="url") from None
    elif target.scheme != "https" and not allowed:
        raise Invalid("hook.not_https", field="url")
    return url


async def resolve(target: Target, allowed: Sequence[Network]) -> Address:
    """The one address to connect to. Raises `NotAllowed`; one bad address among a name's is enough."""
    found = await _addresses(target)
    for address in found:
        check(target, address, allowed)
    return found[0]


async def _addresses(target: Target) -> list[Address]:
    literal = _literal(target.host)
    if literal is not None:
        return [literal]
    try:
        rows = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotAllowed("hook.no_name") from None
    found = list(dict.fromkeys(ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows))
    if not found:
        raise NotAllowed("hook.no_name")
    return found


def check(target: Target, address: Address, allowed: Sequence[Network]) -> None:
    """The networks of the settings are allowed, with http too; otherwise the public Internet with https alone."""
    bare = unwrapped(address)
    if any(bare in network for network in allowed if network.version == bare.version):
        return
    if not bare.is_global or bare.is_multicast or bare.is_reserved or bare.is_unspecified:
        raise NotAllowed("hook.private")
    if target.scheme != "https":
        raise NotAllowed("hook.not_https")


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
