"""One base URL for three functions: a reverse proxy that splits by path alone, as the cloud's load balancer does."""
