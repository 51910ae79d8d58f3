"""The registry: gates against scipy, one active version always, choices that serve from the next session on."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import sql_model
from scipy import stats
from synthetic_learning import business_days

from kairos import registry, state
from kairos.cli import main
from kairos.errors import RegistryError

CALENDAR = business_days(400)
STARTS = (150, 250, 350)
HORIZON = 5
LAST = 389
ALPHAS = ("good", "noise")
GATES = [("rows", "train_rows", 900, "few rows"), ("dates", "independent_dates", 15, "few dates")]
GATES += [("chance", "rank_ic_t", 1.645, "chance")]


def rank_ics() -> pd.DataFrame:
    """Of alpha 'good' 0.05 on average with noise, of 'noise' nothing; from the first test start on."""
    rng = np.random.default_rng(0)
    frames = []
    for alpha, mean in (("good", 0.05), ("noise", -0.01)):
        k = np.arange(STARTS[0], LAST - HORIZON)
        frames.append(
            pd.DataFrame(
                {
                    "alpha_name": alpha,
                    "horizon_days": HORIZON,
                    "signal_date": [CALENDAR[i] for i in k],
                    "matured_date": [CALENDAR[i + 1 + HORIZON] for i in k],
                    "rank_ic": mean + 0.08 * rng.standard_normal(len(k)),
                }
            )
        )
    frame = pd.concat(frames)
    frame.loc[frame.index[7], "rank_ic"] = np.nan
    return frame


class Warehouse:
    """A warehouse of what the registry reads, built again as dbt would."""

    def __init__(self, folder: Path):
        self.path, self.state = folder / "kairos.duckdb", folder / "state"

    def build(self, code: str = "code", starts: tuple[int, ...] = STARTS) -> None:
        """All models downstream of the fits; what is registered goes into the state, as the post-hook does it."""
        fits = [
            {
                "fit_id": f"{code}-{alpha}-{start}",
                "alpha_name": alpha,
                "fold_id": CALENDAR[start].isoformat(),
                "effective_date": CALENDAR[start],
                "n_train_rows": 400 if start == STARTS[0] else 900,
                "train_end_date": CALENDAR[start - 7],
                "estimator": code.encode(),
            }
            for alpha in ALPHAS
            for start in starts
        ]
        types = dict(column.strip().split(" ") for column in state.FOLDERS["registry_fits"].split(","))
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("create schema if not exists raw")
            for statement in state.statements(self.state):
                connection.execute(statement)
            for name in state.FOLDERS:
                connection.execute(f"create or replace view state__{name} as from raw.state__{name}")
            connection.register("frame", pd.DataFrame(fits))
            values = (f"{c if c in fits[0] else 'null'}::{type_} as {c}" for c, type_ in types.items())
            connection.execute(f"create or replace table ml_fits as select {', '.join(values)} from frame")
            for name, frame in {
                "alpha_specs": pd.DataFrame(
                    {"alpha_name": [*ALPHAS, "young", "off"], "horizon_days": HORIZON, "step_months": 2, "n_splits": 3}
                    | {"is_active": [True, True, True, False], "retrain": "scheduled"}
                ),
                "ml_folds": pd.DataFrame(
                    [
                        *(
                            (alpha, f"{CALENDAR[start]:%Y-%m-01}", "fitted", None)
                            for alpha in ALPHAS
                            for start in STARTS
                        ),
                        ("young", "2016-05-01", "skipped", "fewer than 500 training rows"),
                    ],
                    columns=["alpha_name", "fold_id", "status", "reason"],
                ),
                "promotion_gates": pd.DataFrame(GATES, columns=["gate", "metric", "at_least", "reason"]),
                "ml_alpha_quality": rank_ics(),
                "int_sessions": pd.DataFrame(
                    {
                        "session_date": CALENDAR[:-1],
                        "next_session_date": CALENDAR[1:],
                        "session_index": range(len(CALENDAR) - 1),
                    }
                ),
                "ml_panel": pd.DataFrame({"as_of_date": [CALENDAR[LAST]]}),
                "ml_fold_quality": pd.DataFrame(
                    [("good", CALENDAR[150].isoformat(), 0.1, 0.2, 9)],
                    columns=["alpha_name", "fold_id", "ic", "rank_ic", "dates"],
                ),
            }.items():
                connection.register("frame", frame)
                dates = ", ".join(f"{c}::date as {c}" for c in frame if c.endswith("_date"))
                replaced = f"replace ({dates})" if dates else ""
                connection.execute(f"create or replace table {name} as select * {replaced} from frame")
            for model in ("ml_gate_results", "ml_registry_events", "ml_served_fits", "ml_model_versions"):
                sql_model.run(connection, f"ml/{model}")
            connection.execute("create schema if not exists ml; create schema if not exists intermediate")
            for name in ("ml_fits", "ml_folds", "ml_registry_events", "ml_model_versions", "ml_panel"):
                connection.execute(f"create or replace view ml.{name} as from main.{name}")
            connection.execute("create schema if not exists seeds")
            connection.execute("create or replace view seeds.alpha_specs as from main.alpha_specs")
            connection.execute("create or replace view intermediate.int_sessions as from main.int_sessions")
            new = "from ml_registry_events anti join state__registry_events using (event_number)"
            if connection.execute(f"select count(*) {new}").fetchall()[0][0]:
                folder = state.folder(self.state, "registry_events")
                connection.execute(f"copy ({new}) to '{folder}/{len(list(folder.iterdir()))}.parquet'")

    def sql(self, query: str) -> list[tuple]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def statuses(self, alpha: str) -> dict[int, str]:
        return dict(self.sql(f"select version, status from ml_model_versions where alpha_name = '{alpha}'"))


@pytest.fixture
def built(tmp_path) -> Warehouse:
    warehouse = Warehouse(tmp_path)
    warehouse.build()
    return warehouse


def test_gates_count_only_what_had_matured_and_equal_scipy(built):
    # two more with a single date to go by, which has no t (on the own day of the second another matures), one with two
    starts = (*STARTS, STARTS[0] + 8, STARTS[0] + 11, STARTS[0] + 12)
    built.build(starts=starts)
    quality = rank_ics().reset_index(drop=True)
    position = {day: k for k, day in enumerate(CALENDAR)}
    got = built.sql("select alpha_name, fold_id, gate, value, is_passed, reason from ml_gate_results")
    assert len(got) == len(ALPHAS) * len(starts) * len(GATES)
    for alpha, fold, gate, value, is_passed, reason in got:
        start = dt.date.fromisoformat(fold)
        before = quality[(quality.alpha_name == alpha) & (quality.matured_date < start)]
        is_apart = np.array([position[day] % HORIZON == 0 for day in before.signal_date], dtype=bool)
        before = before["rank_ic"].to_numpy()[is_apart]
        before = before[np.isfinite(before)]
        if gate == "rows":
            expected = 400 if start == CALENDAR[STARTS[0]] else 900
        else:
            t = stats.ttest_1samp(before, 0).statistic if len(before) > 1 else np.nan
            expected = len(before) if gate == "dates" else t
        np.testing.assert_allclose(np.nan if value is None else value, expected, rtol=1e-9)
        at_least = {name: least for name, _, least, _ in GATES}[gate]
        assert is_passed == bool(expected >= at_least)
        assert (reason is None) == is_passed


def test_a_build_registers_each_fit_once_and_counts_versions_on(built):
    assert built.statuses("good") == {1: "superseded", 2: "superseded", 3: "active"}
    built.build()
    assert len(built.sql("from ml_registry_events")) == 6
    built.build(code="other")
    assert built.statuses("good") == dict.fromkeys((1, 2, 3), "retired") | {
        4: "superseded",
        5: "superseded",
        6: "active",
    }
    numbers = [number for (number,) in built.sql("select event_number from ml_registry_events order by 1")]
    assert numbers == list(range(1, 13))


def test_the_gate_refuses_with_its_reasons(built):
    with pytest.raises(RegistryError, match="refuses version 1 of good: chance; few dates; few rows"):
        registry.promote(built.path, built.state, "good", 1, "why not")
    with pytest.raises(RegistryError, match="refuses version 2 of noise: chance"):
        registry.promote(built.path, built.state, "noise", 2, "why not")
    with pytest.raises(RegistryError, match="no version 9; it has 1 to 3"):
        registry.promote(built.path, built.state, "good", 9, "why not")
    with pytest.raises(RegistryError, match="No active alpha off; the warehouse has good, noise, young"):
        registry.promote(built.path, built.state, "off", 1, "why not")
    with pytest.raises(RegistryError, match=r"young is active but has no fit yet .*2016-05-01: fewer than 500"):
        registry.versions(built.path, "young")
    with pytest.raises(RegistryError, match="Say why"):
        registry.promote(built.path, built.state, "good", 2, " ")
    with pytest.raises(RegistryError, match="already serves"):
        registry.promote(built.path, built.state, "good", 3, "why not")
    assert all(event["event"] == "register" for event in registry.events(built.state))


def test_a_promoted_version_serves_from_the_next_session_on_and_survives_new_code(built):
    before = built.sql("select alpha_name, effective_date, fit_id from ml_served_fits order by all")
    choice = registry.promote(built.path, built.state, "good", 2, " steadier ", who="ann")
    assert [(e["who"], e["why"]) for e in registry.events(built.state)][-1] == ("ann", "steadier")
    assert choice == registry.Choice("good", 2, "promote", CALENDAR[LAST + 1])
    built.build()
    after = built.sql("select alpha_name, effective_date, fit_id from ml_served_fits order by all")
    assert set(after) - set(before) == {("good", CALENDAR[LAST + 1], "code-good-250")}
    assert set(before) < set(after), "history does not change"
    assert built.statuses("good") == {1: "superseded", 2: "active", 3: "superseded"}
    built.build(code="other")
    served = built.sql("select fit_id, estimator from ml_served_fits where is_chosen")
    assert served == [("code-good-250", b"code")], "the copy of then, bytes and all"
    assert built.statuses("good")[2] == "active"


def test_a_newer_scheduled_fit_takes_over_from_a_chosen_one(built):
    registry.promote(built.path, built.state, "good", 2, "steadier")
    built.build(starts=(*STARTS, LAST + 5))
    assert built.statuses("good") == {1: "superseded", 2: "superseded", 3: "superseded", 4: "active"}


@pytest.mark.parametrize(
    ("spec", "is_taken_over"),
    [
        ("n_splits = null, step_months = 1", True),
        ("n_splits = 4, step_months = 1", True),
        ("n_splits = 3, step_months = 1", False),
        ("n_splits = null, step_months = 2", False),
        ("n_splits = null, step_months = 1, retrain = 'none'", False),
    ],
)
def test_a_choice_that_a_scheduled_fold_takes_over_says_so(built, spec, is_taken_over):
    """The last fold is that of May 2016, and the next session the last of June; steps are made to reach it or not."""
    with duckdb.connect(str(built.path)) as connection:
        connection.execute(f"update alpha_specs set {spec}")
    choice = registry.promote(built.path, built.state, "good", 2, "steadier")
    assert choice == registry.Choice("good", 2, "promote", CALENDAR[LAST + 1], is_taken_over)


def test_a_fit_scheduled_for_the_same_day_takes_over_too(built):
    """It did not exist when the other was chosen."""
    registry.promote(built.path, built.state, "good", 2, "steadier")
    built.build(starts=(*STARTS, LAST + 1))
    assert built.statuses("good") == {1: "superseded", 2: "superseded", 3: "superseded", 4: "active"}
    assert registry.pending(built.path, built.state) == []


def test_rollback_goes_to_the_one_before_without_a_gate(built):
    assert registry.rollback(built.path, built.state, "noise", "it drifts").version == 2
    built.build()
    assert built.statuses("noise") == {1: "superseded", 2: "active", 3: "superseded"}
    assert registry.rollback(built.path, built.state, "noise", "no better").version == 3
    assert registry.rollback(built.path, built.state, "noise", "the first", version=1).version == 1
    built.build()
    assert built.statuses("noise") == {1: "active", 2: "superseded", 3: "superseded"}
    built.build(code="other")
    with pytest.raises(RegistryError, match="has never served"):
        registry.rollback(built.path, built.state, "good", "back", version=1)


def _promote(arguments: tuple[Path, Path, int]) -> int:
    path, place, version = arguments
    return registry.rollback(path, place, "good", "a race", version=version).version


def test_racing_commands_leave_one_active_version(built):
    with ProcessPoolExecutor(2) as pool:
        done = list(pool.map(_promote, [(built.path, built.state, version) for version in (1, 2)]))
    assert sorted(done) == [1, 2]
    events = registry.events(built.state)
    assert [event["event_number"] for event in events] == list(range(1, 9)), "each command has its own number"
    built.build()
    active = [version for version, status in built.statuses("good").items() if status == "active"]
    assert active == [events[-1]["version"]]


@pytest.mark.parametrize("choose", [registry.promote, registry.rollback])
def test_a_choice_waits_for_the_one_before_it(built, choose):
    """Whoever comes second must see the first one's event: it reads nothing before it has the lock."""
    with ThreadPoolExecutor(1) as pool:
        with state.locked(built.state):
            second = pool.submit(choose, built.path, built.state, "good", version=2, why="a race")
            with pytest.raises(TimeoutError):
                second.result(timeout=0.5)
            assert all(event["event"] == "register" for event in registry.events(built.state))
        assert second.result(timeout=60).version == 2


def test_the_commands_say_what_they_did(built, monkeypatch, capsys):
    monkeypatch.setenv("KAIROS_DB", str(built.path))
    monkeypatch.setenv("KAIROS_STATE", str(built.state))
    assert main(["models", "promote", "good", "2", "--why", "steadier"]) == 0
    assert f"good: version 2 serves from {CALENDAR[LAST + 1]} on (promote)" in capsys.readouterr().out
    with duckdb.connect(str(built.path)) as connection:
        connection.execute("update alpha_specs set n_splits = null, step_months = 1")
    assert main(["models", "promote", "noise", "1", "--why", "noise"]) == 1
    assert main(["models", "rollback", "noise", "--why", "older"]) == 0
    assert "a scheduled fold begins on that very session" in capsys.readouterr().out
    assert main(["models", "list", "good"]) == 0
    out = capsys.readouterr().out
    assert "promote of good to version 2: steadier" in out
    assert len(out.splitlines()) == 5
    assert main(["models", "rollback", "good", "--why", "back to what was built"]) == 0
    assert "version 3 serves" in capsys.readouterr().out
