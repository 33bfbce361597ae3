"""The port between a run and whatever makes the talking head."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gpu_worker.adapters.media_tools import ToolRunner
from gpu_worker.domain.progress import RunProgress


class EngineNotAllowed(Exception):  # noqa: N818  the name says what is wrong
    """This engine must not serve in this environment; the message says why."""


class HopelessHardware(Exception):  # noqa: N818  the name says what is wrong
    """This node will never make a video, whatever the job; the message says why, for Salad's record of it."""


@dataclass(frozen=True)
class PreparedInputs:
    """What an engine works on. video: H.264 MP4 of `video_frames` frames at 25 fps, width x height, upright, square
    pixels; audio: PCM WAV of audio_sec seconds; frames: how many the output must have; work_dir: private space."""

    video: Path
    audio: Path
    width: int
    height: int
    video_frames: int
    frames: int
    audio_sec: float
    work_dir: Path
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Rendered:
    """What an engine made. video: the MP4; the rest was measured, or is None. generation_sec: the model's own time;
    stage_times: seconds of the engine's own stages, by its names for them."""

    video: Path
    generation_sec: float | None = None
    peak_vram_mib: float | None = None
    gpu_class: str | None = None
    stage_times: Mapping[str, float] = field(default_factory=dict)


class Engine(Protocol):
    """Makes videos, one at a time. An engine may keep models warm between jobs."""

    @property
    def name(self) -> str:
        """The name in `metrics.engine`."""
        ...

    @property
    def version(self) -> str:
        """Which one of that name: the model's commit, or the worker's own version."""
        ...

    def start(self) -> None:
        """Loads what is needed; returns when jobs can be taken; raises when they never will."""
        ...

    def is_ready(self) -> bool:
        """Returns whether a job can be taken; answers at once, also while a job runs."""
        ...

    def render(self, inputs: PreparedInputs, runner: ToolRunner, progress: RunProgress) -> Rendered:
        """Makes one video: enters the phases generating and encoding, advances them, and calls
        runner.control.check at least once a second. Raises JobError, and what check raises."""
        ...

    def stop(self) -> None:
        """Frees everything; no job comes afterwards."""
        ...
