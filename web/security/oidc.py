"""The wire to a provider of sign-ins: OpenID Connect, authorization code with PKCE, and what its answer must prove.

The provider is found by its discovery document, which must name the very issuer we were told. The ID token is checked
by its signature (the provider's own keys; no algorithm with a shared secret, and never none), then issuer, audience,
authorized party, expiry, nonce and, where it is there, the hash of the access token (Authlib's `CodeIDToken`). Nothing
that a provider sends is followed elsewhere, and nothing larger than `MOST_BYTES` is read.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx
import structlog
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from fablab.base.clock import Clock
from fablab.base.errors import Conflict, Forbidden, NotFound
from fablab.people.access.models import TripPurpose
from fablab.people.identities import Departure, Person, Returned
from web.security.providers import Provider, is_safe_address

log = structlog.get_logger("web")

TIMEOUT_S: Final = 8.0
MOST_BYTES: Final = 512_000
KEPT_S: Final = 3600.0  # discovery documents and keys
KEYS_AGAIN_S: Final = 60.0  # an unknown key is looked for no oftener than that
LEEWAY_S: Final = 60
#: Signed with a key that only the provider has.
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"}
)


class BadAnswer(Exception):
    """Why an answer is not believed: for the log, never for the page."""


class NoAnswer(BadAnswer):
    """It did not answer, or said that it cannot now."""


@dataclass(slots=True, kw_only=True)
class _Known:
    """What was fetched, and when, in seconds of the monotonic clock."""

    metadata: Mapping[str, Any]
    at: float
    keys: KeySet | None = None
    keys_at: float = 0.0


class Providers:
    """All providers of this lab. `base` is how browsers reach us; their answers come back to `base`/login/from/KEY.

    Belongs to the event loop. Raises `NotFound` provider.unknown, `Conflict` provider.down where one does not answer or
    is not set up rightly, `Forbidden` provider.wrong_answer where what it says does not hold.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        base: str,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._transport = transport
        self.all: tuple[Provider, ...] = tuple(providers)
        self._base = base
        self._clock = clock
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}
        self._client: httpx.AsyncClient | None = None

    def get(self, key: str) -> Provider:
        for provider in self.all:
            if provider.key == key:
                return provider
        raise NotFound("provider.unknown")

    def label(self, key: str | None) -> str:
        """How people call it; its key where it is set up no more."""
        return next((each.label for each in self.all if each.key == key), key or "")

    async def address(self, key: str, departure: Departure, purpose: TripPurpose, language: str) -> str:
        """Where the browser goes."""
        provider = self.get(key)
        metadata = (await self._look(provider)).metadata
        asked = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": self._back(key),
            "scope": provider.scopes,
            "state": departure.state,
            "nonce": departure.nonce,
            "code_challenge": departure.challenge,
            "code_challenge_method": "S256",
            "ui_locales": language,
        }
        if purpose is TripPurpose.CONFIRM:
            asked |= {"prompt": "login", "max_age": "0"}
        return _with_query(_endpoint(provider, metadata, "authorization_endpoint"), asked)

    async def leave_address(self, key: str) -> str | None:
        """Where a browser signs out there too (RP-initiated logout); None where the provider has no such thing."""
        provider = self.get(key)
        metadata = (await self._look(provider)).metadata
        if "end_session_endpoint" not in metadata:
            return None
        asked = {"client_id": provider.client_id, "post_logout_redirect_uri": f"{self._base}/login"}
        return _with_query(_endpoint(provider, metadata, "end_session_endpoint"), asked)

    async def person(self, key: str, said: Mapping[str, str], trip: Returned) -> Person:
        """Who it is, from what the browser has brought back. Raises `Forbidden` provider.denied where they said no."""
        provider = self.get(key)
        known = await self._look(provider)
        try:
            self._same_issuer(provider, known.metadata, said)
            if "error" in said:
                log.info("provider", provider=key, error=said["error"][:80])
                raise Forbidden(
                    "provider.denied" if said["error"] == "access_denied" else "provider.no_answer"
                )
            tokens = await self._exchange(provider, known.metadata, said.get("code", ""), trip)
            claims = await self._claims(provider, known, tokens, trip)
            about = await self._about(provider, known.metadata, tokens, claims)
        except NoAnswer as why:
            log.warning("a provider cannot be reached", provider=key, why=str(why))
            raise Conflict("provider.down", provider=provider.label) from why
        except BadAnswer as why:
            log.warning("a provider's answer is not believed", provider=key, why=str(why))
            raise Forbidden("provider.wrong_answer") from why
        return _person(provider, claims, about)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _back(self, key: str) -> str:
        return f"{self._base}/login/from/{key}"

    # -- what is known of a provider ---------------------------------------------------------------------------

    async def _look(self, provider: Provider) -> _Known:
        known = self._known.get(provider.key)
        if known is not None and self._monotonic() - known.at < KEPT_S:
            return known
        address = provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            metadata = await self._json("GET", address)
        except BadAnswer as why:
            log.warning("a provider cannot be reached", provider=provider.key, why=str(why))
            raise Conflict("provider.down", provider=provider.label) from why
        if metadata.get("issuer") != provider.issuer:
            log.warning(
                "a provider names another issuer", provider=provider.key, issuer=str(metadata.get("issuer"))
            )
            raise Conflict("provider.down", provider=provider.label)
        known = _Known(metadata=metadata, at=self._monotonic())
        self._known[provider.key] = known
        return known

    async def _keys(self, provider: Provider, known: _Known, *, again: bool = False) -> KeySet:
        age_s = self._monotonic() - known.keys_at
        if known.keys is not None and age_s < (KEYS_AGAIN_S if again else KEPT_S):
            return known.keys
        found = await self._json("GET", _endpoint(provider, known.metadata, "jwks_uri"))
        try:
            known.keys = KeySet.import_key_set(found)  # type: ignore[arg-type]  # checked by the import itself
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise BadAnswer(f"its keys cannot be read: {error}") from error
        known.keys_at = self._monotonic()
        return known.keys

    # -- the exchange ------------------------------------------------------------------------------------------

    def _same_issuer(self, provider: Provider, metadata: Mapping[str, Any], said: Mapping[str, str]) -> None:
        """RFC 9207: an answer that names its issuer names this one, so that none is mistaken for another's."""
        promised = metadata.get("authorization_response_iss_parameter_supported") is True
        if ("iss" in said or promised) and said.get("iss") != provider.issuer:
            raise BadAnswer("the answer names another issuer, or none")

    async def _exchange(
        self, provider: Provider, metadata: Mapping[str, Any], code: str, trip: Returned
    ) -> Mapping[str, Any]:
        if not code:
            raise BadAnswer("there is no code")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back(provider.key),
            "code_verifier": trip.verifier,
        }
        ways = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        auth: httpx.BasicAuth | None = None
        if provider.secret and "client_secret_basic" in ways:
            # RFC 6749, 2.3.1: both are encoded as in a form first.
            auth = httpx.BasicAuth(quote(provider.client_id, safe=""), quote(provider.secret, safe=""))
        elif provider.secret:
            form |= {"client_id": provider.client_id, "client_secret": provider.secret}
        else:
            form |= {"client_id": provider.client_id}
        return await self._json("POST", _endpoint(provider, metadata, "token_endpoint"), data=form, auth=auth)

    async def _claims(
        self, provider: Provider, known: _Known, tokens: Mapping[str, Any], trip: Returned
    ) -> Mapping[str, Any]:
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise BadAnswer("there is no ID token")
        try:
            try:
                decoded = _decoded(id_token, await self._keys(provider, known), known.metadata)
            except InvalidKeyIdError:
                decoded = _decoded(id_token, await self._keys(provider, known, again=True), known.metadata)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": provider.issuer},
                    "aud": {"essential": True, "value": provider.client_id},
                },
                {
                    "nonce": trip.nonce,
                    "client_id": provider.client_id,
                    "access_token": tokens.get("access_token"),
                },
            )
            claims.validate(now=int(self._clock.now().timestamp()), leeway=LEEWAY_S)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise BadAnswer(f"its ID token does not hold: {error}") from error
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise BadAnswer("it says no subject")
        return dict(claims)

    async def _about(
        self,
        provider: Provider,
        metadata: Mapping[str, Any],
        tokens: Mapping[str, Any],
        claims: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        """The claims, with what only the userinfo endpoint says where the e-mail is not among them."""
        access_token = tokens.get("access_token")
        if "email" in claims or "userinfo_endpoint" not in metadata or not isinstance(access_token, str):
            return claims
        found = await self._json(
            "GET",
            _endpoint(provider, metadata, "userinfo_endpoint"),
            headers={"Authorization": f"Bearer {access_token}"},
        )
        if found.get("sub") != claims["sub"]:
            raise BadAnswer("its userinfo is about somebody else")
        return {**found, **claims}

    async def _json(self, method: str, address: str, **more: Any) -> Mapping[str, Any]:
        """An object. Raises `BadAnswer`, whose text has no secret in it: it goes to the log."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=TIMEOUT_S, follow_redirects=False, transport=self._transport
            )
        headers = {"Accept": "application/json", **more.pop("headers", {})}
        body = b""
        try:
            async with self._client.stream(method, address, headers=headers, **more) as answer:
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise BadAnswer(f"{_place(address)} answers with more than {MOST_BYTES} bytes")
        except httpx.HTTPError as error:
            raise NoAnswer(f"{_place(address)}: {type(error).__name__}") from error
        if answer.status_code >= 500:
            raise NoAnswer(f"{_place(address)} answers {answer.status_code}")
        if answer.status_code != 200:
            raise BadAnswer(f"{_place(address)} answers {answer.status_code}{_said(body)}")
        try:
            found = json.loads(body)
        except ValueError as error:
            raise BadAnswer(f"{_place(address)} does not answer in JSON") from error
        if not isinstance(found, dict):
            raise BadAnswer(f"{_place(address)} answers with something else than an object")
        return found


def _decoded(id_token: str, keys: KeySet, metadata: Mapping[str, Any]) -> jwt.Token:
    supported = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
    algorithms = sorted(ALGORITHMS & {str(each) for each in supported})
    registry = JWSRegistry(algorithms=algorithms, strict_check_header=False)
    head = json.loads(urlsafe_b64decode(id_token.partition(".")[0] + "=="))
    if "kid" in head or len(keys.keys) < 2:
        return jwt.decode(id_token, keys, registry=registry)
    failure: JoseError = InvalidKeyIdError("none of its keys has signed this")
    for key in keys.keys:  # it does not say which
        try:
            return jwt.decode(id_token, KeySet([key]), registry=registry)
        except JoseError as error:
            failure = error
    raise failure


def _endpoint(provider: Provider, metadata: Mapping[str, Any], name: str) -> str:
    address = metadata.get(name)
    if not isinstance(address, str) or not is_safe_address(address):
        log.warning("a provider has no such address", provider=provider.key, name=name)
        raise Conflict("provider.down", provider=provider.label)
    return address


def _person(provider: Provider, claims: Mapping[str, Any], about: Mapping[str, Any]) -> Person:
    at = claims.get("auth_time")
    auth_at = datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) and 0 < at < 2**33 else None
    return Person(
        provider=provider.key,
        issuer=provider.issuer,
        subject=claims["sub"],
        email=_text(about.get("email")).lower(),
        verified=about.get("email_verified") is True,
        name=_text(about.get("name")) or _text(about.get("preferred_username")),
        auth_at=auth_at,
    )


def _text(value: object) -> str:
    return value.strip()[:254] if isinstance(value, str) else ""


def _with_query(address: str, asked: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}"


def _place(address: str) -> str:
    """Without its query, where secrets travel."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _said(body: bytes) -> str:
    """The error's code of RFC 6749, 5.2, if the answer has one."""
    try:
        error = json.loads(body).get("error")
    except (ValueError, AttributeError):
        return ""
    return f": {error[:80]}" if isinstance(error, str) else ""
