"""The four functions on one SQLite store, with scripted servers where Salad, the bucket and an app stand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from avatar_jobs.bootstrap import common
from avatar_jobs.bootstrap.common import open_stores
from avatar_jobs.logs import JsonLog
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.settings import Environment
from tests.support.fake_salad import FakeSalad
from tests.support.functions import API_KEY, FunctionClient, Reply, variables
from tests.support.openapi import OpenApiValidator
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server
from tests.support.store_watch import StoreWatch


class MovedClock:
    """The system's clock, which tests move forward."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        """Returns the moved time."""
        return datetime.now(UTC) + self.offset


@dataclass
class System:
    """The functions and their peers."""

    environment: dict[str, str]
    validator: OpenApiValidator
    salad: FakeSalad
    bucket: ScriptedServer
    app: ScriptedServer
    clock: "MovedClock"
    watch: StoreWatch
    loaded: dict[str, FunctionClient] = field(default_factory=dict)

    def function(self, name: str) -> FunctionClient:
        """One of the four functions, loaded once."""
        if name not in self.loaded:
            self.loaded[name] = FunctionClient(name, self.environment, self.validator)
        return self.loaded[name]

    def body(self, **changes: Any) -> dict[str, Any]:
        """A request that is accepted."""
        origin = self.app.url
        return {"video_url": f"{origin}/face.mp4", "audio_url": f"{origin}/speech.wav", **changes}

    def submit(self, json_body: Any = None, *, key: str = API_KEY, headers: Mapping[str, str] | None = None) -> Reply:
        """POSTs a job."""
        sent = {"X-Internal-API-Key": key, **(headers or {})}
        return self.function("submit_job").call(
            "POST", "/v1/avatar/jobs", json_body=self.body() if json_body is None else json_body, headers=sent
        )

    def read(self, job_id: str, *, key: str = API_KEY) -> Reply:
        """GETs a job."""
        return self.function("job_status").call("GET", f"/v1/avatar/jobs/{job_id}", headers={"X-Internal-API-Key": key})

    def stores(self) -> common.Stores:
        """The three ports of the store behind the functions, not watched."""
        return open_stores(Environment(self.environment).store(), JsonLog("test"))

    def store(self) -> JobStore:
        """The jobs in the store behind the functions."""
        return self.stores().jobs

    def move_clock(self, seconds: float) -> None:
        """Lets time pass for all functions."""
        self.clock.offset += timedelta(seconds=seconds)

    def tick(self) -> Reply:
        """Runs one tick."""
        return self.function("scale_tick").call("POST", "/tick")


@pytest.fixture
def system(tmp_path: Path, openapi: OpenApiValidator, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """A whole control plane whose Salad takes every job and whose bucket is empty."""
    nothing = Answer(404, b"", {"Content-Type": "application/xml"})
    clock = MovedClock()
    watch = StoreWatch()
    monkeypatch.setattr(common, "utc_now", clock)
    monkeypatch.setattr(common, "open_stores", lambda settings, log: watch.over(open_stores(settings, log)))
    with FakeSalad() as salad, scripted_server(nothing) as bucket, scripted_server() as app:
        store = {"STORE": "sqlite", "SQLITE_PATH": str(tmp_path / "jobs.sqlite")}
        environment = variables(store=store, salad_url=salad.url, b2_url=bucket.url, base_url="http://127.0.0.1:9")
        yield System(environment, openapi, salad, bucket, app, clock, watch)
