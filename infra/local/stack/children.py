"""Starts the rehearsal's processes by name, waits until they are ready, starts anew what ended, ends them together."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from infra.local.json_logs import log_event
from infra.local.processes import NEW_GROUP, kill_group, spawn

POLL_SEC = 0.1
PROBE_SEC = 2.0
# A child that ended starts again after a pause, which doubles while it ends soon after each start.
FIRST_PAUSE_SEC, LONGEST_PAUSE_SEC = 0.2, 5.0
SOON_SEC = 5.0
MAX_FAILED_STARTS = 5  # a child that ends by itself so often in a row, each time soon, cannot run: the rehearsal ends
GRACE_SEC = 5.0  # the simulator ends its workers within 3 s; every process must end within 10 s of the signal


class StartError(Exception):
    """The rehearsal cannot start; the message names the part and the reason."""


class StopRequested(Exception):  # noqa: N818  not an error: the user stopped it
    """A signal came while the rehearsal was starting."""


@dataclass
class Child:
    """One process and how to start it again. due: monotonic seconds of its next start, None while it runs.

    soon: how often in a row it ended soon after its start; failed: how often of these by itself, not by a signal.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    starts_again: bool
    process: subprocess.Popen[bytes]
    started_at: float
    soon: int = 0
    failed: int = 0
    due: float | None = None

    def plan_restart(self, code: int, now: float) -> bool:
        """Decides when the child starts again after it ended with this code. Returns False when it never does."""
        ended_soon = now - self.started_at < SOON_SEC
        self.soon = self.soon + 1 if ended_soon else 0
        self.failed = self.failed + 1 if ended_soon and code >= 0 else 0
        if not self.starts_again or self.failed >= MAX_FAILED_STARTS:
            return False
        pause = min(FIRST_PAUSE_SEC * 2.0 ** min(self.soon, 10), LONGEST_PAUSE_SEC)
        self.due = now + pause
        log_event("child_ended", child=self.name, exit_code=code, starts_again_in_sec=pause)
        return True


class Children:
    """The processes of one launcher. Each leads a process group of its own, so that its own children end with it."""

    def __init__(self) -> None:
        self._children: dict[str, Child] = {}

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        *,
        starts_again: bool = True,
    ) -> None:
        """Starts a process in `directory` with exactly this environment; call it from the main thread.

        starts_again: tend() starts it anew when it has ended.
        """
        process = _spawned(name, command, environment, directory)
        self._children[name] = Child(name, command, environment, directory, starts_again, process, time.monotonic())

    def ended(self) -> dict[str, int]:
        """Returns the exit codes of the processes that have ended, by name."""
        codes = {name: child.process.poll() for name, child in self._children.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def tend(self) -> dict[str, int]:
        """Starts anew what ended, after its pause; call it from the main thread, again and again.

        Returns the exit codes of the children that do not start again, by name: without them there is no rehearsal.
        """
        lost: dict[str, int] = {}
        now = time.monotonic()
        for name, code in self.ended().items():
            child = self._children[name]
            if child.due is None:
                kill_group(child.process.pid)  # its own children hold its port
                if not child.plan_restart(code, now):
                    lost[name] = code
            elif now >= child.due:
                child.process = _spawned(name, child.command, child.environment, child.directory)
                child.started_at, child.due = now, None
        return lost

    def stop(self) -> None:
        """Sends SIGTERM to all, waits up to GRACE_SEC, then kills what is left of their process groups."""
        deadline = time.monotonic() + GRACE_SEC
        running = [child.process for child in self._children.values()]
        for process in running:
            if process.poll() is None:
                process.terminate()
                process.send_signal(signal.SIGCONT)  # one that was stopped would not see the other signal
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
            kill_group(process.pid)
            process.wait()
        log_event("children_stopped", exit_codes=self.ended())


def _spawned(
    name: str, command: Sequence[str], environment: Mapping[str, str], directory: Path
) -> subprocess.Popen[bytes]:
    process = spawn(command, environment, directory, process_group=NEW_GROUP)
    log_event("child_started", child=name, pid=process.pid)
    return process


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
