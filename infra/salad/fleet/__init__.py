"""Brings the queue and the container groups at SaladCloud to what fleet.yaml says."""
