"""Profiles: every number that a run depends on, validated and frozen; one module a section.

In: a YAML file (``profiles/cpu.yaml``, ``paper.yaml``, ``smoke.yaml`` or your own) and overrides such as
``finetuning.epochs=2``. Out: a ``Profile``. No stage branches on a profile's name.
"""

from c2i_lib.config.analysis import Analysis
from c2i_lib.config.captions import Captions
from c2i_lib.config.concepts import Concepts
from c2i_lib.config.environment import cache_dir
from c2i_lib.config.finetuning import Finetuning, LanguageModel
from c2i_lib.config.images import Images
from c2i_lib.config.judges import JudgeModel, Judges, Selection
from c2i_lib.config.loading import PROFILES_DIR, known_profiles, load_profile, parse_override
from c2i_lib.config.profile import Profile
from c2i_lib.config.prompts import PromptModel, Prompts
from c2i_lib.config.survey import Question, Survey

__all__ = [
    "PROFILES_DIR",
    "Analysis",
    "Captions",
    "Concepts",
    "Finetuning",
    "Images",
    "JudgeModel",
    "Judges",
    "LanguageModel",
    "Profile",
    "PromptModel",
    "Prompts",
    "Question",
    "Selection",
    "Survey",
    "cache_dir",
    "known_profiles",
    "load_profile",
    "parse_override",
]
