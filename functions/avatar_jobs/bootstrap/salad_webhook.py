"""Builds the function salad_webhook from its adapters; it holds no key to Salad."""

from avatar_jobs.bootstrap import common
from avatar_jobs.bootstrap.ending import job_ending
from avatar_jobs.http.routes.salad_webhook import webhook_routes
from avatar_jobs.http.web import ApiKeys, Endpoint
from avatar_jobs.logs import JsonLog
from avatar_jobs.services.outcome.report_receiver import ReportReceiver
from avatar_jobs.settings import Environment


def build(environment: Environment) -> Endpoint:
    """Builds the endpoint. Raises SettingsError, which names every fault of its settings."""
    log = JsonLog("salad_webhook")
    place = environment.store()
    webhook_secrets, token_secrets = environment.webhook_secrets(), environment.token_secrets()
    settings = environment.ending()
    environment.check()
    store = common.open_stores(place, log).jobs
    ending = job_ending(settings, store, log)
    routes = webhook_routes(
        ending.finisher,
        ReportReceiver(store=store, clock=common.utc_now, log=log),
        common.utc_now,
        log,
        webhook_secrets=webhook_secrets,
        token_secrets=token_secrets,
    )
    return Endpoint(routes=routes, api_keys=ApiKeys({}), log=log, draw_id=common.draw_id)
