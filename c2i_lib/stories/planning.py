"""A story's text → its plan: who is in it, where, and the panels.

In: plain text, and how many panels. Out: a ``Plan``; the same text gives the same plan. A place and a time of day hold
until another is named. Ignored: style and looks that the text does not name: a person adds them.
"""

from __future__ import annotations

from dataclasses import dataclass

from c2i_lib.errors import C2IError
from c2i_lib.stories.characters import attributes_of, is_character, name_of
from c2i_lib.stories.coreference import Cast, Chain, Doubt, resolve
from c2i_lib.stories.events import Event, find_events
from c2i_lib.stories.parsing import Parsed, parse_story
from c2i_lib.stories.plan import Character, Panel, Place, Plan, PlannedEvent
from c2i_lib.stories.selection import choose, weight_of
from c2i_lib.stories.words import LEAVING, SPEECH, STAYING, ing_form, is_place

N_PANELS = 6


@dataclass(frozen=True)
class Setting:
    """Where and when an event is, as far as the story has said."""

    place: str = ""
    phrase: str = ""
    time: str = ""


def plan_story(text: str | Parsed, title: str, n_panels: int = N_PANELS) -> Plan:
    """The plan of a story with ``n_panels`` panels, or as many as it has events. Raises ``C2IError`` for a text that is
    empty, too long, or tells nothing that can be drawn."""
    planner = _Planner(text if isinstance(text, Parsed) else parse_story(text))
    if not planner.events:
        raise C2IError(f"{title}: nothing happens in this text that could be drawn: tell who does what, in sentences")
    return planner.plan(title, n_panels)


