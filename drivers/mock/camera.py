"""A camera as mjpg-streamer serves it: `?action=snapshot` and `?action=stream`, with pictures made here byte by byte.

The picture is a baseline JPEG in grey whose 8 x 8 blocks are flat, so that a block is one number (ITU-T T.81):
a bar stands at a place that the frame's number gives.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from itertools import count
from typing import Final

from drivers.mock.wire import Answer, Request

BOUNDARY: Final = "boundarydonotcross"
FRAME_S: Final = 0.2
_WIDE, _HIGH = 16, 12  # blocks
_DARK, _LIGHT = -40, 60  # the block's mean, in steps of 8/8 of a grey level around 128


def answer(request: Request) -> Answer:
    match request.query.get("action"):
        case "snapshot":
            return 200, jpeg(0), {"Content-Type": "image/jpeg"}
        case "stream":
            return 200, _stream(), {"Content-Type": f"multipart/x-mixed-replace;boundary={BOUNDARY}"}
    return 404, {"error": "The requested URL was not found on the server."}


async def _stream() -> AsyncIterator[bytes]:
    for number in count():
        picture = jpeg(number)
        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
        yield head.encode() + picture + b"\r\n"
        await asyncio.sleep(FRAME_S)


def jpeg(number: int) -> bytes:
    """128 x 96 pixels, under 500 bytes."""
    levels = [_LIGHT if column == number % _WIDE else _DARK for _ in range(_HIGH) for column in range(_WIDE)]
    quant = _segment(0xDB, bytes([0]) + bytes([8] * 64))
    frame = _segment(0xC0, struct.pack(">BHHB3B", 8, _HIGH * 8, _WIDE * 8, 1, 1, 0x11, 0))
    # DC: the nine categories 0 to 8 have the 4-bit codes 0 to 8. AC: only "end of block", code 0 of one bit.
    direct = _segment(0xC4, bytes([0x00, 0, 0, 0, 9, *[0] * 12, *range(9)]))
    other = _segment(0xC4, bytes([0x10, 1, *[0] * 15, 0]))
    scan = _segment(0xDA, bytes([1, 1, 0x00, 0, 63, 0]))
    return b"\xff\xd8" + quant + frame + direct + other + scan + _coded(levels) + b"\xff\xd9"


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def _coded(levels: list[int]) -> bytes:
    """Each block's difference from the one before: category, then so many bits; negative ones in ones' complement."""
    bits, before = "", 0
    for level in levels:
        step, before = level - before, level
        size = abs(step).bit_length()
        bits += f"{size:04b}"
        if size:
            bits += f"{step if step > 0 else step + (1 << size) - 1:0{size}b}"
        bits += "0"
    bits += "1" * (-len(bits) % 8)
    packed = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return packed.replace(b"\xff", b"\xff\x00")
