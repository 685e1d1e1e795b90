"""What pages and attention checks say, in three languages and in a file of one's own."""

import json
import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from survey_run import make_run, served

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey import web
from c2i_lib.stages.survey.build import draw_check, make_checks
from c2i_lib.stages.survey.web.texts import LANGUAGES, instructions_of, load_texts

STATIC = Path(web.__file__).parent / "static"


def test_each_language_says_everything():
    assert LANGUAGES == ("de", "en", "ja")
    for language in LANGUAGES:
        texts = load_texts(language)
        assert texts["lang"] == language and instructions_of(language).stem == f"instructions.{language}"
        assert len(instructions_of(language).read_text(encoding="utf-8")) > 400
    assert instructions_of("mine.json").stem == "instructions.en"


def test_pages_use_every_text_and_no_other():
    used = re.findall(r"\bt\.(\w+)", (STATIC / "page.html").read_text(encoding="utf-8"))
    for script in ("practice.js", "survey.js"):
        used += re.findall(r'\bt\("(\w+)"', (STATIC / script).read_text(encoding="utf-8"))
    python = "".join(path.read_text(encoding="utf-8") for path in (Path(web.__file__).parents[1]).rglob("*.py"))
    used += re.findall(r'texts(?:\(settings\.texts\))?\["(\w+)"\]', python)
    assert set(used) == set(load_texts("en"))


def test_a_file_of_ones_own_must_say_all_that_pages_need(tmp_path):
    path, texts = tmp_path / "mine.json", load_texts("en")
    path.write_text(json.dumps(texts | {"title": "Meine"}), encoding="utf-8")
    assert load_texts(str(path))["title"] == "Meine"
    for wrong, message in (
        ({"title": ""}, "no text 'title'"),
        ({"titel": "x"}, "unknown text 'titel'"),
        ({"picture": "Picture {n}"}, "'picture' should hold {number}, {total}"),
    ):
        path.write_text(json.dumps(texts | wrong), encoding="utf-8")
        with pytest.raises(C2IError, match=message):
            load_texts(str(path))
    for content in (b"\xff", b"[]", b"{"):
        path.write_bytes(content)
        with pytest.raises(C2IError, match=r"mine\.json should"):
            load_texts(str(path))
    with pytest.raises(C2IError, match="none of de, en, ja"):
        load_texts("klingon")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_speaks_its_language(language, tmp_path):
    texts = load_texts(language)
    with served(make_run(tmp_path / "run"), settings=load_profile("smoke", {"survey.texts": language}).survey) as site:
        page = httpx.get(f"{site[0]}/r/{site[1].tokens['rater_1']}").text
        assert f'<html lang="{language}">' in page and f">{texts['agree']}<" in page
        assert instructions_of(language).read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") in page
        assert httpx.get(f"{site[0]}/r/nobody").json()["detail"] == texts["invalid_text"]


def test_checks_are_drawn_in_letters_that_the_font_has():
    german = load_profile("smoke", {"survey.texts": "de", "survey.attention_checks": 1}).survey
    assert set(make_checks(german, seed=0)["concept"]) == {load_texts("de")["check_concept"]}
    pictures = [
        np.asarray(draw_check(load_profile("smoke", {"survey.texts": name}).survey, 1, 2)) for name in ("de", "en")
    ]
    assert not np.array_equal(*pictures)
    for picture in pictures:
        assert picture[:, :4].min() == 255 and picture[:, -4:].min() == 255, "the text fits"
    japanese = load_profile("smoke", {"survey.texts": "ja"}).survey
    with pytest.raises(C2IError, match=r"cannot write .*survey\.check_font"):
        draw_check(japanese, 1, 2)
    with pytest.raises(C2IError, match="is no font file"):
        draw_check(load_profile("smoke", {"survey.check_font": "nothing.ttf"}).survey, 1, 2)
