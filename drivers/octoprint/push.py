"""OctoPrint's push socket: opening it, and saying what we want to hear.

Measured order: subscribe first, then authenticate, so that the first picture already comes without the
terminal's log.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection, connect

from drivers.octoprint import wire
from fablab.device import LinkLost, Misfit

# At DEBUG websockets logs frames, and one of ours carries the session: its level does not follow the root's.
_log = logging.getLogger(__name__)
_log.setLevel(logging.WARNING)

_MAX_PUSH_BYTES: Final = 4_000_000  # the first message may hold half an hour of temperatures
_THROTTLE: Final = 4  # in half seconds: a picture every two seconds while printing; events come at once


async def listen(url: str, login: wire.Login, *, answer_s: float, ping_s: float) -> ClientConnection:
    """A socket that will tell state and events; `LinkLost`, or `Misfit` where a proxy lets no websocket pass."""
    try:
        socket = await connect(
            url,
            proxy=None,
            open_timeout=answer_s,
            close_timeout=1,
            ping_interval=ping_s,
            ping_timeout=answer_s,
            max_size=_MAX_PUSH_BYTES,
            logger=_log,
        )
    except websockets.InvalidStatus as error:
        status = error.response.status_code
        if status >= 500:
            raise LinkLost(f"OctoPrint's push socket answers HTTP {status}") from None
        raise Misfit(f"the push socket answers HTTP {status}; let the proxy pass websockets") from None
    except TimeoutError:
        raise LinkLost("OctoPrint's push socket did not open in time") from None
    except (OSError, websockets.WebSocketException) as error:
        raise LinkLost(f"OctoPrint's push socket did not open: {type(error).__name__}") from None
    try:
        state = {"logs": False, "messages": False}
        await _say(socket, {"subscribe": {"state": state, "events": list(wire.EVENTS), "plugins": False}})
        await authenticate(socket, login)
        await _say(socket, {"throttle": _THROTTLE})
    except websockets.ConnectionClosed:
        raise LinkLost("OctoPrint closed its push socket at once") from None
    return socket


async def authenticate(socket: ClientConnection, login: wire.Login) -> None:
    await _say(socket, {"auth": f"{login.name}:{login.session}"})


async def _say(socket: ClientConnection, message: object) -> None:
    await socket.send(msgspec.json.encode(message).decode())
