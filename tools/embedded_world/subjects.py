"""Which emoji are things of the embedded world, and what people call them.

In: the package ``emoji`` (English names) and ``emojibase-data`` (tags, groups). Out: one row per thing.
Ignored: keycaps, arrows, buttons, clock faces, zodiac signs, skin tones, most role variants and most flags,
because a caption can hardly ask for them by a plain noun.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import emoji

_SKIN_TONES = {"1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"}
_ZODIAC = "Aquarius Aries Cancer Capricorn Gemini Leo Libra Ophiuchus Pisces Sagittarius Scorpio Taurus Virgo".split()
# Joined sequences (persons with an object, animals with a colour) that are nouns of their own.
_JOINED = (
    "artist|astronaut|black bird|black cat|brown mushroom|cook|farmer|firefighter|heart on fire|judge|lime|"
    "mechanic|mermaid|merman|phoenix|pilot|pirate flag|polar bear|rainbow flag|scientist|singer|student|teacher"
).split("|")
_COUNTRIES = (
    "Argentina Australia Austria Belgium Brazil Canada Chile China Cuba Denmark Egypt Finland France Germany "
    "Greece India Ireland Israel Italy Jamaica Japan Kenya Mexico Netherlands Norway Poland Portugal Spain Sweden "
    "Switzerland Turkey Ukraine Vietnam"
).split() + ["South Korea", "South Africa", "New Zealand", "United Kingdom", "United States"]
_NOT_PICTURABLE = re.compile(
    r"button|arrow|o['’]clock|-thirty|keycap|\bsymbol\b|\bsign\b|[a-z] mark\b|\bJapanese (?!castle|dolls)|"
    r"square|asterisk|eight-pointed|\bno |non-|men['’]s room|\bletters\b|\bnumbers\b|\bindex pointing\b|"
    r"(left|right)wards?\b|(left|right)-facing|tilted right|\bperson [a-z]+|\bpeople\b|"
    r"^(wo)?m[ae]n [a-z]+|^woman and|chart increasing with|medium|small (blue|orange) diamond|"
    r"^(registered|copyright|trade mark|multiply|divide|plus|minus|infinity|om|khanda|customs|restroom)$|"
    r"water closet|passport control|baggage claim|left luggage|high voltage|curly loop|wavy dash|"
    r"antenna bars|vibration mode|wheel of dharma|star of David|latin cross|orthodox cross|"
    r"currency exchange|exclamation|fleur|gear shift|litter in bin|children crossing|dim |bright |"
    r"medical|potable|mobile phone off|wireless|middle finger|circled|eject|hundred|up!|"
    r"speaker (low|medium)|oncoming|with slash|(waning|waxing) gibbous|quarter moon$|"
    r"(pointed|diamond with a dot)|chart decreasing|input |trigram|bust|silhouette|divider|face with open m|"
    r"information|level slider|control knobs|check box|hollow red circle|trident emblem|^link$|"
    r"(page|card) (with curl|facing up|index)|(in|out)box tray|low battery"
)
# Emoji that the rules drop or misname, by the plain noun that people use.
_RENAMED = {
    "automobile": "car",
    "hot beverage": "cup of coffee",
    "deciduous tree": "tree",
    "evergreen tree": "fir tree",
    "steaming bowl": "bowl of noodles",
    "pot of food": "pot of stew",
    "sport utility vehicle": "SUV",
    "articulated lorry": "truck",
    "couch and lamp": "couch",
    "magnifying glass tilted left": "magnifying glass",
    "person running": "runner",
    "person surfing": "surfer",
    "person swimming": "swimmer",
    "person lifting weights": "weightlifter",
    "person golfing": "golfer",
    "person rowing boat": "rower",
    "person biking": "cyclist",
    "person climbing": "climber",
    "person juggling": "juggler",
    "person fencing": "fencer",
    "person bouncing ball": "basketball player",
    "people wrestling": "wrestlers",
    "people hugging": "hug",
    "person in lotus position": "yoga",
    "person in bed": "sleeper",
    "person taking bath": "bather",
    "person with crown": "king",
    "woman dancing": "dancer",
    "man dancing": "dancing man",
    "man pouting": "angry man",
    "woman pouting": "angry woman",
    "man frowning": "sad man",
    "woman frowning": "sad woman",
    "man beard": "bearded man",
    "man bald": "bald man",
    "woman blond hair": "blond woman",
    "woman red hair": "red-haired woman",
    "woman curly hair": "curly-haired woman",
    "woman with headscarf": "woman with headscarf",
    "woman with veil": "bride",
    "man in tuxedo": "groom",
    "woman health worker": "nurse",
    "man health worker": "doctor",
    "woman technologist": "programmer",
    "woman office worker": "businesswoman",
    "man office worker": "businessman",
    "woman factory worker": "welder",
    "woman elf": "elf woman",
    "men holding hands": "two men holding hands",
    "woman and man holding hands": "couple holding hands",
    "women holding hands": "two women holding hands",
    "woman walking": "walking woman",
    "man walking": "walking man",
    "bow and arrow": "bow and arrow",
    "stop sign": "stop sign",
    "kiss mark": "lipstick kiss",
    "heart with arrow": "heart with arrow",
    "disappointed face": "disappointed face",
    "face with medical mask": "face with medical mask",
    "face exhaling": "sighing face",
    "face in clouds": "face in clouds",
    "high voltage": "lightning bolt",
    "check mark": "check mark",
    "cross mark": "red cross mark",
    "red question mark": "red question mark",
    "red exclamation mark": "red exclamation mark",
}
# Other words, best first, where the tags of emojibase have none or hide them among adjectives.
_SYNONYMS = {
    "car": "automobile|red car|motor car",
    "cup of coffee": "coffee|cup of tea|hot drink|coffee cup",
    "tree": "leafy tree|oak tree|green tree",
    "fir tree": "evergreen tree|pine tree|conifer",
    "SUV": "off-road car|jeep",
    "truck": "lorry|semi truck",
    "delivery truck": "delivery van|van",
    "couch": "sofa|settee",
    "bowl of noodles": "ramen|noodle soup|steaming bowl",
    "dog face": "puppy|dog's face|cute puppy",
    "dog": "hound|pet dog",
    "cat face": "kitten|cat's face|kitty",
    "cat": "tabby cat|pet cat",
    "rabbit": "hare",
    "rabbit face": "bunny|bunny face",
    "hatching chick": "chick in an egg",
    "baby chick": "chick",
    "chicken": "hen",
    "rooster": "cock",
    "pig face": "piglet",
    "ewe": "sheep",
    "lady beetle": "ladybug|ladybird",
    "honeybee": "bee|bumblebee",
    "T-Rex": "Tyrannosaurus|dinosaur|Tyrannosaurus rex",
    "sauropod": "long-necked dinosaur|brontosaurus",
    "spouting whale": "whale spouting water",
    "mage": "wizard|sorcerer",
    "hamburger": "burger|cheeseburger",
    "french fries": "fries|chips",
    "doughnut": "donut",
    "shortcake": "slice of cake|piece of cake",
    "soft ice cream": "ice cream cone",
    "ice cream": "bowl of ice cream|sundae",
    "meat on bone": "leg of meat",
    "poultry leg": "chicken leg|drumstick",
    "beer mug": "mug of beer|beer",
    "wine glass": "glass of wine|red wine",
    "bottle with popping cork": "bottle of champagne|champagne",
    "cooking": "frying pan with an egg|fried egg",
    "fork and knife": "cutlery",
    "wrapped gift": "present|gift box|gift",
    "jack-o-lantern": "Halloween pumpkin|carved pumpkin|pumpkin",
    "Santa Claus": "Santa|Father Christmas",
    "soccer ball": "football",
    "american football": "rugby ball",
    "musical keyboard": "piano keyboard|piano",
    "guitar": "electric guitar",
    "violin": "fiddle",
    "studio microphone": "retro microphone",
    "artist palette": "paint palette|palette of paints",
    "performing arts": "theatre masks",
    "video game": "game controller|gamepad",
    "game die": "dice",
    "bullseye": "dartboard|target",
    "motorcycle": "motorbike",
    "bicycle": "bike",
    "kick scooter": "scooter",
    "motor scooter": "Vespa|moped",
    "high-speed train": "fast train",
    "locomotive": "steam train|steam engine",
    "airplane": "plane|aeroplane|jet",
    "passenger ship": "cruise ship",
    "sailboat": "sailing boat|boat|yacht",
    "flying saucer": "UFO|spaceship",
    "rocket": "space rocket|rocket ship",
    "fire engine": "fire truck",
    "taxi": "cab|yellow cab",
    "racing car": "race car|formula one car|sports car",
    "house": "cottage|home",
    "house with garden": "house and tree",
    "derelict house": "abandoned house|haunted house",
    "office building": "skyscraper|office tower",
    "castle": "fairy-tale castle|fortress",
    "classical building": "Greek temple|museum",
    "cityscape": "city|city skyline",
    "beach with umbrella": "beach",
    "desert island": "tropical island|island",
    "camping": "campsite",
    "snow-capped mountain": "snowy mountain|mountain peak",
    "water wave": "ocean wave|wave|big wave",
    "milky way": "starry sky|galaxy",
    "globe showing Europe-Africa": "globe|planet Earth|Earth",
    "ringed planet": "Saturn|planet",
    "crescent moon": "moon",
    "full moon face": "moon with a face",
    "sun": "bright sun|sunshine",
    "cloud with rain": "rain cloud|rain",
    "cloud with lightning and rain": "thunderstorm|storm cloud",
    "cloud with snow": "snow cloud",
    "guard": "royal guard|British guard|Buckingham Palace guard",
    "police officer": "policeman|cop",
    "older person": "elderly person",
    "old woman": "grandmother|grandma",
    "old man": "grandfather|grandpa",
    "cook": "chef",
    "couple with heart": "couple in love|lovers",
    "alien monster": "space invader",
    "pile of poo": "poop",
    "collision": "explosion",
    "flexed biceps": "strong arm|muscle",
    "money bag": "sack of money|bag of money",
    "laptop": "laptop computer|notebook computer",
    "desktop computer": "computer|PC",
    "mobile phone": "smartphone|cell phone|phone",
    "telephone": "old telephone|red telephone",
    "television": "TV|TV set",
    "camera": "photo camera",
    "video camera": "camcorder",
    "books": "stack of books|pile of books",
    "memo": "note and pencil",
    "key": "golden key",
    "locked": "padlock|lock",
    "kitchen knife": "chef's knife|knife",
    "water pistol": "toy gun|squirt gun|pistol",
    "carpentry saw": "saw|handsaw",
    "high-heeled shoe": "red shoe|high heel|stiletto",
    "running shoe": "sneaker|trainer",
    "man's shoe": "leather shoe",
    "woman's hat": "sun hat|straw hat",
    "graduation cap": "mortarboard",
    "running shirt": "tank top",
    "hourglass done": "hourglass",
    "light bulb": "lamp|bulb",
    "red paper lantern": "lantern",
    "teddy bear": "toy bear|stuffed bear",
    "nesting dolls": "matryoshka|Russian dolls",
    "bathtub": "bath",
    "four leaf clover": "lucky clover",
    "bouquet": "bunch of flowers|flowers|bunch of roses",
    "rose": "red rose",
    "maple leaf": "autumn leaf|red leaf",
    "fallen leaf": "brown leaves|autumn leaves",
    "potted plant": "house plant|plant in a pot",
    "nest with eggs": "bird's nest",
    "speech balloon": "speech bubble",
    "grinning face": "smiley|happy face|smiling face",
    "angry face": "mad face",
    "crying face": "sad face|tearful face",
    "smiling face with heart-eyes": "face in love",
    "smiling face with sunglasses": "cool face",
    "skull and crossbones": "crossbones",
    "red heart": "heart|love heart",
    "fire": "flame|bonfire|flames",
    "angry man": "furious man|mad man|man in a rage",
    "angry woman": "furious woman",
    "king": "monarch|royal person with a crown",
    "princess": "queen|girl with a crown",
    "dancer": "flamenco dancer|woman dancing",
    "programmer": "woman at a computer|hacker",
    "yoga": "person meditating|meditation",
    "cyclist": "person riding a bike",
    "runner": "person running|jogger",
    "surfer": "person surfing",
    "groom": "man in a tuxedo|man in a suit",
    "bride": "woman in a wedding dress",
    "umbrella with rain drops": "umbrella in the rain",
    "umbrella": "purple umbrella|open umbrella",
    "closed umbrella": "folded umbrella",
    "snowman": "snowman with a hat",
    "Tokyo tower": "Eiffel Tower|steel tower",
    "mount fuji": "Mount Fuji",
    "balance scale": "scales",
    "chart increasing": "rising chart|graph",
    "merperson": "mer person",
    "peacock": "bird with a colorful tail",
    "pickup truck": "pick-up",
    "auto rickshaw": "tuk-tuk|rickshaw",
    "spiral shell": "seashell|shell",
    "handbag": "leather bag",
    "luggage": "suitcase",
    "shopping cart": "shopping trolley",
    "headstone": "gravestone|tombstone",
    "church": "chapel",
    "hospital": "clinic",
    "woman": "lady",
    "man": "man with a moustache|gentleman|guy",
    "boy": "little boy|kid",
    "girl": "little girl",
    "baby": "infant",
    "police car": "patrol car",
    "carousel horse": "merry-go-round horse|carousel",
    "circus tent": "circus",
    "fireworks": "fireworks display",
    "sunrise over mountains": "mountain sunrise",
    "bridge at night": "Golden Gate Bridge|bridge",
    "cityscape at dusk": "city at dusk|city in the evening",
    "night with stars": "city at night|starry night",
    "tropical drink": "cocktail with an umbrella",
    "cocktail glass": "martini|cocktail",
    "bento box": "Japanese lunch box",
    "goblin": "tengu mask|red mask",
    "ogre": "oni mask|red ogre",
    "sewing needle": "needle and thread",
    "hindu temple": "Indian temple",
}

# Tags of emojibase that are nouns for the thing itself; the others are moods, adjectives and slang.
_NOUN_TAGS = set(
    """
    mahjong wildcard hurricane whirlwind eruption frankfurter sausage almond sapling evergreen buttercup dandelion
    crops maize toadstool aubergine cantaloupe nectarine curry pho pasta meatballs toast loaf prawn tempura pudding
    stew lunch teacup ale stein plate bookbag rucksack satchel scholar karaoke earbud tophat theatre theater
    controller casino die cards sax marathon snowboard winner champion jockey barbell hoop shuttlecock crane archer
    jug tortoise terrapin slug serpent conch crow raven dromedary flipper grizzly squirrel snout eyeglasses trousers
    denim blouse heels son daughter coder developer nuptials jewel bomb parcel badge necklace fax torch bolt handgun
    revolver sleuth notepad trash garbage fuji tower subway tire lifesaver highway road sledge toboggan sleigh
    snorkel whiskey tumbler karate judo pickle baguette casserole paella gyro peanut kiwi pancake empanada takeout
    porridge cereal soda steak lettuce kale cowboy clown slipper crab reptile grasshopper alpaca hippo cygnet tusk
    ape villain criminal vest salt falafel gardener professor rockstar engineer bandana headscarf hijab sorceress
    pixie dracula merwoman djinn stocking dynamite jigsaw calculator chest wall horseshoe suitcase shampoo sunscreen
    yarn crochet broom picnic laundry invoice talisman amulet pink magician wand piñata recorder concertina hatchet
    warrior conga rope vat mousetrap trap gravestone grave cemetery boulder disco comb maggot earthworm roach log
    timber plumage reef lavender lilac jellyfish goose antlers elk mule burro blueberry capsicum naan pita edamame
    pea cafe chai pawn chess shrine cog cogwheel thunderbolt soccer mining fist boxing gas gasoline checkmark urn
    swords rocket sword dinosaur billiard bowling rugby futbol spool thread plush teddy parasite flag popcorn
    snorkeling diving thanksgiving hanukkah haircut manicure vaccination skydive mortar bricks flautist drumsticks
    lung fan mug yurt shelter playground barrier closet handshake wedge cube iceberg wishbone fangs
    """.split()
)


def _english_names() -> dict[str, str]:
    """``{code points joined by '-': English name}`` of every fully qualified emoji."""
    fully_qualified = emoji.STATUS["fully_qualified"]
    return {
        "-".join(f"{ord(character):04X}" for character in sequence): entry["en"].strip(":").replace("_", " ")
        for sequence, entry in emoji.EMOJI_DATA.items()
        if entry["status"] == fully_qualified
    }


def subject_name(code: str, name: str) -> str | None:
    """The plain noun for an emoji, or None when a caption would hardly ask for it."""
    points = code.split("-")
    if _SKIN_TONES & set(points) or name in _ZODIAC:
        return None
    if points[0].startswith("1F1"):
        return f"flag of {'the ' if name.startswith(('United', 'Neth')) else ''}{name}" if name in _COUNTRIES else None
    if name in _RENAMED:
        return _RENAMED[name]
    if "200D" in points:
        return name if name in _JOINED else None
    if points[0] == "1F3F4" and len(points) > 1 or _NOT_PICTURABLE.search(name):
        return None
    return name.replace("’", "'")


def plain_code(code: str) -> str:
    """Lower case without the variation selector: the form in which the sources' file names agree."""
    return "-".join(point for point in code.lower().split("-") if point != "fe0f")


