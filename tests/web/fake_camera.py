"""A camera on a free port of this computer: pictures, streams, and all the ways in which cameras misbehave."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from web.cameras import NO_PICTURE

JPEG = NO_PICTURE.read_bytes()
PNG = b"\x89PNG\r\n\x1a\n" + b"a picture"


class FakeCamera:
    """`asked` are the heads of the requests it got; `streams` how many streams are open now."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.streams = 0
        self.opened = 0
        self.most_frames = 10_000
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def _handler(camera) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                camera.asked.append({name.lower(): value for name, value in self.headers.items()})
                with suppress(OSError):
                    getattr(self, self.path.partition("?")[0].strip("/").replace("-", "_"))()

            def _answer(self, body: bytes, kind: str, *, status: int = 200, **headers: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def jpeg(self) -> None:
                self._answer(JPEG, "image/jpeg", Set_Cookie="camera=1; Path=/")

            def png(self) -> None:
                self._answer(PNG, "image/png")

            def page(self) -> None:
                self._answer(b"<script>alert(1)</script>", "text/html")

            def liar(self) -> None:
                self._answer(b"<svg onload=alert(1)>", "image/jpeg")

            def huge(self) -> None:
                self._answer(JPEG + bytes(50_000), "image/jpeg")

            def elsewhere(self) -> None:
                self._answer(b"", "image/jpeg", status=302, Location="/jpeg")

            def ill(self) -> None:
                self._answer(b"", "image/jpeg", status=500)

            def packed(self) -> None:
                self._answer(JPEG, "image/jpeg", Content_Encoding="gzip")

            def slow(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "image/jpeg")
                self.end_headers()
                for _ in range(200):
                    self.wfile.write(b"\xff")
                    time.sleep(0.02)

            def mjpeg(self) -> None:
                self._stream(lengths=True)

            def mjpeg_without_lengths(self) -> None:
                self._stream(lengths=False)

            def mjpeg_of_pages(self) -> None:
                self._stream(lengths=True, frame=b"<html>")

            def _stream(self, *, lengths: bool, frame: bytes = JPEG) -> None:
                camera.streams += 1
                camera.opened += 1
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", 'multipart/x-mixed-replace; boundary="--frame"')
                    self.end_headers()
                    for _ in range(camera.most_frames):
                        length = f"Content-Length: {len(frame)}\r\n" if lengths else ""
                        self.wfile.write(f"--frame\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode())
                        self.wfile.write(frame + b"\r\n")
                        time.sleep(0.01)
                finally:
                    camera.streams -= 1

        return Handler


@contextmanager
def fake_camera() -> Iterator[FakeCamera]:
    camera = FakeCamera()
    thread = threading.Thread(target=camera.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        camera.server.shutdown()
        camera.server.server_close()
        thread.join(5)
