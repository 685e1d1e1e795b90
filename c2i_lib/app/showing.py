"""What a browser shows of prompts and pictures: HTML in which every text is escaped, command lines, captions.

In: ``Written`` prompts, ``Picture``s. Out: texts. Ignored: where on the page they stand.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from html import escape

from c2i_lib.generator import Picture, Written
from c2i_lib.stages.images import read_metadata
from c2i_lib.text.concepts import WORD


def marked(one: Written) -> str:
    """The prompt as HTML, each added word marked, with its source on hovering."""
    parts, done = [], 0
    for match in WORD.finditer(one.prompt):
        parts.append(escape(one.prompt[done : match.start()]))
        word, source = escape(match.group()), one.added.get(match.group().lower())
        parts.append(f'<mark title="{escape(source)}">{word}</mark>' if source else word)
        done = match.end()
    return "".join([*parts, escape(one.prompt[done:])])


def prompts_html(prompts: Sequence[Written]) -> str:
    """All prompts with their added words marked, where these come from, and notes; a note is told once."""
    told: set[str] = set()
    items = []
    for one in prompts:
        notes = [note for note in one.notes if note not in told]
        told.update(notes)
        lines = [*_sources(one), *(["a word of the blacklist is in it"] if one.explicit else []), *notes]
        told_lines = "".join(f"<li>{escape(line)}</li>" for line in lines)
        items.append(f"<li><p>{marked(one)}</p>{f'<ul>{told_lines}</ul>' if lines else ''}</li>")
    return f'<ol class="prompts">{"".join(items)}</ol>' if items else ""


def _sources(one: Written) -> list[str]:
    sources: dict[str, list[str]] = {}
    for word, source in one.added.items():
        sources.setdefault(source, []).append(word)
    return [f"added: {', '.join(words)} ({source})" for source, words in sources.items()]


def command_line(arguments: Iterable[object], run: str, profile: str) -> str:
    """The command that does the same, for a shell. ``run``: the run's folder or name; empty for the profile's own."""
    place = ["--run-dir", run] if run else ["--profile", profile]
    return shlex.join(["c2i", *map(str, arguments), *place])


def command_of(picture: Picture) -> str:
    """The command that makes a saved picture again; empty where there is none."""
    known = read_metadata(picture.path) if picture.path else None
    return command_line(known["command"], known["run"], known["profile"]) if known else ""


def caption_of(picture: Picture) -> str:
    """What stands below a picture."""
    bare = "the bare concept: " * (picture.source is not None and picture.source.arm == "concept_only")
    scores = ""
    if picture.quality is not None:
        scores = f" (quality {picture.quality:.3f}, faithfulness {picture.faithfulness:.3f})"
    return f"{bare}{picture.prompt}{scores}{f' (flagged as {picture.flagged})' if picture.flagged else ''}"


def link_html(query: str, text: str = "Link that makes these again") -> str:
    """A link to this page that asks for the same."""
    return f'<p><a href="{escape(query)}" target="_blank" rel="noopener">{escape(text)}</a></p>'


def bullets_html(lines: Sequence[str]) -> str:
    """Lines of text as a list."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""
