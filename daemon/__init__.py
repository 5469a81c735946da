"""Run the show: processes, threads, supervision, the output clock and the command line."""
