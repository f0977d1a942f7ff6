"""TMALL: the graphs, the alternating solution against its equations, the step to later posts, and the linear map."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from popcast.core.errors import BadInput
from popcast.models.tmall import predictor as tmall
from popcast.models.tmall.tmall_graphs import Terms, best_mixture, clipped, edges, extend, make_graph, solve

pytestmark = pytest.mark.usefixtures("one_thread")

FRAMES = {"visual": "image.embedding", "frames": 2}


@pytest.fixture(scope="module")
def problem():
    """Two graphs of 60 generated posts, the first 40 labelled; the second graph has nothing to do with the labels."""
    rng = np.random.default_rng(1)
    latent = rng.normal(size=60)
    first = np.column_stack([np.cos(latent), np.sin(latent), 0.1 * rng.normal(size=60)])
    second = rng.normal(size=(60, 5))
    laplacians = [make_graph(vectors, np.arange(60), 5).laplacian for vectors in (first, second)]
    target = 2 * latent + 0.3 * rng.normal(size=60)
    return laplacians, target - target[:40].mean(), np.arange(60) < 40


def test_a_graph_is_symmetric_with_trace_one_and_rows_that_sum_to_zero():
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    vectors[7] = 0.0  # a post without a vector has no edge
    graph = make_graph(vectors, np.arange(30), 4)
    dense = graph.laplacian.toarray()
    assert dense == pytest.approx(dense.T, abs=1e-15)
    assert dense.sum(axis=1) == pytest.approx(np.zeros(30), abs=1e-15)
    assert np.trace(dense) == pytest.approx(1.0)
    assert not dense[7].any()
    assert np.linalg.eigvalsh(dense)[0] > -1e-12
    assert ((dense < 0).sum(axis=1)[np.arange(30) != 7] >= 4).all()
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    apart = 1 - np.sort(unit @ unit.T - 9 * np.eye(30) - 9 * (np.arange(30) == 7), axis=1)[:, ::-1][:, :4]
    assert graph.scale == pytest.approx(np.delete(apart, 7, axis=0).mean(), abs=1e-6)


def test_no_post_is_its_own_neighbour_even_among_equal_ones():
    units = np.ones((6, 2), np.float32) / np.sqrt(2, dtype=np.float32)
    index, apart = edges(units, units, np.arange(6), 2, themselves=True)
    assert (index != np.arange(6)[:, None]).all()
    assert index.tolist() == [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1], [0, 1]]
    assert apart == pytest.approx(np.zeros((6, 2)), abs=1e-6)
    few, _ = edges(units[:2], units[:2], np.arange(2), 4, themselves=True)
    assert few.tolist() == [[1, -1, -1, -1], [0, -1, -1, -1]]


@pytest.mark.parametrize("lam", [0.01, 0.3, 10.0])
@pytest.mark.parametrize("mu", [0.001, 1.0])
@pytest.mark.parametrize("negative", [False, True])
def test_the_objective_never_rises_and_the_mixture_sums_to_one(problem, mu, lam, negative):
    laplacians, target, labelled = problem
    solution = solve(laplacians, target, labelled, Terms(mu, lam, 0.1, negative))
    assert solution.mixture.sum() == pytest.approx(1.0)
    assert negative or (solution.mixture >= 0).all()
    assert len(solution.objective) > 1
    assert (np.diff(solution.objective) <= 1e-9 * np.abs(solution.objective[:-1])).all()


def test_a_solution_is_a_stationary_point_of_the_objective(problem):
    laplacians, target, labelled = problem
    mu, lam, theta, count = 0.5, 0.3, 0.1, 60
    solution = solve(laplacians, target, labelled, Terms(mu, lam, theta))
    dense = [laplacian.toarray() for laplacian in laplacians]

    def objective(f, b):
        mixed = sum(share * laplacian for share, laplacian in zip(b, dense, strict=True))
        distance = sum(np.linalg.norm(mixed - laplacian) ** 2 for laplacian in dense)
        fit = ((f - target)[labelled] ** 2).sum()
        return fit + mu * count**2 * distance + lam * count * f @ mixed @ f + theta * count * b @ b

    f, b = solution.popularity, solution.mixture
    assert objective(f, b) == pytest.approx(solution.objective[-1], rel=1e-9)
    mixed = sum(share * laplacian for share, laplacian in zip(b, dense, strict=True))
    exact = np.linalg.solve(np.diag(labelled.astype(float)) + lam * count * mixed, np.where(labelled, target, 0))
    assert f == pytest.approx(exact, abs=1e-2)
    assert b[0] > b[1]  # the graph that knows something weighs more
    for step in (-1e-3, 1e-3):
        assert objective(f, b + step * np.array([1, -1])) > objective(f, b) - 1e-6
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert objective(exact + 1e-3 * rng.normal(size=60), b) > objective(exact, b)


def test_the_mixture_solves_its_linear_system():
    inner, roughness = np.array([[0.4, 0.1], [0.1, 0.3]]), np.array([0.2, 0.9])
    mu, lam, theta = 3.0, 0.7, 0.2
    b = best_mixture(inner, roughness, mu, lam, theta)
    gradient = 2 * (mu * 2 * inner + theta * np.eye(2)) @ b - 2 * mu * inner.sum(axis=1) + lam * roughness
    assert b.sum() == pytest.approx(1.0)
    assert gradient[0] == pytest.approx(gradient[1])


def test_a_negative_mixture_is_clipped_on_the_way():
    assert clipped(np.array([0.5, 0.5]), np.array([-0.5, 1.5])).tolist() == pytest.approx([0.0, 1.0])
    assert clipped(np.array([0.2, 0.3, 0.5]), np.array([-0.2, -0.7, 1.9])).tolist() == pytest.approx([0.08, 0, 0.92])
    assert clipped(np.array([0.5, 0.5]), np.array([0.1, 0.9])).tolist() == [0.1, 0.9]


def test_a_later_post_gets_what_is_smoothest_given_its_neighbours():
    """By hand: a post with two neighbours per graph; the weights are Gaussian, over the trace, times the share."""
    units = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    graphs = [make_graph(units, np.arange(3), 2), make_graph(units[::-1].copy(), np.arange(3), 2)]
    popularity, asked = np.array([1.0, -2.0, 4.0]), np.array([[0.6, 0.8]], np.float32)
    found = extend(graphs, np.array([0.7, 0.3]), popularity, np.arange(3), [asked, asked], 2)
    parts = []
    for share, graph, cosines in ((0.7, graphs[0], [0.6, 0.96, 0.8]), (0.3, graphs[1], [0.8, 0.96, 0.6])):
        near = np.argsort(cosines)[1:]
        parts.append((share / graph.trace * np.exp(-(1 - np.array(cosines)[near]) / graph.scale), popularity[near]))
    weight, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    assert found == pytest.approx([weight @ value / weight.sum()], abs=1e-4)
    nothing = extend(graphs, np.array([1.2, -0.2]), popularity, np.arange(3), [0 * asked, asked], 2)
    assert nothing.tolist() == [0.0]  # its only graph has a negative share


def test_labels_of_the_window_are_not_read_without_refit(data):
    posts, features, target, folds = data
    changed = np.where(folds == 3, target[::-1], target)
    params = tmall.Params(**FRAMES, mu=[0.1], lam=[0.3], refit=False)
    first, second = (tmall.Predictor(params, 0).fit(posts, features, y, folds) for y in (target, changed))
    assert np.array_equal(first.predict(posts, features), second.predict(posts, features))
    refitted = tmall.Predictor(params.model_copy(update={"refit": True}), 0).fit(posts, features, changed, folds)
    assert not np.array_equal(first.predict(posts, features), refitted.predict(posts, features))


def test_the_window_chooses_mu_and_lam(data):
    posts, features, target, folds = data
    grid = {"mu": [0.01, 1.0], "lam": [1e-6, 0.3, 1e4]}
    model = tmall.Predictor(tmall.Params(**FRAMES, **grid, refit=False), 0).fit(posts, features, target, folds)
    window = folds == 3

    def error(mu, lam):
        one = tmall.Params(**FRAMES, mu=[mu], lam=[lam], refit=False)
        found = tmall.Predictor(one, 0).fit(posts, features, target, folds)
        return float(((found.popularity + found.center - target)[window] ** 2).mean())

    errors = {(mu, lam): error(mu, lam) for mu in grid["mu"] for lam in grid["lam"]}
    assert errors[model.mu, model.lam] == min(errors.values()) < target[window].var()
    assert min(errors.values()) < 0.98 * max(errors.values())


def test_transductive_is_the_solution_over_all_posts(data):
    """Posts of one call share their graphs: no label of theirs is read, and they change one another."""
    posts, features, target, folds = data
    params = tmall.Params(**FRAMES, mu=[0.1], lam=[0.3], transductive=True)
    model = tmall.Predictor(params, 0).fit(posts[:200], features[:200], target[:200], folds[:200])
    together = model.predict(posts[200:], features[200:])
    everyone = tmall.Predictor(params, 0)
    everyone.inputs = model.inputs
    vectors = list(model._vectors(features).values())
    laplacians = [make_graph(array, np.arange(240), params.k).laplacian for array in vectors]
    labelled = np.arange(240) < 200
    center = target[:200].mean()
    exact = solve(laplacians, target - center, labelled, Terms(0.1, 0.3, params.theta)).popularity[200:] + center
    assert together == pytest.approx(exact, abs=1e-6)
    assert np.abs(model.predict(posts[200:210], features[200:210]) - together[:10]).max() > 1e-4
    assert np.corrcoef(together, target[200:])[0, 1] > 0.3


def test_the_linear_map_has_393_473_parameters_and_a_penalty_without_gradient():
    torch = pytest.importorskip("torch")
    network = tmall.factorised_map(2 * 768, 256)
    assert sum(parameter.numel() for parameter in network.parameters()) == 393_473
    network = tmall.factorised_map(6, 4)
    visual, text = torch.randn(5, 3), torch.randn(5, 3)
    prediction, penalty = network(visual=visual, text=text)
    expected = torch.cat([visual, text], dim=1) @ network.factors @ network.output.weight.T + network.output.bias
    assert torch.allclose(prediction, expected.squeeze(1), atol=1e-5)
    assert float(penalty) == pytest.approx(float(((visual.T @ visual - text.T @ text) ** 2).sum().sqrt()), rel=1e-5)
    assert not penalty.requires_grad
    assert tmall.factorised_map(5, 4)(visual=visual, text=text[:, :2]).shape == (5,)


def test_ref_learns_every_epoch_from_every_post_without_shuffling(data):
    posts, features, target, folds = data
    params = tmall.Params(**FRAMES, variant="ref", training={"max_epochs": 7})
    assert (params.standardise, params.bounded, params.training.shuffle) == (False, False, False)
    model = tmall.Predictor(params, 0).fit(posts, features, target, folds)
    assert [row["epoch"] for row in model.networks.history] == [1, 2, 3, 4, 5, 6, 7]
    assert all(row["monitor"] is None for row in model.networks.history)


def test_columns_are_checked(data):
    posts, features, target, folds = data
    with pytest.raises(BadInput, match=r"tmall: embedding column 'video\.frame_embedding' is missing"):
        tmall.Predictor(tmall.Params(), 0).fit(posts, features, target, folds)
    model = tmall.Predictor(tmall.Params(**FRAMES), 0).fit(posts, features, target, folds)
    wider = features.with_columns(pl.Series("image.embedding", np.ones((240, 8)), dtype=pl.Array(pl.Float32, 8)))
    with pytest.raises(BadInput, match=r"tmall: wrong width"):
        model.predict(posts, wider)


def test_one_modality_has_the_whole_mixture(data):
    posts, features, target, folds = data
    model = tmall.Predictor(tmall.Params(visual=None), 0).fit(posts, features, target, folds)
    assert model.mixture.tolist() == pytest.approx([1.0])
    assert model.importances() == {"text.embedding": pytest.approx(1.0)}
    assert isinstance(model.graphs[0].laplacian, sparse.csr_matrix)
