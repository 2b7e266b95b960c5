"""One whole stack for all tests of this folder that do not need one of their own; they keep apart by project and run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamlabel.local.stack import Stack
from support.whole_stack import whole_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The embedded stack, with the digits model in its Triton."""
    with whole_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running
