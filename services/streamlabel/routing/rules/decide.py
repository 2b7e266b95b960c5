"""May the model's label stand alone? The rule lives in `gate`: `streamlabel gate replay` makes the same decisions again by it."""

from __future__ import annotations

from streamlabel.gate.decide import decide

__all__ = ["decide"]
