"""What another system found in a story → its plan: entities, events and a summary, as JSON.

In: ``{"text": …, "summary": …, "entities": […], "events": […]}``, at least one of text, summary and events. Out: a
``Plan``. Events are taken as they are, a panel each; without any, the summary, or else the text, is parsed. Entities
are the characters, or say more about those that were found. Ignored: nothing; a key that is not known is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from c2i_lib.errors import C2IError
from c2i_lib.stories.plan import Character, Panel, Place, Plan, PlannedEvent
from c2i_lib.stories.planning import N_PANELS, plan_story
from c2i_lib.stories.words import ing_form, kind_of

_KEYS = ("title", "text", "summary", "entities", "events")
_ENTITY = tuple(one.name for one in fields(Character))
_EVENT = ("who", "verb", "whom", "where", "when", "text")
_EXAMPLE = '{"entities": [{"name": "fox"}], "events": [{"who": ["fox"], "verb": "eat", "whom": ["grapes"]}]}'


def plan_findings(found: Any, title: str, n_panels: int | None = None) -> Plan:
    """The plan of what was found. Raises ``C2IError`` that names the key and what is wrong with it."""
    if not isinstance(found, dict) or not {"text", "summary", "events"} & set(found):
        raise C2IError(f"{title} should have text, summary or events, such as {_EXAMPLE}")
    _check_keys(found, _KEYS, title)
    title = _text(found.get("title", title), f"{title}, title")
    entities = [_entity(one, f"{title}, entity {n}") for n, one in enumerate(_list(found, "entities", title), 1)]
    events = [_event(one, f"{title}, event {n}") for n, one in enumerate(_list(found, "events", title), 1)]
    if not events:
        source = found.get("summary") or found.get("text", "")
        parts = source if isinstance(source, list) else [source]
        text = "\n\n".join(_text(one, f"{title}, summary or text") for one in parts)
        return _with_entities(plan_story(text, title, n_panels or N_PANELS), entities)
    if n_panels and len(events) > n_panels:
        raise C2IError(
            f"{title} should have at most as many events as panels, found {len(events)} for {n_panels}: "
            "leave events out, or ask for more panels"
        )
    return _plan_of_events(title, entities, events)


def _check_keys(value: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(value) - set(known)):
        raise C2IError(f"{where} has the unknown key {unknown[0]!r}: use one of {', '.join(known)}")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise C2IError(f"{where} should be a text, found {value!r}")
    return value


def _list(found: Mapping[str, Any], key: str, title: str) -> list:
    value = found.get(key, [])
    if not isinstance(value, list):
        raise C2IError(f"{title}: {key} should be a list, found {value!r}")
    return value


def _names(value: Any, where: str) -> list[str]:
    """One name or several."""
    values = value if isinstance(value, list) else [value]
    return [_text(one, where) for one in values]


def _entity(value: Any, where: str) -> Character:
    value = {"name": value} if isinstance(value, str) else value
    if not isinstance(value, dict) or not value.get("name"):
        raise C2IError(f'{where} should have a name, such as {{"name": "fox"}}, found {value!r}')
    _check_keys(value, _ENTITY, where)
    lists = {key: _names(one, f"{where}, {key}") for key, one in value.items() if key in ("aliases", "attributes")}
    texts = {key: _text(one, f"{where}, {key}") for key, one in value.items() if key not in lists}
    return Character(**texts, **lists)


def _event(value: Any, where: str) -> tuple[PlannedEvent, str]:
    if not isinstance(value, dict) or not str(value.get("verb", "")).strip():
        raise C2IError(f'{where} should have a verb, such as {{"who": ["fox"], "verb": "eat"}}, found {value!r}')
    _check_keys(value, _EVENT, where)
    who, whom = (_names(value.get(key, []), f"{where}, {key}") for key in ("who", "whom"))
    texts = {key: _text(value.get(key, ""), f"{where}, {key}") for key in ("verb", "where", "when", "text")}
    if not who + whom:
        raise C2IError(f"{where} should say who or whom, found neither: add one")
    return PlannedEvent(who, texts["verb"], whom, texts["where"], texts["when"]), texts["text"]


def _full(entity: Character) -> Character:
    """An entity with the phrase that draws it, and its noun and kind, where they were not given."""
    head = entity.head or entity.name.split()[-1].lower()
    look = entity.look or entity.name
    if not entity.look and entity.name == entity.name.lower() and entity.number == "one":
        words = " ".join([*entity.attributes, entity.name])
        look = f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
    return replace(entity, head=head, kind=entity.kind or kind_of(head), look=look)


def _with_entities(plan: Plan, entities: list[Character]) -> Plan:
    """A plan whose characters know what entities say; those that were not found come last."""
    characters = list(plan.characters)
    for entity in entities:
        called = {name.lower() for name in (entity.name, *entity.aliases)}
        place = next(
            (n for n, one in enumerate(characters) if called & {x.lower() for x in (one.name, *one.aliases)}), None
        )
        if place is None:
            characters.append(_full(entity))
            continue
        said = {one.name: getattr(entity, one.name) for one in fields(Character) if one.name != "name"}
        own = {key: value for key, value in said.items() if value and not (key == "number" and value == "one")}
        characters[place] = replace(characters[place], **own)
    return replace(plan, characters=characters)


def _plan_of_events(title: str, entities: list[Character], events: list[tuple[PlannedEvent, str]]) -> Plan:
    characters = [_full(entity) for entity in entities]
    known = {alias.lower(): one.name for one in characters for alias in (one.name, *one.aliases)}
    panels, place, time = [], "", ""
    for event, text in events:
        who, whom = ([known.get(name.lower(), name) for name in names] for names in (event.who, event.whom))
        event = replace(event, who=who, whom=whom)
        place, time = event.where or place, event.when or time
        verb, *particles = event.verb.split()
        parts = [_drawn(who, known), ing_form(verb), *particles, _drawn(whom, known), event.where]
        concept = " ".join(part for part in parts if part)
        on_stage = [name for name in dict.fromkeys((*who, *whom)) if name in known.values()]
        said = text or " ".join(
            part for part in (" and ".join(who), event.verb, " and ".join(whom), event.where) if part
        )
        panels.append(Panel(said, [], event, on_stage, place, time, concept, said))
    places = [Place(name, name) for name in dict.fromkeys(panel.place for panel in panels) if name]
    return Plan(title, characters, places, panels)


def _drawn(names: list[str], known: Mapping[str, str]) -> str:
    return " and ".join(f"{{{name}}}" if name in known.values() else name for name in names)
