"""Our way to an application key against a real OctoPrint 1.11.8: a person there allows it, or says no."""

from __future__ import annotations

import asyncio

import pytest

from drivers.octoprint import OctoPrint, appkey
from drivers.octoprint.appkey import NoKey, State
from tests.peers.octoprint_server import Server

pytestmark = pytest.mark.peers


def decide(server: Server, app: str, yes: bool) -> None:
    """What the Allow and Deny buttons of OctoPrint's page do."""
    pending = server.call("GET", "/api/plugin/appkeys")["pending"]
    (token,) = [token for token, request in pending.items() if request["app_id"] == app]
    server.call("POST", f"/plugin/appkeys/decision/{token}", {"decision": yes})


async def test_a_key_that_a_person_allows_opens_the_machine(octoprint_server: Server) -> None:
    server = octoprint_server
    await asyncio.to_thread(server.connect)
    pending = await appkey.request_key(server.url, app="fablab test")
    waiting = asyncio.create_task(appkey.wait(pending, within_s=20, every_s=0.1))
    await asyncio.to_thread(decide, server, "fablab test", True)
    key = await waiting
    assert pending.page.startswith(server.url)
    device = OctoPrint(name="virtual", url=server.url, api_key=key.reveal())
    identity = await device.open()
    await device.close()
    assert identity.firmware.startswith("OctoPrint 1.11")


async def test_a_request_that_a_person_denies_ends_the_wait(octoprint_server: Server) -> None:
    server = octoprint_server
    pending = await appkey.request_key(server.url, app="fablab nobody wants")
    waiting = asyncio.create_task(appkey.wait(pending, within_s=20, every_s=0.1))
    await asyncio.to_thread(decide, server, "fablab nobody wants", False)
    with pytest.raises(NoKey) as caught:
        await waiting
    assert caught.value.state is State.DENIED
