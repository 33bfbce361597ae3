"""Renders the one line on standard output that tells everything a user of the rehearsal needs."""

from infra.local.stack.plan import ORGANIZATION, PROJECT, QUEUE, Plan


def ready_line(plan: Plan) -> dict[str, object]:
    """Gives the line's object; the only place where the rehearsal's keys and secrets are shown."""
    credentials = plan.credentials
    return {
        "event": "ready",
        "api": plan.api,
        "api_keys": credentials.api_keys,
        "callback_secrets": credentials.callback_secrets,
        "callback_secret": credentials.callback_secrets[plan.settings.clients[0]],
        "salad": plan.salad,
        "salad_api_key": credentials.salad_api_key,
        "organization": ORGANIZATION,
        "project": PROJECT,
        "queue": QUEUE,
        "b2": plan.b2,
        "media": plan.media,
    }
