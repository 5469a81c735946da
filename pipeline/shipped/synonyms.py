"""Words that performers type and the bundled model was not trained on, each with the known phrase that comes nearest.

`write_words` puts them into the model folder with the words that the model knows.
"""

import re
from pathlib import Path

from pipeline.shipped.prompts import HELD_OUT, JOINS, TEMPLATES
from pipeline.shipped.vocabulary import Kind, vocabulary
from presets.vocabulary import Vocabulary, write_vocabulary

HEADINGS: dict[Kind, str] = {"style": "styles", "palette": "palettes", "adjective": "adjectives", "motif": "motifs"}
"""Heading of each kind of words on the page."""

WORDS_FOR: dict[str, str] = {
    # Styles.
    "halftone": "comic, comics, cartoon, manga, anime, pop art, newspaper, lichtenstein",
    "ink drawing": "sketch, pencil, pen, drawing, charcoal, calligraphy, scribble, doodle",
    "neon outlines": "line art, outline, outlines, edges, laser lines",
    "glyph cells": "matrix, code, hacker, digital, typography, letters, text, computer",
    "oil painting": "painting, painted, brush, van gogh, acrylic, impressionist",
    "watercolour": "aquarell, acuarela, gouache, ink wash, watercolours, watercolors",
    "stained glass": "church, cathedral, gothic, glass, tiffany",
    "contour map": "map, topography, topographic, terrain, lines, altitude",
    "blueprint": "architecture, building, plan, schematic, cad",
    "circuit board": "robot, android, motherboard, electronics, chip, cyborg, machine",
    "chrome": "metal, metallic, steel, mirror, aluminium, quicksilver, plastic, rubber, terminator",
    "hologram": "sci-fi, scifi, futuristic, future, projection, ghost",
    "low poly": "3d, polygon, origami, diamond, crystal, geometric, geometry, cubism",
    "pixel art": "pixel, pixels, pixelated, minecraft, nintendo, gameboy, arcade, retro game",
    "old television": "vhs, tv, television, analog, broadcast, interlaced",
    "glitch": "corrupted, broken, error, noise, static, distortion",
    "led wall": "disco, club, led, party, dance, crowd, concert, stadium, billboard",
    "thermal": "heat, predator, hot, warm, thermography",
    "x-ray": "skeleton, bones, skull, hospital, inverted, invert",
    "knitted wool": "knit, knitting, fabric, cloth, embroidery, carpet, wool",
    "engraving": "money, linocut, vintage print, copperplate, duerer",
    "paper cut": "collage, scissors, paper craft, matisse",
    "pointillism": "impressionism, seurat, stipple, confetti",
    "ridge lines": "joy division, mountain, mountains, oscilloscope",
    "lava cracks": "volcano, volcanic, lava, shattered, cracks",
    "smoke": "steam, wind, fumy, vapor, smoky",
    "frost": "snow, snowflake, winter, hiver, schnee, iceberg, glacier",
    "oil slick": "oil, petrol, soap, pearl, opal, holo foil",
    "turing pattern": "leopard, maze, labyrinth, brain, growing, growth, organic, zebra",
    "marbling": "ebru, ink in water",
    # Palettes.
    "neon": "techno, rave, cyber, tokyo, nightclub, blade runner, tron",
    "fire": "burned, burnt, inferno, hell, feuer, feu, fuego, phoenix, explosion",
    "ocean": "water, aqua, mer, meer, agua, fish, shark, whale, lagoon, pool, rain",
    "forest": "tree, trees, woods, nature, wald, plants, moss, leaf, leaves, root, roots, garden",
    "gold": "gold leaf, oro, honey, treasure, luxury, royal, egypt",
    "sunset": "dawn, evening sky, autumn, fall colours",
    "black and white": "bw, noir, film noir, colourless, desaturated",
    "candy": "kawaii, barbie, unicorn, cute, sugar",
    "blood": "horror, vampire, gore, scary, evil, demon, halloween",
    "rainbow": "lsd, trippy, hippie, acid trip, multicolor, pride, spectrum",
    "toxic": "zombie, nuclear, radiation, ufo, venom",
    "synthwave": "eighties, 80s, retro, outrun, synth",
    "bronze": "steampunk, brown, braun, marron, chocolate, coffee, wood, leather",
    "night": "moon, nacht, nuit, noche, luna, nocturnal",
    "sand": "beige, mars, dusty, dry, wasteland, earth",
    "sepia": "old photo, antique, ancient, nostalgic, book",
    "black light": "blacklight",
    "tropical": "summer, beach, hawaii, brazil, parrot, fruit",
    "true colours": "natural, original, unchanged, realistic, photo, photograph, real",
    "cyan": "turquoise, teal, tuerkis, turkis, cyanblau, petrol blue",
    "blue": "navy, azure, cobalt, sapphire, sky blue, blau, bleu, azul, blu",
    "red": "heart, love, rot, rouge, rojo, rosso, vermilion, maroon, burgundy",
    "green": "gruen, grun, vert, verde, olive, grass",
    "yellow": "gelb, jaune, amarillo, giallo, lemon, sun",
    "orange": "naranja, arancione, tangerine, carrot, pumpkin",
    "purple": "lila, violett, viola, morado, lavender, plum, aubergine",
    "pink": "rosa, rose, roses, fuchsia, hot pink",
    "white": "weiss, blanc, blanco, bianco, ivory",
    "grey": "grau, gris, grigio, concrete, ash",
    # Adjectives.
    "dark": "black, schwarz, noire, nero, dunkel, sombre, oscuro, shadow",
    "bright": "hell leuchtend, day, daylight, lumineux, claro",
    "glowing": "glow, luminescent, bioluminescent, electric, leuchtend",
    "tiny": "small, thin, klein, petit, micro",
    "big": "large, huge, giant, gross, grand, grande, bold, massive",
    "dense": "complex, crowded, chaotic, chaos",
    "minimal": "minimalist, clean, calm, quiet",
    "dreamy": "blur, bokeh, dream, foggy, romantic, gentle, smooth",
    "warped": "surreal, dali, liquid, wavy, bent, drunk, weird",
    "vivid": "vibrant, colorfull, rich",
    # Motifs.
    "stars": "space, universe, cosmos, cosmic, stardust, nebula, planet, planets, sterne",
    "night sky": "constellation, milky way, outer space, deep space, sternenhimmel",
    "tunnel": "portal, train, subway, cave, black hole, warp, hyperspace, pipe, hallway, stargate",
    "rings": "circle, ring, bass, sound, music, echo, ripple, hypnotic, hypnosis, target, kreise",
    "plasma": "lava lamps, jelly, blob, blobs, amoeba",
    "cells": "biology, microscope, bacteria, scales, skin",
    "waves": "surf, river, flow, flowing, wellen, vagues, olas",
    "wireframe": "net, wire, wires, cube, architecture grid",
    "kaleidoscope": "fractal, fractals, mirrored, mirrors, islamic pattern, symmetrical",
    "flower": "flowers, blossom, floral, blume, fleur, flor, bloom",
    "vortex": "spinning, rotating, rotation, tornado, hurricane, cyclone, helix, twister",
    "clouds": "sky, plane, heaven, himmel, ciel, cielo, cloud",
    "lightning": "thunder, storm, thunderstorm, blitz, tesla, energy",
    "rays": "laser, beam, beams, spotlight, spotlights, sunbeam, sunrays, god rays",
    "bubbles": "bubble, floating, balloon, balloons, marbles, planet balls",
    "checkerboard": "chess, chessboard, check, checkered, tiled floor",
    "hexagons": "bee, bees, beehive, hexagon, hex",
    "dots": "particle, particles, points, dotted, sparkle, sparkles, glitter",
    "horizon": "city, skyline, road, street, plain, infinity",
    "northern lights": "polar lights, nordlicht, borealis",
    "marble": "stone, rock, granite",
    # Fillers.
    "over": "on top of, above, upon",
    "and": "plus",
}
"""Unknown words and phrases for each known phrase that comes nearest."""

