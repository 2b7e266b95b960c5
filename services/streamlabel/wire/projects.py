"""Project on the wire: value of the compacted table `projects`."""

from __future__ import annotations

from streamlabel.core.project import (
    DEFAULT_MAX_VOTES,
    CertifiedPolicy,
    Encoder,
    FeaturesEncoder,
    ImageEncoder,
    ModelBinding,
    OutputKind,
    Policy,
    Project,
    ReviewAllPolicy,
    ReviewPolicy,
    SourceMapping,
    TextEncoder,
    ThresholdPolicy,
)
from streamlabel.core.record import PayloadKind
from streamlabel.core.taxonomy import ClassDefinition, Taxonomy
from streamlabel.v1 import project_pb2
from streamlabel.wire.codec import malformed_as_invalid, parse
from streamlabel.wire.decisions import PURPOSES
from streamlabel.wire.enums import EnumCodec

PAYLOAD_KINDS = EnumCodec(PayloadKind, project_pb2.PayloadKind, "PAYLOAD_KIND")
OUTPUT_KINDS = EnumCodec(OutputKind, project_pb2.OutputKind, "OUTPUT_KIND")


def project_key(name: str) -> bytes:
    """Key on topic `projects`."""
    return name.encode()


def to_message(project: Project) -> project_pb2.Project:
    """The project on the wire."""
    message = project_pb2.Project(
        name=project.name,
        version=project.version,
        taxonomy=project_pb2.Taxonomy(
            version=project.taxonomy.version,
            classes=[
                project_pb2.ClassDefinition(name=each.name, key=each.key, description=each.description)
                for each in project.taxonomy.classes
            ],
        ),
        payload_kind=PAYLOAD_KINDS.number(project.payload_kind),
        policy=_policy_to_message(project.policy),
        instructions=project.instructions,
        description=project.description,
        bound_since=project.bound_since,
    )
    if project.review != ReviewPolicy():
        message.review_policy.CopyFrom(_review_to_message(project.review))
    if project.model is not None:
        message.model.CopyFrom(_model_to_message(project.model))
    if project.source is not None:
        message.source.CopyFrom(
            project_pb2.SourceMapping(
                record_id=project.source.record_id,
                payload=project.source.payload,
                event_at=project.source.event_at,
                attributes=project.source.attributes,
            )
        )
    return message


def from_message(message: project_pb2.Project) -> Project:
    """The project; raises ValueError where a part is missing or illegal."""
    source = None
    if message.HasField("source"):
        source = SourceMapping(
            record_id=message.source.record_id,
            payload=message.source.payload,
            event_at=message.source.event_at,
            attributes=dict(message.source.attributes),
        )
    classes = tuple(
        ClassDefinition(name=each.name, key=each.key, description=each.description) for each in message.taxonomy.classes
    )
    return Project(
        name=message.name,
        version=message.version,
        taxonomy=Taxonomy(version=message.taxonomy.version, classes=classes),
        payload_kind=PAYLOAD_KINDS.member(message.payload_kind),
        policy=_policy_from_message(message.policy),
        model=_model_from_message(message.model) if message.HasField("model") else None,
        source=source,
        review=_review_from_message(message.review_policy),
        instructions=message.instructions,
        description=message.description,
        bound_since=message.bound_since,
    )


def encode(project: Project) -> bytes:
    """Bytes for topic `projects`."""
    return to_message(project).SerializeToString()


def decode(value: bytes) -> Project:
    """The project; raises InvalidMessageError MALFORMED."""
    message = parse(project_pb2.Project(), value)
    with malformed_as_invalid("project"):
        return from_message(message)


def _policy_to_message(policy: Policy) -> project_pb2.Policy:
    match policy:
        case ThresholdPolicy(threshold=threshold):
            return project_pb2.Policy(threshold=project_pb2.ThresholdPolicy(threshold=threshold))
        case ReviewAllPolicy():
            return project_pb2.Policy(review_all=project_pb2.ReviewAllPolicy())
        case CertifiedPolicy(alpha=alpha, delta=delta, double_blind_share=share):
            return project_pb2.Policy(
                certified=project_pb2.CertifiedPolicy(alpha=alpha, delta=delta, double_blind_share=share)
            )


def _policy_from_message(message: project_pb2.Policy) -> Policy:
    match message.WhichOneof("kind"):
        case "threshold":
            return ThresholdPolicy(threshold=message.threshold.threshold)
        case "review_all":
            return ReviewAllPolicy()
        case "certified":
            given = message.certified
            return CertifiedPolicy(alpha=given.alpha, delta=given.delta, double_blind_share=given.double_blind_share)
    raise ValueError("policy is missing")


def _review_to_message(review: ReviewPolicy) -> project_pb2.ReviewPolicy:
    votes = [
        project_pb2.PurposeVotes(purpose=PURPOSES.number(purpose), votes=count)
        for purpose, count in sorted(review.votes.items(), key=lambda each: each[0].value)
    ]
    return project_pb2.ReviewPolicy(votes=votes, max_votes=review.max_votes, sure=review.sure)


def _review_from_message(message: project_pb2.ReviewPolicy) -> ReviewPolicy:
    return ReviewPolicy(
        votes={PURPOSES.member(each.purpose): each.votes for each in message.votes},
        max_votes=message.max_votes or DEFAULT_MAX_VOTES,
        sure=message.sure if message.HasField("sure") else None,
    )


def _model_to_message(model: ModelBinding) -> project_pb2.ModelBinding:
    return project_pb2.ModelBinding(
        name=model.name,
        version=model.version,
        input_name=model.input_name,
        encoder=_encoder_to_message(model.encoder),
        output_name=model.output_name,
        output_kind=OUTPUT_KINDS.number(model.output_kind),
        embedding_name=model.embedding_name,
    )


def _model_from_message(message: project_pb2.ModelBinding) -> ModelBinding:
    return ModelBinding(
        name=message.name,
        version=message.version,
        input_name=message.input_name,
        encoder=_encoder_from_message(message.encoder),
        output_name=message.output_name,
        output_kind=OUTPUT_KINDS.member(message.output_kind),
        embedding_name=message.embedding_name,
    )


def _encoder_to_message(encoder: Encoder) -> project_pb2.Encoder:
    match encoder:
        case ImageEncoder():
            image = project_pb2.ImageEncoder(
                width=encoder.width,
                height=encoder.height,
                channels=encoder.channels,
                scale=encoder.scale,
                offset=encoder.offset,
                channels_first=encoder.channels_first,
                resize=encoder.resize,
            )
            return project_pb2.Encoder(image=image)
        case TextEncoder(raw=raw, length=length):
            return project_pb2.Encoder(text=project_pb2.TextEncoder(raw=raw, length=length))
        case FeaturesEncoder(length=length):
            return project_pb2.Encoder(features=project_pb2.FeaturesEncoder(length=length))


def _encoder_from_message(message: project_pb2.Encoder) -> Encoder:
    match message.WhichOneof("kind"):
        case "image":
            image = message.image
            return ImageEncoder(
                width=image.width,
                height=image.height,
                channels=image.channels,
                scale=image.scale,
                offset=image.offset,
                channels_first=image.channels_first,
                resize=image.resize,
            )
        case "text":
            return TextEncoder(raw=message.text.raw, length=message.text.length)
        case "features":
            return FeaturesEncoder(length=message.features.length)
    raise ValueError("encoder is missing")
