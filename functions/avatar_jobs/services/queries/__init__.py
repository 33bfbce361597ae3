"""Reads jobs and the state of the system for apps."""
