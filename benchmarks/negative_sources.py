"""Sources of negatives: which sounds of a package are used, who speaks in them, and what is said.

A source lists the clips of an unpacked package. Its texts are where upstream keeps them: beside the
sounds, or in another package.
"""

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".ogg", ".wav", ".opus", ".g722")
DIALOG = re.compile(r'dialogId\("([^"]+)".*\)\s*dialogStr\("(.*)"\)')
PROMPT = re.compile(r"^([^;:\s][^:\n]*):[ \t]*(.*)$", re.MULTILINE)
NO_SPEECH = re.compile(r"\[.*\]")  # "[this is a simple beep tone]"
DESCRIPTION = re.compile(r"(?P<stamp>.+)_desc(?:_(?P<language>[\w@]+))?(?:\.ogg)?")
TRANSLATION = re.compile(r"^([\w@]+)\.utf8=(.*)$", re.MULTILINE)
FISH = {"m": "small fish", "v": "big fish"}


class Clip(NamedTuple):
    """One sound of a package.

    Args:
        path: Path of the sound file.
        language: Code of its language, such as `"pt"`; empty for music.
        speaker: Name of the speaker or, where no name is known, of the group of speakers.
        text: What is said; empty if unknown or nothing.
    """

    path: Path
    language: str = ""
    speaker: str = ""
    text: str = ""


class Source(NamedTuple):
    """A package of sounds.

    Args:
        package: Name of the package.
        clips: Function that yields the clips of the unpacked package, given its folder and that of
            the package of texts.
        texts: Name of the package that has the texts; empty if they are beside the sounds, or
            unknown.
    """

    package: str
    clips: Callable[[Path, Path | None], Iterator[Clip]]
    texts: str = ""


def language_of(code: str) -> str:
    """Return the language of a locale: `"pt"` for `"pt_BR"`.

    Args:
        code: The locale.
    """
    return re.split("[_@]", code)[0]


def sounds(folder: Path) -> list[Path]:
    """List the sound files in a folder and those inside it, in the order of their names.

    Args:
        folder: The folder.
    """
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())


def fillets(root: Path, texts: Path | None) -> Iterator[Clip]:
    """Yield the dialogues of Fish Fillets: two fish, who have one voice each, and others.

    Args:
        root: Folder of the package.
        texts: Folder of the package with the dialogues as texts.
    """
    said: dict[tuple[str, str], dict[str, str]] = {}
    for path in texts.rglob("*dialogs_*.lua") if texts else ():
        language = path.stem.rpartition("dialogs_")[2]
        found = dict(DIALOG.findall(path.read_text(encoding="utf-8")))
        for level in (path.parent.name, ""):
            said.setdefault((language, level), {}).update(found)
    for path in sounds(root / "usr/share/games/fillets-ng/sound"):
        *_, level, language, _ = path.parts
        role = next((FISH[part] for part in path.stem.split("-")[:-1] if part in FISH), "others")
        text = next(
            (
                said[place][path.stem]
                for place in ((language, level), (language, ""))
                if path.stem in said.get(place, ())
            ),
            "",
        )
        yield Clip(path, language, f"{language} {role}", text)


def asterisk(root: Path, texts: Path | None) -> Iterator[Clip]:
    """Yield the prompts of Asterisk, all of one voice, without those of silence.

    Args:
        root: Folder of the package.
        texts: Folder of the package with the transcript.
    """
    prompts: dict[str, str] = {}
    for path in texts.rglob("core-sounds-*.txt.gz") if texts else ():
        prompts |= dict(PROMPT.findall(gzip.decompress(path.read_bytes()).decode()))
    for voice in sorted((root / "usr/share/asterisk/sounds").iterdir()):  # such as en_US_f_Allison
        for path in sounds(voice):
            prompt = path.relative_to(voice).with_suffix("").as_posix()
            if not prompt.startswith("silence/"):
                text = NO_SPEECH.sub("", prompts.get(prompt, ""))
                yield Clip(path, language_of(voice.name), voice.name.rpartition("_")[2], text)


def tuxpaint(root: Path, texts: Path | None) -> Iterator[Clip]:
    """Yield the spoken descriptions of Tux Paint's stamps; who speaks is unknown.

    Args:
        root: Folder of the package.
        texts: None; the texts are beside the sounds.
    """
    for path in sounds(root / "usr/share/tuxpaint/stamps"):
        found = DESCRIPTION.fullmatch(path.stem)
        if found:
            code = found["language"] or "en"
            described = path.with_name(f"{found['stamp']}.txt")
            content = described.read_text("utf-8", "replace") if described.is_file() else ""
            translations = {"en": content.partition("\n")[0]} | dict(TRANSLATION.findall(content))
            language = language_of(code)
            yield Clip(path, language, f"{language} speakers", translations.get(code, ""))


def folders_of_languages(place: str) -> Callable[[Path, Path | None], Iterator[Clip]]:
    """Return a function that yields the sounds of a folder with one inside for each language.

    Neither who speaks nor what is said is known.

    Args:
        place: Path of the folder in the package.
    """

    def clips(root: Path, texts: Path | None) -> Iterator[Clip]:
        for path in sounds(root / place):
            language = language_of(path.relative_to(root / place).parts[0])
            yield Clip(path, language, f"{language} speakers")

    return clips


def music(root: Path, texts: Path | None) -> Iterator[Clip]:
    """Yield pieces of music.

    Args:
        root: Folder of the package.
        texts: None.
    """
    yield from map(Clip, sounds(root / "usr/share/games"))


SOURCES = (
    *(Source(f"fillets-ng-data-{code}", fillets, "fillets-ng-data") for code in ("cs", "nl")),
    *(
        Source(f"asterisk-core-sounds-{code}-g722", asterisk, f"asterisk-core-sounds-{code}")
        for code in ("en", "es", "fr", "it", "ru")
    ),
    Source("tuxpaint-stamps-default", tuxpaint),
    Source("klettres-data", folders_of_languages("usr/share/klettres")),
    Source("ktuberling-data", folders_of_languages("usr/share/ktuberling/sounds")),
    Source("wesnoth-1.16-music", music),
)
