"""Floor 3: measure CAR, the accuracy that a network loses without each filter of a bank.

`iter_car` is the one way through; `measure_car` is the last table that it yields. Both prepare in
the caller's thread (tracing belongs there) and only then run.
"""

from carviz.car.front import iter_car, measure_car, plan_car
from carviz.car.measurement import PASSING, SEED, Measurement
from carviz.car.preparing import prepare_car, sample_of

__all__ = [
    "PASSING",
    "SEED",
    "Measurement",
    "iter_car",
    "measure_car",
    "plan_car",
    "prepare_car",
    "sample_of",
]
