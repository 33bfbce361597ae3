"""Builds the function scale_tick from its adapters."""

from avatar_jobs.bootstrap import common
from avatar_jobs.bootstrap.ending import job_ending
from avatar_jobs.bootstrap.sending import dispatcher, salad_client, upload_keys
from avatar_jobs.http.routes.scale_tick import tick_routes
from avatar_jobs.http.web import ApiKeys, Endpoint
from avatar_jobs.logs import JsonLog
from avatar_jobs.services.breaker import Breaker
from avatar_jobs.services.guarded import GuardedSalad
from avatar_jobs.services.tick.due_work import DueWork
from avatar_jobs.services.tick.housekeeper import Housekeeper
from avatar_jobs.services.tick.key_sweeper import KeySweeper
from avatar_jobs.services.tick.reconciler import Reconciler
from avatar_jobs.services.tick.scaler import Scaler
from avatar_jobs.services.tick.ticker import Ticker
from avatar_jobs.settings import Environment

TICK_KEY_SEC = 5.0  # for one storage key; while B2 is unavailable, the jobs must not use up the tick's time
TICK_SALAD_SEC = 10.0  # for one call to Salad; all of them must fit into the tick's time


def build(environment: Environment) -> Endpoint:
    """Builds the endpoint. Raises SettingsError, which names every fault of its settings."""
    log = JsonLog("scale_tick")
    place, salad_settings, period = environment.store(), environment.salad(), environment.tick_period()
    dispatching, minting = environment.dispatching(), environment.minting()
    choices, settings = environment.scaling(), environment.ending()
    environment.check()
    stores = common.open_stores(place, log)
    breaker = Breaker(common.utc_now, log, pause=period)  # each tick begins with a closed one
    ending = job_ending(settings, stores.jobs, log, breaker)
    salad = GuardedSalad(salad_client(salad_settings, TICK_SALAD_SEC), breaker, TICK_SALAD_SEC)
    keys = upload_keys(minting, settings.bucket, breaker, mint_sec=TICK_KEY_SEC, revoke_sec=TICK_KEY_SEC)
    sender = dispatcher(dispatching, stores.jobs, salad, keys, log, lambda: True)  # the tick counts its calls itself
    reconciler = Reconciler(store=stores.jobs, salad=salad, finisher=ending.finisher, clock=common.utc_now, log=log)
    housekeeper = Housekeeper(
        store=stores.jobs,
        outputs=ending.outputs,
        dispatcher=sender,
        verifier=ending.verifier,
        finisher=ending.finisher,
        reconciler=reconciler,
        callbacks=ending.callback_batch,
        upload_keys=keys,
        clock=common.utc_now,
        log=log,
        prefix=settings.bucket.prefix,
        period=period,
    )
    ticker = Ticker(
        tick_state=stores.tick_state,
        scaler=Scaler(
            store=stores.jobs, archive=stores.archive, salad=salad, choices=choices, clock=common.utc_now, log=log
        ),
        due_work=DueWork(
            store=stores.jobs,
            housekeeper=housekeeper,
            reconciler=reconciler,
            callbacks=ending.callback_batch,
            clock=common.utc_now,
            log=log,
        ),
        key_sweeper=KeySweeper(store=stores.jobs, upload_keys=keys, clock=common.utc_now, log=log),
        breaker=breaker,
        may_call_salad=salad.may_call,
        clock=common.utc_now,
        log=log,
        draw_id=common.draw_id,
        period=period,
    )
    return Endpoint(routes=tick_routes(ticker), api_keys=ApiKeys({}), log=log, draw_id=common.draw_id)
