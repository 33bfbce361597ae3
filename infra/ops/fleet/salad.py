"""The calls to Salad that the fleet commands need, with bounded retries of calls that may be repeated."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

from avatar_jobs.adapters.salad_client.transport import MERGE_PATCH
from avatar_jobs.domain.errors import ProviderError
from infra.ops.fleet.live import gpu_class, live_group, live_queue
from infra.ops.fleet.model import LiveGroup, LiveState
from infra.ops.terminal import cell

TRIES = 6
FIRST_PAUSE_SEC = 0.5  # doubled each time: 0.5, 1, 2, 4, 8 s
MAX_PAUSE_SEC = 90.0  # Salad limits calls by the minute: a longer Retry-After means that it is down
KEY_STATUSES = (401, 403)
NAME_TAKEN_STATUSES = (400, 409)  # Salad's documentation does not say which of them it sends
REPORTED_PAUSE_SEC = 5.0  # after a longer silence a person wonders whether the command hangs
MAX_PAGES, PAGE_SIZE = 50, 100  # 5,000 jobs of history, 50 of 240 calls a minute
OPEN_STATUSES = ("pending", "running")


class SaladError(Exception):
    """Salad did not do what was asked; the message is one sentence that names the operation."""


class Transport(Protocol):
    """What sends requests to Salad."""

    def call(
        self,
        method: str,
        url: str,
        expected: int,
        body: Mapping[str, Any] | None = None,
        content_type: str | None = None,
    ) -> Any:
        """Sends one request. Returns the parsed body, None when it is empty.

        Raises ProviderError for every other status than the expected one.
        """
        ...


@dataclass(frozen=True)
class Retrying:
    """How to wait between tries.

    pause: sleeps for some seconds; jitter: returns a random number from 0.0 to 1.0; say: tells the person about a long
    pause.
    """

    pause: Callable[[float], None]
    jitter: Callable[[], float]
    say: Callable[[str], None]


class Salad:
    """One project at Salad. Every method raises SaladError."""

    def __init__(
        self, transport: Transport, retrying: Retrying, *, base_url: str, organization: str, project: str
    ) -> None:
        """base_url: ends in /api/public."""
        self._transport = transport
        self._retrying = retrying
        self._names = (organization, project)
        self._organization = f"{base_url.rstrip('/')}/organizations/{quote(organization, safe='')}"
        self._project = f"{self._organization}/projects/{quote(project, safe='')}"

    def read_state(self, queue: str) -> LiveState:
        """Reads everything that a plan needs, in four calls."""
        classes = self._items("list_gpu_classes", f"{self._organization}/gpu-classes")
        queues = self._items("list_queues", f"{self._project}/queues")
        groups = self._items("list_container_groups", f"{self._project}/containers")
        quotas = self._get("get_quotas", f"{self._organization}/quotas")
        try:
            counted = quotas["container_groups_quotas"]
            return LiveState(
                queue=next((live_queue(one) for one in queues if one["name"] == queue), None),
                groups={group.name: group for group in map(live_group, groups)},
                gpu_classes=tuple(map(gpu_class, classes)),
                quota=int(counted["container_replicas_quota"]),
                quota_used=int(counted["container_replicas_used"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SaladError(f"Salad's answers lack a field that its API documents ({error!r})") from error

    def group(self, name: str) -> LiveGroup | None:
        """Returns one group, None when it does not exist."""
        answer = self._found("get_container_group", self._group(name))
        return None if answer is None else self._as_group(answer)

    def queue_exists(self, name: str) -> bool:
        """Returns whether the queue exists."""
        return self._found("get_queue", self._queue(name)) is not None

    def create_queue(self, body: Mapping[str, Any]) -> None:
        """Creates the queue."""
        send = partial(self._transport.call, "POST", f"{self._project}/queues", 201, body)
        self._create(f"create_queue {body['name']}", send, lambda: self.queue_exists(str(body["name"])))

    def create_group(self, body: Mapping[str, Any]) -> None:
        """Creates a container group."""
        send = partial(self._transport.call, "POST", f"{self._project}/containers", 201, body)
        name = str(body["name"])
        self._create(f"create_container_group {name}", send, lambda: self.group(name) is not None)

    def update_queue(self, name: str, patch: Mapping[str, Any]) -> None:
        """Changes the queue."""
        send = partial(self._transport.call, "PATCH", self._queue(name), 200, patch, MERGE_PATCH)
        self._repeat(f"update_queue {name}", send)

    def update_group(self, name: str, patch: Mapping[str, Any]) -> None:
        """Changes a container group; sending the same patch twice does no harm."""
        send = partial(self._transport.call, "PATCH", self._group(name), 200, patch, MERGE_PATCH)
        self._repeat(f"update_container_group {name}", send)

    def start_group(self, name: str) -> None:
        """Starts a stopped container group."""
        self._repeat(f"start_container_group {name}", partial(self._post, f"{self._group(name)}/start"))

    def stop_group(self, name: str) -> None:
        """Stops a container group and its instances; ignores a refusal, since the group can be deleted anyway."""
        send = partial(self._post, f"{self._group(name)}/stop")
        self._ignore((400, 404, 409), f"stop_container_group {name}", send)

    def delete_group(self, name: str) -> None:
        """Asks Salad to remove a container group; ignores that it is already gone."""
        send = partial(self._transport.call, "DELETE", self._group(name), 202)
        self._ignore((404,), f"delete_container_group {name}", send)

    def delete_queue(self, name: str) -> None:
        """Asks Salad to remove the queue with its history; ignores that it is already gone."""
        send = partial(self._transport.call, "DELETE", self._queue(name), 202)
        self._ignore((404,), f"delete_queue {name}", send)

    def open_jobs(self, queue: str) -> Iterator[str]:
        """Yields the statuses of the queue's unfinished jobs. Raises SaladError for a history over MAX_PAGES pages."""
        for page in range(1, MAX_PAGES + 1):
            url = f"{self._queue(queue)}/jobs?page={page}&page_size={PAGE_SIZE}"
            items = self._items("list_queue_jobs", url)
            yield from (str(job.get("status")) for job in items if job.get("status") in OPEN_STATUSES)
            if len(items) < PAGE_SIZE:
                return
        raise SaladError(f"the queue's history has more than {MAX_PAGES * PAGE_SIZE} jobs: too many to search")

    def _group(self, name: str) -> str:
        return f"{self._project}/containers/{quote(name, safe='')}"

    def _queue(self, name: str) -> str:
        return f"{self._project}/queues/{quote(name, safe='')}"

    def _post(self, url: str) -> Any:
        return self._transport.call("POST", url, 202)

    def _get(self, operation: str, url: str) -> dict[str, Any]:
        answer = self._repeat(operation, partial(self._transport.call, "GET", url, 200))
        if not isinstance(answer, dict):
            raise SaladError(f"{operation}: Salad answered with something that is not a JSON object")
        return answer

    def _items(self, operation: str, url: str) -> list[dict[str, Any]]:
        items = self._get(operation, url).get("items")
        if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
            raise SaladError(f"{operation}: Salad answered without a list of items")
        return items

    def _found(self, operation: str, url: str) -> dict[str, Any] | None:
        try:
            return self._get(operation, url)
        except SaladError as error:
            if _status(error) == 404:
                return None
            raise

    def _as_group(self, answer: Mapping[str, Any]) -> LiveGroup:
        try:
            return live_group(answer)
        except (KeyError, TypeError, ValueError) as error:
            raise SaladError(f"Salad's container group lacks a field that its API documents ({error!r})") from error

    def _ignore(self, statuses: Sequence[int], operation: str, send: Callable[[], Any]) -> None:
        try:
            self._repeat(operation, send)
        except SaladError as error:
            if _status(error) not in statuses:
                raise

    def _repeat(self, operation: str, send: Callable[[], Any]) -> Any:
        """Sends a call that may be repeated, until it is answered or TRIES tries have failed."""
        for tried in range(1, TRIES + 1):
            try:
                return send()
            except ProviderError as error:
                self._wait_or_give_up(operation, error, tried)
        raise AssertionError("the last try returns or raises")

    def _create(self, operation: str, send: Callable[[], Any], exists: Callable[[], bool]) -> None:
        """Sends a creation; after an unknown outcome it checks whether the thing exists before it sends again."""
        is_unknown = False
        for tried in range(1, TRIES + 1):
            try:
                send()
            except ProviderError as error:
                # after a try of unknown outcome, a refusal may only mean that this try did work
                if is_unknown and error.status in NAME_TAKEN_STATUSES and exists():
                    return
                is_unknown = is_unknown or error.may_have_happened
                self._wait_or_give_up(operation, error, tried)
                if is_unknown and exists():
                    return
            else:
                return

    def _wait_or_give_up(self, operation: str, error: ProviderError, tried: int) -> None:
        asked = error.retry_after_sec or 0.0
        if error.status in KEY_STATUSES or not error.retryable or tried == TRIES or asked > MAX_PAUSE_SEC:
            raise SaladError(cell(self._sentence(operation, error))) from error
        least = max(asked, FIRST_PAUSE_SEC * 2 ** (tried - 1))
        pause = least * (1 + self._retrying.jitter() / 2)  # never less than what Salad asked for
        if pause >= REPORTED_PAUSE_SEC:
            self._retrying.say(f"{operation}: {error}; trying again in {pause:.0f} s")
        self._retrying.pause(pause)

    def _sentence(self, operation: str, error: ProviderError) -> str:
        organization, project = self._names
        if error.status == 401:
            return f"{operation}: Salad does not know the key in SALAD_API_KEY (401)"
        if error.status == 403:
            return f"{operation}: {error}; the key in SALAD_API_KEY may not do that"
        if error.status == 404 and operation in ("list_gpu_classes", "list_queues", "list_container_groups"):
            what = f"organization {organization}" if operation == "list_gpu_classes" else f"project {project}"
            return (
                f"Salad has no {what} that the key in SALAD_API_KEY can see ({operation}: 404); make it in the portal"
            )
        return f"{operation}: {error}"


def _status(error: SaladError) -> int | None:
    cause = error.__cause__
    return cause.status if isinstance(cause, ProviderError) else None
