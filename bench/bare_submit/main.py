"""The bare function of bench.api_overhead: it makes the same writes and the same call as submit_job, without layers.

It has no authentication, validation, URL guard, error handling or log lines. It does what any function must do that
stores a job before it sends it, sends it once, and stores the outcome.
"""

import hashlib
import json
import os
import secrets
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import functions_framework
import requests
from flask import Request, Response
from google.cloud import firestore

SALAD_URL, SALAD_KEY, BASE_URL = os.environ["SALAD_JOBS_URL"], os.environ["SALAD_API_KEY"], os.environ["BASE_URL"]
SQLITE_PATH = os.environ.get("SQLITE_PATH", "")
BUSY_SEC = 4.5
SALAD_SEC = 4.0
STORE_SEC = 5.0

session = requests.Session()
session.trust_env = False
session.headers["Salad-Api-Key"] = SALAD_KEY
opened: dict[str, Any] = {}


def time_text(moment: datetime) -> str:
    """Returns a time in its stored form."""
    return moment.isoformat(timespec="microseconds")


def new_job(body: dict[str, Any], key: str, now: datetime) -> dict[str, Any]:
    """Returns a job document with the fields, and about the bytes, of a real one."""
    at = time_text(now)
    attempt = {
        "number": 1, "dispatch": "sending", "claimed_at": at, "tries": 1, "salad_job_id": None, "runs": [],
        "last_report_at": None, "last_seq": -1, "last_error": None, "closed": False,
    }  # fmt: skip
    return {
        "schema_version": 1, "id": secrets.token_hex(16), "client": "a", "request_id": secrets.token_hex(16),
        "idempotency_key": key, "status": "queued", "phase": "accepted", "progress": 0.0,
        "input": {name: value for name, value in body.items() if name != "metadata"}, "metadata": body["metadata"],
        "created_at": at, "started_at": None, "finished_at": None, "cancel_requested_at": None,
        "credentials_expire_at": at, "retention_sec": 2_592_000, "output_expires_at": None, "attempts": [attempt],
        "claimed_result": None, "output": None, "metrics": None, "error": None, "callback": None,
        "timers": {"dispatch": time_text(now + timedelta(seconds=30)), "start_deadline": at},
        "timeline": [{"at": at, "event": "accepted", "attempt": 1, "detail": ""}],
    }  # fmt: skip


