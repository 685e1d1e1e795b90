"""Hidden states on disk: what was stored comes back, also in another training, but not for another model."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_models import CAPTIONS

from c2i_lib.config.finetuning import LanguageModel
from c2i_lib.errors import C2IError
from c2i_lib.stages.finetuning import prefix_cache
from c2i_lib.stages.finetuning.prefix_cache import PrefixCache, states_folder
from c2i_lib.stages.finetuning.rows import make_rows


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_cache_gives_back_what_was_stored(dtype, tmp_path, tiny_tokenizer):
    rows = make_rows("ft_tags", CAPTIONS, tiny_tokenizer, 64)
    cache = PrefixCache(tmp_path / "cache.bin", rows, 8, dtype)
    assert cache.missing([0, 2])
    longest = int(rows.lengths[[0, 2]].max())
    hidden = torch.randn(2, longest, 8).to(dtype)
    cache.store([0, 2], hidden)
    assert not cache.missing([2, 0]) and cache.missing([0, 1])
    inside = torch.from_numpy(rows.places([0, 2])[1])
    assert torch.equal(cache.load([0, 2])[inside], hidden[inside])
    assert torch.equal(cache.load([2])[0], hidden[1][: rows.lengths[2]])
    cache.flush()
    again = PrefixCache(tmp_path / "cache.bin", rows, 8, dtype)
    assert torch.equal(again.load([0, 2])[inside], hidden[inside]) and np.array_equal(again.filled, [False] * 6)


def test_a_cache_that_does_not_fit_is_refused_before_work(tmp_path, tiny_tokenizer, monkeypatch):
    """A mapped file that finds the disk full later would kill the process without a word."""
    rows = make_rows("ft_tags", CAPTIONS, tiny_tokenizer, 64)
    monkeypatch.setattr(prefix_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(C2IError, match="hidden states of the frozen layers need 1 MB in .*free some space"):
        PrefixCache(tmp_path / "cache.bin", rows, 8192, torch.float32)
    assert not (tmp_path / "cache.bin").exists()


def test_a_finished_file_is_used_again(tmp_path, tiny_tokenizer):
    rows = make_rows("ft_tags", CAPTIONS, tiny_tokenizer, 64)
    cache = PrefixCache(tmp_path / "cache.bin", rows, 8, torch.float32)
    cache.finish()
    again = PrefixCache(tmp_path / "cache.bin", rows, 8, torch.float32)
    assert not again.missing(range(len(rows)))
    again.forget()
    assert PrefixCache(tmp_path / "cache.bin", rows, 8, torch.float32).missing([0])


def test_states_are_kept_by_model_cut_precision_and_tokens(tmp_path, tiny_tokenizer, monkeypatch):
    monkeypatch.setenv("C2I_CACHE", str(tmp_path))
    rows, others = (make_rows("ft_tags", part, tiny_tokenizer, 64) for part in (CAPTIONS, CAPTIONS[1:]))
    a, b = LanguageModel(model="a", frozen_layers=2), LanguageModel(model="a", frozen_layers=3)
    calls = [(a, False, rows), (b, False, rows), (a, True, rows), (a, False, others), (a, False, rows, rows)]
    assert len({states_folder(*call) for call in calls}) == len(calls)
    assert states_folder(a, False, rows) == states_folder(a, False, rows)
