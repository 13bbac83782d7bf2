"""Floor 3: measure CAR, the accuracy that a network loses without each filter of a bank.

`iter_car` is the one way through; `measure_car` is the last table that it yields. Several banks are
measured together, chunk by chunk, and a single one is the case of one bank. Both prepare in the
caller's thread (tracing belongs there) and only then run.
"""

from carviz.car.front import iter_car, measure_car, plan_car
from carviz.car.measurement import FIRST_CHUNK, PASSING, SEED, Measurement
from carviz.car.preparing import prepare_banks, prepare_car, sample_of
from carviz.car.questions import Question
from carviz.car.together import iter_tables, measure_together

__all__ = [
    "FIRST_CHUNK",
    "PASSING",
    "SEED",
    "Measurement",
    "Question",
    "iter_car",
    "iter_tables",
    "measure_car",
    "measure_together",
    "plan_car",
    "prepare_banks",
    "prepare_car",
    "sample_of",
]
