"""Webhooks against a real HTTP server: what is signed, what is tried again, what stops, and where none may lead."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fablab.base.database import UnitOfWork
from fablab.notices import hooks
from fablab.notices.models import Delivery, DeliveryState, Hook, HookState
from tests.lab import Lab, counted
from tests.web.listening import Listener, listening
from tests.web.site import settings_for
from web.hooks import Courier, look_at
from web.hooks.address import NotAllowed, check, networks, target_of, unwrapped

HERE = networks(("127.0.0.0/8", "::1/128"))


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as found:
        yield found


@pytest.fixture
def witnessed(lab: Lab) -> Lab:
    lab.database.witnesses.append(hooks.witness)
    return lab


def courier(lab: Lab, folder: Path, *allowed: str) -> Courier:
    settings = settings_for(lab, folder, hook_networks=allowed or ("127.0.0.0/8",))
    return Courier(settings, lab.database, lab.clock)


def hooked(lab: Lab, url: str, *events: str) -> tuple[Hook, str]:
    with lab.database.begin() as uow:
        return hooks.add(uow, "Home", url, events or ("run.*",))


def happen(lab: Lab, topic: str = "run", name: str = "failed", *, times: int = 1) -> None:
    def work(uow: UnitOfWork) -> None:
        for _ in range(times):
            uow.raise_event(topic, "r1", name)

    lab.database.write(work)


def deliveries(lab: Lab) -> list[Delivery]:
    with lab.database.read() as uow:
        return list(reversed(hooks.deliveries(uow, 1)))


async def test_what_happens_is_delivered_signed_over_the_exact_body(
    witnessed: Lab, listener: Listener, tmp_path: Path
) -> None:
    hook, clear = hooked(witnessed, listener.url)
    assert hook.secret.startswith("sealed1:")
    happen(witnessed)
    await courier(witnessed, tmp_path).round()
    (heard,) = listener.heard
    assert heard.line == "POST /hook?x=1 HTTP/1.1"
    key, moment = heard.headers["webhook-id"], heard.headers["webhook-timestamp"]
    # By the specification's words, and not by our own code.
    secret = base64.b64decode(clear.removeprefix("whsec_"))
    signed = hmac.new(secret, f"{key}.{moment}.".encode() + heard.body, hashlib.sha256).digest()
    assert heard.headers["webhook-signature"] == "v1," + base64.b64encode(signed).decode()
    assert int(moment) == int(witnessed.clock.now().timestamp())
    body = json.loads(heard.body)
    assert (body["type"], body["data"]) == ("run.failed", {"run": "r1"})
    assert [row.state for row in deliveries(witnessed)] == [DeliveryState.DELIVERED]


def test_an_event_is_written_down_once_and_only_for_those_who_asked(witnessed: Lab) -> None:
    hooked(witnessed, "https://a.example/", "run.failed")
    hooked(witnessed, "https://b.example/", "machine.*", "run.succeeded")
    happen(witnessed, times=3)
    happen(witnessed, "member", "notice")
    assert [row.event for row in deliveries(witnessed)] == ["run.failed"]
    assert counted(witnessed, "SELECT count(*) FROM hook_deliveries") == 1


def test_what_is_rolled_back_is_told_to_nobody(witnessed: Lab) -> None:
    hooked(witnessed, "https://a.example/")

    def fail(uow: UnitOfWork) -> None:
        uow.raise_event("run", "r1", "failed")
        uow.session.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        witnessed.database.write(fail)
    assert deliveries(witnessed) == []


async def test_a_failure_is_tried_again_later_under_the_same_key(
    witnessed: Lab, listener: Listener, tmp_path: Path
) -> None:
    hooked(witnessed, listener.url)
    happen(witnessed)
    listener.status, listener.body = 500, b"<b>broken</b>"
    sender = courier(witnessed, tmp_path)
    await sender.round()
    (row,) = deliveries(witnessed)
    assert (row.state, row.tries) == (DeliveryState.FAILED, 1)
    assert (row.attempts[0]["status"], row.attempts[0]["said"]) == (500, "<b>broken</b>")
    await sender.round()
    assert len(listener.heard) == 1  # not yet
    listener.status, listener.body = 200, b"ok"
    witnessed.clock.advance(seconds=hooks.BACK_OFF[0] * 1.3)
    await sender.round()
    assert [row.state for row in deliveries(witnessed)] == [DeliveryState.DELIVERED]
    assert len({heard.headers["webhook-id"] for heard in listener.heard}) == 1


async def test_a_webhook_that_fails_again_and_again_stops_by_itself_and_its_owner_is_told(
    witnessed: Lab, listener: Listener, tmp_path: Path
) -> None:
    admin = witnessed.actors["admin"]
    with witnessed.database.begin(admin) as uow:
        hooks.add(uow, "Home", listener.url, ["run.*"])
    listener.status = 500
    sender = courier(witnessed, tmp_path)
    for number in range(hooks.STOP_AFTER + 3):
        witnessed.database.write(lambda uow, number=number: uow.raise_event("run", f"r{number}", "failed"))  # type: ignore[misc]  # a default binds this turn's number
    await sender.round()
    with witnessed.database.read() as uow:
        assert hooks.hook(uow, 1).state is HookState.STOPPED
    # Those that were under way at the same time still come in; then nothing is sent any more.
    assert hooks.STOP_AFTER <= len(listener.heard) <= hooks.STOP_AFTER + 3
    assert counted(witnessed, "SELECT count(*) FROM notices WHERE code = 'hook.stopped'") == 1


async def test_a_webhook_that_goes_on_gets_what_waited_for_it(
    witnessed: Lab, listener: Listener, tmp_path: Path
) -> None:
    hooked(witnessed, listener.url)
    happen(witnessed)
    with witnessed.database.begin() as uow:
        hooks.move(uow, 1, "pause")
    sender = courier(witnessed, tmp_path)
    await sender.round()
    assert listener.heard == []
    with witnessed.database.begin() as uow:
        hooks.move(uow, 1, "resume")
    await sender.round()
    assert len(listener.heard) == 1


async def test_a_delivery_can_be_replayed(witnessed: Lab, listener: Listener, tmp_path: Path) -> None:
    hooked(witnessed, listener.url)
    happen(witnessed)
    sender = courier(witnessed, tmp_path)
    await sender.round()
    with witnessed.database.begin() as uow:
        hooks.replay(uow, 1, 1)
    await sender.round()
    first, second = listener.heard
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_a_redirect_is_not_followed(witnessed: Lab, listener: Listener, tmp_path: Path) -> None:
    hooked(witnessed, listener.url)
    happen(witnessed)
    listener.status, listener.more = 307, f"Location: http://127.0.0.1:{listener.port}/elsewhere\r\n"
    await courier(witnessed, tmp_path).round()
    assert len(listener.heard) == 1
    assert deliveries(witnessed)[0].attempts[0]["reason"] == "hook.redirect"


async def test_an_answer_without_end_is_not_read_to_its_end(
    witnessed: Lab, listener: Listener, tmp_path: Path
) -> None:
    hooked(witnessed, listener.url)
    happen(witnessed)
    listener.status, listener.endless = 200, True
    await courier(witnessed, tmp_path).round()
    (row,) = deliveries(witnessed)
    assert row.state is DeliveryState.DELIVERED
    assert len(str(row.attempts[0]["said"])) == 500


async def test_an_address_of_the_labs_network_takes_leave_in_the_settings(
    witnessed: Lab, listener: Listener, tmp_path: Path
) -> None:
    hooked(witnessed, listener.url)
    happen(witnessed)
    await courier(witnessed, tmp_path, "192.168.7.0/24").round()
    assert listener.heard == []
    assert deliveries(witnessed)[0].attempts[0]["reason"] == "hook.private"


async def test_a_name_that_means_this_computer_is_refused_when_it_is_resolved(
    witnessed: Lab, listener: Listener, tmp_path: Path
) -> None:
    hooked(witnessed, f"http://localhost:{listener.port}/")
    happen(witnessed)
    await courier(witnessed, tmp_path, "192.168.7.0/24").round()
    assert listener.heard == []
    assert deliveries(witnessed)[0].attempts[0]["reason"] == "hook.private"


@pytest.mark.parametrize("number", ["2130706433", "0x7f.1", "017700000001", "127.1"])
async def test_other_ways_to_write_this_computer_are_refused_too(
    witnessed: Lab, listener: Listener, tmp_path: Path, number: str
) -> None:
    hooked(witnessed, f"http://{number}:{listener.port}/")
    happen(witnessed)
    await courier(witnessed, tmp_path, "192.168.7.0/24").round()
    assert listener.heard == []


def certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(the server's, one that trusts it): signed by itself, for this name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


@pytest.mark.parametrize(
    ("name", "state"), [("localhost", DeliveryState.DELIVERED), ("other.example", DeliveryState.FAILED)]
)
async def test_the_address_is_looked_up_but_the_certificate_must_be_the_names(
    witnessed: Lab, tmp_path: Path, name: str, state: DeliveryState
) -> None:
    server, trusting = certificate(name, tmp_path)
    async with listening(server) as listener:
        hooked(witnessed, f"https://localhost:{listener.port}/")
        happen(witnessed)
        settings = settings_for(witnessed, tmp_path, hook_networks=("127.0.0.0/8", "::1/128"))
        await Courier(settings, witnessed.database, witnessed.clock, tls=trusting).round()
        assert [heard.headers["host"] for heard in listener.heard] == [f"localhost:{listener.port}"] * len(
            listener.heard
        )
    assert [row.state for row in deliveries(witnessed)] == [state]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # where clouds keep their keys
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "ff02::1",
    ],
)
def test_no_address_that_only_this_server_can_reach(address: str) -> None:
    with pytest.raises(NotAllowed):
        check(target_of("https://x.example/"), ipaddress.ip_address(address), ())


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_the_public_internet_is_allowed_with_https_alone(address: str) -> None:
    check(target_of("https://x.example/"), ipaddress.ip_address(address), ())
    with pytest.raises(NotAllowed):
        check(target_of("http://x.example/"), ipaddress.ip_address(address), ())


def test_an_ipv4_address_in_ipv6_clothes_is_what_it_is() -> None:
    assert unwrapped(ipaddress.ip_address("64:ff9b::a00:1")) == ipaddress.ip_address("10.0.0.1")
    check(target_of("http://x.example/"), ipaddress.ip_address("::ffff:127.0.0.1"), HERE)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "file:///etc/passwd",
        "gopher://x.example/",
        "https:///path",
        "https://a b.example/",
        "https://x.example/\r\nHost: evil",
        "https://user@x.example/",
        "https://x.example:0/",
        "https://x.example:99999/",
        "https://x.example/#part",
        "https://[::1",
        "https://" + "a" * 600 + ".example/",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Exception, match=r"hook\.url"):
        look_at(url, ())


def test_two_couriers_never_take_the_same_delivery(any_lab: Lab) -> None:
    any_lab.database.witnesses.append(hooks.witness)
    hooked(any_lab, "https://a.example/")
    happen(any_lab)
    with any_lab.database.begin() as uow:
        assert hooks.take(uow, "first") is not None
    with any_lab.database.begin() as uow:
        assert hooks.take(uow, "second") is None


def test_a_delivery_whose_courier_died_is_made_again(witnessed: Lab) -> None:
    hooked(witnessed, "https://a.example/")
    happen(witnessed)
    with witnessed.database.begin() as uow:
        lost = hooks.take(uow, "first")
    assert lost is not None
    witnessed.clock.advance(hooks.LEASE)
    with witnessed.database.begin() as uow:
        hooks.recover(uow)
        again = hooks.take(uow, "second")
    assert again is not None
    assert again.key == lost.key
    with witnessed.database.begin() as uow:
        hooks.answered(uow, lost, hooks.Answer(status=200))
    assert deliveries(witnessed)[0].state is DeliveryState.SENDING  # the first answers for nothing any more
