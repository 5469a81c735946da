"""One module per outside thing: frames in and out, control in and out."""
