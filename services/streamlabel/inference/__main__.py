"""The front door of inference."""

from __future__ import annotations

from streamlabel.inference.settings import InferenceSettings
from streamlabel.inference.wiring import wire
from streamlabel.runtime.main import main

if __name__ == "__main__":
    main("inference", InferenceSettings, wire)
