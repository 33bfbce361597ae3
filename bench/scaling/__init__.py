"""A simulation of SaladCloud that compares scaling rules: `make bench NAME=scaling`. Results are in docs/scaling.md."""
