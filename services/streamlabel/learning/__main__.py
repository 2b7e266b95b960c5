"""The front door of learning."""

from __future__ import annotations

from streamlabel.learning.settings import LearningSettings
from streamlabel.learning.wiring import wire
from streamlabel.runtime.main import main

if __name__ == "__main__":
    main("learning", LearningSettings, wire)
