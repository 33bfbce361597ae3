"""A fake of Salad's instance metadata service."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeMetadata:
    """A fake metadata service: records the calls, and answers `ready` as the test sets it."""

    def __init__(self) -> None:
        self.costs: list[int] = []
        self.reasons: list[str] = []
        self.headers: list[str | None] = []
        self.is_ready = True
        self.is_broken = False
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_args: object) -> None:
                """Logs nothing."""

            def do_GET(self) -> None:
                self.reply(200, {"ready": fake.is_ready, "started": True})

            def do_PUT(self) -> None:
                fake.costs.append(self.body()["deletion_cost"])
                self.reply(204, None)

            def do_POST(self) -> None:
                fake.reasons.append(self.body()["reason"])
                self.reply(204, None)

            def body(self) -> Any:
                return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

            def reply(self, status: int, content: Any) -> None:
                fake.headers.append(self.headers.get("Metadata"))
                data = json.dumps(content).encode() if content is not None else b""
                self.send_response(500 if fake.is_broken else status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
