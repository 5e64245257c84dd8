"""What a provider's answer must prove, tried with a provider that lies; and providers.toml, read strictly."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from joserfc.jws import JWSRegistry

from fablab.base.clock import FakeClock
from fablab.base.errors import Conflict, Forbidden, LabError, NotFound
from fablab.people.access.models import TripPurpose
from fablab.people.identities import Person, Returned
from tests.lab import TUESDAY
from web.security.oidc import MOST_BYTES, Providers
from web.security.providers import Provider, ProvidersError, is_safe_address, read_providers

ISSUER = "https://login.example.org"
KEY, OTHER = RSAKey.generate_key(2048, {"kid": "one"}), RSAKey.generate_key(2048, {"kid": "one"})
NEXT = RSAKey.generate_key(2048, {"kid": "two"})
TRIP = Returned(
    purpose=TripPurpose.SIGN_IN, nonce="the nonce", verifier="the verifier", next_path="", member_id=None
)
NOW = int(TUESDAY.timestamp())


class Liar:
    """A provider whose every answer is in the test's hand."""

    def __init__(self) -> None:
        self.clock = FakeClock(TUESDAY)
        self.seconds = 0.0
        self.asked: list[httpx.Request] = []
        self.key: Any = KEY
        self.alg = "RS256"
        self.published: list[Any] = [KEY]
        self.claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": "fablab",
            "sub": "42",
            "exp": NOW + 300,
            "iat": NOW,
            "nonce": TRIP.nonce,
            "email": "Somebody@Lab.Example",
            "email_verified": True,
            "name": "Somebody",
        }
        self.metadata: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "userinfo_endpoint": f"{ISSUER}/me",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }
        self.userinfo: dict[str, Any] = {"sub": "42", "email": "me@lab.example", "email_verified": True}
        self.token: dict[str, Any] | None = None
        self.answers: dict[str, httpx.Response] = {}
        self.providers = Providers(
            [Provider(key="city", label="City", issuer=ISSUER, client_id="fablab", secret="a:b c")],
            base="https://lab.example",
            clock=self.clock,
            monotonic=lambda: self.seconds,
            transport=httpx.MockTransport(self._answer),
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.path
        if path in self.answers:
            return self.answers[path]
        if path == "/.well-known/openid-configuration":
            return httpx.Response(200, json=self.metadata)
        if path == "/keys":
            return httpx.Response(200, json=KeySet(self.published).as_dict(private=False))
        if path == "/me":
            return httpx.Response(200, json=self.userinfo)
        assert path == "/token"
        return httpx.Response(200, json=self.token or {"access_token": "at", "id_token": self.id_token()})

    def id_token(self) -> str:
        claims = {name: value for name, value in self.claims.items() if value is not None}
        header = {"alg": self.alg} | ({"kid": self.key.kid} if self.key.kid else {})
        registry = JWSRegistry(algorithms=["RS256", "HS256"])
        return jwt.encode(header, claims, self.key, registry=registry)

    async def person(self, **said: str) -> Person:
        return await self.providers.person("city", {"code": "the code", **said}, TRIP)


@pytest.fixture
async def liar() -> AsyncIterator[Liar]:
    made = Liar()
    yield made
    await made.providers.close()


async def refused(liar: Liar, **said: str) -> str:
    with pytest.raises(LabError) as error:
        await liar.person(**said)
    return error.value.code


async def test_an_answer_that_holds_says_who_it_is(liar: Liar) -> None:
    assert await liar.person() == Person(
        provider="city",
        issuer=ISSUER,
        subject="42",
        email="somebody@lab.example",
        verified=True,
        name="Somebody",
    )
    sent = next(request for request in liar.asked if request.url.path == "/token")
    form = {name: values[0] for name, values in parse_qs(sent.content.decode()).items()}
    assert form == {
        "grant_type": "authorization_code",
        "code": "the code",
        "redirect_uri": "https://lab.example/login/from/city",
        "code_verifier": TRIP.verifier,
    }
    assert sent.headers["authorization"] == httpx.BasicAuth("fablab", "a%3Ab%20c")._auth_header


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "somebody-else"},
        {"aud": ["fablab", "somebody-else"]},
        {"aud": None},
        {"azp": "somebody-else"},
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"exp": NOW - 61},
        {"exp": None},
        {"iat": None},
        {"iat": NOW + 600},
        {"nbf": NOW + 600},
        {"sub": None},
        {"sub": ""},
        {"sub": 42},
        {"sub": "x" * 256},
        {"at_hash": "bm90IGl0cyBoYXNo"},
    ],
    ids=str,
)
async def test_an_id_token_that_does_not_hold_is_refused(liar: Liar, lie: dict[str, Any]) -> None:
    liar.claims |= lie
    assert await refused(liar) == "provider.wrong_answer"


