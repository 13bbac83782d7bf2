#!/usr/bin/env bash
# torch.set_num_threads(1), called in a thread of one's own, holds for that thread only if the thread
# also asks torch.get_num_threads() before anybody else sets a number. Setting does not count as
# asking: at the first operation that may run in parallel (or at the first question) the thread takes
# over whatever number was set last in the whole process. So workers that set themselves to one
# thread, while their caller puts its own number back, compute with the caller's number, and torch
# reads back the wrong number without a word.
#
# Versions: torch 2.14.1 (OpenMP), Python 3.11, on a CPU.
# Seen: a thread that sets 1 has 2 after its caller has set 2 again; one that sets 1 and asks keeps 1.
# Expected: the same number in both, as asking changes nothing.
# carviz: its workers of one thread ask once (carviz/ablation/workers.py); tests/ablation has a test.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 numpy
cat > "$folder/seen.py" <<'PY'
import threading

import torch


def number_of_a_worker(asks: bool) -> int:
    """Return how many threads a worker has that set one, after its caller has set two again."""
    is_set, put_back, found = threading.Event(), threading.Event(), []

    def work() -> None:
        torch.set_num_threads(1)
        if asks:
            torch.get_num_threads()
        is_set.set()
        put_back.wait()
        found.append(torch.get_num_threads())

    worker = threading.Thread(target=work)
    worker.start()
    is_set.wait()
    torch.set_num_threads(2)
    put_back.set()
    worker.join()
    return found[0]


torch.set_num_threads(2)
seen = {asks: number_of_a_worker(asks) for asks in (False, True)}
print(f"a worker that set 1 has {seen[False]}; one that set 1 and asked has {seen[True]}")
assert seen == {False: 2, True: 1}, "torch keeps, or loses, a thread's number otherwise now"
PY
"$folder/venv/bin/python" "$folder/seen.py"
