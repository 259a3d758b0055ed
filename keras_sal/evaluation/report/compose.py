"""Composing the report: what is on the page, in which order."""

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_sal.anchors import anchor_kernel
from keras_sal.audio import SAMPLE_RATE
from keras_sal.detection import detect
from keras_sal.evaluation.outcomes import Words
from keras_sal.evaluation.predictions import Answers
from keras_sal.evaluation.report import figures, tables
from keras_sal.evaluation.report.examples import KINDS, Moment, moments, scoring_of
from keras_sal.evaluation.report.figures import AFTER_S, BEFORE_S, DARK, LIGHT, Artist
from keras_sal.evaluation.report.page import NOTHING, Picture, Section, data_uri, interval, render
from keras_sal.extras import need
from keras_sal.files import finite, whole_folder, write_whole

PAGE = "report.html"
FIGURES = "figures"
GROUPS = {"miss": "Worst misses", "false alarm": "Worst false alarms", "hit": "Typical hits"}
KERNEL = {"kernel": "exponential", "reach": 15.0}  # as StreamingAnchorLoss has by default
CURVE_SIZE, MOMENT_SIZE, PLAIN_MOMENT_SIZE = (5.2, 3.9), (4.8, 3.9), (4.8, 3.1)
PIXELS_PER_INCH = 96


def write(
    folder,
    answers: Answers,
    results: dict,
    *,
    streams: Mapping[str, Sequence] | None = None,
    words: Words | None = None,
    kernel: Mapping = KERNEL,
    most: int = 4,
    progress=None,
) -> Path:
    """Writes `report.html`, which needs nothing beside it, and its figures as PNGs.

    Args:
        folder: The folder to write to, which exists.
        answers: What the systems said.
        results: Their figures, from `keras_sal.evaluation.results.evaluate` or `results.json`.
        streams: By condition, the `keras_sal.data.Stream`s of the test split; without them
            the page has neither sound nor features.
        words: What `keras_sal.evaluation.outcomes.read_words` gives.
        kernel: `kernel` and `reach` in frames of the anchor kernel that is drawn; see
            `keras_sal.anchors.anchor_kernel`. Default: the loss' own.
        most: How many misses and false alarms of each condition are shown. Default 4.
        progress: Called as `progress(done, total)`, or `None`.

    Returns:
        The path of the page.

    Raises:
        ImportError: If matplotlib or jinja2 is missing.
    """
    results = finite(results)
    chosen = moments(answers, results, words or {}, most)
    with whole_folder(Path(folder) / FIGURES) as drawn:
        composer = _Composer(drawn, answers, results, streams or {}, words or {}, kernel)
        curves, listening = composer.curves(), composer.moments(chosen, progress)
    sections = [
        curves,
        _comparison(results),
        listening,
        Section(
            "words",
            "What triggers falsely",
            "What was being said, or had been said last, when a system fired at its threshold "
            "outside all hit windows.",
            tables=tables.triggered_by(results),
        ),
        Section(
            "reproduce",
            "How to reproduce this",
            tables=[tables.triggers(results), tables.parts(results), tables.provenance(results)],
            command=results["provenance"].get("command", ""),
        ),
    ]
    html = render(
        title=f"Detecting “{results['word']}”",
        lead=_lead(results),
        cards=[_card(system) for system in results["systems"]],
        warnings=results["warnings"],
        sections=sections,
    )
    path = Path(folder) / PAGE
    write_whole(path, html)
    return path


