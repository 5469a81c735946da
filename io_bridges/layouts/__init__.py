"""Make control surfaces from the declaration: files that other programs open, with every control of a show."""

__all__ = ["chataigne", "open_stage_control", "outline", "touchosc"]
