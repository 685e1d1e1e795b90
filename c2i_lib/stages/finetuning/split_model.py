"""A causal language model cut in two after its frozen layers.

In: any Hugging Face causal language model. Out: ``lower``, token ids → hidden states before the first layer that
trains, and ``upper``, hidden states → the loss. What is below the cut never changes, so it runs without gradients and,
with more than one epoch, once (``PrefixCache``). The loss is computed in chunks that never hold all logits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec

import torch
from transformers import PreTrainedModel

from c2i_lib.errors import ModelError
from c2i_lib.models.language_model import transformer_layers

_CHUNK = 512  # tokens whose logits exist at one time


class _ChunkedLoss(torch.autograd.Function):
    """Summed cross-entropy of a frozen output head; the gradient is computed in the forward pass, chunk by chunk.

    The idea of Liger Kernel (Hsu et al. 2024, arXiv:2410.10989) and Cut Cross-Entropy (Wijmans et al. 2024,
    arXiv:2411.09009): logits of all tokens would take more memory than the model.
    """

    @staticmethod
    def forward(context, hidden, weight, bias, targets):
        gradient = torch.empty_like(hidden) if hidden.requires_grad else None
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, len(hidden), _CHUNK):
            part, wanted = hidden[start : start + _CHUNK].to(weight.dtype), targets[start : start + _CHUNK, None]
            logits = torch.nn.functional.linear(part, weight, bias).float()
            highest, right = logits.amax(1, keepdim=True), logits.gather(1, wanted)
            shares = logits.sub_(highest).exp_()  # in place: passes over logits cost as much as the matrix products
            sums = shares.sum(1, keepdim=True)
            total += (sums.log() + highest - right).sum()
            if gradient is not None:  # d loss / d hidden = (softmax − one-hot) · weight
                expected = (shares.to(weight.dtype) @ weight).float() / sums
                gradient[start : start + _CHUNK] = expected - weight[wanted[:, 0]].float()
        context.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(context, scale):
        (gradient,) = context.saved_tensors
        return gradient * scale, None, None, None


def _summed_loss(hidden, weight, bias, targets) -> torch.Tensor:
    """Summed cross-entropy of a frozen head: by Liger Kernel on a GPU where it is installed, else in torch."""
    if hidden.is_cuda and find_spec("liger_kernel"):
        from liger_kernel.transformers.functional import liger_fused_linear_cross_entropy

        return liger_fused_linear_cross_entropy(hidden.to(weight.dtype), weight, targets, bias, reduction="sum")
    return _ChunkedLoss.apply(hidden, weight, bias, targets)


class _Stop(Exception):
    """Raised where the lower part ends."""


class SplitModel:
    """``model`` cut after its first ``n_frozen`` layers. Its embeddings and output head are frozen too.

    Raises ``ModelError`` when the two halves do not compute what the whole model does (``check``).
    """

    def __init__(self, model: PreTrainedModel, n_frozen: int):
        self.model, self.n_frozen = model, n_frozen
        self.layers = transformer_layers(model)
        self.head = model.get_output_embeddings()

    @contextmanager
    def _at_the_cut(self, hook) -> Iterator[None]:
        handle = self.layers[self.n_frozen].register_forward_pre_hook(hook, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def _frozen_layers_skipped(self) -> Iterator[None]:
        """Frozen layers hand on what they get; the cut puts in the right hidden states."""
        with ExitStack() as stack:
            for layer in self.layers[: self.n_frozen]:
                layer.forward = _hand_on
                stack.callback(vars(layer).pop, "forward")
            yield

    def _run(self, ids: torch.Tensor) -> torch.Tensor:
        # Padding is on the right, where causal attention never looks, so no mask is needed.
        return self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state

    @torch.no_grad()
    def lower(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids ``(n, length)`` → hidden states ``(n, length, width)`` before the first layer that trains."""
        found = []

        def stop(layer, arguments, keywords):
            found.append(arguments[0] if arguments else keywords["hidden_states"])
            raise _Stop

        was_training = self.model.training
        self.model.eval()  # what is frozen is a constant: no dropout
        try:
            with self._at_the_cut(stop):
                self._run(ids)
        except _Stop:
            self.model.train(was_training)
            return found[0]
        raise ModelError(f"{type(self.model).__name__} does not run its layers in order: it cannot be split")

    def upper(self, hidden: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Hidden states at the cut ``(n, length, width)`` → those after the last norm, of the same shape."""

        def put_in(layer, arguments, keywords):
            if arguments:
                return (hidden, *arguments[1:]), keywords
            return arguments, {**keywords, "hidden_states": hidden}

        with self._frozen_layers_skipped(), self._at_the_cut(put_in):
            return self._run(ids)

    def loss(self, hidden: torch.Tensor, ids: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
        """Summed next-token loss over the tokens of ``ids`` where ``predicted (n, length)`` holds."""
        last = self.upper(hidden, ids)[:, :-1][predicted[:, 1:]]
        return _summed_loss(last, self.head.weight, getattr(self.head, "bias", None), ids[:, 1:][predicted[:, 1:]])

    def check(self, ids: torch.Tensor) -> None:
        """Raise ``ModelError`` unless both halves are the whole model on ``ids``, and all that trains learns."""
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad():
            logits = self.model(input_ids=ids, use_cache=False).logits.float()
        whole = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")
        halves = self.loss(self.lower(ids), ids, torch.ones_like(ids, dtype=torch.bool))
        halves.backward()
        trainable = {name: part for name, part in self.model.named_parameters() if part.requires_grad}
        idle = [name for name, part in trainable.items() if part.grad is None]
        self.model.zero_grad()
        self.model.train(was_training)
        name = type(self.model).__name__
        if not torch.isclose(whole, halves.detach(), rtol=1e-3):
            raise ModelError(
                f"{name} cannot be trained from its frozen layers: the loss of a test text is {halves.item():.4f} in "
                f"two halves and {whole.item():.4f} whole (does it scale its logits?)"
            )
        if idle:
            raise ModelError(f"{name} cannot be trained from its frozen layers: no gradient reaches {', '.join(idle)}")


def _hand_on(hidden_states: torch.Tensor, *arguments, **keywords) -> torch.Tensor:
    return hidden_states
