"""Applies what happens to a job: worker reports, results, verification, the end."""
