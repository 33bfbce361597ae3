"""POSTs a job to the worker in the same container and evaluates the answer as Salad's program does."""

import http.client

CONNECT_TIMEOUT_SEC = 10.0  # the worker listens on the same machine


def is_rejection(status: int) -> bool:
    """Returns whether a status rejects the job. Every other status completes it, also 400 or 404."""
    return status in {408, 429} or 500 <= status <= 599


def execute(port: int, path: str, job_id: str, body: bytes) -> bytes | None:
    """POSTs the job. Returns the answer's body, None when the job must be rejected.

    The answer has no time limit, as in Salad's program: the worker's own deadline must be enough.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CONNECT_TIMEOUT_SEC)
    headers = {"Content-Type": "application/json", "Salad-Job-Id": job_id}
    try:
        connection.connect()
        connection.sock.settimeout(None)
        connection.request("POST", path if path.startswith("/") else f"/{path}", body, headers)
        answer = connection.getresponse()
        output = answer.read()
    except (OSError, http.client.HTTPException):  # refused or interrupted: the queue tries again
        return None
    finally:
        connection.close()
    return None if is_rejection(answer.status) else output
