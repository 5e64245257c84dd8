"""What a driver says in English of a connection that is not there, as one of the troubles that have plain words.

The words are those of `drivers.scan.Trouble`; a sentence that none fits is "other", and is shown as the driver said it.
"""

from __future__ import annotations

import re
from typing import Final

OTHER: Final = "other"

#: The first that is found counts.
_SIGNS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (trouble, re.compile(sign, re.IGNORECASE))
    for trouble, sign in (
        ("wrong_number", r"\bexpects \S+; |expected serial number"),
        ("port_forbidden", r"may not be opened by this account|may not open"),
        ("port_held", r"is held by|held by another program"),
        ("port_absent", r"is not there|port is gone|port was closed at its other end"),
        ("wrong_key", r"does not accept our|not accept .*\bkey\b"),
        ("wrong_path", r"leads elsewhere|correct the url"),
        ("wrong_firmware", r"speaks \w+, not|is no Marlin|is no GRBL|firmware"),
        ("wrong_server", r"there is no \w+ at this address|not .* the driver speaks"),
        ("tls", r"certificate|TLS|SSL"),
        ("unknown_host", r"name or service not known|unknown host"),
        ("refused", r"no connection to|refused|push socket|connection was closed"),
        ("settings", r"has other settings than this server read"),
        ("printer_off", r"printer .*(is off|not connected)|not connected to its printer"),
        ("silent", r"no answer|did not answer|no status|did not open in time|nothing answers"),
    )
)


def trouble_of(said: str) -> str:
    return next((trouble for trouble, sign in _SIGNS if sign.search(said)), OTHER)
