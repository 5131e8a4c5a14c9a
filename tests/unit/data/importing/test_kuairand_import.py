"""KuaiRand-Pure: the shipped recipe and what it makes of both layouts of the files."""

from functools import partial
from pathlib import Path

import polars as pl
import pytest

from hyrec.config.shipped import find_file
from hyrec.data.importing import import_data
from hyrec.data.logs import RecipeError

RECIPE = Path(__file__).parents[4] / "configs" / "recipes" / "kuairand_pure.yaml"
LOG = [
    "user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like", "is_follow", "is_comment",
    "is_forward", "is_hate", "long_view", "play_time_ms", "duration_ms", "profile_stay_time", "comment_stay_time",
    "is_profile_enter", "is_rand", "tab",
]  # fmt: skip
USER = [
    "user_id", "user_active_degree", "is_lowactive_period", "is_live_streamer", "is_video_author", "follow_user_num",
    "follow_user_num_range", "fans_user_num", "fans_user_num_range", "friend_user_num", "friend_user_num_range",
    "register_days", "register_days_range", *(f"onehot_feat{i}" for i in range(18)),
]  # fmt: skip
VIDEO = [
    "video_id", "author_id", "video_type", "upload_dt", "upload_type", "visible_status", "video_duration",
    "server_width", "server_height", "music_id", "music_type", "tag",
]  # fmt: skip


def write(folder, *logs, snapshot=False):
    folder.mkdir()
    for name, columns in [("user_features_pure.csv", USER), ("video_features_basic_pure.csv", VIDEO)]:
        pl.DataFrame({column: [0] for column in columns}).write_csv(folder / name)
    for name in logs:
        frame = pl.DataFrame({column: [0] for column in LOG})
        frame.write_csv(folder / name) if name.endswith("csv") else frame.write_parquet(folder / name)
    if snapshot:
        lists = {name: [[1]] for name in ("watch_seq", "like_seq", "long_watch_seq")}
        frame = pl.DataFrame({"user_id": [0], "last_time_ms": [0], "history_len": [0], **lists})
        frame.write_parquet(folder / "history_until_0424.parquet")
    return folder


def imported(folder, out):
    return import_data("kuairand", folder, out, partial(find_file, what="recipe"))[0]


@pytest.mark.parametrize(
    ("logs", "snapshot"),
    [
        (["log_standard_0425_0504.parquet"], True),
        (["log_standard_4_08_to_4_21_pure.csv", "log_standard_4_22_to_5_08_pure.csv"], False),
    ],
)
def test_both_layouts_are_told_column_by_column(tmp_path, logs, snapshot):
    found = imported(write(tmp_path / "raw", *logs, snapshot=snapshot), tmp_path / "out")
    said = [column for column, _ in (*found.mapped, *found.left_out)]
    assert len(said) == len(set(said)) == len(LOG) + len(USER) + len(VIDEO) + 6 * snapshot
    assert [column for column, _ in found.left_out][:2] == ["is_rand", "item.visible_status"]
    assert f"Files: {', '.join(logs)}, user_features" in found.notes[0]
    assert ("No snapshot" in found.report()) is not snapshot


def test_the_recipe_that_ships_is_named_and_none_is_written(tmp_path):
    found = imported(write(tmp_path / "raw", "log_standard_0425_0504.parquet"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["data.yaml"]
    build = found.next_commands(tmp_path / "out")[0]
    assert build.startswith("hyrec data build --recipe pkg:hyrec/recipes/kuairand_pure.yaml")


def test_files_in_a_folder_below_are_pointed_at(tmp_path):
    write(tmp_path / "data", "log_standard_4_08_to_4_21_pure.csv")
    with pytest.raises(RecipeError, match=r"data does: name that folder"):
        imported(tmp_path, tmp_path / "out")


def test_other_editions_are_told_which_files_the_recipe_reads(tmp_path):
    write(tmp_path / "raw", "log_standard_4_08_to_4_21_1k.csv")
    with pytest.raises(RecipeError, match=r"holds none of .*log_standard_4_\*_pure.csv"):
        imported(tmp_path / "raw", tmp_path / "out")
