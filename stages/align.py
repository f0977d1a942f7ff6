"""Stage ``align``: tuned models, or the untuned one, learn from preference pairs, once per system and number of shots.

A killed stage goes on where it was: python -m stages.align smpd
Several GPUs: accelerate launch --config_file recipes/accelerate/ddp.yaml -m stages.align smpd
"""

from contextlib import ExitStack
from functools import partial

import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.core.params import parse
from popcast.core.plan_file import Plan
from popcast.core.scratch import Scratch
from popcast.core.stage import stage
from popcast.fewshot.alignment import idpop, idpop_plots
from popcast.lm.training_frame import is_main
from popcast.lm.tuned_systems import Trained, files_of, place, title


@stage
def main(plan: Plan) -> None:
    """Every system of llms.KEY.align in params.yaml."""
    llm, untuned = plan.key, paths.base_model(plan.key)
    pairs = tables.read(paths.preferences(llm), tables.PAIRS)
    with ExitStack() as stack:
        done = []
        for system, run in plan["systems"].items():
            settings = parse(idpop.Params, run["params"], f"llms.{llm}.align.{system}")
            for shots in run["shots"]:
                chosen = pairs.filter(pl.col("shots") == shots)
                if chosen.is_empty():
                    raise BadInput(f"{paths.preferences(llm)}: no pairs of {shots} shots: run `dvc repro`")
                start = untuned if run["start"] == "base" else paths.sft(llm, run["start"], shots)
                inputs = [paths.preferences(llm), *files_of(untuned), *files_of(start)]
                scratch = stack.enter_context(Scratch(plan, inputs, part=f"{system}-{shots}"))
                trained, label = Trained(system, shots, scratch), f"{llm}-{system}-{shots}"
                trained.finish(partial(idpop.align, start, chosen, settings, plan["seed"], label=label))
                done.append(trained)
                if is_main():
                    print(idpop_plots.told(trained), flush=True)
        curves, drawn = paths.training_curves("align", llm), idpop_plots.pictures(done)
        name = title(llm, plan["generated"], untuned)
        place(done, partial(paths.aligned, llm), paths.aligned(llm), curves, name, drawn)


if __name__ == "__main__":
    main()
