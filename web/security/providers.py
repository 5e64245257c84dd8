"""providers.toml: who else may say who somebody is (OpenID Connect), parsed strictly into frozen values.

    [city]
    label = "Ville de Bethune"
    issuer = "https://login.example.org/realms/city"
    client_id = "fablab"
    secret_file = "/run/secrets/city"     # or secret_env = "CITY_SECRET", or neither for a public client
    scopes = "openid email profile"       # this unless it is said

An error names file, table and key, and what to do.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

USUAL_SCOPES = "openid email profile"
KEYS = frozenset({"label", "issuer", "client_id", "secret_file", "secret_env", "scopes"})
_KEY = re.compile(r"[a-z][a-z0-9-]{0,39}")


class ProvidersError(Exception):
    """`str()` names file, table and key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """`key` stands in addresses. `issuer` as it names itself, to the letter. `secret` empty: a public client."""

    key: str
    label: str
    issuer: str
    client_id: str
    secret: str = field(default="", repr=False)
    scopes: str = USUAL_SCOPES


def read_providers(file: Path, environ: Mapping[str, str] | None = None) -> tuple[Provider, ...]:
    """In the order of the file; none where there is no file. Raises `ProvidersError`."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ProvidersError(f"{file}: cannot be read: {error}") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProvidersError(f"{file}: {error}") from error
    found = os.environ if environ is None else environ
    return tuple(_provider(file, key, table, found) for key, table in tables.items())


def _provider(file: Path, key: str, table: object, environ: Mapping[str, str]) -> Provider:
    place = f"{file}, [{key}]"
    if not _KEY.fullmatch(key):
        raise ProvidersError(f"{place}: a name is small letters, digits and dashes, at most 40")
    if not isinstance(table, dict):
        raise ProvidersError(f"{file}: {key!r} must be a table: [{key}]")
    for name, value in table.items():
        if name not in KEYS:
            raise ProvidersError(f"{place}: {name!r} is unknown; there are {', '.join(sorted(KEYS))}")
        if not isinstance(value, str) or not value.strip():
            raise ProvidersError(f"{place}, {name}: must be a text")
    for name in ("label", "issuer", "client_id"):
        if name not in table:
            raise ProvidersError(f"{place}: {name} is missing")
    scopes = table.get("scopes", USUAL_SCOPES)
    if "openid" not in scopes.split():
        raise ProvidersError(f"{place}, scopes: must name openid")
    if not is_safe_address(table["issuer"]):
        raise ProvidersError(f"{place}, issuer: must be https://..., or http:// on this computer itself")
    return Provider(
        key=key,
        label=table["label"].strip()[:80],
        issuer=table["issuer"],
        client_id=table["client_id"],
        secret=_secret(place, file.parent, table, environ),
        scopes=scopes,
    )


def _secret(place: str, folder: Path, table: Mapping[str, str], environ: Mapping[str, str]) -> str:
    if "secret_file" in table and "secret_env" in table:
        raise ProvidersError(f"{place}: secret_file or secret_env, not both")
    if "secret_env" in table:
        name = table["secret_env"]
        if not environ.get(name):
            raise ProvidersError(f"{place}, secret_env: the environment has no {name}")
        return environ[name]
    if "secret_file" in table:
        path = folder / Path(table["secret_file"]).expanduser()
        try:
            secret = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ProvidersError(f"{place}, secret_file: cannot be read: {error}") from error
        if not secret:
            raise ProvidersError(f"{place}, secret_file: {path} is empty")
        return secret
    return ""


def is_safe_address(address: str) -> bool:
    """https, or http to this computer, where nobody is in between."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
