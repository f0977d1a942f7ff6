"""Stage ``align``: tuned models, or the untuned one, learn from preference pairs, once per system and number of shots.

A killed stage goes on where it was: python -m stages.align --llm smpd
Several GPUs: accelerate launch --config_file recipes/accelerate/ddp.yaml -m stages.align --llm smpd
"""

from contextlib import ExitStack
from functools import partial

import click
import polars as pl

from popcast.core import params, paths, tables
from popcast.core.errors import BadInput
from popcast.core.scratch import Scratch
from popcast.core.stage import stage
from popcast.fewshot.alignment import idpop, idpop_plots
from popcast.lm.training_frame import is_main
from popcast.lm.tuned_systems import Trained, files_of, place, title


@click.command()
@click.option("--llm", required=True, help="key in llms of params.yaml")
@stage
def main(llm: str) -> None:
    base, systems, raw = params.read("base", f"llms.{llm}.align", f"datasets.{llm}.raw")
    shared = params.read("llm.align")
    pairs = tables.read(paths.preferences(llm), tables.PAIRS)
    untuned = paths.base_model(llm)
    with ExitStack() as stack:
        done = []
        for system, run in systems.items():
            settings = params.merged(idpop.Params, shared, run.set, f"llms.{llm}.align.{system}.set")
            for shots in run.shots:
                chosen = pairs.filter(pl.col("shots") == shots)
                if chosen.is_empty():
                    raise BadInput(f"{paths.preferences(llm)}: no pairs of {shots} shots: run `dvc repro`")
                start = untuned if run.start == "base" else paths.sft(llm, run.start, shots)
                inputs = [paths.preferences(llm), *files_of(untuned), *files_of(start)]
                key = [base.seed, run.start, shots, settings.model_dump()]
                name = f"{llm}-{system}-{shots}"
                trained = Trained(system, shots, stack.enter_context(Scratch("align", name, key, inputs)))
                trained.finish(partial(idpop.align, start, chosen, settings, base.seed, label=name))
                done.append(trained)
                if is_main():
                    print(idpop_plots.told(trained), flush=True)
        curves, drawn = paths.training_curves("align", llm), idpop_plots.pictures(done)
        place(done, partial(paths.aligned, llm), paths.aligned(llm), curves, title(llm, raw, untuned), drawn)


if __name__ == "__main__":
    main()
