"""Adapters from diffusers networks to `pipeline.denoiser.Denoiser`, one module a family of networks."""

__all__ = ["flux", "sana", "sd3", "unet"]
