"""Schedulers for diffusers pipelines with `step_batch`, the paper's step for a batch of mixed timesteps."""

from pipeline.diffusers_schedulers.flow_matching import FlowMatchEulerScheduler
from pipeline.diffusers_schedulers.perflow import PeRFlowScheduler

__all__ = ["FlowMatchEulerScheduler", "PeRFlowScheduler"]
