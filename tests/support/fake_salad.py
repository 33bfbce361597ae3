"""A fake Salad: accepts every queue job unless a scripted answer says otherwise; a test sets its answers about jobs."""

import json
from typing import Any

from tests.support.scripted_server import Answer, Received, ScriptedServer

SALAD_JOB_ID = "5f0f3b6e-0c1d-4b53-9a51-0d8b7f6c1e11"
QUEUE: dict[str, Any] = {"name": "jobs", "current_queue_length": 3, "container_groups": []}


def problem(status: int) -> Answer:
    """A problem document of Salad's."""
    return Answer(status, json.dumps({"title": "problem", "status": status}).encode())


class FakeSalad(ScriptedServer):
    """`answers` are used up by create_queue_job alone; `jobs` maps Salad's ids to the answer of GET (404 otherwise)."""

    def __init__(self) -> None:
        super().__init__(Answer(201, json.dumps({"id": SALAD_JOB_ID, "status": "pending"}).encode()))
        self.jobs: dict[str, dict[str, Any]] = {}
        self.queue = Answer(200, json.dumps(QUEUE).encode())
        self.looks = problem(404)  # what GET and DELETE of a job that is not in `jobs` get
        self.listed: Answer | None = None
        self.pages: dict[int, Answer] = {}  # pages of the list by number, before `listed`
        self.patched: Answer | None = None  # what a change of replicas gets instead of its success
        self.gpu_classes = Answer(200, b'{"items": []}')
        self.quotas = Answer(200, b"{}")

    @property
    def sent(self) -> list[Received]:
        """Every create_queue_job that arrived."""
        return [call for call in self.received if call.method == "POST"]

    def looked(self, method: str = "GET") -> list[str]:
        """The ids of the jobs that were asked for (or deleted), in order."""
        at_jobs = [call.path for call in self.received if call.method == method and "/jobs/jobs/" in call.path]
        return [path.rsplit("/", 1)[1] for path in at_jobs]

    def set_job(self, status: str, output: Any = None, salad_job_id: str = SALAD_JOB_ID, **metadata: Any) -> None:
        """Sets Salad's answer about a job from now on."""
        self.jobs[salad_job_id] = {"id": salad_job_id, "status": status, "output": output, "metadata": metadata}

    def answer_to(self, call: Received) -> Answer:
        """Scripted answers for creating; the fake's own state for everything else."""
        if call.method == "PATCH":
            return self.patched or Answer(200, call.body)
        of_the_fleet = {"/start": Answer(202, b""), "/quotas": self.quotas, "/gpu-classes": self.gpu_classes}
        for end, answer in of_the_fleet.items():
            if call.path.endswith(end):
                return answer
        if call.method == "POST":
            answer = super().answer_to(call)
            if answer.status == 201 and not answer.cut and answer is self.default:
                self.set_job("pending", **json.loads(call.body)["metadata"])
            return answer
        if call.path.endswith("/queues/jobs"):
            return self.queue
        if "/jobs/jobs?" in call.path:
            page = int(call.path.partition("page=")[2].partition("&")[0])
            items = list(self.jobs.values())
            known_jobs = Answer(200, json.dumps({"items": items, "total": len(items)}).encode())
            return self.pages.get(page) or self.listed or known_jobs
        known = self.jobs.get(call.path.rsplit("/", 1)[1])
        if known is None:
            return self.looks
        if call.method == "DELETE":
            known["status"] = "cancelled" if known["status"] == "pending" else known["status"]
            return Answer(202, b"")
        return Answer(200, json.dumps(known).encode())
