"""Kept work is taken when everything that shapes it is the same, else made again; damage is noticed."""

from __future__ import annotations

import pyarrow as pa
import pytest
import synthetic_learning as synthetic

from kairos import fitting
from kairos.fitting import fit_folds
from kairos.kept import Kept

NAMES = ("panel", "labels", "folds", "specs", "params", "feature_sets")


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """One worker, so that fits can be counted."""
    monkeypatch.setenv("KAIROS_WORKERS", "1")


@pytest.fixture(scope="module")
def market() -> dict:
    return synthetic.make(sessions=300, names=12)


@pytest.fixture(scope="module")
def folds(market) -> list[dict]:
    return [synthetic.fold("an_alpha", market["days"], start) for start in (150, 220, 280)]


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """Folds that were fitted, in order."""
    seen: list[str] = []
    fit_one = fitting.fit_one

    def counting(task):
        seen.append(task["fold"]["fold_id"])
        return fit_one(task)

    monkeypatch.setattr(fitting, "fit_one", counting)
    return seen


def fit(market, folds, kept=None, params=None, **changes) -> pa.Table:
    spec = synthetic.spec("an_alpha", "ridge", "regression", **changes)
    made = synthetic.relations(market, [spec], folds, params)
    return fit_folds("ridge", **{name: made[name] for name in NAMES}, kept=kept)


def with_label(market, position: int, value: float) -> dict:
    labels = market["labels"].to_pandas()
    labels.loc[position, "fwd_ret_5d"] = value
    return market | {"labels": pa.Table.from_pandas(labels, schema=market["labels"].schema, preserve_index=False)}


def test_the_same_inputs_are_fitted_once_and_give_the_same_table(market, folds, tmp_path, counted):
    first = fit(market, folds, Kept(tmp_path))
    assert len(counted) == 3
    again = fit(market, folds, Kept(tmp_path))
    assert len(counted) == 3
    assert again.equals(first)
    assert again.equals(fit(market, folds))


def test_a_full_refresh_fits_everything_to_the_same_bytes(market, folds, tmp_path, counted):
    first = fit(market, folds, Kept(tmp_path))
    assert fit(market, folds, Kept(tmp_path, is_read=False)).equals(first)
    assert len(counted) == 6


def test_new_sessions_refit_nothing_and_a_new_fold_is_one_fit(folds, tmp_path, counted):
    """The longer market is the shorter one with 20 sessions more: rows of a fold's training window are the same."""
    longer = synthetic.make(sessions=300, names=12)
    cut = {name: longer[name].slice(0, 270 * 12) for name in ("panel", "labels")}
    fit(longer | cut, folds[:2], Kept(tmp_path))
    assert fit(longer, folds, Kept(tmp_path)).equals(fit(longer, folds))
    assert counted[:2] == [folds[1]["fold_id"], folds[0]["fold_id"]]
    assert counted[2:3] == [folds[2]["fold_id"]]
    assert len(counted) == 2 + 1 + 3


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"label": "outperform_5d"},
        {"calibration": "other"},
        {"params": [{"alpha_name": "an_alpha", "param": "alpha", "value": "10"}]},
        "a label",
        "a feature",
        "the code",
        "a library",
    ],
    ids=str,
)
def test_whatever_shapes_a_fit_makes_it_anew(change, market, folds, tmp_path, monkeypatch, counted):
    fit(market, folds, Kept(tmp_path))
    counted.clear()
    changes, refitted = {}, 3
    if isinstance(change, dict) and "calibration" in change:
        # a method nobody learns: that alone must not be taken for the same fit
        monkeypatch.setattr(fitting, "base_and_calibration", lambda fold, method: (fold, None))
        changes = change
    elif isinstance(change, dict):
        changes = change
    elif change == "a label":
        # session 160 is in the training windows of the second and third fold
        market, refitted = with_label(market, 160 * 12, 0.5), 2
    elif change == "a feature":
        panel = market["panel"].to_pandas()
        panel.loc[160 * 12, "alpha_one"] += 1e-9
        market = market | {"panel": pa.Table.from_pandas(panel, schema=market["panel"].schema, preserve_index=False)}
        refitted = 2
    elif change == "the code":
        monkeypatch.setattr(fitting, "code_version", lambda family: "0.1.0+another")
    else:
        monkeypatch.setattr(fitting.family_named("ridge").__class__, "versions", lambda self: {"scikit-learn": "0"})
    made = fit(market, folds, Kept(tmp_path), **changes)
    assert len(counted) == refitted
    assert made.equals(fit(market, folds, **changes))


