"""Tensors in, tensors out: flow schedules, the stream, conditioning, autoencoders, models, accelerators."""
