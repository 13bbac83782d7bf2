"""Snapshots of what no session has measured, so that a record of any kind can be shown."""

import numpy as np
import torch

from carviz.banks import Bank
from carviz.evaluate import Images
from carviz.session import Snapshot

IMAGES = Images((torch.zeros(4, 3, 2, 2), torch.tensor([0, 1, 1, 0])))


def snapshot_of(*, table=None, kinds=None, path=None, filter=0, filters=None, **more) -> Snapshot:
    """Return a snapshot of one bank, of which these records are known."""
    layer = path.banks[0] if table is None and path is not None else (table or kinds).layer
    if filters is None:
        sizes = [int(table.filters.max()) + 1] if table is not None else []
        sizes += [] if kinds is None else [len(kinds.kind)]
        sizes += [] if path is None else list(path.bank_sizes)
        filters = max(sizes)
    known = {
        "model": "Network", "data": "given tensors", "device": "cpu", "layer": layer,
        "filter": filter, "table": table, "tables": () if table is None else (table,),
        "selectivity": kinds, "pictures": np.zeros((filters, 3, 3, 3)), "images": IMAGES,
        "normalization": None, "path": path, "paths": () if path is None else (path,),
        "order": tuple(range(filters)), "subject": "model-data", "devices": ("cpu",),
        "banks": (Bank(layer, filters, 3, (3, 3), (1, 1), None, True, False),),
    }  # fmt: skip
    return Snapshot(**{**known, **more})
