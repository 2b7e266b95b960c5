"""The public SDK: `IngestClient` brings records, `ReviewClient` lets people (or their tools) answer."""

from streamlabel.client.ingest import IngestClient
from streamlabel.client.review import ReviewClient
from streamlabel.core.record import FeaturesPayload, ImagePayload, JsonPayload, TextPayload, UriPayload
from streamlabel.core.submission import NewRecord, RecordResult, RecordStatus

__all__ = [
    "FeaturesPayload",
    "ImagePayload",
    "IngestClient",
    "JsonPayload",
    "NewRecord",
    "RecordResult",
    "RecordStatus",
    "ReviewClient",
    "TextPayload",
    "UriPayload",
]
