"""Reads the settings of the functions from the environment, and names all faults at once. No other module reads it.

docs/environment.md lists every variable; a test compares that page with this file.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from avatar_jobs.domain.errors import AvatarError
from avatar_jobs.domain.scaling import ScalingChoices
from avatar_jobs.domain.scaling.configuration import DEFAULTS as SCALING_DEFAULTS
from avatar_jobs.domain.scaling.configuration import read_choices
from avatar_jobs.protocol.signatures import SECRET_PREFIX, secret_bytes

MIN_TOKEN_SECRET = 32  # characters: 128 bits even when they are hex digits
MIN_API_KEY = 16
WAKE_JOB_FORM = re.compile(r"projects/[^/]+/locations/[^/]+/jobs/[^/]+")
CLIENT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class SettingsError(AvatarError):
    """The settings are missing or wrong; the message names every fault."""


@dataclass(frozen=True)
class StoreSettings:
    """STORE and its place: exactly one of sqlite_path and firestore_project is set."""

    sqlite_path: Path | None
    firestore_project: str | None
    firestore_database: str


@dataclass(frozen=True)
class ClientSettings:
    """API_CLIENTS: the keys and the callback secrets by client. During a rotation a client has several of each."""

    api_keys: Mapping[str, Sequence[str]] = field(repr=False)
    callback_secrets: Mapping[str, Sequence[str]] = field(repr=False)


@dataclass(frozen=True)
class SaladSettings:
    """SALAD_*: Salad's API, our key to it, and our queue."""

    url: str
    api_key: str = field(repr=False)
    organization: str
    project: str
    queue: str


@dataclass(frozen=True)
class DispatchSettings:
    """What each job tells its worker about us.

    base_url: the origin of salad_webhook, which gets its reports; token_secrets: the first one signs its report token.
    """

    base_url: str
    token_secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class MintSettings:
    """The key that makes and deletes storage keys of single jobs, and the origin of B2's native API."""

    api_url: str
    key_id: str
    app_key: str = field(repr=False)


@dataclass(frozen=True)
class OutputSettings:
    """The bucket of finished videos, and the links to them.

    prefix: the folder in the bucket; download_url: the origin of plain file URLs; public: True for plain file URLs,
    False for presigned ones; lifetime: how long after its end a job's video can be fetched.
    """

    key_id: str
    app_key: str = field(repr=False)
    bucket: str
    prefix: str
    endpoint: str
    region: str
    download_url: str
    public: bool
    lifetime: timedelta


@dataclass(frozen=True)
class EndingSettings:
    """What a function needs to end jobs: the bucket, the clients with their callback secrets, and REHEARSAL_MODE."""

    bucket: OutputSettings
    clients: ClientSettings
    rehearsal: bool


