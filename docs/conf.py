"""Settings of the documentation site that `make docs` builds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

project = "wheelhouse.onboarding"
author = "The wheelhouse.onboarding contributors"
# galaxy.yml is the one place that has the version; `make docs` puts it beside the sources
release = version = re.findall(r"^version: (\S+)$", Path("../galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)[0]

extensions = ["myst_parser", "sphinx_antsibull_ext"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
default_role = "any"
nitpicky = True
highlight_language = "text"
pygments_style = "ansible"

html_theme = "sphinx_ansible_theme"
html_theme_options = {
    # the theme's own banner and links lead to ansible-core's documentation
    "display_version": True,
    "topbar_links": {},
    "collapse_navigation": False,
    "navigation_depth": 3,
}
html_title = f"{project} {release}"
html_short_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_sourcelink = False
html_copy_source = False
html_use_index = False


def other_collection(app: Any, environment: Any, node: Any, content: Any) -> Any:
    """A plugin of another collection is named without a link: no network is asked where its page is."""
    target = node.get("reftarget", "")
    foreign = target.startswith("ansible_collections.") and not target.startswith(f"ansible_collections.{project}.")
    return content if foreign else None


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", other_collection)
