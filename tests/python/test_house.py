"""The house rules, executable: names, layers, descriptions, member lists, thin Python models, a true README."""

from __future__ import annotations

import ast
import csv
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from kairos.cli import parser
from kairos.raw import TABLES

ROOT = Path(__file__).resolve().parents[2]
PROJECT = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
LAYERS = ["staging", "intermediate", "features", "labels", "ml", "portfolio", "monitoring", "marts"]
PREFIXES = {
    "staging": ("stg_",),
    "intermediate": ("int_",),
    "features": ("feat_", "features"),
    "labels": ("lbl_", "labels"),
    "ml": ("ml_",),
    "portfolio": ("pf_",),
    "marts": ("fct_", "dim_", "feat_"),
}
# A layer may read itself and what stands before it; features and labels do not read each other (time rule 9).
MAY_READ = {layer: set(LAYERS[: i + 1]) for i, layer in enumerate(LAYERS)}
MAY_READ["features"] -= {"labels"}
MAY_READ["labels"] -= {"features"}


@pytest.fixture(scope="session")
def manifest(builder):
    """dbt's own view of the project."""
    return builder.manifest


@pytest.fixture(scope="session")
def models(manifest):
    """name -> node of every model."""
    return {n["name"]: n for n in manifest["nodes"].values() if n["resource_type"] == "model"}


def _layer(node):
    return node["fqn"][1]


def _rows(seed):
    with (ROOT / "seeds" / f"{seed}.csv").open() as file:
        return list(csv.DictReader(file))


def test_models_are_named_after_their_layer_and_land_in_its_schema(models):
    """stg_, int_, feat_, lbl_, ml_, pf_, fct_, dim_; schemas are the folders."""
    wrong = [
        f"{name} in {_layer(node)} (schema {node['schema']})"
        for name, node in models.items()
        if not name.startswith(PREFIXES.get(_layer(node), ("",))) or node["schema"] != _layer(node)
    ]
    assert not wrong


def test_data_goes_one_way(models):
    """No model reads a later layer; features and labels never read each other."""
    wrong = []
    for name, node in models.items():
        for parent in node["depends_on"]["nodes"]:
            parent_name = parent.split(".")[-1]
            if parent_name in models and _layer(models[parent_name]) not in MAY_READ[_layer(node)]:
                wrong.append(f"{name} reads {parent_name}")
    assert not wrong


def test_marts_read_no_staging(models):
    """Marts are built from finished layers."""
    wrong = [n for n, node in models.items() if _layer(node) == "marts" and ".stg_" in str(node["depends_on"]["nodes"])]
    assert not wrong


def test_every_model_is_described_with_its_grain(models):
    """Descriptions end with the grain: '... One row per ...'."""
    wrong = [name for name, node in models.items() if "One row per" not in node["description"]]
    assert not wrong, f"without a grain in the description: {sorted(wrong)}"


def test_every_sql_file_opens_with_what_it_is(models):
    """The first line of a SQL file is its head comment with the grain."""
    wrong = []
    for name, node in models.items():
        path = ROOT / node["original_file_path"]
        if path.suffix == ".sql":
            head = path.read_text().split("-#}")[0]
            if not head.startswith("{#-") or "Grain" not in head:
                wrong.append(name)
    assert not wrong, f"they do not open with {{#- what it is. Grain: one row per ... -#}}: {wrong}"


def test_marts_are_contracted_public_and_described(models):
    """Contracts and a description on every column; only feat_matrix_v2 follows the feature registry instead."""
    wrong = []
    for name, node in models.items():
        if _layer(node) != "marts":
            assert node["config"]["access"] != "public", name
            continue
        if name != "feat_matrix_v2" and not node["contract"]["enforced"]:
            wrong.append(f"{name}: no contract")
        wrong += [f"{name}.{c}: no description" for c, v in node["columns"].items() if not v["description"].strip()]
    assert not wrong


