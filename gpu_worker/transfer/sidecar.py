"""The sidecar of a video: its inputs, its run, the output and the measurements. Holds no URL and no secret."""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gpu_worker.domain.geometry import Geometry
from gpu_worker.media.probe import AudioFacts, Downloaded, VideoFacts
from gpu_worker.wire import SCHEMA_VERSION, JobInput, Metrics, StoredVideo, is_output

# The sidecar is also sent in the headers of the MP4's upload, so that the result of a run that dies between the two
# files can be used. B2 accepts 7,000 bytes of such headers, 2,048 in a bucket with encryption, names included; more
# would make the upload fail.
MAX_RECORD = 1800
MAX_CONTENT = 64 * 1024  # bytes that a record may unpack to: many times any real one, and little memory


@dataclass(frozen=True)
class Inputs:
    """The inputs of a video: the two files as they came, what the probe found, and the crop and size that follow."""

    video: Downloaded
    audio: Downloaded
    video_facts: VideoFacts
    audio_facts: AudioFacts
    audio_sec: float
    geometry: Geometry


@dataclass(frozen=True)
class Finished:
    """A finished video as the sidecar of an earlier run describes it.

    content: the whole sidecar; key: of the MP4; output, metrics: as they go into an answer.
    """

    content: Mapping[str, Any]
    key: str
    output: Mapping[str, Any]
    metrics: Mapping[str, Any]


def describe(
    job: JobInput,
    run_id: str,
    inputs: Inputs,
    output: StoredVideo,
    metrics: Metrics,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Returns the sidecar's content. versions: the engine's and the programs' by name."""
    return {
        "schema_version": SCHEMA_VERSION,
        "job_id": job.job_id,
        "attempt": job.attempt,
        "run_id": run_id,
        "request_id": job.request_id,
        "inputs": _describe_inputs(job, inputs),
        "output": asdict(output),
        "metrics": asdict(metrics),
        "versions": dict(versions),
    }


def as_record(content: Mapping[str, Any]) -> str | None:
    """Returns the sidecar as one short text for the MP4's headers, None when it is too long for them."""
    data = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
    text = base64.urlsafe_b64encode(zlib.compress(data, 9)).decode()  # needs no escapes in a header
    return text if len(text) <= MAX_RECORD else None


def read_record(text: str, job: JobInput, size_bytes: int, sha1: str | None) -> Finished | None:
    """Returns the finished video that a record describes, None unless it belongs to this job with the same request, and
    to the stored file (size_bytes, and sha1 where the storage knows it)."""
    content = _unpack(text)
    if content is None:
        return None
    inputs, output, metrics = content.get("inputs"), content.get("output"), content.get("metrics")
    if not isinstance(inputs, dict) or not isinstance(output, dict) or not isinstance(metrics, dict):
        return None
    asked = (job.job_id, job.aspect_ratio, job.resolution, dict(job.params))
    made = (content.get("job_id"), inputs.get("aspect_ratio"), inputs.get("resolution"), inputs.get("params"))
    if content.get("schema_version") != SCHEMA_VERSION or made != asked or not is_output(output):
        return None
    is_the_file = output["size_bytes"] == size_bytes and sha1 in (None, output["sha1"])
    return Finished(content, output["key"], output, metrics) if is_the_file else None


def _unpack(text: str) -> dict[str, Any] | None:
    try:
        data = zlib.decompressobj().decompress(base64.urlsafe_b64decode(text), MAX_CONTENT)
        content = json.loads(data)
    except (ValueError, RecursionError, zlib.error):
        return None
    return content if isinstance(content, dict) else None


def _describe_inputs(job: JobInput, inputs: Inputs) -> dict[str, Any]:
    video, audio, geometry = inputs.video_facts, inputs.audio_facts, inputs.geometry
    return {
        "video": {
            "sha256": inputs.video.sha256,
            "size_bytes": inputs.video.size_bytes,
            "codec": video.codec,
            "width": video.stored_width,
            "height": video.stored_height,
            "pixel_aspect": str(video.pixel_aspect),
            "duration_sec": video.duration_sec,
            "crop": [geometry.crop_width, geometry.crop_height, geometry.crop_x, geometry.crop_y],
        },
        "audio": {
            "sha256": inputs.audio.sha256,
            "size_bytes": inputs.audio.size_bytes,
            "codec": audio.codec,
            "sample_rate": audio.sample_rate,
            "duration_sec": round(inputs.audio_sec, 3),
        },
        "aspect_ratio": job.aspect_ratio,
        "resolution": job.resolution,
        "params": dict(job.params),
    }
