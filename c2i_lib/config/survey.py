"""The section ``survey`` of a profile: what raters are shown and asked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from c2i_lib.config.section import Few, FewOrNone, Section, Weight

Link = Annotated[str, Field(pattern=r"^https?://\S+$")]


class Question(Section):
    """A question of the survey, with a name for each point of its scale, the lowest first."""

    text: str
    labels: tuple[str, ...]


class Exclusions(Section):
    """Rules by which a rater does not count, to be declared before anybody has seen the answers; None: no such rule."""

    failed_checks_above: FewOrNone | None = None  # attention checks with an answer that was not asked for
    same_answer_share: Annotated[float, Field(gt=0, le=1)] | None = None  # of the most frequent answer, at least
    same_answer_over: Few = 20  # where there are at least so many answers
    median_seconds_below: Weight | None = None  # from one answer to the next


class TrainingItem(Section):
    """A picture for training, the lowest and the highest answer that is expected to each question (None: any), and what
    a rater is told after answering."""

    picture: str  # a file
    concept: str
    quality: tuple[Few, Few] | None = None
    faithfulness: tuple[Few, Few] | None = None
    feedback: Annotated[str, Field(min_length=1)]


class Training(Section):
    """What raters see, answer and are told before the first picture that counts; with 0 and () there is none."""

    anchors: Annotated[int, Field(ge=0, le=20)] = 3  # drawn by c2i: clean and right, clean and wrong, spoiled and right
    items: tuple[TrainingItem, ...] = ()  # your own, which come after the anchors


class Survey(Section):
    """Stage 06."""

    arms: tuple[str, ...]  # of prompts.arms
    # What raters see: one picture, to be rated on a scale, or two of one concept and seed, one of which may be better.
    mode: Literal["likert", "pairwise"] = "likert"
    n_surveys: Few
    images_per_survey: Few | None = None  # None: all images, spread evenly
    raters_per_survey: Few
    raters_in_all_surveys: FewOrNone = 0  # of these raters
    repeated_images: FewOrNone = 0  # in each survey: shown twice, for a rater's self-agreement
    attention_checks: FewOrNone = 0  # in each survey: pictures that ask for a certain answer
    scale_points: Annotated[int, Field(ge=2, le=101)]
    quality: Question
    faithfulness: Question
    simulate_raters: bool
    exclusions: Exclusions = Exclusions()
    training: Training = Training()
    break_every: Few | None = None  # pictures, after which a rater is asked to take a break
    time_limit_minutes: Few | None = None  # from consent to the last answer that is taken
    texts: str = (
        "en"  # what pages and checks say: en, de, ja, or a JSON file such as stages/survey/web/static/texts.en.json
    )
    place_minutes: Few = 60  # without an answer, after which somebody else may get a place that the entry link gave
    # What the last page shows to who has answered everything, to hand to the panel that sent them:
    completion_url: Link | None = None
    completion_code: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    screen_out_url: Link | None = None  # where those go for whom no place is free
    check_font: str | None = None  # a font file for checks, where the built-in one lacks the letters (Japanese)
