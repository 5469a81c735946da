"""Families of models: one module with an adapter and a `Family` each, and their table."""

__all__ = ["family", "family_table", "flux", "flux2", "rotation", "sana", "sd3", "unet", "z_image"]
