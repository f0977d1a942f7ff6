"""Stage ``preferences``: a tuned model answers each prompt of the preference pool twice; the better answer is chosen.

A killed stage goes on with its first unfinished number of shots: python -m stages.preferences smpd
"""

import orjson
import polars as pl

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.scratch import Scratch
from popcast.core.stage import stage
from popcast.fewshot import score_prompts
from popcast.fewshot.alignment import preferences
from popcast.fewshot.params import Task
from popcast.lm.backbone import load_tokenizer
from popcast.lm.tuned_systems import files_of


@stage
def main(plan: Plan) -> None:
    """Preference pairs of KEY, in llms of params.yaml."""
    llm, task, scores = plan.key, plan.section("task", Task), tuple(plan["scores"])
    settings = plan.section("params", preferences.Params)
    writing = plan.section("prompts", score_prompts.Params)
    writer = score_prompts.PromptWriter(load_tokenizer(paths.base_model(llm)), writing, task.template)
    posts = tables.read(paths.posts(llm), tables.POSTS)
    records = tables.read(paths.records(llm), tables.RECORDS).filter(pl.col("role") == "preference")
    models = {shots: paths.sft(llm, plan["start"], shots) for shots in plan["shots"]}
    inputs = [paths.posts(llm), paths.records(llm), *files_of(paths.base_model(llm))]
    inputs += [file for folder in models.values() for file in files_of(folder)]
    found, counts = [], {}
    with Scratch(plan, inputs) as scratch:
        for shots, folder in models.items():
            asked = records.filter(pl.col("shots") == shots)
            written = score_prompts.record_prompts(asked, posts, writer, task)
            kept = scratch.folder / f"answers_{shots}.json"
            if not kept.exists():
                ids = asked["record_id"].to_list()
                answers = preferences.two_answers(folder, written, ids, settings, plan["seed"])
                tables.write_json({"answers": answers}, kept)
            answers = orjson.loads(kept.read_bytes())["answers"]
            table, counts[f"shots_{shots}"] = preferences.pairs(asked, written, answers, scores, settings)
            found.append(table)
            print(f"{llm}: {shots} shots, {table.height} pairs of {asked.height} prompts", flush=True)
        tables.write(pl.concat(found), paths.preferences(llm), tables.PAIRS, key="pair_id")
        tables.write_json(counts, paths.preference_counts(llm))


if __name__ == "__main__":
    main()
