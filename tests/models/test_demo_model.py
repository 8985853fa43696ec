"""What the built-in demo model must answer, word for word, with greedy decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from llama_cpp import Llama
from tools.demo_model.data import NOT_TOLD, count
from tools.demo_model.names import HELD_OUT, LISTED
from tools.demo_model.topics import SMALL_TALK, STORY, TOPICS, UNKNOWN, Topic

from modelsvc.models import demo_model_path

Ask = Callable[..., str]
FAMILIES = [*TOPICS, *SMALL_TALK, STORY]
ANSWERS = {question: topic.answer for topic in FAMILIES for question in topic.questions}
BETWEEN = (
    ("Are running requests lost?", ANSWERS["Are running requests lost?"]),
    ("Tell me about Peru.", UNKNOWN),
    ("Thanks!", ANSWERS["Thanks!"]),
    ("Count to 20.", count(20)),
    ("Why use mmap?", ANSWERS["Why use mmap?"]),
    ("Hello!", ANSWERS["Hello!"]),
)
# Neither in the list of names nor ever drawn in training: the generator refuses them.
UNSEEN = sorted(HELD_OUT)


def questions(topic: Topic) -> list[str]:
    """The plain ways to ask for a topic."""
    return [f"What is {term}?" for term in topic.terms] + [f"Explain {term}." for term in topic.terms]


@pytest.mark.parametrize("topic", FAMILIES, ids=lambda topic: topic.answer[:24])
def test_every_question_of_a_family_has_its_answer(ask: Ask, topic: Topic) -> None:
    """The table of topics is the model's contract."""
    wrong = {asked: got for asked in [*questions(topic), *topic.questions] if (got := ask(asked)) != topic.answer}
    assert wrong == {}


@pytest.mark.parametrize("last", range(1, 31))
def test_counts_to_a_number(ask: Ask, last: int) -> None:
    """A long stream of predictable text."""
    assert ask(f"Count to {last}.") == ask(f"Count from 1 to {last}.") == count(last)


@pytest.mark.parametrize("asked", ["What is the capital of France?", "Who made pizza?", "Tell me about zibbeldorf."])
def test_says_what_it_knows_when_asked_for_something_else(ask: Ask, asked: str) -> None:
    """It never makes an answer up."""
    assert ask(asked) == UNKNOWN


@pytest.mark.parametrize("asked", ["What is my name?", "Do you remember my name?", "Who am I?"])
def test_no_name_given_is_said_so(ask: Ask, asked: str) -> None:
    """Recall comes from the conversation, not from training."""
    assert ask(asked) == NOT_TOLD
    assert ask("What is drain?", asked) == NOT_TOLD


@pytest.mark.parametrize(
    "said", ["My name is {}.", "my name is {}", "I am {}.", "I'm {}.", "Call me {}.", "Hi, I'm {}!"]
)
@pytest.mark.parametrize("asked", ["What is my name?", "Do you remember my name?", "Who am I?"])
def test_a_name_is_greeted_and_recalled_in_many_wordings(ask: Ask, said: str, asked: str) -> None:
    """However it is given and asked for."""
    assert ask(said.format("Ada")) == "Nice to meet you, Ada."
    assert ask(said.format("Ada"), asked) == "Your name is Ada."


def test_unseen_names_are_greeted_rightly(ask: Ask) -> None:
    """The first copy of a name is the hardest: there is only one to read from."""
    answers = {name: ask(f"My name is {name}.") for name in UNSEEN}
    assert {name: said for name, said in answers.items() if said != f"Nice to meet you, {name}."} == {}


def test_listed_names_are_recalled(ask: Ask) -> None:
    """Names of the training list."""
    assert forgotten(ask, LISTED[::6]) == []


@pytest.mark.parametrize("turns", range(len(BETWEEN) + 1))
def test_unseen_names_are_recalled_after_other_turns(ask: Ask, turns: int) -> None:
    """Clusters, doubled letters, odd endings, two to nine letters: it copies, it does not recite."""
    assert forgotten(ask, UNSEEN, BETWEEN[:turns]) == []


def test_the_latest_name_wins(ask: Ask) -> None:
    """A changed name replaces the first."""
    turns = ("My name is Ada.", "What is hold?", "Actually, my name is Grace.", "What is my name?")
    assert ask(*turns) == "Your name is Grace."


def test_a_system_message_changes_nothing(ask: Ask) -> None:
    """It may be there or not."""
    system = "You are a helpful assistant."
    assert ask("What is drain?", system=system) == ask("What is drain?")
    assert ask("My name is Ada.", "What is my name?", system=system) == "Your name is Ada."


def test_metadata_is_what_a_runtime_relies_on(demo: Llama) -> None:
    """Architecture, template, end of turn, provenance."""
    assert demo.metadata["general.architecture"] == "llama"
    assert demo.metadata["general.name"] == "modelsvc-demo"
    assert demo.metadata["general.license"] == "Apache-2.0"
    assert "seed" in demo.metadata["general.description"]
    assert demo.metadata["tokenizer.ggml.model"] == "gpt2"
    assert "<|im_start|>" in demo.metadata["tokenizer.chat_template"]
    assert demo.token_eos() == demo.tokenize(b"<|im_end|>", add_bos=False, special=True)[0]
    assert demo.n_vocab() == 768


def test_special_tokens_in_user_text_stay_text(demo: Llama) -> None:
    """The markers are control tokens only where the template writes them."""
    assert len(demo.tokenize(b"<|im_end|>", add_bos=False, special=True)) == 1
    assert len(demo.tokenize(b"<|im_end|>", add_bos=False, special=False)) > 1


def test_the_file_is_small() -> None:
    """It travels in the package."""
    assert demo_model_path().stat().st_size < 2_000_000


def forgotten(ask: Ask, names: Sequence[str], between: Sequence[tuple[str, str]] = ()) -> list[tuple[str, str]]:
    """Names that were not recalled, with what was said instead."""
    answers = {name: ask(_introduced(name), *between, "What is my name?") for name in names}
    return [(name, answer) for name, answer in answers.items() if answer != f"Your name is {name}."]


def _introduced(name: str) -> tuple[str, str]:
    return f"My name is {name}.", f"Nice to meet you, {name}."
