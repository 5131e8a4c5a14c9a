"""A run that takes the days of its training rows one after the other."""

import datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from hyrec.cli.main import main
from hyrec.config.experiment import Experiment
from hyrec.data.parquet import ParquetData
from hyrec.data.parquet.policy import DataError
from hyrec.messages import CommandError
from hyrec.schema import Schema
from hyrec.studies.plan.timing_run import Stopwatch

KATHMANDU = ZoneInfo("Asia/Kathmandu")  # 5 h 45 min ahead of UTC
DAYS = [datetime.date(2026, 1, day) for day in (5, 6, 7, 9)]
"""Of the training rows; none is of the eighth."""
ROWS = dict(zip(DAYS, (40, 24, 56, 8), strict=True))
BATCH = 8


def schema(**changes):
    content = {
        "features": {"item": {"vocab_size": 30, "role": "item"}},
        "tasks": {"click": {}},
        "time_column": "time",
        "time_unit": "s",
    }
    return {**content, **changes}


def rows_of(date, rows, seed):
    """Return rows from the first second of a day in Kathmandu to its last."""
    start = datetime.datetime.combine(date, datetime.time(), KATHMANDU).timestamp()
    step = 86_399 / (rows - 1)
    items = [(seed + 7 * row) % 27 + 3 for row in range(rows)]
    clicks = [(item + row) % 3 == 0 for row, item in enumerate(items)]
    times = [int(start + row * step) for row in range(rows)]
    return pl.DataFrame({"item": items, "click": [int(click) for click in clicks], "time": times})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("days")
    train = pl.concat([rows_of(date, rows, 1) for date, rows in ROWS.items()])
    train.sample(fraction=1.0, shuffle=True, seed=0).write_parquet(folder / "train.parquet", row_group_size=32)
    for split, day in (("validate", 10), ("test", 11)):
        rows_of(datetime.date(2026, 1, day), 16, day).write_parquet(folder / f"{split}.parquet")
    Schema.from_dict(schema()).save(folder / "schema.yaml")
    return folder


class Seen(Callback):
    """Keep the days of all batches by epoch, and the share of the learning rate; stop after some steps if asked to."""

    def __init__(self, stop_after=None):
        self.trained, self.measured, self.rates, self.stop_after = {}, {}, [], stop_after

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self._add(self.trained, trainer, batch)
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        if trainer.global_step == self.stop_after:
            raise KeyboardInterrupt

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if not trainer.sanity_checking:
            self._add(self.measured, trainer, batch)

    def _add(self, seen, trainer, batch):
        days = [datetime.datetime.fromtimestamp(time, KATHMANDU).date() for time in batch.time.tolist()]
        seen.setdefault(trainer.current_epoch, []).extend(days)


def experiment(files, run, *options):
    data = [f"--data.{split}={files / split}.parquet" for split in ("train", "validate", "test")]
    settings = [f"--data.batch_size={BATCH}", "--data.by_day=Asia/Kathmandu", "--trainer.logger=false"]
    arguments = ["--schema", str(files / "schema.yaml"), "--data=ParquetData", *data, *settings]
    arguments += [
        "--trainer.default_root_dir",
        str(run),
        "--trainer.enable_progress_bar=false",
        "--model.head.tokens=all",
    ]
    return Experiment.parse(["--config", "pkg:hyrec/debug.yaml", *arguments, *options])


def fit(files, run, *options, stop_after=None, ckpt_path=None):
    """Train; return what was seen and the model."""
    seen = Seen(stop_after)
    asked = experiment(files, run, *options)
    model, trainer = asked.model(), asked.trainer(callbacks=[seen])
    weights_only = True if ckpt_path else None
    try:
        trainer.fit(model, datamodule=asked.data(), ckpt_path=ckpt_path, weights_only=weights_only)
    except SystemExit:
        assert stop_after
    return seen, model


@pytest.fixture(scope="module")
def whole(files, tmp_path_factory):
    return fit(files, tmp_path_factory.mktemp("whole"))


def test_every_epoch_trains_on_all_rows_of_one_day_and_no_others(whole):
    seen, _ = whole
    assert seen.trained == {epoch: [date] * rows for epoch, (date, rows) in enumerate(ROWS.items())}


