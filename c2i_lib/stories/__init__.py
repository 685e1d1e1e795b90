"""From a story, or what another NLP system found in it, to a plan of pictures that a person edits.

``reading.py`` reads files; ``parsing.py``, ``mentions.py``, ``speech.py``, ``coreference.py`` and ``events.py`` say who
does what; ``characters.py``, ``selection.py`` and ``planning.py`` make of it a ``plan.py``; ``structured.py`` does so
from JSON without a parser. ``window_budget.py`` says what of a panel has room in a prompt, ``illustrating.py`` draws
it, ``choosing.py`` finds candidates that belong together; ``panels.py``, ``storyboard.py`` and ``pdf.py`` write what
was made, ``drawing.py`` does it all in one go; ``command.py`` is ``c2i story``.
"""
