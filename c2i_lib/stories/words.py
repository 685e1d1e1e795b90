"""What single words say about whom they name: gender, number, whether they live; and which verbs and places count.

In: words in lower case, nouns in the singular. Out: short answers, from word lists and WordNet's category of a noun's
most frequent sense. Ignored: the sentence around a word.
"""

from __future__ import annotations

from functools import lru_cache

from c2i_lib.text.noun_phrases.wordnet import load_nouns

# Pronoun → person, gender ("m", "f", "n" or "" for any), number ("one", "many" or "" for any).
PRONOUNS = {
    **dict.fromkeys("i me my mine myself".split(), (1, "", "one")),
    **dict.fromkeys("we us our ours ourselves".split(), (1, "", "many")),
    **dict.fromkeys("you your yours yourself thou thee thy thine".split(), (2, "", "")),
    **dict.fromkeys("he him his himself".split(), (3, "m", "one")),
    **dict.fromkeys("she her hers herself".split(), (3, "f", "one")),
    **dict.fromkeys("it its itself".split(), (3, "n", "one")),
    **dict.fromkeys("they them their theirs themselves".split(), (3, "", "many")),
}
NOBODY = frozenset("nobody none nothing no-one noone neither".split())

FEMALE = frozenset(
    "woman girl lady mother daughter sister wife queen princess witch aunt grandmother granny maid maiden milkmaid "
    "bride widow hen cow ewe mare goose vixen lioness doe nun stepmother stepsister countess duchess goddess heroine "
    "hostess landlady niece nurse shepherdess mermaid sorceress lass dame mrs miss madam mistress".split()
)
MALE = frozenset(
    "man boy gentleman father son brother husband king prince uncle grandfather grandpa bridegroom widower rooster "
    "cock bull ram stallion stag gander monk stepfather stepbrother count duke god hero host landlord nephew wizard "
    "lad fellow sir mr lord woodcutter woodman huntsman fisherman".split()
)
# Names for anyone of a kind, which may stand for one who is known already; the kind is WordNet's category.
GENERIC = {
    **dict.fromkeys(
        "man woman boy girl child lad fellow youth maiden lady person people wife husband".split(), "person"
    ),
    **dict.fromkeys("bird animal beast creature insect".split(), "animal"),
    **dict.fromkeys("tree plant flower".split(), "plant"),
}
# Nouns whose kind is not that of WordNet's first sense.
_KINDS = {**dict.fromkeys("kid folk crowd villager elf fairy dwarf giant ghost goblin troll".split(), "person")}
# Parts of animals are animals to WordNet, and a pitcher throws balls.
_KINDS |= dict.fromkeys("paw beak wing tail feather claw fur mane hoof horn antler snout muzzle trunk".split(), "body")
_KINDS |= dict.fromkeys("pitcher counter slipper egg cooker".split(), "artifact")
_KINDS |= dict.fromkeys("hare duck chick dragon turkey cricket lamb swallow".split(), "animal")

SPEECH = frozenset(
    "say ask answer reply cry shout call beg tell exclaim whisper add scream murmur promise mutter explain declare "
    "order command warn agree boast laugh continue plead sigh groan announce demand suggest".split()
)
MIND = frozenset(
    "think know believe wish want hope wonder remember forget feel understand mean suppose expect decide like love "
    "hate fear trust doubt need seem intend plan imagine realise realize".split()
)
STATES = frozenset("be have seem own become grow live belong contain remain stay need cost".split())
BEGINNING = frozenset("begin start continue proceed go come keep happen manage dare see hear watch let make".split())
PERCEIVING = frozenset("see hear watch".split())
WISHING = frozenset("want wish try hope refuse intend plan need attempt long mean fail decline".split())
SUPPOSING = frozenset("if unless whether lest".split())
NEGATING = frozenset("not n't never hardly scarcely no neither nor".split())
WHERE = frozenset(
    "in on at under near beside behind into onto through across over to from by inside outside along around up down "
    "upon beneath below above between among towards toward off out past round beyond before".split()
)
_PLACES = frozenset(
    "forest wood garden field meadow river lake sea shore pool stream well pond mountain hill valley road path street "
    "village town city house hut cottage castle palace room kitchen hall cave island beach bridge market farm barn "
    "stable yard square church inn mill desert sky tree nest ship boat ground heaven country home school tower cellar "
    "corner plain bank fair den hole oven".split()
)
_TIMES = frozenset("morning evening night noon midnight dawn dusk sunset sunrise afternoon day winter summer".split())
_PASSING = frozenset(
    "hungry thirsty tired asleep awake dead afraid angry sad happy busy bored ill sick cold many several few other "
    "another same own first last next certain only such whole two three four youngest eldest oldest once".split()
)


@lru_cache(maxsize=1)
def _categories() -> dict[str, str]:
    nouns = load_nouns()
    return nouns["category"].to_dict()


@lru_cache(maxsize=1)
def _regions() -> frozenset[str]:
    nouns = load_nouns()
    return frozenset(nouns.index[nouns["region"]])


def kind_of(noun: str) -> str:
    """``person``, ``animal``, ``plant``, another category of WordNet's, or an empty string for an unknown noun."""
    if noun in FEMALE | MALE and _KINDS.get(noun) is None:
        return "animal" if _categories().get(noun) == "animal" else "person"
    return _KINDS.get(noun) or _categories().get(noun, "")


def lives(noun: str) -> bool:
    """Whether a noun names a person or an animal."""
    return kind_of(noun) in ("person", "animal")


def gender_of(noun: str) -> str:
    """``m`` or ``f`` where the noun says so, else an empty string."""
    last = noun.rpartition("-")[2]
    if last in FEMALE or last.endswith("woman"):
        return "f"
    return "m" if last in MALE or (last.endswith("man") and lives(last) and last not in ("human", "german")) else ""


def is_place(noun: str) -> bool:
    """Whether a noun names where something may happen."""
    return noun in _PLACES or noun in _regions() or _categories().get(noun) == "location"


def is_time(noun: str) -> bool:
    """Whether a noun names a time; "at last" and "for a moment" name none."""
    if noun in ("last", "first", "time", "moment", "once", "way"):
        return False
    return noun in _TIMES or _categories().get(noun) == "time"


def lasts(adjective: str) -> bool:
    """Whether an adjective may say what someone looks like all through a story."""
    return adjective not in _PASSING


# Where to, as an adverb: "flew away".
_AWAY = frozenset("away home back off up down in out outside inside together upstairs downstairs forward over".split())
# Where someone is after such a movement; after "out of" nobody knows.
STAYING = {
    "into": "in",
    "onto": "on",
    "to": "at",
    "through": "in",
    "across": "on",
    "around": "near",
    "down": "on",
    "up": "on",
}
LEAVING = frozenset("from out off past before after".split())


def is_direction(adverb: str) -> bool:
    """Whether an adverb says where to."""
    return adverb in _AWAY


# Of a verb of one syllable, the last consonant after a single vowel is doubled: run, running.
def ing_form(verb: str) -> str:
    """The form of a verb in -ing, by the rules of spelling: ``run`` → ``running``, ``lie`` → ``lying``."""
    vowels = "aeiou"
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) and len(verb) > 2:
        return f"{verb[:-1]}ing"
    groups = sum(a in vowels and b not in vowels for a, b in zip(verb, verb[1:], strict=False))
    short = len(verb) > 2 and verb[-2] in vowels and verb[-3] not in vowels and verb[-1] not in f"{vowels}wxy"
    return f"{verb}{verb[-1]}ing" if short and groups == 1 else f"{verb}ing"
