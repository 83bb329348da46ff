"""Where the exporter takes length, pooling, normalisation and case from."""

import pytest
import torch
import transformers

from export_models import (
    export,
    make_model,
    make_sentence_model,
    run_exporter,
    write_json,
    write_tokenizer,
)


# tokenizer.json says 12 in all of these, and is never asked.
@pytest.mark.parametrize(
    "option,sentence,tokenizer,positions,expected",
    [
        (None, 256, 128, 512, 256),  # sentence-transformers wins
        (None, 256, 512, 512, 256),
        (None, None, 128, 512, 128),  # then the tokenizer
        (None, None, 512, 128, 128),  # capped by the table of positions
        (None, 512, 512, 256, 256),
        (None, None, None, 128, 128),  # nobody names a limit: the table
        (40, 256, 512, 512, 40),  # the command line wins over all
        (300, 256, 128, 512, 300),
    ],
)
def test_length(tmp_path, option, sentence, tokenizer, positions, expected):
    source = make_sentence_model(
        tmp_path / "source",
        max_seq_length=sentence,
        model_max_length=tokenizer,
        max_position_embeddings=positions,
    )
    options = ["--length", str(option)] if option else []
    manifest = export(source, tmp_path / "model", *options)
    assert manifest["max_length"] == manifest["traced"]["length"] == expected
    assert max(len(row["ids"]) for row in manifest["golden"]["rows"]) == expected


@pytest.mark.parametrize(
    "config,expected",
    [
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["max"]}, "max"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}, "last"),
    ],
)
def test_pooling_of_sentence_transformers(tmp_path, config, expected):
    source = make_sentence_model(tmp_path / "source", pooling=config, normalize=False)
    manifest = export(source, tmp_path / "model", "--length", "16")
    assert (manifest["pooling"], manifest["normalize"]) == (expected, False)
    check_golden_rows(source, manifest, expected)


def check_golden_rows(source, manifest, pooling):
    model = transformers.AutoModel.from_pretrained(source).eval()
    pooled = {
        "mean": lambda hidden: hidden.mean(dim=0),
        "cls": lambda hidden: hidden[0],
        "last": lambda hidden: hidden[-1],
        "max": lambda hidden: hidden.amax(dim=0),
        "none": lambda hidden: hidden.flatten(),
    }[pooling]
    for row in manifest["golden"]["rows"]:
        with torch.no_grad():
            hidden = model(
                input_ids=torch.tensor([row["ids"]]), token_type_ids=torch.tensor([row["type_ids"]])
            ).last_hidden_state[0]
        assert torch.allclose(torch.tensor(row["expected"]), pooled(hidden), atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", ["cls", "last", "max", "none"])
def test_pooling_of_the_command_line_wins(tmp_path, pooling):
    source = make_sentence_model(tmp_path / "source")
    manifest = export(source, tmp_path / "model", "--length", "16", "--pooling", pooling)
    assert manifest["pooling"] == pooling
    check_golden_rows(source, manifest, pooling)


def test_plain_model_is_mean_and_not_normalized(tmp_path):
    manifest = export(make_model(tmp_path / "source"), tmp_path / "model", "--length", "16")
    assert (manifest["pooling"], manifest["normalize"]) == ("mean", False)


@pytest.mark.parametrize(
    "module,option,expected", [(True, "--no-normalize", False), (False, "--normalize", True)]
)
def test_normalize_of_the_command_line_wins(tmp_path, module, option, expected):
    source = make_sentence_model(tmp_path / "source", normalize=module)
    assert export(source, tmp_path / "model", "--length", "16", option)["normalize"] is expected


def test_name_and_tolerance(tmp_path):
    source = make_model(tmp_path / "source")
    manifest = export(
        source, tmp_path / "a", "--length", "16", "--name", "b", "--tolerance", "0.01"
    )
    assert manifest["name"] == "b" and manifest["golden"]["tolerance"] == 0.01


def test_lower_case_that_sentence_transformers_applies(tmp_path):
    """do_lower_case lowers the text before a cased tokenizer sees it; accents stay."""
    source = make_sentence_model(tmp_path / "source")
    write_tokenizer(source, lowercase=False)
    write_json(source / "sentence_bert_config.json", {"max_seq_length": 16, "do_lower_case": True})
    manifest = export(source, tmp_path / "model")
    assert manifest["tokenizer"] == {"lowercase": True, "strip_accents": False}
    ferry = next(row for row in manifest["golden"]["rows"] if row["text"].startswith("The ferry"))
    assert ferry["ids"][1] == 5  # "the"


def test_default_prompt_is_mentioned(tmp_path, capsys):
    source = make_sentence_model(tmp_path / "source")
    write_json(
        source / "config_sentence_transformers.json",
        {"prompts": {"query": "query: "}, "default_prompt_name": "query"},
    )
    assert run_exporter(source, "--output", tmp_path / "model", "--length", "16") == 0
    assert "query: " in capsys.readouterr().err
