"""What becomes of a job: worker reports, results, verification, the end."""
