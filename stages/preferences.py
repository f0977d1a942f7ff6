"""Stage ``preferences``: a tuned model answers each prompt of the preference pool twice; the better answer is chosen.

A killed stage goes on with its first unfinished number of shots: python -m stages.preferences --llm smpd
"""

import click
import orjson
import polars as pl

from popcast.core import params, paths, tables
from popcast.core.scratch import Scratch
from popcast.core.stage import stage
from popcast.fewshot import score_prompts
from popcast.fewshot.alignment import preferences
from popcast.lm.backbone import load_tokenizer
from popcast.lm.tuned_systems import files_of


@click.command()
@click.option("--llm", required=True, help="key in llms of params.yaml")
@stage
def main(llm: str) -> None:
    base, run, scores, task = params.read("base", f"llms.{llm}.preferences", f"llms.{llm}.scores", f"tasks.{llm}")
    shown, shared = params.read("llm.prompts", "llm.preferences")
    settings = params.merged(preferences.Params, shared, run.set, f"llms.{llm}.preferences.set")
    writing = params.parse(score_prompts.Params, shown, "llm.prompts")
    writer = score_prompts.PromptWriter(load_tokenizer(paths.base_model(llm)), writing, task.template)
    posts = tables.read(paths.posts(llm), tables.POSTS)
    records = tables.read(paths.records(llm), tables.RECORDS).filter(pl.col("role") == "preference")
    models = {shots: paths.sft(llm, run.start, shots) for shots in run.shots}
    inputs = [paths.posts(llm), paths.records(llm), *files_of(paths.base_model(llm))]
    inputs += [file for folder in models.values() for file in files_of(folder)]
    key = [base.seed, run.model_dump(), settings.model_dump(), writing.model_dump(), task.model_dump()]
    found, counts = [], {}
    with Scratch("preferences", llm, key, inputs) as scratch:
        for shots, folder in models.items():
            asked = records.filter(pl.col("shots") == shots)
            written = score_prompts.record_prompts(asked, posts, writer, task)
            kept = scratch.folder / f"answers_{shots}.json"
            if not kept.exists():
                answers = preferences.two_answers(folder, written, asked["record_id"].to_list(), settings, base.seed)
                tables.write_json({"answers": answers}, kept)
            answers = orjson.loads(kept.read_bytes())["answers"]
            table, counts[f"shots_{shots}"] = preferences.pairs(asked, written, answers, scores, settings)
            found.append(table)
            print(f"{llm}: {shots} shots, {table.height} pairs of {asked.height} prompts", flush=True)
        tables.write(pl.concat(found), paths.preferences(llm), tables.PAIRS, key="pair_id")
        tables.write_json(counts, paths.preference_counts(llm))


if __name__ == "__main__":
    main()
