"""A real uvicorn on a free port of this computer, for what only a real socket can show."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from web.app import Server


@asynccontextmanager
async def serving(app: Litestar) -> AsyncIterator[int]:
    """Serves in the test's own loop; yields the port, and has stopped when it is left."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
        server = Server(app, dataclasses.replace(app.state.parts.settings, port=port))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server._serve([listener]))
        async with asyncio.timeout(10):
            while not server.started:
                await asyncio.sleep(0.01)
        try:
            yield port
        finally:
            server.should_exit = True
            await asyncio.wait_for(task, 10)
