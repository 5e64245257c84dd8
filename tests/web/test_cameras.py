"""Cameras: who may look, what comes through, and what a camera that misbehaves cannot do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from fablab.base.errors import Conflict, NotFound, TooMany
from fablab.device import Capability
from fablab.people.access import Scope
from fablab.runs import attempts
from scheduler.hands import start_now
from tests.lab import PASSWORD, Lab, submitted
from tests.web.conftest import copy_of
from tests.web.fake_camera import JPEG, PNG, FakeCamera, fake_camera
from tests.web.page_rig import browser
from tests.web.serving import serving
from tests.web.site import HOST, Site, make_app
from web.cameras import BOUNDARY, Address, Cameras, Patience
from web.cameras.multipart import Frames, NoPicture, boundary_of, kind_of
from web.machinery import Devices
from web.settings import Settings

FAST = Patience(snapshot_s=0.6, frame_s=0.6, look_again_s=0.0, fresh_s=0.0, most_bytes=10_000, most_viewers=2)


@pytest.fixture(scope="module")
def camera() -> Iterator[FakeCamera]:
    with fake_camera() as found:
        yield found


@asynccontextmanager
async def cameras(
    camera: FakeCamera,
    *,
    snapshot: str = "",
    stream: str = "",
    patience: Patience = FAST,
    hosts: frozenset[str] = frozenset({"127.0.0.1"}),
) -> AsyncIterator[Cameras]:
    camera.asked.clear()
    address = Address(
        snapshot=f"{camera.url}/{snapshot}" if snapshot else "",
        stream=f"{camera.url}/{stream}" if stream else "",
    )
    found = Cameras(lambda: {"mk3": address}, lambda: hosts, patience=patience)
    try:
        yield found
    finally:
        await found.close()


async def always() -> bool:
    return True


async def never() -> bool:
    return False


async def until_closed(camera: FakeCamera) -> None:
    async with asyncio.timeout(5):
        while camera.streams:
            await asyncio.sleep(0.01)


# -- what comes through


@pytest.mark.parametrize(("path", "body", "kind"), [("jpeg", JPEG, "image/jpeg"), ("png", PNG, "image/png")])
async def test_a_picture_comes_through_as_it_is(
    camera: FakeCamera, path: str, body: bytes, kind: str
) -> None:
    async with cameras(camera, snapshot=path) as found:
        picture = await found.snapshot("mk3")
        assert (picture.body, picture.media_type) == (body, kind)


@pytest.mark.parametrize("path", ["page", "liar", "huge", "elsewhere", "ill", "packed", "slow"])
async def test_what_is_no_picture_in_time_does_not_come_through(camera: FakeCamera, path: str) -> None:
    async with cameras(camera, snapshot=path) as found:
        with pytest.raises(Conflict) as refused:
            await found.snapshot("mk3")
        assert refused.value.code == "camera.down"


async def test_a_host_that_left_the_list_is_not_asked_any_more(camera: FakeCamera) -> None:
    async with cameras(camera, snapshot="jpeg", hosts=frozenset({"camera.example"})) as found:
        with pytest.raises(Conflict):
            await found.snapshot("mk3")
        assert camera.asked == []


async def test_a_camera_that_is_off_gives_no_picture() -> None:
    address = Address(snapshot="http://127.0.0.1:9/jpeg")
    found = Cameras(lambda: {"mk3": address}, lambda: frozenset({"127.0.0.1"}), patience=FAST)
    with pytest.raises(Conflict):
        await found.snapshot("mk3")
    await found.close()


async def test_a_camera_gets_no_cookie_back(camera: FakeCamera) -> None:
    async with cameras(camera, snapshot="jpeg") as found:
        await found.snapshot("mk3")
        await found.snapshot("mk3")
        assert [asked.get("cookie") for asked in camera.asked] == [None, None]


async def test_many_who_ask_at_once_cost_the_camera_one_picture(camera: FakeCamera) -> None:
    async with cameras(camera, snapshot="jpeg", patience=Patience(fresh_s=60)) as found:
        await asyncio.gather(*(found.snapshot("mk3") for _ in range(20)))
        await found.snapshot("mk3")
        assert len(camera.asked) == 1


async def test_a_camera_with_a_stream_alone_gives_its_first_picture(camera: FakeCamera) -> None:
    async with cameras(camera, stream="mjpeg") as found:
        assert (await found.snapshot("mk3")).body == JPEG
        await until_closed(camera)


async def test_a_machine_without_a_camera_has_no_picture(camera: FakeCamera) -> None:
    async with cameras(camera, snapshot="jpeg") as found:
        with pytest.raises(NotFound):
            await found.snapshot("ender")
        with pytest.raises(NotFound):
            found.watch("mk3", always)  # single pictures only


# -- moving pictures


@pytest.mark.parametrize("path", ["mjpeg", "mjpeg-without-lengths"])
async def test_moving_pictures_come_through_in_our_own_frame(camera: FakeCamera, path: str) -> None:
    async with cameras(camera, stream=path) as found:
        parts = found.watch("mk3", always)
        assert await anext(parts) == f"--{BOUNDARY}\r\n".encode()
        for _ in range(3):
            part = await anext(parts)
            head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG)
            assert part == head + JPEG + f"\r\n--{BOUNDARY}\r\n".encode()
        await parts.aclose()
        await until_closed(camera)


async def test_many_viewers_cost_the_camera_one_stream(camera: FakeCamera) -> None:
    camera.opened = 0
    async with cameras(camera, stream="mjpeg") as found:
        async with aclosing(found.watch("mk3", always)) as one, aclosing(found.watch("mk3", always)) as two:
            for _ in range(3):
                await asyncio.gather(anext(one), anext(two))
            assert (found.viewers("mk3"), camera.opened) == (2, 1)
            with pytest.raises(TooMany):
                found.watch("mk3", always)
        assert found.viewers("mk3") == 0
        await until_closed(camera)


@pytest.mark.parametrize("why", ["no right", "camera ends", "no pictures", "life"])
async def test_a_stream_that_ends_leaves_no_picture_standing(camera: FakeCamera, why: str) -> None:
    patience = Patience(life_s=0.1, frame_s=2) if why == "life" else FAST
    camera.most_frames = 3 if why == "camera ends" else 10_000
    path = "mjpeg-of-pages" if why == "no pictures" else "mjpeg"
    async with cameras(camera, stream=path, patience=patience) as found:
        may_look = never if why == "no right" else always
        got = [part async for part in found.watch("mk3", may_look)]
        assert got[-1].endswith(f"--{BOUNDARY}--\r\n".encode())
    camera.most_frames = 10_000


async def test_a_server_that_ends_ends_its_streams(camera: FakeCamera) -> None:
    async with cameras(camera, stream="mjpeg") as found:
        parts = found.watch("mk3", always)
        await anext(parts)
        await anext(parts)
        await found.close()
        assert len([part async for part in parts]) <= 3
        await until_closed(camera)
        with pytest.raises(NotFound):
            await found.snapshot("mk3")


# -- the parser


@given(st.lists(st.integers(1, 40), max_size=30), st.booleans())
def test_frames_are_found_however_the_bytes_are_cut(cuts: list[int], lengths: bool) -> None:
    length = b"content-length: %d\r\n" % len(JPEG) if lengths else b""
    wire = b"".join(b"--x\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + JPEG + b"\r\n" for _ in "123")
    wire += b"--x\r\n"
    frames, found = Frames(b"--x"), []
    for cut in [*cuts, len(wire)]:
        found += list(frames.feed(wire[:cut]))
        wire = wire[cut:]
    assert found == [JPEG] * 3


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_a_camera_sends_is_a_picture_or_refused(pieces: list[bytes]) -> None:
    frames = Frames(b"--x", most_bytes=500)
    try:
        for piece in pieces:
            for frame in frames.feed(piece):
                assert frame.startswith(b"\xff\xd8\xff")
    except NoPicture:
        pass


@pytest.mark.parametrize(
    "wire",
    [
        b"--x\r\nContent-Length: 999999\r\n\r\n",
        b"--x\r\n" + b"h: v\r\n" * 1000,
        b"x" * 5000,
        b"--x\r\n\r\n" + b"\xff\xd8\xff" * 2000,
        b"--x\r\nContent-Length: 3\r\n\r\nGIF",
    ],
)
def test_a_stream_that_is_too_much_is_refused(wire: bytes) -> None:
    with pytest.raises(NoPicture):
        list(Frames(b"--x", most_bytes=1000).feed(wire))


@pytest.mark.parametrize(
    "said", ["text/html", "multipart/x-mixed-replace", 'multipart/x-mixed-replace; boundary=" "', ""]
)
def test_an_answer_without_a_usable_boundary_is_no_stream(said: str) -> None:
    with pytest.raises(NoPicture):
        boundary_of(said)


def test_a_webp_is_known_by_its_first_bytes() -> None:
    assert kind_of(b"RIFF\x00\x01\x02\x03WEBPVP8 ") == "image/webp"


# -- who may look


def with_camera(folder: Path, camera: FakeCamera, *, stream: bool = True) -> None:
    moving = f', stream = "{camera.url}/mjpeg"' if stream else ""
    (folder / "devices.toml").write_text(
        '[cameras]\nhosts = ["127.0.0.1"]\n'
        f'[devices.mk3]\ndriver = "manual"\ncamera = {{ snapshot = "{camera.url}/jpeg"{moving} }}\n'
    )


@pytest.fixture(scope="module")
def watched(template: Lab, camera: FakeCamera, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests that leave nothing behind."""
    folder = tmp_path_factory.mktemp("watched")
    with_camera(folder, camera)
    lab = copy_of(template, folder)
    app = make_app(lab, folder)
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield Site(lab, app, client)
    lab.database.dispose()


