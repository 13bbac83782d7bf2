"""The words on the screen, each explained in a line: what "?" opens."""

from __future__ import annotations

from carviz.wording import SIGNIFICANT

GLOSSARY = {
    "filter, bank": "One of the channels that a convolution puts out; all of them.",
    "CAR": "Accuracy with the filter less accuracy without it. +4.0 points: 4 more of 100 wrong.",
    "lost, gained": "Images that are right only with the filter; those right only without it.",
    "=, log p": "The same CAR as another class: the fall of log p, the log of the right class's "
    "probability, then says which comes first.",
    "95% interval": "Made so from samples of images, 95 of 100 intervals hold the true value.",
    "agreement": "How far the same order would come out of other images: 0 not at all, 1 wholly.",
    f"sure, q ≤ {SIGNIFICANT:g}": "Filled: of all that is sure about "
    f"{SIGNIFICANT:.0%} is chance, at most. Stricter than one interval, as many are looked at. "
    "Hollow could be chance.",
    "colour index": "Of weights: 0 grey, 1 opponent colours. C, above the threshold: selects "
    "colour. S: shape. ×: dead.",
    "answer": "What the filter puts out; on images made grey it shows what colour is to it.",
    "patches": "The parts of images that excite the filter most. Synthesised: a picture made to.",
    "effective weights": "What the weights of a deeper filter come to, traced back to the image.",
    "nearest by answers": "The filters of the bank whose answers rise and fall together most: "
    "correlation.",
    "together": "What filters cost removed at once. Above the sum of their CARs: one did the "
    "other's work.",
    "map": "Where on an image the filter answers: its output before any ReLU, above zero.",
    "greedy, ranked once": "Pruned is what costs least, measured anew each time; or by CAR.",
    "L1, L2, APoZ, Taylor": "Orders by the size of weights (L1, L2), by how often an answer is "
    "zero, and by what a small change of it does to the loss.",
    "held out": "Images that had no part in choosing the order, so that they can judge it.",
}
"""What each word means."""
