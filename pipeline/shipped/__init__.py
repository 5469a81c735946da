"""The shipped model: synthetic training images, training stages and export."""

__all__ = [
    "configuration",
    "crops",
    "draw",
    "palettes",
    "prompts",
    "recipes",
    "source_pictures",
    "styles",
    "train",
    "vocabulary",
]
