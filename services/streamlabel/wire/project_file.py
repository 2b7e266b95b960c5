"""The project file: what the owner of a stream writes, in YAML, once.

project: digits                     # 1-64 of a-z 0-9 . _ -
description: Handwritten digits
payload: image                      # text | image | features | json | uri
taxonomy:
  version: 1
  classes:                          # in the model's output order
    - "0"                           # a name; its key is given by hand or by default (1-9, 0, a-z)
    - {name: one, key: "1", description: "a single stroke"}
model:                              # leave it out: people label everything
  name: digits-cnn
  version: 1
  input: {name: image, width: 28, height: 28, channels: 1}
  output: {name: logits, kind: logits, embedding: embedding}
policy: {kind: threshold, threshold: 0.9}   # or {kind: review_all}, or {kind: certified, alpha: 0.05, delta: 0.05}
review:                             # leave it out: one person each
  instructions: "Which digit is it?"
  votes: {train: 2}                 # people asked at least, by purpose (calibrate, train, audit, rule), or one number for all
  max_votes: 5                      # and at most
  sure: 0.99                        # ask on until a class is so sure, given who said what; left out: until one has most votes
source: {record_id: id, payload: message.body, event_at: ts, attributes: {lang: language}}
"""

from __future__ import annotations

from pathlib import Path

import yaml

