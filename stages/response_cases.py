"""Raw folder of collected responses -> checked tables, cases with their history, portraits of users.

python -m stages.response_cases weibo
"""

from pathlib import Path

import polars as pl

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.safety.whole_files import whole_folder
from popcast.core.stage import stage
from popcast.response import response_tables as contracts
from popcast.response.casework import case_building
from popcast.response.casework.params import Casework, Cleaning, Retrieval
from popcast.response.importing import response_loading
from popcast.response.importing.canonical_tables import class_counts
from popcast.response.params import ResponseSet
from popcast.response.portraits import portraits
from popcast.response.portraits.params import Portraying
from popcast.response.sentiment.labelling import labeller
from popcast.response.sentiment.params import Labelling


@stage
def main(plan: Plan) -> None:
    """Tables, cases and portraits of the responses KEY, in responses of params.yaml."""
    key, section = plan.key, plan.section("set", ResponseSet)
    label = labeller(plan.section("sentiment", Labelling)).label
    report = paths.response_cases(key)
    found = response_loading.load(
        section, Path(section.raw), key, seed=plan["seed"], label=label,
        on_report=lambda read: tables.write_json({"import": read}, report),
    )  # fmt: skip
    settings = Casework(cleaning=plan.section("cleaning", Cleaning), retrieval=plan.section("retrieval", Retrieval))
    cases, facts = case_building.build(found, settings, plan["seed"])
    drawn = portraits.draw(cases, found.history, found.users, plan.section("portraits", Portraying), plan["seed"])
    counts = found.counts
    if counts is None:
        own = found.responses.filter(~pl.col("is_retweet_source"))
        counts = class_counts(own["topic_id"], own["text"], label)
    made = {"topics": found.topics, "responses": found.responses, "users": found.users, "history": found.history}
    made |= {"cases": cases, "portraits": drawn, "counts": counts}
    with whole_folder(paths.responses(key)) as fresh:
        for name, table in made.items():
            schema = getattr(contracts, name.upper())
            tables.write(table, fresh / f"{name}.parquet", schema, getattr(contracts, f"{name.upper()}_KEY"))
    errors = drawn["error"].drop_nulls().value_counts().sort("error")
    tables.write_json(
        {"import": found.report, "cases": facts, "portraits": {"errors": dict(errors.iter_rows())}}, report
    )
    print(f"{key}: {found.topics.height} topics, {found.responses.height} responses, {cases.height} cases")


if __name__ == "__main__":
    main()
