"""Tables, CTM and RTTM: fields in the wrong place, layers, channels, numbers and lines."""

import pytest

from keras_sal.data.alignment import read_events
from keras_sal.data.fields import number, split_lines

pytestmark = pytest.mark.any_backend
NA = "<NA>"


@pytest.fixture
def read(tmp_path):
    def read(name, text, **options):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return [tuple(event) for event in read_events(path, **options)]

    return read


class TestRttm:
    @pytest.mark.parametrize(
        "row",
        [
            f"SPEAKER my rec1 1 0.5 0.6 {NA} {NA} ann {NA} {NA}",
            f"SPEAKER my rec1 1 0.5 0.6 {NA} {NA} ann {NA}",
            f"SPEAKER my rec1 1 0.5 0.6 {NA} {NA} ann",
            f"SPEAKER rec 1 1 0.5 0.6 {NA} {NA} {NA} {NA}",
            f"SPEAKER rec1 1 0.5 0.6 {NA} {NA} ann lee {NA} {NA}",
            f"SPEAKER rec1 1 0.5 0.6 {NA} {NA} ann lee",
            f"LEXEME my rec1 1 0.5 0.6 hello lex ann {NA} {NA}",
            f"LEXEME my rec1 1 0.5 0.6 hello lex {NA} {NA}",
            f"LEXEME my 1 1 0.5 0.6 hello {NA} {NA}",
            f"SPEAKER my own rec1 1 0.5 0.6 {NA} {NA} ann",
        ],
    )
    def test_names_with_spaces_are_named(self, read, row):
        with pytest.raises(ValueError, match=r"line 1: .*(must have no spaces|is no number)"):
            read("a.rttm", row)

    def test_digits_may_be_said(self, read):
        rows = [f"LEXEME r 1 {t} 0.5 {t} {kind} ann {NA}" for t, kind in enumerate(["lex", NA])]
        assert [event[2] for event in read("a.rttm", "\n".join(rows))] == ["0", "1"]

    def test_types_in_lower_case(self, read):
        text = f"speaker r 1 0.5 0.5 {NA} {NA} ann\nLexeme r 1 2 0.5 hey lex ann 0.9 {NA}\n"
        assert read("a.rttm", text) == [(0.5, 1, "ann", "r"), (2, 2.5, "hey", "r")]

    def test_a_ctm_of_this_name_is_refused(self, read):
        with pytest.raises(ValueError, match=r"line 1: 'REC1' is no type of RTTM.*is it one\?"):
            read("a.rttm", "rec1 1 0.5 0.25 yes 0.9\n")

    def test_rows_of_other_types_are_no_events(self, read):
        text = f"# made by hand\n;; too\nSPKR-INFO r 1 {NA} {NA} {NA} unknown ann {NA}\n"
        assert read("a.rttm", text) == []

    def test_layers_are_chosen(self, read):
        text = f"SPEAKER r 1 0 2 {NA} {NA} ann\nLEXEME r 1 0.5 0.5 hey lex ann\n"
        assert read("a.rttm", text, where={"type": "LEXEME"}) == [(0.5, 1, "hey", "r")]
        assert read("a.rttm", text, where={"speaker": "ann", "type": "SPEAKER"})[0][2] == "ann"
        message = r"`where` must fit some rows.*'type': 'WORD'.*a\.rttm.*type: 'LEXEME', 'SPEAKER'"
        with pytest.raises(ValueError, match=message):
            read("a.rttm", text, where={"type": "WORD"})
        with pytest.raises(ValueError, match=r"`where` must name columns.*'kind'.*type, file"):
            read("a.rttm", text, where={"kind": "LEXEME"})


class TestCtm:
    @pytest.mark.parametrize(
        "row",
        [
            "my rec1 1 0.5 0.25 yes",
            "my rec1 1 0.5 0.25 yes 0.9",
            "my 2 1 0.5 0.25 5 0.9",
            "my 2 1 0.5 0.25 5",
        ],
    )
    def test_names_with_spaces_are_named(self, read, row):
        with pytest.raises(ValueError, match=r"line 1: .*must have no spaces"):
            read("a.ctm", row)

    def test_an_rttm_of_this_name_is_refused(self, read):
        with pytest.raises(ValueError, match="'SPEAKER' is a type of RTTM"):
            read("a.ctm", f"SPEAKER r 1 0.5 0.25 {NA} {NA} ann {NA} {NA}\n")

    def test_names_may_begin_with_a_number_sign(self, read):
        text = "# made by hand\n#1 1 0.5 0.25 yes\n;; 1 0.5 0.25 no\n#\n"
        assert read("a.ctm", text) == [(0.5, 0.75, "yes", "#1")]

    def test_digits_may_be_said_with_confidence(self, read):
        text = "r A 0.5 0.25 5 0.9\nr A 1 0.25 1.5 1 lex\n"
        assert [event[2] for event in read("a.ctm", text)] == ["5", "1.5"]


