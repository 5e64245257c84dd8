"""The machines of devices.toml put to work: read, linked, tested, added. Only the composition root knows this room."""

from web.machinery.devices import Devices
from web.machinery.workshop import Workshop

__all__ = ["Devices", "Workshop"]