def test_every_day_is_measured_before_it_is_trained_on(whole):
    seen, _ = whole
    following = [*ROWS.items(), (datetime.date(2026, 1, 10), 16)][1:]
    assert seen.measured == {epoch: [date] * rows for epoch, (date, rows) in enumerate(following)}


class Counted(Callback):
    """Count the batches that are trained on, and those of the validations behind them."""

    def __init__(self):
        self.trained = self.evaluated = self.validations = 0

    def on_train_batch_end(self, *args):
        self.trained += 1

    def on_validation_batch_end(self, trainer, *args):
        self.evaluated += not trainer.sanity_checking

    def on_validation_end(self, trainer, *args):
        self.validations += not trainer.sanity_checking


@pytest.mark.parametrize("options", [[], ["--trainer.limit_val_batches=1"], ["--trainer.max_steps=5"]], ids=str)
def test_a_time_estimate_foresees_the_batches_of_days_of_unlike_sizes(files, tmp_path, options):
    run, short, counted, watch = tmp_path / "run", tmp_path / "short", Counted(), Stopwatch(2)
    whole, cut = experiment(files, run, *options), experiment(files, short, *options)
    whole.trainer(callbacks=[counted]).fit(whole.model(), datamodule=whole.data())
    cut.trainer(callbacks=[watch], num_sanity_val_steps=2).fit(cut.model(), datamodule=cut.data())
    foreseen = watch.batches, watch.evaluated, watch.validations
    assert foreseen == (counted.trained, counted.evaluated, counted.validations)


