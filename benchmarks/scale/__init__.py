"""Shows past what one machine can play: a simulation of the link, from figures that are measured here."""
