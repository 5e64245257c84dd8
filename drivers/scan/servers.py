"""Why a machine behind a server does not answer: asked once more by hand, because a driver knows only "no"."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from drivers.config import DeviceConfig, MoonrakerOptions, OctoPrintOptions, PrusaLinkOptions
from drivers.http import plain
from drivers.scan.trouble import Finding, Trouble, in_words

_MOST_BYTES: Final = 100_000
_PORTS: Final = {"octoprint": "80 or 5000", "moonraker": "7125", "prusalink": "80 or 8080"}
_TITLES: Final = {"octoprint": "OctoPrint", "moonraker": "Moonraker", "prusalink": "PrusaLink"}
_ASKED: Final = {"octoprint": "/api/version", "moonraker": "/server/info", "prusalink": "/api/version"}
_KEYS: Final = {
    "octoprint": "make a new one with `fablab devices key {name}`, or copy one from OctoPrint's settings"
    " (Application Keys)",
    "moonraker": "set api_key, or add this computer to trusted_clients in moonraker.conf",
    "prusalink": "the printer shows its user and password under Settings > Network > PrusaLink",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one request met: an answer, or why there was none."""

    status: int = 0
    body: bytes = b""
    leads_to: str = ""
    realm: str = ""
    trouble: Trouble = Trouble.NONE
    words: str = ""


async def explain(config: DeviceConfig, said: str, *, answer_s: float = 5.0) -> Finding:
    """Where it goes wrong. `said` is the driver's own word, kept where asking again tells no more."""
    options = config.options
    assert isinstance(options, OctoPrintOptions | MoonrakerOptions | PrusaLinkOptions)
    async with httpx.AsyncClient(timeout=answer_s, trust_env=False, headers=_header(options)) as client:
        heard = await _ask(client, options.url, _ASKED[config.driver], _auth(options))
        if heard.trouble is not Trouble.NONE:
            return _no_answer(config, options.url, heard)
        if (heard.status, config.driver) in ((401, "prusalink"), (403, "octoprint"), (401, "moonraker")):
            other = _kind(_ASKED[config.driver], heard)
            if other in ("", config.driver):
                return _finding(config, Trouble.WRONG_KEY, "does not accept our key", _key(config))
        if heard.leads_to:
            todo = f"write the address it leads to as url: {heard.leads_to}"
            return _finding(config, Trouble.WRONG_PATH, f"{options.url} leads elsewhere", todo)
        if _kind(_ASKED[config.driver], heard) == config.driver:
            return in_words(config.name, said)
        return await _not_it(client, config, options.url)


def _key(config: DeviceConfig) -> str:
    return _KEYS[config.driver].format(name=config.name)


def _header(options: OctoPrintOptions | MoonrakerOptions | PrusaLinkOptions) -> dict[str, str]:
    return {"X-Api-Key": options.api_key.reveal()} if options.api_key else {}


def _auth(options: object) -> httpx.Auth | None:
    if isinstance(options, PrusaLinkOptions) and options.password:
        return httpx.DigestAuth(options.user, options.password.reveal())
    return None


async def _ask(client: httpx.AsyncClient, url: str, path: str, auth: httpx.Auth | None = None) -> Heard:
    try:
        async with (
            asyncio.timeout(client.timeout.read),
            client.stream("GET", url.rstrip("/") + path, auth=auth or httpx.USE_CLIENT_DEFAULT) as answer,
        ):
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    break
    except (TimeoutError, httpx.TimeoutException):
        return Heard(trouble=Trouble.SILENT)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        return _broken(error)
    leads_to = answer.headers.get("location", "") if answer.is_redirect else ""
    return Heard(
        status=answer.status_code,
        body=bytes(body),
        leads_to=plain(leads_to),
        realm=answer.headers.get("www-authenticate", ""),
    )


