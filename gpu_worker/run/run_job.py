"""Runs one job from its input to its answer, and translates every end of a run into answer, report and log."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gpu_worker.adapters.event_log import EventLog
from gpu_worker.adapters.scratch import run_directory
from gpu_worker.domain import messages
from gpu_worker.domain.control import RunControl
from gpu_worker.domain.failures import DiskFullError, ErrorCode, JobError, SupersededError
from gpu_worker.domain.progress import RunProgress
from gpu_worker.domain.url_guard import redact_url
from gpu_worker.node import disk
from gpu_worker.node.reallocation import RunEnd
from gpu_worker.ports import SendReport
from gpu_worker.run.pipeline import Equipment, Pipeline
from gpu_worker.run.reporter import NoReporter, Reporter
from gpu_worker.wire import Answer, JobInput, error_object, failure_answer, superseded_answer

MAX_DETAIL = 2000  # characters of a tool's last messages that go into the log


class RunObserver(Protocol):
    """A listener for what runs say about the node; its methods must return at once."""

    def run_began(self, progress: RunProgress) -> None:
        """Called when a run has begun."""

    def run_ended(self, job_id: str, end: RunEnd, why: str) -> None:
        """Called when a run has ended and its last report is sent. why: why it failed, empty when it did not."""


@dataclass(frozen=True)
class JobRunner:
    """The runner of jobs.

    work_dir: where scratch directories are made; new_sender: returns what sends reports to a URL with a token;
    new_run_id: returns a random id; min_free_bytes: with less free disk a run ends before it downloads anything.
    """

    equipment: Equipment
    work_dir: Path
    new_sender: Callable[[str, str], SendReport]
    new_run_id: Callable[[], str]
    log: EventLog
    observer: RunObserver | None = None
    min_free_bytes: int = 0

    def run(self, job: JobInput, control: RunControl) -> Answer:
        """Runs a job to its end and returns the answer; never raises for anything that a job can cause."""
        run_id = self.new_run_id()
        log = self.log.bind(job_id=job.job_id, attempt=job.attempt, run_id=run_id, request_id=job.request_id)
        log.event("run_started", video_url=redact_url(job.video_url), audio_url=redact_url(job.audio_url))
        progress = RunProgress(time.monotonic)
        reporter = self._new_reporter(job, run_id, progress, control, log)
        progress.on_phase = reporter.report_phase
        if self.observer is not None:
            self.observer.run_began(progress)
        reporter.start()
        reporter.report_phase()
        end, why = RunEnd.NOTHING, ""
        try:
            answer = self._make_video(job, run_id, control, progress, reporter)
            end = RunEnd.VIDEO
            reporter.finish(None)
        except SupersededError:
            reporter.close()
            answer = superseded_answer(job, run_id)
        except Exception as error:  # noqa: BLE001  the one boundary: Salad needs an answer in every case
            failure = _as_failure(error, str(progress.snapshot().phase))
            log.event("run_failed", error=error_object(failure), detail=failure.detail[-MAX_DETAIL:])
            if isinstance(failure, DiskFullError):
                log.event("disk_full", stage=failure.stage, detail=failure.detail[-MAX_DETAIL:])
            reporter.finish(failure)  # before the answer, because Salad drops the body of a 503
            answer = failure_answer(job.job_id, job.attempt, run_id, failure)
            end, why = _end_of(failure), failure.detail or failure.message
        log.event(
            "run_ended",
            status=answer.status,
            http_status=answer.http_status,
            stage_times=progress.snapshot().stage_times,
            report_faults=reporter.faults,
        )
        if self.observer is not None:
            self.observer.run_ended(job.job_id, end, why)
        return answer

    def _make_video(
        self, job: JobInput, run_id: str, control: RunControl, progress: RunProgress, reporter: Reporter | NoReporter
    ) -> Answer:
        """Runs the stages in a private directory; a full disk is recognised before the directory is removed."""
        try:
            disk.require_free(self.work_dir, self.min_free_bytes)
            with run_directory(self.work_dir) as directory:
                try:
                    pipeline = Pipeline(self.equipment, job, run_id, control, progress, reporter, directory)
                    return pipeline.make_video()
                except SupersededError:
                    raise
                except Exception as error:
                    full = disk.explain(error, directory)
                    if full is None or full is error:
                        raise
                    raise full from error
        except OSError as error:  # raised by the directory itself
            full = disk.explain(error, self.work_dir)
            if full is None:
                raise
            raise full from error

    def _new_reporter(
        self, job: JobInput, run_id: str, progress: RunProgress, control: RunControl, log: EventLog
    ) -> Reporter | NoReporter:
        if job.report_url is None:
            return NoReporter()
        return Reporter(self.new_sender(job.report_url, job.report_token), job.attempt, run_id, progress, control, log)


def _as_failure(error: Exception, phase: str) -> JobError:
    """Returns the failure with its stage; any other exception becomes `internal`, and its text goes into the log
    alone."""
    if isinstance(error, JobError):
        failure = error
    else:
        detail = f"{type(error).__name__}: {error}"
        failure = JobError(ErrorCode.INTERNAL, messages.INTERNAL, detail=detail)
    failure.stage = failure.stage or phase
    return failure


def _end_of(failure: JobError) -> RunEnd:
    """Returns what a failure says about the node."""
    if failure.hopeless_node:
        return RunEnd.HOPELESS
    if isinstance(failure, DiskFullError):
        return RunEnd.DISK_FULL
    return RunEnd.GPU_FAULT if failure.code is ErrorCode.GPU_FAULT else RunEnd.NOTHING
