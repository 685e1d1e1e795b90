"""Sampling: exact, and the same for a row whatever stands beside it."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers.generation import TopKLogitsWarper, TopPLogitsWarper

from c2i_lib.models.language_model import load_language_model, load_tokenizer
from c2i_lib.records.files import seed_of
from c2i_lib.stages.prompts import sampling
from c2i_lib.stages.prompts.sampling import Sampler, SeededSampling

EOS = 1


@pytest.fixture(scope="module")
def settings(tiny_profile):
    return tiny_profile.prompts.model_copy(update={"temperature": 1.0, "top_p": 1.0})


@pytest.fixture(scope="module")
def eos(tiny_language_model):
    return load_tokenizer(str(tiny_language_model)).eos_token_id


@pytest.fixture
def sampler(tiny_language_model, eos):
    return Sampler(load_language_model(str(tiny_language_model)), eos)


def draw(sampling_, scores):
    """One token a row, as if nothing had been read; logits of rows are the same alone."""
    sampling_.exact = lambda ids: scores[:1].double()
    return sampling_(torch.zeros(len(scores), 0, dtype=torch.long), scores).argmax(1)


def test_sampling_follows_the_distribution(settings):
    """Chi-square over 4,000 seeds, whose draws are fixed, so that this never fails by chance."""
    shares = np.array([0.5, 0.25, 0.15, 0.08, 0.02])
    scores = torch.tensor(shares).log().float().repeat(4000, 1)
    drawn = draw(SeededSampling([seed_of("draw", number) for number in range(4000)], 0, settings, EOS, None), scores)
    counts = np.bincount(drawn.numpy(), minlength=5)
    assert chisquare(counts, shares * 4000).pvalue > 0.01


def test_successive_draws_of_a_row_differ(settings):
    """A row that drew with the same noise at every step would repeat itself."""
    one, scores = SeededSampling([1], 0, settings, EOS, None), torch.zeros(1, 1000)
    assert len({draw(one, scores).item() for _ in range(20)}) > 15


@pytest.mark.parametrize(("top_p", "top_k"), [(0.9, None), (0.5, None), (0.3, 20), (1.0, 5), (0.95, 50), (0.01, None)])
def test_draws_are_those_of_the_librarys_own_warpers(top_p, top_k, settings):
    """The nucleus is found without a sort; what is drawn is what sorting would have left, in every row."""
    changed = settings.model_copy(update={"top_p": top_p, "top_k": top_k})
    scores = torch.randn(600, 400, generator=torch.Generator().manual_seed(3)) * 3
    seeds = [seed_of("warper", number) for number in range(600)]
    ours = SeededSampling(seeds, 0, changed, EOS, None)
    ours.exact = None  # rows that are not sure would need it
    kept = TopKLogitsWarper(top_k)(None, scores) if top_k else scores
    kept = TopPLogitsWarper(top_p)(None, kept)
    uniform = torch.stack(
        [torch.rand(400, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in seeds]
    )
    expected = (kept - (-(-uniform).log1p()).log()).argmax(1)
    drawn, sure = ours._draw(torch.zeros(600, 0, dtype=torch.long), scores, uniform.float(), ours.error)
    exact, _ = ours._draw(torch.zeros(600, 0, dtype=torch.long), scores.double(), uniform, 0.0)
    assert (drawn == expected)[sure].all() and (exact == expected).all()
    assert sure.float().mean() > 0.9


def test_no_error_within_bounds_changes_a_draw_that_is_called_sure(settings):
    """2,000 rows, each with ten errors as large as allowed, and close candidates and full tails in them."""
    generator = torch.Generator().manual_seed(5)
    for changes in ({"top_p": 0.9}, {"top_p": 0.6, "temperature": 0.7}, {"top_k": 8, "top_p": 0.8}):
        ours = SeededSampling([0], 0, settings.model_copy(update=changes), EOS, None)
        scores = torch.randn(2000, 60, generator=generator).double().mul(20).round().div(20)  # many equal ones
        uniform, ids = torch.rand(2000, 60, generator=generator).double(), torch.zeros(2000, 0, dtype=torch.long)
        drawn, sure = ours._draw(ids, scores, uniform, 10 * ours.error)
        assert 0.3 < sure.float().mean() < 1
        for _ in range(10):
            error = (torch.rand(2000, 60, generator=generator).round() * 2 - 1) * 10 * sampling._ERROR
            other, _ = ours._draw(ids, scores + error, uniform, 0.0)
            assert (other == drawn)[sure].all()


def test_a_token_that_is_ruled_out_is_never_drawn(settings):
    scores = torch.tensor([0.0, -torch.inf]).repeat(500, 1)
    assert draw(SeededSampling(range(500), 0, settings, 9, None), scores).eq(0).all()


def test_prompts_follow_the_models_own_distribution(sampler, settings, tiny_tokenizer):
    """The first token after the concept, over 3,000 prompts, against the model's probabilities."""
    row = tiny_tokenizer("a cat").input_ids
    with torch.inference_mode():
        shares = sampler.model(torch.tensor([row])).logits[0, -1].softmax(-1).numpy().astype(float)
    drawn = [tokens[0] for tokens in sampler.sample([row] * 3000, range(3000), 1, settings)]
    counts = np.bincount(drawn, minlength=len(shares))
    often = shares * 3000 >= 10  # chi-square needs some counts in every cell; the rest forms one cell
    observed = [*counts[often], counts[~often].sum()]
    expected = np.array([*shares[often], shares[~often].sum()])
    assert len(observed) > 10
    assert chisquare(observed, expected / expected.sum() * 3000).pvalue > 0.01


