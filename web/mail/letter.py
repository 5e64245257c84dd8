"""A letter as it is sent: its head, plain text, simple HTML, and an invitation where it is about an appointment."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from html import escape
from typing import Any

from fablab.base.errors import Invalid
from fablab.notices.models import Letter, Subject
from fablab.people.post import Envelope
from web.words import Words

MOST_SUBJECT = 120
#: Where a letter leads, by how its code begins, when its facts do not say: with the claim's id behind.
PAGES: dict[str, str] = {
    "job.": "/jobs/",
    "reservation.": "/reservations/",
    "training.": "/trainings/",
}


class _Policy(EmailPolicy):
    """Python's own folds a long address into encoded words, which no mail program reads as an address. It is one word
    of ours, shorter than the 998 characters of RFC 5322, and stays as it is."""

    def fold(self, name: str, value: Any) -> str:
        if name.lower() in _WHOLE:
            return f"{name}: {value}{self.linesep}"
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() in _WHOLE:
            return self.fold(name, value).encode("ascii")
        return super().fold_binary(name, value)


_WHOLE = frozenset({"list-unsubscribe", "message-id"})
_POLICY = _Policy(linesep="\r\n")
_SENTENCE = re.compile(r"(?<=[.!?…])\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Who writes. `address`: what people type into the browser, without a slash at the end."""

    name: str
    address: str
    sender: str

    @property
    def host(self) -> str:
        return self.sender.rpartition("@")[2] or "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that is told, and the page about it (absolute, or empty)."""

    text: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A letter in words. `choose` and `off` are addresses, empty where nothing may be switched off."""

    subject: str
    greeting: str
    lines: tuple[Line, ...]
    aside: str
    footer: str
    choose: str
    off: str

    @property
    def text(self) -> str:
        parts = [self.greeting]
        for line in self.lines:
            bullet = "- " if len(self.lines) > 1 else ""
            parts.append(f"{bullet}{line.text}" + (f"\n{line.link}" if line.link else ""))
        parts.append(self.aside)
        tail = "\n".join(filter(None, (self.footer, self.choose)))
        return "\n\n".join(filter(None, parts)) + f"\n\n-- \n{tail}\n"


def write(
    letters: Sequence[Letter],
    name: str,
    words: Words,
    house: House,
    *,
    off_secret: str = "",
    hide: bool = False,
) -> Written:
    """The words of one letter, or of a day's. `hide`: leave out the links that let somebody in."""
    first = letters[0]
    lines = tuple(_line(row, words, house, hide=hide) for row in letters)
    whole = len(letters) == 1
    subject = _SENTENCE.split(lines[0].text)[0] if whole else words.gettext("What happened today")
    secures = first.subject is Subject.SECURITY
    return Written(
        subject=header(f"[{house.name}] {subject}"),
        greeting=words.gettext("Hello %(name)s,") % {"name": name} if name else words.gettext("Hello,"),
        lines=lines,
        aside=words.gettext("If this was not you, you need not do anything.")
        if secures and first.facts.get("secret_path")
        else "",
        footer=words.gettext("%(lab)s wrote this letter by itself. Which letters you get is up to you:")
        % {"lab": house.name}
        if first.member_id is not None and not secures
        else words.gettext("%(lab)s wrote this letter by itself.") % {"lab": house.name},
        choose=f"{house.address}/notices" if first.member_id is not None and not secures else "",
        off=f"{house.address}/notices/off/{off_secret}" if off_secret else "",
    )


def _line(row: Letter, words: Words, house: House, *, hide: bool) -> Line:
    facts = {name: _one_line(value) for name, value in row.facts.items()}
    secret, page = facts.get("secret_path"), facts.get("path")
    if secret:
        path = (
            words.gettext("(hidden: only its reader may follow it)")
            if hide
            else f"{house.address}{_local(secret)}"
        )
        return Line(text=words.notice(row.code, facts), link=path)
    local = _local(page) or _page(row)
    return Line(text=words.notice(row.code, facts), link=f"{house.address}{local}" if local else "")


def _page(row: Letter) -> str:
    start = next((start for start in PAGES if row.code.startswith(start)), None)
    return f"{PAGES[start]}{row.claim_id}" if start is not None and row.claim_id else ""


def _local(path: object) -> str:
    """A page of this house and of no other, whatever the facts say."""
    said = str(path or "")
    return said if said.startswith("/") and not said.startswith("//") and said.isprintable() else ""


def _one_line(value: object) -> object:
    return header(value, most=2000) if isinstance(value, str) else value


def header(said: str, most: int = MOST_SUBJECT) -> str:
    """Text that fits into the head of a letter: one line, nothing that a program would take for an end of line."""
    plain = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in said)
    plain = re.sub(" +", " ", plain).strip()
    return plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"


def compose(
    written: Written,
    envelope: Envelope,
    house: House,
    *,
    at: datetime,
    language: str,
    invitation: tuple[str, bytes] | None = None,
) -> EmailMessage:
    """The whole message. Raises `Invalid("letter.address")` for an address that cannot stand in a head."""
    message = EmailMessage(policy=_POLICY)
    try:
        message["From"] = Address(display_name=header(house.name, 80), addr_spec=house.sender)
        message["To"] = Address(
            display_name=header(envelope.reader.name, 80), addr_spec=envelope.reader.address
        )
    except ValueError as error:  # every fault of the e-mail library's parser is one
        raise Invalid("letter.address", field="email") from error
    message["Subject"] = written.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{envelope.key}@{house.host}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers it
    if written.off:
        message["List-Unsubscribe"] = f"<{written.off}>"
        if written.off.startswith("https://"):  # RFC 8058 wants that
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(written.text, cte="quoted-printable")
    message.add_alternative(_html(written, language), subtype="html", cte="quoted-printable")
    # Set before, it would have gone to the first part with all else that describes a content.
    message["Content-Language"] = language
    if invitation is not None:
        method, ics = invitation
        message.add_alternative(
            ics.decode().replace("\r\n", "\n"),
            subtype="calendar",
            params={"method": method},
            cte="quoted-printable",
        )
        message.add_attachment(ics, maintype="application", subtype="ics", filename="invite.ics")
    return message


_BODY = "font:16px/1.5 system-ui,sans-serif;color:#1c2b2a;max-width:36em;margin:0 auto;padding:24px"


def _html(written: Written, language: str) -> str:
    """Nothing is fetched from anywhere: no picture tells who has read it."""
    many = len(written.lines) > 1
    lines = "".join(
        f"<{'li' if many else 'p'}>{escape(line.text)}"
        + (f'<br><a href="{escape(line.link)}">{escape(line.link)}</a>' if line.link else "")
        + f"</{'li' if many else 'p'}>"
        for line in written.lines
    )
    body = f"<ul>{lines}</ul>" if many else lines
    aside = f"<p>{escape(written.aside)}</p>" if written.aside else ""
    choose = f'<br><a href="{escape(written.choose)}">{escape(written.choose)}</a>' if written.choose else ""
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        f"<title>{escape(written.subject)}</title></head>"
        f'<body style="{_BODY}"><p>{escape(written.greeting)}</p>{body}{aside}'
        f'<p style="font-size:13px;color:#5a6b69">{escape(written.footer)}{choose}</p></body></html>'
    )