def test_public_tables_of_the_design_exist(models):
    """The marts this version promises."""
    promised = {
        "fct_signals fct_alphas fct_weights fct_trades fct_holdings fct_backtest_days fct_backtests fct_folds"
        " fct_alpha_quality fct_feature_coverage dim_securities dim_features dim_alphas dim_strategies"
        " feat_alpha_ml_xgb_v2 feat_matrix_v2"
    }
    assert set(" ".join(promised).split()) <= set(models)


def test_whatever_staging_refuses_is_shown(models):
    """Every stg_<vendor>__quarantined_* is read by int_quarantine, which the report of refused rows reads."""
    shown = {parent.split(".")[-1] for parent in models["int_quarantine"]["depends_on"]["nodes"]}
    kept_apart = {name for name in models if re.match("stg_.*__quarantined", name)}
    assert kept_apart
    assert kept_apart <= shown, f"name them in int_quarantine.sql: {sorted(kept_apart - shown)}"


def test_tickers_without_bars_are_counted_in_every_file_that_has_tickers():
    """A vendor's table that unpriced_tickers does not list would lose rows without a word; prices, who the securities
    are and the vendor's own market values have nothing to lose.
    """
    counted = set(re.findall(r"\('(\w+)', '(\w+)',", (ROOT / "models/monitoring/unpriced_tickers.sql").read_text()))
    exempt = {("sharadar", name) for name in ("sfp", "tickers", "daily")}
    named = {
        (table.vendor, table.name)
        for table in TABLES
        if table.vendor != "market"
        and not table.serves
        and {column.name.lower() for column in table.columns} & {"ticker", "symbol", "symbolcode"}
    }
    assert not named - counted - exempt, f"list them in unpriced_tickers.sql: {sorted(named - counted - exempt)}"
    assert not counted - named, f"unpriced_tickers.sql lists what kairos/raw.py has not: {sorted(counted - named)}"


def test_every_table_has_a_key_test_or_says_why_not(manifest, models):
    """Tables outside staging carry unique_key, stored_in_order (strictly ascending, hence unique) or stored_like (the
    keys of a table that is); members of a collector (double underscore) are tested there; a table without a key says
    why in meta.no_key.
    """
    tested = {
        n["attached_node"].split(".")[-1]
        for n in manifest["nodes"].values()
        if n["resource_type"] == "test"
        and n.get("attached_node")
        and n["test_metadata"]["name"] in {"unique_key", "stored_in_order", "stored_like"}
    }
    tables = {
        name
        for name, node in models.items()
        if _layer(node) != "staging" and node["config"]["materialized"] != "view" and "__" not in name
    }
    wrong = {n for n in tables - tested if not models[n]["config"]["meta"].get("no_key")}
    assert not wrong, f"without a unique_key or stored_in_order test: {sorted(wrong)}"


def test_member_lists_match_the_files():
    """Each list in vars names exactly the members that exist as files."""
    variables = PROJECT["vars"]
    features = {p.stem.removeprefix("feat_") for p in (ROOT / "models/features").glob("feat_*.sql")}
    labels = {p.stem.removeprefix("lbl_") for p in (ROOT / "models/labels").glob("lbl_*.sql")}
    families = {p.stem for p in (ROOT / "kairos/families").glob("*.py") if not p.stem.startswith("_")}
    fits = {p.stem.removeprefix("ml_fits__") for p in (ROOT / "python_models/ml").glob("ml_fits__*.py")}
    rules = {p.stem.removeprefix("pf_weights__") for p in (ROOT / "models/portfolio").glob("pf_weights__*.sql")}
    assert set(variables["feature_families"]) == features
    assert set(variables["label_names"]) == labels
    assert set(variables["estimator_families"]) == families == fits
    assert set(variables["portfolio_rules"]) == rules


