"""Reuse across pictures: deep features of a UNet that are kept from one picture to the next (after DeepCache)."""

__all__ = ["outer_unet", "reuse_decision", "reuse_graphs", "source_path"]
