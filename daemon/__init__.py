"""Processes, threads, supervision, the output clock, metrics, the command line."""
