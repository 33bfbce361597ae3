"""Runs the GPU worker as a process of its own and reads its log."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
B2_KEYS = {"B2_KEY_ID": "004key", "B2_APP_KEY": "app-key-secret", "B2_BUCKET_NAME": "avatar-outputs"}


class Process:
    """A child whose JSON lines on one stream are collected by a thread."""

    def __init__(self, module: str, environment: dict[str, str], stream: str = "stderr") -> None:
        is_stdout = stream == "stdout"
        path = {"PATH": os.environ["PATH"]}
        self.child = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=path | environment,
            stdout=subprocess.PIPE if is_stdout else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if is_stdout else subprocess.PIPE,
        )
        self.lines: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._collect, args=(getattr(self.child, stream),))
        self._thread.start()

    def _collect(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self.lines.append(json.loads(line))

    def event(self, name: str, **fields: Any) -> dict[str, Any]:
        """Waits for an event with these fields."""
        wanted = {"event": name} | fields

        def found() -> list[dict[str, Any]]:
            return [line for line in list(self.lines) if wanted.items() <= line.items()]

        eventually(lambda: found() or self.child.poll() is not None)
        assert found(), self.lines
        return found()[0]

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(10)
        self._thread.join(10)


class Worker(Process):
    """A worker that listens."""

    def __init__(self, work_dir: Path, **settings: Any) -> None:
        super().__init__("gpu_worker", {"PORT": "0", "REHEARSAL_MODE": "true", "WORK_DIR": str(work_dir)} | settings)
        self.url = f"http://127.0.0.1:{self.event('listening')['port']}"

    def get(self, path: str) -> tuple[int, Any, float]:
        """Returns status, body and seconds."""
        begin = time.monotonic()
        status, body = http("GET", f"{self.url}{path}")
        return status, body, time.monotonic() - begin

    def generate(self, job: Any) -> tuple[int, Any]:
        data = job if isinstance(job, bytes) else json.dumps(job).encode()
        return http("POST", f"{self.url}/generate", data)


def http(method: str, url: str, data: bytes | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def tools_of(pid: int) -> list[int]:
    """Returns the process ids of the ffmpeg children of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if parent == pid and b"ffmpeg" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


FAKE = Path(__file__).with_name("fake_musetalk")


def fake_musetalk(tmp_path: Path, fault: str) -> dict[str, str]:
    """Returns the settings of a worker whose MuseTalk fails with this fault."""
    checkout = tmp_path / "checkout"
    shutil.copytree(FAKE, checkout)
    (checkout / "fault").write_text(fault)
    return {"ENGINE": "musetalk_cold", "MUSETALK_WORKDIR": str(checkout), "MUSETALK_PYTHON": sys.executable}
