"""The rehearsal: the whole system on one machine.

`stack` launches it, `demo` sends one job through it, `gateway` is its base URL. `salad_sim`, `queue_worker` and
`b2_sim` stand for Salad and Backblaze. They share no code with each other, the functions or the worker, except for the
modules of this folder: processes, ports, log lines and Salad's .proto file.
"""
