"""What a gate has to go by: the rule lives in `gate`, beside that of `decide`."""

from __future__ import annotations

from streamlabel.gate.weigh import Unweighed, Weighed, weigh

__all__ = ["Unweighed", "Weighed", "weigh"]
