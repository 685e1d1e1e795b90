"""An instruct model's answer → the caption that it holds, in one line.

In: what the model wrote, with the politeness that such models have. Out: the first line that is a caption. Ignored:
whether it says what was asked for.
"""

from __future__ import annotations

import re

_MARK = re.compile(r"^\s*(?:[-*•>#]+|\(?\d{1,2}[.)])\s+")  # of a list, a heading or a quotation
_LABEL = re.compile(
    r"^(?:(?:here(?:'s| is| are)|sure|certainly|of course|okay)\b[^:\n]{0,80}|(?:[\w-]+ ){0,3}"
    r"(?:caption|prompt|description|rewrite|answer|output|alt text)(?: \d{1,2})?)\s*:\s*",
    re.IGNORECASE,
)
_POLITE = re.compile(r"^(?:sure|certainly|of course|okay|absolutely)\b[!,.]*\s*", re.IGNORECASE)
_QUOTES = "\"'“”‘’«»`*_"


def caption_of(answer: str) -> str:
    """The caption in ``answer``: no "Sure, here is a caption:", list marks, quotation marks or further lines.

    An empty string where no line is left.
    """
    for line in answer.splitlines():
        line = _POLITE.sub("", _MARK.sub("", line).strip(_QUOTES + " "))
        line = _LABEL.sub("", line).strip()
        quoted = re.match(r"[\"“«](.+?)[\"”»]", line)
        line = (quoted.group(1) if quoted else line).strip(_QUOTES + " ")
        if line and not line.endswith(":"):
            return " ".join(line.split())
    return ""
