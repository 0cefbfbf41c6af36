import pytest

from pipeline.errors import ColdstartError


def settings(config, stage):
    return config.graph[stage].settings


def test_every_stage_of_a_mechanism_is_set(compose):
    thresholds = settings(compose(), "fusion")["gate"]["thresholds"]
    config = compose("every.grpo.algorithm=dapo", "every.sft.gate.problems=7")
    assert {settings(config, name)["algorithm"] for name in ("reasoning_rl", "general_rl")} == {"dapo"}
    fusion = settings(config, "fusion")["gate"]
    assert (fusion["problems"], fusion["thresholds"]) == (7, thresholds), "the rest of a group stands"
    assert thresholds


def test_what_is_said_of_one_stage_wins(compose):
    config = compose("every.grpo.max_steps=3", "stages.general_rl.max_steps=5")
    assert settings(config, "reasoning_rl")["max_steps"] == 3
    assert settings(config, "general_rl")["max_steps"] == 5


@pytest.mark.parametrize("said", [[], ["evaluation.k=8"], ["stages.fusion_eval.k=8"]])
def test_evaluations_are_stages_too(compose, said):
    config = compose("every.evaluate.k=2", *said)
    assert settings(config, "fusion_eval")["k"] == (8 if said else 2)
    assert settings(config, "cold_start_eval")["k"] == (8 if said == ["evaluation.k=8"] else 2)
    assert settings(config, "fusion_eval")["budgets"], "what else the recipe says of it stands"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("every.gropo.max_steps=1", "every.gropo: no such mechanism; did you mean 'grpo'"),
        ("every.grpo=1", "every.grpo: 1 is not a group of settings"),
        ("every=1", "every: 1 is not a group of mechanisms"),
        ("every.grpo.max_step=1", "did you mean 'max_steps'"),
    ],
)
def test_mistakes(compose, override, said):
    with pytest.raises(ColdstartError, match=said):
        compose(override)
