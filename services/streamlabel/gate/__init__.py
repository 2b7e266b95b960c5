"""The statistics of the guarantee, pure: what may be promised of labels that nobody looked at.

    from streamlabel.gate import certify, simulate

Arrays in, frozen results out, with `.threshold`, `.certificate`, `.coverage` and `.plot()`.
"""

from streamlabel.gate.certify import Certified, certify
from streamlabel.gate.lot import LotCertificate, certify_lot
from streamlabel.gate.runs import Run, Simulation
from streamlabel.gate.sequence import Certificate
from streamlabel.gate.simulate import simulate

__all__ = ["Certificate", "Certified", "LotCertificate", "Run", "Simulation", "certify", "certify_lot", "simulate"]
