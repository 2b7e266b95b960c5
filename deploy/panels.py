"""What a row of the dashboard is made of, and the PromQL that its panels share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and how its series are named in the legend."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart."""

    title: str
    help: str
    unit: str
    queries: Sequence[Query]
    stacked: bool = False


def quantile(share: float, metric: str, by: str, where: str = "") -> str:
    """The PromQL of a quantile of a histogram, by one label."""
    return f"histogram_quantile({share:g}, sum by ({by}, le) (rate({metric}_bucket{{{where}}}[$__rate_interval])))"


def rate(metric: str, by: str, where: str = "") -> str:
    """The PromQL of a rate per second, summed by labels."""
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


PROJECT = 'project=~"$project"'
# Stages that do not begin with a person's answer.
UNHURRIED = 'stage!~"review|learning-labels"'
