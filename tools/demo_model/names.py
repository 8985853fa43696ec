"""Names of many letter patterns, so that the model learns to copy rather than to recite."""

from __future__ import annotations

from pathlib import Path
from random import Random

HELD_OUT = frozenset(Path(__file__).with_name("held_out_names.txt").read_text(encoding="utf-8").split())

_NAMES = """
    Ada Alan Alice Amir Amy Ana Andrew Anna Arthur Ben Bella Boris Carl Carla Chen Chloe Clara Claire Daniel
    David Diana Dora Edgar Edith Ella Emil Emma Erik Eva Felix Fiona Frank Frida George Grace Greta Guido Hana
    Harry Hector Helen Henry Hugo Ida Igor Ines Ingrid Iris Ivan Jack James Jane Jasper Jean Jenny Joan John
    Jonas Jorge Julia Karl Karen Katya Ken Kim Kofi Kurt Lars Laura Lena Leo Liam Lina Linus Lisa Lucy Luis
    Maja Marc Margaret Maria Mark Marta Martin Mary Matt Max Maya Mei Mia Michael Mila Mina Moritz Nadia Nora
    Nils Nina Noah Olga Oliver Omar Oscar Paul Paula Pedro Peter Petra Pia Priya Rachel Radia Ralph Ravi Rob
    Robert Rosa Ruth Ryan Sam Samuel Sara Sasha Selma Simon Sofia Sophie Stefan Steve Sven Tara Tess Theo
    Thomas Tim Tina Tom Tony Uma Ursula Vera Victor Viktor Vincent Wanda Walter Wei Will Yara Yasmin Yuki
    Yusuf Zara Zoe Barbara Bjarne Brian Charles Christopher Claude Dennis Donald Dorothy Edsger Ellen Evelyn
    Florence Frances Gabriel Gloria Gottfried Hedy Ivy Jennifer Johannes Joseph Katherine Kathleen Kristen
    Leslie Ludwig Matthew Maurice Niklaus Patrick Philip Rebecca Richard Rowan Shafi Stephen Susan Sylvia
    Terrence Timothy William Winston Zachary
"""
LISTED = tuple(_NAMES.split())

_VOWELS = ("a", "e", "i", "o", "u", "y", "ai", "ea", "ee", "ei", "ie", "oa", "oe", "oo", "ou", "ue", "ae", "io")
_SINGLE = tuple("bcdfghjklmnpqrstvwxyz")
_CLUSTER_LIST = (
    "bl br ch chr cl cr dr dw fl fr gh gl gn gr gw hj kh kl kn kr mb ng ph pl pr pt qu rh sc sch sh shr sk sl sm sn"
    " sp spr squ st str sv sw sz tch th thr tr ts tw vl wh wr zh zs"
)
_CLUSTERS = tuple(_CLUSTER_LIST.split())
_ENDING_LIST = (
    "b d f g k l m n p r s t x z ck ft gh ght ld lf ll lm lt mm mp nd ng nk nn nt ph pp rd rk rl rm rn rp rs rt sh ss"
    " st th ts tt tz wn xt"
)
_ENDINGS = tuple(_ENDING_LIST.split())
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ACCENTED = "áàâäåãçéèêëíîïñóôöøõúûüýßšžčł"


def name(rng: Random) -> str:
    """One name: listed, spelled at random, in syllables, altered, accented or of two parts; never a held-out one."""
    makers = (_listed, _syllables, _syllables, _spelled, _spelled, _altered, _altered, _accented, _double, _cased)
    while True:
        found = rng.choice(makers)(rng)
        if HELD_OUT.isdisjoint(found.replace("-", " ").title().split()):
            return found


def _listed(rng: Random) -> str:
    return rng.choice(LISTED)


def _spelled(rng: Random) -> str:
    """Two to nine letters, from a small alphabet half of the time so that letters repeat."""
    alphabet = _LETTERS if rng.random() < 0.5 else rng.sample(_LETTERS, rng.randint(2, 6))
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(2, 9))).capitalize()


def _syllables(rng: Random) -> str:
    word = "".join(_syllable(rng) for _ in range(rng.choice((1, 1, 2, 2, 2, 3, 3, 4))))
    if rng.random() < 0.4:
        word += rng.choice(_ENDINGS)
    return (word if rng.random() < 0.85 else word[1:] + rng.choice("aeio"))[:11].capitalize()


def _syllable(rng: Random) -> str:
    onset = rng.choice(_CLUSTERS if rng.random() < 0.3 else _SINGLE)
    coda = rng.choice(_ENDINGS) if rng.random() < 0.25 else ""
    vowels = _VOWELS if rng.random() < 0.3 else tuple("aeiou")
    return onset + rng.choice(vowels) + coda


def _altered(rng: Random) -> str:
    """A listed or syllable name with one letter doubled, dropped, replaced or inserted."""
    word = (_listed(rng) if rng.random() < 0.6 else _syllables(rng)).lower()
    at = rng.randrange(len(word))
    middle = rng.choice((word[at] * 2, "", rng.choice(_LETTERS), word[at] + rng.choice(_LETTERS)))
    changed = word[:at] + middle + word[at + 1 :]
    return (changed if len(changed) > 1 else word).capitalize()


def _accented(rng: Random) -> str:
    word = _altered(rng)
    at = rng.randrange(len(word))
    return word[:at] + rng.choice(_ACCENTED) + word[at + 1 :]


def _double(rng: Random) -> str:
    """A first and a last name, or two joined by a hyphen."""
    parts = (rng.choice((_listed, _syllables, _altered))(rng) for _ in range(2))
    return rng.choice((" ", " ", "-")).join(parts)


def _cased(rng: Random) -> str:
    """A name as people type it in a hurry: all small, or all capitals."""
    word = rng.choice((_listed, _syllables, _altered))(rng)
    return word.upper() if rng.random() < 0.2 else word.lower()
