"""Stage ``sft``: a language model is tuned on records, once per system and number of shots.

A killed stage goes on where it was: python -m stages.sft smpd
Several GPUs: accelerate launch --config_file recipes/accelerate/ddp.yaml -m stages.sft smpd
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
from popcast.fewshot import score_prompts
from popcast.fewshot.params import Task
from popcast.lm import tuning
from popcast.lm.backbone import load_tokenizer
from popcast.lm.training_frame import is_main
from popcast.lm.tuned_systems import Trained, files_of, place, title


@stage
def main(plan: Plan) -> None:
    """Every system of llms.KEY.sft in params.yaml."""
    llm, task, start = plan.key, plan.section("task", Task), paths.base_model(plan.key)
    posts = tables.read(paths.posts(llm), tables.POSTS)
    records = tables.read(paths.records(llm), tables.RECORDS).filter(pl.col("role") == "train")
    writing = plan.section("prompts", score_prompts.Params)
    writer = score_prompts.PromptWriter(load_tokenizer(start), writing, task.template)
    inputs = [paths.posts(llm), paths.records(llm), *files_of(start)]
    with ExitStack() as stack:
        done = []
        for system, run in plan["systems"].items():
            settings = parse(tuning.Params, run["params"], f"llms.{llm}.sft.{system}")
            for shots in run["shots"]:
                chosen = records.filter((pl.col("draw") == run["records"]) & (pl.col("shots") == shots))
                if chosen.is_empty():
                    said = f"no {run['records']} records of {shots} shots"
                    raise BadInput(f"params.yaml: llms.{llm}.sft.{system}: {said}")
                scratch = stack.enter_context(Scratch(plan, inputs, part=f"{system}-{shots}"))
                trained = Trained(system, shots, scratch)
                asked = score_prompts.record_prompts(chosen, posts, writer, task)
                answers = [score_prompts.answer(score) for score in chosen["score"]]
                names, label = chosen["record_id"].to_list(), f"{llm}-{system}-{shots}"
                tune = partial(tuning.tune, start, asked, answers, settings, plan["seed"], names=names, label=label)
                trained.finish(tune)
                done.append(trained)
                if is_main():
                    print(f"{llm}/{system}: {shots} shots, {chosen.height} records", flush=True)
        curves, name = paths.training_curves("sft", llm), title(llm, plan["generated"], start)
        place(done, partial(paths.sft, llm), paths.sft(llm), curves, name)


if __name__ == "__main__":
    main()
