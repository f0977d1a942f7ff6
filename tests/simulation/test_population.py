"""Generated personas and their graph, word lists, saving and loading, the stage."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from popcast.core.errors import BadInput
from popcast.simulation.audience import population as populations
from popcast.simulation.audience.audience_graph import statistics
from popcast.simulation.audience.persona_lists import PLAIN_PATTERN, read_words, sentence
from popcast.simulation.audience.population import Person, Population
from tests.conftest import ROOT
from tests.plans import run_stage

WORDS = ROOT / "src/popcast/simulation/audience/persona_lists.json"


@pytest.fixture(scope="module")
def hundred() -> Population:
    return populations.generate(WORDS, 100, 2, 42)


@pytest.fixture(scope="module")
def thousand() -> Population:
    return populations.generate(WORDS, 1000, 2, 42)


def person(name: str) -> Person:
    return Person(name, None, None, None, (), (), f"{name} reads.")


def linked(*rows: tuple[int, ...]) -> Population:
    return Population(tuple(person(f"P {row}") for row in range(len(rows))), rows)


def test_generated_audience_has_the_measured_statistics(hundred):
    facts = statistics(hundred)
    graph = ("agents", "edges", "components", "largest_component", "degree_min", "degree_median", "degree_mean")
    assert [facts[name] for name in graph] == [100, 196, 1, 1, 2, 2, 3.92]
    assert facts["diameter"] == 5
    assert facts["degree_max"] == pytest.approx(36, abs=8)
    assert facts["density"] == pytest.approx(0.0396, abs=1e-4)
    assert facts["mean_path"] == pytest.approx(2.85, abs=0.3)
    assert facts["clustering"] == pytest.approx(0.163, abs=0.06)
    assert facts["transitivity"] == pytest.approx(0.052, abs=0.02)
    assert facts["assortativity"] == pytest.approx(-0.26, abs=0.12)
    assert facts["age_min"] >= 18
    assert facts["age_max"] <= 82
    assert facts["age_mean"] == pytest.approx(38.2, abs=4)
    assert facts["age_median"] == pytest.approx(37, abs=4)
    assert facts["female"] == pytest.approx(0.5, abs=0.1)
    assert facts["female"] + facts["male"] == 1
    assert facts["occupations"] == pytest.approx(69, abs=8)
    assert facts["traits"] >= 45
    assert facts["interests"] == pytest.approx(95, abs=5)
    assert facts["role_length_mean"] == pytest.approx(192, abs=10)
    assert facts["role_length_min"] >= 125
    assert facts["role_length_max"] <= 255
    hubs = sorted(range(100), key=lambda row: len(hundred.neighbours[row]))[-3:]
    assert max(hubs) < 10


def test_relations_go_both_ways_and_rows_ascend(hundred):
    for row, others in enumerate(hundred.neighbours):
        assert list(others) == sorted(set(others) - {row})
        assert all(row in hundred.neighbours[other] for other in others)


def test_generated_persons(thousand):
    words = read_words(WORDS)
    names = [one.name for one in thousand.people]
    assert len(set(names)) == 1000
    assert not any(character.isdigit() for name in names for character in name)
    shares = Counter(len(one.traits) for one in thousand.people)
    for count, share in ((3, 0.34), (4, 0.30), (5, 0.36)):
        assert shares[count] / 1000 == pytest.approx(share, abs=0.05)
    for one in thousand.people:
        youngest, oldest = words.occupations[one.occupation]
        assert youngest <= one.age <= oldest
        assert len(set(one.traits)) == len(set(one.interests)) == len(one.interests)
        assert one.name.split()[0] in words.first_names[one.gender]
        for fact in (one.name, str(one.age), one.gender, one.occupation, *one.traits, *one.interests):
            assert fact in one.role
        assert one.role.endswith(".")
        assert one.role == " ".join(one.role.split())


def test_the_first_hundred_of_a_thousand_are_the_hundred(hundred, thousand):
    assert thousand.people[:100] == hundred.people
    assert populations.generate(WORDS, 100, 2, 42) == hundred
    other = populations.generate(WORDS, 100, 2, 43)
    assert sum(a == b for a, b in zip(hundred.people, other.people, strict=True)) == 0
    assert other.neighbours != hundred.neighbours


def test_one_more_word_changes_few_personas(hundred, tmp_path):
    lists = json.loads(WORDS.read_text())
    lists["interests"].append("zeppelins")
    file = tmp_path / "words.json"
    file.write_text(json.dumps(lists))
    changed = populations.generate(file, 100, 2, 42).people
    different = [new for old, new in zip(hundred.people, changed, strict=True) if old != new]
    assert 0 < len(different) < 15
    assert all("zeppelins" in new.interests for new in different)


def test_names_run_out_with_one_line(tmp_path):
    lists = json.loads(WORDS.read_text()) | {"first_names": {"female": ["Ada"], "male": ["Otto"]}}
    file = tmp_path / "words.json"
    file.write_text(json.dumps(lists | {"last_names": ["Berg", "Dahl", "Falk"]}))
    assert len({one.name for one in populations.generate(file, 3, 1, 0).people}) == 3
    with pytest.raises(BadInput, match=r"^\S+words\.json: field 'first_names': no (fe)?male name is left: expected"):
        populations.generate(file, 7, 1, 0)


@pytest.mark.parametrize(("agents", "edges"), [(3, 3), (3, 0), (40_000, 2)])
def test_impossible_graphs(agents, edges):
    with pytest.raises(BadInput, match=f"{agents} agents with {edges} edges"):
        populations.generate(WORDS, agents, edges, 0)


def test_sentence_articles_and_lists():
    starts = {}
    for age in (8, 11, 17, 18, 28, 79, 80, 89, 90, 118):
        text = sentence(PLAIN_PATTERN, "Ann", age, "female", "baker", ["calm"], ["chess", "tea", "jazz"])
        starts[age] = text.split()[2]
        assert text.endswith("baker, calm, who likes chess, tea and jazz.")
    assert [age for age, article in starts.items() if article == "an"] == [8, 11, 18, 80, 89]


WRONG_WORDS = [
    (lambda w: w.pop("traits"), "field 'traits': missing"),
    (lambda w: w.update(hobbies=[]), "field 'hobbies': unknown key"),
    (lambda w: w.update(last_names="Berg"), "field 'last_names': not a list of words"),
    (lambda w: w["last_names"].append("Berg 7"), "field 'last_names': digit in a name: got 'Berg 7'"),
    (lambda w: w["first_names"]["male"].append("Agnes"), "name also in first_names.male: got 'Agnes'"),
    (lambda w: w["first_names"].update(other=["Kim"]), "field 'first_names.other': unknown key"),
    (lambda w: w["traits"].append("brave"), "field 'traits': word stands twice: got 'brave'"),
    (lambda w: w["interests"].append("a;b"), "field 'interests': not a word: got 'a;b'"),
    (lambda w: w["interests"].append(3), "field 'interests': not a word: got 3"),
    (lambda w: w["traits"].__delitem__(slice(4, None)), "field 'traits': not a list of words: expected 5 or more"),
    (lambda w: w["occupations"][0].update(ages=[82, 18]), "field 'occupations.1.ages': not two ages: got [82, 18]"),
    (lambda w: w.update(occupations=w["occupations"][1:]), "field 'occupations': no occupation at the age of 79"),
    (
        lambda w: w["patterns"].append("{name} is {age}."),
        "field 'patterns': wrong placeholders: got '{name} is {age}.'",
    ),
    (lambda w: w["patterns"].append(w["patterns"][0].replace("{age}", "{age!r}")), "wrong placeholders"),
    (lambda w: w["patterns"].append(w["patterns"][0] + " {name}"), "wrong placeholders"),
]


@pytest.mark.parametrize(("spoil", "message"), WRONG_WORDS)
def test_word_lists_are_checked(spoil, message, tmp_path):
    lists = json.loads(WORDS.read_text())
    spoil(lists)
    file = tmp_path / "words.json"
    file.write_text(json.dumps(lists))
    with pytest.raises(BadInput) as error:
        populations.generate(file, 5, 1, 0)
    assert str(error.value).startswith(str(file))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_word_lists_may_start_with_a_byte_order_mark(hundred, tmp_path):
    file = tmp_path / "words.json"
    file.write_bytes(b"\xef\xbb\xbf" + WORDS.read_bytes())
    assert populations.generate(file, 100, 2, 42) == hundred


def test_save_and_load(hundred, tmp_path):
    path = tmp_path / "audience.json"
    populations.save(hundred, path, {"kind": "generated", "seed": 42})
    first = path.read_bytes()
    populations.save(hundred, path, {"seed": 42, "kind": "generated"})
    assert path.read_bytes() == first
    content = json.loads(first)
    assert (content["format"], content["hash"]) == (1, hundred.hash)
    assert content["origin"] == {"kind": "generated", "seed": 42}
    again = populations.load(path)
    assert again == hundred
    assert again.hash == hundred.hash
    assert populations.read_table(path) == hundred
    plain = tmp_path / "plain.json"
    populations.save(linked((1,), (0,), ()), plain)
    assert populations.load(plain) == linked((1,), (0,), ())


def test_hash_follows_every_fact(hundred):
    first, *others = hundred.people
    older = Person(first.name, first.age + 1, first.gender, first.occupation, first.traits, first.interests, first.role)
    hashes = {hundred.hash, Population((older, *others), hundred.neighbours).hash}
    hashes |= {linked((1,), (0,), ()).hash, linked((2,), (), (0,)).hash}
    assert len(hashes) == 4
    assert all(len(value) == 64 for value in hashes)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c.update(format=2), "field 'format': not a population: got 2, expected 1"),
        (lambda c: c["people"][3].update(age=20), "field 'hash': edited"),
        (lambda c: c["people"][3].update(relation=[]), "one-way relation"),
        (lambda c: c.pop("people"), "not a list of personas"),
        (lambda c: c.update(people=[]), "empty table"),
    ],
)
def test_load_checks_again(spoil, message, hundred, tmp_path):
    path = tmp_path / "audience.json"
    populations.save(hundred, path)
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput) as error:
        populations.load(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_statistics_of_a_disconnected_audience():
    facts = statistics(linked((1,), (0, 2), (1,), (4,), (3,), ()))
    assert (facts["components"], facts["largest_component"]) == (3, 0.5)
    assert (facts["diameter"], facts["mean_path"]) == (2, pytest.approx(4 / 3, abs=1e-6))
    assert (facts["degree_min"], facts["edges"]) == (0, 3)
    assert not {"age_mean", "female"} & set(facts)


def test_statistics_without_relations():
    facts = statistics(linked((), ()))
    assert (facts["components"], facts["edges"], facts["density"]) == (2, 0, 0)
    assert not {"assortativity", "diameter", "mean_path"} & set(facts)
    assert statistics(linked(()))["agents"] == 1
    ring = statistics(linked((1, 2), (0, 2), (0, 1)))
    assert "assortativity" not in ring
    assert (ring["clustering"], ring["transitivity"], ring["diameter"]) == (1, 1, 1)


OTHER_SECTIONS = """\
base: {seed: 42}
datasets: {tiny: {kind: smpd, raw: data/raw/tiny}}
splits: {tiny: {method: chronological, shares: [0.6, 0.2, 0.2]}}
blocks: {tiny-metadata: {dataset: tiny, block: metadata}}
features: {metadata: {}}
runs: {}
models: {}
blend: {}
evaluation: {}
"""


def run(folder: Path, sections: str) -> tuple[int, str]:
    (folder / "params.yaml").write_text(OTHER_SECTIONS + sections)
    result = run_stage("population", "mine", catch_exceptions=False)
    return result.exit_code, result.output


def test_stage_generates(hundred, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = run(tmp_path, f"populations:\n  mine: {{kind: generated, file: {WORDS}}}\n")
    assert (code, said.count("\n")) == (0, 1)
    assert said.startswith("mine: 100 personas (generated), 196 relations, 2 to 36 each; hash ")
    assert populations.load(tmp_path / "data/populations/mine.json") == hundred
    metrics = json.loads((tmp_path / "metrics/populations/mine.json").read_text())
    assert metrics == statistics(hundred)
    assert all(isinstance(value, float) for value in metrics.values())


def test_stage_reads_a_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "mine.csv"
    table.write_text(
        'name,role_description,relation\nAnn,Ann reads.,"[""Bo""]"\nBo,Bo runs.,"[""Ann""]"\nCy,Cy sits.,[]\n'
    )
    code, said = run(tmp_path, "populations:\n  mine: {kind: table, file: mine.csv}\n")
    assert code == 0
    assert said.startswith(
        "mine: 3 personas (table), 1 relations, 0 to 1 each, in 2 parts that do not know each other;"
    )
    origin = json.loads((tmp_path / "data/populations/mine.json").read_text())["origin"]
    assert (origin["kind"], origin["file"], len(origin["file_hash"])) == ("table", "mine.csv", 64)


def test_stage_refuses_with_one_line_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("name,role_description,relation\nAnn,Ann reads.,\"['Bo']\"\n")
    code, said = run(tmp_path, "populations:\n  mine: {kind: table, file: mine.csv}\n")
    assert code == 1
    problem = "unknown name: got 'Bo', expected the name of a persona of the table"
    assert said == f"error: mine.csv: row 2: field 'relation': {problem}\n"
    assert not {path.name for path in tmp_path.glob("data/*")} - {"plan"}
    assert not (tmp_path / "metrics").exists()


def test_import_leaves_mesa_and_networkx_alone():
    code = "import sys, popcast.simulation.audience.population; print({'mesa', 'networkx', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "src", check=True)
    assert done.stdout == "set()\n"
