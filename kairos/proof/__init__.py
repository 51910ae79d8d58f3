"""The lookahead proof: what a warehouse says of a day may not change when everything known later is taken away."""

from kairos.proof.attack import ATTACKS, attack_market
from kairos.proof.build import Builder
from kairos.proof.compare import ProofRow, compare, read_models, to_table
from kairos.proof.prove import default_cuts, prove, report, selectors

__all__ = [
    "ATTACKS",
    "Builder",
    "ProofRow",
    "attack_market",
    "compare",
    "default_cuts",
    "prove",
    "read_models",
    "report",
    "selectors",
    "to_table",
]
