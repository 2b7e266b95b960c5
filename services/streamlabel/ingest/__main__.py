"""`python -m streamlabel.ingest`: the front door of the service."""

from __future__ import annotations

from streamlabel.ingest.settings import IngestSettings
from streamlabel.ingest.wiring import wire
from streamlabel.runtime.main import main

if __name__ == "__main__":
    main("ingest", IngestSettings, wire)
