"""Runs a long program in its own process group: passes its output on by line, limits its time, ends the whole group."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

GUARD = Path(__file__).with_name("group_guard.py")
POLL_SEC = 0.1  # how often a silent program is checked: the delay of a cancellation, which may take 5 s in all
WATCH_SEC = 0.5  # how often memory and disk are sampled; a scan of /proc costs a millisecond
READ_BYTES = 64 * 1024
MAX_LINE = 2000  # characters of one line that are passed on; a progress bar's line has about a hundred
KILL_WAIT_SEC = 4.0  # the kernel ends a killed process at once unless it hangs in a driver; a cancel has 5 s in all
KILL_POLL_SEC = 0.01
KILLED = 128  # group_guard.py adds this to the number of a signal
LINE_END = re.compile(rb"[\r\n]")  # progress bars end their lines with a carriage return


@dataclass(frozen=True)
class Program:
    """A program to run. command: the argument list, starting with an absolute path; environment: the whole of it."""

    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path


@dataclass(frozen=True)
class Ending:
    """How a program ended. status: its exit status, None when a limit or a signal ended it; signal: the one that killed
    it from outside, else None; limit: `time` or `stall` when that limit ended it, else None."""

    status: int | None
    signal: int | None = None
    limit: str | None = None


@dataclass(frozen=True)
class Watch:
    """The callbacks for a running program.

    check: raises when the run must stop; on_line: called with each line of both outputs, without its line end;
    on_sample: called every WATCH_SEC with the group's process ids; sign_of_life: returns any value that changes while
    the program works, even when it prints nothing.
    """

    check: Callable[[], None]
    on_line: Callable[[str], None]
    on_sample: Callable[[Sequence[int]], None]
    sign_of_life: Callable[[], object]


def run_group(program: Program, watch: Watch, *, limit_sec: float, stall_sec: float) -> Ending:
    """Runs a program to its end, or ends it: after limit_sec, after stall_sec without output or another sign of life,
    or when check raises (this exception is passed on). In every case its whole process group is gone afterwards.
    Raises OSError when the program cannot be started."""
    with _started(program) as process:
        if process.stdout is None:
            raise AssertionError("the output was asked for")
        os.set_blocking(process.stdout.fileno(), False)
        return _follow(process, process.stdout, watch, limit_sec, stall_sec)


def group_members(group: int) -> list[int]:
    """Returns the process ids of a process group (proc(5): the fifth field of stat); empty where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # the process has ended in between
            continue
        if len(fields) > 2 and int(fields[2]) == group and fields[0] not in ("Z", "X"):
            found.append(int(entry.name))
    return found


def _follow(
    process: subprocess.Popen[bytes], output: IO[bytes], watch: Watch, limit_sec: float, stall_sec: float
) -> Ending:
    lines = _Lines(watch.on_line)
    begin = alive_at = time.monotonic()
    last_sign, look_at = watch.sign_of_life(), begin
    while True:
        is_over = _has_ended(process.pid)  # asked before the read, so that its last output is in the pipe
        if lines.take(output):
            alive_at = time.monotonic()
        elif is_over:
            lines.close()
            return _ending(_kill_group(process))
        watch.check()
        now = time.monotonic()
        if now >= look_at:
            look_at = now + WATCH_SEC
            watch.on_sample(group_members(process.pid))
            sign = watch.sign_of_life()
            alive_at, last_sign = (alive_at if sign == last_sign else now), sign
        if now - begin > limit_sec:
            return Ending(None, limit="time")
        if now - alive_at > stall_sec:
            return Ending(None, limit="stall")
        if not is_over:
            select.select([output], [], [], POLL_SEC)


class _Lines:
    """Cuts a stream of bytes into lines."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def take(self, output: IO[bytes]) -> bool:
        """Reads what is available now; returns whether there was anything."""
        data = output.read(READ_BYTES)
        if not data:
            return False
        *whole, self._rest = LINE_END.split(self._rest + data)
        self._rest = self._rest[-READ_BYTES:]
        for line in whole:
            self._pass_on(line)
        return True

    def close(self) -> None:
        """Passes on what came without an end of line."""
        self._pass_on(self._rest)

    def _pass_on(self, line: bytes) -> None:
        text = line.decode(errors="replace").strip()
        if text:
            self._on_line(text[:MAX_LINE])


def _has_ended(pid: int) -> bool:
    """Returns whether the process has ended, without reaping it: its id must stay its own until its group is killed."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _ending(status: int) -> Ending:
    """Translates the guard's exit status; it is negative when the guard itself was killed."""
    if status < 0:
        return Ending(None, signal=-status)
    return Ending(None, signal=status - KILLED) if status > KILLED else Ending(status)


@contextmanager
def _started(program: Program) -> Iterator[subprocess.Popen[bytes]]:
    guarded, owner = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), str(guarded), *program.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(program.environment),
            cwd=program.directory,
            start_new_session=True,
            pass_fds=[guarded],
        )
    except OSError:
        os.close(owner)
        raise
    finally:
        os.close(guarded)
    try:
        with process:
            try:
                yield process
            finally:
                _kill_group(process)
    finally:
        os.close(owner)


def _kill_group(process: subprocess.Popen[bytes]) -> int:
    """Kills what is left of the group before its leader is reaped, because its id may be reused afterwards. Returns the
    leader's status."""
    if process.returncode is not None:
        return process.returncode
    os.killpg(process.pid, signal.SIGKILL)
    give_up = time.monotonic() + KILL_WAIT_SEC
    while group_members(process.pid) and time.monotonic() < give_up:
        time.sleep(KILL_POLL_SEC)  # noqa: TID251  nothing tells when the kernel is done, some milliseconds later
    return process.wait()
