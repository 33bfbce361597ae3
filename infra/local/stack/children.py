"""Keeps the rehearsal's processes together: started by name, watched, ended as one."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import requests

from infra.local.json_logs import log_event
from infra.local.processes import NEW_GROUP, kill_group, spawn

POLL_SEC = 0.1
PROBE_SEC = 2.0
GRACE_SEC = 5.0  # the simulator ends its workers within 3 s; all must be gone 10 s after the signal


class StartError(Exception):
    """The rehearsal cannot start; the message says what and why."""


class StopRequested(Exception):  # noqa: N818  not an error: the user changed their mind
    """A signal came while the rehearsal was starting."""


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


class Readiness:
    """Waits on behalf of one launcher. should_stop: says whether a signal came."""

    def __init__(self, children: Children, should_stop: Callable[[], bool]) -> None:
        self._children = children
        self._should_stop = should_stop

    def wait(self, what: str, is_ready: Callable[[], bool], limit_sec: float) -> None:
        """Returns when is_ready() says so; raises StartError after limit_sec or a child's end, or StopRequested."""
        deadline = time.monotonic() + limit_sec
        while not is_ready():
            self.check()
            if time.monotonic() >= deadline:
                raise StartError(f"{what} was not ready within {limit_sec:g} s")
            time.sleep(POLL_SEC)

    def check(self) -> None:
        """Raises StopRequested after a signal and StartError when a child ended."""
        if self._should_stop():
            raise StopRequested
        if ended := self._children.ended():
            raise StartError(f"ended while starting, with exit codes {ended}; its log lines are above")


def answers(url: str) -> bool:
    """Says whether the server gives any answer that is not its own failure."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(url, timeout=PROBE_SEC, allow_redirects=False).status_code < 500
    except requests.RequestException:
        return False


def has_running_instance(salad: str) -> bool:
    """Says whether the simulator at that origin runs at least one instance."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            state = session.get(f"{salad}/_sim/state", timeout=PROBE_SEC).json()
    except requests.RequestException:
        return False
    return any(instance["state"] == "running" for instance in state["instances"])
