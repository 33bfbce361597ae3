"""Starts the rehearsal's processes by name, waits until they are ready, watches them and ends them together."""

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
GRACE_SEC = 5.0  # the simulator ends its workers within 3 s; every process must end within 10 s of the signal


class StartError(Exception):
    """The rehearsal cannot start; the message names the part and the reason."""


class StopRequested(Exception):  # noqa: N818  not an error: the user stopped it
    """A signal came while the rehearsal was starting."""


class Children:
    """The processes of one launcher. Each leads a process group of its own, so that its own children end with it."""

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
        """Returns the exit codes of the processes that have ended, by name."""
        codes = {name: process.poll() for name, process in self._running.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def stop(self) -> None:
        """Sends SIGTERM to all, waits up to GRACE_SEC, then kills what is left of their process groups."""
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
    """Waits until a part of the rehearsal is ready. should_stop: returns whether a signal has come."""

    def __init__(self, children: Children, should_stop: Callable[[], bool]) -> None:
        self._children = children
        self._should_stop = should_stop

    def wait(self, what: str, is_ready: Callable[[], bool], limit_sec: float) -> None:
        """Returns once is_ready() is true. Raises StartError (too late, or a child ended) or StopRequested."""
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
    """Returns whether the server answers with a status below 500."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(url, timeout=PROBE_SEC, allow_redirects=False).status_code < 500
    except requests.RequestException:
        return False


def has_running_instance(salad: str) -> bool:
    """Returns whether the Salad simulator at that URL runs at least one instance."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            state = session.get(f"{salad}/_sim/state", timeout=PROBE_SEC).json()
    except requests.RequestException:
        return False
    return any(instance["state"] == "running" for instance in state["instances"])
