"""The shipped model: synthetic training images, training stages and export."""

__all__ = ["configuration", "train"]
