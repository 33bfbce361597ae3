"""Stage 0: checks whether an earlier run of the job has already stored its video."""

from gpu_worker.domain.failures import JobError
from gpu_worker.transfer.sidecar import Finished, read_record
from gpu_worker.transfer.upload import Uploader
from gpu_worker.wire import JobInput


def find_finished(uploader: Uploader, job: JobInput, video_key: str) -> Finished | None:
    """Returns the finished video of this job, None when there is none that can be trusted.

    The run goes on when the storage does not answer, since the upload comes later. It ends when the storage refuses
    the key, since no other node could upload either: raises JobError upload_failed before any GPU time is used.
    """
    try:
        found = uploader.look_up(video_key)
    except JobError as failure:
        if failure.retryable:
            return None
        raise
    if found is None or found.record is None:
        return None
    return read_record(found.record, job, found.size_bytes, found.sha1)
