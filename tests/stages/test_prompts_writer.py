"""Writers: what an arm reads, what of it is the prompt, and that a prompt depends on nothing but itself."""

import multiprocessing
import random
import shutil
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch
from launching import write_texts

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.models.language_model import load_tokenizer
from c2i_lib.records.files import seed_of
from c2i_lib.stages.prompts import PromptRequest, Recipe, Writer
from c2i_lib.study import FINETUNED_ARMS

CONCEPTS = ["a red bicycle", "cat", "old guitar", "penguin", "an old house next to a tree", "dog"]
N_TOKENS = 24


@pytest.fixture(scope="module")
def profile(tiny_language_model):
    return load_profile(
        "smoke",
        {
            "language_model.model": str(tiny_language_model),
            "prompts.top_p": 0.95,
            "prompts.models": {
                "goes_on": {"model": str(tiny_language_model), "template": "picture: {concept}"},
                "rephrases": {
                    "model": str(tiny_language_model),
                    "template": "{concept} Rephrase:",
                    "num_beams": 4,
                    "length_penalty": -1.0,
                    "max_new_tokens": 9,
                },
            },
        },
    )


def change(profile, **prompts):
    return profile.model_copy(update={"prompts": profile.prompts.model_copy(update=prompts)})


def blacklist(profile, path, *words):
    path.write_text("\n".join(words), encoding="utf-8")
    return profile.model_copy(update={"captions": profile.captions.model_copy(update={"explicit_words": str(path)})})


@pytest.fixture(scope="module")
def make(tiny_language_model):
    """A writer of an arm; finetuned arms get the base model as their checkpoint."""

    def make(arm, profile):
        return Writer(arm, Recipe.of(profile), tiny_language_model if arm in FINETUNED_ARMS else None)

    return make


def requests(concepts=CONCEPTS, n=5, arm="ft_tags"):
    return [
        PromptRequest(concept, sample, seed_of(7, arm, concept, sample)) for concept in concepts for sample in range(n)
    ]


def write_all(writer, asked):
    return dict(zip(asked, writer.write(asked, N_TOKENS), strict=True))


