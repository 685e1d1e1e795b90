import re

import pytest
import yaml

from c2i_lib.config import PROFILES_DIR, known_profiles, load_profile, parse_override
from c2i_lib.errors import ProfileError
from c2i_lib.study import ARMS, replicates

OWN = {"model": "some/model", "template": "{concept}"}
CONTRAST = {"arm": "ft", "baseline": "base", "question": "quality"}
TURNED = {"arm": "base", "baseline": "ft", "question": "quality"}
ARMS_AND_MINE = ["concept_only", "base", "ft", "ft_tags", "ft_topic", "ft_good", "mine"]


@pytest.mark.parametrize("name", ["cpu", "paper", "smoke"])
def test_every_profile_loads_under_its_own_name(name):
    assert load_profile(name).name == name
    assert name in known_profiles()


def test_paper_profile_has_the_numbers_of_the_paper():
    paper = load_profile("paper")
    assert (paper.captions.n_finetune, paper.captions.eval_share) == (450_000, 0.1)
    assert (paper.captions.n_mining, paper.captions.n_length) == (300_000, 300_000)
    assert paper.language_model.frozen_layers == 42
    assert (paper.concepts.n_concepts, paper.prompts.n_per_concept) == (10, 5)
    assert (paper.survey.n_surveys, paper.survey.images_per_survey) == (2, 75)
    assert (paper.survey.raters_per_survey, paper.survey.scale_points) == (4, 4)
    assert not paper.survey.simulate_raters


def n_values_in(settings):
    return sum(n_values_in(value) if isinstance(value, dict) and value else 1 for value in settings.values())


def test_every_value_of_the_paper_profile_says_where_it_comes_from():
    text = (PROFILES_DIR / "paper.yaml").read_text(encoding="utf-8")
    lines = re.findall(r"^  +\w+: .*$", text, flags=re.MULTILINE)
    assert len(lines) == n_values_in(yaml.safe_load(text)) - 3  # name, label and seed
    origin = re.compile(r"# .*(Method|Experiments|not stated in the paper|not in the paper|our choice|our addition)")
    assert [line for line in lines if not origin.search(line)] == []


def test_paper_profile_states_every_setting_that_decides_the_result():
    settings = yaml.safe_load((PROFILES_DIR / "paper.yaml").read_text(encoding="utf-8"))
    used = load_profile("paper").model_dump()
    sections = [name for name, section in settings.items() if isinstance(section, dict)]
    unstated = [(name, key) for name in sections for key in set(used[name]) - set(settings[name])]
    assert unstated == [("captions", "text_column")]  # found by name


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"finetuning.epoch": 1}, ["finetuning.epoch", "unknown key", "epochs", "learning_rate"]),
        ({"colour": "red"}, ["colour", "unknown key", "seed", "survey"]),
        ({"survay.n_surveys": 2}, ["survay", "no section"]),
        ({"finetuning.epochs": "two"}, ["finetuning.epochs", "integer", "'two'"]),
        ({"finetuning.epochs": 0}, ["finetuning.epochs", "found 0"]),
        ({"prompts.arms": ["ft", "best"]}, ["prompts.arms", "'best'"]),
        ({"prompts.models": {"mine": {"model": "x"}}}, ["prompts.models.mine.template", "missing"]),
        (
            {"prompts.models": {"mine": {"model": "x", "template": "{concept}", "beams": 2}}},
            ["mine.beams", "num_beams"],
        ),
        ({"prompts.models": {"mine": {"model": "x", "template": "concept"}}}, ["prompts.models.mine.template"]),
        ({"prompts.models": {"Mine!": {"model": "x", "template": "{concept}"}}}, ["prompts.models.Mine!"]),
        ({"captions": 3}, ["captions", "found 3"]),
        (
            {"analysis.primary": [{**CONTRAST, "question": "beauty"}]},
            ["primary.0.question", "'faithfulness'", "beauty"],
        ),
        ({"analysis.primary": [{"arm": "ft"}]}, ["primary.0.baseline", "missing"]),
        ({"analysis.margin.beauty": 0.3}, ["analysis.margin.beauty", "unknown key", "quality, faithfulness"]),
        ({"analysis.margin.quality": 0}, ["analysis.margin.quality", "greater than 0", "found 0"]),
    ],
)
def test_an_error_names_the_key_and_what_is_allowed(overrides, words):
    with pytest.raises(ProfileError) as error:
        load_profile("smoke", overrides)
    assert [word for word in words if word not in str(error.value)] == []


