"""Checks which children of the launcher start again after their end, and when."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from infra.local.stack.children import LONGEST_PAUSE_SEC, MAX_FAILED_STARTS, SOON_SEC, Child, Children
from tests.support.waiting import eventually

NO_PROCESS: subprocess.Popen[bytes] = subprocess.Popen.__new__(subprocess.Popen)
NO_PROCESS.returncode = 0  # it was never started, and Popen's end asks


def child(*, starts_again: bool = True) -> Child:
    return Child("part", ["true"], {}, Path("/"), starts_again, NO_PROCESS, started_at=0.0)


def test_the_pause_before_a_start_doubles_up_to_a_limit_and_is_short_again_after_a_long_life() -> None:
    one = child()
    pauses = []
    for _ in range(12):
        assert one.plan_restart(-signal.SIGKILL, now=1.0)
        assert one.due is not None
        pauses.append(one.due - 1.0)
    assert pauses == sorted(pauses)
    assert pauses[0] < 1.0
    assert pauses[-1] == LONGEST_PAUSE_SEC
    assert one.plan_restart(-signal.SIGKILL, now=SOON_SEC + 1.0)
    assert one.due is not None
    assert one.due - (SOON_SEC + 1.0) < pauses[0]


def test_a_child_that_always_fails_at_its_start_is_given_up_and_one_that_is_killed_is_not() -> None:
    failing, killed = child(), child()
    assert [failing.plan_restart(1, now=1.0) for _ in range(MAX_FAILED_STARTS)] == [True] * (MAX_FAILED_STARTS - 1) + [
        False
    ]
    assert all(killed.plan_restart(-signal.SIGKILL, now=1.0) for _ in range(20))


def test_a_child_that_cannot_start_again_is_lost_at_once() -> None:
    assert not child(starts_again=False).plan_restart(-signal.SIGKILL, now=100.0)


def test_a_killed_child_is_another_process_soon_and_all_end_together(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    children = Children()
    children.start("sleeper", ["sleep", "60"], {"PATH": os.environ["PATH"]}, tmp_path)
    try:
        first = pid_of(capfd)
        os.kill(first, signal.SIGKILL)
        second = eventually(lambda: None if children.tend() else pid_of(capfd))
        assert second != first
        assert children.ended() == {}
        os.kill(second, signal.SIGSTOP)  # one that is stopped ends with the others, too
    finally:
        children.stop()
    assert children.ended() == {"sleeper": -signal.SIGTERM}


def pid_of(capfd: pytest.CaptureFixture[str]) -> int:
    """Returns the process id in the last child_started line since the former call, 0 without one."""
    found = [line for line in capfd.readouterr().err.splitlines() if "child_started" in line]
    return int(found[-1].rpartition('"pid": ')[2].rstrip("}")) if found else 0
