"""Planned faults of the B2 simulator happen, are counted, and have the documented effect."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.b2_sim import APP_KEY, KEY_ID, RunningB2, running_b2_sim


@pytest.fixture(scope="module")
def b2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningB2]:
    with running_b2_sim(tmp_path_factory.mktemp("b2")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(b2: RunningB2) -> None:
    assert requests.post(f"{b2.origin}/_sim/reset", timeout=10).ok


def order(b2: RunningB2, operation: str, fault: dict[str, Any], times: int = 1) -> str:
    body = {"operation": operation, "fault": fault, "times": times}
    answer = requests.post(f"{b2.origin}/_sim/faults", json=body, timeout=10)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def happened(b2: RunningB2, fault_id: str) -> int:
    return int(requests.get(f"{b2.origin}/_sim/faults/{fault_id}", timeout=10).json()["happened"])


def native(b2: RunningB2, operation: str, **body: Any) -> requests.Response:
    realm = f"{b2.origin}/b2api/v3"
    account = requests.get(f"{realm}/b2_authorize_account", auth=(KEY_ID, APP_KEY), timeout=10).json()
    token = {"Authorization": account["authorizationToken"]}
    return requests.post(
        f"{realm}/{operation}", json={"accountId": account["accountId"], **body}, headers=token, timeout=10
    )


def made_key(b2: RunningB2, name: str) -> requests.Response:
    return native(b2, "b2_create_key", keyName=name, capabilities=["listBuckets"])


def names(b2: RunningB2) -> list[str]:
    return [key["name"] for key in b2.state()["keys"]]


def test_a_status_happens_as_often_as_planned_and_has_no_effect(b2: RunningB2) -> None:
    fault = order(b2, "b2_create_key", {"status": 503, "retry_after": 2}, times=2)
    answers = [made_key(b2, "one") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert (answers[0].headers["Retry-After"], answers[0].json()["code"]) == ("2", "service_unavailable")
    assert (happened(b2, fault), names(b2).count("one")) == (2, 1)


@pytest.mark.parametrize(("cut", "made"), [("before", 0), ("after", 1)])
def test_a_cut_loses_the_answer_and_before_it_the_effect_too(b2: RunningB2, cut: str, made: int) -> None:
    order(b2, "b2_create_key", {"cut": cut})
    with pytest.raises(requests.ConnectionError):
        made_key(b2, f"cut-{cut}")
    assert names(b2).count(f"cut-{cut}") == made


def test_a_delay_and_a_page(b2: RunningB2) -> None:
    order(b2, "s3", {"delay_sec": 0.5})
    order(b2, "download", {"status": 502, "html": True})
    before = time.monotonic()
    requests.head(f"{b2.origin}/avatar-outputs/x", timeout=10)
    assert time.monotonic() - before >= 0.5
    assert requests.get(f"{b2.origin}/file/avatar-outputs/x", timeout=10).text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("operation", "fault"),
    [("b2_make_coffee", {"status": 503}), ("s3", {"status": 200}), ("s3", {"lose": True}), ("webhook", {"lose": True})],
)
def test_what_is_unknown_is_refused(b2: RunningB2, operation: str, fault: dict[str, Any]) -> None:
    body = {"operation": operation, "fault": fault}
    assert requests.post(f"{b2.origin}/_sim/faults", json=body, timeout=10).status_code == 400
