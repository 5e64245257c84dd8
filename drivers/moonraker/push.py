"""Moonraker's websocket: JSON-RPC out, notifications in.

A subscription belongs to one socket and to one life of Klipper's host: a new one replaces the old, and after
a restart of Klipper nothing comes any more until we subscribe again (measured). Updates are diffs.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection

from drivers.http import open_socket, plain
from drivers.moonraker import wire
from drivers.moonraker.rest import WHO, Rest, unwelcome
from fablab.device import LinkLost

_IDENTIFY: Final = 1
_SUBSCRIBE: Final = 2
_US: Final = {"client_name": "fablab", "version": "1", "type": "other", "url": "http://fablab.invalid"}


async def listen(rest: Rest, *, answer_s: float, ping_s: float) -> ClientConnection:
    """A socket that knows us: `LinkLost`, or `Misfit` for a key that is not accepted."""
    socket = await open_socket(rest.socket_url, who=WHO, answer_s=answer_s, ping_s=ping_s)
    us = _US | ({"api_key": rest.api_key} if rest.api_key else {})
    try:
        async with asyncio.timeout(answer_s):
            await _call(socket, _IDENTIFY, "server.connection.identify", us)
            answer = await _answer(socket, _IDENTIFY)
    except TimeoutError:
        await socket.close()
        raise LinkLost(f"{WHO}'s push socket says nothing") from None
    except websockets.ConnectionClosed:
        raise LinkLost(f"{WHO} closed its push socket at once") from None
    except LinkLost:
        await socket.close()
        raise
    if answer.error is not None:
        await socket.close()
        if "nauthorized" in answer.error.message or "API Key" in answer.error.message:
            raise unwelcome(has_key=bool(rest.api_key))
        raise LinkLost(f"{WHO}'s push socket refuses us: {plain(answer.error.message)}")
    return socket


async def subscribe(socket: ClientConnection, sensors: tuple[str, ...]) -> None:
    """What was true at this moment comes as the answer, which is not needed: whoever subscribes has looked."""
    objects: dict[str, Any] = dict.fromkeys((*wire.OBJECTS, *sensors))
    objects["virtual_sdcard"] = ["progress"]
    objects |= {name: ["temperature", "target"] for name in sensors}
    try:
        await _call(socket, _SUBSCRIBE, "printer.objects.subscribe", {"objects": objects})
    except websockets.ConnectionClosed:
        raise LinkLost(f"{WHO} closed its push socket") from None


async def _call(socket: ClientConnection, number: int, method: str, params: object) -> None:
    call = {"jsonrpc": "2.0", "method": method, "params": params, "id": number}
    await socket.send(msgspec.json.encode(call).decode())


async def _answer(socket: ClientConnection, number: int) -> wire.Push:
    while True:
        try:
            said = msgspec.json.decode(await socket.recv(), type=wire.Push)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise LinkLost(f"{WHO}'s push socket cannot be read: {plain(str(error))}") from None
        if said.id == number:
            return said
