"""Models on this disk: pulled from the hub, adopted from files, checked, listed."""

__all__ = ["adoption", "assembly", "download", "file_plan", "hub", "hub_cache", "inspection", "listing", "pull"]
