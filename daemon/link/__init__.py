"""Connect the stage and a renderer: the messages, both ends of the socket, and its address."""

__all__ = ["answers", "client", "dealer", "messages", "renderer_report", "resolved_frame", "server"]
