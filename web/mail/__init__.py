"""Letters on their way out: written in the reader's language, with what belongs into a calendar, and sent by SMTP."""

from web.mail.post import Post

__all__ = ["Post"]
