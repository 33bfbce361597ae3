"""Builds the worker from its settings and runs it until it is told to stop; adapters are chosen only here."""

import logging
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from gpu_worker import VERSION
from gpu_worker.adapters.b2_storage import B2Storage
from gpu_worker.adapters.event_log import EventLog, LibraryLogHandler
from gpu_worker.adapters.http_client import HttpClient
from gpu_worker.adapters.imds import Imds
from gpu_worker.adapters.media_tools import MediaTools, ToolsMissing, check_tools, find_tools, version_of
from gpu_worker.adapters.report_sender import HttpReportSender
from gpu_worker.adapters.scratch import sweep
from gpu_worker.bootstrap.lifetime import StopSignal, Worker
from gpu_worker.domain.control import RunControl
from gpu_worker.engines.musetalk.cold import MuseTalkCold
from gpu_worker.engines.musetalk.cold_run import ColdSettings
from gpu_worker.engines.port import Engine, EngineNotAllowed, HopelessHardware
from gpu_worker.engines.preview import PreviewEngine
from gpu_worker.http.app import create_app
from gpu_worker.http.server import Server
from gpu_worker.media.prepare import AudioLimits
from gpu_worker.node.agent import NodeAgent
from gpu_worker.ports import OutputStorage
from gpu_worker.run.pipeline import Equipment, Limits
from gpu_worker.run.run_job import JobRunner
from gpu_worker.run.run_slot import RunSlot
from gpu_worker.settings import Settings, SettingsError, read_settings
from gpu_worker.wire import JobInput, UploadKey

EXIT_UNUSABLE = 2  # settings, tools or engine forbid a start, and another try would not help


def main(environment: Mapping[str, str]) -> int:
    """Runs a worker; returns the exit status: 0 after SIGTERM or SIGINT, EXIT_UNUSABLE when it cannot start."""
    log = EventLog(sys.stderr, lambda: datetime.now(UTC))  # noqa: TID251  the one place that hands out the clock
    logging.basicConfig(handlers=[LibraryLogHandler(log)], force=True)
    try:
        settings = read_settings(environment)
        tools = find_tools(settings.ffmpeg_path, settings.ffprobe_path)
        check_tools(tools)
        engine = build_engine(settings, tools, environment)
        worker = build_worker(settings, tools, engine, log)
        swept = sweep(settings.work_dir)  # before the first job can have a directory
        stop_signal = StopSignal()
        if worker.start(stop_signal):
            log.event("scratch_swept", directories=swept)
            _serve(worker, stop_signal, tools, log)
    except (SettingsError, ToolsMissing, EngineNotAllowed, HopelessHardware) as error:
        log.event("worker_cannot_start", kind=type(error).__name__, faults=str(error).splitlines())
        return EXIT_UNUSABLE
    log.event("stopping")
    worker.stop()
    # an ordinary exit would wait for b2sdk's threads, and a storage call may hang there
    os._exit(0)


def _serve(worker: Worker, stop_signal: StopSignal, tools: MediaTools, log: EventLog) -> None:
    programs = {"ffmpeg": str(tools.ffmpeg), "ffprobe": str(tools.ffprobe)}
    log.event("listening", port=worker.server.port, engine=worker.engine.name, **programs)
    stop_signal.wait()


def build_worker(settings: Settings, tools: MediaTools, engine: Engine, log: EventLog) -> Worker:
    """Builds the worker from engine, run slot, node agent and server."""
    imds = Imds(settings.metadata_uri) if settings.metadata_uri is not None else None
    node_agent = NodeAgent(imds, time.monotonic, engine.is_ready, settings.idle_cure_sec, log)
    runner = build_runner(settings, tools, engine, node_agent, log)
    run_slot = RunSlot(runner.run, _new_control, node_agent, is_open=False)
    server = Server(create_app(run_slot, node_agent.is_ready, engine.name, log), settings.port)
    return Worker(engine, node_agent, run_slot, server, settings.drain_sec, log)


def build_engine(settings: Settings, tools: MediaTools, environment: Mapping[str, str]) -> Engine:
    """Returns the engine that the settings name; environment: its programs inherit a part of it."""
    musetalk = settings.musetalk
    if settings.engine == "preview" or musetalk.work_dir is None:
        return PreviewEngine(tools, settings.machine_id)
    cold = ColdSettings(
        work_dir=musetalk.work_dir,
        result_dir=musetalk.result_dir,
        python=Path(shutil.which(musetalk.python, path=environment.get("PATH")) or musetalk.python),
        batch_size=musetalk.batch_size,
        half_precision=musetalk.half_precision,
        stall_sec=musetalk.stall_sec,
        outer=environment,
        on_node=settings.machine_id is not None,
    )
    return MuseTalkCold(cold, tools)


def build_runner(
    settings: Settings, tools: MediaTools, engine: Engine, node_agent: NodeAgent, log: EventLog
) -> JobRunner:
    """Builds the runner of jobs with everything that runs need."""
    client = HttpClient(rehearsal=settings.rehearsal)

    def new_storage(key: UploadKey, is_stopped: Callable[[], bool]) -> OutputStorage:
        return B2Storage(key, settings.download_url, is_stopped)

    equipment = Equipment(
        client=client,
        tools=tools,
        engine=engine,
        limits=Limits(
            max_video_bytes=settings.max_video_bytes,
            max_audio_bytes=settings.max_audio_bytes,
            audio=AudioLimits(settings.min_audio_sec, settings.max_audio_sec),
            download_sec=settings.download_sec,
            upload_sec=settings.upload_sec,
        ),
        own_key=_own_key(settings),
        new_storage=new_storage,
        versions={"gpu_worker": VERSION, engine.name: engine.version, "ffmpeg": version_of(tools.ffmpeg)},
        now=time.time,  # noqa: TID251  the one place that hands out the clock
    )
    return JobRunner(
        equipment=equipment,
        work_dir=settings.work_dir,
        new_sender=lambda url, token: HttpReportSender(client, url, token),
        new_run_id=lambda: uuid.uuid4().hex,
        log=log,
        observer=node_agent,
        min_free_bytes=settings.min_free_bytes,
    )


def _own_key(settings: Settings) -> UploadKey | None:
    storage = settings.storage
    if storage is None:
        return None
    return UploadKey(settings.realm, storage.key_id, storage.app_key, storage.bucket, settings.prefix)


def _new_control(job: JobInput) -> RunControl:
    return RunControl(time.monotonic, job.run_timeout_seconds)
