import sys
import unicodedata

import pytest

from jaxvec.text import tokenize


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("You can now install TorchText using pip!", "you can now install torchtext using pip !"),
        (
            'don\'t "quote" me: (really); e.g. <br />this',
            "don ' t quote me ( really ) e . g . this",
        ),
        ("1,5 a\tb\n", "1 , 5 a b"),
        ("", ""),
    ],
)
def test_basic_english_splits_as_torchtext_does(text, words):
    assert tokenize.basic_english(text) == words.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Anarchism (1840), a ph\u00e9nom\u00e8ne!", "anarchism one eight four zero a ph nom ne"),
        ("\u212aelvin", "elvin"),  # the Kelvin sign lower-cases to an ASCII k: still no letter
        ("x2y", "x two y"),
    ],
)
def test_text8_leaves_letters_and_spells_digits(text, words):
    assert tokenize.text8(text) == words.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी भाषा", "हिन्दी भाषा"),
        ("தமிழ், ไทยภาษา!", "தமிழ் ไทยภาษา"),
        ("nai\u0308ve Cafe\u0301s", "nai\u0308ve cafe\u0301s"),  # accents of their own
        ("שָׁלוֹם-עולם", "שָׁלוֹם עולם"),
        ("می\u200cخواهم\u200c", "می\u200cخواهم"),
        ("\u0301a_b, 42% c3", "a b 42 c3"),
    ],
)
def test_alphanumeric_keeps_marks_on_their_letters(text, words):
    assert tokenize.alphanumeric(text) == words.split()


def test_all_marks_are_of_words():
    marks = [chr(i) for i in range(sys.maxunicode + 1) if unicodedata.category(chr(i))[0] == "M"]
    assert all(len(tokenize.alphanumeric(f"a{mark}b")) == 1 for mark in marks)


def test_callables_and_unknown_names():
    assert tokenize.get_tokenizer(list) is list
    with pytest.raises(ValueError, match=r"whitespace, basic_english, text8.*'bert'"):
        tokenize.get_tokenizer("bert")
