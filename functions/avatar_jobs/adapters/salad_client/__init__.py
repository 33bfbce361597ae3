"""SaladCloud's REST API: the calls that the functions make, and the transport under them."""

from avatar_jobs.adapters.salad_client.client import SaladClient

__all__ = ["SaladClient"]
