"""Builds the function submit_job from its adapters."""

from datetime import timedelta
from threading import Thread

from avatar_jobs.adapters.cloud_scheduler import CloudScheduler
from avatar_jobs.bootstrap import common
from avatar_jobs.bootstrap.sending import dispatcher, salad_client, upload_keys
from avatar_jobs.domain.rate_budget import SUBMIT_CALLS_A_MINUTE, CallBucket
from avatar_jobs.http.routes.submit_job import submit_routes
from avatar_jobs.http.web import ApiKeys, Endpoint
from avatar_jobs.logs import JsonLog
from avatar_jobs.services.breaker import Breaker
from avatar_jobs.services.dispatch.dispatcher import LockedBucket
from avatar_jobs.services.intake.admission import Admission
from avatar_jobs.services.intake.submitter import Submitter
from avatar_jobs.services.intake.tick_trigger import TickTrigger
from avatar_jobs.services.queries.job_view import JobRenderer
from avatar_jobs.services.queries.lister import Lister
from avatar_jobs.settings import Environment

KEYS_PAUSE = timedelta(seconds=10)  # after a request for a key without an answer; the tick sends what came meanwhile
SUBMIT_SALAD_SEC = 4.0  # for one try at Salad; the app waits, and its 202 must come within 8 s
SUBMIT_KEY_SEC = 2.5  # for the storage key before that: three requests on a cold instance, one on a warm one
SUBMIT_REVOKE_SEC = 1.0  # for one request: deletes the key of a job that Salad refused; else the job's end deletes it


def build(environment: Environment) -> Endpoint:
    """Builds the endpoint. Raises SettingsError, which names every fault of its settings."""
    log = JsonLog("submit_job")
    place, salad, bucket = environment.store(), environment.salad(), environment.outputs()
    dispatching, minting = environment.dispatching(), environment.minting()
    clients, rehearsal, instances = environment.clients(), environment.rehearsal(), environment.submit_instances()
    tick_job = environment.wake_job()
    environment.check()
    store = common.open_stores(place, log).jobs
    share = LockedBucket(CallBucket(SUBMIT_CALLS_A_MINUTE / instances), common.utc_now)
    breaker = Breaker(common.utc_now, log, KEYS_PAUSE)
    keys = upload_keys(minting, bucket, breaker, mint_sec=SUBMIT_KEY_SEC, revoke_sec=SUBMIT_REVOKE_SEC)
    sender = dispatcher(dispatching, store, salad_client(salad, SUBMIT_SALAD_SEC), keys, log, share.take)
    submitter = Submitter(
        store=store,
        dispatcher=sender,
        admission=Admission(store=store, clock=common.utc_now),
        tick_trigger=TickTrigger(
            scheduler=CloudScheduler(*tick_job) if tick_job else None,
            clock=common.utc_now,
            log=log,
            start=lambda call: Thread(target=call, name="tick-trigger", daemon=True).start(),
        ),
        clock=common.utc_now,
        log=log,
        draw_id=common.draw_id,
        retention=bucket.lifetime,
    )
    lister = Lister(store=store, token_secrets=dispatching.token_secrets)
    renderer = JobRenderer(common.outputs(bucket), bucket.prefix)
    routes = submit_routes(submitter, lister, renderer, common.utc_now, rehearsal=rehearsal)
    return Endpoint(routes=routes, api_keys=ApiKeys(clients.api_keys), log=log, draw_id=common.draw_id)
