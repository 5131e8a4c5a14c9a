import dataclasses
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from hyrec.data.simulation import files
from hyrec.data.simulation.attainable import figures, grouped_auc, references
from hyrec.data.simulation.log import Log, generate
from hyrec.data.simulation.spec import CLICK_DAYS, DAY, START, SimulatorSpec, Strengths, schema
from hyrec.schema import NUM_RESERVED_IDS, Schema

EFFECTS = [f.name for f in dataclasses.fields(Strengths)]
SMALL = SimulatorSpec(num_requests=6000, num_users=800, num_items=300, mean_views=30, max_views=200)
TINY = SimulatorSpec(num_requests=60, num_users=20, num_items=40, mean_views=5, max_views=20)


def only(**strengths: float) -> SimulatorSpec:
    """Return the small spec with every effect off but the named ones."""
    return dataclasses.replace(SMALL, strengths=Strengths(**(dict.fromkeys(EFFECTS, 0.0) | strengths)))


@pytest.fixture(scope="module")
def log() -> Log:
    return generate(SMALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("simulated") / "log"
    files.simulate(SMALL, path)
    return path


@pytest.fixture(scope="module")
def rows(folder) -> list[dict]:
    return pq.read_table(folder / "train.parquet").slice(0, 300).to_pylist()


def click_rates(log: Log, which: np.ndarray) -> tuple[float, float]:
    return float(log.clicked[which].mean()), float(log.clicked[~which].mean())


# What is planted is in the data.


def test_base_rate_is_as_asked(log):
    assert log.probability.mean() == pytest.approx(SMALL.base_rate, abs=1e-6)
    assert log.clicked.mean() == pytest.approx(SMALL.base_rate, abs=0.01)


def test_logit_is_the_intercept_plus_the_terms(log):
    np.testing.assert_allclose(log.logit, log.intercept + sum(log.terms.values()))
    np.testing.assert_allclose(log.probability, 1 / (1 + np.exp(-log.logit)))


@pytest.mark.parametrize("effect", EFFECTS)
def test_strength_is_the_standard_deviation_of_the_term(log, effect):
    assert log.terms[effect].std() == pytest.approx(getattr(SMALL.strengths, effect))
    assert log.terms[effect].mean() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("effect", EFFECTS)
def test_strength_zero_removes_the_effect_and_nothing_else(log, effect):
    strengths = dataclasses.replace(SMALL.strengths, **{effect: 0.0})
    without = generate(dataclasses.replace(SMALL, strengths=strengths))
    assert not without.terms[effect].any()
    for other in set(EFFECTS) - {effect}:
        np.testing.assert_array_equal(without.terms[other], log.terms[other])
    np.testing.assert_array_equal(without.shown.item, log.shown.item)


@pytest.mark.parametrize("effect", EFFECTS)
def test_each_effect_moves_the_click_rate_as_planted(effect):
    log = generate(only(**{effect: 1.5}))
    which = log.terms[effect] > np.median(log.terms[effect])
    high, low = click_rates(log, which)
    assert high - low == pytest.approx(log.probability[which].mean() - log.probability[~which].mean(), abs=0.02)
    assert high - low > 0.15


def test_without_any_effect_every_probability_is_the_base_rate():
    assert np.ptp(generate(only()).probability) < 1e-9


def test_two_hop_term_follows_surface_to_search_to_views():
    """The obvious way: look up the last search on the surface, then count views of that theme."""
    log = generate(only(two_hop=1.0))
    share = []
    for request in range(200):
        searches, _ = log.shown.events["searches"].of(slice(request, request + 1))
        views, _ = log.shown.events["views"].of(slice(request, request + 1))
        of_surface = searches["surface"] == log.shown.surface[request]
        for item in log.shown.item[log.shown.offsets[request] : log.shown.offsets[request + 1]]:
            of_theme = views["theme"] == (searches["theme"][of_surface][0] if of_surface.any() else -1)
            match = views["category"][of_theme] == log.items.category[item]
            share.append(match.mean() if of_theme.any() else np.nan)
    share = np.array(share)
    known, term = ~np.isnan(share), log.terms["two_hop"][: len(share)]
    assert known.mean() > 0.7
    slope, offset = np.polyfit(share[known], term[known], 1)
    np.testing.assert_allclose(term[known], slope * share[known] + offset, atol=1e-9)
    assert slope > 0
    assert not term[~known].any()


def test_one_hop_b_term_counts_views_of_the_candidates_own_theme():
    log = generate(only(one_hop_b=1.0))
    terms, shares = [], []
    for request in range(200):
        views, _ = log.shown.events["views"].of(slice(request, request + 1))
        for sample in range(log.shown.offsets[request], log.shown.offsets[request + 1]):
            item = log.shown.item[sample]
            of_theme = views["theme"] == log.items.theme[item]
            if of_theme.any():
                shares.append((views["category"][of_theme] == log.items.category[item]).mean())
                terms.append(log.terms["one_hop_b"][sample])
    assert np.corrcoef(terms, shares)[0, 1] == pytest.approx(1)


def test_one_hop_a_term_is_a_table_over_the_sought_theme(log):
    term, sought = log.terms["one_hop_a"], log.shown.sought[log.shown.request_of]
    values = {theme: np.unique(term[sought == theme]) for theme in range(-1, SMALL.num_themes)}
    assert all(len(v) == 1 for v in values.values())
    assert len(np.unique(np.concatenate(list(values.values())))) == SMALL.num_themes + 1


def test_cross_effect_has_no_main_effects(log):
    category = log.items.category[log.shown.item]
    term = log.terms["cross"]
    means = [term[category == c].mean() for c in range(SMALL.num_categories)]
    assert max(map(abs, means)) < 0.3 * term.std()


def test_interests_drift():
    users = generate(SMALL).users.interest
    early, near, late = users[:, CLICK_DAYS], users[:, CLICK_DAYS + 1], users[:, -1]
    assert np.corrcoef(early.ravel(), near.ravel())[0, 1] > 0.8
    assert np.corrcoef(early.ravel(), late.ravel())[0, 1] < 0.4
    still = generate(dataclasses.replace(TINY, drift=0.0)).users.interest
    np.testing.assert_array_equal(still[:, 0], still[:, -1])


def test_recent_clicks_say_more_about_interest_than_old_ones(log):
    columns, offsets = log.shown.events["clicks"].of(slice(0, SMALL.num_requests))
    owner = np.repeat(np.arange(SMALL.num_requests), np.diff(offsets))
    today = (log.shown.time - START) // DAY + CLICK_DAYS
    interest = log.users.interest[log.shown.user[owner], today[owner], columns["category"]]
    age = (log.shown.time[owner] - columns["time"]) / DAY
    assert interest[age < 1].mean() > interest[age > 10].mean() + 0.2


# The log is a log.


@pytest.mark.parametrize("name", ["searches", "clicks", "views"])
def test_every_event_is_before_its_request_and_oldest_first(log, name):
    columns, offsets = log.shown.events[name].of(slice(0, SMALL.num_requests))
    owner = np.repeat(np.arange(SMALL.num_requests), np.diff(offsets))
    assert len(owner) > 0
    assert (columns["time"] < log.shown.time[owner]).all()
    assert (np.diff(columns["time"])[np.diff(owner) == 0] >= 0).all()


def test_a_history_grows_by_what_happened_since(log):
    user = np.bincount(log.shown.user).argmax()
    first, second = np.flatnonzero(log.shown.user == user)[:2]
    earlier, _ = log.shown.events["views"].of(slice(first, first + 1))
    later, _ = log.shown.events["views"].of(slice(second, second + 1))
    np.testing.assert_array_equal(later["time"][later["time"] < log.shown.time[first]], earlier["time"])


def test_searches_hold_each_surface_once(log):
    columns, offsets = log.shown.events["searches"].of(slice(0, SMALL.num_requests))
    owner = np.repeat(np.arange(SMALL.num_requests), np.diff(offsets))
    place = owner * SMALL.num_surfaces + columns["surface"]
    assert len(np.unique(place)) == len(place)


def test_view_lengths_have_a_long_tail_up_to_the_limit():
    spec = dataclasses.replace(TINY, num_requests=4000, num_users=4000, mean_views=60, max_views=1000)
    views = generate(spec).shown.events["views"]
    lengths = views.end - views.begin
    assert lengths.mean() == pytest.approx(60, rel=0.1)
    assert 500 < lengths.max() <= 1000
    assert np.median(lengths) < 45


def test_candidates_of_a_request_differ(log):
    pair = log.shown.request_of * SMALL.num_items + log.shown.item
    assert len(np.unique(pair)) == len(pair)
    counts = np.diff(log.shown.offsets)
    assert counts.min() >= 1
    assert counts.max() == SMALL.max_candidates
    assert len(np.unique(counts)) >= SMALL.max_candidates - SMALL.min_candidates + 1


def test_popularity_has_a_long_tail(log):
    counts = np.sort(np.bincount(log.shown.item, minlength=SMALL.num_items))[::-1]
    assert counts[: SMALL.num_items // 10].sum() > 0.25 * counts.sum()


def test_same_seed_same_log_and_other_seed_other_log(log):
    again, other = generate(SMALL), generate(dataclasses.replace(SMALL, seed=1))
    np.testing.assert_array_equal(again.clicked, log.clicked)
    np.testing.assert_array_equal(again.logit, log.logit)
    assert not np.array_equal(other.shown.item[:1000], log.shown.item[:1000])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_items": 10}, "num_items must be at least 16, got 10"),
        ({"drift": 1.5}, "drift is a share"),
        ({"base_rate": 0.0}, "base_rate"),
        ({"max_candidates": 2}, "max_candidates must be at least 3, got 2"),
        ({"num_days": 2}, "num_days must be at least 3"),
        ({"mean_views": 0.0}, "mean_views"),
    ],
)
def test_impossible_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        SimulatorSpec(**options)


