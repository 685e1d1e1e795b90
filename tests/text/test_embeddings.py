"""Sentence embeddings: unit vectors that do not depend on the batch."""

import torch

from c2i_lib.text.embeddings import embed_texts


def test_sentence_embeddings_have_length_one_and_do_not_depend_on_the_batch():
    texts = ["cat", "a small cat on a sofa", "red bicycle", "cat"]
    embeddings = embed_texts(texts, 4)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(embeddings, embed_texts(texts, 1), atol=1e-5, rtol=0)
    assert embeddings[0] @ embeddings[1] > embeddings[0] @ embeddings[2]
    assert torch.equal(embeddings[0], embeddings[3])
