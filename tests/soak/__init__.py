"""The soak: many jobs on bad days, drawn from one seed, and then the books. `make soak`; docs/reliability.md says more.

plan.py draws everything that happens; clients.py, receivers.py, worker.py and blows.py carry it out; books.py checks
what is left when everything is quiet; run.py leads.
"""
