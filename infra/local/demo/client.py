"""The app's calls: submit a job, look at it, download its video."""

import json
from pathlib import Path
from typing import Any

import requests

from infra.local.demo.errors import DemoError

CALL_SEC = 15.0  # a submission answers within 8 s whatever happens
DOWNLOAD_SEC = 60.0
CHUNK_BYTES = 1 << 16


class JobApi:
    """One client of the API; close it by leaving its `with` block."""

    def __init__(self, api: str, key: str) -> None:
        self._api = api
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["X-Internal-API-Key"] = key

    def __enter__(self) -> "JobApi":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def submit(self, body: dict[str, Any]) -> requests.Response:
        """Posts a job; raises DemoError unless the answer is 202."""
        answer = self._call("POST", f"{self._api}/v1/avatar/jobs", body)
        if answer.status_code != 202:
            raise DemoError(f"the API refused the job with {answer.status_code}: {answer.text[:1000]}")
        return answer

    def job(self, job_id: str) -> dict[str, Any]:
        """Gives the job as it is now."""
        answer = self._call("GET", f"{self._api}/v1/avatar/jobs/{job_id}")
        if answer.status_code != 200:
            raise DemoError(f"the API answered {answer.status_code} for the job: {answer.text[:1000]}")
        job: dict[str, Any] = answer.json()
        return job

    def health(self) -> dict[str, Any]:
        """Gives how the system stands."""
        health: dict[str, Any] = self._call("GET", f"{self._api}/v1/avatar/health").json()
        return health

    def _call(self, method: str, url: str, body: dict[str, Any] | None = None) -> requests.Response:
        try:
            return self._session.request(method, url, json=body, timeout=CALL_SEC)
        except requests.RequestException as error:
            raise DemoError(f"{method} {url} failed: {type(error).__name__}") from error


def download(url: str, target: Path) -> int:
    """Saves what the link gives, without any header of ours; gives its size in bytes. Raises DemoError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.get(url, stream=True, timeout=DOWNLOAD_SEC) as answer, target.open("wb") as file:
                if answer.status_code != 200:
                    raise DemoError(f"the video's link answered {answer.status_code}: {answer.text[:500]}")
                return sum(file.write(chunk) for chunk in answer.iter_content(CHUNK_BYTES))
    except requests.RequestException as error:
        raise DemoError(f"the video could not be downloaded: {type(error).__name__}") from error


def as_json(document: object) -> str:
    """Renders JSON for a human reader."""
    return json.dumps(document, indent=2, ensure_ascii=False)
