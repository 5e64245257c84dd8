"""How this server is set up: one frozen value, from the environment (FABLAB_*) and from the command line over it."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

DEFAULT_DATA = Path("data")
UPLOAD_LIMIT_BYTES = 300_000_000
SEARCH_S = 5.0
MOST_SEARCH_S = 600.0
HANDOVER_S = 10.0  # longer than an ending server takes
MOST_HANDOVER_S = 600.0
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")

_HOST = re.compile(r"\*\.[\w.-]+|[\w.-]+|\[[0-9a-fA-F:]+\]", re.ASCII)
_MAILBOX = re.compile(r"[^@\s<>\"]{1,64}@[^@\s<>\"]{1,180}")
SMTP_SECURITY = ("starttls", "tls", "none")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class SettingsError(Exception):
    """A setting cannot be used; `str()` names the variable and says what it must be."""

    def __init__(self, variable: str, problem: str) -> None:
        self.variable = variable
        super().__init__(f"{variable}: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`allowed_hosts`: names this server answers to; `*.example.org` takes every name under it, none means local ones
    and that of `base_url`. `trusted_proxies`: addresses whose forwarded headers are believed; nobody else's are.
    `search_s`: how long a better plan is searched for after the calendar has changed; 0 never. `handover_s`: how long a
    server waits for the one before it to let go of the data folder. Without `smtp_host` no letter leaves: staff read them
    in the outbox. `smtp_from`: the address letters come from. `smtp_security`: starttls, tls, or none for a server on
    this computer. `hook_networks`: private networks that webhooks may lead to, such as 192.168.1.0/24; none otherwise.
    """

    data_dir: Path = DEFAULT_DATA
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    devices: Path | None = None
    base_url: str = ""
    upload_limit_bytes: int = UPLOAD_LIMIT_BYTES
    secure_cookies: bool = False
    demo: bool = False
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    dispatch: bool = True
    log_json: bool = False
    search_s: float = SEARCH_S
    handover_s: float = HANDOVER_S
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    smtp_from: str = ""
    smtp_security: str = SMTP_SECURITY[0]
    hook_networks: tuple[str, ...] = ()
    providers: Path | None = None

    @property
    def url(self) -> str:
        """Where the database is; SQLite in the data folder unless said otherwise."""
        return self.database_url or f"sqlite:///{self.data_dir / 'fablab.sqlite'}"

    @property
    def programs_dir(self) -> Path:
        return self.data_dir / "programs"

    @property
    def devices_file(self) -> Path:
        return self.devices or self.data_dir / "devices.toml"

    @property
    def providers_file(self) -> Path:
        """Who else may say who somebody is (`web.security.providers`); there need be none."""
        return self.providers or self.data_dir / "providers.toml"

    @property
    def address(self) -> str:
        """What people type into the browser."""
        return self.base_url or f"http://{self.host}:{self.port}"

    @property
    def sends_mail(self) -> bool:
        return bool(self.smtp_host)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host name that is answered to, in lower case and without port."""
        own = [self.host] if self.host not in ("0.0.0.0", "::", "") else []  # noqa: S104 - compared, not bound
        if self.base_url:
            own.append(_host_of(self.base_url))
        return tuple(name.lower() for name in dict.fromkeys((*LOCAL_HOSTS, *own, *self.allowed_hosts)))


def _host_of(url: str) -> str:
    return url.split("://", 1)[1].split("/", 1)[0].rsplit(":", 1)[0].lower()


def load(environ: Mapping[str, str] | None = None, **given: object) -> Settings:
    """Settings from FABLAB_* variables; what is `given` and not None wins. Raises `SettingsError`."""
    environ = os.environ if environ is None else environ
    known = {f"FABLAB_{field.name.upper()}": field.name for field in fields(Settings)}
    values: dict[str, object] = {}
    for variable, name in known.items():
        text = environ.get(variable, "").strip()
        if text:
            values[name] = _PARSERS[name](variable, text)
    values.update({name: value for name, value in given.items() if value is not None})
    settings = Settings(**values)  # type: ignore[arg-type]  # each value came from the parser of its own field
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    if settings.secure_cookies and settings.base_url.startswith("http://"):
        raise SettingsError(
            "FABLAB_SECURE_COOKIES", "needs an https:// FABLAB_BASE_URL, or nobody can sign in"
        )
    if not 0 <= settings.port <= 65535:
        raise SettingsError("FABLAB_PORT", f"{settings.port} is not between 0 and 65535")
    if not 0 <= settings.search_s <= MOST_SEARCH_S:
        raise SettingsError("FABLAB_SEARCH_S", f"must be between 0 and {MOST_SEARCH_S:.0f} seconds")
    if not 0 <= settings.handover_s <= MOST_HANDOVER_S:
        raise SettingsError("FABLAB_HANDOVER_S", f"must be between 0 and {MOST_HANDOVER_S:.0f} seconds")
    _check_mail(settings)
    if settings.upload_limit_bytes < 1:
        raise SettingsError("FABLAB_UPLOAD_LIMIT_BYTES", "must be at least 1 byte")


def _check_mail(settings: Settings) -> None:
    if not 1 <= settings.smtp_port <= 65535:
        raise SettingsError("FABLAB_SMTP_PORT", f"{settings.smtp_port} is not between 1 and 65535")
    if settings.smtp_security not in SMTP_SECURITY:
        raise SettingsError("FABLAB_SMTP_SECURITY", f"must be one of {', '.join(SMTP_SECURITY)}")
    if settings.sends_mail and not settings.smtp_from:
        raise SettingsError(
            "FABLAB_SMTP_FROM", "is needed with FABLAB_SMTP_HOST: the address letters come from"
        )
    if settings.smtp_from and not _MAILBOX.fullmatch(settings.smtp_from):
        raise SettingsError("FABLAB_SMTP_FROM", "is not an e-mail address")
    if settings.smtp_security == "none" and settings.smtp_password and settings.smtp_host not in LOCAL_HOSTS:
        # In clear over a network anybody on the way could read it, and send letters in the lab's name.
        raise SettingsError("FABLAB_SMTP_SECURITY", "a password is sent in clear to this computer alone")


def _text(_variable: str, text: str) -> str:
    return text


def _path(_variable: str, text: str) -> Path:
    return Path(text).expanduser()


def _number(variable: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(variable, f"{text!r} is not a whole number") from None


def _seconds(variable: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(variable, f"{text!r} is not a number of seconds") from None


def _switch(variable: str, text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise SettingsError(variable, f"{text!r} is neither yes nor no; write 1 or 0")


def _url(variable: str, text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@?#]+", text.rstrip("/")):
        raise SettingsError(variable, f"{text!r} is not http(s)://HOST[:PORT], without path or password")
    return text.rstrip("/")


def _hosts(variable: str, text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if not _HOST.fullmatch(name):
            raise SettingsError(
                variable, f"{name!r} is not a host name; separate names by commas, without port"
            )
    return names


def _addresses(variable: str, text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        try:
            ipaddress.ip_network(name)
        except ValueError:
            raise SettingsError(variable, f"{name!r} is not an address or a network") from None
    return names


_PARSERS: dict[str, Callable[[str, str], object]] = {
    "data_dir": _path,
    "database_url": _text,
    "host": _text,
    "port": _number,
    "devices": _path,
    "providers": _path,
    "base_url": _url,
    "upload_limit_bytes": _number,
    "secure_cookies": _switch,
    "demo": _switch,
    "allowed_hosts": _hosts,
    "trusted_proxies": _addresses,
    "dispatch": _switch,
    "log_json": _switch,
    "search_s": _seconds,
    "handover_s": _seconds,
    "smtp_host": _text,
    "smtp_port": _number,
    "smtp_user": _text,
    "smtp_password": _text,
    "smtp_from": _text,
    "smtp_security": _text,
    "hook_networks": _addresses,
}
