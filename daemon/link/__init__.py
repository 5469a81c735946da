"""Connect the stage and a renderer: the messages, both ends of the socket, and its endpoint."""

__all__ = ["client", "endpoint", "server"]
