"""`./ops fleet`: brings the job queue and the container groups at SaladCloud to what fleet.yaml says."""
