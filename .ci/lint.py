"""`sqlfluff lint` with its own command line, its own findings and two thirds of its time: `python .ci/lint.py models`.

Four layout rules ask for the same reading of a file (ReflowSequence.from_root), and making it is two fifths of all
that linting costs. Nothing changes the file while it is only linted, so one reading serves them all. A parsed file is
a million small objects that live until the next file: the collector need not look through them as often as it does.
And the project is parsed once, here or in the tests beside.
"""

from __future__ import annotations

import gc
import shutil
import sys

from sqlfluff.cli.commands import cli
from sqlfluff.utils.reflow import ReflowSequence

from kairos import machine
from kairos.proof import Builder

make = ReflowSequence.from_root
newest: dict[str, object] = {}


def from_root(root_segment, config):
    """The reading of the file that was read last, or a new one."""
    if newest.get("root") is not root_segment or newest.get("config") is not config:
        newest.update(root=root_segment, config=config, made=make(root_segment, config))
    return newest["made"]


ReflowSequence.from_root = staticmethod(from_root)
builder, target = Builder(), machine.root() / "target"
assert builder.parsed
(target / "ci").mkdir(exist_ok=True)
with builder.parsing():  # another process may be writing what it parsed
    shutil.copyfile(target / "partial_parse.msgpack", target / "ci/partial_parse.msgpack")
gc.set_threshold(200_000, 50, 100)
sys.argv[1:1] = ["lint"]
cli()
