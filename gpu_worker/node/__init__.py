"""What the worker tells Salad about its node; nothing here delays a job or makes it fail."""
