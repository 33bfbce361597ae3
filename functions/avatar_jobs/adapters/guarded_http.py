"""HTTP to URLs from outside: the host is resolved once, every address is checked, and only a checked one is used."""

from collections.abc import Sequence

import urllib3

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import UrlNotAllowedError
from avatar_jobs.domain.url_guard import judge_address
from avatar_jobs.outside.http_client import Dial, Resolver, system_dial, system_resolver, timed_pool


def guarded_pool(
    *, rehearsal: bool, resolver: Resolver = system_resolver, dial: Dial = system_dial
) -> urllib3.PoolManager:
    """Returns a pool whose connections all go through the guard; TLS still verifies the URL's host name.

    rehearsal: True also allows loopback addresses; resolver, dial: see timed_pool.
    """

    def judge(addresses: Sequence[str]) -> None:
        if not addresses:
            raise UrlNotAllowedError(texts.URL_HOST_UNRESOLVED)
        for address in addresses:  # one forbidden address refuses the URL: it may be an attack
            judge_address(address, rehearsal=rehearsal)

    return timed_pool(resolver=resolver, dial=dial, judge=judge)
