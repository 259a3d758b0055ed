"""kissfft in 16-bit integers, written down from its C code, value by value."""

import math

FRACTION_BITS, LARGEST = 15, 32_767


def rounded(x):
    return (x + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS


def fix_div(z, divisor):
    return tuple(rounded(part * (LARGEST // divisor)) for part in z)


def times(a, b):
    return rounded(a[0] * b[0] - a[1] * b[1]), rounded(a[0] * b[1] + a[1] * b[0])


def plus(a, b):
    return a[0] + b[0], a[1] + b[1]


def minus(a, b):
    return a[0] - b[0], a[1] - b[1]


def fraction(phase):
    return tuple(math.floor(0.5 + LARGEST * f(phase)) for f in (math.cos, math.sin))


def transform(z, size):
    """`kf_work` with `kf_bfly4`: the complex transform of a power of 4 values."""
    if len(z) == 1:
        return z
    quarter = len(z) // 4
    parts = [transform(z[j::4], size) for j in range(4)]
    result = [None] * len(z)
    for k in range(quarter):
        first, *others = (fix_div(part[k], 4) for part in parts)
        stride = size // len(z)
        a, b, c = (
            times(other, fraction(-2 * math.pi * (j * k * stride) / size))
            for j, other in enumerate(others, start=1)
        )
        five, first = minus(first, b), plus(first, b)
        three, four = plus(a, c), minus(a, c)
        result[k], result[k + 2 * quarter] = plus(first, three), minus(first, three)
        result[k + quarter] = five[0] + four[1], five[1] - four[0]
        result[k + 3 * quarter] = five[0] - four[1], five[1] + four[0]
    return result


def real_transform(samples):
    """`kiss_fftr` without the bins 0 and N / 2: `{bin: (real, imaginary)}`."""
    half = len(samples) // 2
    z = transform(
        [(int(x), int(y)) for x, y in zip(samples[::2], samples[1::2], strict=True)], half
    )
    result = {}
    for k in range(1, half // 2 + 1):
        here = fix_div(z[k], 2)
        there = fix_div((z[half - k][0], -z[half - k][1]), 2)
        even, odd = plus(here, there), minus(here, there)
        turned = times(odd, fraction(-math.pi * (k / half + 0.5)))
        result[k] = tuple(part >> 1 for part in plus(even, turned))
        result[half - k] = (even[0] - turned[0]) >> 1, (turned[1] - even[1]) >> 1
    return result
