"""Starts B2 simulators as processes of their own, for the tests that talk to one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import requests
from b2sdk import v3 as b2sdk
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
KEY_ID, APP_KEY, BUCKET, REGION = "004test000000000000000001", "K004testsecret", "avatar-outputs", "us-west-004"


@dataclass(frozen=True)
class RunningB2:
    """A simulator that answers; origin has no trailing slash."""

    origin: str
    directory: Path
    pid: int

    def state(self) -> dict[str, Any]:
        """Returns the bucket's files and the account's keys."""
        with requests.Session() as session:
            session.trust_env = False
            state: dict[str, Any] = session.get(f"{self.origin}/_sim/state", timeout=10).json()
        return state

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stops the process for the block: connections are taken and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def native(self, key_id: str = KEY_ID, app_key: str = APP_KEY) -> b2sdk.B2Api:
        """Returns an authorized client of the native API."""
        api = b2sdk.B2Api(b2sdk.InMemoryAccountInfo())
        api.authorize_account(application_key_id=key_id, application_key=app_key, realm=self.origin)
        return api

    def s3(self, key_id: str = KEY_ID, app_key: str = APP_KEY, region: str = REGION) -> Any:
        """Returns a boto3 client without retries, so that each call is one request."""
        return boto3.client(
            "s3",
            endpoint_url=self.origin,
            aws_access_key_id=key_id,
            aws_secret_access_key=app_key,
            region_name=region,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10),
        )


@contextmanager
def running_b2_sim(
    directory: Path, bucket_type: str = "allPrivate", also: Mapping[str, str] | None = None
) -> Iterator[RunningB2]:
    """Starts one on a free port and ends it afterwards. also: more of its settings."""
    settings = {"B2_KEY_ID": KEY_ID, "B2_APP_KEY": APP_KEY, "B2_BUCKET_NAME": BUCKET, "B2_BUCKET_TYPE": bucket_type}
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.local.b2_sim"],
        cwd=ROOT,
        env=settings | {"DATA_DIR": str(directory)} | dict(also or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "b2_sim_ready"
        yield RunningB2(f"http://127.0.0.1:{ready['port']}", directory, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()
