"""Place renderers on the machines of a Ray cluster. Ray itself is imported in processes of its own alone."""

__all__ = ["address", "cluster_process"]
