"""Profiles: every number that a run depends on, validated and frozen.

In: a YAML file (``profiles/cpu.yaml``, ``paper.yaml``, ``smoke.yaml`` or your own) and overrides such as
``finetuning.epochs=2``. Out: a ``Profile``. No stage branches on a profile's name.
"""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field, model_validator

from c2i_lib.config.analysis import Analysis
from c2i_lib.config.captions import Captions
from c2i_lib.config.concepts import Concepts
from c2i_lib.config.finetuning import Finetuning, LanguageModel
from c2i_lib.config.images import Images
from c2i_lib.config.judges import Judges
from c2i_lib.config.prompts import Prompts
from c2i_lib.config.section import Section
from c2i_lib.config.survey import Survey
from c2i_lib.study import ARMS, FINETUNED_ARMS, QUESTIONS


class Profile(Section):
    """All sections of a run. Raises ``ProfileError`` (through the loaders) on impossible combinations."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]  # of its folder in runs/
    label: str  # printed on every figure and table
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
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
        self._check_pairs()
        self._check_plan()
        n_eval = round(self.captions.n_finetune * self.captions.eval_share)
        if not 0 < n_eval < self.captions.n_finetune:
            use = "evaluation" if n_eval == 0 else "training"
            raise ValueError(f"captions.eval_share of captions.n_finetune leaves no caption for {use}; change one")
        return self

    def _check_own_arms(self) -> None:
        prompts = self.prompts
        if taken := sorted(set(prompts.models) & set(ARMS)):
            raise ValueError(f"prompts.models has {taken}, which c2i names itself; give another name")
        if unknown := sorted({*prompts.arms, *self.survey.arms, *prompts.candidates} - {*ARMS, *prompts.models}):
            known = ", ".join((*ARMS, *prompts.models))
            raise ValueError(
                f"prompts.arms, survey.arms or prompts.candidates has {unknown}: use {known}, or add it to "
                "prompts.models"
            )
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
        for name in QUESTIONS:
            n_labels = len(getattr(survey, name).labels)
            if n_labels != survey.scale_points:
                raise ValueError(
                    f"survey.{name}.labels names {n_labels} points, but scale_points is {survey.scale_points}"
                )
        if survey.raters_in_all_surveys > survey.raters_per_survey:
            raise ValueError("survey.raters_in_all_surveys is more than survey.raters_per_survey")
        if survey.repeated_images > n_images // survey.n_surveys:
            raise ValueError("survey.repeated_images is more than a survey has images")
        for number, item in enumerate(survey.training.items):
            for name in QUESTIONS:
                low, high = getattr(item, name) or (1, 1)
                if not low <= high <= survey.scale_points:
                    raise ValueError(
                        f"survey.training.items.{number}.{name} is [{low}, {high}]: expected the lowest and highest "
                        f"of 1 to {survey.scale_points}"
                    )

    def _check_pairs(self) -> None:
        """Pairs have no repeats, checks or training, are answered by people, and differences are in no points."""
        survey, margins = self.survey, dict(self.analysis.margin)
        wanted = {
            "survey.simulate_raters": (survey.simulate_raters, False),
            "survey.images_per_survey": (survey.images_per_survey, None),
            "survey.repeated_images": (survey.repeated_images, 0),
            "survey.attention_checks": (survey.attention_checks, 0),
            "survey.training.anchors": (survey.training.anchors, 0),
            "survey.training.items": (survey.training.items, ()),
            "survey.exclusions.failed_checks_above": (survey.exclusions.failed_checks_above, None),
            **{f"analysis.margin.{question}": (margin, None) for question, margin in margins.items()},
        }
        wrong = {name: should for name, (found, should) in wanted.items() if found != should}
        if survey.mode == "pairwise" and wrong:
            should = ", ".join(f"{name}={json.dumps(value)}" for name, value in wrong.items())
            raise ValueError(f"survey.mode pairwise has no such parts; set {should}, or survey.mode likert")

    def _check_plan(self) -> None:
        """What the study sets out to show can be seen in its survey."""
        survey, analysis = self.survey, self.analysis
        named = {arm for contrast in analysis.primary for arm in (contrast.arm, contrast.baseline)}
        if unknown := sorted(named - set(survey.arms)):
            raise ValueError(
                f"analysis.primary has {unknown}, which survey.arms does not have: use {', '.join(survey.arms)}, or "
                "add it there"
            )
        for question, margin in analysis.margin:
            if margin is not None and margin >= survey.scale_points - 1:
                raise ValueError(
                    f"analysis.margin.{question} is {margin:g} points, and no difference on a scale of "
                    f"{survey.scale_points} is larger than {survey.scale_points - 1}: give the smallest that matters, "
                    "such as 0.3"
                )