def path(site: Site, what: str = "snapshot", machine: str = "mk3") -> str:
    return f"/api/machines/{site.lab.resources[machine]}/camera/{what}"


def afresh(site: Site, who: str) -> None:
    site.client.cookies.clear()
    site.client.headers.pop("X-CSRF-Token", None)
    site.sign_in(who)


def being_made(lab: Lab) -> None:
    """A job of the maker's is on mk3."""
    submitted(lab)
    with lab.database.begin(lab.staff) as uow:
        run = start_now(uow, lab.resources["mk3"], None, bed_clear=True)
        attempts.begin(uow, run.id)


def test_staff_see_the_picture_and_nobody_keeps_it(watched: Site) -> None:
    afresh(watched, "staff")
    for base in ("/api", ""):
        answer = watched.client.get(path(watched).replace("/api", base))
        assert (answer.status_code, answer.content) == (200, JPEG)
        assert answer.headers["content-type"] == "image/jpeg"
        assert "no-store" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answer.headers


def test_a_stranger_sees_nothing(watched: Site) -> None:
    watched.client.cookies.clear()
    for what in ("/snapshot", "/stream", ""):
        answer = watched.client.get(f"/machines/{watched.lab.resources['mk3']}/camera{what}")
        assert answer.status_code == 401, what


