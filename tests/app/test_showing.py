"""What a browser shows: every text is escaped, and added words are marked."""

from c2i_lib.app.showing import bullets_html, command_line, link_html, marked, prompts_html
from c2i_lib.generator import Written


def test_added_words_are_marked_and_say_where_they_come_from():
    one = Written("a red bicycle at Night", 1, "a red bicycle", added={"night": 'as in the caption: a "dark" night'})
    assert marked(one) == 'a red bicycle at <mark title="as in the caption: a &quot;dark&quot; night">Night</mark>'


def test_nothing_that_a_person_or_a_model_wrote_is_html():
    hostile = '<img src=x onerror=alert(1)> & "script"'
    one = Written(hostile, 1, hostile, added={"img": hostile, "script": hostile}, notes=[hostile])
    for html in (prompts_html([one]), bullets_html([hostile]), link_html('?concept=<img>&x="', hostile)):
        assert "<img" not in html and "<script" not in html and 'x"' not in html


def test_a_note_for_all_prompts_is_told_once():
    page = prompts_html([Written("a", 1, notes=["same", "first"]), Written("b", 2, notes=["same"], explicit=True)])
    assert page.count("same") == 1 and "first" in page and "blacklist" in page
    assert prompts_html([]) == ""


def test_a_command_line_is_safe_to_paste():
    command = command_line(["write", "a cat; rm -rf $HOME", "-n", 2], "my run", "cpu")
    assert command == "c2i write 'a cat; rm -rf $HOME' -n 2 --run-dir 'my run'"
    assert command_line(["write", "cat"], "", "cpu").endswith("--profile cpu")
