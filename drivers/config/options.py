"""What each driver may be told in devices.toml, as frozen values; `drivers.config` parses and checks them."""

from __future__ import annotations

import msgspec


class Secret:
    """A value that never shows itself in a log, a repr or an error; `reveal()` is the one way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class MarlinOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`port` is a device path or a socket:// or rfc2217:// URL; empty only for a mock, which brings its own.

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


class GrblOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`port` as for Marlin, but local: a laser without a guardian on its port is not run."""

    port: str = ""
    baud: int = 115200


class OctoPrintOptions(msgspec.Struct, frozen=True, kw_only=True):
    url: str = ""
    api_key: Secret = Secret("")


class MoonrakerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`api_key` may be empty: a Moonraker can trust addresses."""

    url: str = ""
    api_key: Secret = Secret("")


class PrusaLinkOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one of `password` (Digest, with `user`) and `api_key` is set, but for a mock."""

    url: str = ""
    user: str = "maker"
    password: Secret = Secret("")
    api_key: Secret = Secret("")


class ManualOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`estimate_s`: how long a piece of work usually takes; None shows no fraction."""

    estimate_s: float | None = None


SerialOptions = MarlinOptions | GrblOptions
NetworkOptions = OctoPrintOptions | MoonrakerOptions | PrusaLinkOptions
Options = SerialOptions | NetworkOptions | ManualOptions


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses of one still picture (JPEG, PNG or WebP) and of a motion-JPEG stream; one of them may be empty."""

    snapshot: str = ""
    stream: str = ""
