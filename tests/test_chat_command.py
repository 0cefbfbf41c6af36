"""``coldstart chat``: what is shown as tokens come, and what commands do."""

import io

import pytest
from rich.console import Console

from pipeline.chat.parse import render_completion
from pipeline.commands.chat import Session, Shown, chat
from pipeline.errors import ColdstartError
from pipeline.generation.complete import Completer
from pipeline.generation.loop import generate
from pipeline.generation.sampling import GREEDY
from pipeline.models import save_model

STOP = {"en": "time is up", "zh": "时间到"}


def screen(**options):
    return Console(file=io.StringIO(), width=200, **options)


def shown(tokenizer, text, prefill="", **options):
    console = screen(**options)
    stream = Shown(console, tokenizer.decode, prefill)
    for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
        stream.token(token)
    stream.end()
    return console.file.getvalue()


@pytest.mark.parametrize("prefill", ["", "<think>\n"])
def test_the_thought_is_dimmed_and_its_tags_are_gone(tokenizer, prefill):
    text = render_completion("then f+1 4\nso g+0 4", "\\boxed{4}").removeprefix(prefill)
    assert shown(tokenizer, text, prefill) == "then f+1 4\nso g+0 4\n\\boxed{4}\n"
    coloured = shown(tokenizer, text, prefill, force_terminal=True, color_system="standard")
    assert "\x1b[2;3m" in coloured.split("\\boxed")[0], "dim"
    assert "\x1b" not in coloured.split("\\boxed")[1], "the answer is not"


def test_no_thought_and_no_block(tokenizer):
    assert shown(tokenizer, render_completion("", "\\boxed{4}")) == "\\boxed{4}\n"
    assert shown(tokenizer, "just text") == "just text\n"


def test_a_character_is_shown_when_all_its_bytes_are_there(tokenizer):
    """The tokenizer has no token for it: four bytes, four tokens."""
    assert len(tokenizer("🜁", add_special_tokens=False)["input_ids"]) > 1
    assert shown(tokenizer, "a 🜁 b") == "a 🜁 b\n"


@pytest.fixture
def session(thinking_model, tokenizer):
    return Session(Completer(thinking_model, tokenizer, 30, STOP), GREEDY, screen())


def said(session):
    text = session.console.file.getvalue()
    session.console.file.truncate(0)
    session.console.file.seek(0)
    return text


def test_flags_budgets_and_history(session):
    session.line("/no_think")
    session.line("start 3 f+1. find x")
    session.line("start 3 f+1. find x /think")
    asked = [message["content"] for message in session.messages if message["role"] == "user"]
    assert asked == ["start 3 f+1. find x /no_think", "start 3 f+1. find x /think"]
    assert not any("<think>" in message["content"] for message in session.messages), "thoughts are dropped"
    said(session)
    session.line("/budget 2")
    session.line("start 3 f+1. find x")
    assert "time is up" in said(session)
    session.line("开始 3 f+1。求x")
    assert "时间到" in said(session), "in the question's language"
    session.line("/budget off")
    assert session.budget is None
    session.line("/clear")
    assert session.messages == []
    session.line("/bugdet 3")
    assert "is no command" in said(session)
    assert session.line("")
    assert not session.line("/exit")


def test_streamed_tokens_are_the_completion(thinking_model, tokenizer):
    prompt = tokenizer("start 3 f+1. find x", add_special_tokens=False)["input_ids"]
    seen = []
    (rollout,) = generate(thinking_model, [prompt], GREEDY, 12, [tokenizer.eos_token_id], on_token=seen.append)
    assert seen == (rollout.ids[:-1] if rollout.ended else rollout.ids)
    with pytest.raises(ValueError, match="one prompt at a time"):
        generate(thinking_model, [prompt, prompt], GREEDY, 4, [0], on_token=seen.append)


def test_a_checkpoint_in_a_pipe(model, tokenizer, tmp_path):
    save_model(model, tokenizer, tmp_path / "stage", "stage")
    evaluation = tmp_path / "stage_eval"
    evaluation.mkdir()
    (evaluation / "manifest.json").write_text('{"settings": {"max_new_tokens": 5}}')
    console = screen()
    chat(str(tmp_path / "stage"), ["hello", "/exit", "never"], console)
    assert console.file.getvalue().strip()
    with pytest.raises(ColdstartError, match="cannot load"):
        chat("nobody/nothing", [], console)
