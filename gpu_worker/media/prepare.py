"""Stage 3: converts video and audio to the one form that engines work on."""

import math
import re
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpu_worker.adapters.media_tools import SAFE_INPUT, ToolFailure, ToolRunner, ToolTimeout
from gpu_worker.domain import messages
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.domain.geometry import Geometry
from gpu_worker.media.colours import TAGS, scaling_filters
from gpu_worker.media.damage import TOLERATED_SEC, TOLERATED_SHARE, Stretch, scan_audio, scan_video
from gpu_worker.media.frames import FPS, count_frames
from gpu_worker.media.probe import MAX_PIXELS, AudioFacts, VideoFacts

CONVERT_SEC = 600.0  # for one conversion on a slow node; the run's own deadline ends it earlier where there is less
SILENT_DB = -60.0  # loudest sample: below this there is not even a whisper; digital silence has -91
MAX_RATE = 48_000  # Hz: the rate of the output, and more than speech needs
MAX_SIDE = 8192  # pixels of one side of the output; common players decode no more
MIN_DECODED = 0.5  # part of the announced length that must decode; less means a truncated or damaged file
COMPLAINT = "[error]"  # what ffmpeg writes before an error when it names levels


@dataclass(frozen=True)
class AudioLimits:
    """The limits for the length of a voice track, seconds."""

    min_sec: float
    max_sec: float


@dataclass(frozen=True)
class PreparedAudio:
    """A voice track as PCM WAV. seconds: samples / rate; frames: how many whole video frames fit into it."""

    path: Path
    seconds: float
    frames: int


@dataclass(frozen=True)
class PreparedVideo:
    """A face video as H.264 MP4 with exactly `frames` frames at FPS."""

    path: Path
    frames: int


