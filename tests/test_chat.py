import pytest

from pipeline.chat.encode import encode_example, encode_text, prefill_of, render_prompt
from pipeline.chat.modes import resolve_mode
from pipeline.chat.parse import EMPTY_BLOCK, parse_completion, render_completion
from pipeline.chat.tokenizer import add_think_tokens, load_tokenizer
from pipeline.errors import ColdstartError


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


@pytest.mark.parametrize(
    ("messages", "mode"),
    [
        ([user("2+2?")], "think"),
        ([user("2+2? /no_think")], "no_think"),
        ([user("/think 2+2? /no_think")], "no_think"),
        ([user("/no_think 2+2? /think")], "think"),
        ([user("a /no_think"), assistant("b"), user("c")], "no_think"),
        ([user("a /no_think"), assistant("b"), user("c /think")], "think"),
        ([user("a /think"), assistant("say /no_think"), user("c")], "think"),
        ([{"role": "system", "content": "/no_think"}, user("a")], "no_think"),
        ([user("see docs/think and x/no_think")], "think"),
    ],
)
def test_the_last_flag_wins(messages, mode):
    assert resolve_mode(messages) == mode


def test_enable_thinking_false_wins_over_flags():
    assert resolve_mode([user("a /think")], enable_thinking=False) == "no_think"


def test_template_is_qwen3s(tokenizer):
    messages = [user("a"), assistant("<think>\nt\n</think>\n\nb"), user("c /think")]
    expected = (
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
        "<|im_start|>user\nc /think<|im_end|>\n<|im_start|>assistant\n"
    )
    assert render_prompt(tokenizer, messages) == expected
    assert render_prompt(tokenizer, messages, enable_thinking=False) == expected + EMPTY_BLOCK
    assert prefill_of(expected + EMPTY_BLOCK) == EMPTY_BLOCK
    assert prefill_of(expected) == ""


GOOD = "<think>\nthen f+1 4\n</think>\n\n\\boxed{4}"


def test_well_formed_completions():
    thinking = parse_completion(GOOD, ended=True)
    assert (thinking.fault, thinking.mode, thinking.thought, thinking.boxed) == (None, "think", "then f+1 4", "4")
    silent = parse_completion(EMPTY_BLOCK + "\\boxed{4}", ended=True)
    assert (silent.fault, silent.mode, silent.thought, silent.boxed) == (None, "no_think", "", "4")
    prefilled = parse_completion("\\boxed{4}", ended=True, prefill=EMPTY_BLOCK)
    assert (prefilled.fault, prefilled.mode) == (None, "no_think")
    assert render_completion("then f+1 4", "\\boxed{4}") == GOOD
    assert render_completion("", "\\boxed{4}") == EMPTY_BLOCK + "\\boxed{4}"


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{4}",
        "<think>\nthen f+1 4\n\\boxed{4}",
        "<think>\nthen f+1 4\n</think>\n\n</think>\n\n\\boxed{4}",
        "<think>\n<think>\nthen f+1 4\n</think>\n\n\\boxed{4}",
        "<think>\n\nthen f+1 4\n</think>\n\n\\boxed{4}",
        "<think>\nthen f+1 4\n\n</think>\n\n\\boxed{4}",
        "<think>\nthen f+1 4</think>\n\n\\boxed{4}",
        "<think>then f+1 4\n</think>\n\n\\boxed{4}",
        "<think>\nthen f+1 4\n</think>\n\\boxed{4}",
        "<think>\nthen f+1 4\n</think>\\boxed{4}",
        "<think>\nthen f+1 4\n</think>\n\n\n\\boxed{4}",
        "<think>\nthen f+1 4\n</think>\n\n",
        "<think>\n \n</think>\n\n\\boxed{4}",
        "<think>\n</think>\n\n\\boxed{4}",
        GOOD + "\n",
        " " + GOOD,
    ],
)
def test_anything_else_is_a_fault(text):
    assert parse_completion(text, ended=True).fault is not None


def test_a_completion_that_does_not_end_is_a_fault():
    assert parse_completion(GOOD, ended=False).fault == "not ended"


@pytest.mark.parametrize(
    ("answer", "boxed"),
    [
        ("\\boxed{4}", "4"),
        ("so \\boxed{ 4 } it is", "4"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{4} \\boxed{4}", None),
        ("\\boxed{4} or \\boxed{5}", None),
        ("\\boxed{}", None),
        ("\\boxed{ }", None),
        ("4", None),
        ("\\boxed{4", None),
        ("\\boxed \\boxed{4}", None),
    ],
)
def test_exactly_one_boxed_answer(answer, boxed):
    assert parse_completion(render_completion("t", answer), ended=True).boxed == boxed


def test_a_box_inside_the_thought_is_no_answer():
    assert parse_completion(render_completion("\\boxed{4}", "done"), ended=True).boxed is None


def test_what_is_trained_on(tokenizer):
    example = encode_example(tokenizer, [user("start 3 f+1. find x")], GOOD)
    learned = [i for i, m in zip(example.input_ids, example.completion_mask, strict=True) if m]
    given = [i for i, m in zip(example.input_ids, example.completion_mask, strict=True) if not m]
    assert tokenizer.decode(learned) == GOOD + "<|im_end|>"
    assert tokenizer.decode(given) == render_prompt(tokenizer, [user("start 3 f+1. find x")])


def test_a_cut_thought_is_given_not_learned(tokenizer):
    given = "<think>\nthen f+1 4\ntime is up\n</think>\n\n"
    example = encode_example(tokenizer, [user("q")], given + "\\boxed{4}", untrained=given)
    learned = [i for i, m in zip(example.input_ids, example.completion_mask, strict=True) if m]
    assert tokenizer.decode(learned) == "\\boxed{4}<|im_end|>"
    with pytest.raises(ValueError, match="start of the completion"):
        encode_example(tokenizer, [user("q")], GOOD, untrained="no")


def test_the_walks_words_are_single_tokens(tokenizer):
    ids = encode_text(tokenizer, ["\nthen f+1 4\n然后 g-2 2\n</think>\n\n\\boxed{2}"])[0]
    expected = ["\nthen", " f+1", " 4", "\n然后", " g-2", " 2", "\n", "</think>", "\n\n", "\\boxed{", "2", "}"]
    assert [tokenizer.decode([i]) for i in ids] == expected


def test_think_tags_survive_skip_special_tokens(tokenizer):
    ids = encode_text(tokenizer, [GOOD + "<|im_end|>"])[0]
    assert tokenizer.decode(ids, skip_special_tokens=True) == GOOD


def test_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert render_prompt(loaded, [user("a")]) == render_prompt(tokenizer, [user("a")])
    assert loaded.padding_side == "left"
    assert encode_text(loaded, [GOOD]) == encode_text(tokenizer, [GOOD])


def test_special_think_tags_are_refused(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    loaded.add_special_tokens({"additional_special_tokens": ["<think>"]})
    with pytest.raises(ColdstartError, match="special=False"):
        add_think_tokens(loaded)


def test_prompts_get_no_second_bos(tokenizer, tmp_path):
    """A tokenizer that adds a BOS (as Llama 3's does) must not add it to a prompt that the template rendered."""
    from tokenizers.processors import TemplateProcessing

    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    bos = loaded.convert_tokens_to_ids("<|endoftext|>")
    loaded.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", bos)]
    )
    assert loaded("a")["input_ids"][0] == bos
    assert encode_text(loaded, ["<|endoftext|>a"])[0].count(bos) == 1
