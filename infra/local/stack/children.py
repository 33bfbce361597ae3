"""Keeps the rehearsal's processes together: started by name, watched, ended as one."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from infra.local.json_logs import log_event
from infra.local.processes import NEW_GROUP, kill_group, spawn

GRACE_SEC = 5.0  # the simulator ends its workers within 3 s; all must be gone 10 s after the signal


class Children:
    """All processes of one launcher; each leads a group of its own, so that nothing it started outlives it."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> subprocess.Popen[bytes]:
        """Starts a process in `directory` with exactly this environment; call it from the main thread."""
        process = spawn(command, environment, directory, process_group=NEW_GROUP)
        log_event("child_started", child=name, pid=process.pid)
        self._running[name] = process
        return process

    def ended(self) -> dict[str, int]:
        """Gives the exit codes of those that are no longer there, by name."""
        codes = {name: process.poll() for name, process in self._running.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def stop(self) -> None:
        """Ends all with SIGTERM, within the grace, and kills what is left of their groups."""
        deadline = time.monotonic() + GRACE_SEC
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
            kill_group(process.pid)
            process.wait()
        log_event("children_stopped", exit_codes={name: child.returncode for name, child in self._running.items()})
