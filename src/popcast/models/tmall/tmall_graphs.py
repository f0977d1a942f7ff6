"""The alternating solution of TMALL: popularity that is smooth on a learned mixture of modality graphs.

Source: sheet mmra.md section 7 (TMALL [FIX]; Chen et al., "Micro Tells Macro", ACM MM 2016). Every modality k has a
graph over the posts (k nearest by cosine, Gaussian weights, symmetrised) with Laplacian L_k, divided by its trace.
Popularity f [N] and mixture b [P], sum(b) = 1, minimise

    sum_labelled (y - f)^2 + mu sum_k |sum_i b_i L_i - L_k|^2 + lam f' (sum_k b_k L_k) f + theta |b|^2.

With traces of 1 the entries of L_k shrink like 1/N. So lam and theta are multiplied by N and mu by N^2 here, and one
setting means the same at every size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, cg, eigsh

from popcast.features.common.nearest import Visible, nearest, unit_rows

STEPS, GAIN = 50, 1e-7
"""Alternations at most, and the relative gain of the objective below which they end."""
PRECISION = 1e-10
"""Relative residual of the conjugate gradients."""


@dataclass(frozen=True)
class Graph:
    """One modality. units: float32 [N, width], unit vectors, zeros for posts without one. scale: mean of 1 - cosine
    over the edges, the width of the Gaussian. laplacian: sparse float64 [N, N] of trace 1. trace: the one it had."""

    units: np.ndarray
    scale: float
    trace: float
    laplacian: sparse.csr_matrix | None = None


@dataclass(frozen=True)
class Solution:
    """popularity: centred, float64 [N]. mixture: float64 [P]. objective: after each alternation."""

    popularity: np.ndarray
    mixture: np.ndarray
    objective: list[float]


def edges(
    queries: np.ndarray, bank: np.ndarray, rank: np.ndarray, k: int, themselves: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest posts of the bank that have a vector: indices int [n, k] (-1: none) and 1 - cosine [n, k].

    queries, bank: unit vectors or zeros. rank: int [N], place of the ids, which breaks ties. themselves: the queries
    are the bank, and no post is its own neighbour. A query without a vector has no neighbour.
    """
    index, apart = np.full((len(queries), k), -1), np.zeros((len(queries), k))
    asking, there = np.flatnonzero(queries.any(axis=1)), np.flatnonzero(bank.any(axis=1))
    if not len(asking) or not len(there):
        return index, apart
    everything = np.full(len(asking), len(there))
    nobody = np.full(len(asking), -1)
    visible = Visible(everything, nobody, everything, np.full(len(there), -1))
    wanted = k + 1 if themselves else k
    found, similarity = nearest(queries[asking], bank[there], visible, rank[there], wanted)
    places = np.where(found >= 0, there[found], -1)
    if themselves:  # drop the post itself, or the last one where equal posts left no room for it
        own = places == asking[:, None]
        own[~own.any(axis=1), -1] = True
        places, similarity = places[~own].reshape(-1, k), similarity[~own].reshape(-1, k)
    index[asking], apart[asking] = places, 1.0 - similarity.astype(np.float64)
    return index, apart


def weights(index: np.ndarray, apart: np.ndarray, scale: float) -> np.ndarray:
    """Gaussian weights [n, k], 0 where there is no neighbour."""
    return np.where(index >= 0, np.exp(-np.maximum(apart, 0.0) / scale), 0.0)


def make_graph(vectors: np.ndarray, rank: np.ndarray, k: int) -> Graph:
    """vectors: float [N, width], zeros for posts without one."""
    units = unit_rows(vectors)
    index, apart = edges(units, units, rank, k, themselves=True)
    there = index >= 0
    scale = max(float(apart[there].mean()), 1e-6) if there.any() else 1.0
    rows = np.repeat(np.arange(len(units)), k).reshape(-1, k)
    near = weights(index, apart, scale)
    near = sparse.csr_matrix((near[there], (rows[there], index[there])), shape=(len(units), len(units)))
    near = (near + near.T) / 2
    degree = np.asarray(near.sum(axis=1)).ravel()
    trace = float(degree.sum())
    laplacian = (sparse.diags(degree) - near) / (trace or 1.0)
    return Graph(units, scale, trace, laplacian.tocsr())


@dataclass(frozen=True)
class Terms:
    """Weights of the objective. negative: whether b may be negative where the system for f stays positive definite,
    as in the original. Close to where it is lost f leaves the range of all labels, so it is off by default."""

    mu: float
    lam: float
    theta: float
    negative: bool = False