class _Composer:
    """Draws every figure for both themes, and as a file."""

    def __init__(self, folder, answers, results, streams, words, kernel):
        self.answers, self.results, self.words = answers, results, words
        self.streams = streams
        self.kernel = kernel
        self.folder = folder
        self.light, self.dark = Artist(LIGHT), Artist(DARK)

    def picture(self, name, alt, plot, *arguments, size, **keywords) -> Picture:
        """A figure on the page and as a PNG of its name."""
        images = [
            data_uri(artist.draw(plot, *arguments, size=size, **keywords), "image/svg+xml")
            for artist in (self.light, self.dark)
        ]
        png = self.light.draw(plot, *arguments, size=size, kind="png", **keywords)
        write_whole(self.folder / f"{name}.png", png)
        return Picture(*images, alt, *(round(inches * PIXELS_PER_INCH) for inches in size))

    def curves(self) -> Section:
        """DET curves and latencies."""
        pictures = []
        for place, condition in enumerate(self.answers.conditions):
            alt = _det_alt(self.results, condition)
            pictures.append(
                self.picture(
                    f"det-{place}", alt, figures.det, self.results, condition, size=CURVE_SIZE
                )
            )
        for place, condition in enumerate(self.answers.conditions):
            late, points = {}, {}
            for system in self.results["systems"]:
                found = system["conditions"][condition]
                point = found["at_threshold"] or found["at_budget"]
                points[system["name"]] = point
                late[system["name"]] = self._latencies(system, condition, point["threshold"])
            pictures.append(
                self.picture(
                    f"latency-{place}",
                    _latency_alt(points, condition),
                    *(figures.latency, late, points, condition),
                    size=CURVE_SIZE,
                )
            )
        return Section(
            "curves",
            "Misses, false alarms, latency",
            "Misses against false alarms at every threshold: lower and further left is better. "
            "Bands are 95 % intervals over recordings; marks are the thresholds chosen on dev. "
            "Left of 3/H, no false alarm in all the hours of negatives can't be told from that "
            "rate. Latency counts from the anchor, the end of the word.".replace(
                "95 %", f"{100 * self.results['level']:g} %"
            ),
            pictures=pictures,
            tables=[tables.operating_points(self.results), tables.whole_curve(self.results)],
        )

    def moments(self, chosen: list[Moment], progress) -> Section:
        """Traces and sounds of single moments."""
        sounds = self._sounds(chosen)
        groups = []
        counted = 0
        for condition in self.answers.conditions:
            for kind in KINDS:
                here = [m for m in chosen if (m.condition, m.kind) == (condition, kind)]
                shown = []
                for each in here:
                    shown.append(self._moment(each, f"{kind} {counted}", sounds.get(id(each))))
                    counted += 1
                    if progress:
                        progress(counted, len(chosen))
                groups.append({"title": f"{GROUPS[kind]}: {condition}", "moments": shown})
        return Section(
            "moments",
            "Moments to listen to",
            "Scores of all systems around single moments, on a scale that shows what is close to "
            "0 and to 1. Level lines are the thresholds, marks the detections, the grey area the "
            f"hit window, the hill the anchor kernel ({_kernel_label(self.kernel)}).",
            groups=groups,
        )

    def _latencies(self, system, condition, threshold) -> list:
        rule = {k: v for k, v in system["scoring"].items() if not k.startswith("frame_")}
        if threshold is None:
            return []
        curve = self.answers.curve(
            system["name"], "test", condition, max_fa_per_hour=np.inf, **rule
        )
        return curve.latencies_at(threshold)

    def _moment(self, moment: Moment, name: str, sound: bytes | None) -> dict:
        track = self.answers.tracks("test", moment.condition)[moment.track]
        first, last = moment.time_s - BEFORE_S, moment.time_s + AFTER_S
        traces = []
        for system in self.results["systems"]:
            rule, level = scoring_of(system), system["threshold"]["threshold"]
            posterior = self.answers.of(system["name"], "test", moment.condition)[moment.track]
            times_s = rule.time_s(np.arange(len(posterior)))
            near = (times_s >= first) & (times_s <= last)
            fired = detect(posterior, level, **vars(rule)) if level is not None else []
            traces.append(
                {
                    "name": system["name"],
                    "time_s": times_s[near],
                    "score": rule.scores(posterior)[0][near],
                    "threshold": level,
                    "detections": [
                        (each.time_s, each.score) for each in fired if first <= each.time_s <= last
                    ],
                    "early_s": rule.early_s,
                    "max_delay_s": rule.max_delay_s,
                }
            )
        features = self._features(moment, first, last)
        picture = self.picture(
            name.replace(" ", "-"),
            _moment_alt(moment),
            figures.moment,
            moment,
            traces,
            features=features,
            kernel=self._hill(moment, first, last),
            said=_said(track, first, last, self.words),
            size=PLAIN_MOMENT_SIZE if features is None else MOMENT_SIZE,
            rows=None if features is None else (1, 2.2),
        )
        speaker = f", speaker {moment.speaker}" if moment.speaker else ""
        return {
            "title": moment.said,
            "where": f"{moment.file}{speaker}; {track.name} at {moment.time_s:.2f} s",
            "picture": picture,
            "verdicts": list(moment.verdicts.items()),
            "audio": data_uri(sound, "audio/flac") if sound else "",
        }

    def _features(self, moment, first_s, last_s):
        if moment.condition not in self.streams:
            return None
        features = self.streams[moment.condition][moment.track].features
        times = self.answers.times[self.answers.systems[0]]
        stride = round(len(features) / len(self._posterior(moment)))
        step_s = times["frame_step_s"] / stride
        offset_s = times["frame_offset_s"] - (stride - 1) * step_s
        begin = max(0, round((first_s - offset_s) / step_s))
        end = min(len(features), round((last_s - offset_s) / step_s) + 1)
        return offset_s + step_s * np.array([begin, end]), features[begin:end]

    def _posterior(self, moment):
        return self.answers.of(self.answers.systems[0], "test", moment.condition)[moment.track]

    def _hill(self, moment, first_s, last_s):
        if moment.anchor_s is None:
            return None
        rule = scoring_of(self.results["systems"][0])
        times_s = np.linspace(first_s, last_s, 601)
        distance = (times_s - moment.anchor_s) / rule.frame_step_s
        values = np.asarray(anchor_kernel(distance.astype("float32"), **self.kernel))
        return times_s, values, "anchor kernel"

    def _sounds(self, chosen: list[Moment]) -> dict:
        """FLAC of each moment, each stream being made once."""
        if not self.streams:
            return {}
        soundfile = need("soundfile", "let a report be heard", extra="audio")
        together = defaultdict(list)
        for moment in chosen:
            if moment.condition in self.streams:
                together[moment.condition, moment.track].append(moment)
        sounds = {}
        for (condition, track), several in together.items():
            samples = self.streams[condition][track].samples()
            for moment in several:
                begin = max(0, round((moment.time_s - BEFORE_S) * SAMPLE_RATE))
                end = round((moment.time_s + AFTER_S) * SAMPLE_RATE)
                file = io.BytesIO()
                soundfile.write(file, samples[begin:end], SAMPLE_RATE, "PCM_16", format="FLAC")
                sounds[id(moment)] = file.getvalue()
        return sounds


