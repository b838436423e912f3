"""Settings of a run: what is refused, and what makes it another run."""

import pytest

from equigrasp.training.settings import TrainSettings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer is 'sgd'; choose one of adamw, adam"),
        ({"schedule": "linear"}, "schedule is 'linear'"),
        ({"decay_at": (0.9, 0.5)}, "rising shares"),
        ({"decay_at": (0.5, 1.0)}, "within"),
        ({"decay_factor": 0.0}, "decay_factor is 0.0"),
        ({"betas": (0.9, 1.0)}, "betas is .0.9, 1.0.; give two numbers within"),
        ({"betas": [0.9]}, "betas is .0.9."),
        ({"betas": "0.9"}, "betas is '0.9'; give a list"),
    ],
)
def test_schedules_without_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TrainSettings(**options)


def test_runs_from_before_these_options_can_go_on():
    """Their checkpoints do not name what had no choice then."""
    plain = TrainSettings().identity()
    later = {"optimizer", "schedule", "decay_at", "decay_factor", "betas"}
    assert not later & set(plain)
    assert TrainSettings(optimizer="adam").identity() == {**plain, "optimizer": "adam"}
    assert TrainSettings(schedule="step").identity()["schedule"] == "step"
    assert TrainSettings(betas=[0.9, 0.999]).identity() == plain
    assert TrainSettings(betas=[0.9, 0.98]).identity() == {**plain, "betas": (0.9, 0.98)}
