"""Checks which function the gateway chooses for a path, and how it reads its settings."""

import pytest

from infra.local.gateway.app import function_for
from infra.local.gateway.forwarding import end_to_end
from infra.local.gateway.settings import Address, SettingsError, read_settings


@pytest.mark.parametrize(
    ("path", "function"),
    [
        ("/v1/avatar/jobs", "submit_job"),
        ("/v1/avatar/jobs/", "job_status"),
        ("/v1/avatar/jobs/0190", "job_status"),
        ("/v1/avatar/jobs%2F0190", "job_status"),
        ("/v1/avatar/jobsx", "job_status"),
        ("/v1/avatar/health", "job_status"),
        ("/v1/webhooks/salad", "salad_webhook"),
        ("/v1/webhooks", "job_status"),
        ("/v1/worker/jobs/0190/reports", "salad_webhook"),
        ("/tick", "job_status"),
        ("/", "job_status"),
        ("//v1/avatar/jobs", "job_status"),
    ],
)
def test_each_path_has_its_function(path: str, function: str) -> None:
    assert function_for(path) == function


def test_hop_by_hop_headers_and_what_connection_names_end_here() -> None:
    headers = [
        (b"Connection", b"close, X-Secret-Hop"),
        (b"X-Secret-Hop", b"1"),
        (b"Transfer-Encoding", b"chunked"),
        (b"X-A", b"1"),
        (b"X-A", b"2"),
    ]
    assert end_to_end(headers) == [(b"x-a", b"1"), (b"x-a", b"2")]


def test_settings_name_all_faults_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"PORT": "70000", "SUBMIT_JOB_URL": "http://127.0.0.1", "UPSTREAM_TIMEOUT_SEC": "soon"})
    text = str(refused.value)
    assert all(name in text for name in ("PORT", "SUBMIT_JOB_URL", "JOB_STATUS_URL", "SALAD_WEBHOOK_URL", "UPSTREAM_"))


def test_settings_read_addresses() -> None:
    urls = {
        f"{name}_URL": f"http://127.0.0.1:{port}"
        for name, port in (("SUBMIT_JOB", 1), ("JOB_STATUS", 2), ("SALAD_WEBHOOK", 3))
    }
    settings = read_settings(urls)
    assert (settings.port, settings.upstreams["job_status"]) == (0, (Address("127.0.0.1", 2),))