@pytest.mark.parametrize(
    ("overrides", "fix"),
    [
        ({"finetuning.arms": ["ft"]}, r"ft_tags.*finetuning\.arms does not train; add it there"),
        ({"prompts.arms": ["base", "ft"]}, r"survey\.arms has .*prompts\.arms does not have; add it there"),
        ({"survey.arms": ["base"]}, r"survey\.arms must name at least two different arms"),
        ({"survey.arms": ["base", "base"]}, r"survey\.arms must name at least two different arms"),
        ({"prompts.models": {"ft": OWN}}, r"prompts\.models has \['ft'\], which c2i names itself"),
        (
            {
                "prompts.models": {"mine": {**OWN, "num_beams": 2}},
                "prompts.arms": ARMS_AND_MINE,
                "prompts.n_per_concept": 3,
            },
            r"models\.mine\.num_beams is less than prompts\.n_per_concept",
        ),
        ({"survey.images_per_survey": 10}, r"is 20, but .* 36 images; set survey\.images_per_survey to null"),
        ({"survey.quality": {"text": "?", "labels": ["bad", "good"]}}, r"quality\.labels names 2 points, but .* is 4"),
        ({"survey.raters_in_all_surveys": 9}, r"raters_in_all_surveys is more than survey\.raters_per_survey"),
        ({"survey.repeated_images": 19}, r"repeated_images is more than a survey has images"),
        (
            {"concepts.given": {"mine": ["cat", "dog"]}},
            r"given should hold n_concepts \(3\) different concepts, found 2",
        ),
        ({"concepts.given": {"mine": ["cat", "dog"], "yours": ["cat"]}}, r"n_concepts \(3\) different concepts"),
        ({"concepts.given": {"mine": ["cat", "dog"], "yours": ["sea", "sun"]}}, r"different concepts, found 4"),
        ({"captions.eval_share": 0.001}, r"no caption for evaluation"),
        (
            {"analysis.primary": [{**CONTRAST, "arm": "retrieved"}]},
            r"primary has \['retrieved'\], which survey\.arms does not have: use concept_only, .*, or add it there",
        ),
        ({"analysis.primary": [{**CONTRAST, "arm": "base"}]}, r"compares 'base' with itself: give another baseline"),
        ({"analysis.primary": [CONTRAST, TURNED]}, r"names \['base', 'ft'\] on quality more than once: keep one"),
        ({"analysis.primary": [CONTRAST] * 5}, r"at most 4 contrasts, found 5: keep those that the study is about"),
        ({"analysis.margin.quality": 3}, r"margin\.quality is 3 points, and no difference .* larger than 3: give"),
        ({"analysis.margin.quality": 0.3, "analysis.confidence": 0.5}, r"confidence above 0\.5, found 0\.5: raise it"),
        ({"captions.n_finetune": 2, "captions.eval_share": 0.9}, r"no caption for training"),
    ],
)
def test_an_impossible_combination_is_refused_with_its_fix(overrides, fix):
    with pytest.raises(ProfileError, match=fix):
        load_profile("smoke", overrides)


def test_the_fix_for_a_survey_size_can_be_followed():
    """36 images do not divide by 5; spread evenly they need no number of images a survey."""
    with pytest.raises(ProfileError, match="to null to spread them evenly"):
        load_profile("smoke", {"survey.n_surveys": 5, "survey.images_per_survey": 7})
    assert load_profile("smoke", {"survey.n_surveys": 5, "survey.images_per_survey": None}).survey.n_surveys == 5


def test_more_concepts_need_no_other_change():
    assert load_profile("cpu", {"concepts.n_concepts": 12}).concepts.n_concepts == 12


def test_concepts_can_be_given_in_groups():
    given = {"mine": ["cat", "dog"], "yours": ["sea"]}
    assert load_profile("smoke", {"concepts.given": given}).concepts.given == {
        "mine": ("cat", "dog"),
        "yours": ("sea",),
    }


def test_an_arm_has_as_many_models_as_seeds_and_one_where_nothing_trains():
    settings = load_profile("smoke", {"finetuning.n_seeds": 3}).finetuning
    assert replicates("ft_tags", settings.n_seeds) == {"ft_tags": 1, "ft_tags_2": 2, "ft_tags_3": 3}
    for arm in ("concept_only", "retrieved", "base", "mine"):
        assert replicates(arm, settings.n_seeds) == {arm: 1}


def test_the_first_models_of_all_arms_train_before_the_second_ones_and_the_held_out_one_last():
    overrides = {"finetuning.arms": ["ft_topic", "ft"], "finetuning.n_seeds": 2, "prompts.arms": ["base", "ft"]}
    overrides["survey.arms"] = ["base", "ft"]
    arms = load_profile("smoke", overrides).finetuning.checkpoints
    expected = {"ft_topic": "ft_topic", "ft": "ft", "ft_topic_2": "ft_topic", "ft_2": "ft", "held_out": "ft_tags"}
    assert list(arms.items()) == list(expected.items())
    without = load_profile("smoke", {**overrides, "finetuning.held_out_model": False}).finetuning
    assert list(without.checkpoints) == list(expected)[:-1]


