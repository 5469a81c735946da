"""The page's preview over WebRTC: browsers as peers, in a process of their own."""

__all__ = ["messages", "offers", "process"]
