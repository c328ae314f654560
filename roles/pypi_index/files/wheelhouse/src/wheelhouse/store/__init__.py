"""Where bytes are: received, kept by their content, linked into what is served."""
