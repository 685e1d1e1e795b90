"""Stories as the library reads them against stories as a person marked them up: events, characters, coreference.

In: ``benchmarks/stories.txt``, which says how it is marked. Out: precision and recall of events (the same verb in the
same sentence, with the same one who does it), of those to whom it happens, of characters by their head noun; CoNLL F1
over chains of two mentions or more, each known by its head word. For stories seen while the rules were written and
held out ones apart. ``--show TITLE`` prints what differs in a story. The last line printed is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from coreference_scores import coreference_scores

from c2i_lib.stories.characters import is_character, name_of
from c2i_lib.stories.coreference import Cast, Chain, resolve
from c2i_lib.stories.events import Event, find_events
from c2i_lib.stories.parsing import Parsed, parse_story
from c2i_lib.text.noun_phrases.wordnet import singular

FILE = Path(__file__).with_name("stories.txt")
_MARK = re.compile(r"([\w'-]+?)/([A-Z](?:\+[A-Z])*)")


@dataclass
class Gold:
    """A marked story: its text, ``mentions`` as start of the head word → who; ``events`` of each sentence."""

    title: str
    held_out: bool
    text: str = ""
    characters: dict[str, str] = field(default_factory=dict)
    mentions: dict[int, str] = field(default_factory=dict)
    sentences: list[tuple[int, int]] = field(default_factory=list)
    events: list[list[tuple[str, str, str]]] = field(default_factory=list)

    def add_sentence(self, line: str) -> None:
        """A marked line: its words, and where those stand that name someone."""
        start = len(self.text)
        last = 0
        for match in _MARK.finditer(line):
            self.text += line[last : match.start()]
            self.mentions[len(self.text)] = match[2]
            self.text += match[1]
            last = match.end()
        self.text += line[last:] + "\n"
        self.sentences.append((start, len(self.text)))
        self.events.append([])

    def add_events(self, line: str) -> None:
        """``F see G; G hang``: who, verb, whom."""
        for event in line.split(";"):
            who, verb, *whom = event.split()
            self.events[-1].append((_singular(who), verb, "+".join(map(_singular, whom[-1:]))))


def read_stories(path: Path = FILE) -> list[Gold]:
    """The marked stories of a file."""
    stories: list[Gold] = []
    whole = path.read_text(encoding="utf-8")
    for line in whole[whole.index("\n# ", whole.index("\n# ") + 1) + 1 :].splitlines():
        if line.startswith("# "):
            title, state = line[2:].split(" | ")
            stories.append(Gold(title, state == "held out"))
        elif line.startswith("@ "):
            stories[-1].characters = dict(part.split(None, 1) for part in line[2:].split(", "))
        elif line.startswith("> "):
            stories[-1].add_events(line[2:])
        elif line.strip():
            stories[-1].add_sentence(line)
    return stories


class Reading:
    """A story as the library reads it, in the terms of a marked one."""

    def __init__(self, gold: Gold):
        self.gold = gold
        self.parsed: Parsed = parse_story(gold.text)
        self.cast: Cast = resolve(self.parsed)
        self.events: list[Event] = find_events(self.parsed)
        starts = {token.i: self.parsed.places[token.idx] for token in self.parsed.doc}
        self.start = starts
        self.ids = {id(chain): self._marked_as(chain) for chain in self.cast.chains}

    def _marked_as(self, chain: Chain) -> str:
        """The mark that most mentions of a chain bear; of a group, those of its members."""
        if chain.members:
            return "+".join(sorted(self._marked_as(member) for member in chain.members))
        marks = Counter(self.gold.mentions.get(self.start[one.head], "") for one in chain.mentions)
        return max(marks, key=lambda mark: (bool(mark), marks[mark])) or chain.mentions[0].noun

    def name(self, token: int) -> str:
        """Who a head token names: a mark, or its own word."""
        chain = self.cast.chain_of.get(token)
        return self.ids[id(chain)] if chain else singular(self.parsed.doc[token].lower_)

    def names(self, tokens: tuple[int, ...]) -> str:
        """Who several head tokens name together."""
        return "+".join(sorted({part for token in tokens for part in self.name(token).split("+")}))

    def events_of(self, sentence: tuple[int, int]) -> list[tuple[str, str, str]]:
        """Events whose verb stands in a marked sentence."""
        own = [event for event in self.events if sentence[0] <= self.start[event.token] < sentence[1]]
        return [(self.names(event.who) or "-", event.verb, self.names(event.whom)) for event in own]

    def characters(self) -> Counter[str]:
        """Head nouns of the characters."""
        chains = [chain for chain in self.cast.chains if is_character(chain, self.events, self.cast)]
        return Counter(name_of(chain).split()[-1].lower() for chain in chains)

    def chains(self) -> tuple[list[frozenset[int]], list[frozenset[int]]]:
        """Gold and found chains of two mentions or more."""
        gold: dict[str, set[int]] = defaultdict(set)
        for start, mark in self.gold.mentions.items():
            gold[mark].add(start)
        found = [{self.start[one.head] for one in chain.mentions} for chain in self.cast.chains]
        return _of_several(gold.values()), _of_several(found)


def _of_several(chains) -> list[frozenset[int]]:
    return [frozenset(chain) for chain in chains if len(chain) > 1]


def _sorted(who: str) -> str:
    return "+".join(sorted(who.split("+")))


def _verb_events(events) -> Counter:
    return Counter((_sorted(who), verb) for who, verb, _ in events)


def score(readings: list[Reading]) -> dict[str, float]:
    """All figures over stories together."""
    hits: Counter[str] = Counter()
    for reading in readings:
        for sentence, marked in zip(reading.gold.sentences, reading.gold.events, strict=True):
            found = reading.events_of(sentence)
            marked = [(_sorted(who), verb, whom) for who, verb, whom in marked]
            _count(hits, "event", _verb_events(marked), _verb_events(found))
            _count(hits, "verb", Counter(verb for _, verb, _ in marked), Counter(verb for _, verb, _ in found))
            _count(hits, "whom", *(Counter((b, c) for _, b, c in events if c) for events in (marked, found)))
        nouns = Counter(name.split()[-1].lower() for name in reading.gold.characters.values())
        _count(hits, "character", Counter(map(_singular, nouns.elements())), reading.characters())
    figures = {"stories": len(readings), "sentences": sum(len(one.gold.sentences) for one in readings)}
    for what in ("event", "verb", "whom", "character"):
        figures[f"{what}_precision"] = hits[what, "both"] / max(1, hits[what, "found"])
        figures[f"{what}_recall"] = hits[what, "both"] / max(1, hits[what, "marked"])
    return figures | coreference_scores([reading.chains() for reading in readings])


def _singular(word: str) -> str:
    """A noun in the singular; a mark as it is."""
    return word if word.isupper() else singular(word)


def _count(hits: Counter, what: str, marked: Counter, found: Counter) -> None:
    hits[what, "marked"] += marked.total()
    hits[what, "found"] += found.total()
    hits[what, "both"] += (marked & found).total()


def show(reading: Reading) -> None:
    """Print what differs in a story."""
    gold = reading.gold
    print(f"# {gold.title}")
    of_start = {start: reading.name(token) for token, start in reading.start.items() if token in reading.cast.chain_of}
    for sentence, marked in zip(gold.sentences, gold.events, strict=True):
        found = {(who, verb, whom) for who, verb, whom in reading.events_of(sentence)}
        marked = {(_sorted(who), verb, whom) for who, verb, whom in marked}
        wrong = [
            f"{gold.text[start:].split()[0]}/{mark}: {of_start.get(start, '-')}"
            for start, mark in gold.mentions.items()
            if sentence[0] <= start < sentence[1] and of_start.get(start) != _sorted(mark)
        ]
        if wrong or found ^ marked:
            print(f"  {gold.text[slice(*sentence)].strip()}")
            print(f"    missed {sorted(marked - found)}  too many {sorted(found - marked)}  links {wrong}")
    print("  characters", dict(reading.characters()), "marked", gold.characters)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", metavar="TITLE", help="a part of a title, or seen")
    wanted = parser.parse_args().show
    stories = read_stories()
    if wanted:
        for gold in stories:
            if wanted.lower() in gold.title.lower() or (wanted == "seen" and not gold.held_out):
                show(Reading(gold))
        if wanted != "seen":
            return
    groups = {
        "seen": [one for one in stories if not one.held_out],
        "held out": [one for one in stories if one.held_out],
    }
    figures = {name: score([Reading(one) for one in group]) for name, group in groups.items()}
    for name, values in figures.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in values.items()))
    print(json.dumps({name: {key: round(value, 3) for key, value in own.items()} for name, own in figures.items()}))


if __name__ == "__main__":
    main()