def test_negative_strength_is_refused():
    with pytest.raises(ValueError, match=r"strengths\.two_hop.*got -1"):
        Strengths(two_hop=-1.0)


@pytest.mark.parametrize(
    "options",
    [
        {"missing": 1.0},
        {"missing": 0.0, "noise": 0.0, "drift": 1.0},
        {"num_surfaces": 1},
        {"num_users": 1},
        {"num_categories": 2, "num_themes": 2, "num_items": 4},
        {"min_candidates": 1, "max_candidates": 1},
        {"num_requests": 10},
        {"mean_views": 0.01, "mean_clicks": 0.01},
    ],
)
def test_extreme_worlds_are_finite_and_can_be_written(tmp_path, options):
    spec = dataclasses.replace(TINY, **options)
    report = files.simulate(spec, tmp_path / "log")
    assert sum(f["requests"] for f in report["files"].values()) == spec.num_requests
    assert np.isfinite(generate(spec).logit).all()
    json.loads((tmp_path / "log" / "attainable.json").read_text())


# What is attainable.


def test_auc_equals_the_share_of_ordered_pairs():
    rng = np.random.default_rng(0)
    score, label, group = (
        rng.integers(6, size=80) / 6,
        rng.integers(2, size=80) * 1.0,
        rng.integers(9, size=80),
    )

    def slow(rows):
        pairs = [
            (score[i] > score[j]) + 0.5 * (score[i] == score[j]) for i in rows for j in rows if label[i] > label[j]
        ]
        return np.mean(pairs) if pairs else np.nan

    assert grouped_auc(score, label) == pytest.approx(slow(range(80)))
    by_group = [slow(np.flatnonzero(group == g)) for g in range(9)]
    assert grouped_auc(score, label, group) == pytest.approx(np.nanmean(by_group))


