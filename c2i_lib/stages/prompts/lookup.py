"""Prompts that nobody writes: the captions nearest to a concept in meaning.

In: captions and a concept. Out: a caption. The arm ``retrieved`` is what an arm that only copies could reach: if it is
as good as a finetuned model, the model has shown no more than that. Ignored: how popular a caption is.
"""

from __future__ import annotations

from collections.abc import Sequence

from c2i_lib.errors import C2IError
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

    def nearest(self, concept: str, place: int) -> str:
        """The caption nearest to ``concept`` (``place`` 0), the next one, and so on.

        A caption that is the concept alone, with an article or not, is left out: it would be the arm ``concept_only``.
        Raises ``C2IError`` when there are not so many captions.
        """
        name = " ".join(concept.lower().split())
        bare = {name, f"a {name}", f"an {name}", f"the {name}"}
        order = (self.embeddings @ embed_texts([concept])[0]).argsort(descending=True, stable=True).tolist()
        order = [index for index in order if self.keys[index] not in bare]
        if place >= len(order):
            raise C2IError(
                f"{len(order)} captions are too few for prompt {place + 1} of {concept!r}: give more captions"
            )
        return self.captions[order[place]]
