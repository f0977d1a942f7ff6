"""Stage ``response_predict``: every system writes responses of valid, test and withheld cases.

A killed stage goes on where it was: python -m stages.response_predict weibo
"""

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.lm.tuned_systems import files_of
from popcast.response import response_tables as contracts
from popcast.response.sentiment.labelling import labeller
from popcast.response.sentiment.params import Labelling
from popcast.response.writing import written_responses
from popcast.response.writing.askings import TABLES, read_data


@stage
def main(plan: Plan) -> None:
    """Texts of all systems for the responses KEY, and the predictions of those that are withheld."""
    data = read_data(plan.key)
    inputs = [paths.responses(plan.key, name) for name in TABLES] + files_of(paths.response_model(plan.key))
    generated = written_responses.run(plan, data, inputs, print)
    reader = labeller(plan.section("sentiment", Labelling))
    predicted = written_responses.submitted(generated, data.cases, plan["submit"], reader)
    tables.write(generated, paths.generated(plan.key), contracts.GENERATED, contracts.GENERATED_KEY)
    tables.write(predicted, paths.response_predictions(plan.key), contracts.PREDICTED, contracts.PREDICTED_KEY)
    print(f"{plan.key}: {generated.height} texts, {predicted.height} of withheld responses")


if __name__ == "__main__":
    main()