@pytest.mark.parametrize("name", ["a.ctm", "a.rttm"])
def test_an_unknown_channel_is_refused(read, name):
    text = "r A 0.5 0.25 yes\n" if name == "a.ctm" else f"SPEAKER r A 0.5 0.25 {NA} {NA} yes\n"
    with pytest.raises(ValueError, match=r"`channel` must be one of.*channel=3.*the channels A"):
        read(name, text, channel=3)
    assert read(name, text, channel="A") == [(0.5, 0.75, "yes", "r")]


class TestTables:
    def test_layers_are_chosen(self, read):
        text = "onset_s,offset_s,text,tier\n0.5,1,hey,words\n0.5,0.6,h,phones\n1,2,you, words \n"
        found = read("a.csv", text, where={"tier": "words"})
        assert [event[2] for event in found] == ["hey", "you"]
        with pytest.raises(
            ValueError, match=r"`where` must fit some rows.*tier: 'phones', 'words'"
        ):
            read("a.csv", text, where={"tier": "word"})
        with pytest.raises(
            ValueError, match=r"`where` must be left out.*only csv and tsv and rttm"
        ):
            read("a.ctm", text, where={"tier": "words"})

    def test_durations_instead_of_offsets(self, read):
        text = "start,length,text\n0.5,0.25,a\n,,none\n1,,half\n"
        columns = {"onset_s": "start", "duration_s": "length"}
        with pytest.warns(UserWarning, match="line 4: it has only one of"):
            assert read("a.csv", text, columns=columns) == [(0.5, 0.75, "a", "")]
        with pytest.raises(
            ValueError, match=r"line 2: the onset, '0\.5', or the duration, 'x', is"
        ):
            read("a.csv", "start,length\n0.5,x\n", columns=columns)
        assert read("a.csv", "start,length\n500,250\n", columns=columns, unit="ms")[0][1] == 0.75

    def test_the_length_of_the_recording_is_no_duration(self, read):
        text = "file,onset_s,offset_s,duration_s\na.wav,0.5,1,2.5\n"
        assert read("a.csv", text) == [(0.5, 1, "", "a.wav")]
        with pytest.raises(
            ValueError, match=r"must have the columns onset_s, offset_s.*duration_s"
        ):
            read("a.csv", "file,onset_s,duration_s\na.wav,0.5,2.5\n")
        with pytest.raises(ValueError, match=r"`columns` must name the offsets or the durations"):
            read("a.csv", text, columns={"offset_s": "offset_s", "duration_s": "duration_s"})

    def test_lines_may_end_in_carriage_returns(self, read):
        text = "onset_s;offset_s;text\r0.5;1;a, b, c, d\r"
        assert read("a.csv", text) == [(0.5, 1, "a, b, c, d", "")]


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_lines_end_at_line_ends_only(read, character):
    label = f"a{character}b"
    expected = [(0.5, 1, label, "")]
    assert read("a.txt", f"0.5\t1\t{label}\n") == expected
    assert read("a.csv", f"onset_s,offset_s,text\n0.5,1,{label}\n") == expected
    assert read("a.ctm", f"r 1 0.5 0.5 {label}\n") == [(0.5, 1, label, "r")]
    assert read("a.rttm", f"SPEAKER r 1 0.5 0.5 {NA} {NA} {label}\n") == [(0.5, 1, label, "r")]
    assert split_lines(f"{label}\r\nc\rd\n\ne") == [label, "c", "d", "", "e"]


@pytest.mark.parametrize("text", ["1_0", "1_0.5", "1e1_0"])
def test_numbers_have_no_underscores(read, text):
    with pytest.raises(ValueError, match="could not convert"):
        number(text)
    files = {
        "a.txt": f"0.5\t{text}\tx\n",
        "a.csv": f"onset_s,offset_s\n{text},1\n",
        "a.ctm": f"r 1 0.5 {text} x\n",
        "a.rttm": f"SPEAKER r 1 {text} 1 {NA} {NA} x\n",
    }
    for name, content in files.items():
        with pytest.raises(ValueError, match="is no number"):
            read(name, content)


@pytest.mark.parametrize("name", ["a.txt", "a.ctm"])
def test_rounding_below_zero_is_zero(read, name):
    text = "-1.7e-17\t0.5\tx\n" if name == "a.txt" else "r 1 -1e-12 0.5 x\n"
    assert str(read(name, text)[0][0]) == "0.0"
