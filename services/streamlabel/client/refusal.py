"""What a service says no to."""

from __future__ import annotations

from streamlabel.errors import StreamlabelError


class CallRefusedError(StreamlabelError):
    """The service will never take this call as it is; `code` is the gRPC status, `field` the part at fault (may be empty)."""

    def __init__(self, code: str, field: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.field = field
        self.detail = detail
