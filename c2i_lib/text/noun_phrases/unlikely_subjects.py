"""Words that name no subject of a picture: its medium, a place in it or a measure; and vague words.

In: a noun phrase. Out: why it is unlikely to be what a picture shows. Ignored: WordNet, which knows more of rare words.
"""

from __future__ import annotations

MEDIUM_WORDS = frozenset(
    "album art artwork backdrop background banner border canvas cartoon clip clipart clipping collage collection "
    "cd cover design diagram download drawing dust dvd edition emoji footage frame gif grain graphic graphics icon "
    "icons illustration image images jpeg jpg layout line lines logo magazine media model outline paint painting "
    "pattern phone photo photograph photographer photography photoshoot pic picture pictures png portrait "
    "poster preview print product promo quality render rendering res resolution royalty scan scene screen "
    "screenshot series shot silhouette sketch snapshot sticker stock style symbol template text texture thumbnail "
    "title vector version video view wallpaper web website".split()
)
STYLE_WORDS = frozenset(
    "3d animation art bokeh color colors colour colours contrast detail details focus grain iso light lighting lines "
    "mood palette pixel render resolution sample shadow shadows still style texture tone tones".split()
)
PLACE_WORDS = frozenset(
    "angle area back base bottom center centre close-up closeup corner detail edge exterior front inside interior "
    "left middle outside part place rear right section side spot surface top upside way world".split()
)
MEASURE_WORDS = frozenset(
    "amount bunch carat centimeter couple dozen feet foot gram group half inch kilo kilogram kit liter litre lot "
    "meter metre mile millimeter number ounce pack package pair percent piece pint pound quarter row set size stack "
    "ton unit yard".split()
)
VAGUE_WORDS = frozenset(
    "actor adult anyone artist author baby-sitter black blue body business character cm color colour company "
    "creature element event everyone expert feature friend gift gold gray green grey guest guy human idea "
    "individual item kind leader member men name object one owner people person pic player politician red silver "
    "someone star stuff team thing type us user visitor white".split()
)


def unlikely_subject(phrase: str, head: str) -> str:
    """Why a noun phrase is unlikely to be the main subject of a picture, or an empty string."""
    if MEDIUM_WORDS & set(phrase.split()):
        return "names the medium, not the subject"
    if head in PLACE_WORDS:
        return "a view or a part"
    return "a measure or a quantity" if head in MEASURE_WORDS else ""
