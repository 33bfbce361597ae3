"""The worker's surroundings on loopback: tiny clips, a server for media and reports, a fake bucket, an inspector."""

import hashlib
import io
import json
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gpu_worker.adapters.event_log import EventLog
from gpu_worker.adapters.http_client import HttpClient
from gpu_worker.adapters.media_tools import find_tools
from gpu_worker.adapters.report_sender import HttpReportSender
from gpu_worker.domain.control import RunControl
from gpu_worker.engines.preview import PreviewEngine
from gpu_worker.media.prepare import AudioLimits
from gpu_worker.ports import NewFile, StoredFile
from gpu_worker.run.pipeline import Equipment, Limits
from gpu_worker.run.run_job import JobRunner
from gpu_worker.wire import Answer, UploadKey, read_job

VERSIONS = {"gpu_worker": "0.1.0", "ffmpeg": "6.0"}
ROOT = Path(__file__).parents[3]
TOOLS = find_tools(None, None)
PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=1"]
VOICE = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=16000:duration=1.3"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast"]
RECIPES = {
    "face.mp4": [*PICTURE, *H264, "-pix_fmt", "yuv420p"],
    "faststart.mp4": [*PICTURE, *H264, "-pix_fmt", "yuv420p", "-bf", "0", "-g", "5", "-movflags", "+faststart"],
    "ribbon.mp4": ["-f", "lavfi", "-i", "testsrc2=size=1024x16:duration=0.4", *H264, "-pix_fmt", "yuv420p"],
    "brief.mp3": ["-f", "lavfi", "-i", "sine=duration=0.6", "-c:a", "libmp3lame"],
    "face_and_voice.mp4": [*PICTURE, *VOICE, *H264, "-pix_fmt", "yuv420p", "-c:a", "aac"],
    "ntsc_odd.mkv": ["-f", "lavfi", "-i", "testsrc2=s=161x121:r=30000/1001:d=1", *H264, "-pix_fmt", "yuv444p"],
    "ten_bit.mp4": [*PICTURE, *H264, "-pix_fmt", "yuv420p10le"],
    "variable.mp4": [*PICTURE, "-vf", "select='mod(n,3)'", "-fps_mode", "vfr", *H264, "-pix_fmt", "yuv420p"],
    "anamorphic.mp4": [*PICTURE, "-vf", "setsar=2/1", *H264, "-pix_fmt", "yuv420p"],
    "vp9.webm": [*PICTURE, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
    # brightness 40 + 4 a frame: shows which source frame an output frame came from
    "ramp.mp4": [
        *("-f", "lavfi", "-i", "color=black:size=160x120:rate=25:duration=1"),
        *("-vf", "geq=lum='40+4*N':cb=128:cr=128", *H264, "-crf", "1", "-pix_fmt", "yuv420p"),
    ],
    "voice.wav": [*VOICE, "-c:a", "pcm_s16le"],
    "voice.mp3": [*VOICE, "-c:a", "libmp3lame"],
    "voice.flac": ["-f", "lavfi", "-i", "sine=sample_rate=96000:duration=1.3", "-c:a", "flac"],
    "surround.wav": [*VOICE, "-af", "aformat=channel_layouts=mono,pan=5.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0"],
    "exact_44100.wav": ["-f", "lavfi", "-i", "sine=sample_rate=44100:duration=2", "-c:a", "pcm_s16le"],
    "silent.wav": ["-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono:d=1", "-c:a", "pcm_s16le"],
    "short.wav": ["-f", "lavfi", "-i", "sine=duration=0.3", "-c:a", "pcm_s16le"],
    "long.wav": ["-f", "lavfi", "-i", "sine=sample_rate=8000:duration=6", "-c:a", "pcm_s16le"],
    "image.png": [*PICTURE, "-frames:v", "1"],
}


def ffmpeg(*arguments: object) -> bytes:
    """Runs ffmpeg for a test."""
    command = [str(TOOLS.ffmpeg), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, timeout=60, capture_output=True).stdout


class Clips:
    """Makes each clip once, when it is first asked for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, name: str) -> Path:
        path = self._directory / name
        if not path.exists():
            ffmpeg(*RECIPES[name], path)
        return path

    def data(self, name: str) -> bytes:
        return self.path(name).read_bytes()

    def rotated(self) -> bytes:
        path = self._directory / "rotated.mp4"
        ffmpeg("-display_rotation", "90", "-i", self.path("face.mp4"), "-c", "copy", path)
        return path.read_bytes()


class Site:
    """Serves files by path and takes reports. log: every request in order, with the phase for reports.

    files: path -> bytes, or a function that is given the request handler and answers itself.
    """

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}
        self.reports: list[dict[str, Any]] = []
        self.report_headers: list[dict[str, Any]] = []
        self.log: list[str] = []
        self.on_report: Callable[[dict[str, Any]], Any] = lambda report: {"cancel": False, "remaining_seconds": 600}
        self.closing = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_args: object) -> None:
                """Logs nothing."""

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                site.log.append(path)
                content = site.files.get(path)
                if callable(content):
                    content(self)
                elif content is None:
                    self.reply(404, b"no such file")
                else:
                    self.reply(200, content)

            def do_POST(self) -> None:
                report: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                site.reports.append(report)
                site.report_headers.append(dict(self.headers))
                site.log.append(f"report {report['phase']}")
                answer = site.on_report(report)
                status = answer if isinstance(answer, int) else 200
                self.reply(status, b"{}" if isinstance(answer, int) else json.dumps(answer).encode())

            def reply(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class FakeStorage:
    """A bucket in memory. on_put, on_look_up: called before each upload and each look-up; may raise or wait."""

    bucket = "bucket"

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.records: dict[str, str | None] = {}
        self.puts: list[str] = []
        self.on_put: Callable[[NewFile], object] = lambda file: None
        self.on_look_up: Callable[[str], object] = lambda key: None
        self.spoil = False
        self.closed = 0

    def put(self, file: NewFile, on_bytes: Callable[[int], None]) -> StoredFile:
        self.on_put(file)
        data = file.path.read_bytes()
        self.puts.append(file.key)
        self.files[file.key] = data
        self.records[file.key] = file.record
        on_bytes(len(data))
        return self._stored(file.key)

    def look_up(self, key: str) -> StoredFile | None:
        self.on_look_up(key)
        return self._stored(key) if key in self.files else None

    def _stored(self, key: str) -> StoredFile:
        data = self.files[key]
        sha1 = "0" * 40 if self.spoil else hashlib.sha1(data).hexdigest()
        return StoredFile(len(data), sha1, self.records[key])

    def close(self) -> None:
        self.closed += 1

    def file_url(self, key: str) -> str:
        return f"https://files.example/file/bucket/{key}"


class Rig:
    """A worker in this process: real client, tools and engine; the bucket is fake."""

    def __init__(self, site: Site, work_dir: Path) -> None:
        self.site = site
        self.work_dir = work_dir
        self.storage = FakeStorage()
        self.stream = io.StringIO()
        self.client = HttpClient(rehearsal=True)
        self.limits = Limits(2_000_000, 1_000_000, AudioLimits(0.5, 5.0), download_sec=5.0, upload_sec=2.0)
        self.control: RunControl | None = None
        self.engine: Any = PreviewEngine(TOOLS, None)  # many tests put an engine of their own in its place

    def job(self, **changes: Any) -> dict[str, Any]:
        fields = {
            "schema_version": 1,
            "job_id": "job-1",
            "attempt": 1,
            "request_id": "request-1",
            "video_url": f"{self.site.url}/face.mp4?signature=query-secret",
            "audio_url": f"{self.site.url}/voice.wav",
            "aspect_ratio": "source",
            "resolution": "source",
            "report_url": f"{self.site.url}/reports",
            "report_token": "token-secret",
            "run_timeout_seconds": 60,
            "upload": None,
            "params": None,
        }
        return fields | changes

    def run(self, **changes: Any) -> Answer:
        """Runs a job; returns the answer."""
        job = read_job(self.job(**changes))
        self.control = RunControl(time.monotonic, job.run_timeout_seconds)
        own_key = UploadKey(None, "key", "app-key-secret", "bucket", "musetalk/outputs/")
        equipment = Equipment(
            client=self.client,
            tools=TOOLS,
            engine=self.engine,
            limits=self.limits,
            own_key=own_key,
            new_storage=lambda key, is_stopped: self.storage,
            versions=VERSIONS,
            now=time.time,
        )
        log = EventLog(self.stream, lambda: datetime.now(UTC))
        runner = JobRunner(
            equipment, self.work_dir, lambda url, token: HttpReportSender(self.client, url, token), lambda: "run-1", log
        )
        return runner.run(job, self.control)

    def output(self) -> bytes:
        return self.storage.files["musetalk/outputs/job-1.mp4"]


class Inspector:
    """Inspects videos with ffprobe and ffmpeg, independently of the worker's own code."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "inspected.mp4"

    def streams(self, data: bytes) -> dict[str, dict[str, Any]]:
        self._path.write_bytes(data)
        command = [str(TOOLS.ffprobe), "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(self._path)]
        found = json.loads(subprocess.run(command, check=True, timeout=60, capture_output=True).stdout)
        return {stream["codec_type"]: stream for stream in found["streams"]}

    def gray_frames(self, data: bytes, crop: str, size: int) -> list[bytes]:
        """Returns each frame's brightness in a crop, one byte a pixel; size: pixels of the crop."""
        self._path.write_bytes(data)
        filters = f"extractplanes=y,crop={crop}"
        raw = ffmpeg("-i", self._path, "-vf", filters, "-f", "rawvideo", "-pix_fmt", "gray", "-")
        return [raw[start : start + size] for start in range(0, len(raw), size)]