class _Planner:
    def __init__(self, parsed: Parsed):
        self.parsed, self.doc = parsed, parsed.doc
        self.sentences = list(parsed.doc.sents)
        self.events = find_events(parsed)
        self.cast: Cast = resolve(parsed)
        chains = [chain for chain in self.cast.chains if is_character(chain, self.events, self.cast)]
        self.names = _distinct_names(chains)
        self.looks = {key: _look(chain) for key, chain in ((id(chain), chain) for chain in chains)}
        self.chains = chains
        self.settings = self._settings()

    def plan(self, title: str, n_panels: int) -> Plan:
        events = self.events
        weights = [weight_of(one, len(self._on_stage_of(one)), len(one.whom)) for one in events]
        sentences = [one.sentence for one in events]
        texts = [self.concept(one) for one in events]
        panels = [self._panel(events[index]) for index in choose(weights, texts, sentences, n_panels)]
        used = {panel.place for panel in panels}
        phrases = {
            setting.place: setting.phrase for setting in reversed(self.settings.values()) if setting.place in used
        }
        places = [Place(name, phrases[name]) for name in dict.fromkeys(panel.place for panel in panels) if name]
        return Plan(title, [self._character(chain) for chain in self.chains], places, panels)

    def _character(self, chain: Chain) -> Character:
        name = self.names[id(chain)]
        aliases = dict.fromkeys(one.text for one in chain.mentions if one.noun and one.text != name)
        head = next(one.noun for one in chain.mentions if one.noun)
        return Character(
            name=name, aliases=list(aliases), head=head, kind=chain.kind, gender=chain.gender,
            number=chain.number or "one", attributes=attributes_of(chain), look=self.looks[id(chain)],
        )  # fmt: skip

    # Place and time.

    def _settings(self) -> dict[int, Setting]:
        """The setting of each event, by the place of its verb."""
        found, current = {}, Setting()
        for event in self.events:
            place, phrase, time = current.place, current.phrase, current.time
            for start, head, last in event.where:
                if not is_place(self.doc[head].lemma_.lower()) or self._characters_of((head,)):
                    continue
                preposition = self.doc[start].lower_
                if preposition in LEAVING:
                    place = phrase = ""
                    continue
                place = self.doc[head].lemma_.lower()
                phrase = (
                    f"{STAYING.get(preposition, preposition)} {self.called(head)} {self.doc[head + 1 : last + 1].text}"
                )
                phrase = phrase.strip()
            if event.when and self.doc[event.when[0][0]].lower_ not in ("every", "each"):
                start, head, last = event.when[0]
                time = self.doc[start : last + 1].text.lower()
            current = found[event.token] = Setting(place, phrase, time)
        return found

    # Who is there.

    def _members(self, token: int) -> list[Chain]:
        chain = self.cast.chain_of.get(token)
        return [] if chain is None else list(chain.members or (chain,))

    def _characters_of(self, tokens: tuple[int, ...]) -> list[str]:
        chains = [chain for token in tokens for chain in self._members(token)]
        return list(dict.fromkeys(self.names[id(chain)] for chain in chains if id(chain) in self.names))

    def _on_stage_of(self, event: Event) -> list[str]:
        speeches = [one for one in self.cast.speeches if set(one.speakers) & set(event.who)]
        hearers = tuple(token for one in speeches for token in one.hearers)
        places = tuple(head for _, head, _ in event.where)
        return self._characters_of((*event.who, *event.whom, *places, *hearers))

    def called(self, token: int, braces: bool = True) -> str:
        """What a head token is called: characters by name, others by their own words."""
        names = self._characters_of((token,))
        if names:
            return " and ".join(f"{{{name}}}" if braces else name for name in names)
        chain = self.cast.chain_of.get(token)
        mention = (
            next((one for one in chain.mentions if one.noun), None)
            if chain and self.doc[token].pos_ == "PRON"
            else None
        )
        if mention:
            return _without_owner(self.doc[mention.start : mention.end], self)
        chunk = next((one for one in self.doc.noun_chunks if one.root.i == token), self.doc[token : token + 1])
        return _without_owner(chunk, self)

    # A panel.

    def concept(self, event: Event) -> str:
        """What is drawn: "{fox} walking through a garden"."""
        who = " and ".join(dict.fromkeys(self.called(token) for token in event.who))
        whom = " and ".join(dict.fromkeys(self.called(token) for token in event.whom))
        verb = " ".join(part for part in (ing_form(event.verb), event.particle) if part)
        if event.verb in SPEECH and not whom:
            hearers = [name for name in self._on_stage_of(event) if f"{{{name}}}" not in who]
            return f"{who} talking to {{{hearers[0]}}}" if hearers else f"{who} talking"
        if not who:
            passive = self.doc[event.token].lower_
            return " ".join(part for part in (whom, "being", passive, *self._where(event)) if part)
        return " ".join(part for part in (who, verb, whom, *self._where(event)) if part)

    def _where(self, event: Event) -> list[str]:
        phrases = []
        for start, head, last in event.where:
            tail = self.doc[head + 1 : last + 1].text
            phrases.append(
                f"{self.doc[start : self._noun_start(head)].text.lower()} {self.called(head)} {tail}".strip()
            )
        return phrases

    def _noun_start(self, head: int) -> int:
        return next((one.start for one in self.doc.noun_chunks if one.root.i == head), head)

    def _panel(self, event: Event) -> Panel:
        sentence = self.sentences[event.sentence]
        start, end = self.parsed.span(sentence.start, sentence.end)
        setting = self.settings[event.token]
        text = sentence.text.strip()
        planned = PlannedEvent(
            who=[self.called(token, braces=False) for token in event.who],
            verb=" ".join(part for part in (event.verb, event.particle) if part),
            whom=[self.called(token, braces=False) for token in event.whom],
            where="; ".join(self.doc[first : last + 1].text for first, _, last in event.where),
            when="; ".join(self.doc[first : last + 1].text for first, _, last in event.when),
        )
        doubts = [one for one in self.cast.doubts if one.mention.sentence == event.sentence and one.mention.quote < 0]
        return Panel(
            text=text, span=[start, end], event=planned, on_stage=self._on_stage_of(event), place=setting.place,
            time=setting.time, concept=self.concept(event), caption=text, uncertain=[self._told(one) for one in doubts],
        )  # fmt: skip

    def _told(self, doubt: Doubt) -> str:
        other = f"may be {self._name(doubt.other)}" if doubt.other else "may be another"
        return f"{doubt.mention.text!r} is taken as {self._name(doubt.taken)}, {other}"

    def _name(self, chain: Chain) -> str:
        if chain.members:
            return " and ".join(map(self._name, chain.members))
        return self.names.get(id(chain)) or next((one.text for one in chain.mentions if one.noun), "someone")


def _distinct_names(chains: list[Chain]) -> dict[int, str]:
    """A name for each character; of two foxes, an attribute before it tells them apart, or a number behind."""
    plain = {id(chain): name_of(chain) for chain in chains}
    names: dict[int, str] = {}
    for chain in chains:
        name = plain[id(chain)]
        if list(plain.values()).count(name) > 1:
            name = " ".join([*attributes_of(chain)[:1], name])
        number = 2
        while name in names.values():
            name, number = f"{name.rstrip('0123456789 ')} {number}", number + 1
        names[id(chain)] = name
    return names


def _look(chain: Chain) -> str:
    """A phrase that draws a character: "a little mouse"; of several, "little elves"."""
    first = next(one for one in chain.mentions if one.noun)
    if any(one.is_name for one in chain.mentions):
        return name_of(chain)
    words = [*attributes_of(chain), first.text.split()[-1].lower() if chain.number == "many" else first.noun]
    if first.text.lower().startswith("the ") and chain.kind not in ("person", "animal"):
        return f"the {' '.join(words)}"  # there is one sun
    if chain.number == "many":
        return " ".join(words)
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)}"


def _without_owner(chunk, planner: _Planner) -> str:
    """A noun phrase in lower case but for names, its owner ("his", "the king's") and its article as "the"."""
    owners = {part.i for token in chunk for child in token.children if child.dep_ == "poss" for part in child.subtree}
    words = [token.text if token.pos_ == "PROPN" else token.lower_ for token in chunk if token.i not in owners]
    return " ".join(words) if not owners else f"the {' '.join(words)}"
