"""What a host and its clients say to each other: one JSON object a line, at most 64 KB.

The host greets first (`Hello`). A client sends `Call`s; each gets one `Reply` with the same id. After a
call of `watch` the host sends `Push`es: statuses while the machine can be reached, `lost` when it no longer
can. `Hello` and the call `quit` keep their shape for ever, so that hosts of any age can be replaced.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from fablab.device import (
    Capability,
    DeviceError,
    DeviceRefused,
    DeviceTimeout,
    Identity,
    LinkLost,
    Misfit,
    Safety,
    Status,
    Unsupported,
)

PROTOCOL: Final = 1
MAX_LINE_BYTES: Final = 65_536


class Op(StrEnum):
    OPEN = "open"
    WATCH = "watch"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    MAKE_SAFE = "make_safe"
    QUIT = "quit"


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """`fingerprint` is the settings' the host was started with; `busy`: a program runs."""

    protocol: int
    name: str
    pid: int
    fingerprint: str
    busy: bool
    capabilities: frozenset[Capability] = frozenset()


class Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`program` is an absolute path; `deadline` has an offset; `force` is for `quit` while a program runs."""

    id: int
    op: Op
    program: str = ""
    token: str = ""
    deadline: datetime | None = None
    force: bool = False


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """`error` is a key of `ERRORS`, empty when all is well."""

    id: int
    error: str = ""
    message: str = ""
    identity: Identity | None = None
    safety: Safety | None = None


class Push(msgspec.Struct, frozen=True, kw_only=True):
    status: Status | None = None
    lost: str = ""


# The most special first: the first one that fits an error names it.
ERRORS: Final[dict[str, type[DeviceError]]] = {
    "timeout": DeviceTimeout,
    "lost": LinkLost,
    "misfit": Misfit,
    "refused": DeviceRefused,
    "unsupported": Unsupported,
    "error": DeviceError,
}

_CALL: Final = msgspec.json.Decoder(Call)
_HELLO: Final = msgspec.json.Decoder(Hello)
_ANSWER: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_REPLY: Final = msgspec.json.Decoder(Reply)
_PUSH: Final = msgspec.json.Decoder(Push)
# Text that is no UTF-8 and nesting without end are not among msgspec's own errors.
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ENCODER: Final = msgspec.json.Encoder()


def line(message: Hello | Call | Reply | Push) -> bytes:
    return _ENCODER.encode(message) + b"\n"


def read_hello(data: bytes) -> Hello:
    """Raises `LinkLost` for anything that is not a host's greeting."""
    try:
        return _HELLO.decode(data)
    except _UNREADABLE as error:
        raise LinkLost(f"what answers on the socket is not a host: {error}") from None


def read_call(data: bytes) -> Call:
    """Raises `DeviceRefused` with what is wrong."""
    try:
        call = _CALL.decode(data)
    except _UNREADABLE as error:
        raise DeviceRefused(f"not a call: {error}") from None
    if call.deadline is not None and call.deadline.tzinfo is None:
        raise DeviceRefused("not a call: the deadline has no offset")
    return call


def read_answer(data: bytes) -> Reply | Push:
    """Raises `LinkLost` for anything a host would not say."""
    try:
        fields = _ANSWER.decode(data)
        return _REPLY.decode(data) if "id" in fields else _PUSH.decode(data)
    except _UNREADABLE as error:
        raise LinkLost(f"the host said something that is not understood: {error}") from None


def failed(call_id: int, error: DeviceError) -> Reply:
    word = next(word for word, kind in ERRORS.items() if isinstance(error, kind))
    return Reply(id=call_id, error=word, message=str(error))


def raise_if_failed(reply: Reply) -> None:
    if reply.error:
        raise ERRORS.get(reply.error, DeviceError)(reply.message)
