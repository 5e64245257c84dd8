"""The websocket's side: JSON-RPC calls answered, notifications and diffs made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from drivers.mock.server import Socket

_UNAUTHORIZED: Final = {"code": -32602, "message": "Unauthorized"}
_NOT_CONNECTED: Final = {"code": 503, "message": "Klippy Host not connected"}
Objects = Mapping[str, Mapping[str, Any]]


def heard(socket: Socket, text: str, *, welcome: Callable[[str], bool], objects: Objects | None) -> None:
    """Answers one call; `objects` is None while Klipper's host is away."""
    try:
        call = json.loads(text)
        method, number, params = str(call["method"]), call["id"], call.get("params")
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if not isinstance(params, dict):
        params = {}
    if method == "server.connection.identify":
        known = welcome(str(params.get("api_key", "")))
        socket.state["known"] = known
        _answer(socket, number, {"result": {"connection_id": id(socket)}} if known else _wrong(_UNAUTHORIZED))
    elif not socket.state.get("known"):
        _answer(socket, number, _wrong(_UNAUTHORIZED))
    elif method != "printer.objects.subscribe":
        _answer(socket, number, _wrong({"code": -32601, "message": "Method not found"}))
    elif objects is None:
        _answer(socket, number, _wrong(_NOT_CONNECTED))
    else:
        wanted = params.get("objects")
        socket.state["wanted"] = wanted if isinstance(wanted, dict) else {}
        socket.state["told"] = told = _chosen(objects, socket.state["wanted"])
        _answer(socket, number, {"result": {"eventtime": 1.0, "status": told}})


def tell_changes(socket: Socket, objects: Objects) -> None:
    """What has changed of what this socket subscribed to, if anything."""
    if (wanted := socket.state.get("wanted")) is None:
        return
    told, now = socket.state["told"], _chosen(objects, wanted)
    diff = {
        name: changed
        for name, fields in now.items()
        if (changed := {k: v for k, v in fields.items() if told.get(name, {}).get(k) != v})
    }
    if diff:
        socket.state["told"] = now
        notify(socket, "status_update", diff, 1.0)


def notify(socket: Socket, what: str, *params: Any) -> None:
    if socket.state.get("known"):
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": f"notify_{what}"}
        socket.send(json.dumps(message | ({"params": list(params)} if params else {})))


def _chosen(objects: Objects, wanted: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: {k: v for k, v in objects.get(name, {}).items() if not isinstance(fields, list) or k in fields}
        for name, fields in wanted.items()
    }


def _answer(socket: Socket, number: Any, said: Mapping[str, Any]) -> None:
    socket.send(json.dumps({"jsonrpc": "2.0", **said, "id": number}))


def _wrong(error: Mapping[str, Any]) -> dict[str, Any]:
    return {"error": error}
