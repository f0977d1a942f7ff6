"""What the model on a chat server answers to the prompts of a few-shot task: each prompt is one user's message.

The same words as for a local model, without a chat template, for the server has its own. Limits of texts count groups
of four characters, since the tokens of a server are not known here, and no post is left out.
"""

from __future__ import annotations

from popcast.chat.client import ChatClient, Question
from popcast.chat.params import ChatSettings
from popcast.fewshot.score_prompts import Params, PromptWriter


def writer_for(prompts: Params, template: str) -> PromptWriter:
    """Writes the words of ``template`` for a server."""
    return PromptWriter(None, prompts.model_copy(update={"chat": "off"}), template)


def answers(server: ChatSettings, where: str, prompts: list[str], tokens: int, seed: int) -> list[str]:
    """The most probable answer to each prompt, as far as the server keeps to temperature 0.

    where: of the settings in params.yaml. tokens: that an answer may have. Raises BadInput, one line, where the server
    is gone or refuses; what was answered before is kept.
    """
    client = ChatClient(server.model_copy(update={"temperature": 0.0}), where)
    try:
        return [answer.text for answer in client.ask([Question(prompt, tokens, seed) for prompt in prompts])]
    finally:
        client.close()
