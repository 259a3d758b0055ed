"""Event files in all formats, and what to damage them with."""

NA = "<NA>"
WHOLE = {
    "csv": 'file,text,onset_s,offset_s\na.wav,yes,0.5,1\n"b, c.wav",no,1,2\n',
    "tsv": "onset_s\toffset_s\ttext\n0.5\t1\tx\n2\t3\ty\n",
    "audacity": "0.5\t1\tx\n\\\t1\t2\n2\t3\ty\n",
    "textgrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 3\n'
    "tiers? <exists>\nsize = 1\nitem []:\nitem [1]:\n"
    'class = "IntervalTier"\nname = "words"\nxmin = 0\nxmax = 3\nintervals: size = 2\n'
    'intervals [1]:\nxmin = 0\nxmax = 1\ntext = "hey"\n'
    'intervals [2]:\nxmin = 1\nxmax = 3\ntext = "you"\n',
    "ctm": "r 1 0.5 0.25 x 0.9\nr 1 1 0.5 y\n",
    "rttm": f"SPEAKER r 1 0.5 0.25 {NA} {NA} ann {NA} {NA}\n"
    f"LEXEME r 1 1 0.5 hey lex ann 0.5 {NA}\n",
    "vtt": "WEBVTT\n\nid\n00:01.500 --> 00:02.250\nhey<00:01.750><c> you</c>\n\nNOTE x\n\n"
    "00:03.000 --> 00:04.000\n<v Ann>on &amp; off\n",
    "srt": "1\n00:00:01,500 --> 00:00:02,250\nhey\n\n2\n00:00:03,000 --> 00:00:04,000\n<i>on</i>\n",
}
JUNK = [
    *("nan", "-1", "inf", "1e400", "1_0", "9" * 30, '"', "'", "\n", "\n\n", "\r", "\t", " ", ","),
    *(
        "\ufeff",
        "-->",
        "\u2028",
        "\x85",
        "\x0b",
        "[",
        "!",
        "<",
        ">",
        "</",
        "{\\",
        "&",
        "&#x110000;",
    ),
    *("&#99999999999;", "<exists>", "#", ";;", "\\", "00:00.000", "<00:01.600>", "SPEAKER ", NA),
]
