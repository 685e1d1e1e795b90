"""From a list of things to sprites for a game: one style, one scale, no background.

``listing.py`` reads the list, ``keying.py`` takes the background away, ``atlas.py`` puts the sprites on one sheet;
``drawing.py`` does it all; ``command.py`` is ``c2i assets``.
"""
