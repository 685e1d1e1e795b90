"""A concept as a person types it: whether it is one at all, and what is unusual about it.

In: a concept. Out: the concept without needless spaces, or an error; remarks for people. Ignored: whether a remark is
right in every case: a language is guessed from the letters and from small words that English does not have.
"""

from __future__ import annotations

import re
import unicodedata

from c2i_lib.errors import C2IError

MAX_CHARACTERS = 1000
WORD = re.compile(r"\w+(?:['’-]\w+)*")
_NEGATIONS = re.compile(r"(?<!\w)(?:no|not|without|never|none|nothing|nobody|cannot|\w+n['’]t)(?!\w)", re.IGNORECASE)
# Articles, prepositions and the like that are neither English words nor parts of names that English has.
_FOREIGN = {
    "German": "ein eine einen einem einer eines das und mit auf im zum zur ohne über",
    "French": "une avec dans aux sous chez",
    "Spanish or Italian": "una",
    "Spanish": "unas unos del sobre",
    "Italian": "della nel sul degli gli senza",
    "Portuguese": "um uma sem nas",
    "Dutch": "een het aan zonder",
}
_WORDS = {language: frozenset(words.split()) for language, words in _FOREIGN.items()}
_ENGLISH = frozenset("the of with and is at".split())  # of these, none is a word of the languages above


def clean_concept(concept: str) -> str:
    """``concept`` with single spaces. Raises ``C2IError`` for one that is empty or longer than any name."""
    if len(concept) > MAX_CHARACTERS:
        raise C2IError(
            f"a concept names what to show in at most {MAX_CHARACTERS:,} characters, found {len(concept):,} "
            f"({len(concept.split()):,} words): shorten it, or give one concept a line with --concepts FILE"
        )
    concept = " ".join(concept.split())
    if not concept:
        raise C2IError('the concept is empty: give one, such as "a red bicycle"')
    return concept


def words_in(text: str) -> list[str]:
    """The words of a text in lower case, each once, in their order."""
    return list(dict.fromkeys(WORD.findall(text.lower())))


def remarks(concept: str) -> list[str]:
    """What a person should know about a concept before they look at its pictures."""
    found, language = [], _language(concept)
    if language:
        found.append(f"the concept looks like {language}: unless the captions of the run are, too, say it in English")
    negations = [match.group() for match in _NEGATIONS.finditer(concept)]
    if negations and not language:
        found.append(
            f"the concept says what is not there ({', '.join(map(repr, negations))}), but TTI models draw what is "
            "named: leave it out, and give it as the negative prompt"
        )
    return found


def _language(concept: str) -> str:
    """What a concept is written in, where it does not look like English; else nothing."""
    scripts = [unicodedata.name(character, "?").split()[0] for character in concept if character.isalpha()]
    others = [script for script in scripts if script not in ("LATIN", "FEMININE", "MASCULINE", "FULLWIDTH")]
    if 2 * len(others) > len(scripts):
        return f"no English (letters: {', '.join(sorted({name.capitalize() for name in others}))})"
    words = set(words_in(concept))
    if words & _ENGLISH:
        return ""
    hits = {language: len(words & own) for language, own in _WORDS.items()}
    best = max(hits, key=hits.__getitem__)
    return best if hits[best] else ""
