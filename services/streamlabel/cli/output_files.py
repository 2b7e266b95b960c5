"""Results into files: whole, or not at all."""

from __future__ import annotations

import io
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from streamlabel.errors import ConfigurationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PLOTS = (".png", ".svg", ".pdf")


def save_json(path: Path, content: bytes) -> None:
    """Writes JSON to a file, or to stdout for `-`; raises ConfigurationError where that cannot be."""
    if str(path) == "-":
        sys.stdout.write(content.decode() + "\n")
        return
    _save(path, content + b"\n")


def save_page(path: Path, page: str) -> None:
    """Writes a page of HTML; raises ConfigurationError where that cannot be."""
    _save(path, page.encode())


def check_plot(path: Path | None) -> None:
    """Raises ConfigurationError where nothing can be drawn, or not in that format: before the work that would be lost."""
    if path is None:
        return
    if path.suffix.lower() not in _PLOTS:
        raise ConfigurationError(
            f"a plot is {', '.join(_PLOTS)}, not {path.suffix or 'a file without an ending'}: {path}"
        )
    if find_spec("matplotlib") is None:
        raise ConfigurationError("plots need matplotlib: pip install 'streamlabel[plot]'")


def save_plot(path: Path, figure: Figure) -> None:
    """Writes a picture in the format that the suffix names."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower())
    _save(path, drawn.getvalue())


def _save(path: Path, content: bytes) -> None:
    new = path.with_name(path.name + ".new")
    try:
        new.write_bytes(content)
        new.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
