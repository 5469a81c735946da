"""Schedulers for diffusers pipelines that also step a batch of mixed timesteps: the paper's `step_batch`."""

from pipeline.schedulers.flow_matching import FlowMatchEulerScheduler

__all__ = ["FlowMatchEulerScheduler"]
