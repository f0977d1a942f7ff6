"""``popcast init``: an export in, a table of its columns and an overlay out; what is wrong is one line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from popcast.commands.init_command import init
from popcast.commands.own_copies import refresh
from popcast.commands.user_files import dataset_name
from popcast.core.yaml_reading import read_yaml
from popcast.datasets import loading
from popcast.datasets.params import Dataset
from tests.commands.german_export import german


def run(*arguments: str | Path):
    return CliRunner().invoke(init, [str(one) for one in arguments])


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "Meine Beiträge"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_german_export_becomes_an_overlay_and_right_values(here):
    done = run(german(here / "Übersicht.csv"))
    assert done.exit_code == 0, done.output
    sections = read_yaml(Path("ubersicht.yaml"))
    values = sections["datasets"]["ubersicht"]
    assert values["raw"] == str(here)
    assert values["table"]["columns"] == {
        "id": "Beitrags-ID", "author": "Seite", "time": "Veröffentlicht am", "text": ["Beitragstext"],
        "label": "Gefällt mir",
    }  # fmt: skip
    assert sections["splits"]["ubersicht"]["method"] == "chronological"
    posts, _ = loading.load("ubersicht", Dataset.model_validate(values))
    assert posts["popularity"].null_count() == 5
    assert (2 ** posts["popularity"][:3] - 1).round(6).to_list() == [0, 7, 28]
    assert posts["posted_at"][0] == datetime(2025, 1, 3, 9, 41).astimezone().replace(
        tzinfo=posts["posted_at"][0].tzinfo
    )
    assert posts["title"][0] == "Gruß; Nr. 0"
    for words in (
        "Gefällt mir",
        "label",
        "separated by ;",
        "cp1252",
        "85 posts with a label",
        "5 to predict",
        "on two cores",
    ):
        assert words in done.output


def test_a_file_without_outcomes_holds_the_posts_to_predict(here):
    done = run(german(here / "alt.csv"), german(here / "neu.csv", posts=7, outcomes=False), "--name", "mine")
    assert done.exit_code == 0, done.output
    table = read_yaml(Path("mine.yaml"))["datasets"]["mine"]["table"]
    assert (table["labelled"], table["unlabelled"]) == ("alt.csv", "neu.csv")
    assert "12 to predict" in done.output


def test_files_of_the_same_columns_are_one_table(here):
    done = run(german(here / "a.csv", unpublished=0), german(here / "b.csv", unpublished=0), "--out", "both.yaml")
    assert done.exit_code == 0, done.output
    assert read_yaml(Path("both.yaml"))["datasets"]["a"]["table"]["labelled"] == ["a.csv", "b.csv"]
    assert "180 posts with a label" in done.output


def test_an_overlay_is_not_written_over_without_force(here):
    file = german(here / "posts.csv")
    Path("posts.yaml").write_text("mine")
    done = run(file)
    assert done.exit_code == 1
    assert Path("posts.yaml").read_text() == "mine"
    assert "--force" in done.output
    assert run(file, "--force").exit_code == 0
    assert "datasets" in read_yaml(Path("posts.yaml"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--label", "Likes"], ["--label", "'Likes'"]),
        (["--name", "Mein Name"], ["--name"]),
        (["--time", "Seite"], ["--time", "times"]),
        (["--leave-out", "Gefällt mir"], ["--label"]),
        (["--zone", "Europe/Nowhere"], ["error: --zone", "Europe/Nowhere"]),
        (["--delimiter", ","], ["delimiter", ";"]),
        (["--encoding", "latin-99"], ["encoding"]),
        (["--budget", "soon"], ["--budget", "5m"]),
        (["--budget", "5"], ["--budget", "5m"]),
        (["--repeated-by", "Gefällt mir"], ["--repeated-by needs --repeated"]),
        (["--thousands", "xx"], ["--thousands"]),
        (["--out", "/dev/null/posts.yaml"], ["/dev/null/posts.yaml"]),
        (["--text", "Seite", "--author", "Seite"], ["'Seite'"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith("--") and len(value) > 1 else None,
)
def test_what_is_wrong_is_one_line_and_writes_nothing(here, arguments, words):
    done = run(german(here / "posts.csv"), *arguments)
    assert done.exit_code in (1, 2)
    assert "Traceback" not in done.output
    assert not [word for word in words if word not in done.output], done.output
    assert not Path("posts.yaml").exists()


@pytest.mark.parametrize("name", ["Beitrags\x07text", "Beitrags\x1b[2Jtext", "Beitrags\x7ftext", "Beitrags\x85text",
                                  "Beitrags\u2028text", "B" * 301])  # fmt: skip
def test_a_column_name_that_no_setting_can_hold_is_named(here, name):
    file = german(here / "posts.csv")
    file.write_text(file.read_bytes().decode("cp1252").replace("Beitragstext", name))
    done = run(file, "--text", name)
    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if line.startswith("error: ")]
    assert repr(name)[:40] in line
    assert "rename it" in line
    assert run(file, "--leave-out", name).exit_code == 0


@pytest.mark.parametrize(
    ("folder", "file"),
    [("plain", 'Beiträge "März".csv'), ("plain", "-x.csv"), ("it's \"here\"", "posts.csv"), ("a $HOME", "posts.csv"),
     ("plain", "a;b|c.csv")],
)  # fmt: skip
def test_names_that_dvc_takes_not_are_copied_under_others(here, folder, file):
    (here / folder).mkdir()
    made = german(here / folder / file)
    done = run("--name", "mine", "--", made)
    assert done.exit_code == 1
    assert "rename it" in done.output
    Path("params.yaml").write_text("")
    assert run("--name", "mine", "--", made).exit_code == 0
    values = read_yaml(Path("mine.yaml"))["datasets"]["mine"]
    posts, _ = loading.load("mine", Dataset.model_validate(values))
    assert posts.height == 90


@pytest.fixture
def copied(here):
    """A project in whose root the file of posts lies, as in the tutorial: much lies beside it."""
    Path("params.yaml").write_text("")
    file = german(here / 'a "b".csv')
    assert run(file, "--name", "mine").exit_code == 0
    return file


def test_copies_follow_their_files(copied):
    assert refresh("mine") == []
    copied.write_bytes(copied.read_bytes() + b"more\n")
    assert refresh("mine") == [str(copied)]
    assert Path("data/own/mine/a _b_.csv").read_bytes() == copied.read_bytes()
    assert refresh("mine") == []
    copied.unlink()
    assert refresh("mine") == []
    assert Path("data/own/mine/a _b_.csv").exists()


def test_a_copy_is_never_written_over_by_another_file_of_its_name(copied, here):
    (here / "other").mkdir()
    other = german(here / "other" / copied.name)
    done = run(other, "--name", "mine", "--force")
    assert done.exit_code == 1
    assert "--name" in done.output
    copied.unlink()
    assert run(other, "--name", "mine", "--force").exit_code == 0


def test_a_file_named_twice_is_read_once(here):
    file = german(here / "posts.csv", unpublished=0)
    assert run(file, file).exit_code == 0
    assert read_yaml(Path("posts.yaml"))["datasets"]["posts"]["table"]["labelled"] == "posts.csv"


def test_what_is_not_chosen_for_want_of_an_extra_is_said(here, monkeypatch):
    monkeypatch.setattr("popcast.planning.choosing.pipeline_choice.installed", lambda extra: False)
    done = run(german(here / "posts.csv"))
    assert done.exit_code == 0
    assert "not chosen for want of the extra `text`, pip install 'popcast[text]': cnn" in done.output
    assert not [key for key in read_yaml(Path("posts.yaml"))["runs"] if "cnn" in key]


@pytest.mark.parametrize(
    ("rows", "option"),
    [
        ([f"{i},{1 + i % 9:02}/{1 + i % 7:02}/2024,{i}" for i in range(60)], "--day-first or --month-first"),
        ([f"{i // 2},2024-01-{1 + i % 28:02},{i}" for i in range(60)], "--repeated"),
    ],
    ids=["day or month", "repeated ids"],
)
def test_what_only_the_user_can_say_names_the_option(here, rows, option):
    (here / "posts.csv").write_text("\n".join(["id,created_at,likes", *rows]))
    done = run(here / "posts.csv")
    assert done.exit_code == 1
    assert option in done.output
    assert "table." not in done.output


@pytest.mark.parametrize("content", [b"", b"id;likes\n", b"\x00\x01\x02\xff", b"{", b"[]"])
def test_a_file_without_posts_is_one_line(here, content):
    file = here / "posts.csv"
    file.write_bytes(content)
    done = run(file)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit), done.exception
    assert "error: " in done.output


def test_files_that_do_not_fit_are_named_with_what_differs(here):
    other = here / "other.csv"
    other.write_text("a,likes\n1,2\n")
    done = run(german(here / "posts.csv"), other)
    assert done.exit_code == 1
    assert "different columns" in done.output


def test_missing_files_and_folders_are_one_line(here):
    for path in (here / "none.csv", here):
        done = run(path)
        assert done.exit_code == 1
        assert "error: " in done.output


def test_values_of_a_file_reach_no_terminal_as_control_characters(here):
    file = german(here / "posts.csv")
    text = file.read_bytes().replace("Café 0".encode("cp1252"), b"\x1b[2J[bold]x")
    file.write_bytes(text)
    done = run(file)
    assert "\x1b" not in done.output
    assert "[bold]x" in done.output


def test_much_beside_the_files_is_not_watched_but_the_files_are_copied(here, monkeypatch):
    monkeypatch.setattr("popcast.commands.user_files.MOST_FILES", 3)
    file = german(here / "posts.csv")
    for i in range(5):
        (here / f"holiday{i}.jpg").write_bytes(b"x")
    done = run(file)
    assert done.exit_code == 1
    assert "folder of their own" in done.output
    Path("params.yaml").write_text("")
    assert run(file).exit_code == 0
    assert read_yaml(Path("posts.yaml"))["datasets"]["posts"]["raw"] == "data/own/posts"
    assert Path("data/own/posts/posts.csv").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("file", "name"),
    [("posts-2024.csv.gz", "posts_2024"), ("Beiträge März (1).csv", "beitrage_marz_1"), ("微博.csv", "posts"),
     ("A" * 90 + ".csv", "a" * 40), ("-.csv", "posts")],
)  # fmt: skip
def test_names_of_datasets_follow_files(file, name):
    assert dataset_name(Path(file)) == name
