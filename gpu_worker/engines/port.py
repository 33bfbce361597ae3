"""The port between a run and the engine that makes the video."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gpu_worker.adapters.media_tools import ToolRunner
from gpu_worker.domain.progress import RunProgress


class EngineNotAllowed(Exception):  # noqa: N818  the name says what is wrong
    """An engine that must not run in this environment; the message says why."""


class HopelessHardware(Exception):  # noqa: N818  the name says what is wrong
    """A node that can never make a video, whatever the job; the message says why, also to Salad."""


@dataclass(frozen=True)
class PreparedInputs:
    """The inputs of an engine.

    video: H.264 MP4 of `video_frames` frames at 25 fps, width x height, upright, square pixels; audio: PCM WAV of
    audio_sec seconds; frames: how many the output must have; work_dir: scratch space of this run alone.
    """

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
    """The result of an engine. video: the MP4; everything else was measured, or is None. generation_sec: the time of
    the model alone; stage_times: seconds of the engine's own stages, by its names for them."""

    video: Path
    generation_sec: float | None = None
    peak_vram_mib: float | None = None
    gpu_class: str | None = None
    stage_times: Mapping[str, float] = field(default_factory=dict)


class Engine(Protocol):
    """The maker of videos: one at a time; it may keep its models loaded between jobs."""

    @property
    def name(self) -> str:
        """The name in `metrics.engine`."""
        ...

    @property
    def version(self) -> str:
        """The version: the model's commit, or the worker's own version."""
        ...

    def start(self) -> None:
        """Loads what is needed; returns when jobs can be accepted, and raises when they never can be."""
        ...

    def is_ready(self) -> bool:
        """Returns at once, also while a job runs, whether a job can be accepted."""
        ...

    def render(self, inputs: PreparedInputs, runner: ToolRunner, progress: RunProgress) -> Rendered:
        """Makes one video: enters the phases generating and encoding, advances them, and calls
        runner.control.check at least once a second. Raises JobError, and what check raises."""
        ...

    def stop(self) -> None:
        """Frees everything; no call may follow."""
        ...
