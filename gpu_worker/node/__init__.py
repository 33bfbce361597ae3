"""The worker's dealings with its node and with Salad; nothing here delays a job or makes it fail."""
