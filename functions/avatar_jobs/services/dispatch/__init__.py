"""Sends one attempt to Salad, with its storage key."""
