"""Builds the function job_status from its adapters."""

from avatar_jobs.bootstrap import common
from avatar_jobs.bootstrap.ending import job_ending
from avatar_jobs.http.routes.job_status import status_routes
from avatar_jobs.http.web import ApiKeys, Endpoint
from avatar_jobs.logs import JsonLog
from avatar_jobs.services.intake.canceller import Canceller
from avatar_jobs.settings import Environment


def build(environment: Environment) -> Endpoint:
    """Builds the endpoint. Raises SettingsError, which names every fault of its settings."""
    log = JsonLog("job_status")
    place, settings = environment.store(), environment.ending()
    environment.check()
    stores = common.open_stores(place, log)
    ending = job_ending(settings, stores.jobs, log)
    canceller = Canceller(store=stores.jobs, announcer=ending.finisher, clock=common.utc_now, log=log)
    routes = status_routes(stores.jobs, stores.tick_state, canceller, ending.renderer, common.utc_now)
    return Endpoint(routes=routes, api_keys=ApiKeys(settings.clients.api_keys), log=log, draw_id=common.draw_id)
