"""Every kind of caption source, and the table of faults: what a bad input gets."""

import gzip
import json
import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from c2i_lib.config import load_profile
from c2i_lib.errors import CaptionError, MissingPackageError
from c2i_lib.stages.captions.sources import Reading, dataset_batches, fingerprint, list_files, read_batches

TEXTS = ["a red bicycle", "ein schönes Haus, 1925", 'a "quoted"\nand broken cat', "صورة قطة", "🐈", "None"]


def settings(source, **changes):
    overrides = {f"captions.{key}": value for key, value in changes.items()}
    return load_profile("smoke", {"captions.source": str(source), **overrides}).captions


def read(source, size=4, **changes):
    """All captions of a source and what reading has shown."""
    reading = Reading()
    batches = list(read_batches(settings(source, **changes), size, reading))
    return [text for batch in batches for text in batch["text"].to_pylist()], reading


def write(path, table):
    if path.name.startswith("a.parquet"):
        table.to_parquet(path)
    elif ".jsonl" in path.name:
        table.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        table.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return path


def pack(path):
    """Compress in place, as the name says."""
    content = path.read_bytes()
    with gzip.open(path, "wb") if path.suffix == ".gz" else pa.CompressedOutputStream(str(path), "zstd") as packed:
        packed.write(content)


@pytest.mark.parametrize("column", ["TEXT", "caption", "Text"])
@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.tsv", "a.jsonl", "a.csv.gz", "a.jsonl.zst", "a.tsv.zst"])
def test_captions_are_read_from_tables(tmp_path, name, column):
    plain = tmp_path / name
    table = pd.DataFrame({"url": ["u"] * len(TEXTS), column: TEXTS})
    if plain.suffix in (".gz", ".zst"):
        unpacked = write(tmp_path / name.removesuffix(plain.suffix), table)
        unpacked.rename(plain)
        pack(plain)
    else:
        write(plain, table)
    texts, reading = read(plain)
    assert texts == TEXTS and reading.text_column == column
    assert next(iter(read_batches(settings(plain), 4, Reading())))["url"].to_pylist() == ["u"] * 4


def test_captions_are_read_from_text_with_lines_of_any_system(tmp_path):
    (tmp_path / "a.txt").write_bytes("a cat\r\nschön\nlast".encode())
    assert read(tmp_path / "a.txt")[0] == ["a cat", "schön", "last"]


def test_a_folder_and_a_glob_are_read_in_the_order_of_names(tmp_path):
    for number in (2, 0, 1):
        pd.DataFrame({"text": [f"cat {number}"]}).to_parquet(tmp_path / f"part-{number}.parquet")
    (tmp_path / "notes.md").write_text("no data")
    for source in (tmp_path, tmp_path / "part-*.parquet"):
        assert read(source)[0] == ["cat 0", "cat 1", "cat 2"]


def test_a_url_of_fsspec_is_read():
    with fsspec.open("memory://captions/a.csv", "w") as file:
        file.write("caption\na cat\n")
    assert read("memory://captions/a.csv")[0] == ["a cat"]


def test_a_streamed_data_set_is_read(tmp_path):
    from datasets import load_dataset

    pd.DataFrame({"URL": list("uvw"), "TEXT": ["a cat", None, "a dog"]}).to_parquet(tmp_path / "a.parquet")
    data = load_dataset(
        "parquet", data_files=str(tmp_path / "a.parquet"), split="train", streaming=True, cache_dir=str(tmp_path / "c")
    )
    batches = list(dataset_batches(data, settings("hub:any/name"), 2, Reading()))
    assert [text for batch in batches for text in batch["text"].to_pylist()] == ["a cat", None, "a dog"]
    assert batches[0].schema.names == ["text", "url"]


def test_a_data_set_that_cannot_be_reached_tells_how_to_log_in():
    with pytest.raises(CaptionError, match="laion/relaion400m.*accept its terms.*hf auth login"):
        read("hub:laion/relaion400m")


def test_columns_of_laion_come_along(tmp_path):
    table = {"URL": ["u"], "TEXT": ["a cat"], "NSFW": ["UNLIKELY"], "similarity": [0.3], "HEIGHT": [1]}
    pd.DataFrame(table).to_parquet(tmp_path / "a.parquet")
    batch = next(iter(read_batches(settings(tmp_path / "a.parquet"), 4, Reading())))
    assert set(batch.schema.names) == {"text", "url", "nsfw", "similarity"}


