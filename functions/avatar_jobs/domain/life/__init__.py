"""How each event changes a job, a file for each part of its life; domain/transition.py is the way in."""
