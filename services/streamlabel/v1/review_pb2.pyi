import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from streamlabel.v1 import decision_pb2 as _decision_pb2
from streamlabel.v1 import record_pb2 as _record_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReviewTask(_message.Message):
    __slots__ = ("record", "decision", "suggestion", "priority", "needed_votes", "blind", "model_name", "model_version", "project_version")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    SUGGESTION_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    NEEDED_VOTES_FIELD_NUMBER: _ClassVar[int]
    BLIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_VERSION_FIELD_NUMBER: _ClassVar[int]
    record: _record_pb2.Record
    decision: _decision_pb2.Decision
    suggestion: Suggestion
    priority: float
    needed_votes: int
    blind: bool
    model_name: str
    model_version: int
    project_version: int
    def __init__(self, record: _Optional[_Union[_record_pb2.Record, _Mapping]] = ..., decision: _Optional[_Union[_decision_pb2.Decision, _Mapping]] = ..., suggestion: _Optional[_Union[Suggestion, _Mapping]] = ..., priority: _Optional[float] = ..., needed_votes: _Optional[int] = ..., blind: _Optional[bool] = ..., model_name: _Optional[str] = ..., model_version: _Optional[int] = ..., project_version: _Optional[int] = ...) -> None: ...

class Suggestion(_message.Message):
    __slots__ = ("class_name", "probability")
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    class_name: str
    probability: float
    def __init__(self, class_name: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class Lease(_message.Message):
    __slots__ = ("task_id", "lease_token", "fencing_token", "expires_at", "lasts_ms")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FENCING_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    LASTS_MS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    lease_token: str
    fencing_token: int
    expires_at: _timestamp_pb2.Timestamp
    lasts_ms: int
    def __init__(self, task_id: _Optional[str] = ..., lease_token: _Optional[str] = ..., fencing_token: _Optional[int] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lasts_ms: _Optional[int] = ...) -> None: ...

class Annotation(_message.Message):
    __slots__ = ("annotation_id", "lease_token", "class_name", "think_time_ms")
    ANNOTATION_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    THINK_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    annotation_id: str
    lease_token: str
    class_name: str
    think_time_ms: int
    def __init__(self, annotation_id: _Optional[str] = ..., lease_token: _Optional[str] = ..., class_name: _Optional[str] = ..., think_time_ms: _Optional[int] = ...) -> None: ...
