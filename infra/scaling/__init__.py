"""Operators' view of the fleet's size: what the rule saw, what it did, and why."""
