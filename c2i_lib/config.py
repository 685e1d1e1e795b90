"""Profiles: every number that a run depends on, validated and frozen.

In: a YAML file (``profiles/cpu.yaml``, ``paper.yaml``, ``smoke.yaml`` or your own) and overrides such as
``finetuning.epochs=2``. Out: a ``Profile``. No stage branches on a profile's name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from c2i_lib.errors import ProfileError
from c2i_lib.finetuning_settings import FINETUNED_ARMS, Finetuning, LanguageModel
from c2i_lib.judge_settings import Judges
from c2i_lib.prompt_settings import Name, Prompts
from c2i_lib.sections import Count, Section, Share

PROFILES_DIR = Path(__file__).parent / "profiles"
ARMS = ("concept_only", "retrieved", "base", *FINETUNED_ARMS)

# Keys that may be given without their section.
_SHORT_KEYS = {"caption_source": "captions.source"}


class Captions(Section):
    """Stage 01. Four splits without a common caption."""

    source: str  # "embedded", a file, folder, glob or URL (.parquet .csv .tsv .jsonl .txt), or "hub:<data set id>"
    revision: str | None = None  # of a hub data set
    text_column: str | None = None  # None: found by name (text or caption, in any case)
    n_finetune: Count
    eval_share: Share  # of n_finetune, kept for evaluation
    n_mining: Count
    n_length: Count
    shrink: bool = False  # splits shrink in proportion when the source is too small; else that is an error
    max_characters: Count = 2000  # longer captions are dropped
    duplicates: Literal["none", "url_text", "text", "near"] = "text"  # what counts as a duplicate within a split
    explicit_words: str | None = None  # file with a blacklist, an entry a line; None: that of better-profanity
    disguised_words: bool = False  # also drop "p0rn" and "p.o.r.n"
    languages: tuple[str, ...] | None = None  # such as [en]; None: all
    drop_nsfw: tuple[str, ...] | None = None  # values of a column NSFW to drop, such as [NSFW]
    min_similarity: float | None = None  # of a column similarity
    on_bad_shard: Literal["error", "skip"] = "error"


class Concepts(Section):
    """Stage 03."""

    n_concepts: Annotated[int, Field(ge=2)]  # intervals over concepts need at least two
    extractor: Literal["parser", "lexicon"] = "parser"  # lexicon: some hundred times faster, about right
    given: dict[Name, tuple[str, ...]] = {}  # by group: the concepts, in place of mined ones
    decisions: str | None = None  # a person's decisions; None: concept_decisions.yaml in the run's folder, if any
    min_frequency: Count  # captions with the phrase
    max_words: Count
    frequency_weight: Annotated[float, Field(ge=0)]
    ambiguity_weight: Annotated[float, Field(ge=0)]
    length_weight: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _given_are_as_many(self) -> Concepts:
        given = [concept for group in self.given.values() for concept in group]
        if given and (len(given) != self.n_concepts or len(set(given)) < len(given)):
            raise ValueError(
                f"given should hold n_concepts ({self.n_concepts}) different concepts, found {len(set(given))}"
            )
        return self


class Images(Section):
    """Stage 05."""

    model: str  # "embedded:glyphs", a folder or a hub id
    revision: str | None = None
    scheduler: Literal["dpm++", "model", "ddim", "euler", "euler_a", "unipc", "lcm"] = "dpm++"  # model: its own
    size: Annotated[int, Field(ge=8, multiple_of=8)]  # pixels, both sides
    steps: Count
    guidance: Annotated[float, Field(ge=0)]  # 1 or less: none, as turbo models want it
    negative_prompt: str = ""  # what guidance leads away from
    precision: Literal["auto", "fp32", "fp16", "bf16"]  # auto: bf16 where in hardware, else fp16 on a GPU, else fp32
    save_memory: bool = False  # decode in tiles, and keep on the GPU only what computes: slower
    batch_size: Count


class Question(Section):
    """A question of the survey, with a name for each point of its scale, the lowest first."""

    text: str
    labels: tuple[str, ...]


class Survey(Section):
    """Stage 06."""

    arms: tuple[str, ...]  # of prompts.arms
    n_surveys: Count
    images_per_survey: Count | None = None  # None: all images, spread evenly
    raters_per_survey: Count
    raters_in_all_surveys: Annotated[int, Field(ge=0)] = 0  # of these raters
    repeated_images: Annotated[int, Field(ge=0)] = 0  # in each survey: shown twice, for a rater's self-agreement
    attention_checks: Annotated[int, Field(ge=0)] = 0  # in each survey: pictures that ask for a certain answer
    scale_points: Annotated[int, Field(ge=2)]
    quality: Question
    faithfulness: Question
    simulate_raters: bool


class Analysis(Section):
    """Stages 07 and 08."""

    n_bootstrap: Annotated[int, Field(ge=100)]
    confidence: Share
    left_out_raters: tuple[str, ...] = ()  # such as one who failed the attention checks; said in every caption


class Profile(Section):
    """All sections of a run. Raises ``ProfileError`` (through the loaders) on impossible combinations."""

    name: str
    label: str  # printed on every figure and table
    seed: Annotated[int, Field(ge=0)]
    captions: Captions
    language_model: LanguageModel
    finetuning: Finetuning
    concepts: Concepts
    prompts: Prompts
    images: Images
    judges: Judges
    survey: Survey
    analysis: Analysis

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Profile:
        self._check_own_arms()
        untrained = set(self.prompts.arms) & set(FINETUNED_ARMS) - set(self.finetuning.arms)
        if untrained:
            raise ValueError(
                f"prompts.arms has {sorted(untrained)}, which finetuning.arms does not train; add it there"
            )
        unrendered = set(self.survey.arms) - set(self.prompts.arms)
        if unrendered:
            raise ValueError(f"survey.arms has {sorted(unrendered)}, which prompts.arms does not have; add it there")
        for key, arms in (("prompts", self.prompts.arms), ("survey", self.survey.arms)):
            if len(arms) < 2 or len(set(arms)) < len(arms):
                raise ValueError(f"{key}.arms must name at least two different arms, found {list(arms)}")
        self._check_survey()
        n_eval = round(self.captions.n_finetune * self.captions.eval_share)
        if not 0 < n_eval < self.captions.n_finetune:
            use = "evaluation" if n_eval == 0 else "training"
            raise ValueError(f"captions.eval_share of captions.n_finetune leaves no caption for {use}; change one")
        return self

    def _check_own_arms(self) -> None:
        prompts = self.prompts
        if taken := sorted(set(prompts.models) & set(ARMS)):
            raise ValueError(f"prompts.models has {taken}, which c2i names itself; give another name")
        if unknown := sorted({*prompts.arms, *self.survey.arms} - {*ARMS, *prompts.models}):
            known = ", ".join((*ARMS, *prompts.models))
            raise ValueError(f"prompts.arms or survey.arms has {unknown}: use {known}, or add it to prompts.models")
        for name, model in prompts.models.items():
            if name in prompts.arms and 1 < model.num_beams < prompts.n_per_concept:
                raise ValueError(f"prompts.models.{name}.num_beams is less than prompts.n_per_concept; raise it")

    def _check_survey(self) -> None:
        survey = self.survey
        n_images = len(survey.arms) * self.concepts.n_concepts * self.prompts.n_per_concept
        if survey.images_per_survey and survey.n_surveys * survey.images_per_survey != n_images:
            raise ValueError(
                f"survey.n_surveys x survey.images_per_survey is {survey.n_surveys * survey.images_per_survey}, but "
                f"{len(survey.arms)} arms x {self.concepts.n_concepts} concepts x {self.prompts.n_per_concept} prompts "
                f"give {n_images} images; set survey.images_per_survey to null to spread them evenly"
            )
        for name in ("quality", "faithfulness"):
            n_labels = len(getattr(survey, name).labels)
            if n_labels != survey.scale_points:
                raise ValueError(
                    f"survey.{name}.labels names {n_labels} points, but scale_points is {survey.scale_points}"
                )
        if survey.raters_in_all_surveys > survey.raters_per_survey:
            raise ValueError("survey.raters_in_all_surveys is more than survey.raters_per_survey")
        if survey.repeated_images > n_images // survey.n_surveys:
            raise ValueError("survey.repeated_images is more than a survey has images")


def _explain(error: ValidationError, where: str) -> str:
    lines = [f"profile {where} is not valid:"]
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known: Any = Profile
            for part in problem["loc"][:-1]:
                known = known.model_fields[part].annotation if part in known.model_fields else known
                known = next((kind for kind in get_args(known) if hasattr(kind, "model_fields")), known)
            known = known.model_fields
            lines.append(f"- {key}: unknown key; remove it, or use one of: {', '.join(known)}")
        elif problem["type"] == "missing":
            lines.append(f"- {key}: missing; add it (see {PROFILES_DIR / 'cpu.yaml'} for an example)")
        else:
            found = "" if not key else f", found {problem['input']!r}"
            lines.append(f"- {key + ': ' if key else ''}{problem['msg'].removeprefix('Value error, ')}{found}")
    return "\n".join(lines)


def parse_override(text: str) -> tuple[str, Any]:
    """``"finetuning.epochs=2"`` as ``("finetuning.epochs", 2)``; the value is read as YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ProfileError(f"expected key=value, such as finetuning.epochs=2, found {text!r}")
    key = _SHORT_KEYS.get(key.strip(), key)
    try:
        return key.strip(), _number(yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise ProfileError(f"the value of {key.strip()} is not YAML: {value!r} ({error})") from error


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``5e-4`` as text; a person means a number."""
    try:
        return float(value) if isinstance(value, str) and "e" in value.lower() else value
    except ValueError:
        return value


def _apply(settings: dict, overrides: Mapping[str, Any]) -> None:
    for key, value in overrides.items():
        *sections, last = key.split(".")
        target = settings
        for section in sections:
            if not isinstance(target.get(section), dict):
                raise ProfileError(f"unknown key {key!r}: the profile has no section {section!r}")
            target = target[section]
        target[last] = value


def _tuples(value: Any) -> Any:
    """YAML lists as tuples, which the strict, frozen sections expect."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def known_profiles() -> list[str]:
    """Names of the profiles that come with the library."""
    return sorted(path.stem for path in PROFILES_DIR.glob("*.yaml"))


def load_profile(name_or_file: str | Path, overrides: Mapping[str, Any] | None = None) -> Profile:
    """A profile by name or YAML file, with ``{"section.key": value}`` overrides.

    Raises ``ProfileError`` that names the key and the fix.
    """
    path = Path(name_or_file)
    if str(name_or_file) in known_profiles():
        path = PROFILES_DIR / f"{name_or_file}.yaml"
    if not path.is_file():
        raise ProfileError(f"unknown profile {str(name_or_file)!r}: use {', '.join(known_profiles())} or a YAML file")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ProfileError(f"profile {path} is not YAML: {error}") from error
    if not isinstance(settings, dict):
        raise ProfileError(f"profile {path} should hold sections such as captions: and images:, found {settings!r}")
    _apply(settings, overrides or {})
    try:
        return Profile.model_validate(_tuples(settings))
    except ValidationError as error:
        raise ProfileError(_explain(error, str(name_or_file))) from None


def cache_dir() -> Path:
    """Where converted models are kept: ``$C2I_CACHE``, or ``c2i`` in the user's cache folder."""
    if os.environ.get("C2I_CACHE"):
        return Path(os.environ["C2I_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "c2i"