def test_auc_of_one_class_is_not_a_number():
    assert np.isnan(grouped_auc(np.array([0.1, 0.2]), np.ones(2)))
    with pytest.raises(ValueError, match="labels 0 and 1"):
        grouped_auc(np.array([0.1, 0.2]), np.array([0.3, 1.0]), np.zeros(2, np.int64))


def test_attainable_auc_is_that_of_the_drawn_labels_within_noise(log):
    expected = grouped_auc(log.logit, log.probability)
    assert grouped_auc(log.logit, log.clicked.astype(float)) == pytest.approx(expected, abs=0.01)
    draws = np.random.default_rng(1).random((20, len(log.logit))) < log.probability
    drawn = [grouped_auc(log.logit, labels.astype(float)) for labels in draws]
    assert np.mean(drawn) == pytest.approx(expected, abs=0.001)


def test_no_scorer_beats_the_true_probabilities_in_expectation(log):
    best = grouped_auc(log.logit, log.probability)
    rng = np.random.default_rng(2)
    terms = np.stack(list(log.terms.values()))
    for _ in range(20):
        assert grouped_auc(rng.lognormal(0, 0.3, len(terms)) @ terms, log.probability) < best


def test_leaving_out_any_effect_lowers_what_is_attainable(log):
    found = references(log.logit, log.terms, log.clicked.astype(float), log.shown.request_of)
    best = found.pop("attainable")
    assert set(found) == {f"attainable without {name}" for name in EFFECTS}
    for name, without in found.items():
        assert without["auc"] < best["auc"], name
        assert without["logloss"] > best["logloss"], name
        assert without["query_auc"] <= best["query_auc"], name
    two_hop = found["attainable without two_hop"]
    assert two_hop["query_auc"] < best["query_auc"] - 0.03


