"""The page that ``c2i app`` serves: Concept, Story, Batch. Thin: prompts, pictures and plans come from the library.

``asked.py`` reads what a person asked for, ``studio.py`` and ``storyteller.py`` let the library do it, one step at a
time, and ``showing.py`` turns the results into what a browser shows; none of these knows the web framework. It is known
to ``page.py`` and its tabs alone, and ``command.py`` imports them only when the page is served.
"""
