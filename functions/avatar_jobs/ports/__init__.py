"""What the services need from the outside world, as Protocols; the adapters implement them."""
