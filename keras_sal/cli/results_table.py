"""The table of what systems do, as `demo` and `evaluate` print it."""


def show(results, console):
    """Prints what each system does at the threshold chosen on dev."""
    rows = []
    for system in results["systems"]:
        for condition, found in system["conditions"].items():
            point, best = found["at_threshold"], found["at_budget"]
            rows.append(
                [
                    system["name"],
                    condition,
                    _misses(best),
                    *(
                        (
                            _misses(point),
                            _rate(point),
                            _milliseconds((point["latency_p50_s"], point["latency_p90_s"])),
                        )
                        if point
                        else ("-", "-", "-")
                    ),
                ]
            )
    console.table(
        f"{results['word']!r} at {results['fa_per_hour']:g} false alarms an hour",
        ["", "noise", "missed", "at dev threshold", "FA/h there", "P50 / P90 there"],
        rows,
    )
    for warning in results["warnings"]:
        console.say(f"Warning: {warning}")


def _misses(point) -> str:
    low, high = point["intervals"]["frr"].get("exact", (float("nan"),) * 2)
    return f"{100 * point['frr']:.1f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _rate(point) -> str:
    low, high = point["intervals"]["fa_per_hour"].get("exact", (float("nan"),) * 2)
    return f"{point['fa_per_hour']:.1f} [{low:.1f}, {high:.1f}]"


def _milliseconds(times_s):
    """Formats times in seconds as milliseconds."""
    return " / ".join(f"{1000 * time_s:.0f}" for time_s in times_s) + " ms"
