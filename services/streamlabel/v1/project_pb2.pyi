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

class PayloadKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAYLOAD_KIND_UNSPECIFIED: _ClassVar[PayloadKind]
    PAYLOAD_KIND_TEXT: _ClassVar[PayloadKind]
    PAYLOAD_KIND_IMAGE: _ClassVar[PayloadKind]
    PAYLOAD_KIND_FEATURES: _ClassVar[PayloadKind]
    PAYLOAD_KIND_JSON: _ClassVar[PayloadKind]
    PAYLOAD_KIND_URI: _ClassVar[PayloadKind]

class OutputKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTPUT_KIND_UNSPECIFIED: _ClassVar[OutputKind]
    OUTPUT_KIND_PROBABILITIES: _ClassVar[OutputKind]
    OUTPUT_KIND_LOGITS: _ClassVar[OutputKind]
PAYLOAD_KIND_UNSPECIFIED: PayloadKind
PAYLOAD_KIND_TEXT: PayloadKind
PAYLOAD_KIND_IMAGE: PayloadKind
PAYLOAD_KIND_FEATURES: PayloadKind
PAYLOAD_KIND_JSON: PayloadKind
PAYLOAD_KIND_URI: PayloadKind
OUTPUT_KIND_UNSPECIFIED: OutputKind
OUTPUT_KIND_PROBABILITIES: OutputKind
OUTPUT_KIND_LOGITS: OutputKind

class Project(_message.Message):
    __slots__ = ("name", "version", "taxonomy", "payload_kind", "model", "policy", "instructions", "source", "applied_at", "description", "review_policy", "bound_since")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TAXONOMY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    APPLIED_AT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REVIEW_POLICY_FIELD_NUMBER: _ClassVar[int]
    BOUND_SINCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    taxonomy: Taxonomy
    payload_kind: PayloadKind
    model: ModelBinding
    policy: Policy
    instructions: str
    source: SourceMapping
    applied_at: _timestamp_pb2.Timestamp
    description: str
    review_policy: ReviewPolicy
    bound_since: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., taxonomy: _Optional[_Union[Taxonomy, _Mapping]] = ..., payload_kind: _Optional[_Union[PayloadKind, str]] = ..., model: _Optional[_Union[ModelBinding, _Mapping]] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., instructions: _Optional[str] = ..., source: _Optional[_Union[SourceMapping, _Mapping]] = ..., applied_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., description: _Optional[str] = ..., review_policy: _Optional[_Union[ReviewPolicy, _Mapping]] = ..., bound_since: _Optional[int] = ...) -> None: ...

class ReviewPolicy(_message.Message):
    __slots__ = ("votes", "max_votes", "sure")
    VOTES_FIELD_NUMBER: _ClassVar[int]
    MAX_VOTES_FIELD_NUMBER: _ClassVar[int]
    SURE_FIELD_NUMBER: _ClassVar[int]
    votes: _containers.RepeatedCompositeFieldContainer[PurposeVotes]
    max_votes: int
    sure: float
    def __init__(self, votes: _Optional[_Iterable[_Union[PurposeVotes, _Mapping]]] = ..., max_votes: _Optional[int] = ..., sure: _Optional[float] = ...) -> None: ...

class PurposeVotes(_message.Message):
    __slots__ = ("purpose", "votes")
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    purpose: _decision_pb2.Purpose
    votes: int
    def __init__(self, purpose: _Optional[_Union[_decision_pb2.Purpose, str]] = ..., votes: _Optional[int] = ...) -> None: ...

class Taxonomy(_message.Message):
    __slots__ = ("version", "classes")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    version: int
    classes: _containers.RepeatedCompositeFieldContainer[ClassDefinition]
    def __init__(self, version: _Optional[int] = ..., classes: _Optional[_Iterable[_Union[ClassDefinition, _Mapping]]] = ...) -> None: ...

class ClassDefinition(_message.Message):
    __slots__ = ("name", "key", "description")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    key: str
    description: str
    def __init__(self, name: _Optional[str] = ..., key: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class ModelBinding(_message.Message):
    __slots__ = ("name", "version", "input_name", "encoder", "output_name", "output_kind", "embedding_name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INPUT_NAME_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_NAME_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_KIND_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    input_name: str
    encoder: Encoder
    output_name: str
    output_kind: OutputKind
    embedding_name: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., input_name: _Optional[str] = ..., encoder: _Optional[_Union[Encoder, _Mapping]] = ..., output_name: _Optional[str] = ..., output_kind: _Optional[_Union[OutputKind, str]] = ..., embedding_name: _Optional[str] = ...) -> None: ...

class Encoder(_message.Message):
    __slots__ = ("image", "text", "features")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    image: ImageEncoder
    text: TextEncoder
    features: FeaturesEncoder
    def __init__(self, image: _Optional[_Union[ImageEncoder, _Mapping]] = ..., text: _Optional[_Union[TextEncoder, _Mapping]] = ..., features: _Optional[_Union[FeaturesEncoder, _Mapping]] = ...) -> None: ...

class ImageEncoder(_message.Message):
    __slots__ = ("width", "height", "channels", "scale", "offset", "channels_first", "resize")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIRST_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    channels: int
    scale: float
    offset: float
    channels_first: bool
    resize: bool
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., channels: _Optional[int] = ..., scale: _Optional[float] = ..., offset: _Optional[float] = ..., channels_first: _Optional[bool] = ..., resize: _Optional[bool] = ...) -> None: ...

class TextEncoder(_message.Message):
    __slots__ = ("raw", "length")
    RAW_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    raw: bool
    length: int
    def __init__(self, raw: _Optional[bool] = ..., length: _Optional[int] = ...) -> None: ...

class FeaturesEncoder(_message.Message):
    __slots__ = ("length",)
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    length: int
    def __init__(self, length: _Optional[int] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("threshold", "review_all", "certified")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    REVIEW_ALL_FIELD_NUMBER: _ClassVar[int]
    CERTIFIED_FIELD_NUMBER: _ClassVar[int]
    threshold: ThresholdPolicy
    review_all: ReviewAllPolicy
    certified: CertifiedPolicy
    def __init__(self, threshold: _Optional[_Union[ThresholdPolicy, _Mapping]] = ..., review_all: _Optional[_Union[ReviewAllPolicy, _Mapping]] = ..., certified: _Optional[_Union[CertifiedPolicy, _Mapping]] = ...) -> None: ...

class ThresholdPolicy(_message.Message):
    __slots__ = ("threshold",)
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    threshold: float
    def __init__(self, threshold: _Optional[float] = ...) -> None: ...

class ReviewAllPolicy(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CertifiedPolicy(_message.Message):
    __slots__ = ("alpha", "delta", "double_blind_share")
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    DOUBLE_BLIND_SHARE_FIELD_NUMBER: _ClassVar[int]
    alpha: float
    delta: float
    double_blind_share: float
    def __init__(self, alpha: _Optional[float] = ..., delta: _Optional[float] = ..., double_blind_share: _Optional[float] = ...) -> None: ...

class SourceMapping(_message.Message):
    __slots__ = ("record_id", "payload", "event_at", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    EVENT_AT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    record_id: str
    payload: str
    event_at: str
    attributes: _containers.ScalarMap[str, str]
    def __init__(self, record_id: _Optional[str] = ..., payload: _Optional[str] = ..., event_at: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ...) -> None: ...
