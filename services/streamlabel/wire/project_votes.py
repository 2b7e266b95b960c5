"""How many people are asked, as the project file says it."""

from __future__ import annotations

import yaml

from streamlabel.core.decision import Purpose
from streamlabel.core.project import DEFAULT_MAX_VOTES, ReviewPolicy
from streamlabel.wire.yaml_section import Section


def read_review_policy(section: Section) -> ReviewPolicy:
    """The policy in the section `review`; what is wrong with it is noted there."""
    votes = _votes(section)
    try:
        return ReviewPolicy(
            votes=votes,
            max_votes=section.integer("max_votes", max([DEFAULT_MAX_VOTES, *votes.values()])),
            sure=section.number("sure") if "sure" in section else None,
        )
    except ValueError as error:
        section.complain("max_votes" if "max_votes" in str(error) else "sure", str(error))
        return ReviewPolicy()


def _votes(section: Section) -> dict[Purpose, int]:
    """One number for every purpose, or a number for each that is named."""
    if not isinstance(section.node_of("votes"), yaml.MappingNode):
        return dict.fromkeys(Purpose, section.integer("votes")) if "votes" in section else {}
    purposes = {purpose.value: purpose for purpose in Purpose}
    named = section.child("votes", tuple(purposes))
    return {purposes[key]: named.integer(key) for key in purposes if named and key in named}
