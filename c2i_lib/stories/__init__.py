"""From a story, or what another NLP system found in it, to a plan of pictures that a person edits.

``reading.py`` reads files; ``parsing.py``, ``mentions.py``, ``speech.py``, ``coreference.py`` and ``events.py`` say who
does what; ``characters.py``, ``selection.py`` and ``planning.py`` make of it a ``plan.py``; ``structured.py`` does so
from JSON without a parser; ``illustrating.py`` and ``storyboard.py`` draw it; ``command.py`` is ``c2i story``.
"""
