"""The run folder, which survives what happens to its machine.

manifest.json               what was measured, with what, how; the hash of every other file
cells.csv                   one row per cell and keypoint
persons.parquet             one row per box
predictions/SLUG.parquet    keypoints of each cell, one row per box
scores/SLUG.json            the rows of each cell, before the correction over the run
confidence.csv  examples/   for the report
.work/                      pieces of unfinished cells
"""

from .folder import check_out, open_run
from .manifest import is_run, read_manifest, reseal, write_manifest
from .place import default_folder
from .store import Store, find_cells

__all__ = [
    "Store",
    "check_out",
    "default_folder",
    "find_cells",
    "is_run",
    "open_run",
    "read_manifest",
    "reseal",
    "write_manifest",
]
