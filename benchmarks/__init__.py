"""The bench behind `streamflow-live bench`: measure the promised speed on the machine at hand.

`catalogue` lists the measurements. Each one is a generator of rows and targets. Only child processes import torch
(`benchmarks.stream.bare_pipeline`, `benchmarks.paper.contender_process`). A show is measured from outside, at a
client's sockets.
"""

__all__ = ["catalogue", "machine", "options", "plan", "report", "runner", "session"]