def _comparison(results) -> Section:
    shown = [tables.footprint(results)]
    if results["parity"]:
        shown.insert(0, tables.parity(results))
    if results["differences"]:
        shown.insert(0, tables.differences(results))
    title = "Systems compared" if len(results["systems"]) > 1 else "The system"
    return Section("systems", title, tables=shown)


def _card(system) -> dict:
    conditions = []
    for name, found in system["conditions"].items():
        point = found["at_threshold"]
        if not point:
            continue
        frr = interval(point["intervals"]["frr"].get("exact"), "{:.1f}", 100)
        alarms = interval(point["intervals"]["fa_per_hour"].get("exact"))
        figures = [
            ("missed", _short(point["frr"], "{:.1f} %", 100), frr),
            ("false alarms", _short(point["fa_per_hour"], "{:.2f}/h"), alarms),
            (
                "latency P50",
                _short(point["latency_p50_s"], "{:.0f} ms", 1000),
                f"P90 {_short(point['latency_p90_s'], '{:.0f} ms', 1000)}",
            ),
        ]
        conditions.append((name, figures))
    return {
        "name": system["name"],
        "conditions": conditions,
        "excuse": "No threshold: nothing that this system does on dev is within the budget.",
    }


def _short(value, form, scale=1.0) -> str:
    return NOTHING if value is None else form.format(scale * value)


def _lead(results) -> str:
    test = [part for part in results["parts"] if part["split"] == "test"]
    named = ", ".join(
        f"{part['condition']} ({part['events']} words in {part['hours']:.1f} h)" for part in test
    )
    count = len(results["systems"])
    return (
        f"{count} system{'s' * (count > 1)} on the same test streams: {named}. Below, each at its "
        "threshold, chosen on other recordings for at most "
        f"{results['fa_per_hour']:g} false alarms an hour unless it ships with one; in brackets "
        f"the exact {100 * results['level']:g} % intervals."
    )


def _det_alt(results, condition) -> str:
    said = "; ".join(
        f"{system['name']}: {_short(point['frr'], '{:.1f} %', 100)} missed"
        for system in results["systems"]
        for point in [system["conditions"][condition]["at_budget"]]
    )
    return (
        f"Misses against false alarms an hour, {condition}. At the budget of "
        f"{results['fa_per_hour']:g} an hour, {said}."
    )


def _latency_alt(points, condition) -> str:
    said = "; ".join(
        f"{name}: P50 {_short(point['latency_p50_s'], '{:.0f} ms', 1000)}, "
        f"P90 {_short(point['latency_p90_s'], '{:.0f} ms', 1000)}"
        for name, point in points.items()
    )
    return f"Share of the hits by latency after the anchor, {condition}. {said}."


def _moment_alt(moment: Moment) -> str:
    verdicts = "; ".join(f"{name}: {verdict}" for name, verdict in moment.verdicts.items())
    return f"Scores around a {moment.kind}, “{moment.said}”. {verdicts}."


def _kernel_label(kernel) -> str:
    return f"{kernel['kernel']}, reach {kernel['reach']:g} frames"


def _said(track, first_s, last_s, words) -> list[tuple[str, float, float]]:
    """What is heard between two times: words where they are known, else the recordings."""
    said = []
    for clip in track.clips:
        if clip.end_s < first_s or clip.start_s > last_s:
            continue
        known = words.get(clip.file)
        if known:
            said += [(word, clip.start_s + on, clip.start_s + off) for word, on, off in known]
        else:
            said.append((clip.text or f"({Path(clip.file).parent.name})", clip.start_s, clip.end_s))
    return [each for each in said if each[2] > first_s and each[1] < last_s]
