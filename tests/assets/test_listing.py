"""Lists of assets: what is read, and what is refused with its line."""

import pytest

from c2i_lib.assets.listing import Asset, read_assets
from c2i_lib.errors import C2IError


def test_description_and_style_may_be_missing_and_spaces_do_not_matter(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text('\ufeffstyle, name ,description\n,Fox, "a red,  sly fox"\npixel art,Iron Key,\n', encoding="utf-8")
    assert read_assets(path) == [Asset("Fox", "a red, sly fox"), Asset("Iron Key", "", "pixel art")]
    assert [one.frame for one in read_assets(path)] == ["fox.png", "iron_key.png"]
    path.write_text("name\nfox\n\nkey\n", encoding="utf-8")
    assert read_assets(path) == [Asset("fox"), Asset("key")]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "should have the column name.*found none"),
        (b"title\nfox", "should have the column name.*found title"),
        (b"name,size\nfox,3", "found name, size"),
        (b"name;style\nfox;flat", "found name;style"),
        (b"name\n", "an asset a line, found none"),
        (b"name,style\nfox,flat\n!,flat", "line 3 should have a name with letters or digits, found '!'"),
        (b"name,style\nfox,flat,3", "line 2 should have as many fields"),
        (b"name,style\nfox", "line 2 should have as many fields"),
        (b"name\nRed fox\nred  fox", "red_fox.png in .*line 2 and in .*line 3: rename one"),
        (b"name\n\xff", "CSV in UTF-8"),
    ],
)
def test_a_list_that_is_none_is_told_with_its_line(tmp_path, content, message):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(C2IError, match=f"(?s){message}"):
        read_assets(tmp_path / "list.csv")


def test_a_missing_list_is_told(tmp_path):
    with pytest.raises(C2IError, match="found none at"):
        read_assets(tmp_path / "list.csv")
