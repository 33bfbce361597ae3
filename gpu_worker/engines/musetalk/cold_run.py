"""One run of upstream's program: its files in a private directory, its process, and the check of its video."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_worker.adapters.media_tools import MediaTools, ToolFailure, ToolRunner, ToolTimeout
from gpu_worker.adapters.process_groups import Ending, Program, Watch, run_group
from gpu_worker.domain.failures import JobError, disk_is_full
from gpu_worker.domain.progress import Phase, RunProgress
from gpu_worker.engines.musetalk import budget, command, media, verdict
from gpu_worker.engines.musetalk.transcript import Transcript
from gpu_worker.engines.port import PreparedInputs, Rendered

LEAST_FREE_BYTES = 64 * 1024 * 1024  # with less, pictures were lost: upstream ignores a failed write


@dataclass(frozen=True)
class ColdSettings:
    """The settings of the engine.

    work_dir: the checkout; result_dir: where each run gets a private directory; python: the interpreter with upstream's
    libraries; stall_sec: how long a working program may be silent; outer: the worker's environment; on_node: whether
    this is a Salad node, whose GPU is checked before the first job.
    """

    work_dir: Path
    result_dir: Path
    python: Path
    batch_size: int
    half_precision: bool
    stall_sec: float
    outer: Mapping[str, str]
    on_node: bool = False


class ColdRun:
    """One run of the program."""

    def __init__(
        self,
        settings: ColdSettings,
        files: command.Files,
        inputs: PreparedInputs,
        runner: ToolRunner,
        progress: RunProgress,
    ) -> None:
        self._settings = settings
        self._files = files
        self._inputs = inputs
        self._runner = runner
        self._progress = progress
        self._transcript = Transcript(time.monotonic())
        self._least_free = self._free_bytes()
        self._ended_at = 0.0

    def lay_out(self, tools: MediaTools) -> None:
        """Writes and links all files that the program reads."""
        if self._least_free < budget.disk_bytes(self._inputs):
            raise disk_is_full(f"{self._least_free} bytes are free")
        files = self._files
        files.programs.mkdir()
        (files.programs / "ffmpeg").symlink_to(tools.ffmpeg)  # upstream calls it by this name
        files.video.symlink_to(self._inputs.video)
        media.write_voice(self._runner, self._inputs, files.audio)
        files.task.write_text(command.task_yaml(files), encoding="utf-8")

    def follow_program(self) -> Ending:
        """Runs the program until it ends, or until a limit or the run's control ends it."""
        settings, limits = self._settings, budget.time_limits(self._inputs, self._settings.stall_sec)
        program = Program(
            command.arguments(
                settings.python, self._files, batch_size=settings.batch_size, half_precision=settings.half_precision
            ),
            command.environment(settings.outer, self._files),
            settings.work_dir,
        )
        watch = Watch(self._runner.control.check, self._read_line, self._sample, self._growth)
        ending = run_group(program, watch, limit_sec=limits.limit_sec, stall_sec=limits.stall_sec)
        self._ended_at = time.monotonic()
        return ending

    def judge(self, ending: Ending) -> None:
        """Raises JobError unless the program left a video of all its frames, with sound."""
        failure = verdict.judge_ending(ending, self._transcript)
        if failure is None:
            failure = self._judge_file()
        if failure is None:
            return
        if self._least_free < LEAST_FREE_BYTES:
            raise disk_is_full(failure.detail)
        raise failure

    def finish(self) -> Rendered:
        """Joins the program's pictures with the app's own sound, in a file outside of this run's directory."""
        output = self._inputs.work_dir / "output.mp4"
        self._enter(Phase.ENCODING)
        try:
            media.join(self._runner, self._files.made, self._inputs.audio, output)
        except (ToolFailure, ToolTimeout) as failure:
            detail = failure.tail if isinstance(failure, ToolFailure) else str(failure)
            raise verdict.no_video(detail) from failure
        facts = self._gpu_facts()
        return Rendered(
            output,
            generation_sec=self._transcript.generation_sec(),
            peak_vram_mib=facts.get("peak_vram_mib"),
            gpu_class=facts.get("gpu_class"),
            stage_times=self._transcript.stage_times(self._ended_at),
        )

    def _judge_file(self) -> JobError | None:
        try:
            if self._files.made.stat().st_mtime_ns < self._files.task.stat().st_mtime_ns:
                return verdict.no_video("it is older than this run")
            frames, has_sound = media.count(self._runner, self._files.made)
        except (OSError, ToolFailure, ToolTimeout, ValueError) as error:
            return verdict.no_video(f"{error}\n" + "\n".join(self._transcript.tail))
        return verdict.judge_video(frames, has_sound, self._inputs.frames, self._transcript)

    def _read_line(self, line: str) -> None:
        self._transcript.add(line, time.monotonic())
        is_generated, fraction = self._transcript.progress()
        if is_generated:
            self._enter(Phase.ENCODING)
        self._progress.advance(fraction)

    def _enter(self, phase: Phase) -> None:
        if self._progress.snapshot().phase is not phase:
            self._progress.enter(phase)

    def _sample(self, members: Sequence[int]) -> None:
        self._runner.memory.sample(*members)
        self._least_free = min(self._least_free, self._free_bytes())

    def _growth(self) -> int:
        """Returns the bytes of all files of the run: a sign of life of encoders and picture loops, which print
        nothing."""
        return sum(map(_size, self._files.directory.rglob("*")))

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._files.directory).free

    def _gpu_facts(self) -> Mapping[str, Any]:
        try:
            found = json.loads(self._files.gpu_facts.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # a program that ended before its hooks ran; the facts are telemetry only
            return {}
        return found if isinstance(found, dict) else {}


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # removed since it was listed
        return 0