async def test_a_signature_of_another_key_is_refused(liar: Liar) -> None:
    liar.key = OTHER
    assert await refused(liar) == "provider.wrong_answer"


@pytest.mark.parametrize("secret", [b"a:b c", KEY.as_pem(private=False)], ids=["shared secret", "public key"])
async def test_a_signature_that_others_could_have_made_is_refused(liar: Liar, secret: bytes) -> None:
    head = urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=")
    signed = head + b"." + liar.id_token().split(".")[1].encode()
    mac = urlsafe_b64encode(hmac.digest(secret, signed, "sha256")).rstrip(b"=")
    liar.token = {"access_token": "at", "id_token": (signed + b"." + mac).decode()}
    assert await refused(liar) == "provider.wrong_answer"


async def test_no_signature_is_refused(liar: Liar) -> None:
    head, body, _ = liar.id_token().split(".")
    unsigned = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    for token in (f"{unsigned}.{body}.", f"{head}.{body}.", "nonsense", ""):
        liar.token = {"access_token": "at", "id_token": token}
        assert await refused(liar) == "provider.wrong_answer"


async def test_new_keys_are_fetched_once_and_not_for_every_made_up_one(liar: Liar) -> None:
    await liar.person()
    liar.key, liar.published = NEXT, [NEXT]
    assert await refused(liar) == "provider.wrong_answer"  # too soon to ask again
    liar.seconds = 61
    assert (await liar.person()).subject == "42"
    fetched = sum(request.url.path == "/keys" for request in liar.asked)
    assert fetched == 2


async def test_a_token_that_does_not_name_its_key_is_tried_with_each(liar: Liar) -> None:
    bare = RSAKey.import_key(KEY.as_pem(private=True))
    liar.published = [NEXT, OTHER, bare]
    liar.key = bare
    liar.token = {"access_token": "at", "id_token": jwt.encode({"alg": "RS256"}, liar.claims, bare)}
    assert (await liar.person()).subject == "42"


async def test_an_e_mail_that_only_userinfo_has_is_fetched_and_must_be_the_same_person_s(liar: Liar) -> None:
    liar.claims |= {"email": None, "email_verified": None}
    assert (await liar.person()).email == "me@lab.example"
    liar.userinfo["sub"] = "43"
    assert await refused(liar) == "provider.wrong_answer"


@pytest.mark.parametrize("said", ["true", 1, None, False])
async def test_only_a_plain_yes_verifies_an_e_mail(liar: Liar, said: object) -> None:
    liar.claims["email_verified"] = said
    assert not (await liar.person()).verified


async def test_an_answer_that_names_another_issuer_is_another_s(liar: Liar) -> None:
    assert await refused(liar, iss="https://evil.example") == "provider.wrong_answer"
    assert (await liar.person(iss=ISSUER)).subject == "42"
    liar.metadata["authorization_response_iss_parameter_supported"] = True
    liar.seconds = 3601
    assert await refused(liar) == "provider.wrong_answer"


@pytest.mark.parametrize(
    ("error", "code"), [("access_denied", "provider.denied"), ("x", "provider.no_answer")]
)
async def test_a_no_of_the_provider_is_told(liar: Liar, error: str, code: str) -> None:
    assert await refused(liar, error=error) == code
    assert all(request.url.path != "/token" for request in liar.asked)


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://login.example.org/token"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
    ],
    ids=str,
)
async def test_a_discovery_document_that_cannot_be_right_is_not_used(
    liar: Liar, change: dict[str, Any]
) -> None:
    liar.metadata |= change
    assert await refused(liar) == "provider.down"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(500), "provider.down"),
        (httpx.Response(400, json={"error": "invalid_grant"}), "provider.wrong_answer"),
        (httpx.Response(302, headers={"location": "https://evil.example"}), "provider.wrong_answer"),
        (httpx.Response(200, content=b"{" + b" " * MOST_BYTES + b"}"), "provider.wrong_answer"),
        (httpx.Response(200, content=b"<html>"), "provider.wrong_answer"),
        (httpx.Response(200, content=b"[]"), "provider.wrong_answer"),
    ],
    ids=["500", "400", "redirect", "too large", "html", "list"],
)
async def test_whatever_the_token_endpoint_says_nobody_falls_over(
    liar: Liar, answer: httpx.Response, code: str
) -> None:
    liar.answers["/token"] = answer
    assert await refused(liar) == code
    assert all(request.url.host == "login.example.org" for request in liar.asked)