from streamlabel.core.identity import check_project_name
from streamlabel.core.project import (
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
from streamlabel.errors import ConfigurationError
from streamlabel.gate.policy import check_can_open
from streamlabel.wire.project_votes import read_review_policy
from streamlabel.wire.yaml_section import Complaints, Section, compose, read_text

KEYS = ("project", "description", "payload", "taxonomy", "model", "policy", "review", "source")
DEFAULT_KEYS = "1234567890abcdefghijklmnopqrstuvwxyz"
# Keys with a meaning of their own in the review page: never given by default.
RESERVED_KEYS = "usre?/"
INPUT_KEYS = {
    PayloadKind.IMAGE: ("name", "width", "height", "channels", "scale", "offset", "channels_first", "resize"),
    PayloadKind.TEXT: ("name", "raw", "length"),
    PayloadKind.FEATURES: ("name", "length"),
}
POLICY_KEYS = {"threshold": ("threshold",), "review_all": (), "certified": ("alpha", "delta", "double_blind_share")}


def load_project(path: Path) -> Project:
    """The project that the file describes, as version 1; raises ConfigurationError naming line and key of every mistake."""
    return parse_project(read_text(path), str(path))


def parse_project(text: str, source: str = "project file") -> Project:
    """As `load_project`, from text; `source` is what complaints call it."""
    complaints = Complaints(source)
    root = Section(compose(text, source), "", complaints, KEYS)
    name = _name(root)
    kind_word = root.choice("payload", [kind.value for kind in PayloadKind])
    kind = PayloadKind(kind_word) if kind_word else None
    taxonomy = _taxonomy(root, complaints)
    model = _model(root, kind) if "model" in root else None
    policy = _policy(root, has_model="model" in root)
    source_mapping = _source(root)
    review = root.child("review", ("instructions", "votes", "max_votes", "sure"), "instructions")
    review_policy = read_review_policy(review) if review else ReviewPolicy()
    complaints.raise_if_any()
    if kind is None or taxonomy is None or policy is None:
        raise AssertionError("a missing part was not complained of")
    try:
        return Project(
            name=name,
            version=1,
            taxonomy=taxonomy,
            payload_kind=kind,
            policy=policy,
            model=model,
            source=source_mapping,
            review=review_policy,
            instructions=review.text("instructions", "") if review else "",
            description=root.text("description", ""),
        )
    except ValueError as error:
        raise ConfigurationError(f"{source}: {error}") from error


def _name(root: Section) -> str:
    name = root.text("project")
    try:
        if "project" in root:
            check_project_name(name)
    except ValueError as error:
        root.complain("project", str(error))
    return name


def _taxonomy(root: Section, complaints: Complaints) -> Taxonomy | None:
    section = root.child("taxonomy", ("version", "classes"), "classes")
    if section is None:
        root.complain("taxonomy", "is missing: name the classes that a record may have")
        return None
    nodes = section.items("classes")
    written = [_class(node, complaints) for node in nodes]
    if complaints:
        return None
    try:
        return Taxonomy(version=section.integer("version", 1), classes=_with_default_keys(written))
    except ValueError as error:
        section.complain("classes", str(error))
        return None


def _class(node: yaml.Node, complaints: Complaints) -> ClassDefinition | None:
    try:
        if isinstance(node, yaml.ScalarNode):
            return ClassDefinition(name=str(node.value))
        section = Section(node, "taxonomy.classes", complaints, ("name", "key", "description"))
        return ClassDefinition(
            name=section.text("name"), key=section.text("key", ""), description=section.text("description", "")
        )
    except ValueError as error:
        complaints.add(node, str(error))
        return None


def _with_default_keys(written: list[ClassDefinition | None]) -> tuple[ClassDefinition, ...]:
    """Gives classes without a key one: the name itself where it is one character, else the next free of 1-9, 0, a-z.

    Past 36 classes a key a class is no help: the page offers type-to-filter, and only keys given by hand are kept.
    """
    classes = [definition for definition in written if definition is not None]
    taken = {definition.key for definition in classes if definition.key}
    single = {definition.name for definition in classes if not definition.key and len(definition.name) == 1}
    free = [key for key in DEFAULT_KEYS if key not in taken | single and key not in RESERVED_KEYS]
    if len(classes) > len(DEFAULT_KEYS):
        return tuple(classes)
    keyed = []
    for definition in classes:
        key = definition.key
        if (
            not key
            and definition.name in single
            and definition.name not in taken
            and definition.name not in RESERVED_KEYS
        ):
            key = definition.name
        elif not key and free:
            key = free.pop(0)
        keyed.append(ClassDefinition(name=definition.name, key=key, description=definition.description))
    return tuple(keyed)


def _model(root: Section, kind: PayloadKind | None) -> ModelBinding | None:
    section = root.child("model", ("name", "version", "input", "output"), "name")
    if section is None or kind is None:
        return None
    if kind not in INPUT_KEYS:
        root.complain("model", f"no encoder takes payload {kind.value}; leave the model out or change the payload")
        return None
    inputs = section.child("input", INPUT_KEYS[kind])
    outputs = section.child("output", ("name", "kind", "embedding"))
    if inputs is None or outputs is None:
        section.complain("input" if inputs is None else "output", "is missing")
        return None
    kind_word = outputs.choice("kind", [each.value for each in OutputKind])
    encoder = _encoder(inputs, kind)
    if encoder is None or not kind_word:
        return None
    try:
        return ModelBinding(
            name=section.text("name"),
            version=section.integer("version", 1),
            input_name=inputs.text("name"),
            encoder=encoder,
            output_name=outputs.text("name"),
            output_kind=OutputKind(kind_word),
            embedding_name=outputs.text("embedding", ""),
        )
    except ValueError as error:
        root.complain("model", str(error))
        return None


def _encoder(inputs: Section, kind: PayloadKind) -> Encoder | None:
    try:
        if kind is PayloadKind.IMAGE:
            return ImageEncoder(
                width=inputs.integer("width"),
                height=inputs.integer("height"),
                channels=inputs.integer("channels", 3),
                scale=inputs.number("scale", 1 / 255),
                offset=inputs.number("offset", 0.0),
                channels_first=inputs.flag("channels_first", default=False),
                resize=inputs.flag("resize", default=False),
            )
        if kind is PayloadKind.TEXT:
            return TextEncoder(raw=inputs.flag("raw", default=False), length=inputs.integer("length", 0))
        return FeaturesEncoder(length=inputs.integer("length"))
    except ValueError as error:
        inputs.complain("name", str(error))
        return None


def _policy(root: Section, *, has_model: bool) -> Policy | None:
    if "policy" not in root and not has_model:
        return ReviewAllPolicy()
    every_key = ("kind", *(key for keys in POLICY_KEYS.values() for key in keys))
    section = root.child("policy", every_key, "kind")
    if section is None:
        root.complain("policy", "is missing: {kind: threshold, threshold: 0.9} or {kind: review_all}")
        return None
    kind = section.choice("kind", list(POLICY_KEYS))
    for key in every_key[1:]:
        if kind and key in section and key not in POLICY_KEYS[kind]:
            section.complain(key, f"has no meaning under kind {kind}")
    try:
        match kind:
            case "threshold":
                return ThresholdPolicy(threshold=section.number("threshold"))
            case "certified":
                policy = CertifiedPolicy(
                    alpha=section.number("alpha"),
                    delta=section.number("delta", 0.05),
                    double_blind_share=section.number("double_blind_share", 0.0),
                )
                check_can_open(alpha=policy.alpha, delta=policy.delta, double_blind_share=policy.double_blind_share)
                return policy
            case "review_all":
                return ReviewAllPolicy()
    except ValueError as error:
        section.complain("kind", str(error))
    return None


def _source(root: Section) -> SourceMapping | None:
    section = root.child("source", ("record_id", "payload", "event_at", "attributes"), "payload")
    if section is None:
        return None
    payload = section.text("payload")
    if not payload:
        return None
    return SourceMapping(
        payload=payload,
        record_id=section.text("record_id", ""),
        event_at=section.text("event_at", ""),
        attributes=section.pairs("attributes"),
    )
