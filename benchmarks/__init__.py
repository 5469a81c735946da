"""`streamflow-live bench`: the speed this program promises, measured on the machine it stands on.

`catalogue` lists the measurements; each is a generator that yields rows and targets. Torch is only ever imported by
the child processes (`benchmarks.bare_pipeline`, `benchmarks.paper.contender`), and everything about a show is measured
from outside, as a client sees it.
"""
