"""OSCQuery: programs read the controls and their values over HTTP, and follow them over a WebSocket."""

__all__ = ["address_space", "announcement", "http_queries", "listener_socket"]
