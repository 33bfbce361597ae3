"""Calls the webhooks of apps."""
