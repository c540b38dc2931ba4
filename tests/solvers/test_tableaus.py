"""Every Runge-Kutta table satisfies the order conditions of the order that it states, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from physode.solvers.runge_kutta import RUNGE_KUTTA, Tableau

Tree = tuple  # a rooted tree is the tuple of its subtrees


def trees(order: int) -> list[Tree]:
    """All rooted trees with so many nodes (1, 1, 2, 4, 9, 20 of them), by multisets of smaller ones."""

    def forests(nodes: int, biggest: tuple[int, int]) -> Iterator[Tree]:
        if nodes == 0:
            yield ()
        for size in range(min(nodes, biggest[0]), 0, -1):
            known = trees(size)
            last = biggest[1] if size == biggest[0] else len(known) - 1
            for number in range(last, -1, -1):
                for rest in forests(nodes - size, (size, number)):
                    yield (known[number], *rest)

    return list(forests(order - 1, (order - 1, len(trees(order - 1)) - 1))) if order > 1 else [()]


def nodes_of(tree: Tree) -> int:
    return 1 + sum(nodes_of(branch) for branch in tree)


def density(tree: Tree) -> int:
    return nodes_of(tree) * int(np.prod([density(branch) for branch in tree], dtype=int))


def stage_matrix(tableau: Tableau) -> np.ndarray:
    matrix = np.zeros((len(tableau.b), len(tableau.b)))
    for i, row in enumerate(tableau.a):
        matrix[i, : len(row)] = row
    return matrix


def defect(tableau: Tableau, tree: Tree) -> float:
    """b . Phi(tree) - 1 / density(tree) (Butcher; Hairer, Norsett & Wanner 1993, II.2)."""
    a = stage_matrix(tableau)

    def weights(branch: Tree) -> np.ndarray:
        out = np.ones(len(a))
        for twig in branch:
            out = out * (a @ weights(twig))
        return out

    return float(np.asarray(tableau.b) @ weights(tree) - 1 / density(tree))


def test_there_are_as_many_rooted_trees_as_there_should_be() -> None:
    assert [len(trees(order)) for order in range(1, 7)] == [1, 1, 2, 4, 9, 20]


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_row_sums_are_the_nodes_and_weights_sum_to_one(name: str) -> None:
    tableau = RUNGE_KUTTA[name]
    assert [len(row) for row in tableau.a] == list(range(len(tableau.b)))
    np.testing.assert_allclose(tableau.c, stage_matrix(tableau).sum(1), atol=1e-14)
    assert sum(tableau.b) == pytest.approx(1, abs=1e-14)


def test_nodes_are_those_of_the_literature() -> None:
    assert RUNGE_KUTTA["rk4"].c == (0, 0.5, 0.5, 1)
    np.testing.assert_allclose(RUNGE_KUTTA["rk5"].c, [0, 0.161, 0.327, 0.9, 0.9800255409045097, 1], atol=1e-13)


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_the_order_conditions_hold_up_to_the_order_and_fail_above(name: str) -> None:
    tableau = RUNGE_KUTTA[name]
    for order in range(1, tableau.order + 1):
        for tree in trees(order):
            assert defect(tableau, tree) == pytest.approx(0, abs=1e-13), (order, tree)
    assert max(abs(defect(tableau, tree)) for tree in trees(tableau.order + 1)) > 1e-4
