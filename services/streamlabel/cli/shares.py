"""Options that are shares of something: 0.05, not 5."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from streamlabel.errors import ConfigurationError


@contextlib.contextmanager
def said_of_options() -> Iterator[None]:
    """What is wrong with an argument is said of its option: `lane_rate must …` becomes a ConfigurationError `--lane-rate must …`."""
    try:
        yield
    except ValueError as error:
        name, _, fault = str(error).partition(" ")
        raise ConfigurationError(f"--{name.replace('_', '-')} {fault}") from error
