"""Stage ``sft``: a language model is tuned on records, once per system and number of shots.

A killed stage goes on where it was: python -m stages.sft --llm smpd
Several GPUs: accelerate launch --config_file recipes/accelerate/ddp.yaml -m stages.sft --llm smpd
"""

from contextlib import ExitStack
from functools import partial

import click
import polars as pl

from popcast.core import params, paths, tables
from popcast.core.errors import BadInput
from popcast.core.scratch import Scratch
from popcast.core.stage import stage
from popcast.fewshot import score_prompts
from popcast.lm import tuning
from popcast.lm.backbone import load_tokenizer
from popcast.lm.training_frame import is_main
from popcast.lm.tuned_systems import Trained, files_of, place, title


@click.command()
@click.option("--llm", required=True, help="key in llms of params.yaml")
@stage
def main(llm: str) -> None:
    base, systems, task = params.read("base", f"llms.{llm}.sft", f"tasks.{llm}")
    shared, shown, raw = params.read("llm.sft", "llm.prompts", f"datasets.{llm}.raw")
    start = paths.base_model(llm)
    posts = tables.read(paths.posts(llm), tables.POSTS)
    records = tables.read(paths.records(llm), tables.RECORDS).filter(pl.col("role") == "train")
    writing = params.parse(score_prompts.Params, shown, "llm.prompts")
    writer = score_prompts.PromptWriter(load_tokenizer(start), writing, task.template)
    inputs = [paths.posts(llm), paths.records(llm), *files_of(start)]
    with ExitStack() as stack:
        done = []
        for system, run in systems.items():
            settings = params.merged(tuning.Params, shared, run.set, f"llms.{llm}.sft.{system}.set")
            for shots in run.shots:
                chosen = records.filter((pl.col("draw") == run.records) & (pl.col("shots") == shots))
                if chosen.is_empty():
                    raise BadInput(f"params.yaml: llms.{llm}.sft.{system}: no {run.records} records of {shots} shots")
                key = [base.seed, run.records, shots, settings.model_dump(), writing.model_dump(), task.model_dump()]
                name = f"{llm}-{system}-{shots}"
                trained = Trained(system, shots, stack.enter_context(Scratch("sft", name, key, inputs)))
                asked = score_prompts.record_prompts(chosen, posts, writer, task)
                answers = [score_prompts.answer(score) for score in chosen["score"]]
                names = chosen["record_id"].to_list()
                trained.finish(
                    partial(tuning.tune, start, asked, answers, settings, base.seed, names=names, label=name)
                )
                done.append(trained)
                if is_main():
                    print(f"{llm}/{system}: {shots} shots, {chosen.height} records", flush=True)
        curves = paths.training_curves("sft", llm)
        place(done, partial(paths.sft, llm), paths.sft(llm), curves, title(llm, raw, start))


if __name__ == "__main__":
    main()
