"""Decides which process gets which environment variables; RECEIVERS is the functions' table. No I/O."""

import json
from collections.abc import Mapping

from infra.local.stack.plan import (
    BUCKET,
    CONTAINER_GROUP,
    FIRESTORE_DATABASE,
    FIRESTORE_PROJECT,
    ORGANIZATION,
    PREFIX,
    PROJECT,
    QUEUE,
    REGION,
    SCALED_GROUP,
    Plan,
    origin,
)
from infra.local.stack.scheduler import JOB
from infra.tools.package import FUNCTIONS

COLD_START_SEC = 15.0  # a request for a function of which no instance runs waits for one, as in the cloud
WARM_SEC = 2.0  # how long the preview engine takes for the sample

MACHINE_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR")  # what any program needs to run here

# A variable of functions-framework, whose default is four threads a core. One process here stands for the several
# instances that the cloud starts under load, so it needs more threads.
FRAMEWORK_VARIABLES: Mapping[str, str] = {"THREADS": "64"}

_ALL = frozenset(FUNCTIONS)
_TICK = frozenset({"scale_tick"})
_DISPATCHERS = frozenset({"submit_job", "scale_tick"})
# variable -> the functions that get it; a function holds no secret that it does not use
RECEIVERS: Mapping[str, frozenset[str]] = {
    "STORE": _ALL,
    "SQLITE_PATH": _ALL,
    "FIRESTORE_PROJECT": _ALL,
    "FIRESTORE_DATABASE": _ALL,
    "FIRESTORE_EMULATOR_HOST": _ALL,
    "REHEARSAL_MODE": _ALL,
    "API_CLIENTS": _ALL,
    "SALAD_API_URL": _DISPATCHERS,
    "SALAD_API_KEY": _DISPATCHERS,
    "SALAD_ORG_NAME": _DISPATCHERS,
    "SALAD_PROJECT_NAME": _DISPATCHERS,
    "SALAD_QUEUE_NAME": _DISPATCHERS,
    "PUBLIC_BASE_URL": _DISPATCHERS,
    "REPORT_TOKEN_SECRETS": _DISPATCHERS | {"salad_webhook"},
    "SALAD_WEBHOOK_SECRETS": frozenset({"salad_webhook"}),
    "B2_KEY_ID": _ALL,
    "B2_APP_KEY": _ALL,
    "B2_BUCKET_NAME": _ALL,
    "B2_PREFIX": _ALL,
    "B2_S3_ENDPOINT": _ALL,
    "B2_REGION": _ALL,
    "B2_DOWNLOAD_URL": _ALL,
    "WORKER_UPLOAD_KEYS": _DISPATCHERS,
    "B2_MINT_KEY_ID": _DISPATCHERS,
    "B2_MINT_APP_KEY": _DISPATCHERS,
    "B2_API_URL": _DISPATCHERS,
    "SUBMIT_MAX_INSTANCES": frozenset({"submit_job"}),
    "WAKE_JOB": frozenset({"submit_job"}),
    "WAKE_API_URL": frozenset({"submit_job"}),
    "TICK_PERIOD_SEC": _TICK,
    "SCALE_GROUPS": _TICK,
    "CURRENT_MAX_REPLICAS": _TICK,
    "ALWAYS_ON_MIN_REPLICAS_3060": _TICK,
    "SCALE_DRAIN_S": _TICK,
    "SCALE_HOLD_S": _TICK,
}


def function_environment(function: str, plan: Plan, webhook_secret: str) -> dict[str, str]:
    """Returns the variables of one function, without the machine's. webhook_secret: Salad's, `whsec_...`."""
    values = _function_values(plan, webhook_secret)
    return {name: values[name] for name, receivers in RECEIVERS.items() if function in receivers and name in values}


def worker_environment(plan: Plan) -> dict[str, str]:
    """Returns the environment variables of the container group; they hold a B2 key only with UPLOAD_KEYS=node."""
    own_key = {
        "B2_KEY_ID": plan.credentials.b2_key_id,
        "B2_APP_KEY": plan.credentials.b2_app_key,
        "B2_BUCKET_NAME": BUCKET,
        "B2_PREFIX": PREFIX,
        "B2_REALM": plan.b2,
    }
    open_values = {"ENGINE": "preview", "REHEARSAL_MODE": "true"}
    return open_values | (own_key if plan.settings.upload_keys == "node" else {})


def b2_environment(plan: Plan) -> dict[str, str]:
    """Returns the B2 simulator's settings."""
    return {
        "PORT": str(plan.ports.b2),
        "B2_KEY_ID": plan.credentials.b2_key_id,
        "B2_APP_KEY": plan.credentials.b2_app_key,
        "B2_BUCKET_NAME": BUCKET,
        "B2_REGION": REGION,
        "DATA_DIR": str(plan.state / "b2"),
    }


