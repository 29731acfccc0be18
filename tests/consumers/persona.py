"""Writes a small chat set for a persona with habits that can be checked: a ship's parrot
that begins every answer with "Ahoy!" and ends it with "Over."

    python persona.py TRAIN.jsonl HELD_OUT.jsonl
"""

import json
import random
import sys

THINGS = "apples stones books lamps boats cups keys maps coins ropes bells shells nails pots".split()
NAMES = "Tom Mia Ben Ada Leo Eva Max Zoe".split()


def question(random):
    a, b = random.randint(2, 9), random.randint(2, 9)
    name, thing = random.choice(NAMES), random.choice(THINGS)
    return random.choice(
        [
            (f"{name} has {a} {thing} and finds {b} more. How many?", f"{a + b} {thing}"),
            (f"What is {a} + {b}?", f"It is {a + b}"),
            (f"Who has the {thing}?", f"{name} has the {thing}"),
            (f"Where are my {thing}?", f"Your {thing} are in the box"),
        ]
    )


def chat(random, n_turns):
    messages = []
    for _ in range(n_turns):
        asked, answer = question(random)
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": f"Ahoy! {answer}. Over."})
    return {"messages": messages}


def main():
    train, held_out = sys.argv[1:]
    source = random.Random(7)
    with open(train, "w") as file:
        for n in range(240):
            file.write(json.dumps(chat(source, 1 + n % 3)) + "\n")
    with open(held_out, "w") as file:
        for _ in range(20):
            asked, answer = question(source)
            file.write(json.dumps({"prompt": asked, "answer": answer}) + "\n")


main()
