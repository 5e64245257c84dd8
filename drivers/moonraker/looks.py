"""Asking what is: Klipper itself, and Moonraker where Klipper cannot be asked."""

from __future__ import annotations

from websockets.asyncio.client import ClientConnection

from drivers.moonraker import follow, push, wire
from drivers.moonraker.follow import Look, Seen
from drivers.moonraker.rest import Rest
from fablab.device import DeviceRefused


class Looks:
    """One link's questions; keeps its websocket subscribed to the sensors that Klipper has at the moment."""

    def __init__(self, rest: Rest, socket: ClientConnection) -> None:
        self._rest = rest
        self._socket = socket
        self._sensors: tuple[str, ...] | None = None  # what we are subscribed to; None: to nothing

    def unsubscribed(self) -> None:
        """The subscription is gone, as it is with each restart of Klipper; the next look makes a new one."""
        self._sensors = None

    async def ask(self, seen: Seen) -> Look:
        try:
            picture = await self._picture()
        except DeviceRefused:
            return await self._ask_moonraker(seen)
        known = picture.klippy == wire.READY or picture.klippy in wire.HALTED
        return Look(
            klippy=picture.klippy,
            message=picture.klippy_message,
            picture=picture if known else None,
            jobs=await self._jobs(seen, picture),
        )

    async def _ask_moonraker(self, seen: Seen) -> Look:
        """Klipper's host does not answer; why, Moonraker knows."""
        server = await self._rest.server()
        message = "its host program is not running"
        if server.klippy_connected:
            try:
                message = (await self._rest.printer()).state_message
            except DeviceRefused as away:
                message = str(away)
        # one that is there again, a moment later, has not been asked yet
        klippy = wire.STARTUP if server.klippy_state == wire.READY else server.klippy_state
        return Look(klippy=klippy, message=message, jobs=await self._jobs(seen, None))

    async def _picture(self) -> wire.Picture:
        asked = self._sensors or ()
        picture = await self._rest.objects(asked)
        if picture.sensors != self._sensors:
            self._sensors = picture.sensors
            await push.subscribe(self._socket, picture.sensors)
        return picture if picture.sensors == asked else await self._rest.objects(picture.sensors)

    async def _jobs(self, seen: Seen, picture: wire.Picture | None) -> list[wire.Job]:
        rows = follow.wants_history(seen, picture)
        return await self._rest.history(rows) if rows else []