def test_effects_that_are_off_have_no_line_of_their_own():
    log = generate(only(item=1.0))
    found = references(log.logit, log.terms, log.clicked.astype(float), log.shown.request_of)
    assert set(found) == {"attainable", "attainable without item"}


def test_defaults_leave_room_between_counting_and_the_attainable():
    log = generate(dataclasses.replace(SimulatorSpec(), num_requests=20_000, num_users=2500, mean_views=40))
    train, test = log.requests_of("train"), log.requests_of("test")
    last, first = log.shown.offsets[train.stop], log.shown.offsets[test.start]
    score = np.zeros(len(log.shown.item))
    for ids in (
        log.shown.item,
        log.shown.user[log.shown.request_of],
        log.shown.surface[log.shown.request_of],
    ):
        shown, clicked = np.bincount(ids[:last]), np.bincount(ids[:last], log.clicked[:last])
        rate = np.full(ids.max() + 1, log.spec.base_rate)
        rate[: len(shown)] = (clicked + 20 * log.spec.base_rate) / (shown + 20)
        score += np.log(rate / (1 - rate))[ids]
    label, group = log.clicked[first:].astype(float), log.shown.request_of[first:]
    counting, best = figures(score[first:], label, group), figures(log.logit[first:], label, group)
    assert 0.55 < counting["query_auc"] < 0.68
    assert 0.84 < best["auc"] < 0.875
    assert best["query_auc"] > counting["query_auc"] + 0.15


# The files.


def test_files_hold_what_the_schema_names_and_the_true_probability_besides(folder):
    assert {p.name for p in folder.iterdir()} == {
        "train.parquet", "validate.parquet", "test.parquet", "schema.yaml", "attainable.json",
    }  # fmt: skip
    described = Schema.load(folder / "schema.yaml")
    assert described == schema(SMALL)
    columns = set(pq.read_schema(folder / "test.parquet").names)
    named = {described.group_column, described.time_column, "is_click"}
    named |= {f.column or name for name, f in described.features.items()} | {"tag_weights"}
    for spec in described.sequences.values():
        named |= {f.column for f in spec.features.values()} | {spec.time_column}
    assert columns == named | {files.PROBABILITY_COLUMN}
    assert files.PROBABILITY_COLUMN not in (folder / "schema.yaml").read_text()


