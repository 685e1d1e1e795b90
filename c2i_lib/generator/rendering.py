"""Prompts → pictures, and files of them that never take each other's place.

In: a run's profile, prompts with seeds. Out: pictures, saved as PNG with all that they were made from. No language
model is loaded. Ignored: who wrote the prompts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from c2i_lib.config import Images
from c2i_lib.errors import C2IError
from c2i_lib.generator.sheet import Written, check
from c2i_lib.records.files import hash_of
from c2i_lib.run.places import Run
from c2i_lib.stages.images import (
    load_pipeline,
    picture_metadata,
    read_metadata,
    render_and_flag,
    save_png,
    to_pixels,
)
from c2i_lib.stages.prompts import Window
from c2i_lib.text.explicit import is_explicit, read_words

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

_LIBRARY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Picture:
    """A rendered prompt: ``image`` is ``(size, size, 3)`` uint8, ``path`` the PNG when it was saved, ``flagged`` what
    is wrong with it (``unsafe``, ``nan``, ``blank``, ``explicit`` by its prompt), if anything. ``quality`` and
    ``faithfulness`` are the selecting judges' scores, where the picture was chosen by them. ``source``: the prompt as
    it was rendered, and how it came about."""

    prompt: str
    seed: int
    image: np.ndarray
    path: Path | None = None
    flagged: str = ""
    quality: float | None = None
    faithfulness: float | None = None
    source: Written | None = None


class Renderer:
    """Renders prompts with the TTI model of ``run``, which is loaded when the first one is."""

    def __init__(self, run: Run):
        self.run, self.settings = run, run.profile.images

    @cached_property
    def pipeline(self) -> DiffusionPipeline:
        """The TTI model."""
        return load_pipeline(self.settings)

    @cached_property
    def window(self) -> Window:
        """What the TTI model sees of a prompt."""
        return Window(self.settings.model, self.settings.revision)

    def with_negative(self, negative: str | None) -> Images:
        """The settings with another negative prompt (None: the profile's). Raises ``C2IError`` for one that does
        nothing, because the TTI model does not see it all or has no guidance."""
        if negative is None:
            return self.settings
        negative = " ".join(negative.split())
        if negative and self.settings.guidance <= 1:
            raise C2IError(
                f"a negative prompt needs images.guidance above 1, found {self.settings.guidance:g}: leave it out"
            )
        n_tokens = self.window.count(negative)
        if n_tokens > self.window.size:
            raise C2IError(f"the negative prompt should be {self.window.size} tokens at most, found {n_tokens}: cut it")
        return self.settings.model_copy(update={"negative_prompt": negative})

    def render(
        self, prompts: Sequence[Written], out_dir: Path | None = None, negative: str | None = None
    ) -> list[Picture]:
        """A picture of each prompt from the noise of its seed; saved as PNG when ``out_dir`` is given.

        A prompt is cut to what the TTI model sees, and told so. Raises ``C2IError`` as ``with_negative`` does, and for
        a prompt without a text.
        """
        settings = self.with_negative(negative)
        fitted = [self.fit(check(one, f"prompt {number}")) for number, one in enumerate(prompts, 1)]
        rendered = self.draw([one.prompt for one in fitted], [one.seed for one in fitted], settings)
        return [
            self.finish(one, image, flagged, render_command(one, negative), out_dir, settings)
            for one, (image, flagged) in zip(fitted, rendered, strict=True)
        ]

    def draw(self, texts: Sequence[str], seeds: Sequence[int], settings: Images) -> Iterator[tuple[np.ndarray, str]]:
        """Float images and their flags, batch by batch."""
        return render_and_flag(self.pipeline, list(texts), list(seeds), settings)

    def fit(self, one: Written) -> Written:
        """A prompt as the TTI model sees it. What was known about the text that a person has edited is left out."""
        fitted = str(self.window.fit(one.prompt)["text"])
        words = read_words(self.run.profile.captions.explicit_words)
        cut, notes = one.prompt[len(fitted) :].strip(" ,;"), one.notes
        if one.is_edited:
            one, notes = replace(one, added={}, nearest={}, cut=""), ["edited by hand"]
        if cut:
            one, notes = replace(one, cut=cut), [*notes, self.window.note(cut)]
        return replace(one, prompt=fitted, explicit=bool(is_explicit([fitted], words)[0]), notes=notes)

    def finish(
        self,
        one: Written,
        image: np.ndarray,
        flagged: str,
        command: Sequence[str],
        out_dir: Path | None,
        settings: Images,
        more: Mapping[str, Any] | None = None,
        **scores: float,
    ) -> Picture:
        """A picture that is handed out, saved with the command that makes it again and ``more`` that is to be known."""
        flagged = flagged or "explicit" * one.explicit
        own = {"prompt": one.prompt, "concept": one.concept, "arm": one.arm, "sample": one.sample, **(more or {})}
        own |= {"prompt_seed": one.seed, "seed": one.seed, "flagged": flagged, "run": self._run_name(), **one.about()}
        path = None
        if out_dir:
            metadata = picture_metadata(settings, self.run.profile.name, command, **own)
            path = free_path(Path(out_dir), one, metadata)
            save_png(image, path, metadata)
        return Picture(one.prompt, one.seed, to_pixels(image), path, flagged, **scores, source=one)

    def _run_name(self) -> str:
        """The run's folder, from here where it lies below; empty for the profile's own, which needs no name."""
        directory = self.run.directory
        return "" if directory == _LIBRARY.parent / "runs" / self.run.profile.name else run_folder(self.run)


def run_folder(run: Run) -> str:
    """The folder of a run, from here where it lies below."""
    here = Path.cwd()
    return run.name or str(run.directory.relative_to(here) if run.directory.is_relative_to(here) else run.directory)


def free_path(folder: Path, one: Written, metadata: Mapping[str, Any]) -> Path:
    """Where a picture is saved: its concept, arm and number, and a hash of what its pixels come from.

    Other concepts, runs, seeds, settings or words have other names. A file that is there stays, unless it is this very
    picture: then the next number is taken.
    """
    stem = re.sub(r"\W+", "_", (one.concept or one.prompt).lower()).strip("_")
    stem = stem.encode()[:100].decode(errors="ignore") or "picture"  # file systems count bytes
    names = ("prompt", "concept", "arm", "sample", "seed", "run", "profile", *Images.model_fields)
    digest = hash_of({name: metadata.get(name) for name in names})[:8]
    name = "-".join(filter(None, (stem, one.arm, str(one.sample), digest)))
    return _first_free(lambda number: folder / f"{name}{f'-{number}' * (number > 1)}.png", metadata)


def _first_free(path_of: Callable[[int], Path], metadata: Mapping[str, Any]) -> Path:
    number = 1
    while path_of(number).exists() and read_metadata(path_of(number)) != metadata:
        number += 1
    return path_of(number)


def render_command(one: Written, negative: str | None = None) -> list[str]:
    """The arguments of the command line that render a prompt again; None: the profile's negative prompt."""
    command = ["render", f"--prompt={one.prompt}", "--seed", str(one.seed), "--sample", str(one.sample)]
    named = {"concept": one.concept, "arm": one.arm, "negative": negative}
    return [*command, *(f"--{name}={value}" for name, value in named.items() if value is not None and value != "")]
