"""Scripts, styles and pictures: kept in memory, gzipped once, and for the browser to keep for ever by their version."""

from __future__ import annotations

import gzip
import mimetypes
import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from fablab.base.errors import NotFound
from web.security import Access
from web.templating import STATIC

FOR_EVER = "public, max-age=31536000, immutable"
LOOK_AGAIN = "public, no-cache"
SMALL_BYTES = 1024
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_ZIPPED = frozenset({".js", ".css", ".svg", ".json", ".txt", ".html"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    body: bytes
    zipped: bytes | None
    media_type: str
    etag: str


class Assets:
    """Files below one folder, read when first asked for and again when they have changed."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder.resolve()
        self._kept: dict[tuple[str, int], Asset] = {}
        self._lock = threading.Lock()

    def find(self, name: str) -> Asset:
        path = (self._folder / name.lstrip("/")).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            raise NotFound
        key = (str(path), path.stat().st_mtime_ns)
        asset = self._kept.get(key)
        if asset is None:
            asset = _read(path)
            with self._lock:
                self._kept[key] = asset
        return asset


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    ending = path.suffix.lower()
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(
        body=body,
        zipped=gzip.compress(body, 6, mtime=0) if ending in _ZIPPED and len(body) > SMALL_BYTES else None,
        media_type=_TYPES.get(ending, guessed),
        etag=f'"{sha256(body).hexdigest()[:20]}"',
    )


@get("/static/{name:path}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=False)
def static_file(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """A versioned address (?v=, or a vendored folder with its version in the name) never changes its content."""
    assets: Assets = request.app.state.assets
    asset = assets.find(name)
    lasting = "v" in request.query_params or "vendor/" in name
    headers = {
        "Cache-Control": FOR_EVER if lasting else LOOK_AGAIN,
        "ETag": asset.etag,
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == asset.etag:
        return Response(b"", status_code=304, headers=headers, media_type=asset.media_type)
    if asset.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            asset.zipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.media_type
        )
    return Response(asset.body, headers=headers, media_type=asset.media_type)
