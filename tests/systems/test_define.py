"""The user's own system."""

import numpy as np
import pytest
import sympy

from physode import systems
from physode.errors import PhysodeError, UnknownNameError
from physode.systems.expressions import ExpressionError


def lab(**options):
    return systems.define(
        "my-lab",
        equations={"x": "v", "v": "-k*x - c*v"},
        parameters={"k": 4.0, "c": 0.1},
        units={"x": "m", "v": "m s-1", "k": "s-2", "c": "s-1", "energy": "J kg-1"},
        energy="v**2/2 + k*x**2/2",
        initial_state={"x": 1.0, "v": 0.0},
        **options,
    )


def test_the_design_s_example():
    mine = lab()
    assert mine.states == ("x", "v")
    assert [mine.role(s) for s in mine.states] == ["position", "velocity"]
    assert mine.units == {"x": "m", "v": "m s-1", "time": "s"}
    np.testing.assert_allclose(mine.rhs(0.0, [[1.0, 2.0]]), [[2.0, -4.2]])
    np.testing.assert_allclose(mine.energy_rate(0.0, [[1.0, 2.0]]), [-0.4])
    assert mine.energy_units == "J kg-1"
    assert mine.time_scale == pytest.approx(0.5, rel=1e-6)
    errors = systems.verify(mine)
    assert max(errors.values()) < 1e-7
    record = mine.simulate(np.linspace(0, 5, 51))
    w = np.sqrt(4 - 0.05**2)
    expected = np.exp(-0.05 * record.time) * (np.cos(w * record.time) + 0.05 / w * np.sin(w * record.time))
    np.testing.assert_allclose(record.x[0], expected, atol=1e-9)
    assert record.k.attrs["units"] == "s-2"


def test_sympy_and_text_are_the_same_system():
    x, v, k = sympy.symbols("x v k")
    first = systems.define("a", {"x": v, "v": -k * sympy.sin(x)}, {"k": 2.0}, energy=v**2 / 2 - k * sympy.cos(x))
    second = systems.define("a", {"x": "v", "v": "-k*sin(x)"}, {"k": 2.0}, energy="v**2/2 - k*cos(x)")
    assert first.derivatives == second.derivatives
    assert first.conserves_energy
    assert set(first.invariants) == {"energy"}


def test_roles_are_seen_only_where_they_are():
    jerk = systems.define("jerk", {"x": "v", "v": "a", "a": "-a - v + x"})
    assert [jerk.role(s) for s in jerk.states] == ["position", "velocity", "state"]
    swap = systems.define("swap", {"x": "y", "y": "x"})
    assert [swap.role(s) for s in swap.states] == ["state", "state"]


def test_ranges_default_to_the_neighbourhood_of_the_initial_state():
    population = systems.define("p", {"n": "r*n*(1 - n)"}, {"r": 1.0}, initial_state={"n": 0.2})
    draws = population.sample_states(200, seed=0)
    assert 0.1 <= draws.min() < 0.12
    assert 0.28 < draws.max() <= 0.3
    other = lab(ranges={"x": (2.0, 3.0)})
    draws = other.sample_states(200, seed=0)
    assert draws[:, 0].min() >= 2
    assert draws[:, 0].max() <= 3
    assert -1 <= draws[:, 1].min() < -0.9


def test_inputs_have_a_default():
    driven = systems.define("driven", {"x": "-x + u"}, {"a": 2.0}, inputs={"u": "a*cos(t)"}, units={"u": "V"})
    np.testing.assert_allclose(driven.rhs([0.0, np.pi], [[1.0], [1.0]]), [[1.0], [-3.0]])
    assert driven.inputs == ("u",)
    assert max(systems.verify(driven).values()) < 1e-7


def test_abs_and_sign_have_derivatives():
    friction = systems.define("friction", {"x": "v", "v": "-sign(v)*abs(v)**1.5 - abs(x)"})
    np.testing.assert_allclose(friction.jvp(0.0, [[-2.0, -4.0]], [[1.0, 1.0]]), [[1.0, 1.0 - 3.0]])


def test_what_is_declared_conserved_is_checked():
    duffing, energy = {"x": "v", "v": "-x - x**3 - c*v"}, "v**2/2 + x**2/2 + x**4/4"
    start = {"x": 1.0, "v": 0.2}
    kept = systems.define("kept", duffing, {"c": 0.0}, conserved={"E": energy}, initial_state=start)
    np.testing.assert_array_equal(kept.lyapunov_exponents, [0, 0])
    assert kept.with_parameters(c=0.5).lyapunov_exponents is None
    with pytest.raises(PhysodeError, match=r"lost: 'E' is declared conserved, but changes .* rate of -0\.\d+ where x = .*, v = .*, t = "):
        systems.define("lost", duffing, {"c": 0.5}, conserved={"E": energy}, initial_state=start)
    with pytest.raises(PhysodeError, match="driven: 'E' is declared conserved"):
        systems.define("driven", {"x": "v", "v": "-x + u"}, conserved={"E": "v**2 + x**2"}, inputs={"u": "sin(t)"}, initial_state=start)
    logs = systems.define("logs", {"x": "x*(1 - y)", "y": "y*(x - 1)"}, conserved={"V": "x - log(x) + y - log(y)"})
    assert set(logs.invariants) == {"V"}  # no number at the negative states that are drawn


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"equations": {"x": "v", "v": "-k*x + w"}},
            ExpressionError,
            "equation of v, column 8: 'w' is not declared; the declared names are x, v, k, c",
        ),
        ({"equations": {}}, PhysodeError, "no states"),
        ({"equations": {"x": "-x", "k": "1"}}, PhysodeError, "k is used for two things"),
        ({"units": {"y": "m"}}, UnknownNameError, "quantity in units of my-lab: 'y'"),
        ({"initial_state": {"x": 1.0}}, PhysodeError, "no initial value for v; the states are x, v"),
        ({"energy": "v**2 + u"}, ExpressionError, "energy, column 8: 'u' is not declared"),
        ({"parameters": {"t": 1.0}}, ExpressionError, "'t' cannot name a parameter"),
    ],
)
def test_mistakes_are_told(change, error, message):
    options = {"equations": {"x": "v", "v": "-k*x - c*v"}, "parameters": {"k": 4.0, "c": 0.1}} | change
    with pytest.raises(error, match=message):
        systems.define("my-lab", **options)