def solve(laplacians: list[sparse.csr_matrix], target: np.ndarray, labelled: np.ndarray, terms: Terms) -> Solution:
    """Alternate between f and b until the objective stands still; it never rises.

    target: float64 [N], centred; read where ``labelled`` (bool [N]) only.
    """
    count, parts = len(target), len(laplacians)
    mu, lam, theta = terms.mu * count**2, terms.lam * count, terms.theta * count
    inner = np.array([[first.multiply(second).sum() for second in laplacians] for first in laplacians])
    known = np.where(labelled, target, 0.0)
    mixture, found, objective = np.full(parts, 1 / parts), np.zeros(count), []
    for _ in range(STEPS):
        found, _ = cg(_system(laplacians, labelled, mixture, lam), known, x0=found, rtol=PRECISION, maxiter=10 * count)
        roughness = np.array([found @ (laplacian @ found) for laplacian in laplacians])
        wanted = best_mixture(inner, roughness, mu, lam, theta)
        if not terms.negative or not _positive(_system(laplacians, labelled, wanted, lam)):
            wanted = clipped(mixture, wanted)
        mixture = wanted
        value = float(((known - found)[labelled] ** 2).sum() + lam * mixture @ roughness + theta * mixture @ mixture)
        value += mu * float(parts * mixture @ inner @ mixture - 2 * mixture @ inner.sum(axis=1) + np.trace(inner))
        objective.append(value)
        if len(objective) > 1 and objective[-2] - value <= GAIN * abs(value):
            break
    return Solution(found, mixture, objective)


def best_mixture(inner: np.ndarray, roughness: np.ndarray, mu: float, lam: float, theta: float) -> np.ndarray:
    """b = H^-1 (u + delta 1) with H = mu P M + theta I, u = mu M 1 - (lam / 2) g, delta such that sum(b) = 1."""
    parts = len(inner)
    inverse = np.linalg.inv(mu * parts * inner + theta * np.eye(parts))
    free = mu * inner.sum(axis=1) - lam / 2 * roughness
    return inverse @ (free + (1 - (inverse @ free).sum()) / inverse.sum())


def _system(laplacians, labelled, mixture, lam):
    mixed = sum(share * laplacian for share, laplacian in zip(mixture, laplacians, strict=True))
    return (sparse.diags(labelled.astype(np.float64)) + lam * mixed).tocsr()


def clipped(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """``new``; where entries of it are negative, the point on the way from ``old`` where the first of them becomes 0.

    The objective is convex in b, so a shorter way never makes it rise.
    """
    falling = (new < 0) & (new < old)
    if not falling.any():
        return new
    reach = np.maximum(old[falling], 0.0) / (old - new)[falling]
    return old + float(reach.min()) * (new - old)


def _positive(system) -> bool:
    """Whether no eigenvalue is clearly negative."""
    if system.shape[0] <= 50:
        return bool(np.linalg.eigvalsh(system.toarray())[0] > -PRECISION)
    try:
        least = eigsh(
            system, k=1, which="SA", v0=np.ones(system.shape[0]), tol=1e-4, maxiter=2000, return_eigenvectors=False
        )
    except ArpackNoConvergence:
        return False
    return bool(least[0] > -PRECISION)


def extend(
    graphs: list[Graph],
    mixture: np.ndarray,
    popularity: np.ndarray,
    rank: np.ndarray,
    vectors: list[np.ndarray],
    k: int,
) -> np.ndarray:
    """Centred popularity [m] of posts outside the graphs, each by itself.

    One more unlabelled post with edges to its k nearest ones, all others held fixed: the smoothness term is least at
    their weighted mean. Weights carry the modality's share (negative ones count as 0) over its trace; 0 without a
    neighbour.
    """
    total, mass = np.zeros(len(vectors[0])), np.zeros(len(vectors[0]))
    for graph, share, asked in zip(graphs, np.maximum(mixture, 0.0), vectors, strict=True):
        index, apart = edges(unit_rows(asked), graph.units, rank, k, themselves=False)
        near = weights(index, apart, graph.scale) * share / (graph.trace or 1.0)
        total += (near * popularity[index]).sum(axis=1)
        mass += near.sum(axis=1)
    return np.divide(total, mass, out=np.zeros(len(total)), where=mass > 0)