def list_subjects(emojibase: Path) -> list[dict]:
    """``{code, name, synonyms, group, subgroup}`` of every thing, sorted by code. ``emojibase``: its folder.

    A tag is a synonym when it is a noun and no other thing has it as tag or name; hand-made synonyms come first.
    """
    data = json.loads((emojibase / "en" / "data.json").read_text(encoding="utf-8"))
    meta = json.loads((emojibase / "meta" / "groups.json").read_text(encoding="utf-8"))
    flat = data + [skin for entry in data for skin in entry.get("skins", [])]
    known = {plain_code(entry["hexcode"]): entry for entry in flat}
    names = {plain_code(code): (subject_name(code, name), name) for code, name in _english_names().items()}
    names = {code: pair for code, pair in names.items() if pair[0] and code in known}
    tags = Counter(tag for code in names for tag in set(known[code].get("tags", [])))
    taken = {name.lower() for name, _ in names.values()} | {
        word.lower() for words in _SYNONYMS.values() for word in words.split("|")
    }
    rows = []
    for code, (name, original) in sorted(names.items()):
        entry, by_hand = known[code], [word for word in _SYNONYMS.get(name, "").split("|") if word]
        own = [original] if original != name and original.startswith("person ") else []
        unique = [tag for tag in entry.get("tags", []) if tags[tag] == 1 and tag not in taken and tag in _NOUN_TAGS]
        synonyms = list(dict.fromkeys(by_hand + own + unique))
        group, subgroup = (str(entry.get(key, "")) for key in ("group", "subgroup"))
        rows.append(
            {
                "code": code,
                "name": name,
                "synonyms": [word for word in synonyms if word != name],
                "group": meta["groups"].get(group, "other"),
                "subgroup": meta["subgroups"].get(subgroup, "other"),
            }
        )
    return rows
