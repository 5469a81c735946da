"""DMX from lighting desks, over Art-Net and sACN."""
