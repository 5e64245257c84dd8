"""Two servers on one data folder: the second waits a little, then says who is there, and touches no machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.served import ROOT, end_hosts, free_port, served


def test_a_second_server_on_the_same_folder_ends_and_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    try:
        with served(folder, '[devices.bench]\ndriver = "manual"\n', {"mk3": "bench"}) as server:
            second = subprocess.run(
                [
                    *(sys.executable, "-m", "web.cli", "serve"),
                    *("--data", str(folder), "--port", str(free_port())),
                ],
                cwd=ROOT,
                env={**os.environ, "FABLAB_HANDOVER_S": "1"},
                capture_output=True,
                timeout=60,
            )
            said = (second.stdout + second.stderr).decode()
            assert second.returncode != 0
            assert "is served already, by the server with process" in said
            assert server.get("/api/health")
            server.kill()
            server.start()  # a dead server keeps nobody out
    finally:
        end_hosts(folder)