def test_close_draws_are_made_again_alone_and_give_the_same_whatever_the_batch(sampler, settings, monkeypatch):
    """With a bound so wide that many draws are not sure, the result must still be the one of single rows."""
    rows, seeds = [[0, 5 + number % 7, 9] for number in range(60)], list(range(60))
    whole = sampler.sample(rows, seeds, 12, settings)
    usual = sampler.redone
    monkeypatch.setattr(sampling, "_ERROR", 0.05)
    assert sampler.sample(rows, seeds, 12, settings) == whole
    assert sampler.redone - usual > 20


def test_a_models_own_generation_settings_do_not_count(tiny_language_model, eos, settings):
    plain, spoiled = (load_language_model(str(tiny_language_model)) for _ in range(2))
    spoiled.generation_config.update(repetition_penalty=9.0, min_new_tokens=5, do_sample=True, temperature=0.1)
    rows, seeds = [[0, 5]] * 20, range(20)
    assert Sampler(plain, eos).sample(rows, seeds, 8, settings) == Sampler(spoiled, eos).sample(
        rows, seeds, 8, settings
    )


def test_a_penalty_makes_repetition_rarer(sampler, settings):
    def repeated(penalty):
        changed = settings.model_copy(update={"repetition_penalty": penalty})
        return np.mean([len(row) - len(set(row)) for row in sampler.sample([[0, 5]] * 100, range(100), 30, changed)])

    assert repeated(3.0) < repeated(1.0)


def test_the_end_can_come_late_and_tokens_cannot_come_first(sampler, settings, eos):
    rows = sampler.sample([[0, 5]] * 300, range(300), 4, settings)
    assert any(row[0] == eos for row in rows)
    first = {row[0] for row in rows} - {eos}
    rows = sampler.sample([[0, 5]] * 300, range(300), 4, settings, n_least=2, not_first=sorted(first)[:50])
    assert not any(eos in row[:2] for row in rows) and not {row[0] for row in rows} & set(sorted(first)[:50])


def test_large_rounding_errors_are_reported(sampler, settings, monkeypatch):
    monkeypatch.setattr(sampling, "_ERROR", 0.05)
    exact = sampler.exact
    monkeypatch.setattr(sampler, "exact", lambda ids: exact(ids) + torch.randn(1, exact(ids).shape[1]))
    with pytest.warns(UserWarning, match="may depend on their batch"):
        sampler.sample([[0, 5]] * 60, range(60), 8, settings)


def test_beams_come_best_first_and_repeat_exactly(sampler):
    beams = sampler.beams([0, 5, 9], 6, 4, -1.0)
    assert len(beams) == 4 and beams == sampler.beams([0, 5, 9], 6, 4, -1.0)
    assert len({tuple(beam) for beam in beams}) == 4
