"""OctoPrint's push socket: opening it, and saying what we want to hear.

Measured order: subscribe first, then authenticate, so that the first picture already comes without the
terminal's log.
"""

from __future__ import annotations

from typing import Final

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection

from drivers.http import open_socket
from drivers.octoprint import wire
from fablab.device import LinkLost

_THROTTLE: Final = 4  # in half seconds: a picture every two seconds while printing; events come at once


async def listen(url: str, login: wire.Login, *, answer_s: float, ping_s: float) -> ClientConnection:
    """A socket that will tell state and events; `LinkLost`, or `Misfit` where a proxy lets no websocket pass."""
    socket = await open_socket(url, who="OctoPrint", answer_s=answer_s, ping_s=ping_s)
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