def test_every_kind_of_feature_occurs():
    features = schema(SMALL).features.values()
    assert {f.kind for f in features} == {"id", "multi_id", "weighted_ids", "dense"}
    assert {f.role for f in features} == {"user", "item", "context", "cross"}
    assert {"log1p", "bucketize"} <= {f.transform for f in features}
    assert any(f.width > 1 for f in features)


def test_three_sequences_share_tables_with_the_candidate():
    described = schema(SMALL)
    assert set(described.sequences) == {"searches", "clicks", "views"}
    assert described.table_of("item", "views") == described.table_of("item_id")
    assert described.table_of("theme", "searches") == described.table_of("theme")


@pytest.mark.parametrize("column", ["age_band", "spend_level", "brand", "price", "duration", "view_dwell"])
def test_values_are_missing_as_often_as_asked(folder, column):
    values = pq.read_table(folder / "train.parquet", columns=[column]).column(column).combine_chunks()
    values = values.flatten() if hasattr(values, "flatten") and values.type.num_fields else values
    assert values.null_count / len(values) == pytest.approx(SMALL.missing, abs=0.06)


def test_ids_are_final_and_fit_their_tables(folder):
    table, described = pq.read_table(folder / "train.parquet"), schema(SMALL)
    features = {f.column or name: f for name, f in described.features.items()}
    for spec in described.sequences.values():
        features |= {f.column: f for f in spec.features.values()}
    for column, feature in features.items():
        if feature.kind == "dense":
            continue
        values = table.column(column).combine_chunks()
        while values.type.num_fields:
            values = values.flatten()
        known = np.array(values.drop_null())
        assert known.min() >= NUM_RESERVED_IDS, column
        assert known.max() < feature.vocab_size, column


def test_aligned_lists_have_equal_lengths(rows):
    for row in rows:
        for name in ("brand", "price", "tags", "is_click", files.PROBABILITY_COLUMN, "position"):
            assert len(row[name]) == len(row["item_id"])
        assert list(map(len, row["tags"])) == list(map(len, row["tag_weights"]))
        assert len(row["view_time"]) == len(row["view_item"]) == len(row["view_dwell"]) == row["num_views"]
        assert len(row["profile"]) == 4
    assert any(not tags for row in rows for tags in row["tags"])
    assert any(not row["topics"] for row in rows)


def test_items_look_the_same_as_candidate_and_as_event(rows):
    seen: dict[int, set] = {}
    for row in rows:
        for item, category, theme in zip(row["item_id"], row["category"], row["theme"], strict=True):
            seen.setdefault(item, set()).add((category, theme))
        for item, category, theme in zip(row["view_item"], row["view_category"], row["view_theme"], strict=True):
            seen.setdefault(item, set()).add((category, theme))
        for item, category, theme in zip(row["click_item"], row["click_category"], row["click_theme"], strict=True):
            seen.setdefault(item, set()).add((category, theme))
    assert all(len(attributes) == 1 for attributes in seen.values())


def test_splits_are_disjoint_in_time_and_cover_every_request(folder):
    times = {s: np.array(pq.read_table(folder / f"{s}.parquet")["time"]) for s in files.SPLITS}
    assert times["train"].max() < times["validate"].min()
    assert times["validate"].max() < times["test"].min()
    assert sum(map(len, times.values())) == SMALL.num_requests
    assert times["test"].min() >= SMALL.split_starts["test"]


