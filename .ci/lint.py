"""`sqlfluff lint` with its own command line, its own findings and half of its time: `python .ci/lint.py models`.

sqlfluff reads a file anew for every rule. Nothing changes it while it is only linted, so what is read once serves all:
the tree walked for each of 60 rules, what a select reads, which six rules ask, the sequence that four layout rules ask
for (ReflowSequence.from_root), what pieces of one parent have in common in it, and which places no template made. A
parsed file is a million small objects that live until the next file: the collector need not look through them as often
as it does. And the project is parsed once, here or in the tests beside.
"""

from __future__ import annotations

import gc
import shutil
import sys

from sqlfluff.cli.commands import cli
from sqlfluff.core.rules.crawlers import SegmentSeekerCrawler
from sqlfluff.core.templaters.base import TemplatedFile
from sqlfluff.utils.analysis import query, select
from sqlfluff.utils.reflow import ReflowSequence
from sqlfluff.utils.reflow.depthmap import DepthInfo, DepthMap, StackPosition

from kairos import machine
from kairos.proof import Builder

make = ReflowSequence.from_root
crawl = SegmentSeekerCrawler.crawl
look_into = select.get_select_statement_info
is_literal = TemplatedFile.is_source_slice_literal
newest: dict[str, object] = {}
walked: dict[str, object] = {}
selects: dict[tuple, tuple] = {}
literals: dict[tuple, bool] = {}


def from_root(root_segment, config):
    """The reading of the file that was read last, or a new one."""
    if newest.get("root") is not root_segment or newest.get("config") is not config:
        newest.update(root=root_segment, config=config, made=make(root_segment, config))
    return newest["made"]


def walk(root):
    """Every segment of a tree, parents first: (segment, its parents, its place, where its descendants end); and where
    the segments of each type stand."""
    places, of_type = [], {}

    def visit(segment, parents, place):
        position = len(places)
        places.append(None)
        for name in segment.class_types:
            of_type.setdefault(name, []).append(position)
        inner = (*parents, segment)
        for number, child in enumerate(segment.segments):
            visit(child, inner, number)
        places[position] = (segment, parents, place, len(places))

    visit(root, (), 0)
    return places, of_type


def crawl_walked(self, context):
    """What SegmentSeekerCrawler.crawl finds, from one walk through the file for all rules."""
    root = context.segment
    if type(self) is not SegmentSeekerCrawler or self.provide_raw_stack or context.parent_stack or not root.segments:
        yield from crawl(self, context)
        return
    if walked.get("root") is not root:
        walked.update(root=root, walk=walk(root))
        selects.clear()
    places, of_type = walked["walk"]
    if "unparsable" in of_type:
        yield from crawl(self, context)
        return
    beyond = 0
    for position in sorted({position for name in self.types for position in of_type.get(name, ())}):
        if position < beyond:
            continue
        context.segment, context.parent_stack, context.segment_idx, end = places[position]
        if not self.allow_recurse:
            beyond = end
        yield context


def select_info(segment, dialect, early_exit=True):
    """What get_select_statement_info finds, for each select of a file once; lists are the asker's own."""
    known = selects.get((id(segment), early_exit))
    if known is None:
        known = selects[id(segment), early_exit] = (segment, look_into(segment, dialect, early_exit))
    info = known[1]
    return info and info._replace(**{k: list(v) for k, v in info._asdict().items() if isinstance(v, list)})


def is_slice_literal(self, source_slice):
    """What is_source_slice_literal finds by walking through the file, for each place once."""
    if newest.get("file") is not self:
        newest["file"] = self
        literals.clear()
    place = (source_slice.start, source_slice.stop)
    if place not in literals:
        literals[place] = is_literal(self, source_slice)
    return literals[place]


def depth_map(self, raws_with_stack):
    """DepthMap.__init__, where what the pieces of one parent have in common is made once."""
    self.depth_info, above = {}, {}
    for raw, stack in raws_with_stack:
        *outer, last = stack
        if id(last.segment) not in above:
            hashes = tuple(hash(step.segment) for step in stack)
            above[id(last.segment)] = (
                hashes,
                frozenset(hashes),
                tuple(step.segment.class_types for step in stack),
                {hashes[i]: StackPosition.from_path_step(step) for i, step in enumerate(outer)},
            )
        hashes, hash_set, types, positions = above[id(last.segment)]
        own = {**positions, hashes[-1]: StackPosition.from_path_step(last)}
        self.depth_info[raw.uuid] = DepthInfo(len(stack), hashes, hash_set, types, own)


ReflowSequence.from_root = staticmethod(from_root)
SegmentSeekerCrawler.crawl = crawl_walked
DepthMap.__init__ = depth_map
TemplatedFile.is_source_slice_literal = is_slice_literal
query.get_select_statement_info = select.get_select_statement_info = select_info  # rules are loaded later
builder, target = Builder(), machine.root() / "target"
assert builder.parsed
(target / "ci").mkdir(exist_ok=True)
with builder.parsing():  # another process may be writing what it parsed
    shutil.copyfile(target / "partial_parse.msgpack", target / "ci/partial_parse.msgpack")
gc.set_threshold(200_000, 50, 100)
sys.argv[1:1] = ["lint"]
cli()
