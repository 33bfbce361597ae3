"""What this project keeps at SaladCloud: one queue and its container groups."""
