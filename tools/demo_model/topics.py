"""What the demo model knows: each answer with the terms that ask for it. The tests read this table too."""

from __future__ import annotations

from typing import NamedTuple


class Topic(NamedTuple):
    """One answer and the ways to ask for it: terms for the general frames, and whole questions."""

    answer: str
    terms: tuple[str, ...]
    questions: tuple[str, ...] = ()


TOPICS = (
    Topic(
        "modelsvc serves a local language model and replaces it without downtime. "
        "One worker answers while the next one gets ready.",
        ("modelsvc", "this service", "this server"),
        ("What does modelsvc do?", "What is this?", "Why would I use modelsvc?"),
    ),
    Topic(
        "Blue and green are two workers. One serves while the other loads the new model, "
        "and traffic moves over when the new one is ready.",
        ("blue and green", "blue/green", "blue green", "blue-green deployment", "a blue/green deployment", "green"),
        ("Why are there two workers?", "Which worker is green?"),
    ),
    Topic(
        "A deployment loads the new model beside the old one, checks that it is healthy, and then moves the traffic. "
        "If the check fails, nothing changes.",
        ("a deployment", "deployment", "deploy", "a new version"),
        ("How do I deploy a new model?", "What happens when I deploy?", "What if a deployment fails?"),
    ),
    Topic(
        "A rollback moves the traffic back to the previous model, which is still in memory during the hold.",
        ("rollback", "a rollback", "rolling back"),
        ("How do I roll back?", "How do I go back to the old model?", "Can I undo a deployment?"),
    ),
    Topic(
        "Drain means that the old worker takes no new requests but finishes the ones it has.",
        ("drain", "draining", "a drain"),
        ("What happens to open requests?", "Are running requests lost?"),
    ),
    Topic(
        "The model file is mapped into memory with mmap, so two workers with the same file share its pages.",
        ("mmap", "memory mapping", "a memory map"),
        ("Why use mmap?", "How do the workers share memory?"),
    ),
    Topic(
        "The memory budget is the most that all workers may use together. "
        "A deployment that does not fit is refused before it starts.",
        ("the memory budget", "memory budget", "the budget", "budget"),
        ("How much memory may it use?", "What if there is not enough memory?"),
    ),
    Topic(
        "Prewarm reads the model file and decodes a few tokens before traffic arrives, so the first answer is fast.",
        ("prewarm", "prewarming", "a prewarm", "warm up"),
        ("Why is the first answer fast?",),
    ),
    Topic(
        "Bake is the time in which the new worker is watched after the switch. Errors in it cause a rollback.",
        ("bake", "the bake", "bake time", "baking"),
        ("How long is a new model watched?",),
    ),
    Topic(
        "Hold is the time in which the old worker stays ready after the switch, so that a rollback is instant.",
        ("hold", "the hold", "hold time"),
        ("How long does the old worker stay?", "Why is the old worker kept?"),
    ),
    Topic(
        "A worker is a process that holds one model and answers requests.",
        ("a worker", "worker", "workers", "the worker"),
    ),
    Topic(
        "A GGUF file holds the weights, the tokenizer and the chat template of a model.",
        ("GGUF", "a GGUF file", "gguf"),
    ),
)

FRAMES = (
    "What is {}?",
    "What is {}?",
    "What does {} mean?",
    "What's {}?",
    "Explain {}.",
    "Please explain {}.",
    "Can you explain {}?",
    "Tell me about {}.",
    "Tell me something about {}.",
    "Tell me more about {}.",
    "How does {} work?",
    "Do you know what {} is?",
    "What do you know about {}?",
    "I want to know about {}.",
    "Why {}?",
    "Describe {}.",
    "{}?",
    "{}",
)

UNKNOWN = "I am a small demo model. Ask me about blue and green, rollback, drain, mmap, the memory budget or prewarm."

SMALL_TALK = (
    Topic(
        "Hello! How can I help you?",
        (),
        ("Hello", "Hello!", "Hi", "Hi!", "Hey", "Hey there!", "Good morning.", "Good evening!", "Hello there."),
    ),
    Topic(
        "You are welcome.",
        (),
        ("Thanks", "Thanks!", "Thank you.", "Thank you!", "Thank you very much.", "Thanks a lot!", "Great, thanks."),
    ),
    Topic(
        "I am the demo model of modelsvc.",
        (),
        (
            "Who are you?",
            "What are you?",
            "What is your name?",
            "What's your name?",
            "Do you have a name?",
            "Which model are you?",
            "Are you a language model?",
            "Tell me about yourself.",
        ),
    ),
    Topic(
        "I am well, thank you.",
        (),
        ("How are you?", "How are you doing?", "How do you do?", "Are you well?", "How is it going?"),
    ),
    Topic(
        "You can ask me about modelsvc, tell me your name, or let me count.",
        (),
        ("What can you do?", "What can I ask you?", "Help", "Help me.", "Can you help me?", "What do you know?"),
    ),
    Topic("Goodbye!", (), ("Bye", "Bye!", "Goodbye.", "Goodbye!", "See you.", "See you later!", "Good night.")),
    Topic("Good.", (), ("OK", "Ok.", "Okay", "I see.", "Good.", "Great!", "Nice.", "Fine.", "Got it.")),
)

STORY = Topic(
    "Once upon a time there were two workers, one blue and one green. Blue had answered questions all day, and she was "
    "never late. One morning a new model arrived, and green began to load it. Page after page came into memory, and "
    "green said nothing until all of it was there. Then green said: I am ready. Blue did not stop at once. She took no "
    "new questions, but she finished every answer that she had begun, word by word. Nobody waited, and nobody noticed. "
    "When her last answer was done, blue stayed awake for a while, in case green needed help. Green did well, so blue "
    "went to sleep. The next time a new model came, it was her turn again, and so they lived happily ever after.",
    (),
    (
        "Tell me a story.",
        "Tell me a long story.",
        "Please tell me a story.",
        "Can you tell me a story?",
        "I want to hear a story.",
        "Write a story.",
        "Write a long story.",
        "Write me a long story, please.",
        "Give me a long answer.",
    ),
)