def prepare_audio(
    runner: ToolRunner, source: Path, target: Path, facts: AudioFacts, limits: AudioLimits
) -> PreparedAudio:
    """Decodes the first audio track to 16-bit WAV of at most 2 channels, and checks its length and loudness.

    Rates up to MAX_RATE are kept, since the number of frames is exact only in samples of the source.
    Raises JobError media_corrupt, input_too_short, input_too_long, audio_silent.
    """
    # ffmpeg decodes an AAC track to the end of its last packet; the samples after the edit list's end are padding
    last_sec = min(limits.max_sec + 1, facts.edited_sec or math.inf)
    report = _decode_audio(runner, source, target, last_sec, resample=facts.sample_rate > MAX_RATE)
    samples, rate = _measure(target)
    seconds = samples / rate
    expected_sec = 0.0 if facts.is_estimate else min(last_sec, facts.announced_sec or 0.0) * (1 - TOLERATED_SHARE)
    if COMPLAINT in report or seconds < expected_sec - TOLERATED_SEC:
        _check_complete(runner, source, last_sec, facts, report)
    if seconds < limits.min_sec:
        message = messages.voice_too_short(f"{seconds:.2f}", f"{limits.min_sec:g}")
        raise JobError(ErrorCode.INPUT_TOO_SHORT, message)
    if seconds > limits.max_sec:
        raise JobError(ErrorCode.INPUT_TOO_LONG, messages.voice_too_long(f"{limits.max_sec:g}"))
    if loudest_db(report) < SILENT_DB:
        raise JobError(ErrorCode.AUDIO_SILENT, messages.SILENT)
    return PreparedAudio(target, seconds, samples * FPS // rate)


def check_output_size(geometry: Geometry) -> None:
    """Raises JobError unsupported_media when the picture is so long and narrow that its output cannot be encoded."""
    if geometry.width * geometry.height > MAX_PIXELS or max(geometry.width, geometry.height) > MAX_SIDE:
        message = messages.output_too_large(f"{geometry.width}x{geometry.height}")
        raise JobError(ErrorCode.UNSUPPORTED_MEDIA, message)


def prepare_video(
    runner: ToolRunner,
    source: Path,
    target: Path,
    facts: VideoFacts,
    geometry: Geometry,
    max_frames: int,
    on_frame: Callable[[int], None],
) -> PreparedVideo:
    """Converts a video to at most max_frames upright, cropped, scaled 8-bit frames at FPS; raises JobError
    media_corrupt.

    Frames after the audio's end are not made, since they would never be shown. ffmpeg rotates the picture by its
    metadata before it applies the filters.
    """
    filters = (
        f"fps={FPS},crop={geometry.crop_width}:{geometry.crop_height}:{geometry.crop_x}:{geometry.crop_y}:exact=1,"
        f"{scaling_filters(facts.colours, min(facts.stored_width, facts.stored_height), geometry)}"
    )
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-bf", "0", *TAGS]  # only engines read it
    arguments = [*SAFE_INPUT, "-v", "error", "-i", str(source), "-map", "0:v:0", "-an", "-sn", "-dn", "-vf", filters]
    limit = ["-frames:v", str(max_frames), "-video_track_timescale", "12800", "-map_metadata", "-1", "-f", "mp4"]
    try:
        complaints = runner.convert([*arguments, *encoding, *limit, str(target)], CONVERT_SEC, on_frame).tail
        frames = count_frames(runner, target)
        damage = scan_video(runner, source, max_frames / FPS, facts.duration_sec) if complaints and frames else None
    except ToolFailure as failure:
        raise _undecodable(messages.VIDEO, failure.tail) from failure
    except ToolTimeout as error:
        raise _too_slow(messages.VIDEO) from error
    announced = min(max_frames, round((facts.duration_sec or 0) * FPS))
    if frames == 0 or frames < announced * MIN_DECODED:
        raise _undecodable(messages.VIDEO, f"{frames} of {announced} frames")
    if damage:
        raise _damaged(messages.VIDEO, messages.PICTURES, damage, complaints)
    return PreparedVideo(target, frames)


def loudest_db(report: str) -> float:
    """Returns the loudest sample from the output of volumedetect, dB of full scale; -inf when there is none."""
    found = re.search(r"max_volume: (-?[0-9.]+) dB", report)
    return float(found[1]) if found else float("-inf")


def _decode_audio(runner: ToolRunner, source: Path, target: Path, last_sec: float, *, resample: bool) -> str:
    rates = f":sample_rates={MAX_RATE}" if resample else ""
    chain = f"aformat=sample_fmts=s16:channel_layouts=mono|stereo{rates},volumedetect"
    arguments = [*SAFE_INPUT, "-v", "level+info", "-i", str(source), "-map", "0:a:0", "-vn"]
    output = [
        "-t",
        f"{last_sec:.6f}",
        "-af",
        chain,
        "-c:a",
        "pcm_s16le",
        "-map_metadata",
        "-1",
        "-f",
        "wav",
        str(target),
    ]
    try:
        return runner.convert([*arguments, *output], CONVERT_SEC).tail
    except ToolFailure as failure:
        raise _undecodable(messages.AUDIO, failure.tail) from failure
    except ToolTimeout as error:
        raise _too_slow(messages.AUDIO) from error


def _check_complete(runner: ToolRunner, source: Path, last_sec: float, facts: AudioFacts, report: str) -> None:
    """Raises JobError media_corrupt when a strict decode finds that sound is missing."""
    try:
        damage = scan_audio(runner, source, last_sec, facts.announced_sec)
    except ToolFailure as failure:
        raise _undecodable(messages.AUDIO, failure.tail) from failure
    except ToolTimeout as error:
        raise _too_slow(messages.AUDIO) from error
    if damage:
        raise _damaged(messages.AUDIO, messages.SOUND, damage, report)


def _measure(path: Path) -> tuple[int, int]:
    """Returns the number of samples in each channel of a WAV, and its rate."""
    try:
        with wave.open(str(path), "rb") as file:
            return file.getnframes(), file.getframerate()
    except (wave.Error, EOFError) as error:
        raise _undecodable(messages.AUDIO, str(error)) from error


def _undecodable(field: str, detail: str) -> JobError:
    return JobError(ErrorCode.MEDIA_CORRUPT, messages.undecodable(field), detail=detail)


def _damaged(field: str, what: str, damage: Stretch, detail: str) -> JobError:
    message = messages.damaged(field, what, f"{damage.begin_sec:.1f}", f"{damage.end_sec:.1f}")
    return JobError(ErrorCode.MEDIA_CORRUPT, message, detail=detail)


def _too_slow(field: str) -> JobError:
    return JobError(ErrorCode.MEDIA_CORRUPT, messages.decodes_too_slowly(field, f"{CONVERT_SEC:g}"))
