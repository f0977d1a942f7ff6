"""How a chat server is reached and asked: part of every section of params.yaml that names one."""

from __future__ import annotations

from pydantic import Field

from popcast.core.section import Line, Section, Variable


class ChatSettings(Section):
    """Any server that speaks the OpenAI chat API: vLLM, llama.cpp, Ollama, ``transformers serve``."""

    url: Line = Field(description="base address, such as http://localhost:8000/v1")
    model: Line = Field(description="name of the model on the server")
    key_variable: Variable | None = Field(
        None, description="environment variable that holds the key; never the key itself"
    )
    concurrency: int = Field(64, ge=1, description="requests under way at a time")
    timeout: float = Field(60.0, gt=0, description="seconds per request")
    retries: int = Field(4, ge=0, description="of one request, with growing pauses, before the stage stops")
    cache: bool = Field(True, description="answers are kept below .scratch by hash of prompt and settings")
    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    send_seed: bool = Field(True, description="false for servers that refuse the field `seed`")


REACHING = {"url", "key_variable", "concurrency", "timeout", "retries", "cache"}
"""Settings that no answer depends on: how a server is reached."""
