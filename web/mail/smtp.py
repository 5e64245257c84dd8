"""SMTP: one connection for as many letters as there are, and what an answer means for the letter and for the rest."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType

import aiosmtplib

from web.settings import Settings

TIMEOUT_S = 20.0


class ServerTrouble(Exception):
    """No letter can be sent at present: the server is not there, or does not take us. `reason` is a code."""

    def __init__(self, reason: str, said: str) -> None:
        self.reason, self.said = reason, said
        super().__init__(reason, said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The server does not take this letter. `for_good`: no further try will help (5xx)."""

    reason: str
    said: str
    for_good: bool


class Line:
    """`async with Line(settings) as line: await line.send(message)`. Raises `ServerTrouble`."""

    def __init__(self, settings: Settings, context: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user or None,
            password=settings.smtp_password or None,
            timeout=TIMEOUT_S,
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            tls_context=context,
        )

    async def __aenter__(self) -> Line:
        try:
            await self._client.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            # The server may repeat the user's name, never the password; neither is worth showing.
            raise ServerTrouble("letter.wrong_password", f"{error.code}") from error
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            raise ServerTrouble("letter.no_server", _said(error)) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            with suppress(
                aiosmtplib.SMTPException, OSError
            ):  # it has our letters; how it says goodbye is its affair
                await self._client.quit()
        self._client.close()

    async def send(self, message: EmailMessage) -> Refusal | None:
        """None once the server has it."""
        sender, to = (message[name].addresses[0].addr_spec for name in ("From", "To"))
        if not to.isascii():
            # It would take SMTPUTF8 all the way; where it may end, nobody has been found who needs it.
            return Refusal(reason="letter.address", said="", for_good=True)
        try:
            # As bytes: the library's own way of writing a message folds long addresses in its head.
            await self._client.sendmail(sender, [to], message.as_bytes())
        except aiosmtplib.SMTPRecipientsRefused as error:
            first = error.recipients[0]
            return _refusal(first.code, str(first.message))
        except aiosmtplib.SMTPSenderRefused as error:
            raise ServerTrouble("letter.sender_refused", _said(error)) from error
        except aiosmtplib.SMTPResponseException as error:
            return _refusal(error.code, str(error.message))
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ServerTrouble("letter.no_server", _said(error)) from error
        return None


def _refusal(code: int, said: str) -> Refusal:
    for_good = 500 <= code < 600
    reason = "letter.refused" if for_good else "letter.not_now"
    return Refusal(reason=reason, said=f"{code} {said}"[:300], for_good=for_good)


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
