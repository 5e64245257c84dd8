"""Pictures as HTTP answers: for now only, for this browser only, and as nothing but pictures."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from litestar import Response
from litestar.background_tasks import BackgroundTask
from litestar.response import Stream

from web.cameras import BOUNDARY, Picture

_HEADERS = {
    "Cache-Control": "no-store, private",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "inline",
}


def still(picture: Picture) -> Response[bytes]:
    return Response(picture.body, media_type=picture.media_type, headers=_HEADERS)


def moving(parts: AsyncGenerator[bytes]) -> Stream:
    return Stream(
        parts,
        # A viewer who leaves in the middle of a picture leaves the generator there: it is closed after the answer.
        background=BackgroundTask(parts.aclose),
        media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}",
        headers={**_HEADERS, "X-Accel-Buffering": "no"},
    )
