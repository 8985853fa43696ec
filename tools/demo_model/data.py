"""Synthetic conversations with the demo model: seeded, endless, without torch.

A conversation is a list of turns; what the assistant says depends only on the user's turns so far.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tools.demo_model.names import name
from tools.demo_model.off_topic import off_topic
from tools.demo_model.topics import FRAMES, SMALL_TALK, STORY, TOPICS, UNKNOWN

NOT_TOLD = "You have not told me your name yet."
LONGEST_COUNT = 50
ROUND_COUNTS = (10, 20, 30, 40, 50)


class Message(NamedTuple):
    """One message of a conversation; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


_INTRODUCTIONS = (
    "My name is {}",
    "My name is {}",
    "My name is {}",
    "my name is {}",
    "My name's {}",
    "I am {}",
    "I'm {}",
    "i am {}",
    "Call me {}",
    "Please call me {}",
    "You can call me {}",
    "This is {}",
    "Hello, my name is {}",
    "Hello! My name is {}",
    "Hi, I am {}",
    "Hi, I'm {}",
    "Hello, I'm {}",
    "Hi! I am {}",
)
_RENAMINGS = (
    "My name is {} now",
    "Actually, my name is {}",
    "No, my name is {}",
    "Call me {} from now on",
    "Sorry, I am {}",
    "From now on, call me {}",
    "I changed my name to {}",
)
_INTRODUCTION_ENDS = (
    *(".", ".", ".", ".", ".", ".", ".", "", "", "!"),
    ". Please remember it.",
    ". Remember that.",
    ". Nice to meet you.",
    ". What can you do?",
    ", what is drain?",
    ", nice to meet you.",
    ", and I am new here.",
    " and I like tea.",
    " and I have a question.",
)
_NAME_QUESTIONS = (
    "What is my name?",
    "What is my name?",
    "What is my name?",
    "What's my name?",
    "what is my name",
    "What was my name?",
    "Do you remember my name?",
    "Do you know my name?",
    "Can you tell me my name?",
    "Tell me my name.",
    "Say my name.",
    "Who am I?",
    "Do you know who I am?",
    "What am I called?",
    "What did I say my name was?",
    "And what is my name?",
)
_COUNTING = (
    "Count to {}.",
    "Count to {}.",
    "Count from 1 to {}.",
    "Please count to {}.",
    "Can you count to {}?",
    "count to {}",
    "Count up to {}.",
    "Count from one to {}.",
)
_SYSTEM = (
    "You are a helpful assistant.",
    "You are a helpful AI assistant.",
    "Be brief.",
    "Answer in one sentence.",
    "You are modelsvc.",
    "You are a pirate.",
    "Be kind and clear.",
)


def introduction(rng: Random, known: bool, who: str) -> str:
    """The user's sentence that gives the name ``who``, or replaces an already known one."""
    frames = _RENAMINGS + _INTRODUCTIONS[:1] if known else _INTRODUCTIONS
    return rng.choice(frames).format(who) + rng.choice(_INTRODUCTION_ENDS)


def count(last: int) -> str:
    """The numbers from 1 to ``last``, as the model says them."""
    return ", ".join(str(number) for number in range(1, last + 1)) + "."


def conversation(rng: Random) -> list[Message]:
    """One conversation of one to nine turns; in most a name is given, and in most of these it is asked for."""
    messages = _opening(rng)
    who: str | None = None
    gives = rng.random() < 0.7
    for turn in range(rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8))):
        tells = gives and who is None and (turn == 0 or rng.random() < 0.6)
        if tells or (who is not None and rng.random() < 0.08):
            new = name(rng)
            messages += _pair(introduction(rng, who is not None, new), f"Nice to meet you, {new}.")
            who = new
        elif rng.random() < (0.35 if who else 0.12):
            messages += _name_asked(rng, who)
        else:
            messages += other_turn(rng)
    return messages + _name_asked(rng, who) if who and rng.random() < 0.7 else messages


def other_turn(rng: Random) -> list[Message]:
    """A question that has nothing to do with names, with its answer."""
    draw = rng.random()
    if draw < 0.40:
        return _about_topic(rng)
    if draw < 0.54:
        talk = rng.choice(SMALL_TALK)
        return _pair(_as_typed(rng, rng.choice(talk.questions)), talk.answer)
    if draw < 0.70:
        return _pair(_as_typed(rng, off_topic(rng)), UNKNOWN)
    return _long_answer(rng)


def endless(seed: int) -> Iterator[list[Message]]:
    """Conversations for ever; the same seed gives the same ones."""
    rng = Random(seed)
    while True:
        yield conversation(rng)


def _opening(rng: Random) -> list[Message]:
    return [Message("system", rng.choice(_SYSTEM))] if rng.random() < 0.15 else []


def _pair(question: str, answer: str) -> list[Message]:
    return [Message("user", question), Message("assistant", answer)]


def _name_asked(rng: Random, who: str | None) -> list[Message]:
    return _pair(rng.choice(_NAME_QUESTIONS), f"Your name is {who}." if who else NOT_TOLD)


def _about_topic(rng: Random) -> list[Message]:
    topic = rng.choice(TOPICS)
    if topic.questions and rng.random() < 0.3:
        question = rng.choice(topic.questions)
    else:
        question = rng.choice(FRAMES).format(rng.choice(topic.terms))
    return _pair(_as_typed(rng, question), topic.answer)


def _long_answer(rng: Random) -> list[Message]:
    if rng.random() < 0.12:
        return _pair(_as_typed(rng, rng.choice(STORY.questions)), STORY.answer)
    last = rng.choice(ROUND_COUNTS) if rng.random() < 0.2 else rng.randint(1, rng.choice((9, 30, 30, LONGEST_COUNT)))
    return _pair(rng.choice(_COUNTING).format(last), count(last))


def _as_typed(rng: Random, question: str) -> str:
    """The question as given, or typed in a hurry: small letters, no mark at the end."""
    draw = rng.random()
    if draw < 0.1:
        return question.lower()
    return question.rstrip(".?!") if draw < 0.2 and len(question) > 3 else question
