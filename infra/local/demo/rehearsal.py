"""Starts the rehearsal as a child process and reads its ready line."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.local.demo import DemoError
from infra.tools.package import ROOT

START_SEC = 90.0  # ready in a few seconds; the launcher's own limits end first and say what is missing
STOP_SEC = 15.0  # the launcher ends within 10 s
LOG_LINES_SHOWN = 5


@contextmanager
def running_rehearsal(log: Path) -> Iterator[dict[str, Any]]:
    """Runs a rehearsal for the length of the block and yields its ready line. log: the file that its log goes to.

    Its settings (STORE and the others) are taken from our environment. Raises DemoError when it does not start.
    """
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local.stack"],
            cwd=ROOT,
            env={"SCALED_MAX": "2", **os.environ},  # lets the tick add up to two replicas
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log_file,
            process_group=0,  # Ctrl-C must reach only the demo, which then ends the rehearsal
        )
        try:
            yield _ready_line(process, log)
        finally:
            _stop(process)


def _ready_line(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101  it was opened as a pipe
    deadline = time.monotonic() + START_SEC
    received = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while b"\n" not in received:
            if not selector.select(timeout=max(0.0, deadline - time.monotonic())):
                raise DemoError(f"the rehearsal was not ready within {START_SEC:.0f} s; its log: {log}")
            chunk = os.read(process.stdout.fileno(), 65_536)
            if not chunk:
                raise DemoError(f"the rehearsal did not start; its log {log} ends with:\n{_tail(log)}")
            received += chunk
    line: dict[str, Any] = json.loads(received)
    return line


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=STOP_SEC)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
