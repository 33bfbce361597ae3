"""Takes jobs one at a time and runs each: the slot, the run with its reports, and the stages in their order."""