def sqlite_create(job: dict[str, Any], record: str) -> str:
    """Runs the statements of SqliteJobStore.create in one transaction. Returns the version."""
    if "keeper" not in opened:  # as the real store does: see SqliteFile._keep_open
        opened["keeper"] = sqlite3.connect(SQLITE_PATH, check_same_thread=False)
        opened["keeper"].execute("SELECT id FROM fleet").fetchall()
    connection = sqlite3.connect(SQLITE_PATH, timeout=BUSY_SEC, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        found = "SELECT body FROM idempotency WHERE client = ? AND key = ?"
        connection.execute(found, (job["client"], job["idempotency_key"])).fetchone()
        kept = "INSERT INTO idempotency (client, key, body) VALUES (?, ?, ?)"
        connection.execute(kept, (job["client"], job["idempotency_key"], record))
        connection.execute(
            "INSERT INTO jobs (id, client, status, created_at, next_action_at, expires_at, version, body)"
            " VALUES (?, ?, ?, ?, ?, ?, 1, ?)",
            (
                job["id"],
                job["client"],
                job["status"],
                job["created_at"],
                job["timers"]["dispatch"],
                None,
                json.dumps(job),
            ),
        )
        connection.execute("COMMIT")
    finally:
        connection.close()
    return "1"


def sqlite_update(job: dict[str, Any], version: str) -> None:
    """Runs the statement of SqliteJobStore's update in one transaction."""
    connection = sqlite3.connect(SQLITE_PATH, timeout=BUSY_SEC, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "UPDATE jobs SET status = ?, next_action_at = ?, expires_at = ?, body = ?, version = version + 1"
            " WHERE id = ? AND version = ?",
            (job["status"], job["timers"]["start_deadline"], None, json.dumps(job), job["id"], int(version)),
        )
        connection.execute("COMMIT")
    finally:
        connection.close()


def columns(job: dict[str, Any], next_action: str) -> dict[str, Any]:
    """Returns the document's fields as the real store writes them."""
    return {
        "client": job["client"],
        "status": job["status"],
        "created_at": datetime.fromisoformat(job["created_at"]),
        "next_action_at": datetime.fromisoformat(job["timers"][next_action]),
        "expires_at": None,
        "body": json.dumps(job),
        "write_id": secrets.token_hex(16),
    }


def database() -> Any:
    """Returns the Firestore client, which is opened on first use."""
    if "client" not in opened:
        opened["client"] = firestore.Client(project=os.environ["FIRESTORE_PROJECT"])
    return opened["client"]


def firestore_create(job: dict[str, Any], record: str) -> Any:
    """Creates job and idempotency record in one batch. Returns the job's update time."""
    batch = database().batch()
    batch.create(database().collection("jobs").document(job["id"]), columns(job, "dispatch"))
    name = hashlib.sha256(f"{job['client']}\n{job['idempotency_key']}".encode()).hexdigest()
    batch.create(database().collection("idempotency").document(name), {"body": record})
    return batch.commit(timeout=STORE_SEC)[0].update_time


def firestore_update(job: dict[str, Any], version: Any) -> None:
    """Updates the job on the condition that its version is unchanged."""
    batch = database().batch()
    unchanged = database().write_option(last_update_time=version)
    batch.update(database().collection("jobs").document(job["id"]), columns(job, "start_deadline"), option=unchanged)
    batch.commit(timeout=STORE_SEC)


def send(job: dict[str, Any]) -> str:
    """Calls Salad once with a body of the same fields. Returns Salad's id."""
    named = {"job_id": job["id"], "attempt": 1, "request_id": job["request_id"]}
    asked = {name: job["input"][name] for name in ("video_url", "audio_url", "aspect_ratio", "resolution")}
    worker_input = {
        "schema_version": 1, **named, **asked, "report_url": f"{BASE_URL}/v1/worker/jobs/{job['id']}/reports",
        "report_token": secrets.token_hex(32), "run_timeout_seconds": 1800,
        "expires_at": job["credentials_expire_at"], "upload": None, "params": {},
    }  # fmt: skip
    document = {"input": worker_input, "metadata": named, "webhook": f"{BASE_URL}/v1/webhooks/salad"}
    return str(session.post(SALAD_URL, json=document, timeout=SALAD_SEC).json()["id"])


@functions_framework.http
def bare_submit(request: Request) -> Response:
    """Stores the job, sends it once, stores the outcome, answers 202 with the job."""
    if request.method != "POST":
        return Response(status=404)  # the readiness probe
    now = datetime.now(UTC)
    key = request.headers["Idempotency-Key"]
    job = new_job(request.get_json(), key, now)
    record = json.dumps({"client": "a", "key": key, "job_id": job["id"], "fingerprint": secrets.token_hex(32)})
    version = sqlite_create(job, record) if SQLITE_PATH else firestore_create(job, record)
    salad_job_id = send(job)
    job["phase"] = "dispatched"
    job["attempts"][0] |= {"dispatch": "sent", "salad_job_id": salad_job_id}
    job["timeline"].append({"at": time_text(now), "event": "dispatched", "attempt": 1, "detail": ""})
    if SQLITE_PATH:
        sqlite_update(job, version)
    else:
        firestore_update(job, version)
    shown = {name: job[name] for name in ("id", "status", "phase", "progress", "input", "metadata", "created_at")}
    headers = {"Location": f"/v1/avatar/jobs/{job['id']}"}
    return Response(json.dumps(shown), status=202, content_type="application/json", headers=headers)
