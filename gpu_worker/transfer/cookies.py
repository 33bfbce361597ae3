"""Keeps the cookies that redirects set: some file hosts send a client in circles without them."""

import re
from collections.abc import Sequence

from gpu_worker.domain.url_guard import JudgedUrl

MAX_COOKIES = 50  # of one host, as browsers keep at least (RFC 6265 section 6.1)
MAX_BYTES = 4096  # of one cookie
PAIR = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([!-:<-~ ]*)")


class Cookies:
    """The cookies of one chain of redirects. They go back to the very host that set them, never to another."""

    def __init__(self) -> None:
        self._by_origin: dict[tuple[str, str, int], dict[str, str]] = {}

    def keep(self, url: JudgedUrl, lines: Sequence[str]) -> None:
        """Keeps what an answer of this URL sets. lines: its `Set-Cookie` headers."""
        kept = self._by_origin.setdefault(_origin(url), {})
        for line in lines:
            found = PAIR.fullmatch(line.partition(";")[0].strip())
            if found and len(line) <= MAX_BYTES and (len(kept) < MAX_COOKIES or found[1] in kept):
                kept[found[1]] = found[2]

    def headers_for(self, url: JudgedUrl) -> dict[str, str]:
        """Returns the `Cookie` header for a request to this URL, empty when there is none."""
        kept = self._by_origin.get(_origin(url))
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())} if kept else {}


def _origin(url: JudgedUrl) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port
