"""Arms of one's own, in the formats of models that people use, on tiny models of the same classes."""

import pytest
import torch
from tiny_models import make_tokenizer

from c2i_lib.config import load_profile
from c2i_lib.config.prompts import PromptModel
from c2i_lib.errors import C2IError
from c2i_lib.records.files import seed_of
from c2i_lib.stages.prompts import PromptRequest, Recipe, Writer
from c2i_lib.stages.prompts.own_arms import answer_of, opening_of
from c2i_lib.text.whole_words import find_whole

CHAT = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
OFFERED = load_profile("paper").prompts.models


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """Folder of a random model of TIPO's and SmolLM2's class, whose tokenizer knows TIPO's words and a chat."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|short|>", "<|short_to_long|>"]})
    tokenizer.chat_template = CHAT
    torch.manual_seed(0)
    sizes = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
    config = LlamaConfig(vocab_size=len(tokenizer), initializer_range=0.3, max_position_embeddings=256, **sizes)
    folder = tmp_path_factory.mktemp("llama")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def make(tiny_language_model, tiny_tti, llama):
    """A writer of an arm as the paper profile offers it, with a tiny model in the place of the real one."""

    def make(arm, **changes):
        folder = str(llama if arm in ("tipo", "rewrite") else tiny_language_model)
        tiny = {"model": folder, "revision": None, "max_new_tokens": 12}
        tiny |= {"tokenizer": folder} if OFFERED[arm].tokenizer else {}
        models = {arm: OFFERED[arm].model_dump() | tiny | changes}
        overrides = {"language_model.model": str(tiny_language_model), "images.model": str(tiny_tti)}
        return Writer(arm, Recipe.of(load_profile("smoke", {**overrides, "prompts.models": models})))

    return make


def requests(arm, n=6):
    return [PromptRequest("cat", sample, seed_of(7, arm, "cat", sample)) for sample in range(n)]


@pytest.mark.parametrize(
    ("arm", "read"),
    [
        ("magic_prompt", "cat"),
        ("promptist", "cat Rephrase:"),
        ("tipo", "target: <|short|> <|short_to_long|>\nshort: cat\nlong:"),
        ("rewrite", "<system>{system}<eos><user>{user}<eos><assistant>"),
    ],
)
def test_a_model_reads_the_concept_in_its_own_format(arm, read, make):
    writer, own = make(arm), OFFERED[arm]
    said = read.format(system=own.system, user=own.template.replace("{concept}", "cat"))
    assert writer.tokenizer.decode(writer.reads("cat")) == said


@pytest.mark.parametrize("arm", OFFERED)
def test_every_arm_that_the_paper_profile_offers_writes_one_line_that_fits(arm, make):
    """And nothing of its format is in it."""
    for prompt in make(arm).write(requests(arm), 12):
        assert prompt.text and "\n" not in prompt.text and prompt.n_tti_tokens <= 16
        assert not any(part in prompt.text for part in ("Rephrase", "target:", "<|", "<user>", "<assistant>"))
        assert prompt.text.startswith("cat") or arm != "magic_prompt"


def test_a_rewriter_that_should_keep_the_concept_does(make):
    prompts = make("rewrite").write(requests("rewrite"), 12)
    assert all(find_whole(prompt.text, "cat") and prompt.redrawn for prompt in prompts), "a random model draws no cat"
    others = make("rewrite", keep_concept=False).write(requests("rewrite"), 12)
    assert not any(find_whole(prompt.text, "cat") or prompt.redrawn for prompt in others)


def test_a_chat_needs_a_chat_template(make, tiny_language_model):
    with pytest.raises(C2IError, match=r"models\.rewrite\.chat is true, but the tokenizer of .* use an instruct model"):
        make("rewrite", model=str(tiny_language_model))


def test_without_a_system_message_the_models_own_stands(make):
    writer = make("rewrite", system=None)
    assert writer.tokenizer.decode(writer.reads("cat")).startswith("<user>Write the caption")


def own(**fields):
    return PromptModel(model="m", template="say {concept}", **fields)


@pytest.mark.parametrize(
    ("fields", "text", "expected"),
    [
        ({"stop": "\n"}, " a cat on a tree\ntag: cat", (" a cat on a tree", True)),
        ({"stop": "\n"}, " a cat on a", (" a cat on a", False)),
        ({}, " a cat\non a tree", (" a cat\non a tree", False)),
        ({"chat": True}, 'Sure:\n\n"a cat"\n\nIt shows a', ("a cat", True)),
        ({"chat": True}, "Here is a caption:\na cat on a", ("a cat on a", False)),
        ({"chat": True}, "Here is a caption:\n", ("", False)),
    ],
)
def test_what_follows_the_prompt_is_left_out_and_ends_it(fields, text, expected):
    assert answer_of(own(**fields), text, False) == expected


def test_the_concept_is_in_the_template_once(tiny_tokenizer):
    assert tiny_tokenizer.decode(opening_of(own(), tiny_tokenizer, "red cat")) == "say red cat"


def test_the_embedded_instruct_model_can_be_asked_as_the_cpu_profile_does(tiny_tti):
    """SmolLM2-135M-Instruct, which is too small to be good at it."""
    profile = load_profile("cpu", {"images.model": str(tiny_tti), "prompts.max_redraws": 0})
    writer = Writer("rewrite", Recipe.of(profile))
    assert writer.tokenizer.decode(writer.reads("cat")).endswith("shows: cat<|im_end|>\n<|im_start|>assistant\n")
    (prompt,) = writer.write(requests("rewrite", 1), 16)
    assert find_whole(prompt.text, "cat") and "<|im" not in prompt.text
