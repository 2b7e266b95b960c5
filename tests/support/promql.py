"""What a PromQL expression asks for: the metrics and labels that it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import promql_parser


@dataclass(frozen=True, slots=True)
class Selection:
    """A metric with the labels that its matchers name, and those that the aggregation around it keeps."""

    metric: str
    matched: frozenset[str]
    grouped: frozenset[str]


def selections(expression: str) -> list[Selection]:
    """Every metric that `expression` reads; raises ValueError where it is no PromQL."""
    # Grafana fills these in; the parser wants a duration.
    return list(_walk(promql_parser.parse(expression.replace("$__rate_interval", "1m")), frozenset()))


def _walk(node: object, grouped: frozenset[str]) -> Iterator[Selection]:
    match node:
        case promql_parser.VectorSelector():
            labels = frozenset(matcher.name for matcher in node.matchers.matchers)
            assert node.name is not None, "a selector without a metric reads everything there is"
            yield Selection(node.name, labels, grouped)
        case promql_parser.MatrixSelector():
            yield from _walk(node.vector_selector, grouped)
        case promql_parser.AggregateExpr():
            by = node.modifier
            labels = frozenset(by.labels) if by is not None else frozenset()
            yield from _walk(node.expr, labels)
        case promql_parser.BinaryExpr():
            yield from _walk(node.lhs, grouped)
            yield from _walk(node.rhs, grouped)
        case promql_parser.Call():
            for argument in node.args:
                yield from _walk(argument, grouped)
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr() | promql_parser.SubqueryExpr():
            yield from _walk(node.expr, grouped)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return
        case _:
            raise AssertionError(f"teach this walk about {type(node).__name__}")
