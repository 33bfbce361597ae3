"""The stand-in queue worker judges answers and settings as Salad's program does."""

import pytest

from infra.local.queue_worker import settings
from infra.local.queue_worker.execution import is_rejection


@pytest.mark.parametrize(
    ("status", "rejected"),
    [
        *((status, False) for status in (200, 301, 400, 404, 422, 499, 600)),
        *((status, True) for status in (408, 429, 500, 503, 599)),
    ],
)
def test_only_time_out_too_many_and_server_errors_give_a_job_back(status: int, rejected: bool) -> None:
    assert is_rejection(status) is rejected


def test_the_defaults_are_those_of_salads_program() -> None:
    chosen = settings.from_environment({})
    assert chosen.metadata_uri == "http://169.254.169.254:80"
    assert chosen.service_endpoint == "job-queue-worker-api.salad.com:443"
    assert (chosen.service_use_tls, chosen.log_level, chosen.poll_sec) == (True, "error", 5.0)


@pytest.mark.parametrize(
    ("name", "text"),
    [("SALAD_LOG_LEVEL", "loud"), ("SALAD_SERVICE_USE_TLS", "maybe"), ("QUEUE_WORKER_POLL_SEC", "soon")],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, text: str) -> None:
    with pytest.raises(settings.SettingsError, match=name):
        settings.from_environment({name: text})
