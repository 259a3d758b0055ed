"""Texts without the wake word: similar phrases, voice commands and sentences."""

import difflib
import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np

WAKE_WORDS = ("alexa", "computer", "jarvis", "smart mirror")
NEAR_PHRASES = {
    "alexa": "alexis|a lexus|alaska|elect her|electra|relax a bit|a letter|i lack some|election",
    "computer": "commuter|compute her|come pewter|composer|compute|pewter|computing|come to her|"
    "completer|disputer|recruiter|competitor|come put her",
    "jarvis": "service|harvest|jar vase|carvers|travis|jarring|starve us|nervous|jar of us",
    "smart mirror": "smart|mirror|smart meter|start mirror|smart mural|art mirror|smarter|"
    "small mirror|smart and nearer|mirror smart",
}
COMMANDS = (
    "turn {on|off} the {kitchen|bedroom|hall|garden|bathroom} {light|lamp|fan|heater|radio}",
    "set {a timer|an alarm} for {number} {minutes|hours|seconds}",
    "play {some jazz|the news|my favourite song|quiet music|a story for children}",
    "what is the {weather|temperature|time} in {london|paris|the garden|chicago|delhi}",
    "call {mary|my brother|doctor green|peter|the office} {now|at home|tomorrow|again}",
    "{open|close} the {front door|window|garage|curtains|gate}",
    "make me {a coffee|two espressos|a large cappuccino|a small cup of tea}",
    "{stop|pause|next song|volume up|volume down|mute|yes|no|cancel|go back|louder|good night}",
    "add {milk|butter|apples|bread|paper} to the {shopping list|basket}",
)
STORY = (
    "{the old farmer|a young nurse|my neighbour|the captain|our teacher|every child|the baker|"
    "a quiet stranger} {carried|found|sold|painted|forgot|borrowed|dropped|admired} "
    "{a heavy basket|the yellow boat|his broken watch|three wooden chairs|a bag of oranges|"
    "the letter|a warm blanket|her umbrella} {across the bridge|before breakfast|in the rain|"
    "near the harbour|on thursday|after the concert|behind the church|without a word}"
)
REASON = (
    "{when|if|because} the {train|storm|summer|music|market} {ended|began|was late|went past} "
    "{we walked home|nobody complained|they ordered soup|the dog barked|i called my sister}"
)
SENTENCES = (
    *(STORY, STORY, STORY, REASON, REASON),
    "{number} {number} {number} {number} {number} {number}",
    "the meeting is on {monday|tuesday|friday} the {third|ninth|tenth} of {march|june|october}",
    "please {compare|complete|remember|repeat|explain} the {report|question|picture|answer} "
    "{for me|once more|to the others|as soon as you can}",
    "i said {near} and then {near}",
    "did you hear {near} on the radio",
    "she wrote {near} at the top of the page",
)
NUMBERS = "one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|fifty"


def near_phrases(word: str) -> list[str]:
    """Return phrases that are easily mistaken for a word.

    For known wake words they were chosen by ear. For others they are rhymes, and words of similar
    spelling.

    Args:
        word: The wake word.

    Returns:
        A list of phrases.

    Example:
        >>> near_phrases("hello")
        ['bello', 'fello', 'mello', 'tello', 'yellow', 'hall', 'the', 'she', 'her', 'umbrella']
    """
    if word in NEAR_PHRASES:
        return NEAR_PHRASES[word].split("|")
    rhymes = [re.sub("^[^aeiouy]+", onset, word) for onset in "bfmt" if word[0] not in "aeiouy"]
    known = " ".join((*COMMANDS, *SENTENCES, NUMBERS, *NEAR_PHRASES.values(), *WAKE_WORDS))
    vocabulary = {w for w in re.findall(r"[a-z]+", known) if len(w) > 2} - {"near", "number"}
    similar = difflib.get_close_matches(word, sorted(vocabulary - {*word.split()}), 6, cutoff=0.0)
    return [phrase for phrase in rhymes + similar if phrase != word]


def prompts(
    word: str, rng: np.random.Generator, near: Sequence[str] = ()
) -> dict[str, Iterator[str]]:
    """Make endless texts without the wake word.

    Args:
        word: The wake word.
        rng: Random numbers; each text that is taken draws from them.
        near: Phrases that are easily mistaken for the word, besides those of `near_phrases`.

    Returns:
        A dict from the folders of negative speech (`"keywords"`, `"commands"`, `"sentences"`) to
        endless iterators of texts.
    """
    near = list(dict.fromkeys((*near, *near_phrases(word))))
    slots = {"number": NUMBERS, "near": "|".join(near)}

    def choice(slot: re.Match) -> str:
        return rng.choice(slots.get(slot[1], slot[1]).split("|")).item()

    def endless(templates: tuple[str, ...]) -> Iterator[str]:
        for template in itertools.cycle(rng.permutation(templates).tolist()):
            text = re.sub(r"\{(.*?)\}", choice, template)
            if not re.search(rf"\b{word}\b", text):
                yield text

    return {
        "keywords": endless((*near, *WAKE_WORDS)),
        "commands": endless(COMMANDS),
        "sentences": endless(SENTENCES),
    }
