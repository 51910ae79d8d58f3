"""The lookahead proof: what a warehouse says of a day may not change when everything known later is taken away."""

from kairos.proof.attack import delete_future
from kairos.proof.build import Builder
from kairos.proof.compare import ProofRow, compare, read_models, to_table
from kairos.proof.prove import default_cuts, prove, report

__all__ = [
    "Builder",
    "ProofRow",
    "compare",
    "default_cuts",
    "delete_future",
    "prove",
    "read_models",
    "report",
    "to_table",
]