def test_families_without_known_at_rest_on_the_bars_alone(manifest):
    """A family is known with its bar, or it says when: one that stores no known_at reads nothing but bars, who is a
    member by them, and the calendar.
    """
    models = {n["name"]: n for n in manifest["nodes"].values() if n["resource_type"] == "model"}
    on_bars = {"int_prices", "int_returns", "int_universe", "int_sessions", "int_feature_rows"}
    for family in PROJECT["vars"]["feature_families"]:
        model = models[f"feat_{family}"]
        read = {node.split(".")[-1] for node in model["depends_on"]["nodes"]}
        assert "known_at" in model["columns"] or read <= on_bars, f"feat_{family} reads {sorted(read)}, has no known_at"


def test_every_family_says_how_far_back_it_reads(models):
    """By rows_to_compute(), which brings int_feature_rows; a build refuses the others (macro feature_work)."""
    for family in PROJECT["vars"]["feature_families"]:
        assert "model.kairos.int_feature_rows" in models[f"feat_{family}"]["depends_on"]["nodes"], f"feat_{family}"


def test_unit_tests_override_vars_and_not_the_environment(manifest):
    """Macro setting() does not read the environment in a unit test, so that such an override would do nothing."""
    wrong = [t["name"] for t in manifest["unit_tests"].values() if (t.get("overrides") or {}).get("env_vars")]
    assert not wrong


def test_whatever_a_family_reads_is_digested(manifest):
    """Below a family and the views it reads are tables that are digested, other families, or the calendar."""
    models = {i: n for i, n in manifest["nodes"].items() if n["resource_type"] == "model"}
    digested = set(models["model.kairos.int_feature_digests"]["depends_on"]["nodes"]) | {"model.kairos.int_sessions"}

    def tables_below(node):
        for parent in node["depends_on"]["nodes"]:
            if parent in models and models[parent]["config"]["materialized"] == "view":
                yield from tables_below(models[parent])
            elif not (parent in models and models[parent]["config"]["materialized"] == "feature_family"):
                yield parent

    families = [n for n in models.values() if n["config"]["materialized"] == "feature_family"]
    wrong = {f"{n['name']} reads {parent}" for n in families for parent in tables_below(n) if parent not in digested}
    wrong -= {"int_feature_rows reads model.kairos.int_feature_digests"}
    assert not wrong, f"a change there would go unnoticed: add it to int_feature_digests: {sorted(wrong)}"


def test_every_feature_is_checked_by_a_test_that_names_it():
    """checked_by of the registry is a file of independent computations, and the feature's name stands in its code."""
    files = {path.name: _words_of_code(path) for path in (ROOT / "tests/python").glob("test_*.py")}
    for row in _rows("feature_registry"):
        name = row["alias_of"] or row["feature_name"]
        assert name in files.get(row["checked_by"], ()), f"{row['checked_by']} does not check {name}"


def _words_of_code(path: Path) -> set[str]:
    """Words of a file's names and texts, without comments and docstrings."""
    words: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = None  # a docstring, seen before its text
        found = [getattr(node, field, None) for field in ("id", "attr", "arg", "value")]
        words.update(word for text in found if isinstance(text, str) for word in re.findall(r"\w+", text))
    return words


def test_every_feature_is_described_where_it_stands(models):
    """In the yml of its family and in the collector's; an alias in the latter alone."""
    wrong = []
    for row in _rows("feature_registry"):
        name = row["feature_name"]
        for model in ["features"] if row["alias_of"] else ["features", f"feat_{row['feature_family']}"]:
            if not models[model]["columns"].get(name, {}).get("description", "").strip():
                patch = (
                    models[model]["patch_path"] or f"models/features/_features__{row['feature_family']}.yml, to make"
                )
                wrong.append(f"{name} in {patch.split('//')[-1]}")
    assert not wrong, f"features without a description: {wrong}"


def test_every_feature_is_held_in_a_range(manifest):
    """By within_range, which refuses what is not finite, of its family or the collector; flags and dates are whole."""
    held: set[str] = set()
    for node in manifest["nodes"].values():
        test = node.get("test_metadata") or {}
        if test.get("name") == "within_range" and node["attached_node"].split(".")[-1].startswith("feat"):
            held.update(test["kwargs"]["columns"])
    named = [row for row in _rows("feature_registry") if row["unit"] not in ("flag", "category", "days")]
    missing = {row["feature_name"] for row in named if not row["alias_of"]} - held
    assert not missing, f"in no list of ranges, features_are_finite for one: {sorted(missing)}"


