"""The planned faults of the B2 simulator: its control operations, and what a fault does to a call."""

import time
from uuid import uuid4

from flask import Flask, Response, g, jsonify, request

from infra.local.b2_sim.errors import NativeError
from infra.local.b2_sim.native import OPERATIONS
from infra.local.b2_sim.simulator import Simulator
from infra.local.faults import Fault, FaultBook, FaultRefusedError, cut, page, shown

# the native calls by their names; `s3` is any signed or presigned call on an object, `download` any of /file/
FAULTY = frozenset({*OPERATIONS, "b2_authorize_account", "b2_upload_file", "b2_upload_part", "download", "s3"})


def add_faults(app: Flask, simulator: Simulator) -> None:
    """Adds /_sim/faults and /_sim/reset, and spoils the calls for which a fault is planned."""
    book: FaultBook = simulator.faults

    @app.post("/_sim/faults")
    def create_fault() -> tuple[Response, int]:
        try:
            fault = book.add(str(uuid4()), request.get_json(force=True, silent=True))
        except FaultRefusedError as error:
            raise NativeError(400, "bad_request", str(error)) from error
        return jsonify(shown(fault)), 201

    @app.get("/_sim/faults/<fault_id>")
    def get_fault(fault_id: str) -> Response:
        fault = book.get(fault_id)
        if fault is None:
            raise NativeError(404, "not_found", "the fault does not exist")
        return jsonify(shown(fault))

    @app.post("/_sim/reset")
    def reset() -> Response:
        book.reset()
        return jsonify({"reset": True})

    @app.before_request
    def spoil() -> Response | None:
        g.fault = book.take(operation) if (operation := operation_of(request.path)) else None
        return None if g.fault is None else _before(g.fault)

    @app.after_request
    def lose(response: Response) -> Response:
        fault: Fault | None = g.get("fault")
        if fault is not None and fault.kind == "cut":
            cut(request.environ)
        return response


def operation_of(path: str) -> str | None:
    """Returns the operation that a path belongs to, None for the control operations."""
    parts = path.strip("/").split("/")
    if parts[0] == "_sim":
        return None
    if parts[0] == "b2api":
        name = parts[2] if len(parts) > 2 else ""
        return "download" if name == "b2_download_file_by_id" else name
    return "download" if parts[0] == "file" else "s3"


def _before(fault: Fault) -> Response | None:
    """Carries out what comes before the call's effect. Returns the answer if the call ends there."""
    if fault.kind == "delay_sec":
        time.sleep(fault.fault["delay_sec"])
        return None
    if fault.kind == "cut":
        return Response(b"", 200) if fault.fault["cut"] == "before" else None
    status = fault.fault["status"]
    if fault.fault.get("html"):
        response = Response(page(status), status, content_type="text/html; charset=utf-8")
    else:
        code = "too_many_requests" if status == 429 else "service_unavailable"
        response = jsonify(NativeError(status, code, "a planned fault").as_json())
        response.status_code = status
    if "retry_after" in fault.fault:
        response.headers["Retry-After"] = str(fault.fault["retry_after"])
    return response
