"""Prompts that nobody writes: the captions nearest to a concept in meaning.

In: captions and a concept. Out: a caption. The arm ``retrieved`` is what an arm that only copies could reach: if it is
as good as a finetuned model, the model has shown no more than that. Ignored: how popular a caption is.
"""

from __future__ import annotations

from collections.abc import Sequence

from c2i_lib.errors import C2IError
from c2i_lib.stages.prompts.wishes import NO_WISHES, Wishes
from c2i_lib.text.embeddings import embed_texts


class Lookup:
    """Finds captions by the cosine of MiniLM's sentence embeddings. Raises ``C2IError`` without captions."""

    def __init__(self, captions: Sequence[str]):
        if not len(captions):
            raise C2IError("the arm retrieved needs captions to look in: run stage 01, and give its finetune_train")
        first: dict[str, str] = {}  # captions that differ in case and spaces alone are one
        for caption in captions:
            first.setdefault(" ".join(caption.lower().split()), " ".join(caption.split()))
        self.keys, self.captions = list(first), list(first.values())
        self.embeddings = embed_texts(self.captions)

    def nearest(self, concept: str, index: int, wishes: Wishes = NO_WISHES) -> str:
        """The caption nearest to ``concept`` (``index`` 0), the next one, and so on.

        Captions with all words to keep come first, and those with a banned word are left out.

        A caption that is the concept alone, with an article or not, is left out: it would be the arm ``concept_only``.
        Raises ``C2IError`` when there are not so many captions.
        """
        name = " ".join(concept.lower().split())
        bare = {name, f"a {name}", f"an {name}", f"the {name}"}
        order = (self.embeddings @ embed_texts([concept])[0]).argsort(descending=True, stable=True).tolist()
        order = [caption for caption in order if self.keys[caption] not in bare]
        if wishes.keep or wishes.ban:
            order = [caption for caption in order if not wishes.breaks(self.captions[caption])]
            order.sort(key=lambda caption: len(wishes.lacks(self.captions[caption])))
        if index >= len(order):
            raise C2IError(
                f"{len(order)} captions are too few for prompt {index + 1} of {concept!r}: give more captions"
            )
        return self.captions[order[index]]
