"""Salad's published Python SDK drives the simulator beside our own client; both must see the same.

The SDK is generated from Salad's OpenAPI document and validates what it is sent and what it gets, so it is a referee
that shares no code with the simulator. It asks for the same operations that SaladClient makes; what our client
returns is compared with the SDK's answer, read into the same plain values.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from salad_cloud_sdk import SaladCloudSdk
from salad_cloud_sdk.models import (
    ContainerGroupPatch,
    GpuAvailabilityPrototype,
    ProblemDetails,
    QueueJobPrototype,
    QueuePrototype,
)
from salad_cloud_sdk.net.transport.api_error import ApiError

from avatar_jobs.adapters.salad_client import SaladClient
from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.salad import QueueJob
from avatar_jobs.protocol.salad_job import read_job_page, read_queue_job
from avatar_jobs.protocol.salad_queue import read_gpu_classes, read_queue, read_quotas
from tests.support.salad_sim import API_KEY, NAMES, PROBE, Simulator, group_body, simulator
from tests.support.waiting import eventually

ORGANIZATION, PROJECT, QUEUE, GROUP = NAMES.values()
PLACE = (ORGANIZATION, PROJECT, QUEUE)
WEBHOOK = "https://avatars.example/v1/webhooks/salad"
METADATA = {"job_id": "job-00001", "attempt": 1, "request_id": "r-1"}


@pytest.fixture(scope="module")
def salad() -> Iterator[Simulator]:
    """A simulator with a queue that the SDK has made, and one attached container group with one running instance."""
    with simulator() as running:
        sdk = SaladCloudSdk(api_key=API_KEY, base_url=f"{running.origin}/api/public", timeout=10_000)
        made = sdk.queues.create_queue(QueuePrototype(name=QUEUE), ORGANIZATION, PROJECT)
        assert made.name == QUEUE
        running.call("create_container_group", group_body(1, readiness_probe=PROBE))
        running.running(1)
        yield running


@pytest.fixture
def sdk(salad: Simulator) -> SaladCloudSdk:
    """The SDK with the right key."""
    return SaladCloudSdk(api_key=API_KEY, base_url=f"{salad.origin}/api/public", timeout=10_000)


@pytest.fixture
def client(salad: Simulator) -> Iterator[SaladClient]:
    """Our client on the same queue."""
    made = our_client(salad)
    yield made
    made.close()


def our_client(salad: Simulator, queue: str = QUEUE, api_key: str = API_KEY) -> SaladClient:
    return SaladClient(
        base_url=f"{salad.origin}/api/public", api_key=api_key, organization=ORGANIZATION, project=PROJECT,
        queue=queue, now=lambda: datetime.now(UTC),
    )  # fmt: skip


@pytest.fixture
def quiet_queue(sdk: SaladCloudSdk) -> str:
    """A fresh queue without a container group: its jobs stay pending."""
    name = f"q{uuid4().hex[:12]}"
    sdk.queues.create_queue(QueuePrototype(name=name), ORGANIZATION, PROJECT)
    return name


def as_json(model: Any) -> Any:
    """The SDK's model as the JSON object that it was read from."""
    return model._map()


def read_by(client: SaladClient, salad_job_id: str) -> QueueJob:
    """The job as our client reads it."""
    job = client.get_queue_job(salad_job_id)
    assert job is not None
    return job


def test_the_sdk_creates_a_job_and_both_read_it_to_its_end(sdk: SaladCloudSdk, client: SaladClient) -> None:
    prototype = QueueJobPrototype(input={"text": "ä", "list": [1, None]}, metadata=METADATA)
    created = sdk.queues.create_queue_job(prototype, *PLACE)
    assert created.status == "pending"

    ours = eventually(lambda: job if (job := read_by(client, created.id_)).is_over else None)

    theirs = sdk.queues.get_queue_job(*PLACE, created.id_)
    assert read_queue_job(as_json(theirs)) == ours
    assert (theirs.status, theirs.metadata) == ("succeeded", METADATA)
    assert theirs.output["input"] == {"text": "ä", "list": [1, None]}
    assert [event.action for event in theirs.events] == ["created", "started", "succeeded"]


