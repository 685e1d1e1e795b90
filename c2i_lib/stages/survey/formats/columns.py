"""``--map ROLE=COLUMN …``: what a person says of the columns of a table, for ``survey import`` and ``analyse`` alike.

In: the words of a command line. Out: ``{role: column}``. Ignored: which roles there are, and the file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from c2i_lib.errors import C2IError

REPEATABLE = ("rating", "judge")  # several of one role are told apart by their columns: rating:COLUMN
_NEXT = re.compile(r",(?=[a-z_]+(?::[^=,]+)?=)")  # a comma before the next ROLE=


def parse_map(pairs: Sequence[str]) -> dict[str, str]:
    """``["item=picture", "rating=quality"]``, or ``["item=picture,rating=quality"]``, as a mapping. Several ratings or
    judges are named by their columns. Raises ``C2IError`` for what is no pair, and for a role that is named twice."""
    mapping: dict[str, str] = {}
    pairs = [pair for text in pairs for pair in _NEXT.split(text)]
    repeated = {key for key in REPEATABLE if sum(pair.startswith(f"{key}=") for pair in pairs) > 1}
    for pair in pairs:
        key, equals, column = pair.partition("=")
        if not (key and equals and column):
            raise C2IError(f"--map: expected ROLE=COLUMN, such as item=picture, found {pair!r}")
        key = f"{key}:{column}" if key in repeated else key
        if key in mapping:
            raise C2IError(f"--map names {key} twice, {mapping[key]!r} and {column!r}: keep one of them")
        mapping[key] = column
    return mapping
