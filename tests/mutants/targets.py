"""What is drilled and by which tests, and the mutants that are no mutants, each with the reason."""

from __future__ import annotations

TARGETS: dict[str, list[str]] = {
    "scoring/adversarial.py": [
        "tests/scoring/test_adversarial.py",
        "-k",
        "not stage and not picture and not tidy and not bad_params and not label",
    ],
    "scoring/adversarial_plots.py": ["tests/scoring/test_adversarial.py", "-k", "picture or stage_writes"],
    "scoring/bootstrap.py": ["tests/scoring/test_metrics.py"],
    "scoring/contributions.py": ["tests/scoring/test_contributions.py"],
    "scoring/evaluation.py": ["tests/scoring/test_evaluation.py"],
    "scoring/metrics.py": ["tests/scoring/test_metrics.py"],
    "scoring/plot_data.py": ["tests/scoring/test_plots.py"],
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
    "features/common/embeddings.py": ["tests/models/test_matrix.py", "tests/features/test_windows.py"],
    "features/common/encoders.py": ["tests/features/test_text.py"],
    "features/common/joined_text.py": ["tests/features/test_text.py", "-k", "joined or verbatim"],
    "features/common/media.py": ["tests/features/test_image.py", "-k", "bad_files or modes or missing or finished"],
    "features/common/nearest.py": [
        "tests/models/test_learned_posts.py",
        "tests/features/test_neighbours.py",
        "-k",
        "learned_posts or exact or plain_loop",
    ],
    "features/common/retrieval.py": ["tests/features/test_neighbours.py", "tests/features/test_knn_values.py"],
    "features/common/tfidf.py": ["tests/features/test_text.py", "-k", "svd"],
    "features/common/timelines.py": ["tests/features/test_history.py"],
    "features/common/visibility.py": ["tests/features/test_history.py"],
    "models/contract/crossfit.py": ["tests/models/test_train.py", "tests/models/test_runs.py"],
    "models/contract/finished.py": ["tests/models/test_stages.py"],
    "models/contract/fitting.py": ["tests/models/test_train.py", "tests/models/test_runs.py"],
    "models/contract/member_weights.py": [
        "tests/models/test_member_weights.py",
        "tests/blend/test_blending.py",
        "tests/models/test_mftm.py",
        "-k",
        "weigh or share or simplex or intercept or absolute or least or twins",
    ],
    "models/contract/predictor_files.py": ["tests/models/test_train.py", "tests/models/test_stages.py"],
    "models/contract/predictors.py": ["tests/models/test_train.py", "tests/models/test_runs.py"],
    "models/contract/resolving.py": ["tests/models/test_runs.py"],
    "models/contract/stopping.py": ["tests/models/test_boosted.py"],
    "models/nets/networks.py": ["tests/models/test_networks.py"],
    "models/nets/training.py": ["tests/models/test_training.py"],
    "models/nets/checkpoint.py": ["tests/models/test_training.py"],
    "models/trees/catboosted.py": ["tests/models/test_boosted.py"],
    "models/trees/lightgbm_trees.py": ["tests/models/test_boosted.py"],
    "models/cr/predictor.py": ["tests/models/test_boosted.py"],
    "models/mftm/predictor.py": ["tests/models/test_mftm.py"],
    "models/text_ridge/predictor.py": ["tests/models/test_small_models.py"],
    "models/micro_video/variational.py": ["tests/models/test_micro_video.py"],
    "models/tabnet/predictor.py": ["tests/models/test_tabnet.py"],
    "fewshot/alignment/idpop_loss.py": ["tests/fewshot/test_idpop.py"],
    "fewshot/alignment/idpop_trainer.py": ["tests/fewshot/test_idpop.py"],
    "fewshot/alignment/preferences.py": ["tests/fewshot/test_preferences.py"],
}
"""File below src/popcast -> arguments of pytest: the file's own tests, those that answer within seconds."""

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("splits/making.py", "newest_per_author", "True -> False"): "authors in any order: draws and joins go by their ids",
    ("splits/making.py", "newest_per_author", "draw < valid -> draw <= valid"): "no draw of 53 bits is exactly a share",
    ("scoring/metrics.py", "score", "variance > 1e-12 -> variance >= 1e-12"): "no labels have exactly that variance",
    ("blend/intervals.py", "half_width", "9 -> 10"): "noise of a product lies far below either place",
}
"""(file, function, change) -> why no test can tell the two apart."""
