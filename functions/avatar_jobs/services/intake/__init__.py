"""Takes the requests of apps: submits and cancels jobs, within the limits of the queue."""
