"""Sections on what errors turn into, on shares hidden, and on whether the model knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ..figures.flows import plot_flows
from ..figures.shares import plot_shares
from ..findings.errors import flow_sentences, flows
from ..findings.shares import attack_shares, excess_sentences, pooled_shares
from ..reading.load import Run
from ..reading.names import listed
from ..reading.slices import Slice
from ..tables.errors import flow_table
from ..tables.knows import knows_sentences, knows_table
from ..tables.shares import shares_table
from .page import Block, Prose
from .plots import PlotFolder
from .shared import level_title, table_block


def errors_blocks(run: Run, parts: Sequence[Slice], plots: PlotFolder) -> Iterator[Block]:
    """What kind of error the joints are, and what the kinds turn into."""
    found = {part.level: made for part in parts if (made := flows(run, part))}
    if not found:
        return
    yield Prose(
        "Each labelled joint is good (similarity to the truth from .85 up), off by a little (jitter, from .5 up), at "
        "the joint of the other side (inversion), at another person's (swap), or nowhere (miss); a joint of a person "
        "whom no prediction is matched to is lost."
    )
    for part in parts:
        if part.level not in found:
            continue
        yield level_title(part)
        for sentence in flow_sentences(found[part.level]):
            yield Prose(sentence, "reading")
        caption = f"From the kind of each joint without the attack to that under it, over all hidden {part.level}s. "
        caption += "Faint bands stay what they were."
        alt = f"Flows between kinds of errors under {listed(part.fills)} of {part.level}s."
        yield plots.add(partial(plot_flows, found[part.level]), f"errors_{part.level}", alt, caption)
        yield table_block(flow_table(part.level, found[part.level]), plots)


def shares_blocks(run: Run, plots: PlotFolder) -> Iterator[Block]:
    """Loss against the share of the person that is hidden."""
    single, pooled = attack_shares(run), pooled_shares(run)
    if not single:
        return
    for sentence in excess_sentences(pooled):
        yield Prose(sentence, "reading")
    caption = (
        "Mean loss of OKS of the attacked persons against the mean share of their body that is hidden (hidden pixels "
        "over those of the hull of the labelled keypoints, grown by 6 px; a rectangle can be larger than the body). "
        "A point is an attack (● keypoint, ■ part); "
        "lines are all attacks of a fill together, by share."
    )
    alt = "Points: loss of OKS against the share of the person hidden, by attack; lines: by fill."
    yield plots.add(partial(plot_shares, single, pooled), "shares", alt, caption)
    yield table_block(shares_table(single, pooled), plots)


def knows_blocks(run: Run, plots: PlotFolder) -> Iterator[Block]:
    """How well the confidence tells hidden joints from visible ones."""
    if run.knows.empty:
        return
    for sentence in knows_sentences(run):
        yield Prose(sentence, "reading")
    yield table_block(knows_table(run), plots)
