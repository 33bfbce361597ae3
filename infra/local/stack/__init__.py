"""The launcher of the rehearsal: it runs the whole system on loopback, from the same packages that are deployed.

plan.py decides ports, names and keys; environments.py says which process gets which variable; launcher.py starts,
watches and ends the processes through children.py; scheduler.py calls the tick. It does not restart a process that
died: the rehearsal ends instead.
"""
