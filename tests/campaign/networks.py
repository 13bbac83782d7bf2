"""Measure and prune random networks, judged by their own truth: ``make campaign``.

`PYTHONPATH=tests python tests/campaign/networks.py --networks 2000 --seed 1000` runs the campaign.
"""

from __future__ import annotations

import argparse
import collections
import sys
from collections.abc import Callable

import torch
from support.removal_faults import faults_of


def campaign(
    faults_of: Callable[[int], tuple[list[str], collections.Counter[str]]],
    words: str, networks: int, seed: int,
) -> None:  # fmt: skip
    """Look for faults seed by seed, print them and what was met, and exit with 1 if there are any.

    `words` say what it is; `networks` and `seed` are how many, and from where on, if not told
    otherwise on the command line.
    """
    parser = argparse.ArgumentParser(description=words)
    parser.add_argument("--networks", type=int, default=networks)
    parser.add_argument("--seed", type=int, default=seed)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    total: collections.Counter[str] = collections.Counter()
    wrong = 0
    for number in range(arguments.seed, arguments.seed + arguments.networks):
        faults, how = faults_of(number)
        total += how
        wrong += bool(faults)
        for fault in faults:
            print(fault, flush=True)
    print(f"{arguments.networks} networks, {wrong} with a fault; {dict(sorted(total.items()))}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    campaign(faults_of, __doc__.splitlines()[0], 2000, 1000)
