"""Questions the model has no answer to, so that it learns to say so."""

from __future__ import annotations

from random import Random

from tools.demo_model.names import name

_THING_LIST = """
    France|the weather|a cat|cats|dogs|the moon|football|pizza|music|love|Python|Rust|Linux|the sun|Berlin|London|tea|
    coffee|history|math|physics|the ocean|a tree|bananas|war|peace|money|the stock market|cooking|rain|snow|birds|cars|
    trains|Kubernetes|a database|JSON|Paris|the president|the capital of France|the capital of Peru|the meaning of life|
    quantum physics|two plus two|the best film|the news|my cat|my house|my favourite colour|today's date|the time|
    a transformer|the internet|Docker|the sea|a poem|a song|chess|the price of bread|my age|my address|your age
"""
_THINGS = tuple(thing.strip() for thing in _THING_LIST.split("|"))
_FRAMES = (
    "What is {}?",
    "What's {}?",
    "What are {}?",
    "Who is {}?",
    "Where is {}?",
    "When was {} made?",
    "Do you like {}?",
    "Tell me about {}.",
    "Tell me a joke about {}.",
    "Explain {}.",
    "How does {} work?",
    "How old is {}?",
    "Why is there {}?",
    "I like {}.",
    "Can you write about {}?",
    "What do you think of {}?",
    "Who made {}?",
    "Is {} good?",
    "{}?",
    "Translate {} into German.",
    "How much is {}?",
    "Write a poem about {}.",
    "Sing a song about {}.",
    "Give me {}.",
)
_WHOLE = (
    "What is 2 + 2?",
    "What is 17 * 3?",
    "Tell me a joke.",
    "Write a poem.",
    "What time is it?",
    "What day is today?",
    "How old are you?",
    "Where are you from?",
    "What is the meaning of life?",
    "Who won the game yesterday?",
    "Is it going to rain tomorrow?",
    "Which film should I watch tonight?",
    "How do I cook rice?",
    "I am tired.",
    "I am hungry.",
    "Do you dream?",
)


def off_topic(rng: Random) -> str:
    """A question about nothing the model knows: a thing of the list, or a made-up word."""
    if rng.random() < 0.2:
        return rng.choice(_WHOLE)
    thing = rng.choice(_THINGS) if rng.random() < 0.6 else _made_up(rng)
    return rng.choice(_FRAMES).format(thing)


def _made_up(rng: Random) -> str:
    article = rng.choice(("", "", "the ", "a "))
    return article + name(rng).lower() if rng.random() < 0.7 else name(rng)
