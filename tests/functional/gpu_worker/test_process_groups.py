"""Programs in their own process group: lines as they come, exact endings, and no process left behind."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gpu_worker.adapters.process_groups import Ending, Program, Watch, group_members, run_group
from tests.support.processes import await_end, is_alive
from tests.support.waiting import within

ROOT = Path(__file__).parents[3]


class StoppedError(Exception):
    """The exception that a test's check raises."""


class Run:
    """One program under watch."""

    def __init__(self, directory: Path, code: str) -> None:
        self.lines: list[str] = []
        self.members: list[int] = []
        self.stops_when: Callable[[], bool] = lambda: False
        self.sign: object = 0
        self.program = Program(
            [sys.executable, "-u", "-c", textwrap.dedent(code)], {"PATH": "/usr/bin:/bin"}, directory
        )

    def follow(self, limit_sec: float = 20.0, stall_sec: float = 20.0) -> Ending:
        watch = Watch(self._check, self.lines.append, self._look, lambda: self.sign)
        return run_group(self.program, watch, limit_sec=limit_sec, stall_sec=stall_sec)

    def _check(self) -> None:
        if self.stops_when():
            raise StoppedError

    def _look(self, members: Sequence[int]) -> None:
        self.members = list(members) or self.members


def test_lines_of_both_outputs_come_in_their_order_and_progress_bars_line_by_line(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        "import sys; print('a'); sys.stderr.write('1/2 [\\r2/2 [\\n'); print('\\x00\\xff'); print('z', end='')",
    )
    assert run.follow() == Ending(0)
    assert run.lines[:3] == ["a", "1/2 [", "2/2 ["]
    assert run.lines[-1] == "z"


def test_a_line_without_an_end_costs_no_memory(tmp_path: Path) -> None:
    run = Run(tmp_path, "import sys; sys.stdout.write('x' * 10_000_000); print(); print('end')")
    assert run.follow() == Ending(0)
    assert (len(run.lines[0]), run.lines[-1]) == (2000, "end")


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("raise SystemExit(3)", Ending(3)),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", Ending(None, signal=9)),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", Ending(None, signal=11)),
    ],
)
def test_each_way_to_end_is_recognised(tmp_path: Path, code: str, ending: Ending) -> None:
    assert Run(tmp_path, code).follow() == ending


def test_processes_that_a_program_left_behind_end_with_it(tmp_path: Path) -> None:
    run = Run(tmp_path, "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)")
    assert run.follow() == Ending(0)
    assert not is_alive(int(run.lines[0]))


def test_a_program_over_its_time_and_a_silent_one_are_ended(tmp_path: Path) -> None:
    busy = Run(tmp_path, "import time\nwhile True: print('.'); time.sleep(0.05)")
    assert busy.follow(limit_sec=1.0, stall_sec=10.0) == Ending(None, limit="time")
    silent = Run(tmp_path, "import time; time.sleep(600)")
    assert silent.follow(limit_sec=30.0, stall_sec=1.0) == Ending(None, limit="stall")
    assert silent.members
    assert not any(map(is_alive, silent.members))


def test_a_silent_program_that_works_is_not_ended(tmp_path: Path) -> None:
    run = Run(tmp_path, "import time; time.sleep(2.5)")
    run.sign = type("Changing", (), {"__eq__": lambda self, other: False, "__hash__": None})()
    assert run.follow(stall_sec=1.0) == Ending(0)


def test_a_stop_ends_a_group_that_ignores_sigterm_and_is_passed_on(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        """
        import signal, subprocess, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(["sleep", "600"])
        print("up")
        time.sleep(600)
        """,
    )
    run.stops_when = lambda: "up" in run.lines and len(run.members) == 3  # guard, program, grandchild
    with within(10), pytest.raises(StoppedError):
        run.follow()
    assert not any(map(is_alive, run.members))


def test_the_group_dies_with_an_owner_that_is_killed(tmp_path: Path) -> None:
    owner_code = f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from gpu_worker.adapters.process_groups import Program, Watch, run_group
        shell = ["/bin/sh", "-c", "sleep 600 & echo $$; wait"]
        program = Program(shell, {{"PATH": "/usr/bin:/bin"}}, Path({str(tmp_path)!r}))
        run_group(program, Watch(lambda: None, lambda line: print(line, flush=True), lambda _: None, lambda: 0),
                  limit_sec=60, stall_sec=60)
    """
    command = [sys.executable, "-c", textwrap.dedent(owner_code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        shell = int(owner.stdout.readline())
        members = group_members(os.getpgid(shell))
        assert len(members) == 3
        owner.send_signal(signal.SIGKILL)
        owner.wait(10)
    await_end(members)


def test_a_program_that_cannot_be_started_raises(tmp_path: Path) -> None:
    run = Run(tmp_path, "")
    missing = Program(["/nowhere/python"], {}, tmp_path)
    watch = Watch(lambda: None, run.lines.append, lambda _: None, lambda: 0)
    assert run_group(missing, watch, limit_sec=10, stall_sec=10).status == 1
    assert "No such file" in " ".join(run.lines)