_EMPTY_WORDS = """
an and are as at be been but by can could do does for from has have her his i if is its just let like look looks lot
me more much my now of off one only or our out please really show so some than that their them then there these they
this those to tone tones too turn turned up us very want was we were what which who will with would you your
und et y e mit avec con der die das den dem le la les el los las de du des del ein eine einen un une una en im auf sur
"""
IGNORED = frozenset(_EMPTY_WORDS.split())
"""Words that show nothing, left out without a notice unless captions have them."""


def shipped_vocabulary() -> Vocabulary:
    """Return the words that captions of the bundled model have, with the synonyms."""
    known: dict[str, list[str]] = {heading: [] for heading in HEADINGS.values()}
    for phrase, meaning in vocabulary().items():
        known[HEADINGS[meaning.kind]].append(phrase)
    fillers = {"an", *_words(TEMPLATES | {"joints": JOINS})} - set(vocabulary())
    return Vocabulary(
        {heading: tuple(phrases) for heading, phrases in known.items()},
        tuple(sorted(fillers)),
        tuple(sorted(filter(None, map(_american, (*vocabulary(), *fillers))))),
        tuple(sorted((IGNORED | _words(HELD_OUT)) - fillers - set(vocabulary()))),
        {word: phrase for phrase, words in WORDS_FOR.items() for word in words.split(", ")},
    )


def write_words(folder: Path) -> None:
    """Write the words of the bundled model into its folder, as ``vocabulary.json``."""
    write_vocabulary(shipped_vocabulary(), folder)


def _words(forms: dict[str, tuple[str, ...]]) -> set[str]:
    """Return the words of word orders, without the parts that are filled in."""
    return {
        word for orders in forms.values() for form in orders for word in re.findall(r"(?<![{a-z])[a-z]+(?!\})", form)
    }


def _american(phrase: str) -> str:
    """Return the American spelling that some captions have, empty if it is the same."""
    american = phrase.replace("colour", "color").replace("grey", "gray")
    return "" if american == phrase or american in vocabulary() else american