class Environment:
    """The environment variables, read one by one.

    A wrong variable raises nothing when it is read; its method returns a placeholder. check() raises all faults at
    once. variables: the values by name.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._faults: list[str] = []

    @classmethod
    def of_process(cls) -> "Environment":
        """Returns the environment of this process."""
        return cls(dict(os.environ))

    def check(self) -> None:
        """Raises SettingsError with every fault found so far."""
        if self._faults:
            raise SettingsError("the settings are wrong: " + "; ".join(dict.fromkeys(self._faults)))

    def text(self, name: str, default: str | None = None) -> str:
        """Returns a text. Without a default it must not be empty."""
        value = self._variables.get(name, "").strip()
        if value:
            return value
        if default is None:
            self._faults.append(f"{name} is missing")
        return default or ""

    def choice(self, name: str, default: str, allowed: Sequence[str]) -> str:
        """Returns one of the allowed values."""
        value = self.text(name, default)
        if value not in allowed:
            self._faults.append(f"{name} must be one of {', '.join(allowed)}")
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Returns a whole number from low to high."""
        value = self.text(name, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            self._faults.append(f"{name} must be a whole number from {low} to {high}")
            return default
        return int(value)

    def origin(self, name: str, default: str | None = None) -> str:
        """Returns an http(s) URL without its trailing slash; the rehearsal's URLs are http."""
        value = self.text(name, default)
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            self._faults.append(f"{name} must be an http(s) URL")
        return value.rstrip("/")

    def secrets(self, name: str, problem: Callable[[str], str | None]) -> tuple[str, ...]:
        """Returns comma-separated secrets, the newest first.

        problem: returns what is wrong with one secret, without quoting it, or None.
        """
        values = tuple(part.strip() for part in self.text(name).split(",") if part.strip())
        self._faults.extend(f"{name} {fault}" for fault in {problem(value) for value in values} if fault)
        return values

    def rehearsal(self) -> bool:
        """Returns REHEARSAL_MODE: True also allows http and loopback in URLs from outside."""
        return self.choice("REHEARSAL_MODE", "false", ("true", "false")) == "true"

    def token_secrets(self) -> tuple[str, ...]:
        """Returns REPORT_TOKEN_SECRETS: the first one signs, all are accepted."""
        short = f"must hold secrets of at least {MIN_TOKEN_SECRET} characters"
        return self.secrets("REPORT_TOKEN_SECRETS", lambda value: short if len(value) < MIN_TOKEN_SECRET else None)

    def webhook_secrets(self) -> tuple[str, ...]:
        """Returns SALAD_WEBHOOK_SECRETS: all are accepted."""
        return self.secrets("SALAD_WEBHOOK_SECRETS", _webhook_secret_problem)

    def store(self) -> StoreSettings:
        """Returns STORE and its place: SQLITE_PATH, or FIRESTORE_PROJECT and FIRESTORE_DATABASE."""
        kind = self.choice("STORE", "firestore", ("firestore", "sqlite"))
        database = self.text("FIRESTORE_DATABASE", "(default)")
        if kind == "sqlite":
            return StoreSettings(Path(self.text("SQLITE_PATH")), None, database)
        project = self.text("FIRESTORE_PROJECT") if kind == "firestore" else None
        return StoreSettings(None, project, database)

    def salad(self) -> SaladSettings:
        """Returns SALAD_API_URL, SALAD_API_KEY and the names of organisation, project and queue."""
        return SaladSettings(
            url=self.origin("SALAD_API_URL", "https://api.salad.com/api/public"),
            api_key=self.text("SALAD_API_KEY"),
            organization=self.text("SALAD_ORG_NAME"),
            project=self.text("SALAD_PROJECT_NAME"),
            queue=self.text("SALAD_QUEUE_NAME"),
        )

    def outputs(self) -> OutputSettings:
        """Returns B2_* and OUTPUT_*: the bucket of finished videos."""
        return OutputSettings(
            key_id=self.text("B2_KEY_ID"),
            app_key=self.text("B2_APP_KEY"),
            bucket=self.text("B2_BUCKET_NAME"),
            prefix=self.text("B2_PREFIX", "musetalk/outputs/"),
            endpoint=self.origin("B2_S3_ENDPOINT"),
            region=self.text("B2_REGION"),
            download_url=self.origin("B2_DOWNLOAD_URL"),
            public=self.choice("OUTPUT_URL_MODE", "signed", ("signed", "public")) == "public",
            lifetime=timedelta(days=self.number("OUTPUT_LIFETIME_DAYS", 30, 1, 3650)),
        )

    def clients(self) -> ClientSettings:
        """Returns API_CLIENTS: {"client": {"api_keys": [...], "callback_secrets": [...]}}, without wrong ones."""
        text = self.text("API_CLIENTS")
        try:
            document = json.loads(text) if text else {}
        except ValueError:
            document = None
        if not isinstance(document, dict) or (text and not document):
            self._faults.append("API_CLIENTS must be a JSON object of clients")
            document = {}
        self._faults.extend(f"API_CLIENTS {fault}" for fault in client_faults(document))
        valid = {name: entry for name, entry in document.items() if not client_faults({name: entry})}
        return ClientSettings(
            api_keys={name: tuple(entry["api_keys"]) for name, entry in valid.items()},
            callback_secrets={name: tuple(entry["callback_secrets"]) for name, entry in valid.items()},
        )

    def ending(self) -> EndingSettings:
        """Returns the settings of the bucket and the clients, and REHEARSAL_MODE."""
        return EndingSettings(self.outputs(), self.clients(), self.rehearsal())

    def dispatching(self) -> DispatchSettings:
        """Returns PUBLIC_BASE_URL, where Salad and the workers reach salad_webhook, and REPORT_TOKEN_SECRETS."""
        return DispatchSettings(self.origin("PUBLIC_BASE_URL"), self.token_secrets())

    def minting(self) -> MintSettings | None:
        """Returns B2_MINT_* and B2_API_URL, or None when WORKER_UPLOAD_KEYS is `node`.

        `per_job`: each job's worker gets a key for that job's outputs; `node`: workers have a key of their own.
        """
        if self.choice("WORKER_UPLOAD_KEYS", "per_job", ("per_job", "node")) == "node":
            return None
        return MintSettings(
            api_url=self.origin("B2_API_URL", "https://api.backblazeb2.com"),
            key_id=self.text("B2_MINT_KEY_ID"),
            app_key=self.text("B2_MINT_APP_KEY"),
        )

    def scaling(self) -> ScalingChoices:
        """Returns SCALE_*, WINDOWED_*, CURRENT_MAX_REPLICAS, ALWAYS_ON_MIN_REPLICAS_3060 and DAILY_BUDGET_USD."""
        choices, faults = read_choices({name: self.text(name, default) for name, default in SCALING_DEFAULTS.items()})
        self._faults += faults
        return choices

    def wake_job(self) -> tuple[str, str] | None:
        """Returns WAKE_JOB, the scheduler's job that calls the tick, with WAKE_API_URL, or None without it."""
        job = self.text("WAKE_JOB", "")
        api_url = self.origin("WAKE_API_URL", "https://cloudscheduler.googleapis.com")
        if job and not WAKE_JOB_FORM.fullmatch(job):
            self._faults.append("WAKE_JOB must be projects/<project>/locations/<region>/jobs/<name>")
        return (job, api_url) if job else None

    def submit_instances(self) -> int:
        """Returns SUBMIT_MAX_INSTANCES: how many instances of submit_job share its calls to Salad."""
        return self.number("SUBMIT_MAX_INSTANCES", 10, 1, 1000)

    def tick_period(self) -> timedelta:
        """Returns TICK_PERIOD_SEC: the time between two calls of the scheduler."""
        return timedelta(seconds=self.number("TICK_PERIOD_SEC", 60, 1, 3600))


def client_faults(document: Mapping[str, Any]) -> list[str]:
    """Returns what is wrong with a parsed API_CLIENTS. The faults name clients and never a secret."""
    faults = []
    for name, entry in document.items():
        if not CLIENT_NAME.fullmatch(name):
            faults.append("has a client name that is not 1 to 63 characters of a-z, 0-9 and '-'")
        lists = [entry.get(part) if isinstance(entry, dict) else None for part in ("api_keys", "callback_secrets")]
        if not all(isinstance(part, list) and part and all(isinstance(one, str) for one in part) for part in lists):
            faults.append(f"client {name!r} must have non-empty lists of text api_keys and callback_secrets")
            continue
        keys, secrets = lists
        if any(len(key) < MIN_API_KEY for key in keys or ()):
            faults.append(f"client {name!r} has an API key of fewer than {MIN_API_KEY} characters")
        if any(_webhook_secret_problem(secret) for secret in secrets or ()):
            faults.append(f"client {name!r} has a callback secret that is not {SECRET_PREFIX} followed by base64")
    all_keys = [key for entry in document.values() if isinstance(entry, dict) for key in entry.get("api_keys") or ()]
    if len({str(key) for key in all_keys}) != len(all_keys):
        faults.append("has one API key twice")
    return faults


def _webhook_secret_problem(value: str) -> str | None:
    problem = f"must hold secrets of the form {SECRET_PREFIX}<base64>"
    try:
        return None if value.startswith(SECRET_PREFIX) and secret_bytes(value) else problem
    except ValueError:
        return problem
