"""The instance metadata service (IMDS) of all replicas, and the tokens that it issues.

One port serves all instances, each below a path of its own: queue worker and worker append /v1/... to
SALAD_METADATA_URI.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

from flask import Flask, Response, request

from infra.local.json_logs import log_event
from infra.local.salad_sim import fleet_actions
from infra.local.salad_sim.fleet import Instance
from infra.local.salad_sim.rest import problem
from infra.local.salad_sim.world import ActionError, World

PREFIX = "/_imds"
MAX_DELETION_COST = 100_000  # Salad's documentation and REST API; the metadata service's own file allows any int32
MAX_REASON_CHARACTERS = 1000  # the metadata service's OpenAPI file
TOKEN_LIFE_SEC = 3600


def metadata_uri(origin: str, instance_id: str) -> str:
    """Returns SALAD_METADATA_URI for an instance. origin: the simulator's URL without a trailing slash."""
    return f"{origin}{PREFIX}/{instance_id}"


def add_routes(app: Flask, world: World) -> None:
    """Adds the metadata service below /_imds/<instance id>/v1."""

    @app.get(f"{PREFIX}/<instance_id>/v1/status")
    def get_status(instance_id: str) -> Response:
        with world.changed:
            instance = _caller(world, instance_id)
            _record_readiness(world, instance)
        return _json({"ready": instance.ready, "started": instance.pid is not None})

    @app.get(f"{PREFIX}/<instance_id>/v1/token")
    def get_token(instance_id: str) -> Response:
        _caller(world, instance_id)
        issued_at = int(world.clock.utc().timestamp())
        return _json({"jwt": token(world.token_key, instance_id, issued_at)})

    @app.get(f"{PREFIX}/<instance_id>/v1/deletion-cost")
    def get_deletion_cost(instance_id: str) -> Response:
        return _json({"deletion_cost": _caller(world, instance_id).deletion_cost})

    @app.put(f"{PREFIX}/<instance_id>/v1/deletion-cost")
    def replace_deletion_cost(instance_id: str) -> Response:
        _caller(world, instance_id)
        cost = _body().get("deletion_cost")
        if not isinstance(cost, int) or isinstance(cost, bool) or not 0 <= cost <= MAX_DELETION_COST:
            raise ActionError(400, f"deletion_cost must be an integer of 0-{MAX_DELETION_COST}")
        fleet_actions.set_deletion_cost(world, instance_id, cost)
        return Response(status=204)

    @app.post(f"{PREFIX}/<instance_id>/v1/reallocate")
    def reallocate(instance_id: str) -> Response:
        _caller(world, instance_id)
        reason = _body().get("reason")
        if not isinstance(reason, str) or not 1 <= len(reason) <= MAX_REASON_CHARACTERS:
            raise ActionError(400, f"reason must be a text of 1-{MAX_REASON_CHARACTERS} characters")
        fleet_actions.reallocate(world, instance_id)
        return Response(status=204)

    @app.post(f"{PREFIX}/<instance_id>/v1/recreate")
    @app.post(f"{PREFIX}/<instance_id>/v1/restart", endpoint="restart")
    def restart(instance_id: str) -> Response:
        _caller(world, instance_id)
        fleet_actions.restart(world, instance_id)
        return Response(status=204)

    @app.errorhandler(ActionError)
    def refuse(error: ActionError) -> Response:
        return problem(error.status, error.detail)


def token(key: bytes, instance_id: str, issued_at: int) -> str:
    """Returns a signed JWT for an instance. issued_at: seconds since 1970. Salad's are signed with a key pair."""
    header = _segment({"alg": "HS256", "typ": "JWT"})
    claims = _segment({"sub": instance_id, "iat": issued_at, "exp": issued_at + TOKEN_LIFE_SEC})
    return f"{header}.{claims}.{_signed(key, f'{header}.{claims}')}"


def token_subject(key: bytes, text: str, now: int) -> str | None:
    """Returns the id of the token's instance, None when the token is forged, malformed or expired."""
    signed, _, signature = text.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signed(key, signed).encode()):
        return None
    segment = signed.rpartition(".")[2]
    claims = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return str(claims["sub"]) if claims["exp"] > now else None


def _caller(world: World, instance_id: str) -> Instance:
    if request.headers.get("Metadata") != "true":
        raise ActionError(403, "the header Metadata: true is missing")
    return fleet_actions.find_instance(world, instance_id)


def _record_readiness(world: World, instance: Instance) -> None:
    """Stores the readiness that the instance is told now, and logs it when it differs from the last answer."""
    if world.told_ready.get(instance.id) is not instance.ready:
        log_event("salad_sim_readiness_told", instance_id=instance.id, ready=instance.ready)
    world.told_ready[instance.id] = instance.ready


def _body() -> dict[str, Any]:
    try:
        body = json.loads(request.get_data())
    except ValueError as error:
        raise ActionError(400, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ActionError(400, "the body must be an object")
    return body


def _segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _signed(key: bytes, text: str) -> str:
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _json(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), content_type="application/json")
