import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from streamlabel.v1 import decision_pb2 as _decision_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LabelSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LABEL_SOURCE_UNSPECIFIED: _ClassVar[LabelSource]
    LABEL_SOURCE_MODEL: _ClassVar[LabelSource]
    LABEL_SOURCE_HUMAN: _ClassVar[LabelSource]
LABEL_SOURCE_UNSPECIFIED: LabelSource
LABEL_SOURCE_MODEL: LabelSource
LABEL_SOURCE_HUMAN: LabelSource

class Label(_message.Message):
    __slots__ = ("project", "record_id", "class_name", "source", "revision", "supersedes_revision", "decision", "model_name", "model_version", "annotators", "project_version", "taxonomy_version", "content_hash", "event_at", "ingested_at", "labelled_at", "votes", "posterior", "adjudicator")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDES_REVISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    ANNOTATORS_FIELD_NUMBER: _ClassVar[int]
    PROJECT_VERSION_FIELD_NUMBER: _ClassVar[int]
    TAXONOMY_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    EVENT_AT_FIELD_NUMBER: _ClassVar[int]
    INGESTED_AT_FIELD_NUMBER: _ClassVar[int]
    LABELLED_AT_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    POSTERIOR_FIELD_NUMBER: _ClassVar[int]
    ADJUDICATOR_FIELD_NUMBER: _ClassVar[int]
    project: str
    record_id: str
    class_name: str
    source: LabelSource
    revision: int
    supersedes_revision: int
    decision: _decision_pb2.Decision
    model_name: str
    model_version: int
    annotators: _containers.RepeatedScalarFieldContainer[str]
    project_version: int
    taxonomy_version: int
    content_hash: bytes
    event_at: _timestamp_pb2.Timestamp
    ingested_at: _timestamp_pb2.Timestamp
    labelled_at: _timestamp_pb2.Timestamp
    votes: _containers.RepeatedCompositeFieldContainer[Vote]
    posterior: float
    adjudicator: str
    def __init__(self, project: _Optional[str] = ..., record_id: _Optional[str] = ..., class_name: _Optional[str] = ..., source: _Optional[_Union[LabelSource, str]] = ..., revision: _Optional[int] = ..., supersedes_revision: _Optional[int] = ..., decision: _Optional[_Union[_decision_pb2.Decision, _Mapping]] = ..., model_name: _Optional[str] = ..., model_version: _Optional[int] = ..., annotators: _Optional[_Iterable[str]] = ..., project_version: _Optional[int] = ..., taxonomy_version: _Optional[int] = ..., content_hash: _Optional[bytes] = ..., event_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ingested_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., labelled_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., votes: _Optional[_Iterable[_Union[Vote, _Mapping]]] = ..., posterior: _Optional[float] = ..., adjudicator: _Optional[str] = ...) -> None: ...

class Vote(_message.Message):
    __slots__ = ("annotator", "class_name")
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    annotator: str
    class_name: str
    def __init__(self, annotator: _Optional[str] = ..., class_name: _Optional[str] = ...) -> None: ...
