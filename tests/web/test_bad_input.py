"""Everything people send that cannot be made: each has its own answer, and nothing is lost or left behind."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from fablab.people.access import Scope
from tests.lab import GEAR, TAG, Lab
from tests.web.serving import serving
from tests.web.site import HOST, Site, make_app

GOOD = GEAR.read_bytes()
TINY = b"; filament_type = PLA\nG28\nM104 S200\nG1 X10 Y10 Z0.2 F3000\nG1 X60 Y10 E3 F600\nG1 X60 Y60 E6\n"


@pytest.fixture
def maker(site: Site) -> Site:
    site.sign_in("maker")
    return site


def kept(tmp_path: Path) -> list[str]:
    """Names of the files that the store holds, half-written ones included."""
    return [path.name for path in (tmp_path / "programs").rglob("*") if path.is_file()]


def half_written(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "programs" / "tmp").iterdir())


def problem(answer: Any) -> tuple[int, str, str | None]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["detail"], "a problem has words"
    assert body["type"] == f"/problems/{body['code']}"
    return answer.status_code, body["code"], body.get("field")


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("empty.gcode", b"", 400, "program.empty"),
        ("part.gcode", bytes(range(256)) * 40, 400, "program.binary"),
        ("part.stl", b"solid part\n", 400, "program.needs_slicing"),
        ("part.3mf", b"PK", 400, "program.needs_slicing"),
        ("part.bgcode", b"GCDE", 400, "program.bgcode"),
        ("letter.docx", b"hello", 400, "program.wrong_extension"),
        ("noending", b"G28\n", 400, "program.wrong_extension"),
        ("part.gcode", b"GCDE\x01\x00\x00\x00", 400, "program.bgcode"),
        ("part.gcode", b"G1 X1 " + b"Y" * 3_000_000 + b"\n", 400, "program.line_too_long"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_file_that_is_no_program_is_refused_with_its_own_code_and_makes_no_job(
    maker: Site, tmp_path: Path, name: str, content: bytes, status: int, code: str
) -> None:
    assert problem(maker.send(content, name)) == (status, code, "file")
    assert half_written(tmp_path) == []
    assert maker.client.get("/api/jobs").json() == []


def test_a_file_beyond_the_limit_is_refused_and_not_kept(lab: Lab, tmp_path: Path) -> None:
    app = make_app(lab, tmp_path, upload_limit_bytes=100_000)
    with TestClient(app, base_url=HOST) as client:
        site = Site(lab, app, client)
        site.sign_in("maker")
        assert problem(site.send(GOOD)) == (413, "program.too_large", "file")
        announced_small = site.send(TINY + b"; padding\n" * 20_000)
        assert problem(announced_small) == (413, "program.too_large", "file")
        assert kept(tmp_path) == []
        assert site.send(TINY, draft="true").status_code == 201


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.gcode", "passwd.gcode"),
        ("C:\\Users\\me\\gear.gcode", "gear.gcode"),
        ("gear 🦷 Élan.gcode", "gear 🦷 Élan.gcode"),
        ("a\u202egpj.gcode", "agpj.gcode"),
        ("x" * 300 + ".gcode", "x" * 113 + "….gcode"),
    ],
    ids=["climbing", "windows", "emoji", "direction override", "three hundred characters"],
)
def test_a_strange_name_is_only_a_name(maker: Site, name: str, shown: str) -> None:
    # By hand: the client library would escape the very characters that are tested.
    answer = post_raw(maker, part(name, TINY) + field("draft", "true"))
    assert answer.status_code == 201, answer.text
    assert answer.json()["file_name"] == shown


@pytest.mark.parametrize(
    ("fields", "status", "code", "field"),
    [
        ({"project": "999"}, 400, "project.unknown", "project"),
        ({"project": "drone"}, 400, "project.unknown", "project"),
        ({"project": str(10**30)}, 400, "project.unknown", "project"),
        ({"priority": "7"}, 400, "priority.unknown", "priority"),
        ({"priority": "1"}, 403, "forbidden", None),
        ({"due_at": "tomorrow"}, 400, "time.wrong", "due_at"),
        ({"due_at": "2026-11-25T10:00:00"}, 400, "time.no_zone", "due_at"),
    ],
    ids=str,
)
def test_a_wish_that_cannot_be_understood_names_its_field_and_leaves_no_draft(
    maker: Site, fields: dict[str, str], status: int, code: str, field: str | None
) -> None:
    assert problem(maker.send(TINY, **fields)) == (status, code, field)
    assert maker.client.get("/api/jobs").json() == []


@pytest.mark.parametrize(
    ("content", "fields", "code"),
    [
        (TINY, {"due_at": "2026-11-23T10:00:00+01:00"}, "due.past"),
        (TINY, {"material": "unobtainium"}, "material.unknown"),
        (TINY, {"colour": "ultraviolet"}, "colour.not_in_stock"),
        (TINY.replace(b"S200", b"S500"), {}, "admission.nozzle_too_hot"),
        (TINY.replace(b"X60", b"X900"), {}, "admission.outside_bed"),
        (TINY + b"M502\n", {}, "admission.forbidden_command"),
        (TINY.replace(b"X60", b"X900"), {}, "machine.none_eligible"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rule_that_says_no_is_told_with_its_reason(
    steady: Site, content: bytes, fields: dict[str, str], code: str
) -> None:
    answer = steady.send(content, **fields)
    assert problem(answer)[:2] == (422, "refused")
    refusals = {refusal["code"]: refusal for refusal in answer.json()["refusals"]}
    assert code in refusals
    assert refusals[code]["detail"]


def test_all_reasons_are_told_at_once(maker: Site) -> None:
    content = TINY.replace(b"S200", b"S500").replace(b"X60", b"X900") + b"M502\n"
    answer = maker.send(content, due_at="2026-11-23T10:00:00+01:00")
    codes = {refusal["code"] for refusal in answer.json()["refusals"]}
    assert {
        "due.past",
        "machine.none_eligible",
        "admission.nozzle_too_hot",
        "admission.outside_bed",
        "admission.forbidden_command",
    } <= codes


def test_the_same_file_twice_is_two_jobs_and_one_program(maker: Site, tmp_path: Path) -> None:
    first, second = (maker.send(TAG.read_bytes(), draft="true").json() for _ in range(2))
    assert first["id"] != second["id"]
    assert first["program"]["sha256"] == second["program"]["sha256"]
    programs = [name for name in kept(tmp_path) if "." not in name]
    assert programs == [first["program"]["sha256"]]


BOUNDARY = "limit-of-a-part"


def part(name: str, content: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


def field(name: str, value: str) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + value.encode() + b"\r\n"


def post_raw(site: Site, body: bytes, *, end: bool = True, kind: str | None = None) -> Any:
    headers = {"Content-Type": kind or f"multipart/form-data; boundary={BOUNDARY}"}
    return site.client.post(
        "/api/jobs", content=body + (f"--{BOUNDARY}--\r\n".encode() if end else b""), headers=headers
    )


@pytest.mark.parametrize(
    ("body", "end", "status", "code"),
    [
        (part("a.gcode", TINY), False, 400, "upload.broken_off"),
        (part("a.gcode", TINY)[:-30], False, 400, "upload.broken_off"),
        (b"--" + BOUNDARY.encode() + b"\r\nContent-Disp", False, 400, "upload.broken_off"),
        (b"", False, 400, "upload.broken_off"),
        (b"not multipart at all", False, 400, "upload.broken_off"),
        (f"--{BOUNDARY}\r\nno colon here\r\n\r\n".encode(), True, 400, "upload.malformed"),
        (field("draft", "true"), True, 400, "upload.no_file"),
        (part("", b""), True, 400, "upload.no_file"),
        (part("a.gcode", TINY) + part("b.gcode", TINY), True, 400, "upload.two_files"),
        (field("note", "x" * 30_000) + part("a.gcode", TINY), True, 400, "upload.field_too_long"),
        (b"".join(field(f"f{n}", "x") for n in range(60)), True, 400, "upload.malformed"),
    ],
    ids=[
        "no end",
        "cut in the file",
        "cut in a header",
        "nothing",
        "something else",
        "bad header",
        "no file",
        "no name",
        "two files",
        "long field",
        "too many fields",
    ],
)
def test_an_upload_that_is_broken_says_how(
    steady: Site, body: bytes, end: bool, status: int, code: str
) -> None:
    answer = post_raw(steady, body, end=end)
    assert problem(answer)[:2] == (status, code)
    assert half_written(steady.app.state.parts.settings.data_dir) == []


def test_a_body_that_is_no_form_is_refused(maker: Site) -> None:
    answer = maker.client.post("/api/jobs", json={"file": "G28"})
    assert problem(answer) == (415, "upload.not_multipart", "file")


def test_without_a_header_the_token_must_come_before_the_file(maker: Site) -> None:
    csrf = maker.client.headers.pop("X-CSRF-Token")
    late = post_raw(maker, part("a.gcode", TINY) + field("csrf", csrf))
    assert problem(late)[:2] == (403, "csrf.missing")
    early = post_raw(maker, field("csrf", csrf) + field("draft", "true") + part("a.gcode", TINY))
    assert early.status_code == 201


@pytest.fixture
def served(lab: Lab, tmp_path: Path) -> tuple[str, Any]:
    """(token of the maker, app), to be served by a test on a real port."""
    app = make_app(lab, tmp_path)
    with TestClient(app, base_url=HOST) as client:
        headers = Site(lab, app, client).token("maker", *Scope)
    return headers["Authorization"], make_app(lab, tmp_path)


async def test_a_connection_that_is_lost_in_the_middle_leaves_nothing(
    served: tuple[str, Any], tmp_path: Path
) -> None:
    token, app = served
    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            f"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {token}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 9000000\r\n\r\n"
        )
        writer.write(head.encode() + part("a.gcode", GOOD[:400_000]))
        await writer.drain()
        await until(lambda: half_written(tmp_path))
        sock: socket.socket = writer.get_extra_info("socket")
        assert sock is not None
        writer.transport.abort()
        await until(lambda: not half_written(tmp_path))
        assert reader is not None
    assert kept(tmp_path) == []


async def until(condition: Any, within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("method", "address", "body", "status", "code"),
    [
        ("GET", "/api/nothing", None, 404, "not_found"),
        ("PUT", "/api/jobs", None, 405, "http.method_not_allowed"),
        ("GET", "/api/jobs/1234", None, 404, "job.unknown"),
        ("GET", "/api/runs/1234", None, 404, "run.unknown"),
        ("GET", "/api/machines/99", None, 404, "machine.unknown"),
        ("GET", "/api/machines/abc", None, 404, "not_found"),
        ("POST", "/api/jobs/1234/submit", "{}", 404, "job.unknown"),
        ("POST", "/api/jobs/1234/submit", "{", 400, "http.bad_request"),
        ("POST", "/api/jobs/1234/submit", '{"priority": "high"}', 400, "http.fields"),
        ("POST", "/api/login", '{"email": 3}', 400, "http.fields"),
        ("GET", "/api/allocations?from=yesterday", None, 400, "time.wrong"),
        ("GET", "/api/allocations?from=2026-11-24T00:00:00", None, 400, "time.no_zone"),
        (
            "GET",
            "/api/allocations?from=2026-11-24T00:00:00Z&to=2026-11-23T00:00:00Z",
            None,
            400,
            "span.wrong",
        ),
        (
            "GET",
            "/api/allocations?from=2020-01-01T00:00:00Z&to=2026-11-23T00:00:00Z",
            None,
            400,
            "span.too_long",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_whatever_goes_wrong_is_answered_as_a_problem(
    steady: Site, method: str, address: str, body: str | None, status: int, code: str
) -> None:
    headers = {"Content-Type": "application/json"} if body else {}
    answer = steady.client.request(method, address, content=body, headers=headers)
    assert problem(answer)[:2] == (status, code)
    json.loads(answer.text)


def test_a_body_that_is_far_too_large_is_refused(maker: Site) -> None:
    answer = maker.client.post("/api/jobs/1/submit", json={"note": "x" * 2_000_000})
    assert problem(answer)[:2] == (413, "http.too_large")
