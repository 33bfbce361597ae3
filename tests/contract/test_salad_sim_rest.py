"""The simulator's REST API keeps to Salad's OpenAPI file and refuses what Salad refuses."""

from collections.abc import Iterator

import pytest

from tests.support.salad_sim import PROBE, Simulator, group_body, simulator
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with simulator() as running:
        running.call("create_queue", {"name": "jobs", "display_name": "The jobs"})
        yield running


def test_a_missing_or_wrong_key_is_401(shared: Simulator) -> None:
    for key in (None, "", "wrong"):
        answer = shared.call("list_queues", key=key)
        assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")


def test_another_organization_or_project_is_404(shared: Simulator) -> None:
    assert shared.call("list_queues", organization_name="other").status_code == 404
    assert shared.call("list_queues", project_name="other").status_code == 404


def test_a_queue_is_created_read_changed_and_deleted(shared: Simulator) -> None:
    created = shared.call("create_queue", {"name": "second", "description": "d"})
    assert created.status_code == 201
    assert created.headers["Location"].endswith("/queues/second")
    assert created.json()["display_name"] == "second"
    patched = shared.call("update_queue", {"display_name": "Second"}, queue_name="second").json()
    assert (patched["display_name"], patched["description"]) == ("Second", "d")
    assert {queue["name"] for queue in shared.call("list_queues").json()["items"]} == {"jobs", "second"}
    assert shared.call("delete_queue", queue_name="second").status_code == 202
    assert shared.call("get_queue", queue_name="second").status_code == 404


def test_a_queue_name_is_taken_once(shared: Simulator) -> None:
    answer = shared.call("create_queue", {"name": "jobs"})
    assert answer.status_code == 400
    assert "jobs" in answer.json()["detail"]


def test_a_job_waits_and_is_counted_until_it_is_cancelled(shared: Simulator) -> None:
    job_id = shared.submit([1, {"a": None}], metadata={"job_id": "x"}, webhook="http://127.0.0.1:9/hook")
    job = shared.job(job_id)
    assert (job["status"], job["input"], job["metadata"]) == ("pending", [1, {"a": None}], {"job_id": "x"})
    assert job["webhook"] == "http://127.0.0.1:9/hook"
    assert [event["action"] for event in job["events"]] == ["created"]
    assert shared.call("get_queue").json()["current_queue_length"] == 1
    assert shared.call("delete_queue_job", queue_job_id=job_id).status_code == 202
    assert shared.job(job_id)["status"] == "cancelled"
    assert shared.call("get_queue").json()["current_queue_length"] == 0
    assert shared.call("delete_queue_job", queue_job_id=job_id).status_code == 202


def test_unknown_jobs_are_404(shared: Simulator) -> None:
    unknown = "00000000-0000-0000-0000-000000000000"
    assert shared.call("get_queue_job", queue_job_id=unknown).status_code == 404
    assert shared.call("delete_queue_job", queue_job_id=unknown).status_code == 404
    assert shared.call("create_queue_job", {"input": 1}, queue_name="other").status_code == 404


def test_the_pages_of_the_job_list_hold_each_job_once(shared: Simulator) -> None:
    shared.call("create_queue", {"name": "paged"})
    made = {shared.call("create_queue_job", {"input": n}, queue_name="paged").json()["id"] for n in range(7)}
    listed: list[str] = []
    for page in (1, 2, 3, 4):
        query = {"page": page, "page_size": 3}
        answer = shared.call("list_queue_jobs", query=query, queue_name="paged")
        listed += [job["id"] for job in answer.json()["items"]]
    assert len(listed) == 7
    assert set(listed) == made


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"metadata": {}}, "input"),
        ({"input": 1, "metadata": {str(n): n for n in range(21)}}, "metadata"),
        ({"input": 1, "webhook": "not a url"}, "webhook"),
        (b"{", "JSON"),
        ([], "array"),
    ],
)
def test_a_job_request_that_the_file_refuses_is_400_and_says_why(shared: Simulator, body: object, named: str) -> None:
    answer = shared.call("create_queue_job", body)
    assert answer.status_code == 400
    assert named in answer.json()["detail"] or named == "array"


def test_a_page_outside_the_files_bounds_is_400(shared: Simulator) -> None:
    for query in ({"page": 0}, {"page_size": 101}, {"page": "x"}):
        assert shared.call("list_queue_jobs", query=query).status_code == 400


