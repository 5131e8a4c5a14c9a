"""UniRank: rows against a slow reading of the same files, and what is told of every column."""

import json
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrec.data.importing import import_data
from hyrec.data.parquet import ParquetData
from hyrec.data.parquet.policy import DataError
from hyrec.schema import Schema
from hyrec.testing import check_data
from tests.references.parquet import same, take_apart
from tests.unirank_files import BLOCKS, LABELS, write

SPLITS = {"train": "train", "valid": "validate", "test": "test"}


def imported(folder, **options):
    write(folder / "raw", **options)
    return import_data("unirank", folder / "raw", folder / "out")[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("unirank")


@pytest.fixture(scope="module")
def found(folder):
    return imported(folder)


@pytest.fixture(scope="module")
def data(folder, found):
    return ParquetData(Schema.load(folder / "out" / "schema.yaml"), batch_size=7, **found.data)


def read(folder, split):
    """Read the rows of a split one by one: files by number, users and items by their index in the block."""
    rows = []
    for block in range(BLOCKS[split]):
        data, users, items = (
            pq.read_table(folder / split / kind / f"part-{block:05d}.parquet").to_pylist()
            for kind in ("data", "user_info", "item_info")
        )
        user_of, item_of = {u["user_index"]: u for u in users}, {i["item_index"]: i for i in items}
        for row in data:
            user, item, n = user_of[row["user_index"]], item_of[row["item_index"]], row["seq_len"]
            times = user.get("full_timestamp_seq")
            now = times[n] if times else None
            earlier = [k for k in range(n) if times is None or times[k] < now][-100:]
            history = [item_of[user["full_item_seq"][k]] for k in earlier]
            sample = {name: row[name] + 2 for name in ("user_id", "degree", "tab")}
            sample |= {name: item[name] + 2 for name in ("item_id", "video_type")}
            sample |= {"tags": [tag + 2 for tag in row["tags"] if tag]}
            sample |= {f"label {label}": row[label] for label in LABELS} | {"group": row["user_id"]}
            sample |= {f"history.{name}": [event[name] + 2 for event in history] for name in ("item_id", "video_type")}
            sample["history.action"] = [user["full_action_seq"][k] + 2 for k in earlier]
            if times:
                sample |= {"time": now / 1000, "history.@time": [times[k] / 1000 for k in earlier]}
            rows.append(sample)
    return dict(enumerate(rows))


def samples(data, split):
    return {row: s for batch in data.loader(split) for row, s in take_apart(batch, data.schema).items()}


@pytest.mark.parametrize("split", SPLITS)
def test_every_row_has_its_item_its_moment_and_the_events_strictly_before_it(folder, data, split):
    expected = read(folder / "raw", split)
    assert expected
    assert same(samples(data, SPLITS[split]), expected)


def test_without_times_a_row_sees_the_events_that_stand_before_it(tmp_path):
    found = imported(tmp_path, timed=False)
    data = ParquetData(found.schema, batch_size=7, **found.data)
    assert same(samples(data, "train"), read(tmp_path / "raw", "train"))
    assert "Events have no times: a row sees those that stand before it." in found.notes


def test_rows_behind_events_of_their_own_moment_are_told(folder, found):
    users, cut = defaultdict(list), 0
    for event in write(folder / "again"):
        before = users[event["user"]]
        cut += event["time"] in before
        before.append(event["time"])
    assert cut
    assert f"{cut} rows do not see events of their own moment" in found.report()


def test_each_event_of_a_block_is_stored_once(folder):
    lengths = [len(u["full_item_seq"]) for u in pq.read_table(folder / "raw/valid/user_info").to_pylist()]
    with pa.memory_map(str(folder / "out/validate/events/part-00000.arrow")) as file:
        assert pa.ipc.open_file(file).read_all().num_rows == sum(lengths)


def test_the_rows_keep_the_contract_of_data(found):
    results = check_data(ParquetData, schema=found.schema, batch_size=5, **found.data)
    assert {result.status for result in results} == {"passed"}


def test_every_column_of_the_files_is_mapped_once(found):
    columns = ["user_index", "item_index", "seq_len", "user_id", "degree", "tab", "tags", *LABELS]
    columns += ["item_id", "video_type", "action", "full_timestamp_seq"]
    assert sorted(column for column, _ in found.mapped) == sorted(columns)
    assert not found.left_out


def test_columns_that_differ_between_rows_of_a_user_are_context(found):
    roles = {name: feature.role for name, feature in found.schema.features.items()}
    item = dict.fromkeys(["item_id", "video_type"], "item")
    assert roles == {"user_id": "user", "degree": "user", "tags": "user", "tab": "context"} | item


def test_events_and_rows_share_the_tables_of_items(found):
    table = found.schema.table_of
    assert [table(name, "history") for name in ("item_id", "video_type")] == ["item_id", "video_type"]


def test_tables_are_as_large_as_the_meta_data_says_and_hold_the_reserved_ids(found):
    assert found.schema.table_sizes["item_id"] == 31 + 2
    assert found.schema.table_sizes["history.action"] == 5 + 2


def test_ids_beyond_the_described_size_get_a_row_and_are_told(tmp_path):
    found = imported(tmp_path, meta={"label": LABELS, "vocab_size": {"tab": 3}, "action_vocab": {}})
    assert found.schema.table_sizes["tab"] == 6 + 2
    assert "Larger than described, by the files: tab." in found.notes


def test_a_config_beside_the_files_names_labels_and_switches_columns_off(tmp_path):
    write(tmp_path / "raw", config=True, meta={})
    path = tmp_path / "raw" / "dataset_config.yaml"
    path.write_text(
        path.read_text().replace(
            "- active: true\n    dtype: int\n    name: degree", "- active: false\n    dtype: int\n    name: degree"
        )
    )
    found = import_data("unirank", tmp_path / "raw", tmp_path / "out")[0]
    assert list(found.schema.tasks) == LABELS
    assert found.left_out == [("degree", "the config says active: false")]
    assert found.schema.table_sizes["item_id"] == 31 + 2


def test_files_that_name_no_labels_are_told(tmp_path):
    with pytest.raises(
        DataError, match=r"names no labels: it needs meta_data.json with 'label', or dataset_config.yaml"
    ):
        imported(tmp_path, meta={})


def test_the_folder_above_is_told_which_one_it_is(tmp_path):
    write(tmp_path / "datasets" / "Tiny_Action")
    with pytest.raises(DataError, match=r"no training rows.*datasets/Tiny_Action does: name that folder"):
        import_data("unirank", tmp_path / "datasets", tmp_path / "out")


def test_blocks_that_are_imported_as_of_fuxictr_are_told_their_format(tmp_path):
    write(tmp_path / "raw", config=True)
    with pytest.raises(DataError, match="is UniRank's: hyrec data import unirank FOLDER"):
        import_data("fuxictr", tmp_path / "raw", tmp_path / "out")


def test_a_block_without_its_users_is_told(tmp_path):
    write(tmp_path / "raw")
    (tmp_path / "raw/train/user_info/part-00001.parquet").unlink()
    with pytest.raises(DataError, match=r"train/user_info has no part-00001.parquet"):
        import_data("unirank", tmp_path / "raw", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("data", lambda t: t.set_column(0, "user_index", pa.array([99] * len(t), pa.int32())), "no user_index 99"),
        ("data", lambda t: t.set_column(2, "seq_len", pa.array([500] * len(t), pa.int32())), "leads to no event"),
        ("data", lambda t: t.drop_columns(["seq_len"]), "has no column 'seq_len'"),
        ("item_info", lambda t: t.slice(0, 2), "no item_index"),
        ("user_info", lambda t: t.drop_columns(["full_action_seq"]), "has no column 'full_action_seq'"),
    ],
)
def test_files_that_do_not_fit_one_another_are_told(tmp_path, kind, change, told):
    write(tmp_path / "raw")
    path = tmp_path / "raw/valid" / kind / "part-00000.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(DataError, match=told) as error:
        import_data("unirank", tmp_path / "raw", tmp_path / "out")
    assert str(path.parent.parent) in str(error.value)