def test_both_list_the_same_pages(sdk: SaladCloudSdk, salad: Simulator, quiet_queue: str) -> None:
    for number in range(5):
        ours_too = {**METADATA, "attempt": number}
        prototype = QueueJobPrototype(input=number, metadata=ours_too)
        sdk.queues.create_queue_job(prototype, ORGANIZATION, PROJECT, quiet_queue)
    client = our_client(salad, quiet_queue)
    attempts = []
    for page in (1, 2, 3):
        theirs = as_json(sdk.queues.list_queue_jobs(ORGANIZATION, PROJECT, quiet_queue, page, 2))
        ours = client.list_queue_jobs(page, 2)
        assert read_job_page(theirs, 2) == ours
        assert ours.is_last == (page == 3)
        attempts += [job.attempt for job in ours.ours]
    client.close()
    assert sorted(attempts) == [0, 1, 2, 3, 4]


def test_both_clients_see_a_deleted_job_as_cancelled(sdk: SaladCloudSdk, salad: Simulator, quiet_queue: str) -> None:
    client = our_client(salad, quiet_queue)
    place = (ORGANIZATION, PROJECT, quiet_queue)
    first, second = (sdk.queues.create_queue_job(QueueJobPrototype(input=n), *place).id_ for n in (1, 2))
    assert sdk.queues.delete_queue_job(*place, first) is None
    client.delete_queue_job(second)
    assert read_by(client, first).status == "cancelled"
    assert sdk.queues.get_queue_job(*place, second).status == "cancelled"
    client.close()


def test_a_job_with_a_webhook_is_created_but_the_sdk_cannot_read_it(
    sdk: SaladCloudSdk, salad: Simulator, quiet_queue: str
) -> None:
    """The SDK's known defect: it takes a date's pattern from Salad's OpenAPI document for the webhook's address."""
    client = our_client(salad, quiet_queue)
    place = (ORGANIZATION, PROJECT, quiet_queue)
    with pytest.raises(ValueError, match=r"Invalid value for webhook: must match .* received https://"):
        sdk.queues.create_queue_job(QueueJobPrototype(input=1, metadata=METADATA, webhook=WEBHOOK), *place)

    (theirs,) = salad.call("list_queue_jobs", queue_name=quiet_queue).json()["items"]
    assert (theirs["input"], theirs["metadata"], theirs["webhook"]) == (1, METADATA, WEBHOOK)
    salad_job_id = client.create_queue_job({"a": 1}, METADATA, WEBHOOK)
    client.close()
    ours = salad.call("get_queue_job", queue_name=quiet_queue, queue_job_id=salad_job_id).json()
    assert (ours["input"], ours["metadata"], ours["webhook"]) == ({"a": 1}, METADATA, WEBHOOK)
    for read in (
        lambda: sdk.queues.get_queue_job(*place, ours["id"]),
        lambda: sdk.queues.list_queue_jobs(*place),
    ):
        with pytest.raises(ValueError, match="Invalid value for webhook"):
            read()


def test_both_observe_the_fleet_in_the_queue_and_in_its_groups(
    salad: Simulator, sdk: SaladCloudSdk, client: SaladClient
) -> None:
    queue = sdk.queues.get_queue(*PLACE)
    ours = client.get_queue()
    assert read_queue(as_json(queue)) == ours
    assert (ours.length, ours.groups[GROUP].counts.running, ours.instances["running"]) == (0, 1, 1)
    assert queue.current_queue_length == 0
    (group,) = queue.container_groups
    assert group.current_state.instance_status_counts.running_count == 1
    assert as_json(sdk.container_groups.get_container_group(ORGANIZATION, PROJECT, GROUP)) == as_json(group)
    assert salad.call("get_container_group").json() == as_json(group)
    listed = sdk.container_groups.list_container_groups(ORGANIZATION, PROJECT)
    assert as_json(listed) == salad.call("list_container_groups").json()


