"""The HTTP boundary: web.py answers requests, routes/ holds the routes of the four functions."""
