from dataclasses import replace

import pytest
import torch
from transformers import LogitsProcessorList, MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from pipeline.chat.encode import encode_text, render_prompt
from pipeline.chat.parse import parse_completion
from pipeline.evaluation.budget_curve import answer_within
from pipeline.generation.budget import block_state, stop_text, think_tokens, thought_span
from pipeline.generation.characters import read_characters
from pipeline.generation.complete import Completer, Judged
from pipeline.generation.cut import cut_thought
from pipeline.generation.loop import generate
from pipeline.generation.sampling import GREEDY, Sampling, _nucleus, pick_tokens, uniforms

EOS = 2
STOP = {"en": "time is up", "zh": "时间到"}


@pytest.fixture
def ids(tokenizer, prompts):
    return encode_text(tokenizer, [render_prompt(tokenizer, prompt.messages) for prompt in prompts])


def test_greedy_is_transformers_greedy(model, ids):
    ours = generate(model, ids, GREEDY, 16, [EOS])
    for prompt, rollout in zip(ids, ours, strict=True):
        inputs = torch.tensor([prompt])
        theirs = model.generate(
            inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=16, do_sample=False, eos_token_id=EOS
        )
        assert rollout.ids == theirs[0, len(prompt) :].tolist()
        assert rollout.ended == (rollout.ids[-1] == EOS)


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(temperature=0.8, top_p=0.9), Sampling(top_k=5)])
def test_a_rows_tokens_do_not_depend_on_its_batch(model, ids, sampling):
    seeds = list(range(len(ids)))
    together = generate(model, ids, sampling, 24, [EOS], seeds)
    for rows in ([0], [3, 1], list(range(23, 10, -1))):
        apart = generate(model, [ids[r] for r in rows], sampling, 24, [EOS], [seeds[r] for r in rows])
        assert [together[r].ids for r in rows] == [rollout.ids for rollout in apart]
    small = generate(model, ids, sampling, 24, [EOS], seeds, max_rows=8)
    assert [r.ids for r in small] == [r.ids for r in together]


def test_dropping_rows_changes_nothing(model, ids, monkeypatch):
    """Many end tokens, so that rows finish all the time."""
    stops = list(range(0, 400, 3))
    dropped = generate(model, ids, Sampling(temperature=2.0), 24, stops, list(range(len(ids))))
    monkeypatch.setattr("pipeline.generation.loop.DROP_SHARE", -1.0)
    kept = generate(model, ids, Sampling(temperature=2.0), 24, stops, list(range(len(ids))))
    assert [r.ids for r in dropped] == [r.ids for r in kept]
    assert len({len(r.ids) for r in kept}) > 3


def test_seeds_decide(model, ids):
    first = generate(model, ids, Sampling(), 12, [EOS], [1] * len(ids))
    again = generate(model, ids, Sampling(), 12, [EOS], [1] * len(ids))
    other = generate(model, ids, Sampling(), 12, [EOS], [2] * len(ids))
    assert [r.ids for r in first] == [r.ids for r in again]
    assert [r.ids for r in first] != [r.ids for r in other]
    with pytest.raises(ValueError, match="seed"):
        generate(model, ids, Sampling(), 12, [EOS])


@pytest.mark.parametrize(
    ("sampling", "warper"),
    [
        (Sampling(top_p=0.7), TopPLogitsWarper(0.7)),
        (Sampling(top_k=3), TopKLogitsWarper(3)),
        (Sampling(min_p=0.2), MinPLogitsWarper(0.2)),
    ],
)
def test_sampling_settings_mean_what_transformers_means(sampling, warper):
    torch.manual_seed(0)
    logits = torch.randn(64, 20) * 3
    allowed = LogitsProcessorList([warper])(None, logits.clone()).isfinite()
    for column in torch.linspace(0, 0.999, 40):
        picked = pick_tokens(logits, sampling, torch.full((64,), float(column), dtype=torch.float64))
        assert allowed[torch.arange(64), picked].all()


def test_sampling_follows_the_distribution():
    probs = torch.tensor([0.5, 0.3, 0.2])
    picked = pick_tokens(probs.log().expand(20000, 3), Sampling(), uniforms([4], 20000)[0])
    assert torch.allclose(torch.bincount(picked) / 20000, probs, atol=0.015)


def test_nucleus_keeps_the_fewest_tokens():
    probs = torch.tensor([[0.96, 0.02, 0.02], [0.5, 0.3, 0.2], [0.2, 0.5, 0.3]])
    assert (_nucleus(probs, 0.75) > 0).tolist() == [[True, False, False], [True, True, False], [False, True, True]]


def test_bad_sampling_settings():
    with pytest.raises(ValueError, match="temperature"):
        Sampling(temperature=0)
    with pytest.raises(ValueError, match="top_p"):
        Sampling(top_p=0)