async def test_a_provider_that_cannot_be_reached_is_said_by_its_label(liar: Liar) -> None:
    liar.answers["/.well-known/openid-configuration"] = httpx.Response(404)
    with pytest.raises(Conflict, match=r"provider\.down") as error:
        await liar.person()
    assert error.value.facts["provider"] == "City"


async def test_when_somebody_signed_in_there_is_believed_only_as_a_time(liar: Liar) -> None:
    liar.claims["auth_time"] = NOW - 30
    assert (await liar.person()).auth_at == TUESDAY - timedelta(seconds=30)
    liar.claims["auth_time"] = 10**40
    assert (await liar.person()).auth_at is None


async def test_an_unknown_provider_is_not_found(liar: Liar) -> None:
    with pytest.raises(NotFound, match=r"provider\.unknown"):
        await liar.providers.person("nobody", {}, TRIP)


async def test_an_answer_without_a_code_asks_for_nothing(liar: Liar) -> None:
    with pytest.raises(Forbidden):
        await liar.providers.person("city", {}, TRIP)
    assert all(request.url.path != "/token" for request in liar.asked)


# -- providers.toml ------------------------------------------------------------------------------------------------

GOOD = {"label": "City", "issuer": ISSUER, "client_id": "fablab"}


def written(folder: Path, key: str = "city", **table: object) -> Path:
    lines = [
        f"[{key}]",
        *(f"{name} = {json.dumps(value)}" for name, value in table.items() if value is not None),
    ]
    (file := folder / "providers.toml").write_text("\n".join(lines))
    return file


def test_a_lab_needs_no_providers(tmp_path: Path) -> None:
    assert read_providers(tmp_path / "none.toml") == ()


def test_a_secret_comes_from_a_file_beside_it_or_from_the_environment_and_is_never_shown(
    tmp_path: Path,
) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    (found,) = read_providers(written(tmp_path, **GOOD, secret_file="secret"))
    assert found.secret == "from the file"
    assert "from the file" not in repr(found)
    (found,) = read_providers(written(tmp_path, **GOOD, secret_env="CITY"), {"CITY": "from outside"})
    assert found.secret == "from outside"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"issuer": None}, "issuer is missing"),
        ({"issuer": "http://login.example.org"}, "must be https"),
        ({"issuer": "https://user:secret@login.example.org"}, "must be https"),
        ({"label": ""}, "label: must be a text"),
        ({"client_id": 7}, "client_id: must be a text"),
        ({"colour": "red"}, "'colour' is unknown"),
        ({"scopes": "email"}, "must name openid"),
        ({"secret_file": "nowhere"}, "cannot be read"),
        ({"secret_env": "NOWHERE"}, "has no NOWHERE"),
        ({"secret_env": "A", "secret_file": "b"}, "not both"),
    ],
    ids=str,
)
def test_a_wrong_file_says_where_and_what(tmp_path: Path, change: dict[str, object], says: str) -> None:
    with pytest.raises(ProvidersError, match=says) as error:
        read_providers(written(tmp_path, **{**GOOD, **change}), {})
    assert "[city]" in str(error.value)


@pytest.mark.parametrize("key", ["City", "a/b", "x" * 41])
def test_a_provider_s_name_can_stand_in_an_address(tmp_path: Path, key: str) -> None:
    with pytest.raises(ProvidersError):
        read_providers(written(tmp_path, json.dumps(key), **GOOD))


@pytest.mark.parametrize("text", ["city = 1", "[city", "\xff"])
def test_what_is_no_table_is_said(tmp_path: Path, text: str) -> None:
    (file := tmp_path / "providers.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ProvidersError, match=r"providers\.toml"):
        read_providers(file)


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://a.example/x", True),
        ("http://127.0.0.1:9000", True),
        ("http://[::1]:9000", True),
        ("http://localhost/", True),
        ("http://a.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("ftp://a.example", False),
        ("https://", False),
        ("https://[", False),
        ("https://a.example/#x", False),
    ],
)
def test_an_address_is_https_or_this_computer(address: str, safe: bool) -> None:
    assert is_safe_address(address) is safe
