"""A real mail server for tests: aiosmtpd on a free port of this computer, that answers as a test tells it to."""

from __future__ import annotations

import asyncio
import email
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from drivers.mock.wire import stop


@dataclass
class Mailbox:
    """`answers`: what is said to the next letters instead of 250, by the word that is answered (RCPT or DATA)."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)
    connections: int = 0

    def _next(self, word: str) -> str | None:
        waiting = self.answers.get(word, [])
        return waiting.pop(0) if waiting else None

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self._next("RCPT")
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        answer = self._next("DATA")
        if answer is None:
            content = cast("bytes", envelope.content)
            self.raw.append(content)
            self.letters.append(cast("EmailMessage", email.message_from_bytes(content, policy=default)))
            self.recipients.append(list(envelope.rcpt_tos))
        return answer or "250 OK"

    def text(self, number: int = -1) -> str:
        body = self.letters[number].get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    def html(self, number: int = -1) -> str:
        body = self.letters[number].get_body(("html",))
        assert body is not None
        return str(body.get_content())

    def calendar(self, number: int = -1) -> bytes | None:
        for part in self.letters[number].walk():
            if part.get_filename() == "invite.ics":
                return bytes(cast("Any", part).get_payload(decode=True))
        return None


@asynccontextmanager
async def mail_server(**options: Any) -> AsyncIterator[Mailbox]:
    box = Mailbox()

    def session() -> SMTP:
        box.connections += 1
        return SMTP(box, hostname="mail.test", **options)

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        await stop(server)
