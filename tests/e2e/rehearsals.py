"""Starts rehearsals for the end-to-end tests and finds the processes that belong to one."""

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import descendants, is_alive

ROOT = Path(__file__).resolve().parents[2]
START_SEC = 90.0
LAUNCHER = (sys.executable, "-m", "infra.local.stack")


@dataclass(frozen=True)
class Rehearsal:
    """A running rehearsal. process: the launcher, or make; ready: its ready line."""

    process: subprocess.Popen[bytes]
    ready: dict[str, Any]
    log: Path


@contextmanager
def rehearsal(directory: Path, command: tuple[str, ...] = LAUNCHER, **settings: str) -> Iterator[Rehearsal]:
    """Runs a rehearsal in a process group of its own, with its log in `directory`; kills what is left afterwards."""
    log = directory / "rehearsal.log"
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "REPLICAS": "1", **settings},
            stdout=subprocess.PIPE,
            stderr=log_file,
            process_group=0,
        )
    try:
        yield Rehearsal(process, _first_line(process, log), log)
    finally:
        left = descendants(process.pid)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        for pid in [process.pid, *left]:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _first_line(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(START_SEC), f"no ready line within {START_SEC} s; see {log}"
    line = process.stdout.readline()
    assert line, f"it ended without a ready line: {log.read_text()[-3000:]}"
    parsed: dict[str, Any] = json.loads(line)
    return parsed
