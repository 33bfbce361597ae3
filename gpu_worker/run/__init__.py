"""Runs jobs one at a time: the run slot, the run with its reports, and the stages in their order."""
