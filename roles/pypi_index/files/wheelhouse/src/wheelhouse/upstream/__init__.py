"""The public index: asked, kept and passed through."""
