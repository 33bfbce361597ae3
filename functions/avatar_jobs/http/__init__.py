"""The HTTP boundary: the web adapter and the routes of the four functions."""