def _broken(error: Exception) -> Heard:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Heard(trouble=Trouble.TLS, words=plain(str(getattr(cause, "reason", "") or cause)))
        if isinstance(cause, socket.gaierror):
            return Heard(trouble=Trouble.UNKNOWN_HOST)
        if isinstance(cause, ConnectionRefusedError):
            return Heard(trouble=Trouble.REFUSED)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return Heard(trouble=Trouble.SILENT, words=plain(str(error)))
    return Heard(trouble=Trouble.WRONG_SERVER, words=f"it does not speak HTTP ({type(error).__name__})")


def _no_answer(config: DeviceConfig, url: str, heard: Heard) -> Finding:
    parts = urlsplit(url)
    host, title = parts.hostname or "", _TITLES[config.driver]
    port = parts.port or (443 if parts.scheme == "https" else 80)
    why = f": {heard.words}" if heard.words else ""
    match heard.trouble:
        case Trouble.UNKNOWN_HOST:
            said = f"no computer is called {host}"
            todo = f"is it switched on and in this network? `fablab devices scan` lists what is there; {host} may"
            todo += " also be written as an address (192.168...)"
        case Trouble.REFUSED:
            said = f"{host} is there, but nothing listens on port {port}"
            todo = f"is {title} running there? It usually listens on port {_PORTS[config.driver]}"
        case Trouble.TLS:
            said = f"no secure connection to {host}{why}"
            todo = (
                "most printers speak plain http: write http:// in url; if this one speaks https, it needs a"
            )
            todo += " certificate that this computer trusts"
        case Trouble.WRONG_SERVER:
            said, todo = (
                f"what listens on port {port} of {host} is no {title}{why}",
                "correct the port in url",
            )
        case _:
            said = f"{host} does not answer{why}"
            todo = "is it switched on, and in the same network as this computer?"
    return _finding(config, heard.trouble, said, todo)


async def _not_it(client: httpx.AsyncClient, config: DeviceConfig, url: str) -> Finding:
    """Something answers that is not what the table says. What is it, or where is it?"""
    title = _TITLES[config.driver]
    for path in dict.fromkeys(_ASKED.values()):
        kind = _kind(path, await _ask(client, url, path))
        if kind and kind != config.driver:
            todo = f'write driver = "{kind}" in its table'
            return _finding(config, Trouble.WRONG_SERVER, f"{url} is a {_TITLES[kind]}, no {title}", todo)
    parts = urlsplit(url)
    if parts.path.strip("/"):
        root = parts._replace(path="").geturl()
        if _kind(_ASKED[config.driver], await _ask(client, root, _ASKED[config.driver])) == config.driver:
            said = f"{title} is not at {parts.path} but at the root of {parts.hostname}"
            return _finding(config, Trouble.WRONG_PATH, said, f"write url = {root}")
    todo = f"open {url} in a browser: do you see {title}? If it is below a path there, url needs that path"
    return _finding(config, Trouble.WRONG_SERVER, f"a server answers at {url}, but it is no {title}", todo)


def _kind(path: str, heard: Heard) -> str:
    """Which server says such a thing at `path`; empty for any other."""
    if re.search(r'digest.*realm="?printer api', heard.realm, re.IGNORECASE):
        return "prusalink"
    try:
        answer: Any = msgspec.json.decode(heard.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(answer, dict):
        return ""
    if path == "/server/info":
        result, error = answer.get("result"), answer.get("error")
        if isinstance(result, dict) and "klippy_state" in result:
            return "moonraker"
        return "moonraker" if isinstance(error, dict) and error.get("code") == heard.status == 401 else ""
    text = str(answer.get("text", ""))
    if "PrusaLink" in text:
        return "prusalink"
    # A Moonraker says OctoPrint, too, to please slicers: its text gives it away.
    if "Moonraker" in text:
        return "moonraker"
    if "OctoPrint" in text:
        return "octoprint"
    # without a key OctoPrint says only that, in these words
    return "octoprint" if heard.status == 403 and "permission" in str(answer.get("error", "")) else ""


def _finding(config: DeviceConfig, trouble: Trouble, said: str, todo: str) -> Finding:
    return Finding(name=config.name, trouble=trouble, said=said, todo=todo)
