"""Every option of BertNormalizer, from the file and by override, over code points and texts."""

import itertools

import pytest
from tokenizers.normalizers import BertNormalizer

import tokenizer_models as models
import tokenizer_texts as texts
from tokenizer_client import Options

COMBINATIONS = [
    {
        "clean_text": clean,
        "handle_chinese_chars": chinese,
        "strip_accents": strip,
        "lowercase": lower,
    }
    for clean, chinese, strip, lower in itertools.product(
        (True, False), (True, False), (None, True, False), (True, False)
    )
]
# Where characters have cases, marks, widths, controls: everything but most of Han and Hangul, and
# the planes without characters.
INTERESTING = [
    *range(0, 0x3500), *range(0x4DB0, 0x4E20), *range(0x9FF0, 0xAC20), *range(0xD790, 0xD800),
    *range(0xE000, 0xE010), *range(0xF8F0, 0x12600), *range(0x16800, 0x16FFF), *range(0x1B000, 0x20010),
    *range(0x2A6D0, 0x2A720), *range(0x2B730, 0x2B930), *range(0x2CEA0, 0x2CEC0), *range(0x2F7F0, 0x2FA30),
    *range(0xE0000, 0xE0200), *range(0xEFFF0, 0xF0010), *range(0x10FFF0, 0x110000),
]  # fmt: skip
SCALARS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
PACKED = 24


def _name(options):
    return "-".join(f"{key}={value}" for key, value in options.items())


def _packed(scalars, context):
    forms = [context.format(scalar) for scalar in scalars]
    return [" ".join(forms[i : i + PACKED]) for i in range(0, len(forms), PACKED)]


@pytest.fixture(scope="module")
def character_folder(character_document, tmp_path_factory):
    folder = tmp_path_factory.mktemp("normalizer")
    return models.write_json(folder, character_document)


def _override(options):
    """As the manifest gives them: -1 leaves what the file says; None can't be said."""
    strip = -1 if options["strip_accents"] is None else int(options["strip_accents"])
    return (
        int(options["lowercase"]),
        strip,
        int(options["clean_text"]),
        int(options["handle_chinese_chars"]),
    )


@pytest.fixture(scope="module")
def character_reference(character_folder):
    return models.reference(character_folder)


@pytest.mark.parametrize("options", COMBINATIONS, ids=_name)
def test_options_over_code_points(options, character_folder, character_reference, driver, long_run):
    """By override: one file serves all, and loading with overrides is proven with it."""
    character_reference.tokenizer.normalizer = BertNormalizer(**options)
    slot = 250
    loaded = driver.load(slot, character_folder, _override(options))
    assert loaded.status == "OK", loaded.error
    judge = models.judge(driver, slot, character_reference)
    scalars = SCALARS if long_run else [chr(c) for c in INTERESTING]
    for context in ("A{}\u0301", "a{}b", "{}") if long_run else ("A{}\u0301",):
        judge.check(_packed(scalars, context), Options())
    for name, generator in texts.GENERATORS.items():
        sample = texts.random_texts(generator, 5000 if long_run else 120, f"{name} {options}")
        judge.check(sample, Options())


@pytest.mark.parametrize("options", COMBINATIONS, ids=_name)
def test_options_from_the_file(options, new_judge, tmp_path):
    """The same options written in tokenizer.json."""
    document = models.with_normalizer(models.minilm_json(), **options)
    judge = new_judge(models.write_json(tmp_path, document))
    for name, generator in texts.GENERATORS.items():
        judge.check(texts.random_texts(generator, 100, f"file {name} {options}"), Options())


def test_one_process_many_tokenizers_do_not_mix(new_judge, tmp_path):
    """Two tokenizers that differ in one option, called in turn."""
    document = models.minilm_json()
    lower = new_judge(models.write_json(tmp_path / "lower", document))
    cased = models.with_normalizer(document, lowercase=False)
    cased = new_judge(models.write_json(tmp_path / "cased", cased))
    sample = texts.random_texts(texts.everything, 200, "mix")
    for text in sample:
        lower.check([text], Options())
        cased.check([text], Options())