def test_what_the_lookahead_proof_compares_has_a_date(models):
    """A column as_of_date, or meta.date_column that names another, or meta.undated that says why there is none."""
    wrong = [
        name
        for name, node in models.items()
        if _layer(node) == "marts"
        and "as_of_date" not in node["columns"]
        and not {"date_column", "undated"} & set(node["config"]["meta"])
    ]
    assert not wrong, f"marts without as_of_date, meta.date_column or meta.undated: {wrong}"


def test_the_page_of_features_lists_the_registry():
    """docs/features.md has a line for every feature and alias and no other (python -m kairos.docs_features)."""
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/features.md").read_text(), flags=re.M)
    registered = {row["feature_name"] for row in _rows("feature_registry")}
    assert not registered - set(listed), f"no line in docs/features.md: {sorted(registered - set(listed))}"
    assert not set(listed) - registered, f"in docs/features.md, not registered: {sorted(set(listed) - registered)}"
    assert len(listed) == len(registered), "a feature has two lines in docs/features.md"


def test_active_alphas_match_the_specs():
    """The columns of fct_alphas are the active rows of alpha_specs."""
    active = {r["alpha_name"] for r in _rows("alpha_specs") if r["is_active"].lower() == "true"}
    assert set(PROJECT["vars"]["active_alphas"]) == active


def test_specs_learn_from_sets_of_registered_features():
    """Also those that are switched off, which no build reads."""
    registered = {row["feature_name"] for row in _rows("feature_registry")}
    sets: dict[str, set[str]] = {}
    for row in _rows("feature_sets"):
        sets.setdefault(row["feature_set"], set()).add(row["feature_name"])
    learned = {row["feature_set"] for row in _rows("alpha_specs")}
    assert {"kairos_23", "momentum", "mean_reversion"} <= learned <= set(sets)
    assert [name for name, features in sets.items() if features - registered] == []


def test_ensembles_match_the_seed():
    """The columns that ml_alphas has for ensembles are the rows of the seed, blends apart; every member is an alpha, or
    an ensemble if it is a blend's.
    """
    seed = {row["ensemble_name"]: row["method"] for row in _rows("ensembles")}
    ensembles, blends = set(PROJECT["vars"]["ensembles"]), set(PROJECT["vars"]["blends"])
    assert ensembles == {name for name, method in seed.items() if method != "blend"}
    assert blends == set(seed) - ensembles
    alphas = {row["alpha_name"] for row in _rows("alpha_specs")} | {"alpha_v8"}
    members = _rows("ensemble_members")
    assert {row["ensemble_name"] for row in members} == set(seed)
    blended = {row["member"] for row in members if row["ensemble_name"] in blends}
    assert set(PROJECT["vars"]["blended"]) == blended <= ensembles
    wrong = [r for r in members if r["member"] not in (blended if r["ensemble_name"] in blends else alphas)]
    assert not wrong
    assert all(float(row["weight"]) > 0 for row in members)
    assert "alpha_v8" not in {r["member"] for r in members if seed[r["ensemble_name"]] not in ("fixed", "blend")}


def test_summaries_of_test_windows_reach_nothing_but_marts(models):
    """What moves with every date that matures is read by nothing that is dated."""
    summaries = {"ml_importances", "ml_alpha_summaries", "ml_fold_quality", "ml_fold_accuracy", "ml_calibration_bins"}
    for name, node in models.items():
        if read := summaries & {parent.split(".")[-1] for parent in node["depends_on"]["nodes"]}:
            assert node["config"]["meta"].get("undated"), f"{name} is dated and reads {sorted(read)}"


def test_bundle_factors_match_the_members():
    """The columns that ml_bundle_scores reads are the factors of the bundles."""
    assert set(PROJECT["vars"]["bundle_factors"]) == {r["factor_name"] for r in _rows("factor_bundle_members")}


