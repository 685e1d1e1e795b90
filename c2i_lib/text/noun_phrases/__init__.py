"""Noun phrases of captions: found by a parser or a lexicon, counted, and the one a caption is about. Shared by stages.

``parser.py`` finds and counts them; ``lexicon.py`` does the same about right and some hundred times faster;
``topics.py`` picks the main one of a caption; ``wordnet.py`` and ``kinds.py`` know words.
"""
