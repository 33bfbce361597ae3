"""Runs the fleet command in this process against a simulator, and checks what it sends with Salad's OpenAPI file."""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from infra.ops.fleet.command import Surroundings, _transport, run
from infra.ops.fleet.settings import Settings
from tests.support.salad_fleet import SPEC, operation_of, text_of
from tests.support.salad_sim import API_KEY, Simulator

SECRETS = {"WORKER_TOKEN": "hunter2-in-the-environment", "REGISTRY_PASSWORD": "hunter2-of-the-registry"}
WRITING = ("create_", "update_", "delete_", "start_", "stop_")


class Said(NamedTuple):
    """The result of one call of the command."""

    code: int
    out: str
    err: str


class RecordingTransport:
    """The real transport, which checks that Salad's OpenAPI file allows every body it sends."""

    def __init__(self, settings: Settings, sent: list[tuple[str, Any]]) -> None:
        self._real = _transport(settings)
        self._base = settings.url
        self._sent = sent

    def call(
        self,
        method: str,
        url: str,
        expected: int,
        body: Mapping[str, Any] | None = None,
        content_type: str | None = None,
    ) -> Any:
        """Checks, records, sends."""
        operation = operation_of(method, url.removeprefix(self._base).partition("?")[0])
        assert str(expected) in operation.responses
        if operation.request_schemas:
            kind = content_type or "application/json"
            assert SPEC.request_faults(operation, kind, json.loads(json.dumps(body))) == []
        else:
            assert body is None
        self._sent.append((operation.id, body))
        return self._real.call(method, url, expected, body, content_type)


@dataclass
class Fleet:
    """The command, its file, and everything that it has sent and written."""

    salad: Simulator
    folder: Path
    sent: list[tuple[str, Any]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, content: Mapping[str, Any] | None = None, answer: str = "") -> Said:
        """Runs the command on a file's content (the last one without it); answer: what the person types."""
        path = self.folder / "fleet.yaml"
        if content is not None:
            path.write_text(text_of(content))
        out, err = io.StringIO(), io.StringIO()
        plain = {"SALAD_API_URL": f"{self.salad.origin}/api/public", "SALAD_API_KEY": API_KEY, **SECRETS}
        around = Surroundings(
            environment={**plain, **self.environment},
            answers=io.StringIO(answer),
            out=out,
            err=err,
            pause=self.pauses.append,
            jitter=lambda: 0.0,
            transport=lambda settings: RecordingTransport(settings, self.sent),
        )
        code = run([*arguments, "--file", str(path)], around)
        self.written += [out.getvalue(), err.getvalue()]
        return Said(code, out.getvalue(), err.getvalue())

    def writes(self) -> dict[str, int]:
        """Returns the simulator's count of calls that change something."""
        calls = self.salad.state()["calls"]
        return {name: count for name, count in calls.items() if name.startswith(WRITING)}

    def groups(self) -> dict[str, dict[str, Any]]:
        """Returns the groups at Salad by name."""
        return {one["name"]: one for one in self.salad.call("list_container_groups").json()["items"]}


@contextmanager
def empty_project(salad: Simulator, folder: Path) -> Iterator[Fleet]:
    """Yields the command on an empty project; afterwards checks that nothing it wrote contains a secret."""
    for one in salad.state()["groups"]:
        salad.call("delete_container_group", container_group_name=one["name"])
    for one in salad.call("list_queues").json()["items"]:
        salad.call("delete_queue", queue_name=one["name"])
    salad.control("POST", "/reset")
    fleet = Fleet(salad, folder)
    yield fleet
    everything = "".join(fleet.written)
    for secret in (API_KEY, *SECRETS.values()):
        assert secret not in everything