def test_a_schedule_is_over_the_steps_of_all_days(files, tmp_path):
    seen, _ = fit(files, tmp_path, "--model.schedule.warmup=1.0", "--model.schedule.restart=never")
    steps = sum(rows // BATCH for rows in ROWS.values())
    share = [rate / seen.rates[-1] for rate in seen.rates]
    assert share == pytest.approx([step / steps for step in range(2, steps + 1)] + [1.0], abs=0.1)
    assert len(seen.rates) == steps


def test_a_schedule_knows_of_days_that_are_cut_short(files, tmp_path):
    seen, _ = fit(files, tmp_path, "--model.schedule.warmup=0", "--trainer.limit_train_batches=2")
    whole = max(seen.rates)
    assert [rate / whole for rate in seen.rates] == pytest.approx([0.5, 1.0, 0.5, 1.0, 0.5, 1.0, 0.0])


@pytest.mark.parametrize("steps", [3, 5, 7, 15], ids=["in_the_first_day", "at_its_end", "in_the_second", "in_the_last"])
def test_a_run_that_is_stopped_and_resumed_ends_with_the_weights_of_an_undisturbed_one(files, whole, tmp_path, steps):
    options = ["--checkpoint.every_n_train_steps=1"]
    fit(files, tmp_path, *options, stop_after=steps + 1)
    _, model = fit(files, tmp_path, *options, ckpt_path=str(tmp_path / "checkpoints" / "last.ckpt"))
    expected = whole[1].state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


def test_a_resumed_run_prints_the_days_before_it_too(files, tmp_path, capsys):
    fit(files, tmp_path, "--checkpoint.every_n_train_steps=1", stop_after=10)
    capsys.readouterr()
    fit(files, tmp_path, "--checkpoint.every_n_train_steps=1", ckpt_path=str(tmp_path / "checkpoints" / "last.ckpt"))
    out = capsys.readouterr().out
    lines = out[out.index("before it was trained on") :].splitlines()[1:5]
    assert [line.split()[0] for line in lines] == ["2026-01-06", "2026-01-07", "2026-01-09", "validation"]


def test_the_newest_state_is_the_best_and_the_curve_is_printed_by_day(files, tmp_path, capsys):
    experiment(files, tmp_path).run()
    out = capsys.readouterr().out
    lines = out[out.index("before it was trained on") :].splitlines()[1:5]
    assert [line.split()[0] for line in lines] == ["2026-01-06", "2026-01-07", "2026-01-09", "validation"]
    best, last = (torch.load(tmp_path / f"checkpoints/{name}.ckpt", weights_only=True) for name in ("best", "last"))
    assert best["global_step"] == last["global_step"] == sum(rows // BATCH for rows in ROWS.values())


def test_without_validation_rows_the_last_day_is_followed_by_none(files, tmp_path):
    seen, _ = fit(files, tmp_path, "--data.validate=null")
    assert sorted(seen.measured) == [0, 1, 2]


def test_outside_of_such_a_run_the_splits_are_whole(files, whole):
    data = experiment(files, files).data()
    data.setup("validate")
    assert sum(batch.num_samples for batch in data.val_dataloader()) == 16
    assert sum(batch.num_samples for batch in data.train_dataloader()) == sum(ROWS.values())


def test_validating_a_trained_model_reads_the_validation_rows(files, whole, tmp_path):
    seen, asked = Seen(), experiment(files, tmp_path)
    asked.trainer(callbacks=[seen]).validate(whole[1], datamodule=asked.data())
    assert seen.measured == {0: [datetime.date(2026, 1, 10)] * 16}


def test_one_day_is_told(files, tmp_path):
    rows_of(DAYS[0], 16, 1).write_parquet(tmp_path / "one.parquet")
    asked = experiment(files, tmp_path, f"--data.train={tmp_path / 'one.parquet'}")
    with pytest.raises(CommandError, match="all training rows are of 2026-01-05"):
        asked.run()


@pytest.mark.parametrize("name", ["ReduceLROnPlateau", "EarlyStopping"])
def test_what_compares_epochs_is_refused(files, tmp_path, name):
    watched = [f"--trainer.callbacks={name}", "--trainer.callbacks.monitor=val/auc", "--trainer.callbacks.mode=max"]
    with pytest.raises(CommandError, match=f"by_day and {name} exclude one another"):
        experiment(files, tmp_path, *watched).run()


@pytest.mark.parametrize(
    ("zone", "changes", "told"),
    [("Asia/Katmando", {}, "no time zone"), ("UTC", {"time_column": ""}, "time_column")],
)
def test_days_that_cannot_be_told_are_refused(zone, changes, told):
    with pytest.raises(DataError, match=told):
        ParquetData(Schema.from_dict(schema(**changes)), train="x.parquet", by_day=zone)


@pytest.mark.parametrize(
    "date", [datetime.date(2026, 3, 29), datetime.date(2026, 10, 25)], ids=["23_hours", "25_hours"]
)
def test_days_on_which_clocks_change_are_whole(date, tmp_path):
    zone = ZoneInfo("Europe/Berlin")
    midnights = [datetime.datetime.combine(date + datetime.timedelta(days=n), datetime.time(), zone) for n in (0, 1)]
    start, stop = (int(midnight.timestamp()) for midnight in midnights)
    times = [start - 1, start, stop - 1, stop]
    pl.DataFrame({"item": [3] * 4, "click": [0] * 4, "time": times}).write_parquet(tmp_path / "rows.parquet")
    data = ParquetData(Schema.from_dict(schema()), train=str(tmp_path / "rows.parquet"), by_day="Europe/Berlin")
    assert [day.index.num_rows for day in data.days] == [1, 2, 1]


def test_times_in_another_unit_are_told(files, tmp_path):
    rows = pl.read_parquet(files / "train.parquet")
    rows.with_columns(pl.col("time") * 1000).write_parquet(tmp_path / "ms.parquet")
    data = ParquetData(Schema.from_dict(schema()), train=str(tmp_path / "ms.parquet"), by_day="UTC")
    with pytest.raises(DataError, match=r"by_day: 'time' has times of no day.*time_unit is 's'"):
        _ = data.days


def test_rows_parted_by_the_schema_have_the_days_of_their_split(files):
    parted = Schema.from_dict(schema(split={"validate_from": "2026-01-07", "test_from": "2026-01-09"}))
    data = ParquetData(parted, path=str(files / "train.parquet"), by_day="Asia/Kathmandu")
    assert [day.date for day in data.days] == DAYS[:3]
    assert data.days[-1].index.num_rows < ROWS[DAYS[2]]  # the split's limits are in UTC


def test_the_command_line_takes_a_zone(files, tmp_path, capsys):
    data = [f"--data.{split}={files / split}.parquet" for split in ("train", "validate", "test")]
    arguments = ["--schema", str(files / "schema.yaml"), "--data=ParquetData", *data, "--data.by_day=UTC"]
    settings = ["--trainer.default_root_dir", str(tmp_path), "--model.head.tokens=all"]
    assert main(["fit", "--config", "pkg:hyrec/debug.yaml", *arguments, *settings]) == 0
    assert "before it was trained on" in capsys.readouterr().out
