"""The operators' command, `./ops`: find and repair jobs, manage the fleet at SaladCloud, explain the fleet's size."""
