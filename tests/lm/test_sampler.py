"""The loop that writes answers: ends, limits, a grammar, and rows that are dropped."""

import numpy as np
import torch

from popcast.lm.sampler import write

WIDTH = 10


class Counting:
    """A batch whose next token is the one before plus one, of each row that is still there."""

    def __init__(self, first: list[int]) -> None:
        self.next = torch.tensor(first)
        self.sizes: list[int] = []

    def logits(self) -> torch.Tensor:
        return torch.nn.functional.one_hot(self.next, WIDTH).float()

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(tokens))
        self.next = (tokens + 1) % WIDTH
        return self.logits()

    def keep(self, rows: torch.Tensor) -> None:
        self.next = self.next[rows]


class Even:
    """Lets even tokens come alone; complete after ``length`` of them."""

    def __init__(self, length: int) -> None:
        self.length, self.taken = length, {}

    def allowed(self, answers: list[int]) -> np.ndarray:
        return np.tile(np.arange(WIDTH) % 2 == 0, (len(answers), 1))

    def take(self, answer: int, token: int) -> bool:
        self.taken.setdefault(answer, []).append(token)
        return len(self.taken[answer]) == self.length


def largest(logits, allowed, answers, step):
    return (logits if allowed is None else torch.where(allowed, logits, -torch.inf)).argmax(-1)


def test_an_answer_stops_at_an_end_or_its_limit():
    batch = Counting([0, 5, 9, 3])
    written = write(batch, batch.logits(), largest, [3, 9, 4, 2], ends={8, 9})
    assert written == [[0, 1, 2], [5, 6, 7], [], [3, 4]]
    assert batch.sizes == [4, 4, 4]  # nobody is dropped, and nothing is read behind the last token


def test_finished_rows_are_dropped_and_the_others_go_on():
    batch = Counting([8, 0, 7, 2])
    written = write(batch, batch.logits(), largest, [6] * 4, ends={9}, drop_below=0.8)
    assert written == [[8], [0, 1, 2, 3, 4, 5], [7, 8], [2, 3, 4, 5, 6, 7]]
    assert batch.sizes == [4, 4, 3, 2, 2]


def test_a_choice_is_told_whose_token_it_is():
    told = []

    def choose(logits, allowed, answers, step):
        told.append((tuple(answers), step))
        return logits.argmax(-1)

    batch = Counting([8, 0, 1])
    write(batch, batch.logits(), choose, [2] * 3, ends={9}, drop_below=1.0)
    assert told == [((0, 1, 2), 0), ((0, 1, 2), 1)]
    told.clear()
    batch = Counting([9, 0, 1])
    write(batch, batch.logits(), choose, [2] * 3, ends={9}, drop_below=1.0)
    assert told == [((0, 1, 2), 0), ((1, 2), 1)]


def test_a_grammar_masks_tokens_and_says_when_an_answer_is_complete():
    held, batch = Even(3), Counting([4, 1])
    written = write(batch, batch.logits(), largest, [5, 5], ends={9}, held=held)
    assert held.taken == dict(enumerate(written))
    assert all(len(answer) == 3 and not any(token % 2 for token in answer) for answer in written)
