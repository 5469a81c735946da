"""DMX from lighting desks, over Art-Net and sACN."""

__all__ = ["control"]
