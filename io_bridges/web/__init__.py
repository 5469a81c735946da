"""The web page: the live output and every control, served on loopback by one thread."""
