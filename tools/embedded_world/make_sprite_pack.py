"""Write ``c2i_lib/embedded/sprites.zip``: the things of the embedded world as WebP in three styles, others in one.

The sources are npm packages. Unpack them into one folder and name it:

    npm install --prefix sprites @lobehub/fluent-emoji-3d@1.1.0 @iconify-json/noto@1.2.9 \\
        @iconify-json/fluent-emoji-flat@1.2.6 emojibase-data@17.0.0
    python tools/embedded_world/make_sprite_pack.py sprites/node_modules

Takes about two minutes. The pack holds ``index.json`` (names, synonyms, groups) and ``<style>/<code>.webp``. Things
that are not in ``things.txt`` are there in 3D alone: benchmarks ask which of all things a picture shows.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from pathlib import Path

import resvg_py
from PIL import Image
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from subjects import list_subjects, plain_code

from c2i_lib.embedded.sprites import PACK, SPRITE_SIZE, read_things

QUALITY = {"3d": 82, "flat": 60, "noto": 60}  # WebP; flat colours need less
ALPHA_QUALITY = 65


def read_icons(folder: Path) -> tuple[dict, dict[str, str]]:
    """An Iconify set and ``{plain code: icon name}``."""
    icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
    codes = json.loads((folder / "chars.json").read_text(encoding="utf-8"))
    return icons, {plain_code(code): name for code, name in codes.items()}


def draw_icon(icons: dict, name: str) -> Image.Image:
    """One icon of an Iconify set as RGBA of ``SPRITE_SIZE`` pixels."""
    while name not in icons["icons"]:
        name = icons["aliases"][name]["parent"]
    icon = icons["icons"][name]
    box = [icon.get(key, icons.get(key, default)) for key, default in (("left", 0), ("top", 0))]
    box += [icon.get(key, icons.get(key, 16)) for key in ("width", "height")]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{" ".join(map(str, box))}" width="{box[2]}" height="{box[3]}">{icon["body"]}</svg>'
    ).replace("currentColor", "#222")
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=4 * SPRITE_SIZE, height=4 * SPRITE_SIZE))
    return shrink(Image.open(io.BytesIO(png)).convert("RGBA"))


def shrink(image: Image.Image) -> Image.Image:
    """RGBA at ``SPRITE_SIZE``, colours weighted by alpha so that edges get no fringe."""
    return image.convert("RGBa").resize((SPRITE_SIZE, SPRITE_SIZE), Image.LANCZOS).convert("RGBA")


def as_webp(image: Image.Image, style: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY[style], alpha_quality=ALPHA_QUALITY, method=6)
    return buffer.getvalue()


def collect(sources: Path) -> tuple[list[dict], dict[str, bytes]]:
    """Index rows and ``{entry name: WebP bytes}``."""
    threed = {plain_code(path.stem): path for path in (sources / "@lobehub/fluent-emoji-3d/assets").glob("*.webp")}
    sets = {
        style: read_icons(sources / "@iconify-json" / name)
        for style, name in (("flat", "fluent-emoji-flat"), ("noto", "noto"))
    }
    rows, entries = [], {}
    world = read_things()
    subjects = [row for row in list_subjects(sources / "emojibase-data") if row["code"] in threed]
    for row in tqdm(subjects, desc="draw sprites", mininterval=5):
        code, pictures = row["code"], {}
        pictures["3d"] = shrink(Image.open(threed[code]).convert("RGBA"))
        for style, (icons, names) in sets.items():
            if code in names and row["name"] in world:
                pictures[style] = draw_icon(icons, names[code])
        entries.update({f"{style}/{code}.webp": as_webp(image, style) for style, image in pictures.items()})
        rows.append({**row, "styles": list(pictures)})
    return rows, entries


def write_pack(rows: list[dict], entries: dict[str, bytes], path: Path) -> None:
    """A zip without compression (WebP is compressed) and without dates, the same for the same entries."""
    index = json.dumps(rows, ensure_ascii=False, indent=1).encode()
    temporary = path.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as pack:
        for name, content in [("index.json", index), *sorted(entries.items())]:
            pack.writestr(zipfile.ZipInfo(name), content)
    temporary.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, help="the node_modules folder with the unpacked packages")
    parser.add_argument("--out", type=Path, default=PACK)
    args = parser.parse_args()
    rows, entries = collect(args.sources)
    names = [row["name"] for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SystemExit(f"names must be unique, but these occur twice: {', '.join(twice)}. Mend subjects.py.")
    write_pack(rows, entries, args.out)
    sizes = {style: sum(len(v) for k, v in entries.items() if k.startswith(style)) / 1e6 for style in QUALITY}
    print(f"{len(rows)} things, {len(entries)} pictures, " + ", ".join(f"{k} {v:.1f} MB" for k, v in sizes.items()))


if __name__ == "__main__":
    main()
