"""Stage 2: asks ffprobe what a downloaded file is, and decides whether a video can be made of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from gpu_worker.adapters.media_tools import SAFE_INPUT, ToolFailure, ToolRunner, ToolTimeout
from gpu_worker.domain import messages
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.media.colours import Colours, is_unconvertible, read_colours

PROBE_SEC = 30.0  # ffprobe reads a few MB of a local file; only a malicious file takes longer
BARE_STREAMS = frozenset(
    {"mp3", "aac", "ac3", "eac3", "amr"}
)  # without an index, so that ffprobe estimates their length
SURE_SCORE = 25  # ffprobe's lowest score for a short MP3; random bytes have a score of 1
MAX_PIXELS = 8_912_896  # 4096x2176, 4K in both its forms; the frames of larger ones do not fit into a node's memory


@dataclass(frozen=True)
class Downloaded:
    """A downloaded file. size_bytes, sha256: of its content; content_type: what the server called it."""

    path: Path
    size_bytes: int
    sha256: str
    content_type: str


@dataclass(frozen=True)
class VideoFacts:
    """The picture track that is used. stored_*: pixels after rotation; pixel_aspect: width of a pixel over its height;
    duration_sec: None where the file does not say."""

    codec: str
    stored_width: int
    stored_height: int
    pixel_aspect: Fraction
    duration_sec: float | None
    colours: Colours = field(default_factory=Colours)


@dataclass(frozen=True)
class AudioFacts:
    """The sound track that is used. sample_rate: Hz, 0 where the file does not say; edited_sec: the length that
    an MP4's edit list cuts the track to, None in other containers; announced_sec: the length that any container names;
    is_estimate: whether that was estimated from the size of the file."""

    codec: str
    sample_rate: int
    edited_sec: float | None
    announced_sec: float | None = None
    is_estimate: bool = False


def probe_video(runner: ToolRunner, file: Downloaded) -> VideoFacts:
    """Probes the face video; raises JobError when it cannot be used."""
    return judge_video(_read(runner, file, messages.VIDEO))


def probe_audio(runner: ToolRunner, file: Downloaded) -> AudioFacts:
    """Probes the voice track; raises JobError when it cannot be used."""
    return judge_audio(_read(runner, file, messages.AUDIO))


def judge_video(answer: Mapping[str, Any]) -> VideoFacts:
    """Reads ffprobe's answer about a video; raises JobError no_video_stream, media_corrupt, unsupported_media or
    input_too_large."""
    stream = _first_stream(answer, "video")
    if stream is None:
        raise JobError(ErrorCode.NO_VIDEO_STREAM, messages.NO_VIDEO_TRACK)
    width, height = stream.get("width"), stream.get("height")
    if not isinstance(width, int) or not isinstance(height, int) or min(width, height) < 1:
        raise _corrupt(messages.VIDEO, messages.NO_PICTURE_SIZE)
    _check_codec(messages.VIDEO, stream)
    if width * height > MAX_PIXELS:
        raise JobError(ErrorCode.INPUT_TOO_LARGE, messages.picture_too_large(f"{width}x{height}", MAX_PIXELS))
    if is_unconvertible(stream):
        raise _unsupported(messages.VIDEO, messages.DOLBY_VISION)
    aspect = _pixel_aspect(stream.get("sample_aspect_ratio"))
    if _is_turned(stream):
        width, height, aspect = height, width, 1 / aspect
    duration = _duration(stream, answer)
    return VideoFacts(str(stream["codec_name"]), width, height, aspect, duration, read_colours(stream))


def judge_audio(answer: Mapping[str, Any]) -> AudioFacts:
    """Reads ffprobe's answer about a voice track; raises JobError no_audio_stream or unsupported_media."""
    stream = _first_stream(answer, "audio")
    if stream is None:
        raise JobError(ErrorCode.NO_AUDIO_STREAM, messages.NO_AUDIO_TRACK)
    _check_codec(messages.AUDIO, stream)
    rate = str(stream.get("sample_rate", ""))
    containers = str(answer.get("format", {}).get("format_name", "")).split(",")
    is_mp4, is_estimate = "mp4" in containers, containers[0] in BARE_STREAMS
    edited_sec = _duration(stream, {}) if is_mp4 else None
    hertz = int(rate) if rate.isdigit() else 0
    return AudioFacts(str(stream["codec_name"]), hertz, edited_sec, _duration(stream, answer), is_estimate)


def _read(runner: ToolRunner, file: Downloaded, field: str) -> Mapping[str, Any]:
    arguments = [*SAFE_INPUT, "-v", "error", "-show_streams", "-show_format", "-of", "json", "-i", str(file.path)]
    try:
        answer = json.loads(runner.probe(arguments, PROBE_SEC).stdout)
    except ToolFailure as failure:
        if "whitelist" in failure.tail:
            raise _unsupported(field, messages.WRONG_KIND) from failure
        raise _corrupt(field, messages.unreadable(_served_as(file)), failure.tail) from failure
    except ToolTimeout as error:
        raise _corrupt(field, messages.READ_TOO_SLOWLY) from error
    except ValueError as error:
        raise _corrupt(field, messages.NO_DESCRIPTION) from error
    if not isinstance(answer, dict) or int(answer.get("format", {}).get("probe_score", 0)) < SURE_SCORE:
        raise _corrupt(field, messages.no_media_inside(_served_as(file)))
    return answer


def _served_as(file: Downloaded) -> str:
    return messages.served_as(file.content_type[:100])


def _first_stream(answer: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Returns the first track of a kind, without cover pictures, which count as videos elsewhere."""
    for stream in answer.get("streams", []):
        is_cover = stream.get("disposition", {}).get("attached_pic") == 1
        if stream.get("codec_type") == kind and not is_cover:
            return dict(stream)
    return None


def _check_codec(field: str, stream: Mapping[str, Any]) -> None:
    if stream.get("codec_name", "unknown") in ("unknown", "none"):
        tag = stream.get("codec_tag_string", "?")
        raise _unsupported(field, messages.unknown_format(tag))


def _pixel_aspect(text: Any) -> Fraction:
    """Reads "num:den"; an unknown one (0:1, missing) counts as square, as in players."""
    numerator, _, denominator = str(text or "").partition(":")
    if not (numerator.isdigit() and denominator.isdigit()) or int(denominator) == 0 or int(numerator) == 0:
        return Fraction(1)
    return Fraction(int(numerator), int(denominator))


def _is_turned(stream: Mapping[str, Any]) -> bool:
    rotations = [data["rotation"] for data in stream.get("side_data_list", []) if "rotation" in data]
    return bool(rotations) and round(float(rotations[0]) / 90) % 2 == 1


def _duration(stream: Mapping[str, Any], answer: Mapping[str, Any]) -> float | None:
    for place in (stream, answer.get("format", {})):
        try:
            return float(place["duration"])
        except (KeyError, ValueError):
            continue
    return None


def _corrupt(field: str, why: str, detail: str = "") -> JobError:
    return JobError(ErrorCode.MEDIA_CORRUPT, messages.not_media(field, why), detail=detail)


def _unsupported(field: str, why: str) -> JobError:
    return JobError(ErrorCode.UNSUPPORTED_MEDIA, messages.unsupported(field, why))
