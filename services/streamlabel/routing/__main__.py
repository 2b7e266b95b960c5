"""The front door of routing."""

from __future__ import annotations

from streamlabel.routing.settings import RoutingSettings
from streamlabel.routing.wiring import wire
from streamlabel.runtime.main import main

if __name__ == "__main__":
    main("routing", RoutingSettings, wire)
