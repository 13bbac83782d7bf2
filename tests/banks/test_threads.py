"""Tracing leaves alone what other threads run meanwhile."""

import threading

import torch
from support.small import Residual
from torch import nn

from carviz.banks import open_network


def test_another_thread_runs_its_modules_while_networks_are_traced():
    module, images = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval(), torch.zeros(1, 3, 8, 8)
    stop, failed, passes = threading.Event(), [], 0

    def loop() -> None:
        nonlocal passes
        while not stop.is_set():
            try:
                module(images)
                passes += 1
            except Exception as error:
                failed.append(error)
                return

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        for _ in range(40):
            assert open_network(Residual()).graph is not None
    finally:
        stop.set()
        thread.join()
    assert failed == []
    assert passes > 0
