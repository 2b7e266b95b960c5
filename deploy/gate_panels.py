"""How gates stand: what each lets pass, by which evidence, and what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence

from panels import PROJECT, Panel, Query


def _latest(metric: str, where: str = PROJECT, by: str = "project") -> str:
    # One replica learns; what a former one still shows is the same or older.
    return f"max by ({by}) ({metric}{{{where}}})"


GATES: Sequence[Panel] = (
    Panel(
        title="State",
        help="1 for the state that the gate is in.",
        unit="short",
        queries=[Query(_latest("streamlabel_gate_state", by="project, state"), "{{project}} {{state}}")],
    ),
    Panel(
        title="Passes, and certified error",
        help="Share of the latest records that the gate let pass, and the bound of the error among them; 1 without a certificate.",
        unit="percentunit",
        queries=[
            Query(_latest("streamlabel_gate_coverage_ratio"), "{{project}} passes"),
            Query(_latest("streamlabel_gate_error_bound_ratio"), "{{project}} error at most"),
        ],
    ),
    Panel(
        title="Threshold",
        help="Smallest score that passes; no line where none does.",
        unit="short",
        queries=[Query(_latest("streamlabel_gate_threshold") + " < +Inf", "{{project}}")],
    ),
    Panel(
        title="Calibration",
        help="Records in the evidence, and those that wait for people.",
        unit="short",
        queries=[
            Query(_latest("streamlabel_gate_evidence_records"), "{{project}} evidence"),
            Query(_latest("streamlabel_gate_unanswered_records"), "{{project}} unanswered"),
        ],
    ),
    Panel(
        title="Calibration lane and guard",
        help="Share of the stream that is calibration, and the share that the price guard lets pass at most.",
        unit="percentunit",
        queries=[
            Query(_latest("streamlabel_gate_lane_rate_ratio"), "{{project}} calibration"),
            Query(_latest("streamlabel_gate_guard_cap_ratio"), "{{project}} guard"),
        ],
    ),
    Panel(
        title="Evidence of errors",
        help="For an error above alpha since the certificate, to one; the gate closes when it is strong enough.",
        unit="short",
        queries=[Query(_latest("streamlabel_gate_alarm_evidence"), "{{project}}")],
    ),
    Panel(
        title="Changes",
        help="Changes of a gate in an hour, by the state it came to.",
        unit="short",
        queries=[
            Query(
                f"sum by (project, state) (increase(streamlabel_gate_transitions_total{{{PROJECT}}}[1h]))",
                "{{project}} {{state}}",
            )
        ],
    ),
    Panel(
        title="Since the last look",
        help="Time since the evidence was last tested.",
        unit="s",
        queries=[
            Query(f"min by (project) (streamlabel_gate_since_look_seconds{{{PROJECT}}})", "{{project}}"),
        ],
    ),
)
