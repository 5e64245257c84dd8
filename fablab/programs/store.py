"""Programs on disk, each once, under the SHA-256 of its bytes. What a file was called is for display only.

Layout: `root/ab/abcdef...` (the program), the same with `.png` or `.jpg` (its thumbnail), `root/tmp/` (uploads in
progress; safe to empty while nothing runs).
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from fablab.base.errors import Invalid, NotFound
from fablab.programs.gcode import Kind, Thumbnail

NAME_LIMIT = 120
NAMELESS = "program"
_SHA = re.compile(r"[0-9a-f]{64}")
_BLANKS = re.compile(r"\s+")

# Every ending a machine of that kind may be given, in lower case.
EXTENSIONS: dict[Kind, tuple[str, ...]] = {
    Kind.FDM: (".gcode", ".gco", ".g"),
    Kind.LASER: (".nc", ".gcode", ".gco", ".g", ".ngc", ".tap"),
    Kind.CNC: (".nc", ".ngc", ".tap", ".gcode", ".g"),
}
# Endings that people do bring, and what is said to them.
REFUSED_EXTENSIONS: dict[str, str] = {
    ".bgcode": "program.bgcode",
    ".3mf": "program.needs_slicing",
    ".stl": "program.needs_slicing",
    ".obj": "program.needs_slicing",
    ".step": "program.needs_slicing",
    ".svg": "program.needs_slicing",
    ".dxf": "program.needs_slicing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """`fresh`: these bytes were not here before."""

    sha256: str
    size_bytes: int
    path: Path
    fresh: bool


class Store:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._tmp = root / "tmp"
        self._tmp.mkdir(parents=True, exist_ok=True)

    def keep(self, chunks: Iterable[bytes], *, limit_bytes: int) -> Kept:
        """Write the bytes down as they come; when this returns they are on the disk for good.

        Raises `Invalid` "program.too_large" at the first byte beyond `limit_bytes`, "program.empty" for none.
        Whatever goes wrong, also in `chunks`, nothing stays behind.
        """
        digest = hashlib.sha256()
        size = 0
        handle, name = tempfile.mkstemp(dir=self._tmp)
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    size += len(chunk)
                    if size > limit_bytes:
                        raise Invalid("program.too_large", field="file", limit_bytes=limit_bytes)
                    digest.update(chunk)
                    file.write(chunk)
                if size == 0:
                    raise Invalid("program.empty", field="file")
                file.flush()
                os.fsync(file.fileno())
            sha256 = digest.hexdigest()
            place = self._place(sha256)
            fresh = not place.exists()
            if fresh:
                self._settle(Path(name), place)
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()
        return Kept(sha256=sha256, size_bytes=size, path=place, fresh=fresh)

    def path(self, sha256: str) -> Path:
        """Where the program stands; `NotFound` "program.not_found" if it does not."""
        if not _SHA.fullmatch(sha256):
            raise NotFound("program.not_found")
        place = self._place(sha256)
        if not place.is_file():
            raise NotFound("program.not_found")
        return place

    def open(self, sha256: str) -> BinaryIO:
        return self.path(sha256).open("rb")

    def forget(self, sha256: str) -> None:
        """Throw a file away that turned out to be no program; one that is gone already is no error."""
        if _SHA.fullmatch(sha256):
            self._place(sha256).unlink(missing_ok=True)

    def save_thumbnail(self, sha256: str, thumbnail: Thumbnail) -> Path:
        """Beside its program, in place of an older one."""
        place = self.path(sha256).with_suffix("." + thumbnail.format)
        handle, name = tempfile.mkstemp(dir=self._tmp)
        with os.fdopen(handle, "wb") as file:
            file.write(thumbnail.data)
        Path(name).replace(place)
        return place

    def thumbnail(self, sha256: str) -> Path | None:
        """The picture's file; its ending, .png or .jpg, is its true format."""
        program = self.path(sha256)
        for ending in (".png", ".jpg"):
            if (place := program.with_suffix(ending)).is_file():
                return place
        return None

    def _place(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256

    @staticmethod
    def _settle(temporary: Path, place: Path) -> None:
        place.parent.mkdir(exist_ok=True)
        temporary.chmod(0o440)
        temporary.replace(place)  # two uploads of the same bytes at once: either may win, they are the same
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def clean_name(filename: str) -> str:
    """A name fit for a screen: the last part of the path, printable, at most 120 characters, ending kept.

    Letters of all scripts and emoji stay; control characters, direction overrides and other invisible ones go.
    """
    name = unicodedata.normalize("NFC", filename.encode("utf-8", "ignore").decode()[-4096:])
    name = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    # Cc control, Cf direction and joiners, Cs surrogates, Co private, Cn unassigned, Zl Zp line breaks
    name = "".join(
        " " if c in "\t\n\r\v\f" or unicodedata.category(c) in ("Zl", "Zp") else c
        for c in name
        if c in "\t\n\r\v\f" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    name = _BLANKS.sub(" ", name).strip(" .")
    if not name:
        return NAMELESS
    ending = PurePosixPath(name).suffix[:12]
    return name if len(name) <= NAME_LIMIT else name[: NAME_LIMIT - len(ending) - 1] + "…" + ending


def check_extension(filename: str, kind: Kind | None = None) -> None:
    """`Invalid` when the ending is none that a machine of `kind` (or of any kind) is given.

    Codes: "program.bgcode", "program.needs_slicing", else "program.wrong_extension" with what is allowed.
    """
    name = clean_name(filename)
    ending = PurePosixPath(name).suffix.lower()
    if ending in REFUSED_EXTENSIONS:
        raise Invalid(REFUSED_EXTENSIONS[ending], field="file", extension=ending)
    kinds = tuple(Kind) if kind is None else (kind,)
    allowed = sorted({each for one in kinds for each in EXTENSIONS[one]})
    if ending not in allowed:
        raise Invalid(
            "program.wrong_extension", field="file", extension=ending[:20], allowed=" ".join(allowed)
        )
