"""Files of ranges: what is drawn from them, and what is refused in one line."""

import pytest

from popcast.core.errors import BadInput
from popcast.planning.searching.search_space import Space, laid_over


@pytest.fixture
def written(tmp_path):
    def write(text: str):
        file = tmp_path / "space.yaml"
        file.write_text(text)
        return file

    return write


def test_values_lie_in_their_ranges_and_whole_numbers_stay_whole(written):
    optuna = pytest.importorskip("optuna", reason="optuna is not installed: requirements-search.txt")
    text = "depth: {low: 2, high: 6, step: 2}\nrate: {low: 0.01, high: 0.1, log: true}\nloss: {choices: [mae, rmse]}\n"
    space = Space.read(written(text))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(1))
    seen = [space.drawn(study.ask()) for _ in range(30)]
    assert {values["depth"] for values in seen} == {2, 4, 6}
    assert {values["loss"] for values in seen} == {"mae", "rmse"}
    assert all(0.01 <= values["rate"] <= 0.1 for values in seen)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no setting in it"),
        ("depth: {low: 5, high: 5}", "depth: expected low below high"),
        ("depth: {low: 1}", "depth: expected low below high"),
        ("rate: {low: 0, high: 1, log: true}", "rate: log: expected low above 0"),
        ("loss: {choices: [mae], low: 1}", "loss: expected low and high, or choices"),
        ("depth: {lowest: 1, high: 2}", "lowest: unknown key"),
        ("- a", "space.yaml"),
    ],
)
def test_a_file_that_is_no_space_is_refused_in_one_line(written, text, said):
    with pytest.raises(BadInput, match=r"space\.yaml") as caught:
        Space.read(written(text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        Space.read(tmp_path / "space.yaml")


def test_values_are_laid_over_settings_and_these_stay():
    settings = {"training": {"epochs": 3, "rate": 0.5}, "text": None}
    found = laid_over(settings, {"training.rate": 0.1, "text.min_df": 2})
    assert found == {"training": {"epochs": 3, "rate": 0.1}, "text": {"min_df": 2}}
    assert settings == {"training": {"epochs": 3, "rate": 0.5}, "text": None}
