"""Several processes that share one work, started by ``accelerate launch`` or ``torchrun``; one process otherwise.

In: the environment that the launcher sets. Out: ``Processes``, which shares items out and sums results. Shared by all
stages that use several devices. Ignored: what the work is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from torch import nn

from c2i_lib.errors import C2IError
from c2i_lib.records.stage import Stage


class Processes:
    """The processes of this work. ``count``: how many; ``rank``: which of them this one is; ``is_main``: the first.

    Each has a GPU of its own, or all share the processor. Raises ``C2IError`` when they are not all on one machine:
    they share files on its disk.
    """

    def __init__(self):
        # A process group is made where a launcher asks for one; there is at most one in a process.
        self._state = PartialState(cpu=not torch.cuda.is_available())
        self.count, self.rank = self._state.num_processes, self._state.process_index
        self.is_main = self._state.is_main_process
        if self._state.local_process_index != self.rank:
            raise C2IError("all processes should run on one machine, because they share files on its disk")

    def share(self, items: Sequence[Any]) -> list[Any]:
        """This process's items: every ``count``-th, from ``rank`` on."""
        return list(items[self.rank :: self.count])

    def wait(self) -> None:
        """Return when all processes have come here."""
        self._state.wait_for_everyone()

    def main_first(self) -> AbstractContextManager:
        """A context that the main process leaves before the others enter."""
        return self._state.main_process_first()

    def same(self, value: Any) -> Any:
        """The main process's ``value``, in every process."""
        return broadcast_object_list([value])[0] if self.count > 1 else value

    def total(self, *values: float) -> list[float]:
        """The sum over processes of each value."""
        if self.count == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64, device=self._state.device)
        torch.distributed.all_reduce(summed)
        return summed.tolist()

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over processes, all in one message."""
        if self.count == 1:
            return
        parameters = list(parameters)
        gradients = [part.grad if part.grad is not None else torch.zeros_like(part) for part in parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        for part, gradient in zip(parameters, flat.split([part.numel() for part in parameters]), strict=True):
            part.grad = gradient.view_as(part)


@contextmanager
def stage_of_all(
    processes: Processes, folder: Path, key: Mapping[str, Any], inputs: Iterable[Path], code: str, need_mb: int = 50
) -> Iterator[bool]:
    """Whether the ``Stage`` is done, told to every process; the main one keeps its record.

    The work inside should end with ``processes.wait()``, or the record is written before all have finished.
    """
    with ExitStack() as stack:
        stage = stack.enter_context(Stage(folder, key, inputs, code, need_mb)) if processes.is_main else None
        yield processes.same(stage and stage.done)