def test_a_patch_must_come_as_a_merge_patch(shared: Simulator) -> None:
    answer = shared.call("update_queue", {"display_name": "No"}, content_type="application/json")
    assert answer.status_code == 415
    assert "application/merge-patch+json" in answer.json()["detail"]


def test_a_body_over_the_limit_is_413(shared: Simulator) -> None:
    assert shared.call("create_queue_job", {"input": "x" * 12_000_000}).status_code == 413


def test_gpu_classes_are_the_real_list_and_have_availability(shared: Simulator) -> None:
    classes = shared.call("list_gpu_classes").json()["items"]
    assert any(one["name"] == "RTX 3080 Ti (12 GB)" for one in classes)
    available = shared.call("get_gpu_availability", {"gpu_classes": [classes[0]["id"]]})
    assert available.json()["available_gpu_high"] > 0
    unknown = {"gpu_classes": ["00000000-0000-0000-0000-000000000000"]}
    assert shared.call("get_gpu_availability", unknown).status_code == 404


def test_the_webhook_secret_is_read_and_rotated(shared: Simulator) -> None:
    first = shared.call("get_webhook_secret_key").json()["secret_key"]
    second = shared.call("update_webhook_secret_key").json()["secret_key"]
    assert first != second
    assert shared.call("get_webhook_secret_key").json()["secret_key"] == second


def test_a_container_group_passes_all_its_operations(shared: Simulator) -> None:
    body = group_body(0, autostart_policy=False, readiness_probe=PROBE, country_codes=["no"])
    created = shared.call("create_container_group", body)
    assert created.status_code == 201
    assert created.json()["current_state"]["status"] == "stopped"
    assert shared.call("start_container_group").status_code == 202
    assert shared.call("get_container_group").json()["current_state"]["status"] == "pending"
    attached = shared.call("get_queue").json()["container_groups"]
    assert [(one["name"], one["replicas"]) for one in attached] == [("workers", 0)]
    patched = shared.call("update_container_group", {"display_name": "Two words", "replicas": None})
    assert (patched.json()["display_name"], patched.json()["replicas"], patched.json()["version"]) == (
        "Two words",
        0,
        1,
    )
    assert shared.call("delete_queue").status_code == 400
    assert shared.call("stop_container_group").status_code == 202
    assert len(shared.call("list_container_groups").json()["items"]) == 1
    assert shared.call("list_container_group_instances").json() == {"instances": []}
    assert shared.call("delete_container_group").status_code == 202
    eventually(lambda: shared.call("get_container_group").status_code == 404)


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": 501},
        {"name": "Has Capitals"},
        {"container": {"image": "x", "resources": {"cpu": 1}}},
        {
            "container": {
                "image": "x",
                "resources": {"cpu": 1, "memory": 1024},
                "environment_variables": {"A": "x" * 1001},
            }
        },
        {"queue_connection": {"path": "/generate", "port": 8000, "queue_name": "unknown"}},
        {"readiness_probe": {**PROBE, "http": None, "tcp": {"port": 1}}},
        {"country_codes": ["xx"]},
    ],
)
def test_an_invalid_container_group_is_400(shared: Simulator, change: dict[str, object]) -> None:
    assert shared.call("create_container_group", group_body(0, **change)).status_code == 400
    assert shared.call("get_container_group").status_code == 404


def test_what_does_not_exist_is_problem_details_and_not_a_page(shared: Simulator) -> None:
    answer = shared.control("GET", "/nothing")
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")
    assert shared.control("DELETE", "/state").json()["status"] == 405


def test_calls_over_the_limit_are_429_until_the_control_interface_resets() -> None:
    with simulator(SALAD_SIM_RATE_LIMIT="3") as limited:
        assert [limited.call("list_queues").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert 1 <= int(limited.call("get_quotas").headers["Retry-After"]) <= 60
        assert limited.state()["calls"] == {"list_queues": 4, "get_quotas": 1}
        limited.control("POST", "/reset")
        assert limited.state()["calls"] == {}
        assert limited.call("list_queues").status_code == 200


def test_a_429_can_come_without_retry_after() -> None:
    with simulator(SALAD_SIM_RATE_LIMIT="1", SALAD_SIM_RATE_LIMIT_RETRY_AFTER="false") as limited:
        limited.call("list_queues")
        answer = limited.call("list_queues")
        assert (answer.status_code, "Retry-After" in answer.headers) == (429, False)
