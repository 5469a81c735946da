"""The web page: the live output and every control, served by one thread."""

__all__ = ["json_messages", "page_content", "preview", "server", "small_pictures", "sockets"]
