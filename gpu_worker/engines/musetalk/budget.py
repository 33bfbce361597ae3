"""The memory, disk and time that one run of upstream's program may take; arithmetic on measured numbers."""

from dataclasses import dataclass

from gpu_worker.domain import messages
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.engines.port import PreparedInputs

GIB = 1024**3
BYTES_PER_PIXEL = 3  # frames are kept as 8-bit BGR arrays
RESULT_BYTES = 256 * 256 * 3  # each generated face, kept until all are made
MEMORY_SHARE = 0.5  # of the container's memory; models, torch and copies of frames need the rest
# PNGs of source and result are on the disk together. Measured: 1.13 and 1.04 MB for a frame of 720p, which is 0.4 bytes
# for each raw byte of a frame; noisy pictures compress worse.
PNG_SHARE = 0.6
# Measured: 18.5 s for imports and 15-30 s for loading; a cold disk at home may need several times that.
START_SEC = 300.0
# Measured for a frame of 720p: 0.46 s for a source frame on an L4, 0.16 s and the network for a frame of the output.
# The limit is three times that: a slow but healthy node must not exceed it, or another GPU runs the job again.
FRAME_SEC = 1.5
PIXELS_720P = 1280 * 720
# Reading and encoding the latents prints and writes nothing; 0.1 s is three times what a frame took on a V100.
SILENT_FRAME_SEC = 0.1


@dataclass(frozen=True)
class TimeLimits:
    """The time limits of one run. limit_sec: for the whole program; stall_sec: without any sign of life."""

    limit_sec: float
    stall_sec: float


def frames_bytes(inputs: PreparedInputs) -> int:
    """Returns the memory that upstream needs for its arrays of frames."""
    raw = inputs.width * inputs.height * BYTES_PER_PIXEL
    return raw * inputs.video_frames + RESULT_BYTES * inputs.frames


def check_memory(inputs: PreparedInputs, memory_bytes: int | None) -> None:
    """Raises JobError input_too_large when the frames cannot fit into memory_bytes (None: unknown, nothing is checked).

    Upstream keeps all source frames of the job in memory; on every node the kernel would kill it half-way.
    """
    needed = frames_bytes(inputs)
    if memory_bytes is None or needed <= memory_bytes * MEMORY_SHARE:
        return
    raise JobError(
        ErrorCode.INPUT_TOO_LARGE,
        messages.frames_too_large(
            f"{needed / GIB:.1f}",
            inputs.video_frames,
            f"{inputs.width}x{inputs.height}",
            f"{memory_bytes * MEMORY_SHARE / GIB:.1f}",
        ),
    )


def disk_bytes(inputs: PreparedInputs) -> int:
    """Returns the disk that upstream needs for its pictures."""
    raw = inputs.width * inputs.height * BYTES_PER_PIXEL
    return int(raw * PNG_SHARE * (inputs.video_frames + inputs.frames))


def time_limits(inputs: PreparedInputs, stall_sec: float) -> TimeLimits:
    """Returns the limits; stall_sec: how long a working program may be silent, beside the silent time of its frames."""
    size = max(1.0, inputs.width * inputs.height / PIXELS_720P)
    work = FRAME_SEC * size * (inputs.video_frames + inputs.frames)
    return TimeLimits(START_SEC + work, stall_sec + SILENT_FRAME_SEC * size * inputs.video_frames)
