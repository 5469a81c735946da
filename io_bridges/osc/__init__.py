"""OSC control: packets taken apart, patterns matched, one UDP socket served."""