def test_report_states_the_figures_of_the_written_probabilities(folder):
    report = json.loads((folder / "attainable.json").read_text())
    table = pq.read_table(folder / "test.parquet")
    probability = np.array(table[files.PROBABILITY_COLUMN].combine_chunks().flatten())
    label = np.array(table["is_click"].combine_chunks().flatten()).astype(float)
    group = np.repeat(np.arange(len(table)), [len(x) for x in table["is_click"].to_pylist()])
    stated = report["references"]["test"]["attainable"]
    assert stated["auc"] == pytest.approx(grouped_auc(probability, label))
    assert stated["query_auc"] == pytest.approx(grouped_auc(probability, label, group))
    loss = -(label * np.log(probability) + (1 - label) * np.log1p(-probability)).mean()
    assert stated["logloss"] == pytest.approx(loss)
    assert report["files"]["test.parquet"]["samples"] == len(label)


def test_simulate_refuses_to_overwrite(folder):
    with pytest.raises(FileExistsError, match=r"train\.parquet"):
        files.simulate(TINY, folder)


def test_writing_twice_gives_the_same_content(tmp_path):
    files.simulate(TINY, tmp_path / "a")
    files.simulate(TINY, tmp_path / "b")
    for split in files.SPLITS:
        a, b = (pq.read_table(tmp_path / x / f"{split}.parquet") for x in "ab")
        assert a.equals(b)


# The cache.


def test_cache_is_written_once_and_keyed_by_the_spec(tmp_path):
    first = files.ensure_cached(TINY, tmp_path)
    written = (first / "train.parquet").stat().st_mtime_ns
    assert files.ensure_cached(TINY, tmp_path) == first
    assert (first / "train.parquet").stat().st_mtime_ns == written
    assert files.cache_path(dataclasses.replace(TINY, seed=1), tmp_path) != first
    weaker = dataclasses.replace(TINY, strengths=Strengths(two_hop=0.5))
    assert files.cache_path(weaker, tmp_path) != first


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path / "env"))
    assert files.cache_path(TINY).parent == tmp_path / "env"
    assert files.cache_path(TINY, tmp_path / "option").parent == tmp_path / "option"


@pytest.mark.parametrize("victim", ["train.parquet", "attainable.json", "schema.yaml"])
@pytest.mark.parametrize("harm", ["truncated", "removed"])
def test_broken_cache_is_made_again(tmp_path, victim, harm):
    path = files.ensure_cached(TINY, tmp_path)
    if harm == "removed" or victim == "schema.yaml":
        (path / victim).unlink()
    else:
        (path / victim).write_bytes((path / victim).read_bytes()[:100])
    assert files.read_report(path) is None
    files.ensure_cached(TINY, tmp_path)
    assert files.read_report(path) is not None
    pq.read_table(path / "train.parquet")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_unwritable_cache_is_named_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cache_dir or the environment variable HYREC_CACHE"):
        files.ensure_cached(TINY, tmp_path / "file")


def test_processes_may_fill_the_cache_at_once(tmp_path):
    broken = files.cache_path(TINY, tmp_path)
    broken.mkdir()
    (broken / "train.parquet").write_bytes(b"PAR1")
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("fork")) as pool:
        paths = list(pool.map(files.ensure_cached, [TINY] * 3, [tmp_path] * 3))
    assert set(paths) == {broken}
    assert files.read_report(broken) is not None
    assert [p.name for p in tmp_path.iterdir()] == [broken.name]


# The config.


def test_config_holds_the_schema_of_the_defaults():
    path = Path(__file__).parents[3] / "configs" / "data" / "simulated.yaml"
    content = yaml.safe_load(path.read_text())
    assert Schema.from_dict(content["schema"]) == schema(SimulatorSpec())


def test_config_states_the_defaults():
    path = Path(__file__).parents[3] / "configs" / "data" / "simulated.yaml"
    options = yaml.safe_load(path.read_text())["data"]["init_args"]["simulator"]
    strengths = Strengths(**options.pop("strengths"))
    assert SimulatorSpec(**options, strengths=strengths) == SimulatorSpec()