def test_the_fingerprint_changes_with_the_file(tmp_path):
    (tmp_path / "a.txt").write_text("a cat")
    before = fingerprint(str(tmp_path / "a.txt"))
    (tmp_path / "a.txt").write_text("a cat and a dog")
    assert before != fingerprint(str(tmp_path / "a.txt")) and before[0][0] == "a.txt"


def good(folder, name="b.parquet"):
    pd.DataFrame({"text": ["a good cat"]}).to_parquet(folder / name)


def truncated(folder):
    pd.DataFrame({"text": [f"cat {i}" for i in range(5000)]}).to_parquet(folder / "a.parquet")
    content = (folder / "a.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(content[: len(content) // 2])


def missing_column(folder):
    pd.DataFrame({"url": ["u"], "title": ["a cat"]}).to_parquet(folder / "a.parquet")


def two_columns(folder):
    pd.DataFrame({"caption": ["a"], "TEXT": ["b"]}).to_parquet(folder / "a.parquet")


def wrong_type(folder):
    pd.DataFrame({"text": [1, 2]}).to_parquet(folder / "a.parquet")


def broken_json(folder):
    (folder / "a.jsonl").write_text('{"text": "a cat"}\n{"text": \n')


def number_in_json(folder):
    (folder / "a.jsonl").write_text('{"text": "a cat"}\n{"text": 7}\n')


def ragged_csv(folder):
    (folder / "a.csv").write_text("text,url\na cat,u\na,b,c,d\n")


def cut_gzip(folder):
    (folder / "a.txt.gz").write_bytes(gzip.compress(os.urandom(9999))[:500])


def empty_file(folder):
    (folder / "a.parquet").write_bytes(b"")


FAULTS = {
    truncated: r"a\.parquet",
    missing_column: r"a\.parquet.*found 0.*captions\.text_column.*'url', 'title'",
    two_columns: r"a\.parquet.*found 2.*\['caption', 'TEXT'\].*captions\.text_column",
    wrong_type: r"a\.parquet: column 'text' should hold text, but holds int64",
    broken_json: r"a\.jsonl, line 2: not JSON",
    number_in_json: r"a\.jsonl, row 2: 'text' should hold text",
    ragged_csv: r"a\.csv.*line 3",
    cut_gzip: r"a\.txt\.gz",
    empty_file: r"a\.parquet",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_bad_shard_among_good_ones_is_an_error_that_names_it(tmp_path, fault):
    fault(tmp_path)
    good(tmp_path)
    with pytest.raises(CaptionError, match=rf"(?s){FAULTS[fault]}.*captions\.on_bad_shard=skip"):
        read(tmp_path)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_bad_shard_is_left_out_and_counted_where_the_profile_says_so(tmp_path, fault):
    fault(tmp_path)
    good(tmp_path)
    texts, reading = read(tmp_path, on_bad_shard="skip")
    assert texts[-1] == "a good cat"
    assert [row["shard"][:2] for row in reading.skipped_shards] == ["a."]
    json.dumps(reading.skipped_shards)


def test_when_every_shard_is_bad_that_is_an_error_all_the_same(tmp_path):
    wrong_type(tmp_path)
    with pytest.raises(CaptionError, match="no shard of .* can be read: .*should hold text"):
        read(tmp_path, on_bad_shard="skip")


def test_a_file_without_rows_is_no_fault(tmp_path):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    good(tmp_path)
    assert read(tmp_path)[0] == ["a good cat"]


def test_a_caption_of_ten_megabytes_is_read_from_every_kind(tmp_path):
    table = pd.DataFrame({"text": ["a" * 10_000_000, "a cat"]})
    for name in ("a.parquet", "a.csv", "a.jsonl"):
        assert [len(text) for text in read(write(tmp_path / name, table))[0]] == [10_000_000, 5]


def test_bytes_that_are_no_utf8_do_not_stop_a_text_file(tmp_path):
    for name, head in (("a.csv", b"text\n"), ("a.txt", b"")):
        (tmp_path / name).write_bytes(head + b"caf\xe9\na cat\n")
        assert read(tmp_path / name)[0] == ["caf\ufffd", "a cat"]


@pytest.mark.parametrize("source", ["none.csv", "folder", "*.parquet"])
def test_a_source_without_data_says_what_can_be_read(tmp_path, source):
    (tmp_path / "folder").mkdir()
    with pytest.raises(CaptionError, match=r"does not exist or has no data.*\.parquet, \.csv"):
        list_files(str(tmp_path / source))


def test_a_file_of_another_kind_is_refused_with_the_known_kinds(tmp_path):
    (tmp_path / "source.docx").write_text("a cat")
    with pytest.raises(CaptionError, match=r"\.parquet, \.csv"):
        list_files(str(tmp_path / "source.docx"))


@pytest.fixture
def not_root():
    """Root may read everything, so that root becomes nobody for one test."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_without_permission_the_file_is_named(tmp_path, request):
    good(tmp_path, "a.parquet")
    (tmp_path / "a.parquet").chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:-2]):  # pytest's folders are its own user's
        folder.chmod(folder.stat().st_mode | 0o055)
    request.getfixturevalue("not_root")
    with pytest.raises(CaptionError, match=r"(?s)a\.parquet.*[Pp]ermission"):
        read(tmp_path / "a.parquet")


def test_an_unknown_protocol_is_a_caption_error():
    with pytest.raises(CaptionError, match="cannot be opened"):
        list_files("nosuch://bucket/a.parquet")


@pytest.fixture
def site(tmp_path):
    """Address of a web server whose pages are the files of ``tmp_path``, and the paths that were asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *parts):
            asked.append((self.command, self.path))

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
def test_a_page_of_the_web_is_read_as_a_file(name, tmp_path, site):
    pytest.importorskip("aiohttp")
    write(tmp_path / name, pd.DataFrame({"text": TEXTS}))
    assert read(f"{site[0]}/{name}")[0] == TEXTS


def test_a_page_of_the_web_is_not_read_to_see_whether_it_is_a_folder(tmp_path, site):
    pytest.importorskip("aiohttp")
    write(tmp_path / "a.csv", pd.DataFrame({"text": TEXTS}))
    list_files(f"{site[0]}/a.csv")
    assert len(site[1]) == 1


def test_a_page_that_is_not_there_is_told(site):
    pytest.importorskip("aiohttp")
    with pytest.raises(CaptionError, match="a.csv does not exist"):
        read(f"{site[0]}/a.csv")


def test_the_web_without_its_package_is_told_with_the_command(monkeypatch):
    def refuse(source):
        raise ImportError('HTTPFileSystem requires "requests" and "aiohttp" to be installed')

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(MissingPackageError, match=r"extra 'web' of c2i. Run: python -m pip install aiohttp==\d"):
        list_files("https://example.org/a.csv")


def test_the_embedded_captions_are_those_of_the_embedded_world():
    from c2i_lib.embedded.pairs import make_pairs

    assert read("embedded", size=1000)[0] == [pair.caption for pair in make_pairs()]


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.tsv", "a.jsonl"])
def test_a_column_of_qualities_is_read_from_tables(tmp_path, name):
    """Under the name that the profile gives, though another meaning of it is known here."""
    table = pd.DataFrame({"text": ["a cat", "a dog"], "aesthetic": [5.25, 6.5], "similarity": [0.3, 0.25]})
    path = write(tmp_path / name, table)
    for column in ("aesthetic", "similarity"):
        batch = next(iter(read_batches(settings(path, quality_column=column), 4, Reading())))
        assert [float(value) for value in batch["quality"].to_pylist()] == table[column].tolist()


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl", "a.txt"])
def test_a_column_of_qualities_that_is_not_there_is_told_with_the_columns_that_are(tmp_path, name):
    path = tmp_path / name
    if name == "a.txt":
        path.write_text("a cat")
    else:
        write(path, pd.DataFrame({"text": ["a cat"], "score": [1.0]}))
    with pytest.raises(CaptionError, match=r"captions\.quality_column is 'aesthetic'.*\['text'"):
        read(path, quality_column="aesthetic")


def test_the_embedded_world_brings_its_own_qualities():
    batch = next(iter(read_batches(settings("embedded"), 500, Reading())))
    assert set(batch["quality"].to_pylist()) == {0.0, 1.0}
    with pytest.raises(CaptionError, match="embedded world knows .* set captions.quality_column to null"):
        read("embedded", quality_column="aesthetic")