@pytest.mark.parametrize("select", [["+features"], ["path:seeds", "staging", "intermediate"]])
def test_a_selection_of_a_fresh_warehouse_runs_no_test_of_what_it_leaves_out(select, builder, manifest):
    """Such a test ended the selection red."""
    built = {name for kind in ("model", "seed") for name in builder.selected(select, kind)}
    reads = {
        n["name"]: {p.split(".")[2] for p in n["depends_on"]["nodes"] if not p.startswith("source.")}
        for n in manifest["nodes"].values()
        if n["resource_type"] == "test"
    }
    chosen = builder.selected(select, "test")
    assert chosen
    assert not {name for name in chosen if reads[name] - built}


def test_python_models_are_wiring():
    """At most 15 lines that are not docstring, comment, import or blank."""
    for path in (ROOT / "python_models").rglob("*.py"):
        tree = ast.parse(path.read_text())
        lines = set()
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom) or (
                isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            ):
                continue
            lines |= set(range(node.lineno, node.end_lineno + 1))
        assert len(lines) <= 15, f"{path.name} has {len(lines)} lines of code"


def test_macros_are_used_and_described(manifest):
    """A macro earns its place: used somewhere, described in macros/_macros.yml."""
    own = {m["name"]: m for m in manifest["macros"].values() if m["package_name"] == "kairos"}
    own = {n: m for n, m in own.items() if not n.startswith(("test_", "_")) and m["path"].startswith("macros")}
    text = "\n".join(p.read_text() for d in ("models", "macros", "tests", "dbt_project.yml") for p in _files(ROOT / d))
    own_names = {n for n in own if n != "generate_schema_name" and not n.startswith("materialization_")}
    assert not {n for n in own_names if len(re.findall(rf"\b{n}\(", text)) < 2}
    assert not {n for n, m in own.items() if not m["description"].strip()}


def _files(place):
    return [place] if place.is_file() else [p for p in place.rglob("*") if p.suffix in {".sql", ".yml"}]


def test_requirements_are_exact_and_name_no_host():
    """Every requirement is pinned with ==, the locks carry hashes and no address."""
    kinds = ("requirements", "requirements-dev", "requirements-dask", "requirements-ray")
    for name in (f"{kind}.in" for kind in kinds):
        lines = [x for x in (ROOT / name).read_text().splitlines() if x and not x.startswith(("#", "-r"))]
        assert all("==" in line for line in lines), name
    for name in (f"{kind}.txt" for kind in kinds):
        text = (ROOT / name).read_text()
        assert "--hash=sha256" in text
        assert "://" not in text


def test_readme_names_every_command_and_every_switch():
    """The README's commands are the program's; its table of places names files that are there."""
    readme = (ROOT / "README.md").read_text()
    commands = next(a for a in parser()._actions if a.dest == "command").choices
    assert not [c for c in commands if f"kairos {c}" not in readme]
    for target in re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M):
        if target not in {"setup"}:
            assert f"make {target}" in readme, target
    table = readme.split("## Where do I add")[1].split("\n## ")[0]
    for path in re.findall(r"`((?:models|seeds|kairos|python_models|macros|tests)/[^`<>{}*]+)`", table):
        assert (ROOT / path).exists(), f"README names {path}, which is not there"


def test_decisions_are_numbered_without_gaps():
    """docs/decisions/NNNN-title.md, one after the other."""
    numbers = sorted(int(p.name[:4]) for p in (ROOT / "docs/decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_nothing_names_a_machine():
    """No committed text names a home folder, a scratch folder of one machine or a registry's host."""
    bad = re.compile(r"/work/|/tmp/w/|/root/|pythonhosted|pypi\.org")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    for name in listed.splitlines():
        path = ROOT / name
        if path.is_file() and path.name != "test_house.py" and path.suffix in {".py", ".sql", ".yml", ".md", ".toml"}:
            assert not bad.search(path.read_text()), name
