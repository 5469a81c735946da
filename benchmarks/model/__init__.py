"""Quality of a model's pictures: words, source, motion, steadiness, steps, autoencoder; and contact sheets."""

__all__ = ["held_out", "measure_model"]
