"""The launcher of the rehearsal: it runs the whole system on loopback, from the same packages that are deployed.

plan.py decides ports, names and keys; environments.py says which process gets which variable; launcher.py starts,
watches and ends the processes through children.py; scheduler.py calls the tick. A process that ended is started anew,
as the cloud does; only the Firestore emulator is not, for its store is gone with it, and then the rehearsal ends.
"""