@pytest.mark.parametrize("arm", ["base", "ft", "ft_tags", "ft_topic", "ft_good", "goes_on", "rephrases"])
def test_a_prompt_depends_on_nothing_but_itself(arm, profile, make):
    """Not on the batch size, the order, the other concepts, or the number of samples."""
    n = 4 if arm == "rephrases" else 25
    profile = change(profile, max_redraws=1)  # a random model never draws the concept that ft_topic keeps
    asked = requests(n=n, arm=arm)
    whole = write_all(make(arm, change(profile, batch_size=64)), asked)
    assert len({prompt.text for prompt in whole.values()}) > 0.8 * len(asked)
    shuffled = random.Random(1).sample(asked, len(asked))
    for batch_size, part in ((1, asked[::7]), (7, shuffled), (1000, asked[: len(asked) // 2]), (3, asked[-2 * n :])):
        assert write_all(make(arm, change(profile, batch_size=batch_size)), part).items() <= whole.items()


def test_the_number_of_threads_changes_no_prompt(profile, make):
    asked, n_threads = requests(["cat", "a red bicycle"], 30), torch.get_num_threads()
    texts = []
    try:
        for threads, batch_size in ((1, 17), (2, 60)):
            torch.set_num_threads(threads)
            texts.append(make("base", change(profile, batch_size=batch_size)).write(asked, 12))
    finally:
        torch.set_num_threads(n_threads)
    assert texts[0] == texts[1] and len({prompt.text for prompt in texts[0]}) > 48


def test_the_number_of_processes_changes_no_prompt(profile, make):
    asked, recipe = requests(["cat", "a red bicycle"], 20, "base"), Recipe.of(profile)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:  # another one beside this one
        others = pool.submit(write_texts, recipe, asked[1::2], N_TOKENS)
        pairs = zip(write_texts(recipe, asked[::2], N_TOKENS), others.result(), strict=True)
        apart = [text for pair in pairs for text in pair]
    assert apart == [prompt.text for prompt in make("base", profile).write(asked, N_TOKENS)]


@pytest.mark.parametrize("arm", ["base", "ft", "ft_tags", "goes_on"])
def test_the_concept_stands_in_front_as_a_word(arm, profile, make):
    """Nothing is glued to it: what follows is a space, a character that closes a word, or nothing."""
    for request, prompt in write_all(make(arm, change(profile, temperature=2.0)), requests(n=60, arm=arm)).items():
        assert prompt.text.startswith(request.concept)
        rest = prompt.text[len(request.concept) :]
        assert not rest or rest[0] in " .,;:!?'\"’”)", prompt.text


def test_without_whole_concept_other_words_are_made_of_it(profile, make):
    writer = make("base", change(profile, temperature=2.0, whole_concept=False))
    rests = [prompt.text[3:4] for prompt in write_all(writer, requests(["cat"], 200)).values()]
    assert any(rest.isalnum() for rest in rests)


@pytest.mark.parametrize(
    ("arm", "read"),
    [
        ("base", "red bicycle"),
        ("ft", " red bicycle"),
        ("ft_tags", "<bos>red bicycle"),
        ("ft_topic", "<bos>[red bicycle]"),
        ("ft_good", "<bos>[red bicycle] [good]"),
        ("goes_on", "picture: red bicycle"),
        ("rephrases", "red bicycle Rephrase:"),
    ],
)
def test_an_arm_reads_the_concept_as_it_knows_it(arm, read, profile, make):
    writer = make(arm, profile)
    assert writer.tokenizer.decode(writer.reads("red bicycle")) == read


@pytest.mark.parametrize("arm", ["ft_topic", "ft_good", "rephrases"])
def test_what_comes_before_the_prompt_is_no_part_of_it(arm, profile, make):
    for request, prompt in write_all(make(arm, profile), requests(n=4, arm=arm)).items():
        assert prompt.text and "Rephrase" not in prompt.text and f"[{request.concept}]" not in prompt.text
        assert 1 + (arm == "rephrases") <= prompt.n_tokens <= (9 if arm == "rephrases" else N_TOKENS)


def test_tags_are_stripped_and_a_prompt_that_never_ended_is_marked(profile, make):
    """With 100 tokens, a random model of some 300 tokens ends some prompts and not others."""
    prompts = make("ft_tags", profile).write(requests(["a cat"], 60), 100)
    ended = [prompt for prompt in prompts if prompt.ended]
    assert 0 < len(ended) < 60
    assert all(prompt.n_tokens < 100 for prompt in ended)
    assert all(prompt.n_tokens == 100 for prompt in prompts if not prompt.ended)
    assert not any("<eos>" in prompt.text or "<bos>" in prompt.text for prompt in prompts)


def test_a_concept_longer_than_the_length_still_gets_two_tokens(profile, make):
    writer = make("ft_tags", profile)
    n_concept = writer.count(CONCEPTS[4])
    prompts = writer.write(requests(CONCEPTS[4:5], 20), 3)
    assert {prompt.n_tokens for prompt in prompts if not prompt.ended} == {n_concept + 2}


def test_an_explicit_prompt_is_redrawn_and_the_others_stay(profile, make, tmp_path):
    asked = requests(["cat"], 20)
    before = make("ft_tags", profile).write(asked, N_TOKENS)
    texts = [prompt.text.split()[1:] for prompt in before]
    found = [(n, word) for n, words in enumerate(texts) for word in words if word.isalpha() and word.isascii()]
    bad, word = max(found, key=lambda item: len(item[1]))
    after = make("ft_tags", blacklist(profile, tmp_path / "words.txt", word)).write(asked, N_TOKENS)
    assert after[bad].redrawn >= 1 and not after[bad].explicit and word not in after[bad].text.split()
    kept = [new == old for new, old in zip(after, before, strict=True) if not new.redrawn]
    assert all(kept) and len(kept) > 5


def test_a_prompt_that_stays_explicit_is_kept_and_marked(profile, make, tmp_path):
    """The concept itself is on the blacklist, so that no draw can help."""
    listed = blacklist(change(profile, max_redraws=2), tmp_path / "words.txt", "cat")
    for prompt in make("base", listed).write(requests(["cat"], 3), N_TOKENS):
        assert prompt.explicit and prompt.redrawn == 2 and prompt.text.startswith("cat")
    for arm in ("concept_only", "rephrases"):
        prompts = make(arm, blacklist(listed, tmp_path / "words.txt", "cat")).write(requests(["cat"], 3), N_TOKENS)
        assert {prompt.redrawn for prompt in prompts} == {0}
        assert arm != "concept_only" or all(prompt.explicit for prompt in prompts)


def test_prompts_fit_the_window_of_the_tti_model(profile, make, tiny_tti):
    """The tiny TTI model sees 16 tokens; its tokenizer is the language model's. A concept that fits stays whole."""
    images = profile.images.model_copy(update={"model": str(tiny_tti)})
    writer = make("base", profile.model_copy(update={"images": images}))
    prompts = writer.write(requests(n=10), 40)
    assert writer.window.size == 16 and any(prompt.cut for prompt in prompts)
    for prompt in prompts:
        assert prompt.n_tti_tokens == writer.window.count(prompt.text) <= 16
        assert any(prompt.text.startswith(concept) for concept in CONCEPTS)


def test_beams_are_the_samples_of_a_concept(profile, make):
    writer = make("rephrases", profile)
    prompts = writer.write(requests(["cat", "dog"], 4), N_TOKENS)
    assert prompts[:2] == writer.write(requests(["cat"], 2), N_TOKENS)
    assert len({prompt.text for prompt in prompts[:4]}) > 1
    with pytest.raises(C2IError, match=r"gives 4 prompts per concept, sample 5 .*models\.rephrases\.num_beams"):
        writer.write(requests(["cat"], 5), N_TOKENS)


def test_a_tokenizer_can_come_from_elsewhere(profile, tiny_language_model, tmp_path, make):
    """As Promptist, whose folder has none."""
    bare = tmp_path / "bare"
    shutil.copytree(tiny_language_model, bare, ignore=shutil.ignore_patterns("tokenizer*", "special*"))
    own = profile.prompts.models["rephrases"]
    models = {"mine": own.model_copy(update={"model": str(bare), "tokenizer": str(tiny_language_model)})}
    asked = requests(["cat"], 2)
    prompts = make("mine", change(profile, models=models)).write(asked, N_TOKENS)
    assert prompts == make("rephrases", profile).write(asked, N_TOKENS)


def test_an_unknown_arm_names_the_known_ones(profile, make):
    with pytest.raises(
        C2IError, match="unknown arm 'best': use one of concept_only, retrieved, base, .*, goes_on, rephrases"
    ):
        make("best", profile)
    with pytest.raises(C2IError, match="'ft', but no checkpoint"):
        Writer("ft", Recipe.of(profile))


def test_retrieved_gives_the_nearest_captions_fitted_and_marked_and_nothing_without_captions(
    profile, tiny_tti, tmp_path
):
    captions = ["a bicycle", "photo of a cat sleeping", "a nude kitten", "cat", f"a cat {'and a tree ' * 9}"]
    profile = blacklist(profile, tmp_path / "words.txt", "nude")
    profile = profile.model_copy(update={"images": profile.images.model_copy(update={"model": str(tiny_tti)})})
    prompts = Writer("retrieved", Recipe.of(profile), captions=captions).write(
        requests(["cat"], 4, "retrieved"), N_TOKENS
    )
    texts = [prompt.text for prompt in prompts]
    assert texts[0] == captions[1] and texts[3] == captions[0] and "cat" not in texts
    assert [prompt.explicit for prompt in prompts] == ["nude" in text for text in texts] and any(
        "nude" in t for t in texts
    )
    assert [prompt.cut for prompt in prompts] == ["tree" in text for text in texts]
    assert all(prompt.redrawn == 0 and prompt.ended and prompt.n_tti_tokens <= 16 for prompt in prompts)
    with pytest.raises(C2IError, match="retrieved needs captions"):
        Writer("retrieved", Recipe.of(profile))


def test_the_first_tokens_that_are_allowed_are_known_by_their_text(profile, make, tiny_language_model):
    writer, tokenizer = make("base", profile), load_tokenizer(str(tiny_language_model))
    allowed = set(range(len(tokenizer))) - set(writer.word_parts)
    texts = {tokenizer.decode([token]) for token in allowed}
    assert "<eos>" in texts and "," in texts and "<bos>" not in texts and "a" not in texts and "-" not in texts
    assert any(text.startswith(" ") and len(text) > 1 for text in texts)
    assert torch.tensor(sorted(allowed)).max() < len(tokenizer)
