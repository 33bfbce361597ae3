"""Sets up Salad for the rehearsal over its public REST API, as an operator would: queue, container groups, secret."""

from typing import Any

import requests

from infra.local.stack.environments import worker_environment
from infra.local.stack.plan import CONTAINER_GROUP, ORGANIZATION, PROJECT, QUEUE, SCALED_GROUP, Plan

TIMEOUT_SEC = 10.0
WORKER_PORT = 8000  # where the worker listens in its container; the simulator gives each replica a port of its own
PROBE_HEADERS = [{"name": "Accept", "value": "application/json"}]  # Salad's schema wants at least one
GPU_CLASS = "RTX 3090 (24 GB)"  # any class of the list would do: here no GPU is used


class SaladSetupError(Exception):
    """Salad refused a step; the message names the step, the status and the answer."""


def set_up_salad(plan: Plan) -> str:
    """Creates queue and container groups. Returns Salad's webhook secret (`whsec_...`). Raises SaladSetupError."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Salad-Api-Key"] = plan.credentials.salad_api_key
        organization = f"{plan.salad_api}/organizations/{ORGANIZATION}"
        project = f"{organization}/projects/{PROJECT}"
        _call(session, "POST", f"{project}/queues", {"name": QUEUE})
        gpu_class_id = _gpu_class_id(_call(session, "GET", f"{organization}/gpu-classes"))
        for group in container_groups(plan, gpu_class_id):
            _call(session, "POST", f"{project}/containers", group)
        secret_key = _call(session, "GET", f"{organization}/webhook-secret-key")["secret_key"]
    return f"whsec_{secret_key}"


def container_groups(plan: Plan, gpu_class_id: str) -> list[dict[str, Any]]:
    """Returns the request bodies that create the container groups: the fixed one, and with SCALED_MAX a scaled one."""
    fixed = container_group(plan, gpu_class_id)
    return [fixed, {**fixed, "name": SCALED_GROUP, "replicas": 0}] if plan.settings.scaled_max else [fixed]


def container_group(plan: Plan, gpu_class_id: str) -> dict[str, Any]:
    """Returns the request body that creates the fixed container group."""
    return {
        "name": CONTAINER_GROUP,
        "autostart_policy": True,
        "replicas": plan.settings.replicas,
        "restart_policy": "always",
        "container": {
            "image": "avatar-jobs/gpu-worker:rehearsal",  # a name only: replicas are processes of this checkout
            "resources": {"cpu": 2, "memory": 8192, "gpu_classes": [gpu_class_id]},
            "environment_variables": worker_environment(plan),
        },
        "readiness_probe": {
            "http": {"path": "/hc", "port": WORKER_PORT, "scheme": "http", "headers": PROBE_HEADERS},
            "initial_delay_seconds": 0,
            "period_seconds": 1,
            "timeout_seconds": 1,
            "success_threshold": 1,
            "failure_threshold": 3,
        },
        "queue_connection": {"path": "/generate", "port": WORKER_PORT, "queue_name": QUEUE},
    }


def _gpu_class_id(answer: dict[str, Any]) -> str:
    classes = {str(item["name"]): str(item["id"]) for item in answer["items"]}
    if not classes:
        raise SaladSetupError("the list of GPU classes is empty")
    return classes.get(GPU_CLASS) or next(iter(classes.values()))


def _call(session: requests.Session, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        answer = session.request(method, url, json=body, timeout=TIMEOUT_SEC)
        if not answer.ok:
            raise SaladSetupError(f"{method} {url}: {answer.status_code} {answer.text[:500]}")
        found: dict[str, Any] = answer.json()
    except requests.RequestException as error:
        raise SaladSetupError(f"{method} {url}: {type(error).__name__}") from error
    return found
