"""Calling the webhooks of apps."""
