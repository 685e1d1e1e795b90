"""How many threads to compute with, on a machine that others use too.

Two threads that wait for each other are slower than one as soon as another program takes one core from them, so
the number is measured again and again instead of being fixed.
"""

from __future__ import annotations

import time

import torch


class Threads:
    """Call ``tick`` after every training step: it tries both ``number``s for a few steps, then keeps the faster."""

    def __init__(self, most: int, trial_steps: int = 3, keep_seconds: float = 30.0) -> None:
        self.choices = sorted({1, most}, reverse=True)
        self.trial_steps, self.keep_seconds = trial_steps, keep_seconds
        self._begin_trials()

    def _begin_trials(self) -> None:
        self.times: dict[int, float] = {}
        self._try(self.choices[0])

    def _try(self, number: int) -> None:
        self.number = number
        torch.set_num_threads(number)
        self.steps, self.started = 0, time.monotonic()

    def tick(self) -> None:
        if len(self.choices) == 1:
            return
        self.steps += 1
        elapsed = time.monotonic() - self.started
        if len(self.times) == len(self.choices):
            if elapsed > self.keep_seconds:
                self._begin_trials()
        elif self.steps == 1:
            self.started = time.monotonic()  # the first step after a change warms up
        elif self.steps > self.trial_steps:
            self.times[self.number] = elapsed
            left = [number for number in self.choices if number not in self.times]
            self._try(left[0] if left else min(self.times, key=self.times.get))
