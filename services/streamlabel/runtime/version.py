"""Which Streamlabel this is."""

from __future__ import annotations

from importlib import metadata


def installed_version() -> str:
    """The version of the installed distribution; `unknown` where the code runs uninstalled."""
    try:
        return metadata.version("streamlabel")
    except metadata.PackageNotFoundError:
        return "unknown"
