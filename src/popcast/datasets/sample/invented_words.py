"""Invented words of the generators: concepts, themes, mood words with weights, tags, titles, aliases.

Category and subcategory names are those of SMPD (datasets.md 1.7); concepts are invented in the same style. A theme
is a pair of words of one concept: posts of different users that share it have similar titles and a similar outcome.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from popcast.datasets.sample.random_draws import zipf_weights


def words(line: str) -> tuple[str, ...]:
    """The words of a line."""
    return tuple(line.split())


CATEGORY_POSTS = {
    "Travel&Active&Sports": 66469,
    "Holiday&Celebrations": 54751,
    "Fashion": 49282,
    "Entertainment": 29590,
    "Social&People": 23351,
    "Whether&Season": 20292,
    "Animal": 19992,
    "Food": 16727,
    "Urban": 15272,
    "Electronics": 5613,
    "Family": 4274,
}

CONCEPTS = tuple(
    tuple(line.split("|"))
    for line in """\
Travel&Active&Sports|Cars|chromecoupe|chrome engine garage roadster bonnet
Travel&Active&Sports|Bodybuilding|benchlifting|dumbbell muscle barbell bench posing
Travel&Active&Sports|Skateboarding|curbgrind|ramp kickflip halfpipe deck curb
Travel&Active&Sports|Travel|hilltrail|valley trail backpack summit village
Travel&Active&Sports|Hockey|icerinkgame|puck goalie rink skates overtime
Travel&Active&Sports|Football|touchline|helmet stadium touchdown huddle kickoff
Travel&Active&Sports|Gymnastics|beamroutine|vault beam leotard landing chalk
Travel&Active&Sports|Motorcycles|longfork|exhaust throttle leather highway cruiser
Travel&Active&Sports|Dance|stagedance|ballet rehearsal spin stage costume
Travel&Active&Sports|San|bayferry|harbour ferry bridge fog pier
Travel&Active&Sports|Health,Fitness|morningyoga|yoga stretch mat balance breath
Travel&Active&Sports|Soccer|cornerkick|keeper pitch striker whistle crowd
Holiday&Celebrations|Halloween|lanternporch|pumpkin lantern witch costume candy
Holiday&Celebrations|Christmas|firtree|ornament fir carol ribbon sleigh
Holiday&Celebrations|Wedding|gardenvows|bride bouquet vows veil toast
Holiday&Celebrations|New|midnightcount|fireworks midnight countdown champagne confetti
Holiday&Celebrations|Thanksgiving|harvesttable|turkey harvest gravy table cranberry
Holiday&Celebrations|Party|roofparty|balloon disco rooftop cocktail neon
Holiday&Celebrations|Birthday|candlecake|candle cake frosting piñata surprise
Holiday&Celebrations|Halloween|mazehaunt|skeleton maze ghost cobweb mask
Holiday&Celebrations|Christmas|wintermarket|market mulled stall lights reindeer
Fashion|Makeup|smokylook|eyeliner lipstick palette contour lashes
Fashion|Hair|braidcrown|braid curls fringe salon highlights
Fashion|Tattoos|inkedsleeve|needle sleeve rose dotwork stencil
Fashion|Jewelry|silverclasp|pendant silver opal necklace clasp
Fashion|Nails|gelmanicure|glitter gel manicure polish stiletto
Fashion|Piercings|hoopring|septum hoop stud titanium labret
Fashion|Sneakers|highlaces|laces sole suede release colorway
Fashion|OOTD|denimlayers|denim scarf jacket layers boots
Fashion|High,Heels|redstiletto|heels stiletto strap velvet runway
Entertainment|Books|shelfreader|novel shelf chapter paperback library
Entertainment|Music|basementgig|guitar gig drummer encore amplifier
Entertainment|Movies|matineereel|cinema trailer reel premiere popcorn
Entertainment|Video&Games|pixelquest|console pixel quest controller arcade
Entertainment|Books|marginnotes|poetry notebook margin ink bookmark
Entertainment|Music|vinylcrate|vinyl crate turntable sleeve needle
Social&People|Good,Morning|dawnhello|sunrise hello coffee window dawn
Social&People|Good|quietevening|evening sofa lamp blanket quiet
Social&People|Love|parkbench|couple kiss bench letter heart
Social&People|Friends|campcircle|campfire laughter reunion hug picnic
Social&People|Selfies|mirrorself|mirror smile elevator filter grin
Social&People|Guys|beardclub|beard barber pipe hat moustache
Whether&Season|Sunny|noonshore|beach parasol shore dunes noon
Whether&Season|Raining|puddlestreet|umbrella puddle drizzle gutter thunder
Whether&Season|Snowing|powderlane|snowflake sled powder lane frost
Whether&Season|Cloudy|greyhorizon|cloud horizon overcast storm field
Whether&Season|Fall|leafpath|maple leaves path acorn orchard
Animal|Fish|reeftank|reef aquarium clownfish coral gill
Animal|Horses|paddockmare|mare paddock saddle gallop foal
Animal|Insects|dewbeetle|beetle dragonfly dew antenna wing
Animal|Dogs|muddyterrier|terrier puppy leash fetch muddy
Animal|Cats|windowtabby|tabby kitten whiskers purr cushion
Food|Dessert|berrytart|tart berry cream caramel sponge
Food|Drinks|copperbar|cocktail lime bartender copper syrup
Food|Tea|jasminepot|jasmine teapot matcha leaf infusion
Food|Coffee|flatfoam|espresso foam barista crema roast
Urban|StreetArt|tunnelstencil|mural graffiti tunnel spray stencil
Urban|Architecture|glassfacade|facade tower staircase concrete arch
Urban|StreetArt|pasteupwall|poster alley wall shutter sticker
Electronics|Electronics|solderbench|solder circuit synth antenna display
Electronics|Electronics|lenscap|lens tripod sensor viewfinder shutter
Family|Babies|napcradle|cradle newborn giggle rattle nap
Family|Kids|swingyard|swing sandbox playground crayons kite""".splitlines()
)
"""(Category, Subcategory, Concept, words) of each invented concept."""

MOODS = {
    "golden": 1.3, "explore": 1.5, "portrait": 1.1, "glamour": 1.4, "bokeh": 0.9, "dreamy": 1.0, "stunning": 1.2,
    "vivid": 0.8, "magic": 0.7, "elegant": 0.9, "epic": 1.1, "featured": 1.4, "favourite": 0.6, "macro": 0.8,
    "dramatic": 0.7, "sunset": 0.6, "classic": 0.3, "little": 0.0, "old": -0.1, "small": -0.2, "another": -0.5,
    "quick": -0.8, "random": -0.9, "blurry": -1.3, "test": -1.5, "phone": -0.9, "snapshot": -1.0, "untitled": -1.1,
    "leftover": -0.8, "boring": -1.2, "spare": -0.9, "unedited": -0.7, "draft": -1.0, "backup": -1.4, "scan": -0.8,
    "archive": -0.6,
}  # fmt: skip
"""Word -> weight: what the word adds to the score beyond concept and theme."""

PLACES = (
    "in the park", "at home", "downtown", "by the river", "after work", "on Sunday", "last night", "near the station",
    "with friends", "from above", "this morning", "at the fair", "before the rain", "in the yard", "",
)  # fmt: skip

GENERIC = words(
    """photo photography canon nikon sony fuji digital film colour color light shadow blue red green yellow white black
    orange pink purple summer winter spring autumn morning night day weekend holiday city town street road house garden
    tree flower sky sea lake river mountain forest grass stone water fire people woman man girl boy face hands eyes
    friend fun happy beautiful pretty cute cool nice art design style detail closeup pattern texture line shape square
    instagramapp iphone squareformat 50mm 35mm lightroom exposure focus depth raw hdr monochrome bw outdoor indoor
    nature urban life daily project365 flickr group event show fest"""
)
"""Tags that go with anything; 97 of them, a prime, so that any stride runs through all."""

ODD_TITLES = (
    "None", "NA", "null", "nan", "0", 'A <a href="https://www.example.org/set/7" rel="nofollow">set</a> of mine',
    "<b>Bold</b> &amp; bright", "小さな庭の朝", "Зимнее утро", "café crème à l'aube", "🌧️ rainy 🌧️", "مساء هادئ",
    "line with \"quotes\", commas, and\ttab",
)  # fmt: skip
"""Title forms that break careless readers: NaN-like words, HTML, scripts, emoji, quotes."""

MACHINE_TAGS = ("geo:locality=harbourtown", "camera:lens=50mm", "upload:app=batch", "lastmile:event=123456", "dc:id=7")

SMALL = words(
    "a the of in is to and my it on so no me we up he go you for all his her our too see get how not one two "
    "who can i do be at by with what that this day out really because their after never every again before"
)
"""Short function words, for titles in the length of machine-translated ones."""

ADJECTIVES = words("quiet north amber lucky paper silver wild tiny urban mellow bright dusty")
NOUNS = words("otter lens wanderer fox harbor pixel maple lantern comet sparrow studio meadow")


def concept_weights() -> np.ndarray:
    """Shares of the concepts [n], sum 1: SMPD's category shares, Zipf within a category."""
    names = np.array([line[0] for line in CONCEPTS])
    weights = np.zeros(len(CONCEPTS))
    for category, posts in CATEGORY_POSTS.items():
        rows = np.flatnonzero(names == category)
        weights[rows] = posts * zipf_weights(len(rows), 0.5)
    return weights / weights.sum()


def themes(concept: int) -> list[tuple[str, str]]:
    """The ten themes of a concept: pairs of its words."""
    return list(combinations(CONCEPTS[concept][3].split(), 2))


THEMES = 10
"""Themes per concept."""


def alias(number: int) -> str:
    """Invented, distinct, case-sensitive URL name of user ``number``."""
    first = ADJECTIVES[number % len(ADJECTIVES)]
    second = NOUNS[number // len(ADJECTIVES) % len(NOUNS)]
    return f"{first.title() if number % 5 == 0 else first}-{second}{number}"


def vocabulary(subcategory: str) -> str:
    """A subcategory as a tag: lower case, letters only."""
    return "".join(letter for letter in subcategory.lower() if letter.isalnum())
