"""What has to come before any test imports a plugin of a collection."""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader()  # makes plugins of collections importable and known by their FQCN