def test_a_thought_stops_at_its_budget(model, tokenizer, prompts, ids):
    """The block is opened in the prompt, as some templates do, since a random model would not open one."""
    # A random model writes broken characters, for which a budget waits; that is another test's.
    think = replace(think_tokens(tokenizer, STOP), characters=None)
    opened = [[*prompt, think.open] for prompt in ids]
    languages = [prompt.language for prompt in prompts]
    for budget in (0, 1, 5):
        rollouts = generate(model, opened, Sampling(), 40, [EOS], list(range(len(ids))), budget, think, languages)
        free = generate(model, opened, Sampling(), 40, [EOS], list(range(len(ids))))
        for rollout, unlimited, language in zip(rollouts, free, languages, strict=True):
            start, end = thought_span(unlimited.ids, think, opened=True)
            forced = think.forced(language, budget)
            if end - start > budget and len(unlimited.ids) > budget:
                assert rollout.ids[:budget] == unlimited.ids[:budget]
                assert rollout.ids[budget : budget + len(forced)] == forced
                expected = [False] * budget + [True] * len(forced)
                assert rollout.forced[: len(expected)] == expected
                assert not any(rollout.forced[len(expected) :])
                assert rollout.cut
            else:
                assert rollout.ids == unlimited.ids


def test_stop_text():
    assert stop_text("") == "\n</think>\n\n"
    assert stop_text("time is up") == "\ntime is up\n</think>\n\n"


def test_a_budget_of_nothing_is_the_empty_block(tokenizer):
    think = think_tokens(tokenizer, STOP)
    assert tokenizer.decode([think.open, *think.forced("en", 0)]) == "<think>\n\n</think>\n\n"
    assert tokenizer.decode(think.forced("zh", 1)) == "\n时间到\n</think>\n\n"


def test_a_block_closed_by_the_template_has_no_budget(model, tokenizer, ids):
    think = think_tokens(tokenizer, STOP)
    closed = [[*prompt, *encode_text(tokenizer, ["<think>\n\n</think>\n\n"])[0]] for prompt in ids]
    assert block_state(closed[0], think) == "after"
    assert block_state(ids[0], think) == "before"
    limited = generate(model, closed, GREEDY, 12, [EOS], thinking_budget=0, think=think)
    assert [r.ids for r in limited] == [r.ids for r in generate(model, closed, GREEDY, 12, [EOS])]


def test_a_budget_needs_its_tokens(model, ids):
    with pytest.raises(ValueError, match="budget"):
        generate(model, ids, GREEDY, 4, [EOS], thinking_budget=3)


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(temperature=0.7, top_p=0.95)], ids=["greedy", "sampled"])
def test_a_sweep_gives_what_generating_under_each_budget_gives(thinking_model, tokenizer, prompts, sampling):
    """Token for token."""
    completer = Completer(thinking_model, tokenizer, 40, STOP)
    unlimited = completer.complete(prompts, sampling, seed=0)
    assert all(item.rollout.ids[0] == completer.think.open for item in unlimited)
    lengths = {item.thinking_tokens for item in unlimited}
    assert len(lengths) > 3, "thoughts of different lengths, some of which end by themselves"
    for budget in (0, 1, 3, 8):
        swept = answer_within(completer, unlimited, budget, sampling)
        anew = completer.complete(prompts, sampling, seed=0, thinking_budget=budget)
        assert [item.rollout for item in swept] == [item.rollout for item in anew]
        assert [item.thinking_tokens for item in swept] == [item.thinking_tokens for item in anew]
        assert any(item.rollout.cut for item in swept)


SPLIT = "walk 🜁🜂 then 山"
"""Characters that the tokenizer writes in several tokens."""


def test_tokens_that_end_inside_a_character(tokenizer):
    characters = read_characters(tokenizer)
    ids = encode_text(tokenizer, [SPLIT])[0]
    assert len(ids) > 10
    broken = [end for end in range(1, len(ids) + 1) if tokenizer.decode(ids[:end]).endswith("\ufffd")]
    assert broken
    assert [end for end in range(1, len(ids) + 1) if not characters.whole(ids[:end])] == broken
    pending = torch.zeros(1, dtype=torch.long)
    for end, token in enumerate(ids, start=1):
        pending = characters.pending(pending, torch.tensor([token]))
        assert (int(pending) > 0) == (end in broken)


def test_a_cut_never_splits_a_character(model, tokenizer):
    """The model is made to write a thought of rare characters; both ways of cutting it wait for a whole one."""
    think = think_tokens(tokenizer, STOP)
    script = [think.open, *encode_text(tokenizer, ["\n" + SPLIT + " done\n"])[0], think.close]
    prompt = encode_text(tokenizer, ["start 3 f+1. find x"])[0]
    original = model.forward

    def forward(input_ids, position_ids, **kwargs):
        output = original(input_ids=input_ids, position_ids=position_ids, **kwargs)
        for row, position in enumerate((position_ids[:, -1] - len(prompt) + 1).tolist()):
            if 0 <= position < len(script):
                output.logits[row, -1, script[position]] = 1e9
        return output

    model.forward = forward
    (free,) = generate(model, [prompt], GREEDY, 60, [EOS])
    whole = Judged(None, 0, free, parse_completion("", True), 0, prompt)
    waited = 0
    for budget in range(1, len(script) - 2):
        (limited,) = generate(model, [prompt], GREEDY, 60, [EOS], thinking_budget=budget, think=think)
        kept = limited.ids[: limited.forced.index(True)]
        assert not tokenizer.decode(kept).endswith("\ufffd")
        assert budget <= len(kept) - 1 <= budget + 3
        waited += len(kept) - 1 > budget
        assert cut_thought(whole, budget, think).kept == kept
    assert waited, "some budgets end inside a character"
