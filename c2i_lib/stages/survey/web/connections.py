"""Connections that somebody opens and does not use: closed in time, and never so many that raters find no room.

In: TCP connections. Out: those that bring a whole request within ``PATIENCE``; of the others the oldest go first.
Ignored: what is asked (``guard.py``, ``server.py``).
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

try:
    import resource
except ImportError:  # not on Windows
    resource = None

PATIENCE = 20  # seconds for a whole request, head and body; at most 16 kB
_UNFINISHED = 256  # connections without a whole request
_RESERVE = 100  # file descriptors for the database, pictures and whatever else
_FEW = 512  # connections, where the system does not say how many files it allows


def allow_many_files() -> int:
    """Let this process open as many files as it may. Returns how many connections that makes room for."""
    if resource is None:
        return _FEW
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return max(_RESERVE, (wanted if soft == resource.RLIM_INFINITY else soft) - _RESERVE)


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP, which itself waits for a request for ever."""

    most: ClassVar[int] = _FEW  # connections at a time
    _waiting: ClassVar[dict[PatientProtocol, asyncio.TimerHandle]] = {}  # for a whole request, the oldest first

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._wait()
        if len(self._waiting) > _UNFINISHED or len(self.connections) > self.most:
            oldest = next(iter(self._waiting))
            oldest._stop_waiting()
            oldest.transport.abort()

    def _wait(self) -> None:
        if self not in self._waiting:
            self._waiting[self] = self.loop.call_later(PATIENCE, self.transport.abort)

    def _stop_waiting(self) -> None:
        timer = self._waiting.pop(self, None)
        if timer:
            timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._wait()  # also for a further request on the same connection
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)