def test_a_row_of_another_item_than_its_event_is_told(tmp_path):
    write(tmp_path / "raw")
    path = tmp_path / "raw/test/data/part-00000.parquet"
    table = pq.read_table(path)
    shifted = pa.array(np.roll(table["item_index"].to_numpy(), 1), pa.int32())
    pq.write_table(table.set_column(1, "item_index", shifted), path)
    with pytest.raises(DataError, match="leads to no event of the row's own item_index"):
        import_data("unirank", tmp_path / "raw", tmp_path / "out")


def test_histories_out_of_order_are_told(tmp_path):
    write(tmp_path / "raw")
    path = tmp_path / "raw/train/user_info/part-00000.parquet"
    table = pq.read_table(path)
    backwards = pa.array([times[::-1] for times in table["full_timestamp_seq"].to_pylist()])
    pq.write_table(table.set_column(3, "full_timestamp_seq", backwards), path)
    with pytest.raises(DataError, match=r"full_timestamp_seq of user_index .* does not ascend"):
        import_data("unirank", tmp_path / "raw", tmp_path / "out")


def test_a_broken_meta_data_file_is_told(tmp_path):
    write(tmp_path / "raw")
    (tmp_path / "raw" / "meta_data.json").write_text(json.dumps([1, 2]))
    with pytest.raises(DataError, match=r"meta_data.json is not as UniRank writes it"):
        import_data("unirank", tmp_path / "raw", tmp_path / "out")
