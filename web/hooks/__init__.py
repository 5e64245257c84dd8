"""Webhooks on their way out: signed, to addresses that may be reached from here, and tried again when they fail."""

from web.hooks.address import look_at
from web.hooks.courier import Courier

__all__ = ["Courier", "look_at"]
