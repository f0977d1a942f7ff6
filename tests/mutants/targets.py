"""What is drilled and by which tests, and the mutants that are no mutants, each with the reason."""

from __future__ import annotations

TARGETS: dict[str, list[str]] = {
    "scoring/adversarial.py": [
        "tests/scoring/test_adversarial.py",
        "-k",
        "auc_is or ladder or author or weights or distances or refusals or alike or order",
    ],
    "scoring/adversarial_plots.py": ["tests/scoring/test_plot_edges.py", "-k", "adversarial"],
    "scoring/bootstrap.py": ["tests/scoring/test_metrics.py"],
    "scoring/contributions.py": ["tests/scoring/test_contributions.py"],
    "scoring/evaluation.py": ["tests/scoring/test_evaluation.py"],
    "scoring/metrics.py": ["tests/scoring/test_metrics.py"],
    "scoring/plot_data.py": ["tests/scoring/test_plot_edges.py", "tests/scoring/test_plots.py", "-k", "not pictures"],
    "blend/blending.py": ["tests/blend/test_blending.py"],
    "blend/drift.py": ["tests/blend/test_blending.py"],
    "blend/intervals.py": [
        "tests/blend/test_intervals_edges.py",
        "tests/test_doctests.py::test_examples_hold[src/popcast/blend/intervals.py]",
    ],
    "blend/segments.py": [
        "tests/blend/test_segments.py",
        "tests/blend/test_blending.py::test_history_length_counts_older_training_posts_only",
    ],
    "splits/making.py": ["tests/splits/test_split_edges.py", "tests/splits/test_splits.py"],
    "features/common/block_run.py": ["tests/features/test_block_run.py"],
    "features/common/descriptors.py": ["tests/features/test_image.py", "-k", "descriptors or bad_files or modes"],
    "features/common/embeddings.py": ["tests/features/test_common_edges.py", "tests/models/test_matrix.py"],
    "features/common/encoders.py": [
        "tests/features/test_common_edges.py",
        "tests/features/test_text.py",
        "-k",
        "batches or layer or long or sentence",
    ],
    "features/common/joined_text.py": ["tests/features/test_common_edges.py", "-k", "text"],
    "features/common/media.py": [
        "tests/features/test_common_edges.py",
        "tests/features/test_image.py",
        "-k",
        "media or training_rows or pieces or bad_files or missing",
    ],
    "features/common/nearest.py": [
        "tests/models/test_learned_posts.py",
        "tests/features/test_neighbours.py",
        "-k",
        "learned_posts or exact or plain_loop",
    ],
    "features/common/retrieval.py": ["tests/features/test_neighbours.py", "tests/features/test_knn_values.py"],
    "features/common/tfidf.py": ["tests/features/test_common_edges.py", "-k", "words"],
    "features/common/timelines.py": ["tests/features/test_common_edges.py", "tests/features/test_history.py"],
    "features/common/visibility.py": ["tests/features/test_common_edges.py", "tests/features/test_history.py"],
    "models/contract/crossfit.py": ["tests/models/test_contract_edges.py", "tests/models/test_train.py"],
    "models/contract/finished.py": ["tests/models/test_stages.py"],
    "models/contract/fitting.py": ["tests/models/test_train.py", "tests/models/test_runs.py"],
    "models/contract/member_weights.py": [
        "tests/models/test_member_weights.py",
        "tests/models/test_mftm.py",
        "-k",
        "member_weights or later_half or closed_form",
    ],
    "models/contract/predictor_files.py": ["tests/models/test_contract_edges.py", "tests/models/test_train.py"],
    "models/contract/predictors.py": ["tests/models/test_contract_edges.py", "tests/models/test_train.py"],
    "models/contract/resolving.py": [
        "tests/models/test_contract_edges.py",
        "tests/models/test_runs.py",
        "-k",
        "run_may or loss_of or stop_on_valid",
    ],
    "models/contract/stopping.py": ["tests/models/test_contract_edges.py", "tests/models/test_boosted.py"],
    "models/nets/networks.py": ["tests/models/test_networks.py"],
    "models/nets/training.py": ["tests/models/test_training.py"],
    "models/nets/checkpoint.py": ["tests/models/test_training.py"],
    "models/trees/catboosted.py": [
        "tests/models/test_contract_edges.py",
        "tests/models/test_ensemble_edges.py",
        "tests/models/test_boosted.py",
    ],
    "models/trees/lightgbm_trees.py": ["tests/models/test_contract_edges.py"],
    "models/cr/predictor.py": [
        "tests/models/test_ensemble_edges.py",
        "tests/models/test_boosted.py",
        "-k",
        "edges or cr",
    ],
    "models/mftm/predictor.py": ["tests/models/test_ensemble_edges.py", "tests/models/test_mftm.py"],
    "models/text_ridge/predictor.py": ["tests/models/test_small_models.py", "-k", "text_ridge and not microlens"],
    "models/micro_video/variational.py": ["tests/models/test_micro_video.py"],
    "models/tabnet/predictor.py": [
        "tests/models/test_ensemble_edges.py",
        "tests/models/test_tabnet.py",
        "-k",
        "edges or pretraining or importances or clipped or constant",
    ],
    "fewshot/alignment/idpop_loss.py": [
        "tests/test_doctests.py::test_examples_hold[src/popcast/fewshot/alignment/idpop_loss.py]",
        "tests/fewshot/test_idpop.py::test_pair_losses_by_hand",
    ],
    "fewshot/alignment/idpop_trainer.py": ["tests/fewshot/test_idpop.py", "-k", "by_hand or costs or lost or figures"],
    "fewshot/alignment/preferences.py": ["tests/fewshot/test_preferences.py"],
}
"""File below src/popcast -> arguments of pytest: the file's own tests, those that answer within seconds."""

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("models/contract/member_weights.py", "_least_squares", "y - center_y -> y + center_y"): (
        "members are centred or sum to one: a shift of all labels moves no weight"
    ),
    (
        "features/common/embeddings.py",
        "embedding_column",
        "1 -> 2",
    ): "numpy takes any negative size for the unknown one",
    ("features/common/embeddings.py", "embedding", "1 -> 2"): "numpy takes any negative size for the unknown one",
    ("features/common/embeddings.py", "embedding", "True -> False"): "nulls are gone by then, and no array is empty",
    ("scoring/contributions.py", "_Design.__init__", "1 -> 2"): "steps of any size through no rows at all",
    (
        "features/common/descriptors.py",
        "oriented_gradients",
        "1e-10 -> 2e-10",
    ): "keeps a flat picture from 0 / 0, no more",
    ("features/common/timelines.py", "timeline", "True -> False"): "groups may be numbered in any order",
    (
        "models/contract/member_weights.py",
        "_least_absolute",
        "np.abs(np.append(weights, constant) - before).max() < 10 ** (-PLACES) -> "
        "np.abs(np.append(weights, constant) - before).max() <= 10 ** (-PLACES)",
    ): "a step of exactly 1e-6 does not happen",
    (
        "models/nets/networks.py",
        "Networks._monitor.monitor",
        "error <= p.delta -> error < p.delta",
    ): "both pieces of Huber are the same number there",
    ("models/nets/checkpoint.py", "", "20 -> 21"): "seconds between two states on disk: speed alone",
    ("models/trees/lightgbm_trees.py", "same_bytes", "1 -> 2"): "as quiet as before",
    ("splits/making.py", "newest_per_author", "True -> False"): "authors in any order: draws and joins go by their ids",
    ("splits/making.py", "newest_per_author", "draw < valid -> draw <= valid"): "no draw of 53 bits is exactly a share",
    ("scoring/metrics.py", "score", "variance > 1e-12 -> variance >= 1e-12"): "no labels have exactly that variance",
    ("blend/intervals.py", "half_width", "9 -> 10"): "noise of a product lies far below either place",
}
"""(file, function, change) -> why no test can tell the two apart."""