@pytest.mark.parametrize("name", ["cpu", "smoke"])
def test_profiles_of_the_embedded_world_write_with_every_arm_and_show_raters_all_but_the_copies(name):
    """The closed world's report is from before ft_good, and three more models would take it ten minutes."""
    profile = load_profile(name)
    arms = [arm for arm in ARMS if arm != "ft_good" or name != "closed_world"]
    assert list(profile.prompts.arms) == arms
    assert list(profile.survey.arms) == [arm for arm in arms if arm != "retrieved"]
    assert profile.finetuning.held_out_model


def test_a_missing_key_is_named(tmp_path):
    settings = yaml.safe_load((PROFILES_DIR / "smoke.yaml").read_text(encoding="utf-8"))
    del settings["images"]["steps"]
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(settings))
    with pytest.raises(ProfileError, match=r"images\.steps: missing"):
        load_profile(file)


def test_a_profile_can_be_a_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text((PROFILES_DIR / "smoke.yaml").read_text().replace("name: smoke", "name: mine"))
    assert load_profile(file).name == "mine"


def test_an_unknown_profile_lists_the_known_ones():
    with pytest.raises(ProfileError, match="'gpu'.*cpu, paper, smoke"):
        load_profile("gpu")


@pytest.mark.parametrize("text", ["", "just words", "a: [1"])
def test_a_file_that_is_no_profile_is_refused(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ProfileError, match="bad.yaml"):
        load_profile(tmp_path / "bad.yaml")


def test_overrides_change_only_what_they_name():
    arms = ("ft_topic", "concept_only", "base", "ft_good", "ft_tags", "ft")
    changed = load_profile("smoke", {"finetuning.epochs": 9, "prompts.arms": list(arms)})
    assert changed.finetuning.epochs == 9
    assert changed.prompts.arms == arms
    assert changed.images == load_profile("smoke").images


def test_a_profile_is_frozen():
    profile = load_profile("smoke")
    with pytest.raises(ValueError, match="frozen"):
        profile.seed = 1
    with pytest.raises(ValueError, match="frozen"):
        profile.finetuning.epochs = 1


def test_parse_override_reads_yaml_values():
    assert parse_override("finetuning.epochs=2") == ("finetuning.epochs", 2)
    assert parse_override("prompts.arms=[base, ft]") == ("prompts.arms", ["base", "ft"])
    assert parse_override("survey.simulate_raters=false") == ("survey.simulate_raters", False)
    assert parse_override("captions.source=a=b.txt") == ("captions.source", "a=b.txt")


@pytest.mark.parametrize("text", ["finetuning.epochs", "=2", "prompts.arms=[base"])
def test_parse_override_refuses_what_is_no_override(text):
    with pytest.raises(ProfileError):
        parse_override(text)


def test_only_a_chat_has_a_system_message():
    with pytest.raises(ProfileError, match=r"models\.mine.*only a chat has; set chat to true"):
        load_profile("smoke", {"prompts.models": {"mine": {**OWN, "system": "Be short."}}})


def test_arms_are_open_and_the_paper_profile_offers_four():
    """A name in prompts.arms is enough; the survey may have it, too."""
    mine = load_profile("smoke", {"prompts.models": {"mine": OWN}, "prompts.arms": ARMS_AND_MINE})
    assert mine.prompts.models["mine"].num_beams == 1
    offered = load_profile("paper").prompts.models
    arms = [*load_profile("paper").prompts.arms, *offered]
    assert load_profile("paper", {"prompts.arms": arms}).prompts.arms[-4:] == tuple(offered)
    assert tuple(offered) == ("magic_prompt", "promptist", "tipo", "rewrite")
    promptist = offered["promptist"]
    assert (promptist.num_beams, promptist.length_penalty, promptist.max_new_tokens) == (8, -1.0, 75)


def test_a_plan_names_contrasts_and_margins_and_is_empty_by_default():
    analysis = load_profile("smoke", {"analysis.primary": [CONTRAST], "analysis.margin.quality": 0.3}).analysis
    assert [contrast.model_dump() for contrast in analysis.primary] == [CONTRAST]
    assert dict(analysis.margin) == {"quality": 0.3, "faithfulness": None}
    for name in known_profiles():
        assert load_profile(name).analysis.primary == ()
        assert set(dict(load_profile(name).analysis.margin).values()) == {None}
