"""What the worker owes to the node it runs on and to Salad: none of it ever delays or costs a job."""
