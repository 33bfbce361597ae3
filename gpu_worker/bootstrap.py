"""Puts the worker together from its settings and runs it until it is told to stop; only here adapters are picked."""

import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gpu_worker.adapters.b2_storage import B2Storage
from gpu_worker.adapters.http_client import HttpClient
from gpu_worker.adapters.media_tools import MediaTools, ToolsMissing, check_tools, find_tools
from gpu_worker.adapters.report_sender import HttpReportSender
from gpu_worker.adapters.scratch import sweep
from gpu_worker.desk import Desk
from gpu_worker.engines.port import Engine, EngineNotAllowed
from gpu_worker.engines.preview import PreviewEngine
from gpu_worker.event_log import EventLog, LibraryLogHandler
from gpu_worker.pipeline import Equipment, Limits
from gpu_worker.run_job import JobRunner
from gpu_worker.runs.control import RunControl
from gpu_worker.server import Server
from gpu_worker.settings import Settings, SettingsError, read_settings
from gpu_worker.stages.prepare import AudioLimits
from gpu_worker.storage import OutputStorage
from gpu_worker.web import create_app
from gpu_worker.wire import JobInput, UploadKey

STOP_SEC = 8.0  # from SIGTERM to the end; the rehearsal and container runtimes send SIGKILL after 10 s
EXIT_UNUSABLE = 2  # settings, tools or engine forbid a start: trying again would not help


def main(environment: Mapping[str, str]) -> int:
    """Runs a worker; gives the exit status: 0 after SIGTERM or SIGINT, EXIT_UNUSABLE when it cannot start."""
    log = EventLog(sys.stderr, lambda: datetime.now(UTC))  # noqa: TID251  the one place that hands out the clock
    logging.basicConfig(handlers=[LibraryLogHandler(log)], force=True)
    try:
        settings = read_settings(environment)
        tools = find_tools(settings.ffmpeg_path, settings.ffprobe_path)
        check_tools(tools)
        engine = build_engine(settings, tools)
        engine.start()
    except (SettingsError, ToolsMissing, EngineNotAllowed) as error:
        log.event("worker_cannot_start", kind=type(error).__name__, faults=str(error).splitlines())
        return EXIT_UNUSABLE
    log.event("scratch_swept", directories=sweep(settings.work_dir))
    runner = build_runner(settings, tools, engine, log)
    desk = Desk(runner.run, _new_control)
    server = Server(create_app(desk, engine, log), settings.port)
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    server.start()
    log.event("listening", port=server.port, engine=engine.name, ffmpeg=str(tools.ffmpeg), ffprobe=str(tools.ffprobe))
    stop.wait()
    log.event("stopping")
    desk.stop()
    engine.stop()
    log.event("stopped", all_answered=server.stop(STOP_SEC))
    # a storage call that hangs sits in a thread of b2sdk's that an ordinary exit would wait for
    os._exit(0)


def build_engine(settings: Settings, tools: MediaTools) -> Engine:
    """Gives the engine that the settings name."""
    return PreviewEngine(tools, settings.machine_id)


def build_runner(settings: Settings, tools: MediaTools, engine: Engine, log: EventLog) -> JobRunner:
    """Wires what runs need."""
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
    )
    return JobRunner(
        equipment=equipment,
        work_dir=settings.work_dir,
        new_sender=lambda url, token: HttpReportSender(client, url, token),
        new_run_id=lambda: uuid.uuid4().hex,
        log=log,
    )


def _own_key(settings: Settings) -> UploadKey | None:
    storage = settings.storage
    if storage is None:
        return None
    return UploadKey(settings.realm, storage.key_id, storage.app_key, storage.bucket, settings.prefix)


def _new_control(job: JobInput) -> RunControl:
    return RunControl(time.monotonic, job.run_timeout_seconds)
