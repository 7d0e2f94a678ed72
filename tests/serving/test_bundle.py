"""A bundle is served only if every byte is the one that was promoted."""

import json

import pytest

from serving.bundle import BundleInvalid, NoBundle, current_folder, load_bundle
from tests.serving.bundles import write_bundle
from training.manifest import MANIFEST, MODEL


def test_current_follows_the_promotion(tmp_path):
    first = write_bundle(tmp_path, "1")
    assert current_folder(tmp_path) == first
    assert load_bundle(current_folder(tmp_path)).model_version == "1"
    second = write_bundle(tmp_path, "2")
    assert current_folder(tmp_path) == second


def test_without_a_promotion_the_error_says_what_to_run(tmp_path):
    with pytest.raises(NoBundle, match="run lending train, then lending promote"):
        current_folder(tmp_path)


def test_a_changed_byte_is_refused(tmp_path):
    folder = write_bundle(tmp_path)
    text = (folder / MODEL).read_text()
    (folder / MODEL).write_text(text.replace("learning_rate: 0.1", "learning_rate: 0.2", 1) + " ")
    with pytest.raises(BundleInvalid, match=r"model\.txt has SHA-256"):
        load_bundle(folder)


def test_a_missing_file_is_refused(tmp_path):
    folder = write_bundle(tmp_path)
    (folder / MODEL).unlink()
    with pytest.raises(BundleInvalid, match=r"model\.txt is missing"):
        load_bundle(folder)


@pytest.mark.parametrize("change", ["swap", "rename", "drop"])
def test_a_manifest_that_names_other_features_is_refused(tmp_path, change):
    folder = write_bundle(tmp_path)
    manifest = json.loads((folder / MANIFEST).read_text())
    features = manifest["features"]
    if change == "swap":  # same names in another order would score without an error
        features[0], features[1] = features[1], features[0]
    elif change == "rename":
        features[0]["name"] = "late_pay_ratio_6m"
    else:
        features.pop()
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleInvalid, match="the manifest lists"):
        load_bundle(folder)


def test_a_manifest_without_the_hash_of_the_model_is_refused(tmp_path):
    folder = write_bundle(tmp_path)
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["sha256"][MODEL]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleInvalid, match=r"lacks the hash of model\.txt"):
        load_bundle(folder)
