import pytest

from physode import errors


def test_every_error_of_the_library_is_one_family() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    assert len(kinds) == 8
    assert all(issubclass(kind, errors.PhysodeError) for kind in kinds)
    assert issubclass(errors.PhysodeError, ValueError)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pendulm", "unknown system 'pendulm'; did you mean 'pendulum'? Choose from: lorenz, pendulum."),
        ("zzz", "unknown system 'zzz'. Choose from: lorenz, pendulum."),
    ],
)
def test_an_unknown_name_lists_the_choices_and_the_closest(name: str, message: str) -> None:
    error = errors.unknown_name("system", name, iter(["pendulum", "lorenz"]))
    assert isinstance(error, errors.UnknownNameError)
    assert str(error) == message
    assert str(errors.unknown_name("input", "u", [])) == "unknown input 'u'. There is none to choose from."
