"""The real loading code, on small local folders of real shapes."""

import pytest

from pipeline.errors import ColdstartError
from pipeline.models import load_model, save_model
from pipeline.runner.request import Request
from pipeline.tracking import Tracker
from stages.load import Settings, run


def load(tmp_path, **settings):
    folder = tmp_path / "run" / "base"
    folder.mkdir(parents=True)
    request = Request("base", "load", {}, {}, str(folder), seed=0, threads=1, fingerprint="")
    return run(Settings(**settings), request, Tracker(folder, "base")), folder


def test_a_local_folder(tmp_path, model, tokenizer):
    save_model(model, tokenizer, tmp_path / "source", "source")
    metrics, folder = load(tmp_path, model=str(tmp_path / "source" / "model"))
    assert metrics["tokens_added"] == 0
    assert not metrics["template_replaced"]
    loaded, same = load_model(folder)
    assert same.get_vocab() == tokenizer.get_vocab()
    assert all((a == b).all() for a, b in zip(model.parameters(), loaded.parameters(), strict=True))


def test_a_model_without_template_and_think_tokens_gets_them(tmp_path):
    """A Llama shape with a plain tokenizer, as bases come."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    plain = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1, "a": 2}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="</s>", unk_token="<unk>").save_pretrained(tmp_path / "s")
    config = LlamaConfig(
        vocab_size=3, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path / "s")
    metrics, folder = load(tmp_path, model=str(tmp_path / "s"))
    assert metrics["template_replaced"]
    loaded, tokenizer = load_model(folder)
    assert tokenizer.eos_token == "<|im_end|>"
    assert len(tokenizer.encode("<think>", add_special_tokens=False)) == 1
    assert loaded.get_input_embeddings().num_embeddings >= len(tokenizer)
    assert loaded.generation_config.eos_token_id == tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "is not set"),
        ({"model": "no-such/model"}, "offline"),
        ({"model": "EMPTY"}, "config.json"),
    ],
)
def test_what_cannot_be_loaded(tmp_path, settings, message):
    if settings.get("model") == "EMPTY":
        settings = {"model": str(tmp_path)}
    with pytest.raises(ColdstartError, match=message):
        load(tmp_path, **settings)
