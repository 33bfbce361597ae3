"""Runs the stages of one run in their order: reuse, download, probe, prepare, engine, verify, upload."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpu_worker.adapters.http_client import HttpClient
from gpu_worker.adapters.media_tools import MediaTools, ToolRunner
from gpu_worker.adapters.memory import PeakMemory
from gpu_worker.domain import messages
from gpu_worker.domain.control import RunControl
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.domain.geometry import plan_geometry
from gpu_worker.domain.progress import Phase, RunProgress
from gpu_worker.domain.url_guard import UrlNotAllowed, judge_url
from gpu_worker.engines.port import Engine, PreparedInputs, Rendered
from gpu_worker.media.frames import FPS
from gpu_worker.media.prepare import AudioLimits, check_output_size, prepare_audio, prepare_video
from gpu_worker.media.probe import Downloaded, probe_audio, probe_video
from gpu_worker.media.verify import Expected, Output, verify_output
from gpu_worker.ports import OutputStorage
from gpu_worker.run.reporter import NoReporter, Reporter
from gpu_worker.transfer import sidecar
from gpu_worker.transfer.download import Downloader
from gpu_worker.transfer.partial_file import Source
from gpu_worker.transfer.reuse import find_finished
from gpu_worker.transfer.sidecar import Finished
from gpu_worker.transfer.upload import Uploader
from gpu_worker.wire import Answer, JobInput, Metrics, StoredVideo, UploadKey, ok_answer

# How long a run waits for the answer to its `starting` and `uploading` reports: at these two moments an answer that the
# run is no longer wanted saves most. One report takes 4 s at most; without any answer a run loses this time twice.
GATE_SEC = 5.0
VIDEO_SHARE = 0.8  # of the download phase's progress: the video is most of the bytes


@dataclass(frozen=True)
class Limits:
    """The limits of one run. download_sec: for one file; upload_sec: for one storage call."""

    max_video_bytes: int
    max_audio_bytes: int
    audio: AudioLimits
    download_sec: float
    upload_sec: float


@dataclass(frozen=True)
class Equipment:
    """The tools that all runs share.

    own_key: the storage key of the environment, None when there is none; new_storage: opens a bucket, given its key
    and a function that says whether to stop; versions: of the programs that make a video, by name;
    now: returns the seconds since 1970.
    """

    client: HttpClient
    tools: MediaTools
    engine: Engine
    limits: Limits
    own_key: UploadKey | None
    new_storage: Callable[[UploadKey, Callable[[], bool]], OutputStorage]
    versions: Mapping[str, str]
    now: Callable[[], float]


@dataclass(frozen=True)
class _Sources:
    video: Downloaded
    audio: Downloaded


@dataclass(frozen=True)
class _Made:
    """The video that the engine made. engine_sec: the whole time in the engine."""

    rendered: Rendered
    output: Output
    engine_sec: float


@dataclass(frozen=True)
class Pipeline:
    """The stages of one run of one job. directory: scratch space of this run alone."""

    equipment: Equipment
    job: JobInput
    run_id: str
    control: RunControl
    progress: RunProgress
    reporter: Reporter | NoReporter
    directory: Path

    def make_video(self) -> Answer:
        """Makes and stores the video, or finds it stored, and answers `ok`; raises JobError, SupersededError."""
        self._pass_gate()  # before the run costs anything
        key = self._storage_key()
        storage = self.equipment.new_storage(key, lambda: self.control.stop_reason() is not None)
        with closing(storage):
            uploader = Uploader(storage, self.control, self.equipment.limits.upload_sec)
            return self._make_or_find(uploader, f"{key.prefix}{self.job.job_id}")

    def _make_or_find(self, uploader: Uploader, name: str) -> Answer:
        memory = PeakMemory()
        runner = ToolRunner(self.equipment.tools, self.control, memory)
        finished = find_finished(uploader, self.job, f"{name}.mp4")
        if finished is not None:
            return self._reuse(uploader, name, finished)
        inputs, prepared = self._prepare(runner, self._download())
        begin = time.monotonic()
        rendered = self.equipment.engine.render(prepared, runner, self.progress)
        engine_sec = round(time.monotonic() - begin, 3)
        made = _Made(rendered, verify_output(runner, rendered.video, _expected(prepared)), engine_sec)
        return self._deliver(uploader, name, inputs, made, memory)

    def _enter(self, phase: Phase) -> None:
        self.control.check()
        self.progress.enter(phase)

    def _pass_gate(self) -> None:
        self.reporter.settle(GATE_SEC)
        self.control.check()

    def _storage_key(self) -> UploadKey:
        key = self.job.upload or self.equipment.own_key
        if key is None:
            raise JobError(ErrorCode.INTERNAL, messages.NO_STORAGE_KEY, retryable=False)
        if self.job.upload is not None and self.job.upload.endpoint is not None:
            try:
                judge_url(self.job.upload.endpoint, rehearsal=self.equipment.client.rehearsal)
            except UrlNotAllowed as error:
                message = messages.endpoint_refused(error.reason)
                raise JobError(ErrorCode.INTERNAL, message, retryable=False) from error
        return key

    def _download(self) -> _Sources:
        self._enter(Phase.DOWNLOADING)
        limits = self.equipment.limits
        downloader = Downloader(self.equipment.client, self.control, limits.download_sec, self.equipment.now)
        video = Source(messages.VIDEO, self.job.video_url, self.directory / "video_source", limits.max_video_bytes)
        audio = Source(messages.AUDIO, self.job.audio_url, self.directory / "audio_source", limits.max_audio_bytes)

        def advance(begin: float, share: float) -> Callable[[int, int | None], None]:
            return lambda done, total: self.progress.advance(begin + share * done / total if total else begin)

        return _Sources(
            downloader.fetch(video, advance(0.0, VIDEO_SHARE)),
            downloader.fetch(audio, advance(VIDEO_SHARE, 1 - VIDEO_SHARE)),
        )

    def _prepare(self, runner: ToolRunner, sources: _Sources) -> tuple[sidecar.Inputs, PreparedInputs]:
        self._enter(Phase.PREPARING)
        facts = probe_video(runner, sources.video)
        audio_facts = probe_audio(runner, sources.audio)
        limits = self.equipment.limits.audio
        audio = prepare_audio(runner, sources.audio.path, self.directory / "audio.wav", audio_facts, limits)
        geometry = plan_geometry(
            facts.stored_width, facts.stored_height, facts.pixel_aspect, self.job.aspect_ratio, self.job.resolution
        )
        check_output_size(geometry)

        def advance(done: int) -> None:
            self.progress.advance(done / audio.frames)

        target = self.directory / "video.mp4"
        video = prepare_video(runner, sources.video.path, target, facts, geometry, audio.frames, advance)
        inputs = sidecar.Inputs(sources.video, sources.audio, facts, audio_facts, audio.seconds, geometry)
        return inputs, PreparedInputs(
            video=video.path,
            audio=audio.path,
            width=geometry.width,
            height=geometry.height,
            video_frames=video.frames,
            frames=audio.frames,
            audio_sec=audio.seconds,
            work_dir=self.directory,
            params=self.job.params,
        )

    def _deliver(
        self, uploader: Uploader, name: str, inputs: sidecar.Inputs, made: _Made, memory: PeakMemory
    ) -> Answer:
        """Uploads MP4 and sidecar and checks that they are stored; returns the answer."""
        self._enter(Phase.UPLOADING)
        self._pass_gate()  # a newer run may have stored its video already
        stored = _stored(uploader.storage.bucket, f"{name}.mp4", made.output)

        def describe() -> dict[str, Any]:
            metrics = self._metrics(made, memory.peak_kb)
            return sidecar.describe(self.job, self.run_id, inputs, stored, metrics, self.equipment.versions)

        def advance(done: int) -> None:
            self.progress.advance(done / made.output.size_bytes)

        uploader.upload_video(made.output, stored.key, sidecar.as_record(describe()), advance)
        self._enter(Phase.VERIFYING)
        uploader.check_stored(stored.key, made.output)
        uploader.upload_sidecar(describe(), self.directory / "sidecar.json", f"{name}.json")
        self.progress.advance(1.0)
        url, metrics = uploader.storage.file_url(stored.key), self._metrics(made, memory.peak_kb)
        return ok_answer(self.job, self.run_id, url, asdict(stored), asdict(metrics))

    def _reuse(self, uploader: Uploader, name: str, finished: Finished) -> Answer:
        """Answers with the video of an earlier run; writes the sidecar if that run ended before it."""
        self._enter(Phase.VERIFYING)
        if uploader.look_up(f"{name}.json") is None:
            uploader.upload_sidecar(finished.content, self.directory / "sidecar.json", f"{name}.json")
        self.progress.advance(1.0)
        url = uploader.storage.file_url(finished.key)
        return ok_answer(self.job, self.run_id, url, finished.output, finished.metrics, is_reused=True)

    def _metrics(self, made: _Made, peak_ram_kb: int | None) -> Metrics:
        engine_stages = {f"engine.{name}": seconds for name, seconds in made.rendered.stage_times.items()}
        return Metrics(
            generation_time_sec=made.rendered.generation_sec,
            script_wall_time_sec=made.engine_sec,
            peak_vram_mib=made.rendered.peak_vram_mib,
            peak_ram_kb=peak_ram_kb,
            stages=self.progress.snapshot().stage_times | engine_stages,
            frames=made.output.frames,
            engine=self.equipment.engine.name,
            gpu_class=made.rendered.gpu_class,
        )


def _expected(prepared: PreparedInputs) -> Expected:
    return Expected(prepared.width, prepared.height, prepared.frames, prepared.audio_sec)


def _stored(bucket: str, key: str, output: Output) -> StoredVideo:
    return StoredVideo(
        bucket=bucket,
        key=key,
        size_bytes=output.size_bytes,
        sha1=output.sha1,
        duration_sec=output.duration_sec,
        width=output.width,
        height=output.height,
        fps=FPS,
        frames=output.frames,
    )
