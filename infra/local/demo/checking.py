"""Says what is wrong with a finished job, its callback and its video. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from infra.local.demo.probing import Video

FPS = 25  # the contract's: exactly floor(audio seconds * 25) frames at 25/1
# ffprobe and a decoder may differ by a part of a sample on where the audio ends
ROUNDING_SEC = 1e-4


def job_faults(job: Mapping[str, Any]) -> list[str]:
    """Gives what a succeeded job must have and this one has not."""
    if job["status"] != "succeeded":
        error = job["error"] or {}
        return [f"the job ended as {job['status']}: {error.get('code')} ({error.get('message')})"]
    faults = []
    if job["progress"] != 1.0:
        faults.append(f"the job's progress is {job['progress']} and not 1.0")
    if not job["output_url"]:
        faults.append("the job has no output_url")
    return faults


def callback_faults(callback: Mapping[str, Any], job: Mapping[str, Any]) -> list[str]:
    """Gives where the callback's body and the job as GET shows it differ."""
    expected = {"type": f"avatar.job.{job['status']}", "id": job["id"], "status": job["status"], "done": True}
    return [
        f"the callback says {name} {callback.get(name)!r} instead of {value!r}"
        for name, value in expected.items()
        if callback.get(name) != value
    ]


def video_faults(video: Video, audio_sec: float | None, metrics: Mapping[str, Any]) -> list[str]:
    """Gives what is wrong with the video; audio_sec: the length of the voice track, None when unknown."""
    faults = []
    if audio_sec is not None and video.frames not in _right_frames(audio_sec):
        faults.append(f"the video has {video.frames} frames for {audio_sec:.3f} s of audio")
    if metrics.get("frames") not in (None, video.frames):
        faults.append(f"the job's metrics say {metrics['frames']} frames, the file has {video.frames}")
    if video.fps != f"{FPS}/1":
        faults.append(f"the video runs at {video.fps} frames a second and not at {FPS}/1")
    if video.video_codec != "h264" or video.audio_codec != "aac":
        faults.append(f"the streams are {video.video_codec} and {video.audio_codec} instead of h264 and aac")
    if video.width % 2 or video.height % 2:
        faults.append(f"the size {video.width}x{video.height} is not even")
    return faults


def _right_frames(audio_sec: float) -> set[int]:
    return {math.floor((audio_sec - ROUNDING_SEC) * FPS), math.floor((audio_sec + ROUNDING_SEC) * FPS)}
