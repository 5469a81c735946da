"""Schedulers for diffusers pipelines that also step a batch of mixed timesteps: the paper's `step_batch`."""

from pipeline.diffusers_schedulers.flow_matching import FlowMatchEulerScheduler
from pipeline.diffusers_schedulers.perflow import PeRFlowScheduler

__all__ = ["FlowMatchEulerScheduler", "PeRFlowScheduler"]
