"""Arms of one's own: what a model of ``prompts.models`` reads, and what of its answer is the prompt.

In: an entry of the profile, a concept, and what the model has written. Out: tokens to go on from; a prompt. Three kinds
can be told: models that go on with a prompt (MagicPrompt), models that answer in a format of their own (Promptist,
Hao et al. 2023, arXiv:2212.09611; TIPO, Yeh et al. 2024, arXiv:2411.08127), and instruct models without finetuning,
which are asked in their chat format to rewrite: what most tools do. Ignored: how tokens are drawn.
"""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from c2i_lib.config import PromptModel
from c2i_lib.errors import C2IError
from c2i_lib.text.answers import caption_of

SLOT = "{concept}"


def check_chat(arm: str, own: PromptModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ``C2IError`` where a chat is asked for and the tokenizer knows none."""
    if own.chat and not tokenizer.chat_template:
        raise C2IError(
            f"prompts.models.{arm}.chat is true, but the tokenizer of {own.tokenizer or own.model!r} has no chat "
            "template: use an instruct model, or set chat to false and write its format into the template"
        )


def opening_of(own: PromptModel, tokenizer: PreTrainedTokenizerBase, concept: str) -> list[int]:
    """The tokens that a model reads: the template with the concept in it, of a chat in the model's chat format."""
    text = own.template.replace(SLOT, concept)
    if not own.chat:
        return tokenizer(text).input_ids
    messages = [{"role": "system", "content": own.system}] if own.system else []
    messages.append({"role": "user", "content": text})
    chat = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(chat, add_special_tokens=False).input_ids


def answer_of(own: PromptModel, text: str, ended: bool) -> tuple[str, bool]:
    """The prompt in what a model has written, and whether it ends by itself: at ``stop``, or with a chat's line."""
    if own.stop and own.stop in text:
        text, ended = text.partition(own.stop)[0], True
    if not own.chat:
        return text, ended
    lines, newline, _ = text.rpartition("\n")
    before = caption_of(lines) if newline else ""
    return (before, True) if before else (caption_of(text), ended)
