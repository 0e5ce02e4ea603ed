"""A bundle's files are written whole and verified when they are read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataml.contract.types import DataType
from dataml.contract.warnings import DataWarning
from dataml.ml.bundle.manifest import (
    BundleDamaged,
    Manifest,
    MemberRecord,
    RowCounts,
    onnx_file,
    read_file,
    read_manifest,
    to_json_bytes,
    write_files,
)

FILES = {"contract.json": b"{}", "model.txt": b"tree\n" * 100}


def make_manifest(**changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "algorithm": "LightGBM",
        "model": "LightGBMClassifier",
        "problem_type": "Classification",
        "target": "churn",
        "target_type": DataType.BOOLEAN,
        "classes": (False, True),
        "roles": {"age": "Feature", "churn": "Target"},
        "dropped_features": {},
        "accuracy": 0.9,
        "metrics": {"accuracy": 0.9, "roc_auc": None},
        "confusion_matrix": [[5, 1], [0, 4]],
        "seed": 1,
        "split": "stratified",
        "rows": RowCounts(100, 2, 70, 18, 10),
        "best_iteration": 42,
        "params": {"num_leaves": 31},
        "validation_metric": "log_loss",
        "candidates": {"LightGBM": 0.3},
        "onnx": {"used": False, "largest_difference": None, "reason": "none"},
        "versions": {"numpy": "2.0"},
        "created_at": "2024-02-29T12:00:00Z",
        "members": (MemberRecord("LightGBM", 1.0, 42, {"num_leaves": 31}),),
    }
    return Manifest(**(fields | changes))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_files(tmp_path / "bundle", make_manifest(), FILES)
    return tmp_path / "bundle"


def test_files_and_manifest_are_read_as_they_were_written(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert {name: read_file(bundle, manifest, name) for name in manifest.files} == FILES
    assert manifest == make_manifest(files=manifest.files)
    assert "files" not in manifest.summary()
    assert manifest.summary()["classes"] == (False, True)


def test_nothing_but_the_bundle_is_left_behind(bundle: Path) -> None:
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]
    assert {path.name for path in bundle.iterdir()} == {*FILES, "manifest.json"}


def test_a_second_attempt_replaces_the_first(bundle: Path) -> None:
    write_files(bundle, make_manifest(seed=2), {"model.txt": b"other"})
    manifest = read_manifest(bundle)
    assert (manifest.seed, read_file(bundle, manifest, "model.txt")) == (2, b"other")
    assert not (bundle / "contract.json").exists()


def test_a_manifest_that_is_not_json_leaves_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_files(tmp_path / "bundle", make_manifest(accuracy=float("nan")), FILES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["changed", "removed", "cut", "not named"])
def test_a_damaged_file_is_refused(bundle: Path, damage: str) -> None:
    manifest = read_manifest(bundle)
    file = bundle / "model.txt"
    content = bytearray(file.read_bytes())
    content[3] ^= 1
    if damage == "removed":
        file.unlink()
    elif damage != "not named":
        file.write_bytes(content if damage == "changed" else content[:-1])
    with pytest.raises(BundleDamaged) as refusal:
        read_file(bundle, manifest, "other.txt" if damage == "not named" else "model.txt")
    assert (refusal.value.status, refusal.value.code) == (503, "bundle_damaged")
    assert str(bundle) not in refusal.value.detail


@pytest.mark.parametrize("manifest", [None, "", "[]", "{}", '{"format_version": 99}', '{"format_version": 1}'])
def test_an_unreadable_manifest_is_refused(tmp_path: Path, manifest: str | None) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(BundleDamaged):
        read_manifest(tmp_path)


def test_a_manifest_of_a_single_booster_needs_no_members(bundle: Path) -> None:
    record = json.loads((bundle / "manifest.json").read_text())
    for name in ("members", "calibration", "warnings", "comparison", "tuning", "forecast"):
        del record[name]
    (bundle / "manifest.json").write_text(json.dumps(record))
    assert read_manifest(bundle).members == make_manifest().members


def test_a_manifest_of_an_earlier_version_has_notes_and_the_second_class_is_positive(bundle: Path) -> None:
    record = json.loads((bundle / "manifest.json").read_text())
    for name in ("positive_class", "average", "feature_ranges"):
        del record[name]
    record |= {"warnings": ["Too short."], "classes": ["fraud", "legit"]}
    (bundle / "manifest.json").write_text(json.dumps(record))
    manifest = read_manifest(bundle)
    assert manifest.warnings == (DataWarning("note", "Too short."),)
    assert (manifest.positive_code, manifest.feature_ranges) == (1, None)


def test_warnings_classes_and_ranges_are_read_as_they_were_written(bundle: Path) -> None:
    warning = DataWarning("rare_class", "Rare.", "y", 3, ("fraud",))
    changes = {
        "warnings": (warning,),
        "classes": ("fraud", "legit"),
        "positive_class": "fraud",
        "average": {"f1_score": "binary"},
        "feature_ranges": {"x": (-1, 2.5)},
    }
    written = write_files(bundle, make_manifest(**changes), FILES)
    assert read_manifest(bundle) == written
    assert written.positive_code == 0
    assert written.summary()["warnings"][0]["examples"] == ["fraud"]


def test_copies_of_a_blend_are_named_by_algorithm() -> None:
    member = MemberRecord("XGBoost", 0.5, 3, {})
    second = replace(member, name="XGBoost deep", number=2)
    assert (member.file, second.file) == ("model.ubj", "model-2.ubj")
    assert onnx_file(make_manifest(members=(member,)), member) == "model.onnx"
    blend = make_manifest(members=(member, second))
    assert [onnx_file(blend, each) for each in blend.members] == ["model.xgboost.onnx", "model-2.xgboost.onnx"]


def test_not_a_number_is_no_json() -> None:
    assert json.loads(to_json_bytes({"größe": 1.5})) == {"größe": 1.5}
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json_bytes({"x": float("nan")})
