"""Stage 5: checks the file that the engine made, independently of the engine, against what was asked for."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from gpu_worker.adapters.media_tools import ToolFailure, ToolRunner, ToolTimeout
from gpu_worker.domain import messages
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.media.frames import COUNT_SEC, FPS

AUDIO_TOLERANCE_SEC = 0.05  # AAC works in frames of 21 ms
AUDIO_RATE = 48_000  # Hz
MAX_ATOMS = 64  # top-level boxes of an MP4 that are read; the engines' files have four


@dataclass(frozen=True)
class Expected:
    """The properties that the output must have. audio_sec: the voice track's length."""

    width: int
    height: int
    frames: int
    audio_sec: float


@dataclass(frozen=True)
class Output:
    """A verified output file. duration_sec: of the video track."""

    path: Path
    size_bytes: int
    sha1: str
    duration_sec: float
    width: int
    height: int
    frames: int


def verify_output(runner: ToolRunner, path: Path, expected: Expected) -> Output:
    """Returns the verified file; raises JobError output_verification_failed that names every deviation."""
    arguments = ["-v", "error", "-count_packets", "-show_streams", "-of", "json", "-i", str(path)]
    try:
        answer = json.loads(runner.probe(arguments, COUNT_SEC).stdout)
        with path.open("rb") as file:
            atoms = top_level_atoms(file)
    except (ToolFailure, ToolTimeout, OSError, ValueError) as error:
        detail = error.tail if isinstance(error, ToolFailure) else str(error)
        raise _failed([messages.NOT_READABLE], detail) from error
    deviations = find_deviations(answer, expected)
    if "moov" not in atoms or "mdat" not in atoms or atoms.index("moov") > atoms.index("mdat"):
        deviations.append(messages.INDEX_NOT_FIRST)
    if deviations:
        raise _failed(deviations)
    with path.open("rb") as file:
        sha1 = hashlib.file_digest(file, "sha1").hexdigest()
    return Output(
        path=path,
        size_bytes=path.stat().st_size,
        sha1=sha1,
        duration_sec=expected.frames / FPS,
        width=expected.width,
        height=expected.height,
        frames=expected.frames,
    )


def find_deviations(answer: Mapping[str, Any], expected: Expected) -> list[str]:
    """Compares ffprobe's streams with what was asked for; returns one sentence part for each deviation."""
    videos = [stream for stream in answer.get("streams", []) if stream.get("codec_type") == "video"]
    audios = [stream for stream in answer.get("streams", []) if stream.get("codec_type") == "audio"]
    if len(videos) != 1 or len(audios) != 1:
        return [messages.wrong_tracks(len(videos), len(audios))]
    video, audio = videos[0], audios[0]
    wanted: list[tuple[str, object, object]] = [
        ("frames", int(video.get("nb_read_packets", 0)), expected.frames),
        ("frame rate", Fraction(video.get("r_frame_rate", "0/1")), Fraction(FPS)),
        ("average frame rate", Fraction(video.get("avg_frame_rate", "0/1")), Fraction(FPS)),
        ("width", video.get("width"), expected.width),
        ("height", video.get("height"), expected.height),
        ("video codec", video.get("codec_name"), "h264"),
        ("pixel format", video.get("pix_fmt"), "yuv420p"),
        ("audio codec", audio.get("codec_name"), "aac"),
        ("audio rate", int(audio.get("sample_rate", 0)), AUDIO_RATE),
    ]
    deviations = [messages.wrong_value(name, found, right) for name, found, right in wanted if found != right]
    deviations += _late("video", video, expected.frames / FPS, 1 / FPS)
    return deviations + _late("audio", audio, expected.audio_sec, AUDIO_TOLERANCE_SEC)


def top_level_atoms(file: BinaryIO) -> list[str]:
    """Returns the types of an MP4's top-level boxes in their order (ISO/IEC 14496-12, box header)."""
    types: list[str] = []
    while len(types) < MAX_ATOMS:
        header = file.read(8)
        if len(header) < 8:
            break
        size = int.from_bytes(header[:4], "big")
        types.append(header[4:].decode("latin-1"))
        if size == 1:  # the real size follows in 8 bytes
            size = int.from_bytes(file.read(8), "big") - 8
        if size < 8:  # 0: the box reaches to the end of the file
            break
        file.seek(size - 8, 1)
    return types


def _late(name: str, stream: Mapping[str, Any], right_sec: float, tolerance_sec: float) -> list[str]:
    found_sec = float(stream.get("duration", 0))
    if abs(found_sec - right_sec) <= tolerance_sec:
        return []
    return [messages.wrong_length(name, found_sec, right_sec)]


def _failed(deviations: list[str], detail: str = "") -> JobError:
    return JobError(ErrorCode.OUTPUT_VERIFICATION_FAILED, messages.check_failed(deviations), detail=detail)
