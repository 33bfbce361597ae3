"""Waits for servers to answer, and notices at once when one of them dies instead."""

import time
from collections.abc import Callable

import requests

from infra.local.stack.children import Children

POLL_SEC = 0.1
PROBE_SEC = 2.0


class StartError(Exception):
    """The rehearsal cannot start; the message says what and why."""


class StopRequested(Exception):  # noqa: N818  not an error: the user changed their mind
    """A signal came while the rehearsal was starting."""


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
