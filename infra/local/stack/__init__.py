"""The launcher of the rehearsal: the whole system on loopback, from the packages that are deployed."""
