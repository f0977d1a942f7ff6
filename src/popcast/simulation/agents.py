"""A simulated user: remembers what friends did, and moves its attitude towards theirs (popsim.md 3.7 and 3.9)."""

from __future__ import annotations

from collections import deque

from mesa import Agent

from popcast.simulation.records import Memory


class Persona(Agent):
    """One persona of the audience.

    row: place in the population. neighbours: personas that it is connected to, ascending in rows, which fixes the order
    of summation. attitude: interest in the post, 0 to 10. is_core: was asked in this epoch and answered.
    """

    def __init__(self, model, row: int, name: str, memory: int) -> None:
        super().__init__(model)
        self.row = row
        self.name = name
        self.neighbours: tuple[Persona, ...] = ()
        self.memory: deque[Memory] = deque(maxlen=memory)
        self.attitude = 0.0
        self.next_attitude = 0.0
        self.is_core = False

    def forget(self) -> None:
        """Be as before the first post."""
        self.memory.clear()
        self.attitude = self.next_attitude = 0.0
        self.is_core = False

    def receive(self, memory: Memory) -> None:
        """Remember what a friend did; the oldest line goes when there are too many."""
        self.memory.append(memory)

    def step(self) -> None:
        """Move towards friends within the confidence bound and, with more weight, towards friends who were asked.

        In the update ``reference`` at once, so that later personas see it; else ``advance`` does it.
        """
        model, own = self.model, self.attitude
        bound = model.bound
        near = core = 0
        near_sum = core_sum = 0.0
        for friend in self.neighbours:
            distance = friend.attitude - own
            if -bound < distance < bound:
                near += 1
                near_sum += distance
            if friend.is_core:
                core += 1
                core_sum += distance
        shift = near_sum / near if near else 0.0
        if core:
            weight = model.rules.core_weight
            shift = (1 - weight) * shift + weight * (core_sum / core)
        moved = own + model.rules.alpha * shift
        # Rounding may leave the scale by the last digit, never the equation.
        self.next_attitude = min(max(moved, 0.0), 10.0)
        if model.in_place:
            self.advance()

    def advance(self) -> None:
        """Take the attitude that ``step`` found."""
        self.attitude = self.next_attitude
