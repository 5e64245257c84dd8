"""A serial machine's own process: it streams the print, and the print goes on while the server restarts.

    server ── HostedDevice ──Unix socket, JSON lines── host ── driver ──serial── machine
                                                        │
                                                     guardian: when the host dies, heat and beam off

`paths` where things lie, `wire` what is said on the socket, `journal` what was started and how it ended,
`guardian` the watch over the host's life, `server` the host itself, `client` the server's side of it.
"""

from drivers.host.client import HostedDevice
from drivers.host.paths import HostPaths

__all__ = ["HostPaths", "HostedDevice"]