def test_a_build_that_fails_keeps_the_fits_it_has(market, folds, tmp_path, monkeypatch, counted):
    counting = fitting.fit_one

    def fails_at_the_last(task):
        if task["fold"]["fold_id"] == folds[0]["fold_id"]:
            raise RuntimeError("power cut")
        return counting(task)

    monkeypatch.setattr(fitting, "fit_one", fails_at_the_last)
    with pytest.raises(RuntimeError, match="power cut"):
        fit(market, folds, Kept(tmp_path))
    monkeypatch.setattr(fitting, "fit_one", counting)
    counted.clear()
    resumed = fit(market, folds, Kept(tmp_path))
    assert counted == [folds[0]["fold_id"]]
    assert resumed.equals(fit(market, folds))


@pytest.mark.parametrize("damage", ["cut off", "a flipped bit", "not Parquet", "another schema"])
def test_a_damaged_file_is_work_to_be_done_again(damage, market, folds, tmp_path, counted):
    whole = fit(market, folds, Kept(tmp_path))
    file = tmp_path / "an_alpha" / f"{folds[1]['fold_id']}.parquet"
    content = bytearray(file.read_bytes())
    if damage == "cut off":
        content = content[: len(content) // 2]
    elif damage == "a flipped bit":
        at = content.index(whole["estimator"][1].as_py()) + 400
        content[at] ^= 1
    elif damage == "not Parquet":
        content = b"something else"
    file.write_bytes(content)
    if damage == "another schema":
        Kept(tmp_path).put("an_alpha", folds[1]["fold_id"], whole["fit_id"][1].as_py(), whole.select(["fit_id"]))
    counted.clear()
    assert fit(market, folds, Kept(tmp_path)).equals(whole)
    assert counted == [folds[1]["fold_id"]]


def test_families_keep_their_fits_side_by_side(market, folds, tmp_path, counted):
    """All fits of a build are in one folder: a family leaves those of the others where they are."""
    specs = [synthetic.spec("an_alpha", "ridge", "regression"), synthetic.spec("another", "linear", "regression")]
    made = synthetic.relations(market, specs, [*folds, *(fold | {"alpha_name": "another"} for fold in folds)])
    for _ in range(2):
        for family in ("ridge", "linear"):
            fit_folds(family, **{name: made[name] for name in NAMES}, kept=Kept(tmp_path))
    assert len(counted) == 6


def test_what_no_fold_asks_for_any_more_is_thrown_away(market, folds, tmp_path):
    Kept(tmp_path).put("another_alpha", "2015-01-01", "key", pa.table({"x": [1]}))
    fit(market, folds, Kept(tmp_path))
    fit(market, folds[:2], Kept(tmp_path))
    left = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.parquet"))
    assert left == [f"an_alpha/{fold['fold_id']}.parquet" for fold in folds[:2]]


def test_an_alpha_switched_off_keeps_its_fits(market, folds, tmp_path):
    kept = Kept(tmp_path)
    kept.put("switched_off", "2015-01-01", "key", pa.table({"x": [1]}))
    kept.prune({"an_alpha", "switched_off"}, {("an_alpha", "2015-01-01")})
    assert kept.get("switched_off", "2015-01-01", "key", pa.schema([("x", pa.int64())])).to_pylist() == [{"x": 1}]
    assert kept.get("switched_off", "2015-01-01", "another key", pa.schema([("x", pa.int64())])) is None
