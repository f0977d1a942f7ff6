"""The stage instances of responses and of shares of reactions, see ``instances.py``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from popcast.core import paths
from popcast.core.errors import bad_input
from popcast.core.params import merged, parse
from popcast.core.section import Section
from popcast.lm.pac.response_writing import Decoding
from popcast.lm.pac.routed_tuning import RoutedParams
from popcast.planning.instances import Instance, generated, plain
from popcast.planning.project_params import Params
from popcast.response.casework.params import Cleaning, Retrieval
from popcast.response.judging.params import Judging
from popcast.response.params import System
from popcast.response.portraits.params import Portraying
from popcast.response.sentiment.params import Labelling
from popcast.response.shares.params import ShareSettings
from popcast.response.writing.response_prompts import Prompts
from popcast.response.writing.stand_in_base import ResponseBase
from popcast.scoring.evaluation import is_generated


def part(p: Params, key: str, name: str, kind: type[Section]) -> Section:
    """A part of the section ``response``, with what the set ``key`` lays over it."""
    return merged(kind, p.response.get(name, {}), p.responses[key].set.get(name, {}), f"response.{name}")


def systems(p: Params, key: str) -> dict[str, System]:
    """Systems of a set of responses, in the order of params.yaml."""
    values = p.response.get("systems", {}) | p.responses[key].set.get("systems", {})
    found = {name: parse(System, value, f"response.systems.{name}") for name, value in values.items() if value}
    if p.responses[key].submit not in found:
        raise bad_input(
            "no such system", file=paths.PARAMS, field=f"responses.{key}.submit", value=p.responses[key].submit,
            expected=f"one of {', '.join(found) or 'response.systems'}",
        )  # fmt: skip
    return found


def invented(p: Params, key: str) -> bool:
    """Whether the raw folder of a set of responses is generated, however it is written."""
    section = p.responses[key]
    return section.generated or is_generated(key, os.path.relpath(section.raw))


def resampling(p: Params) -> dict[str, Any]:
    """What the section ``evaluation`` says of intervals, as judges of responses call it."""
    return {"resamples": p.evaluation.bootstrap, "confidence": p.evaluation.confidence}


def told(p: Params, key: str) -> dict[str, Any]:
    return {"seed": p.base.seed, "generated": invented(p, key)}


def response_cases(p: Params) -> Iterator[Instance]:
    for key, section in p.responses.items():
        if section.salt_variable is None and not invented(p, key):
            raise bad_input("real users need a salted pseudonym", file=paths.PARAMS,
                            field=f"responses.{key}.salt_variable", expected="an environment variable")  # fmt: skip
        reading = section.model_copy(update={"generated": invented(p, key)})
        settings = told(p, key) | {
            "set": plain(reading, exclude={"set", "submit", "learned", "asked", "samples"}),
            "cleaning": plain(part(p, key, "cleaning", Cleaning)),
            "retrieval": plain(part(p, key, "retrieval", Retrieval)),
            "portraits": plain(part(p, key, "portraits", Portraying)),
            "sentiment": plain(part(p, key, "sentiment", Labelling)),
        }
        yield Instance("response_cases", key, settings)


def _trained(p: Params, key: str) -> dict[str, Any]:
    """System -> method, variant and, of those that learn, all settings of their training."""
    shared = p.response.get("train", {}) | p.responses[key].set.get("train", {})
    found = {}
    for name, system in systems(p, key).items():
        found[name] = {"method": system.method, "variant": system.variant}
        if system.method != "base":
            overrides = {"method": system.method, **system.set}
            found[name]["params"] = plain(merged(RoutedParams, shared, overrides, f"response.systems.{name}.set"))
    return found


def response_train(p: Params) -> Iterator[Instance]:
    for key in p.responses:
        settings = told(p, key) | {
            "prompts": plain(part(p, key, "prompts", Prompts)),
            "base": plain(part(p, key, "base", ResponseBase)),
            "learned": p.responses[key].learned,
            "systems": _trained(p, key),
        }
        yield Instance("response_train", key, settings)


def response_predict(p: Params) -> Iterator[Instance]:
    for key, section in p.responses.items():
        settings = told(p, key) | {
            "prompts": plain(part(p, key, "prompts", Prompts)),
            "decoding": plain(part(p, key, "decoding", Decoding)),
            "sentiment": plain(part(p, key, "sentiment", Labelling)),
            **plain(section, include={"submit", "asked", "samples"}),
            "systems": {name: plain(system, exclude={"set"}) for name, system in systems(p, key).items()},
        }
        yield Instance("response_predict", key, settings)


def response_score(p: Params) -> Iterator[Instance]:
    for key in p.responses:
        settings = told(p, key) | {
            "sentiment": plain(part(p, key, "sentiment", Labelling)),
            "judging": plain(part(p, key, "judging", Judging).model_copy(update=resampling(p))),
            "stand_in": part(p, key, "base", ResponseBase).made is not None,
            "counted": p.responses[key].kind == "ced",
            "systems": {name: plain(system, exclude={"set"}) for name, system in systems(p, key).items()},
        }
        yield Instance("response_score", key, settings)


def reaction_shares(p: Params) -> Iterator[Instance]:
    for key, run in p.reaction_shares.items():
        of_posts = run.of == "posts"
        settings = {
            "seed": p.base.seed,
            "generated": generated(p, run.dataset) if of_posts else invented(p, run.dataset),
            "run": plain(run, exclude={"set"}),
            "final_fit": p.splits[run.dataset].final_fit if of_posts else "labelled",
            "zone": p.datasets[run.dataset].zone if of_posts else p.responses[run.dataset].zone,
            "shares": plain(
                merged(ShareSettings, p.share_model, run.set, f"reaction_shares.{key}.set").model_copy(
                    update=resampling(p)
                )
            ),
        }
        yield Instance("reaction_shares", key, settings)