def test_a_maker_sees_nothing_of_a_machine_that_is_not_theirs_now(watched: Site) -> None:
    afresh(watched, "maker")
    for what in ("snapshot", "stream"):
        answer = watched.client.get(path(watched, what))
        assert (answer.status_code, answer.json()["code"]) == (403, "camera.not_yours"), what


def test_a_maker_sees_the_machine_while_their_run_is_on_it_and_another_does_not(
    site: Site, camera: FakeCamera, tmp_path: Path
) -> None:
    with_camera(tmp_path, camera)
    being_made(site.lab)
    site.sign_in("maker")
    assert site.client.get(path(site)).content == JPEG
    afresh(site, "other")
    assert site.client.get(path(site)).status_code == 403


def test_a_token_without_the_right_to_operate_sees_nothing(watched: Site) -> None:
    headers = watched.token("staff", Scope.READ)
    watched.client.cookies.clear()
    assert watched.client.get(path(watched), headers=headers).status_code == 403


def test_a_machine_without_a_camera_says_so(watched: Site) -> None:
    afresh(watched, "staff")
    answer = watched.client.get(path(watched, machine="ender"))
    assert (answer.status_code, answer.json()["code"]) == (404, "camera.none")


def test_a_camera_that_is_away_is_answered_in_a_code(site: Site, tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text(
        '[cameras]\nhosts = ["127.0.0.1"]\n[devices.mk3]\ndriver = "manual"\n'
        'camera = { snapshot = "http://127.0.0.1:9/jpeg" }\n'
    )
    site.sign_in("staff")
    answer = site.client.get(path(site))
    assert (answer.status_code, answer.json()["code"]) == (503, "camera.down")


async def test_a_stream_over_http_ends_at_the_camera_when_its_viewer_leaves(
    lab: Lab, camera: FakeCamera, tmp_path: Path
) -> None:
    with_camera(tmp_path, camera)
    async with (
        serving(make_app(lab, tmp_path)) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        who = {"email": "staff@lab.example", "password": PASSWORD}
        assert (await client.post("/api/login", json=who)).status_code == 200
        async with client.stream("GET", f"/machines/{lab.resources['mk3']}/camera/stream") as answer:
            assert answer.headers["content-type"] == f"multipart/x-mixed-replace; boundary={BOUNDARY}"
            async for piece in answer.aiter_raw():
                if JPEG in piece:
                    break
        await until_closed(camera)


async def test_a_server_that_is_stopped_does_not_wait_for_those_who_watch(
    lab: Lab, camera: FakeCamera, tmp_path: Path
) -> None:
    with_camera(tmp_path, camera)
    async with httpx.AsyncClient() as client:
        async with serving(make_app(lab, tmp_path)) as port:
            base = f"http://127.0.0.1:{port}"
            who = {"email": "staff@lab.example", "password": PASSWORD}
            await client.post(f"{base}/api/login", json=who)
            request = client.build_request("GET", f"{base}/machines/{lab.resources['mk3']}/camera/stream")
            answer = await client.send(request, stream=True)
            pieces = answer.aiter_raw()
            assert JPEG in await anext(pieces) + await anext(pieces) + await anext(pieces)
        async with asyncio.timeout(5):
            assert b"".join([piece async for piece in pieces]).endswith(f"--{BOUNDARY}--\r\n".encode())
        await until_closed(camera)


# -- on the pages


def test_the_floor_shows_the_camera_to_staff_and_the_maker_sees_it_while_their_job_is_made(
    lab: Lab, camera: FakeCamera, tmp_path: Path
) -> None:
    with_camera(tmp_path, camera)
    shown = f'data-camera="/machines/{lab.resources["mk3"]}/camera/snapshot"'
    with browser(lab, tmp_path, dispatch=False) as (desk, _):
        desk.sign_in("staff")
        floor = desk.get("/floor").text
        assert floor.count("data-camera=") == 1
        assert shown in floor
        assert "Not recorded" in floor
        desk.sign_in("maker")
        assert "data-camera=" not in desk.get("/floor").text
        being_made(lab)
        assert shown in desk.get("/floor").text
        job = re.search(r"/jobs/([0-9a-z]+)", desk.get("/jobs").text)
        assert job is not None
        assert shown in desk.get(f"/jobs/{job[1]}").text
        page = desk.get(f"/machines/{lab.resources['mk3']}/camera")
        assert "/camera/stream" in page.text


def test_a_machine_has_the_camera_among_what_it_can_only_when_one_is_configured(
    lab: Lab, camera: FakeCamera, tmp_path: Path
) -> None:
    with_camera(tmp_path, camera)
    text = (tmp_path / "devices.toml").read_text()
    (tmp_path / "devices.toml").write_text(text + '[devices.ender]\ndriver = "manual"\n')
    devices = Devices(Settings(data_dir=tmp_path), lab.clock)
    can = {name: Capability.CAMERA in link.capabilities for name, link in devices.links().items()}
    assert can == {"mk3": True, "ender": False}
