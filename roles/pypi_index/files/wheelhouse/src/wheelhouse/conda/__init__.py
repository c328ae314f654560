"""Channels: an index of another shape."""