def test_each_client_sees_what_the_other_scales_stops_and_starts(
    salad: Simulator, sdk: SaladCloudSdk, client: SaladClient
) -> None:
    place = (ORGANIZATION, PROJECT, GROUP)
    scaled = sdk.container_groups.update_container_group(ContainerGroupPatch(replicas=2), *place)
    assert (scaled.replicas, client.get_queue().groups[GROUP].counts.replicas) == (2, 2)
    salad.running(2)
    client.set_replicas(GROUP, 1)
    assert client.get_queue().groups[GROUP].counts.replicas == 1
    assert sdk.container_groups.get_container_group(*place).replicas == 1

    sdk.container_groups.stop_container_group(*place)
    eventually(lambda: salad.call("get_container_group").json()["current_state"]["status"] == "stopped")
    assert client.get_queue().groups[GROUP].is_stopped
    client.start_container_group(GROUP)
    salad.running(1)
    assert sdk.container_groups.get_container_group(*place).current_state.status == "running"
    assert salad.call("stop_container_group").status_code == 202
    eventually(lambda: sdk.container_groups.get_container_group(*place).current_state.status == "stopped")
    sdk.container_groups.start_container_group(*place)
    salad.running(1)


def test_both_read_the_market_the_quota_and_the_webhook_key(
    salad: Simulator, sdk: SaladCloudSdk, client: SaladClient
) -> None:
    classes = sdk.organization_data.list_gpu_classes(ORGANIZATION)
    assert read_gpu_classes(as_json(classes)) == client.list_gpu_classes()
    assert {price.priority for price in classes.items[0].prices} == {"high", "medium", "low", "batch"}

    wanted = [one.id_ for one in classes.items[:2]]
    available = sdk.organizations.get_gpu_availability(GpuAvailabilityPrototype(gpu_classes=wanted), ORGANIZATION)
    assert as_json(available) == salad.call("get_gpu_availability", {"gpu_classes": wanted}).json()

    quotas = sdk.quotas.get_quotas(ORGANIZATION)
    assert read_quotas(as_json(quotas)) == client.get_quotas()
    assert quotas.container_groups_quotas.container_replicas_used == 1

    before = salad.call("get_webhook_secret_key").json()["secret_key"]
    assert before == sdk.webhook_secret_key.get_webhook_secret_key(ORGANIZATION).secret_key
    rotated = sdk.webhook_secret_key.update_webhook_secret_key(ORGANIZATION).secret_key
    assert salad.call("get_webhook_secret_key").json()["secret_key"] == rotated != before


def test_an_unknown_object_is_the_same_404_for_both_clients(salad: Simulator, sdk: SaladCloudSdk) -> None:
    with pytest.raises(ProblemDetails) as theirs:
        sdk.queues.get_queue(ORGANIZATION, PROJECT, "nowhere")
    client = our_client(salad, "nowhere")
    with pytest.raises(ProviderError) as ours:
        client.get_queue()
    client.close()
    assert (theirs.value.status, ours.value.status) == (404, 404)
    assert theirs.value.detail in str(ours.value)


def test_a_wrong_key_is_a_401_for_both(salad: Simulator, sdk: SaladCloudSdk) -> None:
    sdk.set_api_key("wrong")
    with pytest.raises((ApiError, ProblemDetails)) as theirs:
        sdk.queues.get_queue(*PLACE)
    client = our_client(salad, api_key="wrong")
    with pytest.raises(ProviderError) as ours:
        client.get_queue()
    client.close()
    assert (theirs.value.status, ours.value.status) == (401, 401)


def test_no_operation_of_our_client_is_missing_here() -> None:
    """A method that SaladClient gains must be compared above before it is named here."""
    methods = {name for name in dir(SaladClient) if not name.startswith("_")} - {"close"}
    assert methods == {
        "create_queue_job", "get_queue_job", "list_queue_jobs", "delete_queue_job", "get_queue",
        "set_replicas", "start_container_group", "list_gpu_classes", "get_quotas",
    }  # fmt: skip
