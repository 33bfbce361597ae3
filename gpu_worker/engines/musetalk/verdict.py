"""Decides how a run of upstream's program ended, from its output and its file; its exit status proves nothing."""

import re

from gpu_worker.adapters.process_groups import Ending
from gpu_worker.domain import messages
from gpu_worker.domain.failures import ErrorCode, JobError, disk_is_full
from gpu_worker.engines.musetalk.transcript import Stage, Transcript
from gpu_worker.media.frames import FPS

OUT_OF_MEMORY = re.compile(r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED")
# After these no other run on this card or driver can succeed.
HOPELESS = re.compile(
    r"no kernel image is available|No CUDA GPUs are available|Found no NVIDIA driver|driver version is insufficient"
    r"|no CUDA-capable device|Torch not compiled with CUDA"
)
GPU_FAULT = re.compile(r"CUDA error|device-side assert|illegal memory access|cuDNN error|CUDNN_STATUS|CUBLAS_STATUS")
DISK_FULL = re.compile(r"No space left on device")
# ffmpeg's message when none of the first five numbered pictures exists: upstream made none, because it found no face.
NO_FIRST_PICTURE = re.compile(r"Could find no file with path .* and index in the range")
# ffmpeg's message at a gap in the numbers: upstream leaves out frames without a face, and the video ends there.
GAP = re.compile(r"Could not open file : \S*\d{8}\.png")
NO_FACE_ANYWHERE = "division by zero"  # upstream's mean over the faces of all frames fails when there are none


def judge_ending(ending: Ending, transcript: Transcript) -> JobError | None:
    """Returns why there can be no video, or None when the program says that it made one (its file is checked next)."""
    said = "\n".join(transcript.tail)
    return (
        _of_limits(ending, transcript, said)
        or _of_words(transcript, said)
        or _of_status(ending, said)
        or _of_silence(transcript, said)
    )


def judge_video(frames: int, has_sound: bool, expected_frames: int, transcript: Transcript) -> JobError | None:
    """Returns what is wrong with the file that upstream saved, None if nothing; frames, has_sound: of the file
    itself."""
    said = "\n".join(transcript.tail)
    if 0 < frames < expected_frames and GAP.search(said):
        return JobError(
            ErrorCode.FACE_LOST,
            messages.face_lost(f"{frames / FPS:.2f}"),
            detail=said,
        )
    if frames != expected_frames:
        return _unusable(messages.wrong_frame_count(frames, expected_frames), said)
    return None if has_sound else _unusable(messages.NO_SOUND, said)


def no_video(detail: str) -> JobError:
    """Returns the failure for a file that is missing, empty or cannot be read."""
    return _unusable(messages.NO_VIDEO, detail)


def _of_limits(ending: Ending, transcript: Transcript, said: str) -> JobError | None:
    if ending.limit is None:
        return None
    what = messages.STALLED if ending.limit == "stall" else messages.TOO_SLOW
    return JobError(ErrorCode.GPU_FAULT, messages.model_stopped(what, str(transcript.stage)), detail=said)


def _of_words(transcript: Transcript, said: str) -> JobError | None:
    if DISK_FULL.search(said):
        return disk_is_full(said)
    if OUT_OF_MEMORY.search(said):
        return JobError(ErrorCode.GPU_OUT_OF_MEMORY, messages.OUT_OF_MEMORY, detail=said)
    is_hopeless = HOPELESS.search(said) is not None
    if is_hopeless or GPU_FAULT.search(said):
        return JobError(ErrorCode.GPU_FAULT, messages.GPU_FAILED, detail=said, hopeless_node=is_hopeless)
    if transcript.swallowed == NO_FACE_ANYWHERE and transcript.stage is Stage.LANDMARKS:
        return JobError(ErrorCode.FACE_NOT_DETECTED, messages.NO_FACE, detail=said)
    if NO_FIRST_PICTURE.search(said):
        return JobError(ErrorCode.FACE_NOT_DETECTED, messages.NO_FACE_AT_START, detail=said)
    return None


def _of_status(ending: Ending, said: str) -> JobError | None:
    if ending.signal is not None:
        detail = f"signal {ending.signal}\n{said}"
        return JobError(ErrorCode.WORKER_INTERRUPTED, messages.MODEL_KILLED, detail=detail)
    if ending.status != 0:
        return JobError(ErrorCode.INTERNAL, messages.MODEL_EXITED, detail=f"status {ending.status}\n{said}")
    return None


def _of_silence(transcript: Transcript, said: str) -> JobError | None:
    """Returns the failure of a program that exits with 0 without saying that it is done."""
    if transcript.swallowed is not None:
        return JobError(ErrorCode.INTERNAL, messages.MODEL_FAILED, detail=said)
    if transcript.exits_early and transcript.stage is not Stage.DONE:
        return JobError(ErrorCode.INPUT_TOO_SHORT, messages.VOICE_TOO_SHORT, detail=said)
    return None


def _unusable(why: str, detail: str) -> JobError:
    return JobError(ErrorCode.OUTPUT_VERIFICATION_FAILED, messages.video_unusable(why), detail=detail)
