"""Waits for what another process or thread does: polls a condition instead of sleeping for a guessed time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")
PATIENCE_SEC = 30.0  # long enough for a loaded machine; a wait that succeeds ends at once
SHORTEST_PAUSE_SEC, LONGEST_PAUSE_SEC = 0.01, 0.1  # between two looks: it grows, so that a long wait costs little


def eventually(
    look: Callable[[], Value | None], timeout_sec: float = PATIENCE_SEC, what: str = "the condition"
) -> Value:
    """Polls until `look` gives something truthy and returns it.

    timeout_sec: after this time the test fails; what: names the condition in the failure.
    Raises AssertionError when the time is over.
    """
    ends_at = time.monotonic() + timeout_sec
    pause_sec = SHORTEST_PAUSE_SEC
    while True:
        is_last = time.monotonic() >= ends_at  # read before the look, so that the last look comes after the time's end
        if found := look():
            return found
        assert not is_last, f"{what} did not come true within {timeout_sec} s; last seen: {found!r}"
        time.sleep(pause_sec)
        pause_sec = min(pause_sec * 1.5, LONGEST_PAUSE_SEC)


def never(look: Callable[[], object], for_sec: float, what: str = "the condition") -> None:
    """Polls for `for_sec` seconds and fails as soon as `look` gives something truthy.

    A slow machine can make this check weaker, but cannot make it fail.
    """
    ends_at = time.monotonic() + for_sec
    while time.monotonic() < ends_at:
        found = look()
        assert not found, f"{what} came true: {found!r}"
        time.sleep(SHORTEST_PAUSE_SEC)


@contextmanager
def within(limit_sec: float) -> Iterator[None]:
    """Fails when the block takes longer than `limit_sec` seconds.

    Such a promise is made for a machine that is not overloaded. So the time in which some process of this machine
    waited for a core is given back, but never more than the limit once more: what hangs is found on every machine.
    """
    began, waited = time.monotonic(), _seconds_without_a_core()
    yield
    took = time.monotonic() - began
    given_back = min(_seconds_without_a_core() - waited, limit_sec)
    assert took - given_back < limit_sec, f"it took {took:.1f} s, {given_back:.1f} s of them given back"


def _seconds_without_a_core() -> float:
    """Returns the total of Linux's pressure stall information for the CPU, 0.0 where there is none."""
    with suppress(OSError):
        for line in Path("/proc/pressure/cpu").read_text().splitlines():
            if line.startswith("some "):
                return int(line.rpartition("total=")[2]) / 1e6
    return 0.0
