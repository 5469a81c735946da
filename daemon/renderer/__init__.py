"""Play the network in a child process, ``python -m daemon.renderer``."""

__all__ = ["echo_stream", "text_encoder_memory"]