def salad_environment(plan: Plan) -> dict[str, str]:
    """Returns the Salad simulator's settings."""
    # left out when empty, so that the simulator uses its own default
    worker = {"SALAD_SIM_WORKER_COMMAND": plan.settings.worker_command} if plan.settings.worker_command else {}
    return {
        **worker,
        "SALAD_SIM_PORT": str(plan.ports.salad),
        "SALAD_SIM_API_KEY": plan.credentials.salad_api_key,
        "SALAD_SIM_ORGANIZATION": ORGANIZATION,
        "SALAD_SIM_PROJECT": PROJECT,
        "SALAD_SIM_NODES": str(max(plan.settings.replicas + plan.settings.scaled_max, 16)),  # 16: room to scale by hand
        "SALAD_QUEUE_WORKER": plan.settings.queue_worker,
        "SALAD_SIM_STATE_DIR": str(plan.state / "salad"),
    }


def gateway_environment(plan: Plan) -> dict[str, str]:
    """Returns the gateway's settings."""
    functions = ("submit_job", "job_status", "salad_webhook")
    urls = {f"{name.upper()}_URL": ",".join(map(origin, plan.ports.functions[name])) for name in functions}
    return {"PORT": str(plan.ports.gateway), "UPSTREAM_START_SEC": str(COLD_START_SEC), **urls}


def machine_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that every child inherits from our environment: none that could change its behaviour."""
    inherited = {name: environment[name] for name in MACHINE_VARIABLES if name in environment}
    return inherited | {"PYTHONUNBUFFERED": "1"}


def _function_values(plan: Plan, webhook_secret: str) -> dict[str, str]:
    credentials, settings = plan.credentials, plan.settings
    clients = {
        name: {"api_keys": [key], "callback_secrets": [credentials.callback_secrets[name]]}
        for name, key in credentials.api_keys.items()
    }
    return _store_values(plan) | {
        "REHEARSAL_MODE": "true",
        "API_CLIENTS": json.dumps(clients),
        "SALAD_API_URL": plan.salad_api,
        "SALAD_API_KEY": credentials.salad_api_key,
        "SALAD_ORG_NAME": ORGANIZATION,
        "SALAD_PROJECT_NAME": PROJECT,
        "SALAD_QUEUE_NAME": QUEUE,
        "PUBLIC_BASE_URL": plan.api,
        "REPORT_TOKEN_SECRETS": credentials.report_token_secret,
        "SALAD_WEBHOOK_SECRETS": webhook_secret,
        "B2_KEY_ID": credentials.b2_key_id,
        "B2_APP_KEY": credentials.b2_app_key,
        "B2_BUCKET_NAME": BUCKET,
        "B2_PREFIX": PREFIX,
        "B2_S3_ENDPOINT": plan.b2,
        "B2_REGION": REGION,
        "B2_DOWNLOAD_URL": plan.b2,
        "WORKER_UPLOAD_KEYS": settings.upload_keys,
        "B2_MINT_KEY_ID": credentials.b2_key_id,
        "B2_MINT_APP_KEY": credentials.b2_app_key,
        "B2_API_URL": plan.b2,
        "SUBMIT_MAX_INSTANCES": str(settings.instances),
        "TICK_PERIOD_SEC": str(settings.tick_sec),
        "WAKE_JOB": JOB,
        "WAKE_API_URL": origin(plan.ports.scheduler),
        **(_scaling_values(plan) if settings.scaled_max else {}),
    }


def _scaling_values(plan: Plan) -> dict[str, str]:
    """Returns the settings for a group that the tick scales beside the fixed one.

    As in the cloud, the queue is drained within one tick and the size held for three.
    """
    settings = plan.settings
    groups = [
        {"name": CONTAINER_GROUP, "fixed": True, "warm_seconds": WARM_SEC},
        {"name": SCALED_GROUP, "min": 0, "max": settings.scaled_max, "warm_seconds": WARM_SEC},
    ]
    return {
        "SCALE_GROUPS": json.dumps(groups),
        "CURRENT_MAX_REPLICAS": str(settings.replicas + settings.scaled_max),
        "ALWAYS_ON_MIN_REPLICAS_3060": str(settings.replicas),
        "SCALE_DRAIN_S": str(settings.tick_sec),
        "SCALE_HOLD_S": str(3 * settings.tick_sec),
    }


def _store_values(plan: Plan) -> dict[str, str]:
    if plan.settings.store == "sqlite":
        return {"STORE": "sqlite", "SQLITE_PATH": str(plan.state / "jobs.sqlite3")}
    return {
        "STORE": "firestore",
        "FIRESTORE_PROJECT": FIRESTORE_PROJECT,
        "FIRESTORE_DATABASE": FIRESTORE_DATABASE,
        "FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{plan.ports.firestore}",
    }
