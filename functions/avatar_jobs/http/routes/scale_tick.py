"""The route of the function scale_tick."""

from collections.abc import Sequence

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode
from avatar_jobs.http.web import Call, Reply, Route
from avatar_jobs.services.tick.ticker import Ticker


def tick_routes(ticker: Ticker) -> Sequence[Route]:
    """Returns the route of scale_tick. The platform allows only the scheduler to call it."""

    def tick(call: Call) -> Reply:
        if call.body.strip() not in (b"", b"{}"):
            raise ApiError(ApiErrorCode.VALIDATION_ERROR, texts.TICK_WITH_BODY)
        report = ticker.tick()
        return Reply(200, {"lease": "held" if report.had_lease else "taken by another tick", "done": dict(report.done)})

    return [Route("POST", "/tick", tick)]
