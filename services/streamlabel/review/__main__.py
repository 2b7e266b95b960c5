"""The front door of review."""

from __future__ import annotations

from streamlabel.review.settings import ReviewSettings
from streamlabel.review.wiring import wire
from streamlabel.runtime.main import main

if __name__ == "__main__":
    main("review", ReviewSettings, wire)
