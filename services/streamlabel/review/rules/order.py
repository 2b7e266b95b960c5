"""Who is served first."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from streamlabel.core.decision import Purpose

# Lower is served first. The calibration lane is the evidence that everything else rests on; then records that nothing but a
# person can label, then those the model may learn from, then second looks at labels that exist already.
PURPOSE_RANK: Mapping[Purpose, int] = MappingProxyType(
    {Purpose.CALIBRATE: 0, Purpose.RULE: 1, Purpose.TRAIN: 2, Purpose.AUDIT: 3}
)
PURPOSE_OF_RANK: Mapping[int, Purpose] = MappingProxyType({rank: purpose for purpose, rank in PURPOSE_RANK.items()})
