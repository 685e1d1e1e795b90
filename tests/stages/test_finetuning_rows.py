"""Rows of every arm: no token lost, none repeated, and batches within their budget."""

import numpy as np
import pytest
import torch
from tiny_models import CAPTIONS

from c2i_lib.errors import C2IError
from c2i_lib.stages.finetuning.rows import make_batches, make_rows
from c2i_lib.study import FINETUNED_ARMS, TOPIC_ARMS
from c2i_lib.text.noun_phrases.topics import topic_tag, topics

LONG = "a very long caption " * 20
TEXTS = [*CAPTIONS, LONG]
QUALITIES = ["good", "fair", "poor", "", "poor", "good", "fair"]


def text_of(rows, tokenizer, index):
    return tokenizer.decode(rows.tokens[rows.starts[index] : rows.starts[index + 1]].tolist())


@pytest.mark.parametrize("arm", FINETUNED_ARMS)
def test_every_token_of_every_caption_is_seen_once(arm, tiny_tokenizer):
    """Counted over the batches of an epoch, caption by caption."""
    rows = make_rows(arm, TEXTS, tiny_tokenizer, 16, QUALITIES)
    seen: dict[int, list[int]] = {index: [] for index in range(len(TEXTS))}
    batches = make_batches(rows.lengths, 64, seed=3)
    for index in sorted(index for batch in batches for index in batch):
        positions, inside = rows.positions([index])
        for position in positions[inside]:
            seen[int(rows.captions[position])].append(int(rows.tokens[position]))
    for index, text in enumerate(TEXTS):
        decoded = tiny_tokenizer.decode(seen[index], skip_special_tokens=True)
        tag = topic_tag(topics([text])[0]) if arm in TOPIC_ARMS else ""
        tag += topic_tag(QUALITIES[index]) if arm == "ft_good" else ""
        assert decoded.strip() == (tag + text).strip()
        assert seen[index].count(tiny_tokenizer.eos_token_id) == (arm != "ft")


def test_ft_is_one_stream_in_blocks_of_equal_length(tiny_tokenizer):
    rows = make_rows("ft", CAPTIONS, tiny_tokenizer, 16)
    assert rows.tokens.tolist() == tiny_tokenizer(" ".join(CAPTIONS), add_special_tokens=False).input_ids
    assert (rows.lengths[:-1] == 16).all() and 2 <= rows.lengths[-1] <= 17
    assert not set(rows.tokens.tolist()) & {tiny_tokenizer.bos_token_id, tiny_tokenizer.eos_token_id}


def test_a_last_token_that_predicts_nothing_joins_the_block_before(tiny_tokenizer):
    n_tokens = len(make_rows("ft", CAPTIONS, tiny_tokenizer, 16).tokens)
    rows = make_rows("ft", CAPTIONS, tiny_tokenizer, n_tokens - 1)
    assert rows.lengths.tolist() == [n_tokens]


def test_ft_tags_has_one_caption_a_row_between_its_tags(tiny_tokenizer):
    rows = make_rows("ft_tags", CAPTIONS, tiny_tokenizer, 64)
    assert len(rows) == len(CAPTIONS)
    for index, caption in enumerate(CAPTIONS):
        assert text_of(rows, tiny_tokenizer, index) == f"<bos>{caption}<eos>"
        assert len(rows.captions_of([index])) == 1


def test_a_long_caption_goes_on_in_the_next_row(tiny_tokenizer):
    rows = make_rows("ft_tags", [LONG, "a cat"], tiny_tokenizer, 16)
    assert rows.lengths.max() == 16 and len(rows) > 3
    assert all(len(rows.captions_of([index])) == 1 for index in range(len(rows)))


def test_ft_topic_puts_the_topic_first_and_does_not_learn_it(tiny_tokenizer):
    rows = make_rows("ft_topic", ["illustration of a cat on a table", "404"], tiny_tokenizer, 64)
    assert text_of(rows, tiny_tokenizer, 0) == "<bos>[cat] illustration of a cat on a table<eos>"
    assert text_of(rows, tiny_tokenizer, 1) == "<bos>404<eos>", "without a topic there is no tag"
    ids, predicted = rows.batch([0])
    assert tiny_tokenizer.decode(ids[0][predicted[0]]) == " illustration of a cat on a table<eos>"


def test_ft_good_has_a_second_tag_for_the_quality_of_the_captions_own_picture(tiny_tokenizer):
    """Neither tag is learned; a caption without a quality has none, and one without a topic still has its quality."""
    texts = ["illustration of a cat on a table", "a dog", "404"]
    rows = make_rows("ft_good", texts, tiny_tokenizer, 64, ["good", "", "poor"])
    assert text_of(rows, tiny_tokenizer, 0) == "<bos>[cat] [good] illustration of a cat on a table<eos>"
    assert text_of(rows, tiny_tokenizer, 1) == "<bos>[dog] a dog<eos>"
    assert text_of(rows, tiny_tokenizer, 2) == "<bos>[poor] 404<eos>"
    ids, predicted = rows.batch([0])
    assert tiny_tokenizer.decode(ids[0][predicted[0]]) == " illustration of a cat on a table<eos>"
    with pytest.raises(C2IError, match="ft_good needs a word of quality for each of 3 captions, found 0"):
        make_rows("ft_good", texts, tiny_tokenizer, 64)


def test_padding_and_the_first_token_are_not_predicted(tiny_tokenizer):
    rows = make_rows("ft_tags", ["a", CAPTIONS[1]], tiny_tokenizer, 64)
    ids, predicted = rows.batch([0, 1])
    assert predicted.sum(1).tolist() == (rows.lengths - 1).tolist() and not predicted[:, 0].any()
    assert rows.n_predicted([0, 1]) == int(predicted.sum())


@pytest.mark.parametrize("arm", ["base", "concept_only", "nonsense"])
def test_arms_without_finetuning_are_refused(arm, tiny_tokenizer):
    with pytest.raises(C2IError, match=f"'{arm}' cannot be finetuned: use ft, ft_tags"):
        make_rows(arm, CAPTIONS, tiny_tokenizer, 16)


def test_an_empty_split_is_told(tiny_tokenizer):
    with pytest.raises(C2IError, match="the split is empty"):
        make_rows("ft", [], tiny_tokenizer, 16)


@pytest.mark.parametrize("seed", range(5))
def test_batches_hold_every_row_once_within_the_token_budget(seed):
    lengths = torch.randint(1, 33, (101,), generator=torch.Generator().manual_seed(seed)).numpy()
    batches = make_batches(lengths, 64, seed)
    assert sorted(sum(batches, [])) == list(range(101))
    assert all(len(batch) * lengths[batch].max() <= 64 for batch in batches)
    assert len(batches) < 101, "short rows should share a batch"


def test_batches_depend_on_the_seed_alone():
    lengths = np.arange(40) % 7 + 1
    assert make_batches(lengths, 20, 1) == make_batches(lengths, 20, 1)
    assert make_batches(lengths, 20, 1) != make_batches(lengths, 20, 2)
